/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCV's type numbers: the channel count packed above the depth number. */
#include "gpumat/header.h"

#include "core/dtype.h"
#include "core/error.h"
#include "internal.h"

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

static int32_t depth_of(const vc_gpumat_abi *abi, vc_dtype dtype) {
  if (dtype.code == VC_BOOL) dtype.code = VC_UINT; /* a GpuMat of bool is one of 8U, in 5.x too */
  for (int32_t depth = 0; depth < VC_GPUMAT_DEPTHS; depth++) {
    vc_dtype known = abi->depths[depth];
    if (known.bits && vc_dtype_same(known, dtype)) return depth;
  }
  return -1;
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

vc_status vc_gpumat_pack(const vc_gpumat_abi *abi, vc_dtype dtype, int32_t channels, int32_t *out,
                         vc_error *error) {
  int32_t depth = vc_dtype_bytes(dtype) ? depth_of(abi, dtype) : -1;
  if (depth < 0) {
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
  return vc_gpumat_pack(abi, dtype, channels, out, error);
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
