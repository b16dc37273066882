/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two views share a byte. */
#include <stdlib.h>

#include "transform/plan_parts.h"

/* A view's elements: from the lowest on, steps are positive, longest first. */
typedef struct spread {
  const char *low;
  int64_t size; /* of an element */
  int32_t axes;
  int64_t steps[VC_MAX_NDIM], counts[VC_MAX_NDIM];
} spread;

static spread spread_of(const vc_view *view) {
  int64_t low, high;
  vc_view_span(view, &low, &high);
  spread out = {.low = (const char *)view->data + low, .size = (int64_t)vc_dtype_size(view->dtype)};
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    int64_t step = llabs(view->strides[axis]);
    if (view->shape[axis] == 1 || step == 0) continue;
    int32_t at = out.axes++;
    for (; at > 0 && out.steps[at - 1] < step; at--) {
      out.steps[at] = out.steps[at - 1];
      out.counts[at] = out.counts[at - 1];
    }
    out.steps[at] = step;
    out.counts[at] = view->shape[axis];
  }
  return out;
}

/* Bytes from the first to the last, without the axes before `axis`. */
static int64_t extent(const spread *of, int32_t axis) {
  int64_t bytes = of->size;
  for (; axis < of->axes; axis++) bytes += of->steps[axis] * (of->counts[axis] - 1);
  return bytes;
}

static int64_t floor_of(int64_t value, int64_t step) {
  return value / step - (value % step < 0);
}

/* Neighbours that may meet at one level; more are not looked at one by one. */
#define MOST 4

/* Whether what is left of `a` from axis `i` on and of `b` from axis `j` on, which
 * starts `distance` bytes after it, share a byte. Takes the longest step away: the
 * few places where the rests may still meet are looked at in turn. */
static bool meet(const spread *a, int32_t i, const spread *b, int32_t j, int64_t distance) {
  if (distance >= extent(a, i) || -distance >= extent(b, j)) return false;
  int64_t first = i < a->axes ? a->steps[i] : 0, second = j < b->axes ? b->steps[j] : 0;
  int64_t step = first > second ? first : second, count_a = 1, count_b = 1;
  if (step == 0) return true;
  if (first == step) count_a = a->counts[i++];
  if (second == step) count_b = b->counts[j++];
  int64_t low = floor_of(-extent(b, j) - distance, step) + 1;
  int64_t high = floor_of(extent(a, i) - distance - 1, step);
  if (low < 1 - count_a) low = 1 - count_a;
  if (high > count_b - 1) high = count_b - 1;
  if (high - low >= MOST) return true;
  for (; low <= high; low++) {
    if (meet(a, i, b, j, distance + low * step)) return true;
  }
  return false;
}

bool vc_views_overlap(const vc_view *a, const vc_view *b) {
  spread first = spread_of(a), second = spread_of(b);
  uintptr_t x = (uintptr_t)first.low, y = (uintptr_t)second.low;
  if (x <= y && y - x >= (uint64_t)extent(&first, 0)) return false;
  if (x > y && x - y >= (uint64_t)extent(&second, 0)) return false;
  return meet(&first, 0, &second, 0, (int64_t)(y - x));
}
