/* SPDX-License-Identifier: Apache-2.0 */
/* A GpuMat header written over a view. */
#include "gpumat/header.h"

#include "core/dtype.h"
#include "core/error.h"
#include "core/view.h"
#include "internal.h"

static vc_status check_device(const void *data, vc_device device, vc_error *error) {
  if (vc_device_is_gpu(device)) return VC_OK;
  vc_mode mode;
  VC_TRY(vc_cuda_mode(&mode, error));
  if (mode == VC_MODE_HOST) return VC_OK;
  return vc_fail(error, VC_ERROR_DEVICE,
                 "the image is in %s memory and a GpuMat needs device memory on this machine "
                 "(it has a GPU); %s",
                 vc_cuda_host_kind(data, device), vc_advice_text(VC_ADVICE_TO_GPU));
}

/* The alignment that OpenCV's kernels need, which load a pixel in one access: CUDA's vector
 * types (uchar2, float4, …) are aligned to their size, up to 16 bytes. */
static int64_t vector_alignment(const vc_image *image) { /* a power of two */
  int64_t itemsize = (int64_t)vc_dtype_bytes(image->dtype);
  if (image->channels != 2 && image->channels != 4) return itemsize;
  int64_t pixel = itemsize * image->channels;
  return pixel < 16 ? pixel : 16;
}

static vc_status check_alignment(const vc_image *image, vc_error *error) {
  int64_t needed = vector_alignment(image);
  int64_t off = (int64_t)((uintptr_t)image->data & (uintptr_t)(needed - 1));
  if (off) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "the first pixel is at an address %lld bytes past a multiple of %lld, and "
                   "OpenCV's kernels need %s pixels of %d channels aligned to %lld bytes; %s",
                   (long long)off, (long long)needed, vc_dtype_name(image->dtype),
                   (int)image->channels, (long long)needed, vc_advice_text(VC_ADVICE_PACK));
  }
  if (image->step & (needed - 1)) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "image axis 0 (height) has stride %lld bytes, needs a multiple of %lld for "
                   "%s pixels of %d channels; %s",
                   (long long)image->step, (long long)needed, vc_dtype_name(image->dtype),
                   (int)image->channels, vc_advice_text(VC_ADVICE_PACK));
  }
  return VC_OK;
}

static void write_header(const vc_image *image, int32_t type, vc_gpumat *out) {
  int64_t row = image->cols * image->channels * (int64_t)vc_dtype_bytes(image->dtype);
  bool empty = image->rows == 0 || image->cols == 0;
  /* OpenCV calls no image continuous whose elements an int can't count. */
  bool continuous =
      image->step == row && image->rows * (image->cols * image->channels) <= INT32_MAX;
  out->flags = VC_GPUMAT_MAGIC | type | (continuous ? VC_GPUMAT_CONTINUOUS : 0);
  out->rows = (int32_t)image->rows;
  out->cols = (int32_t)image->cols;
  out->step = (size_t)image->step;
  out->data = empty ? NULL : image->data;
  out->refcount = NULL;
  out->datastart = out->data;
  /* One past the last pixel, not the last row: as OpenCV over user memory. */
  out->dataend = empty ? NULL : out->data + image->step * (image->rows - 1) + row;
}

vc_status vc_gpumat_write(const vc_gpumat_abi *abi, const vc_view *view, vc_gpumat *out,
                          vc_error *error) {
  vc_image image;
  int32_t type;
  VC_TRY(vc_image_read(view, &image, error));
  VC_TRY(vc_gpumat_pack(abi, image.dtype, image.channels, &type, error));
  if (image.rows != 0 && image.cols != 0) {
    if (view->readonly) {
      return vc_fail(error, VC_ERROR_VALUE, "the image is read-only and a GpuMat is writable; %s",
                     vc_advice_text(VC_ADVICE_MAKE_WRITABLE));
    }
    VC_TRY(check_device(view->data, view->device, error));
    VC_TRY(check_alignment(&image, error));
  }
  write_header(&image, type, out);
  return VC_OK;
}

vc_status vc_gpumat_over(const vc_gpumat_abi *abi, const vc_view *view, vc_gpumat *out,
                         vc_error *error) {
  VC_NEED(abi);
  VC_NEED(view);
  VC_NEED(out);
  return vc_gpumat_write(abi, view, out, error);
}

vc_status vc_gpumat_fail_owned(const vc_gpumat *mat, vc_error *error) {
  return vc_fail(error, VC_ERROR_VALUE,
                 "the GpuMat already has memory (%d x %d); release() it first", (int)mat->rows,
                 (int)mat->cols);
}
