/* SPDX-License-Identifier: Apache-2.0 */
/* Two views, or one with itself. Elements of views share a byte where a sum of
 * multiples of strides, each within the length of its axis, falls into a window as
 * wide as the elements: a small integer program, solved exactly by taking axes away. */
#include "core/overlap.h"

#include "core/dtype.h"

/* Sums that are at most this large can be added and subtracted without a check. */
#define LARGEST ((int64_t)1 << 60)
/* Places that are looked at one by one before the answer is "shared". */
#define MOST_PLACES (1 << 14)

/* --- a view as a set of bytes */

/* Inserts an axis into those from the longest stride to the shortest. */
static void insert_axis(vc_overlap_axis *axes, int32_t count, int64_t stride, int64_t length) {
  int32_t at = count;
  for (; at > 0 && axes[at - 1].stride < stride; at--) axes[at] = axes[at - 1];
  axes[at] = (vc_overlap_axis){stride, length};
}

vc_overlap_set vc_overlap_set_of(const vc_view *view) {
  int64_t low, high;
  vc_view_span(view, &low, &high);
  vc_overlap_set set = {.low = (uintptr_t)view->data + (uintptr_t)low,
                        .run = (int64_t)vc_dtype_bytes(view->dtype)};
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    int64_t stride = view->strides[axis];
    if (view->shape[axis] == 1) continue;
    if (stride == 0) {
      set.broadcast = true;
    } else {
      insert_axis(set.axis, set.axes++, stride < 0 ? -stride : stride, view->shape[axis]);
    }
  }
  for (; set.axes > 0 && set.axis[set.axes - 1].stride <= set.run; set.axes--) {
    const vc_overlap_axis *shortest = &set.axis[set.axes - 1];
    set.run += shortest->stride * (shortest->count - 1);
  }
  return set;
}

int64_t vc_overlap_extent(const vc_overlap_set *set, int32_t from) {
  int64_t bytes = set->run;
  for (int32_t i = from; i < set->axes; i++)
    bytes += set->axis[i].stride * (set->axis[i].count - 1);
  return bytes;
}

/* --- whether a sum falls into a window */

/* A sum has one multiple of each stride, from 0 to `last` times. Shortest first. */
typedef struct term {
  int64_t stride, last;
} term;

typedef struct sums {
  int32_t count;
  term terms[2 * VC_MAX_NDIM];
} sums;

static void add_term(sums *to, int64_t stride, int64_t last) {
  if (last == 0) return;
  int32_t at = to->count++;
  for (; at > 0 && to->terms[at - 1].stride > stride; at--) to->terms[at] = to->terms[at - 1];
  to->terms[at] = (term){stride, last};
}

static int64_t divide_down(int64_t value, int64_t by) { return value / by - (value % by < 0); }
static int64_t divide_up(int64_t value, int64_t by) { return -divide_down(-value, by); }

static int64_t largest_sum(const sums *of) {
  int64_t sum = 0;
  for (int32_t i = 0; i < of->count; i++) sum += of->terms[i].stride * of->terms[i].last;
  return sum;
}

/* Strides no longer than the window leave no gap: the window becomes longer instead.
 * A stride that is a multiple of a shorter one, and within its reach, continues it. */
static void join_terms(sums *of, int64_t *low, int64_t high) {
  int32_t kept = 0;
  for (int32_t i = 0; i < of->count; i++) {
    term next = of->terms[i], *last = kept ? &of->terms[kept - 1] : NULL;
    if (next.stride <= high - *low + 1) {
      *low -= next.stride * next.last;
    } else if (last && next.stride % last->stride == 0 &&
               next.stride / last->stride <= last->last + 1) {
      last->last += next.stride / last->stride * next.last;
    } else {
      of->terms[kept++] = next;
    }
  }
  of->count = kept;
}

static int64_t common_divisor(const sums *of) {
  int64_t divisor = 0;
  for (int32_t i = 0; i < of->count; i++) {
    int64_t a = of->terms[i].stride, b = divisor;
    while (b) {
      int64_t rest = a % b;
      a = b;
      b = rest;
    }
    divisor = a;
  }
  return divisor;
}

__extension__ typedef __int128 wide_int;

/* The smallest x >= 0 for which a * x mod m is from low to high, where 0 <= a < m and
 * 0 <= low <= high < m; -1 if there is none. Euclid's algorithm: m is halved each time. */
static int64_t first_within(int64_t a, int64_t m, int64_t low, int64_t high) {
  if (low == 0) return 0;
  if (a == 0) return -1;
  if (a > m / 2) return first_within(m - a, m, m - high, m - low);
  int64_t x = (low + a - 1) / a;
  if (x <= high / a) return x;
  int64_t y = first_within((a - m % a) % a, a, low % a, high % a);
  return y < 0 ? -1 : (int64_t)(((wide_int)m * y + low + a - 1) / a);
}

/* Whether a * k + b * j, k and j from 0 to their last, falls into a window that is
 * shorter than b. For each k there is one j at most; which k have one is asked of all
 * at once. */
