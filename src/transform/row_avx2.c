/* SPDX-License-Identifier: Apache-2.0 */
/* The row kernels for x86-64 with AVX2, FMA and F16C. Loops that the compiler vectorises well are
 * those of row_common.h; this file replaces the others. */
#if defined(__x86_64__)

#  if defined(__clang__)
#    pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#  else
#    pragma GCC optimize("O3", "no-trapping-math", "no-math-errno")
#    pragma GCC target("avx2,fma,f16c")
#  endif

#  include <immintrin.h>
#  include <stdbool.h>

#  define F32_FROM_F16(x) _cvtsh_ss(x)
#  define F16_FROM_F32(x) _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT)
#  include "transform/row_common.h"

#  include "transform/rgb_avx2.h"

/* --- interleaved pixels to interleaved ones */

/* Each vector holds as many pixels as fit into 16 bytes, and each iteration has four. Bytes
 * written beyond a pixel are overwritten by the next store; the last pixels are done byte by
 * byte. All four are loaded before the first is stored: a load from an address that is a multiple
 * of 4 KiB away from a recent store is slow, and images often lie so. */
static void shuffle_sixteens(const vc_shuffle *shuffle, const void *restrict from,
                             void *restrict to, size_t n) {
  vc_shuffle_row row = spread_shuffle(shuffle);
  const __m128i order = _mm_loadu_si128((const __m128i *)row.order);
  const __m128i fill = _mm_loadu_si128((const __m128i *)row.fill);
  const size_t in_step = row.from_bytes, out_step = row.to_bytes, pixels = 4 * row.pixels;
  const uint8_t *in = from;
  uint8_t *out = to;
  for (; n >= row.needed + pixels; n -= pixels, in += 4 * in_step, out += 4 * out_step) {
    __m128i v[4];
    for (size_t k = 0; k < 4; k++) v[k] = _mm_loadu_si128((const __m128i *)(in + k * in_step));
    for (size_t k = 0; k < 4; k++) {
      __m128i value = _mm_or_si128(_mm_shuffle_epi8(v[k], order), fill);
      _mm_storeu_si128((__m128i *)(out + k * out_step), value);
    }
  }
  shuffle_bytes(shuffle, in, out, n);
}

/* The bytes of a vector are taken from two loads, 8 bytes earlier and 8 bytes later. */
typedef struct near {
  __m256i earlier[3], later[3];
} near;

INLINED near near_orders(const vc_shuffle *shuffle) {
  const __m256i here = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23));
  near orders;
  for (int k = 0; k < 3; k++) {
    __m256i away = _mm256_loadu_si256((const __m256i *)(shuffle->from_here + 32 * k));
    __m256i place = _mm256_add_epi8(here, away); /* 0 to 31; not taken if negative */
    orders.earlier[k] = _mm256_or_si256(place, _mm256_cmpgt_epi8(place, _mm256_set1_epi8(15)));
    orders.later[k] = _mm256_sub_epi8(place, _mm256_set1_epi8(16));
  }
  return orders;
}

INLINED void shuffle_96(const near *orders, const uint8_t *in, uint8_t *out, bool past) {
  __m256i v[3];
  for (size_t k = 0; k < 3; k++) {
    __m256i earlier = _mm256_loadu_si256((const __m256i *)(in + 32 * k - 8));
    __m256i later = _mm256_loadu_si256((const __m256i *)(in + 32 * k + 8));
    v[k] = _mm256_or_si256(_mm256_shuffle_epi8(earlier, orders->earlier[k]),
                           _mm256_shuffle_epi8(later, orders->later[k]));
  }
  for (size_t k = 0; k < 3; k++) store(out + 32 * k, v[k], past);
}

/* Returns the number of bytes up to the first pixel at a multiple of 32, or 96 if there is none. */
static inline size_t bytes_to_pixel(const void *to, size_t pixel) {
  size_t bytes = 0;
  while (bytes < VC_NEAR && (((uintptr_t)to + bytes) & 31) != 0) bytes += pixel;
  return bytes;
}

/* Moves `bytes` bytes, at least 96; 8 more on either side are read. The first vector starts at
 * the first byte whatever its alignment, and the last one ends at the last byte: both write some
 * bytes a second time. Returns the number of bytes that were written. */
INLINED size_t shuffle_near(const near *orders, const uint8_t *in, uint8_t *out, size_t bytes,
                            size_t pixel, bool past) {
  shuffle_96(orders, in, out, false);
  size_t i = bytes_to_pixel(out, pixel);
  for (; i + VC_NEAR <= bytes; i += VC_NEAR) shuffle_96(orders, in + i, out + i, past);
  i = (bytes - VC_NEAR) / pixel * pixel;
  shuffle_96(orders, in + i, out + i, false);
  return i + VC_NEAR;
}

