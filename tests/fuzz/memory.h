/* SPDX-License-Identifier: Apache-2.0 */
/* Views with memory of their own, for inputs: it is exactly what a view spans, so that a sanitizer
 * sees any byte too far. */
#ifndef VIEWCAST_FUZZ_MEMORY_H
#define VIEWCAST_FUZZ_MEMORY_H

#include <stdlib.h>

#include <viewcast/viewcast.h>

#include "input.h"
#include "internal.h"

#define MOST_BYTES (1 << 20)

static inline int64_t length_of(fuzz_input *in) {
  uint8_t value = take_byte(in);
  return value < 200 ? value % 8 : value < 250 ? value : value * 5;
}

/* Strides from the last axis on: packed, or with a gap, flipped, expanded. */
static inline void lay_out(fuzz_input *in, vc_view *view) {
  int64_t stride = (int64_t)vc_dtype_size(view->dtype);
  for (int32_t axis = view->ndim - 1; axis >= 0; axis--) {
    uint8_t how = take_byte(in);
    if (how & 1) stride += how >> 4;
    view->strides[axis] = how % 16 == 14 ? 0 : how & 2 ? -stride : stride;
    if (view->shape[axis] > 1) stride *= view->shape[axis];
  }
}

/* Memory for a view whose axes and dtype are set; NULL if that is too much. */
static inline char *give_memory(vc_view *view) {
  int64_t low, high;
  vc_error error;
  view->data = (void *)(uintptr_t)(UINTPTR_MAX / 2);
  if (vc_view_check(view, &error) != VC_OK) return NULL;
  vc_view_span(view, &low, &high);
  if (high - low > MOST_BYTES) return NULL;
  char *memory = malloc((size_t)(high - low));
  view->data = memory ? memory - low : NULL;
  for (int64_t i = 0; memory && i < high - low; i++) memory[i] = (char)(i * 37);
  return memory;
}

#endif
