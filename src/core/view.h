/* SPDX-License-Identifier: Apache-2.0 */
/* The fast check of a view, and functions for callers that know their arguments not to be
 * NULL. */
#ifndef VIEWCAST_CORE_VIEW_H
#define VIEWCAST_CORE_VIEW_H

#include "core/dtype.h"

/* True for nearly every valid view: known dtype and device, no empty axis, no negative
 * stride, inside the address space. False says nothing: vc_view_check must decide. */
static inline bool vc_view_is_plain(const vc_view *view) {
  int64_t bytes = (int64_t)vc_dtype_bytes(view->dtype), end = bytes;
  vc_device device = view->device;
  bool on_known = device.type == VC_CUDA || device.type == VC_CPU;
  if (bytes == 0 || !on_known || device.id < 0 || view->data == NULL || view->ndim < 1 ||
      view->ndim > VC_MAX_NDIM)
    return false;
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    int64_t length = view->shape[axis], stride = view->strides[axis], distance;
    if (length < 1 || stride < 0 || __builtin_mul_overflow(bytes, length, &bytes) ||
        __builtin_mul_overflow(length - 1, stride, &distance) ||
        __builtin_add_overflow(end, distance, &end))
      return false;
  }
  uintptr_t last;
  return !__builtin_add_overflow((uintptr_t)view->data, (uintptr_t)end, &last);
}

/* vc_image_from_view, of arguments that are not NULL. */
vc_status vc_image_read(const vc_view *view, vc_image *out, vc_error *error);

#endif
