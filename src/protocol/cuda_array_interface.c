/* SPDX-License-Identifier: Apache-2.0 */
/* CUDA Array Interface, versions 2 and 3
 * (https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html). */
#include <viewcast/viewcast.h>

#include <inttypes.h>
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "internal.h"

static vc_status check_header(const vc_cuda_array *array, vc_error *error) {
  if (array->version != 2 && array->version != 3)
    return vc_fail(error, VC_ERROR_VALUE,
                   "CUDA Array Interface has version %" PRId64
                   ", needs 2 or 3; update the "
                   "producer or pass the array through DLPack",
                   array->version);
  if (array->has_mask)
    return vc_fail(error, VC_ERROR_VALUE,
                   "CUDA Array Interface has a mask, needs none: an image has no masked "
                   "elements; fill them in first");
  if (memchr(array->typestr, '\0', sizeof array->typestr) == NULL)
    return vc_fail(error, VC_ERROR_DTYPE,
                   "typestr is longer than %zu characters, needs 3, as in '<f4'; pass a plain "
                   "numeric type",
                   sizeof array->typestr - 1);
  return VC_OK;
}

vc_status vc_view_from_cuda_array(const vc_cuda_array *array, vc_device device, vc_view *out,
                                  vc_error *error) {
  VC_NEED(array);
  VC_NEED(out);
  vc_dtype dtype;
  vc_view view = {.data = (void *)array->data, .device = device, .ndim = array->ndim};
  VC_TRY(check_header(array, error));
  VC_TRY(vc_dtype_from_typestr(array->typestr, &dtype, error));

  view.dtype = dtype;
  if (array->has_strides) {
    /* Checked by its own strides alone: packed, it might not fit. */
    memcpy(view.shape, array->shape, sizeof view.shape);
    memcpy(view.strides, array->strides, sizeof view.strides);
    VC_TRY(vc_view_check(&view, error));
  } else {
    VC_TRY(vc_view_packed(view.data, device, dtype, array->ndim, array->shape, &view, error));
  }
  view.readonly = array->readonly;
  *out = view;
  return VC_OK;
}

static vc_status check_device_memory(const vc_view *view, vc_error *error) {
  if (vc_device_is_gpu(view->device)) return VC_OK;
  return vc_fail(error, VC_ERROR_DEVICE,
                 "array is in %s, needs device or managed memory: the CUDA Array Interface "
                 "describes no other; use DLPack or the buffer protocol",
                 view->device.type == VC_CUDA_HOST ? "pinned host memory" : "host memory");
}

vc_status vc_cuda_array_from_view(const vc_view *view, vc_cuda_array *out, vc_error *error) {
  VC_NEED(view);
  VC_NEED(out);
  VC_TRY(vc_view_check(view, error));
  VC_TRY(check_device_memory(view, error));

  const char *typestr = vc_dtype_typestr(view->dtype);
  if (typestr == NULL)
    return vc_fail(error, VC_ERROR_DTYPE,
                   "dtype is %s, needs one that NumPy has a typestr for; use DLPack, or %s",
                   vc_dtype_name(view->dtype), vc_advice_text(VC_ADVICE_AS_INT16));

  bool packed = vc_view_is_packed(view);
  vc_cuda_array array = {
      .version = 3,
      .data = vc_view_is_empty(view) ? 0 : (uintptr_t)view->data,
      .readonly = view->readonly != 0,
      .has_strides = !packed,
      .ndim = view->ndim,
  };
  memcpy(array.shape, view->shape, (size_t)view->ndim * sizeof array.shape[0]);
  if (!packed) memcpy(array.strides, view->strides, (size_t)view->ndim * sizeof array.strides[0]);
  memcpy(array.typestr, typestr, strlen(typestr) + 1);
  *out = array;
  return VC_OK;
}
