/* SPDX-License-Identifier: Apache-2.0 */
#include <viewcast/viewcast.h>

#include <inttypes.h>
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/view.h"
#include "internal.h"

/* The number of axes; 0 for a rank that no view has. */
static int32_t known_axes(const vc_view *view) {
  return (uint32_t)view->ndim <= VC_MAX_NDIM ? view->ndim : 0;
}

bool vc_view_is_empty(const vc_view *view) {
  VC_NEED_OR(view, return false);
  for (int32_t axis = 0, axes = known_axes(view); axis < axes; axis++)
    if (view->shape[axis] == 0) return true;
  return false;
}

bool vc_view_is_packed(const vc_view *view) {
  VC_NEED_OR(view, return false);
  bool packed = true;
  uint64_t expected = vc_dtype_bytes(view->dtype);
  for (int32_t axis = known_axes(view) - 1; axis >= 0; axis--) {
    int64_t length = view->shape[axis];
    if (length == 0) return true; /* an empty view is packed whatever its strides */
    if (length == 1) continue;
    packed = packed && (uint64_t)view->strides[axis] == expected;
    expected *= (uint64_t)length;
  }
  return packed;
}

/* Bytes of all elements, 0 if the view is empty; false if they do not fit an int64_t, or a
 * length is negative. */
static bool count_bytes(const vc_view *view, int32_t axes, int64_t *out) {
  int64_t bytes = (int64_t)vc_dtype_bytes(view->dtype), negative = 0;
  for (int32_t axis = 0; axis < axes; axis++) {
    negative |= view->shape[axis];
    if (__builtin_mul_overflow(bytes, view->shape[axis], &bytes)) return false;
  }
  *out = bytes;
  return negative >= 0;
}

/* Byte range of a view; false if it does not fit an int64_t, or a length is 0 or negative. */
static bool find_span(const vc_view *view, int32_t axes, int64_t *low, int64_t *high) {
  int64_t size;
  *low = 0;
  *high = (int64_t)vc_dtype_bytes(view->dtype);
  for (int32_t axis = 0; axis < axes; axis++) {
    int64_t length = view->shape[axis], distance;
    if (length < 1 || __builtin_mul_overflow(length - 1, view->strides[axis], &distance))
      return false;
    int64_t *end = distance < 0 ? low : high;
    if (__builtin_add_overflow(*end, distance, end)) return false;
  }
  return !__builtin_sub_overflow(*high, *low, &size);
}

size_t vc_view_nbytes(const vc_view *view) {
  VC_NEED_OR(view, return 0);
  int64_t bytes;
  return count_bytes(view, known_axes(view), &bytes) ? (size_t)bytes : 0;
}

void vc_view_span(const vc_view *view, int64_t *low, int64_t *high) {
  VC_NEED_OR(view, return);
  VC_NEED_OR(low, return);
  VC_NEED_OR(high, return);
  if (!find_span(view, known_axes(view), low, high)) *low = *high = 0;
}

static vc_status check_device(vc_device device, vc_error *error) {
  switch (device.type) {
    case VC_CPU:
    case VC_CUDA:
    case VC_CUDA_HOST:
    case VC_CUDA_MANAGED: break;
    default:
      return vc_fail(error, VC_ERROR_DEVICE,
                     "device type is %" PRId32
                     ", needs CPU (1), CUDA (2), CUDA host (3) "
                     "or CUDA managed (13); copy the array to one of these first",
                     device.type);
  }
  if (device.id < 0)
    return vc_fail(error, VC_ERROR_DEVICE,
                   "device id is %" PRId32 ", needs 0 or the ordinal of a CUDA device", device.id);
  return VC_OK;
}

static vc_status check_rank(int32_t ndim, vc_error *error) {
  if (ndim >= 1 && ndim <= VC_MAX_NDIM) return VC_OK;
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "array has rank %" PRId32
                 ", needs 1 to %d; reshape it to (H, W), (H, W, C) "
                 "or a batch of these first",
                 ndim, VC_MAX_NDIM);
}

static vc_status check_shape(const vc_view *view, vc_error *error) {
  for (int32_t axis = 0; axis < view->ndim; axis++)
    if (view->shape[axis] < 0)
      return vc_fail(error, VC_ERROR_VALUE,
                     "axis %" PRId32 " is %" PRId64
                     " long, needs 0 or more: the producer's "
                     "description is broken",
                     axis, view->shape[axis]);
  return VC_OK;
}

/* The elements of a view that is not empty lie inside the address space. */
static vc_status check_extent(const vc_view *view, vc_error *error) {
  int64_t bytes, low, high;
  if (!count_bytes(view, view->ndim, &bytes))
    return vc_fail(error, VC_ERROR_VALUE,
                   "the elements take more bytes than 64 bits can count: the producer's "
                   "shape is broken");
  if (!find_span(view, view->ndim, &low, &high))
    return vc_fail(error, VC_ERROR_VALUE,
                   "the distance from the first byte to the last overflows 64 bits: the "
                   "producer's strides are broken");
  if (view->data == NULL)
    return vc_fail(error, VC_ERROR_VALUE,
                   "data is NULL although the array has %" PRId64 " bytes, needs an address: %s",
                   bytes, vc_advice_text(VC_ADVICE_HAS_NO_MEMORY));

  uintptr_t address = (uintptr_t)view->data, end;
  if (address < (uintptr_t)0 - (uintptr_t)low ||
      __builtin_add_overflow(address, (uintptr_t)high, &end))
    return vc_fail(error, VC_ERROR_VALUE,
                   "the elements lie %" PRId64 " to %" PRId64 " bytes from address %#" PRIxPTR
                   ", which is outside the address space: the producer's data or strides "
                   "are broken",
                   low, high, address);
  return VC_OK;
}

vc_status vc_view_check(const vc_view *view, vc_error *error) {
  VC_NEED(view);
  if (vc_view_is_plain(view)) return VC_OK;
  VC_TRY(vc_dtype_check(view->dtype, error));
  VC_TRY(check_device(view->device, error));
  VC_TRY(check_rank(view->ndim, error));
  VC_TRY(check_shape(view, error));
  return vc_view_is_empty(view) ? VC_OK : check_extent(view, error);
}

/* A stride that does not fit is written as 0: it belongs to an empty view, where
 * no stride matters, or to a shape that vc_view_check refuses. */
static void pack_strides(vc_view *view) {
  int64_t stride = (int64_t)vc_dtype_size(view->dtype);
  for (int32_t axis = view->ndim - 1; axis >= 0; axis--) {
    view->strides[axis] = stride;
    int64_t length = view->shape[axis] > 1 ? view->shape[axis] : 1;
    if (__builtin_mul_overflow(stride, length, &stride)) stride = 0;
  }
}

vc_status vc_view_packed(void *data, vc_device device, vc_dtype dtype, int32_t ndim,
                         const int64_t *shape, vc_view *out, vc_error *error) {
  VC_NEED(shape);
  VC_NEED(out);
  VC_TRY(check_rank(ndim, error));

  vc_view view = {.data = data, .device = device, .dtype = dtype, .ndim = ndim};
  memcpy(view.shape, shape, (size_t)ndim * sizeof *shape);
  pack_strides(&view);
  VC_TRY(vc_view_check(&view, error));
  *out = view;
  return VC_OK;
}
