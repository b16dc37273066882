/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of pixels as they are: within a device, between two devices (peer to peer where the
 * machine can, which the driver decides), and from and to the host. */
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "cuda/device.h"
#include "cuda/driver.h"
#include "internal.h"
#include "transform/plan_parts.h"

/* CUmemorytype */
enum { MEMORY_HOST = 1, MEMORY_UNIFIED = 4 };

/* Rows of bytes, the form to which both sides of a copy are brought. */
typedef struct {
  size_t width, height, pitch;
} rows;

/* Reads a view as rows of bytes. A packed array of any rank has one row for each element of its
 * first axis; other views must be interleaved images, whose rows may be pitched. */
static vc_status read_rows(const vc_view *view, rows *out, vc_error *error) {
  vc_image image;
  if (vc_view_is_packed(view)) {
    size_t height = (size_t)view->shape[0];
    size_t width = vc_view_nbytes(view) / height;
    *out = (rows){width, height, width};
    return VC_OK;
  }
  VC_TRY(vc_image_from_view(view, &image, error));
  size_t width = (size_t)(image.cols * image.channels) * vc_dtype_size(image.dtype);
  *out = (rows){width, (size_t)image.rows, (size_t)image.step};
  return VC_OK;
}

static vc_status check_alike(const vc_view *to, const vc_view *from, vc_error *error) {
  bool alike = to->ndim == from->ndim && vc_dtype_same(to->dtype, from->dtype);
  for (int32_t axis = 0; alike && axis < to->ndim; axis++) {
    alike = to->shape[axis] == from->shape[axis];
  }
  if (alike) return VC_OK;
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "a copy needs a destination of the source's shape and dtype (%s of rank %d goes "
                 "into %s of rank %d); vc_transform converts dtypes and layouts",
                 vc_dtype_name(from->dtype), (int)from->ndim, vc_dtype_name(to->dtype),
                 (int)to->ndim);
}

/* Refuses what vc_transform refuses too: views that make no sense, and a destination that may not
 * be written or shares memory with the source. */
static vc_status check(const vc_view *to, const vc_view *from, vc_stream stream, vc_error *error) {
  VC_TRY(vc_view_check(to, error));
  VC_TRY(vc_view_check(from, error));
  VC_TRY(check_alike(to, from, error));
  VC_TRY(vc_stream_check(stream, error));
  return vc_view_is_empty(to) ? VC_OK : vc_plan_check_memory(to, from, 1, error);
}

static vc_status describe(const vc_view *to, const vc_view *from, CUDA_MEMCPY2D *out,
                          vc_error *error) {
  rows source, target;
  VC_TRY(read_rows(from, &source, error));
  VC_TRY(read_rows(to, &target, error));
  *out = (CUDA_MEMCPY2D){
      .srcMemoryType = vc_device_is_gpu(from->device) ? MEMORY_UNIFIED : MEMORY_HOST,
      .srcHost = from->data,
      .srcDevice = (CUdeviceptr)from->data,
      .srcPitch = source.pitch,
      .dstMemoryType = vc_device_is_gpu(to->device) ? MEMORY_UNIFIED : MEMORY_HOST,
      .dstHost = to->data,
      .dstDevice = (CUdeviceptr)to->data,
      .dstPitch = target.pitch,
      .WidthInBytes = source.width,
      .Height = source.height,
  };
  return VC_OK;
}

static void copy_on_host(const CUDA_MEMCPY2D *copy) {
  const char *from = copy->srcHost;
  char *to = copy->dstHost;
  for (size_t row = 0; row < copy->Height; row++) {
    memcpy(to + row * copy->dstPitch, from + row * copy->srcPitch, copy->WidthInBytes);
  }
}

vc_status vc_copy(const vc_view *to, const vc_view *from, vc_stream stream, vc_error *error) {
  CUDA_MEMCPY2D copy;
  VC_NEED(to);
  VC_NEED(from);
  VC_TRY(check(to, from, stream, error));
  if (vc_view_is_empty(from)) return VC_OK;
  VC_TRY(describe(to, from, &copy, error));
  VC_TRY(vc_plan_check_device(to, error));
  VC_TRY(vc_plan_check_device(from, error));
  if (!vc_device_is_gpu(to->device) && !vc_device_is_gpu(from->device)) {
    copy_on_host(&copy);
    return VC_OK;
  }
  const vc_driver *driver = vc_driver_get();
  int32_t device = vc_device_is_gpu(to->device) ? to->device.id : from->device.id;
  if (stream == VC_STREAM_NONE) stream = VC_STREAM_LEGACY; /* a copy needs one */
  /* The copy would end the capture. */
  if (vc_stream_is_default(stream) && vc_stream_is_capturing(device, stream)) {
    return vc_fail(error, VC_ERROR_CUDA,
                   "a stream is capturing a graph, and the default stream can't copy beside it; "
                   "name the capturing stream (%s), or copy outside of the capture",
                   vc_advice_text(VC_ADVICE_STREAM));
  }
  vc_entered entered = vc_cuda_enter_stream(device, stream);
  vc_status status = vc_cuda_check_entry(entered, device, error);
  if (status == VC_OK) {
    CUresult result = driver->cuMemcpy2DAsync(&copy, vc_driver_stream(stream));
    if (result != VC_CUDA_SUCCESS) status = vc_driver_fail(error, "cuMemcpy2DAsync", result);
  }
  vc_cuda_leave(entered);
  return status;
}