static bool two_reach(term a, term b, int64_t low, int64_t high) {
  int64_t wide = high - low, from = low - b.stride * b.last;
  int64_t first = from > 0 ? divide_up(from, a.stride) : 0, last = divide_down(high, a.stride);
  if (last > a.last) last = a.last;
  if (first > last) return false;
  int64_t rest = (a.stride * first - from) % b.stride;
  if (rest < 0) rest += b.stride;
  if (rest <= wide) return true;
  int64_t found =
      first_within(a.stride % b.stride, b.stride, b.stride - rest, b.stride - rest + wide);
  return found >= 0 && found <= last - first;
}

static bool reach(sums of, int64_t low, int64_t high, int32_t *places) {
  for (;;) {
    join_terms(&of, &low, high);
    int64_t most = largest_sum(&of);
    if (high < 0 || low > most) return false;
    if (low <= 0 || high >= most) return true;
    int64_t divisor = common_divisor(&of);
    if (divisor == 1) break;
    low = divide_up(low, divisor);
    high = divide_down(high, divisor);
    if (low > high) return false;
    for (int32_t i = 0; i < of.count; i++) of.terms[i].stride /= divisor;
  }
  if (of.count == 2) return two_reach(of.terms[0], of.terms[1], low, high);
  term longest = of.terms[--of.count];
  int64_t first = divide_up(low - largest_sum(&of), longest.stride);
  int64_t last = divide_down(high, longest.stride);
  if (first < 0) first = 0;
  if (last > longest.last) last = longest.last;
  for (int64_t k = first; k <= last; k++) {
    if (--*places < 0) return true;
    if (reach(of, low - k * longest.stride, high - k * longest.stride, places)) return true;
  }
  return false;
}

/* --- two views */

bool vc_overlap_sets_meet(const vc_overlap_set *a, const vc_overlap_set *b) {
  if (b->low < a->low) return vc_overlap_sets_meet(b, a);
  int64_t extents[2] = {vc_overlap_extent(a, 0), vc_overlap_extent(b, 0)};
  if (b->low - a->low >= (uint64_t)extents[0]) return false;
  if (extents[0] > LARGEST || extents[1] > LARGEST) return true;
  /* A place of a, and one of b counted from its last: their sum says how far apart
   * the two are. */
  sums of = {.count = 0};
  for (int32_t i = 0; i < a->axes; i++) add_term(&of, a->axis[i].stride, a->axis[i].count - 1);
  for (int32_t i = 0; i < b->axes; i++) add_term(&of, b->axis[i].stride, b->axis[i].count - 1);
  int64_t apart = (int64_t)(b->low - a->low) + extents[1] - b->run;
  int32_t places = MOST_PLACES;
  return reach(of, apart - a->run + 1, apart + b->run - 1, &places);
}

bool vc_views_overlap(const vc_view *a, const vc_view *b) {
  if (vc_view_is_empty(a) || vc_view_is_empty(b)) return false;
  vc_overlap_set sets[2] = {vc_overlap_set_of(a), vc_overlap_set_of(b)};
  return vc_overlap_sets_meet(&sets[0], &sets[1]);
}

/* --- one with itself */

/* Axes whose strides are longer than all that lies inside of them never meet. */
static bool is_nested(const vc_overlap_axis *axes, int32_t count, int64_t size) {
  int64_t reached = size;
  for (int32_t i = count; i-- > 0;) {
    if (axes[i].stride < reached) return false;
    reached += axes[i].stride * (axes[i].count - 1);
  }
  return true;
}

/* Whether two elements meet that are apart along axis i, forwards, not along the axes
 * before it, and as they may along those after it. */
static bool meets_along(const vc_overlap_axis *axes, int32_t count, int32_t i, int64_t size) {
  sums of = {.count = 0};
  int64_t apart = -axes[i].stride;
  add_term(&of, axes[i].stride, axes[i].count - 2);
  for (int32_t j = i + 1; j < count; j++) {
    add_term(&of, axes[j].stride, 2 * (axes[j].count - 1));
    apart += axes[j].stride * (axes[j].count - 1);
  }
  int32_t places = MOST_PLACES;
  return reach(of, apart - size + 1, apart + size - 1, &places);
}

bool vc_view_overlaps_itself(const vc_view *view) {
  vc_overlap_axis axes[VC_MAX_NDIM];
  int32_t count = 0;
  int64_t low, high, size = (int64_t)vc_dtype_bytes(view->dtype);
  if (vc_view_is_empty(view)) return false;
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    int64_t stride = view->strides[axis];
    if (view->shape[axis] == 1) continue;
    if (stride == 0) return true;
    insert_axis(axes, count++, stride < 0 ? -stride : stride, view->shape[axis]);
  }
  if (is_nested(axes, count, size)) return false;
  vc_view_span(view, &low, &high);
  if (high - low > LARGEST) return true;
  for (int32_t i = 0; i < count; i++) {
    if (meets_along(axes, count, i, size)) return true;
  }
  return false;
}
