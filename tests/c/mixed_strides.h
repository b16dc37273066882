/* SPDX-License-Identifier: Apache-2.0 */
/* Images whose axes lie in memory in any way. */
#ifndef VIEWCAST_TESTS_MIXED_STRIDES_H
#define VIEWCAST_TESTS_MIXED_STRIDES_H

#include <stdlib.h>

#include "chance.h"
#include "core/dtype.h"

/* Gives the axes of a view any order in memory, any gaps and any direction, at any address, in new
 * memory, which is returned and not filled. An axis of a view that is not written may be one
 * element again and again. */
static inline char *mix_strides(vc_view *view, bool written, size_t *bytes) {
  int64_t size = (int64_t)vc_dtype_size(view->dtype), reach = size, first = 0;
  bool seen[VC_MAX_NDIM] = {false};
  for (int i = 0; i < view->ndim; i++) {
    int axis = draw(view->ndim);
    while (seen[axis]) axis = (axis + 1) % view->ndim;
    seen[axis] = true;
    bool same = !written && one_in(8), flipped = one_in(3);
    int64_t step = same ? 0 : reach + (one_in(3) ? size * draw(5) : 0);
    int64_t last = step * (view->shape[axis] - 1);
    view->strides[axis] = flipped ? -step : step;
    first += flipped ? last : 0;
    reach += last;
  }
  *bytes = (size_t)(reach + draw(3 * (int)size));
  char *memory = malloc(*bytes);
  view->data = memory + first + (int64_t)*bytes - reach; /* ends where its memory does */
  return memory;
}

#endif
