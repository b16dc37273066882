/* SPDX-License-Identifier: Apache-2.0 */
/* A GpuMat header written over a view, and read as one. */
#include "gpumat/header.h"

#include "core/error.h"
#include "gpumat/lend.h"
#include "gpumat/pool.h"

bool vc_counter_take(int32_t *counter) {
  int32_t seen = __atomic_load_n(counter, __ATOMIC_RELAXED);
  while (seen > 0) {
    if (__atomic_compare_exchange_n(counter, &seen, seen + 1, true, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
      return true;
    }
  }
  return false;
}

bool vc_counter_give_back(int32_t *counter) {
  return __atomic_fetch_sub(counter, 1, __ATOMIC_ACQ_REL) == 1;
}

int32_t vc_counter_read(const int32_t *counter) {
  return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static vc_status check_device(const void *data, vc_device device, vc_error *error) {
  if (device.type == VC_CUDA || device.type == VC_CUDA_MANAGED) return VC_OK;
  vc_mode mode;
  vc_status status = vc_cuda_mode(&mode, error);
  if (status != VC_OK) return status;
  if (mode == VC_MODE_HOST) return VC_OK;
  return vc_fail(error, VC_ERROR_DEVICE,
                 "the image is in %s memory and a GpuMat needs device memory on this machine "
                 "(it has a GPU); move it first (torch: .cuda(), CuPy: cupy.asarray(), "
                 "OpenCV: GpuMat().upload())",
                 vc_cuda_host_kind(data, device));
}

/* What OpenCV's kernels load in one access: CUDA's vector types (uchar2,
 * float4, …) are aligned to their size, up to 16 bytes. */
static int64_t vector_alignment(const vc_image *image) {
  int64_t itemsize = (int64_t)vc_dtype_size(image->dtype);
  if (image->channels != 2 && image->channels != 4) return itemsize;
  int64_t pixel = itemsize * image->channels;
  return pixel < 16 ? pixel : 16;
}

static vc_status check_alignment(const vc_image *image, vc_error *error) {
  int64_t needed = vector_alignment(image);
  int64_t off = (int64_t)((uintptr_t)image->data % (uintptr_t)needed);
  if (off) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "the first pixel is at an address %lld bytes past a multiple of %lld, and "
                   "OpenCV's kernels need %s pixels of %d channels aligned to %lld bytes; "
                   "copy the image first (torch: .clone(), CuPy: .copy())",
                   (long long)off, (long long)needed, vc_dtype_name(image->dtype),
                   (int)image->channels, (long long)needed);
  }
  if (image->step % needed) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "image axis 0 (height) has stride %lld bytes, needs a multiple of %lld for "
                   "%s pixels of %d channels; make a packed copy first (torch: "
                   ".contiguous(), CuPy: cupy.ascontiguousarray())",
                   (long long)image->step, (long long)needed, vc_dtype_name(image->dtype),
                   (int)image->channels);
  }
  return VC_OK;
}

static void write_header(const vc_image *image, int32_t type, vc_gpumat *out) {
  int64_t row = image->cols * image->channels * (int64_t)vc_dtype_size(image->dtype);
  bool empty = image->rows == 0 || image->cols == 0;
  /* OpenCV calls nothing continuous whose numbers an int can't count. */
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

vc_status vc_gpumat_over(const vc_gpumat_abi *abi, const vc_view *view, vc_gpumat *out,
                         vc_error *error) {
  vc_image image;
  int32_t type;
  vc_status status = vc_image_from_view(view, &image, error);
  if (status != VC_OK) return status;
  status = vc_gpumat_type(abi, image.dtype, image.channels, &type, error);
  if (status != VC_OK) return status;
  if (!vc_view_is_empty(view)) {
    if (view->readonly) {
      return vc_fail(error, VC_ERROR_VALUE,
                     "the image is read-only and a GpuMat is writable; copy it first "
                     "(NumPy: .copy(), JAX: jax.numpy.array(x, copy=True) into a writable "
                     "library)");
    }
    if ((status = check_device(view->data, view->device, error)) != VC_OK) return status;
    if ((status = check_alignment(&image, error)) != VC_OK) return status;
  }
  write_header(&image, type, out);
  return VC_OK;
}

vc_hold vc_gpumat_hold(const vc_gpumat_abi *abi, const vc_gpumat *mat) {
  if (!mat->data) return VC_HOLD_EMPTY;
  if (!mat->refcount) return VC_HOLD_UNOWNED;
  if (mat->allocator == vc_lender()) return VC_HOLD_LENT;
  if (mat->allocator == vc_pool_allocator()) return VC_HOLD_POOLED;
  if (mat->allocator && mat->allocator == abi->standard_allocator) return VC_HOLD_STANDARD;
  return VC_HOLD_FOREIGN;
}

static vc_status find_device(const vc_gpumat_abi *abi, const vc_gpumat *mat, vc_device *out,
                             vc_error *error) {
  vc_hold hold = vc_gpumat_hold(abi, mat);
  if (hold == VC_HOLD_LENT) {
    *out = vc_lend_device(mat);
    return VC_OK;
  }
  if (hold == VC_HOLD_POOLED) {
    *out = vc_pool_device(mat);
    return VC_OK;
  }
  if (hold == VC_HOLD_STANDARD && vc_cuda_device_count() == 1) {
    *out = (vc_device){VC_CUDA, 0};
    return VC_OK;
  }
  return vc_cuda_pointer_device(mat->data, out, error);
}

/* Fields that no OpenCV writes: the header was damaged or is no GpuMat. */
static vc_status check_header(const vc_gpumat *mat, const vc_image *image, vc_error *error) {
  int64_t row = image->cols * image->channels * (int64_t)vc_dtype_size(image->dtype);
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
  image->step = image->cols * image->channels * (int64_t)vc_dtype_size(image->dtype);
}

vc_status vc_view_from_gpumat(const vc_gpumat_abi *abi, const vc_gpumat *mat, bool keepdim,
                              vc_view *out, vc_error *error) {
  vc_image image = {.data = mat->data, .rows = mat->rows, .cols = mat->cols,
                    .step = (int64_t)mat->step};
  vc_device device = {VC_CPU, 0};
  vc_view view;
  vc_status status = vc_gpumat_unpack(abi, mat->flags, &image.dtype, &image.channels, error);
  if (status != VC_OK) return status;
  if (!mat->data) {
    describe_empty(mat, &image);
    if (vc_cuda_device_count() > 0) device.type = VC_CUDA;
  } else {
    if ((status = check_header(mat, &image, error)) != VC_OK) return status;
    if ((status = find_device(abi, mat, &device, error)) != VC_OK) return status;
  }
  vc_view_from_image(&image, device, keepdim, &view);
  if ((status = vc_view_check(&view, error)) != VC_OK) return status;
  *out = view;
  return VC_OK;
}