INLINED bool shuffle_all_near(const vc_shuffle *shuffle, const uint8_t *in, uint8_t *out, size_t n,
                              bool past) {
  const size_t pixel = shuffle->to_bytes, head = (7 + pixel) / pixel;
  if (!shuffle->is_near || n * pixel < 3 * VC_NEAR) return false;
  if (past && bytes_to_pixel(out, pixel) == VC_NEAR) return false;
  shuffle_bytes(shuffle, in, out, head);
  in += head * pixel, out += head * pixel, n -= head;
  const near orders = near_orders(shuffle);
  size_t done = shuffle_near(&orders, in, out, n * pixel - 8, pixel, past);
  shuffle_bytes(shuffle, in + done, out + done, n - done / pixel);
  return true;
}

static void shuffle_bytes_wide(const vc_shuffle *shuffle, const void *restrict from,
                               void *restrict to, size_t n) {
  if (!shuffle_all_near(shuffle, from, to, n, false)) shuffle_sixteens(shuffle, from, to, n);
}

static bool shuffle_stream(const vc_shuffle *shuffle, const void *restrict from, void *restrict to,
                           size_t n) {
  return shuffle_all_near(shuffle, from, to, n, true);
}

/* --- u8 and float */

static void float_from_u8_wide(const void *restrict from, float *restrict to, size_t n, float a,
                               float b) {
  const uint8_t *in = from;
  const __m256 va = _mm256_set1_ps(a), vb = _mm256_set1_ps(b);
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t k = i; k < i + 32; k += 8) {
      __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(in + k)));
      _mm256_storeu_ps(to + k, _mm256_fmadd_ps(_mm256_cvtepi32_ps(x), va, vb));
    }
  }
  float_from_u8(in + i, to + i, n - i, a, b);
}

static void u8_from_float_wide(const float *restrict from, void *restrict to, size_t n) {
  uint8_t *out = to;
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const float *at = from + i;
    __m256i all = packed_u8(_mm256_loadu_ps(at), _mm256_loadu_ps(at + 8), _mm256_loadu_ps(at + 16),
                            _mm256_loadu_ps(at + 24));
    _mm256_storeu_si256((__m256i *)(out + i), all);
  }
  u8_from_float(from + i, out + i, n - i);
}

/* --- f16, eight at a time */

static void float_from_f16_wide(const void *restrict from, float *restrict to, size_t n, float a,
                                float b) {
  const uint16_t *in = from;
  const __m256 va = _mm256_set1_ps(a), vb = _mm256_set1_ps(b);
  const __m256 nan = _mm256_set1_ps(vc_f32_bits(VC_NAN_F32));
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 x = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + i)));
    __m256 y = _mm256_fmadd_ps(x, va, vb);
    y = _mm256_blendv_ps(y, nan, _mm256_cmp_ps(y, y, _CMP_UNORD_Q));
    _mm256_storeu_ps(to + i, y);
  }
  float_from_f16(in + i, to + i, n - i, a, b);
}

static void f16_from_float_wide(const float *restrict from, void *restrict to, size_t n) {
  uint16_t *out = to;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128((__m128i *)(out + i), half);
  }
  f16_from_float(from + i, out + i, n - i);
}

/* --- copies with non-temporal stores */

static void stream(const void *restrict from, void *restrict to, size_t bytes) {
  const char *in = from;
  char *out = to;
  size_t head = -(uintptr_t)to & 31;
  if (head > bytes) head = bytes;
  memcpy(out, in, head);
  size_t i = head;
  for (; i + 32 <= bytes; i += 32) {
    _mm256_stream_si256((__m256i *)(void *)(out + i),
                        _mm256_loadu_si256((const __m256i *)(const void *)(in + i)));
  }
  memcpy(out + i, in + i, bytes - i);
}

static void stream_end(void) { _mm_sfence(); }

#  if defined(__clang__)
#    pragma clang attribute pop
#  endif

/* Replaces the common kernels. */
#  define split_8_3 split_8_3_wide
#  define merge_8_3 merge_8_3_wide
#  define float_from_u8 float_from_u8_wide
#  define u8_from_float u8_from_float_wide
#  define float_from_f16 float_from_f16_wide
#  define f16_from_float f16_from_float_wide

const vc_row_kernels vc_row_kernels_avx2 = {
    .name = "avx2",
    COMMON_ROW_KERNELS,
    .shuffle = shuffle_bytes_wide,
    .split_to = {[VC_TYPE_F32] = split_to_f32, [VC_TYPE_F16] = split_to_f16},
    .merge_from = {[VC_TYPE_F32] = merge_from_f32},
    .stream = stream,
    .split_stream = split_stream,
    .merge_stream = merge_stream,
    .shuffle_stream = shuffle_stream,
    .stream_end = stream_end,
    .resample = &vc_resample_kernels_avx2,
    .read_yuv = &vc_yuv_kernels_avx2,
    .write_yuv = &vc_rgb_kernels_avx2,
};

#else
typedef int vc_not_this_processor;
#endif
