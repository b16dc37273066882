/* SPDX-License-Identifier: Apache-2.0 */
/* A GpuMat header read as a view, and what keeps its memory alive. */
#include "core/dtype.h"
#include "core/error.h"
#include "gpumat/header.h"
#include "gpumat/lend.h"
#include "gpumat/pool.h"

vc_ownership vc_gpumat_ownership(const vc_gpumat_abi *abi, const vc_gpumat *mat) {
  VC_NEED_OR(abi, return VC_OWNERSHIP_EMPTY);
  VC_NEED_OR(mat, return VC_OWNERSHIP_EMPTY);
  if (!mat->data) return VC_OWNERSHIP_EMPTY;
  if (!mat->refcount) return VC_OWNERSHIP_UNOWNED;
  if (mat->allocator == &vc_lender) return VC_OWNERSHIP_LENT;
  if (mat->allocator == &vc_pool_allocator_object) return VC_OWNERSHIP_POOLED;
  if (mat->allocator && mat->allocator == abi->standard_allocator) return VC_OWNERSHIP_STANDARD;
  return VC_OWNERSHIP_FOREIGN;
}

static vc_status find_device(const vc_gpumat_abi *abi, const vc_gpumat *mat, vc_device *out,
                             vc_error *error) {
  vc_ownership ownership = vc_gpumat_ownership(abi, mat);
  if (ownership == VC_OWNERSHIP_LENT) {
    *out = vc_lend_device(mat);
    return VC_OK;
  }
  if (ownership == VC_OWNERSHIP_POOLED) {
    *out = vc_pool_device(mat);
    return VC_OK;
  }
  if (ownership == VC_OWNERSHIP_STANDARD && vc_cuda_device_count() == 1) {
    *out = (vc_device){VC_CUDA, 0};
    return VC_OK;
  }
  return vc_cuda_pointer_device(mat->data, out, error);
}

/* VC_ERROR_VALUE for fields that no OpenCV writes: the header is damaged or not a GpuMat's. */
static vc_status check_header(const vc_gpumat *mat, const vc_image *image, vc_error *error) {
  int64_t row = image->cols * image->channels * (int64_t)vc_dtype_bytes(image->dtype);
  if ((mat->flags & VC_GPUMAT_MAGIC_MASK) != VC_GPUMAT_MAGIC || mat->rows < 0 || mat->cols < 0) {
    return vc_fail(error, VC_ERROR_VALUE,
                   "the GpuMat header is damaged (flags 0x%08x, %d rows, %d cols)",
                   (unsigned)mat->flags, (int)mat->rows, (int)mat->cols);
  }
  if (mat->rows > 1 && (image->step < row || mat->step > (size_t)INT64_MAX)) {
    return vc_fail(error, VC_ERROR_VALUE,
                   "the GpuMat's step is %zu bytes, needs at least %lld: its rows overlap; give "
                   "createGpuMatFromCudaMemory() the step in bytes",
                   mat->step, (long long)row);
  }
  return VC_OK;
}

static void describe_empty(const vc_gpumat *mat, vc_image *image) {
  bool kept = mat->rows >= 0 && mat->cols >= 0 && (mat->rows == 0 || mat->cols == 0);
  image->data = NULL;
  image->rows = kept ? mat->rows : 0;
  image->cols = mat->cols > 0 ? mat->cols : 0;
  image->step = image->cols * image->channels * (int64_t)vc_dtype_bytes(image->dtype);
}

vc_status vc_view_from_gpumat(const vc_gpumat_abi *abi, const vc_gpumat *mat, bool keepdim,
                              vc_view *out, vc_error *error) {
  VC_NEED(abi);
  VC_NEED(mat);
  VC_NEED(out);
  vc_image image = {
      .data = mat->data, .rows = mat->rows, .cols = mat->cols, .step = (int64_t)mat->step};
  vc_device device = {VC_CPU, 0};
  vc_view view;
  VC_TRY(vc_gpumat_unpack(abi, mat->flags, &image.dtype, &image.channels, error));
  if (!mat->data) {
    describe_empty(mat, &image);
    if (vc_cuda_device_count() > 0) device.type = VC_CUDA;
  } else {
    VC_TRY(check_header(mat, &image, error));
    VC_TRY(find_device(abi, mat, &device, error));
  }
  vc_view_from_image(&image, device, keepdim, &view);
  VC_TRY(vc_view_check(&view, error));
  *out = view;
  return VC_OK;
}
