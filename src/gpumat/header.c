/* SPDX-License-Identifier: Apache-2.0 */
/* GpuMat headers: OpenCV's type numbers, with the channel count packed above the depth number,
 * and a header written over a view. */
#include "gpumat/header.h"

#include "core/dtype.h"
#include "core/error.h"
#include "core/view.h"
#include "internal.h"

/* --- type numbers */

#define TYPE_BITS 12 /* depth and channels together, in 4.x and 5.x alike */

static void list_depths(vc_gpumat_abi *abi) {
  for (int i = 0; i < VC_DTYPE_COUNT; i++) {
    const vc_dtype_row *row = &vc_dtype_rows[i];
    if (row->depth_number < VC_DEPTHS_OF_OPENCV_4 || abi->channel_shift == 5)
      abi->depths[row->depth_number] = row->dtype;
  }
}

vc_status vc_gpumat_abi_init(int32_t channel_shift, vc_refcounting counting,
                             const void *standard_allocator, vc_gpumat_abi *out, vc_error *error) {
  VC_NEED(out);
#if !(defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__)))
  (void)channel_shift, (void)counting, (void)standard_allocator;
  return vc_fail(error, VC_ERROR_ABI,
                 "GpuMat's layout is known on Linux for x86-64 and aarch64 only");
#else
  if (channel_shift != 3 && channel_shift != 5) {
    return vc_fail(error, VC_ERROR_ABI,
                   "this OpenCV packs channels above bit %d; viewcast knows 3 (4.x) and "
                   "5 (5.x)",
                   (int)channel_shift);
  }
  if (counting < VC_REFCOUNT_FULL || counting > VC_REFCOUNT_UP_ONLY) {
    return vc_fail(error, VC_ERROR_ARGUMENT, "counting is %d, needs a value of vc_refcounting",
                   (int)counting);
  }
  if (counting == VC_REFCOUNT_FULL && !standard_allocator) {
    return vc_fail(
        error, VC_ERROR_ARGUMENT,
        "standard_allocator is NULL, as GpuMat::defaultAllocator() is in an OpenCV built "
        "without CUDA: such an OpenCV never frees a GpuMat; pass VC_REFCOUNT_UP_ONLY (4.x) or "
        "VC_REFCOUNT_NO_FREE (5.x) as counting instead");
  }
  *out = (vc_gpumat_abi){
      .channel_shift = channel_shift,
      .channels_max = 1 << (TYPE_BITS - channel_shift),
      .counting = counting,
      .standard_allocator = standard_allocator,
  };
  list_depths(out);
  return VC_OK;
#endif
}

/* The reason for a failed look-up, where it is an ABI that vc_gpumat_abi_init did not fill:
 * VC_ERROR_ARGUMENT. VC_OK where the ABI is valid. */
__attribute__((cold, noinline)) static vc_status fail_unknown(const vc_gpumat_abi *abi,
                                                              vc_error *error) {
  bool known = abi->channel_shift == 3 || abi->channel_shift == 5;
  if (known && abi->channels_max == 1 << (TYPE_BITS - abi->channel_shift)) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "abi has channel_shift %d, needs what vc_gpumat_abi_init fills it with",
                 (int)abi->channel_shift);
}

/* The nearest type of the same width that every OpenCV has. */
static const char *reinterpretation(vc_dtype dtype) {
  switch (dtype.bits) {
    case 16: return "int16";
    case 32: return "int32";
    case 64: return "float64 or as 2 channels of int32";
    default: return "uint8";
  }
}

static vc_status pack(const vc_gpumat_abi *abi, vc_dtype dtype, int32_t channels, int32_t *out,
                      vc_error *error) {
  bool boolean = dtype.code == VC_BOOL; /* a GpuMat of bool is one of 8U, in 5.x too */
  int index = vc_dtype_index((vc_dtype){boolean ? VC_UINT : dtype.code, dtype.bits});
  int32_t depth = index < 0 ? 0 : vc_dtype_rows[index].depth_number;
  if (index < 0 || vc_dtype_index(abi->depths[depth]) != index) {
    VC_TRY(fail_unknown(abi, error));
    return vc_fail(error, VC_ERROR_DTYPE,
                   "the loaded OpenCV (%s.x) has no depth for dtype %s; reinterpret the "
                   "memory as %s first%s, or convert it",
                   abi->channel_shift == 3 ? "4" : "5", vc_dtype_name(dtype),
                   reinterpretation(dtype), vc_advice_text(VC_ADVICE_AS_DTYPE));
  }
  if (channels < 1 || channels > abi->channels_max) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "image axis 2 (channels) has length %d, needs 1 to %d in the loaded "
                   "OpenCV (%s.x); slice the channels, or put them first and lend each "
                   "plane",
                   (int)channels, (int)abi->channels_max, abi->channel_shift == 3 ? "4" : "5");
  }
  *out = depth + ((channels - 1) << (abi->channel_shift & 31));
  return VC_OK;
}

vc_status vc_gpumat_type(const vc_gpumat_abi *abi, vc_dtype dtype, int32_t channels, int32_t *out,
                         vc_error *error) {
  VC_NEED(abi);
  VC_NEED(out);
  return pack(abi, dtype, channels, out, error);
}

vc_status vc_gpumat_unpack(const vc_gpumat_abi *abi, int32_t flags, vc_dtype *dtype,
                           int32_t *channels, vc_error *error) {
  int32_t type = flags & VC_GPUMAT_TYPE_MASK;
  /* A shift that vc_gpumat_abi_init did not write leads to no depth. */
  int32_t shift = abi->channel_shift & 15;
  int32_t depth = type & ((1 << shift) - 1);
  vc_dtype known = depth < VC_GPUMAT_DEPTHS ? abi->depths[depth] : (vc_dtype){0, 0};
  if (!known.bits) {
    VC_TRY(fail_unknown(abi, error));
    return vc_fail(error, VC_ERROR_DTYPE,
                   "the GpuMat has depth number %d, which viewcast does not know; convert "
                   "it with convertTo() first",
                   (int)depth);
  }
  *dtype = known;
  *channels = (type >> shift) + 1;
  return VC_OK;
}

/* --- a header over a view */

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
static vc_status check_alignment(const vc_image *image, vc_error *error) {
  int64_t needed = (int64_t)vc_dtype_bytes(image->dtype); /* a power of two */
  if (image->channels == 2 || image->channels == 4) needed *= image->channels;
  if (needed > 16) needed = 16;
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

vc_status vc_gpumat_over(const vc_gpumat_abi *abi, const vc_view *view, vc_gpumat *out,
                         vc_error *error) {
  VC_NEED(abi);
  VC_NEED(view);
  VC_NEED(out);
  vc_image image;
  int32_t type = 0;
  VC_TRY(vc_image_read(view, &image, error));
  VC_TRY(pack(abi, image.dtype, image.channels, &type, error));
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

vc_status vc_gpumat_fail_owned(const vc_gpumat *mat, vc_error *error) {
  return vc_fail(error, VC_ERROR_VALUE,
                 "the GpuMat already has memory (%d x %d); release() it first", (int)mat->rows,
                 (int)mat->cols);
}
