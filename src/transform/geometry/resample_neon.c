/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of resizing for aarch64. Results whose loads would reach beyond the end of a row
 * are left to the scalar loops. */
#if defined(__aarch64__)

#  include <arm_neon.h>
#  include <string.h>

#  include "transform/geometry/resample_kernels.h"

#  define INLINED static inline __attribute__((always_inline))

/* --- linear: one pixel at a time, whose two samples lie in 8 bytes. The four results that are
 * stored are the pixel's channels, and others that the next pixel overwrites. */

INLINED int16x4_t four_samples(uint64x1_t bytes) {
  return vreinterpret_s16_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u64(bytes))));
}

static void linear_cols(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                        int16_t *out) {
  const int64_t bytes = axis->range.n * channels, count = axis->range.count;
  const int64_t last = bytes < 8 ? -1 : (bytes - 8) / channels;
  const int64x1_t by_pixel = vdup_n_s64(-8 * channels);
  const int32_t *first = axis->first, *weights = axis->weights.integers;
  int64_t d = 0;
  for (; d < count && first[d] <= last; d++) {
    uint64x1_t eight = vreinterpret_u64_u8(vld1_u8(row + (int64_t)first[d] * channels));
    const int16_t a = (int16_t)vc_resample_half(weights + d, 0);
    const int16_t b = (int16_t)vc_resample_half(weights + d, 1);
    int32x4_t sum = vmull_n_s16(four_samples(eight), a);
    sum = vmlal_n_s16(sum, four_samples(vshl_u64(eight, by_pixel)), b);
    vst1_s16(out + d * channels, vshrn_n_s32(sum, 4));
  }
  vc_resample_axis rest = vc_resample_rest(axis, d);
  rest.weights.integers += d;
  vc_resample_kernels_scalar.linear_cols(&rest, channels, row, out + d * channels);
}

INLINED int16x4_t upper_half(int16x4_t row, int16_t weight) {
  return vshrn_n_s32(vmull_n_s16(row, weight), 16);
}

INLINED int16x8_t linear_half(int16x8_t row, int16_t weight) {
  return vcombine_s16(upper_half(vget_low_s16(row), weight),
                      upper_half(vget_high_s16(row), weight));
}

static void linear_rows(const int16_t *upper, const int16_t *lower, int32_t weights, int64_t n,
                        uint8_t *out) {
  const int16_t a = (int16_t)vc_resample_half(&weights, 0);
  const int16_t b = (int16_t)vc_resample_half(&weights, 1);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    int16x8_t sum =
        vaddq_s16(linear_half(vld1q_s16(upper + i), a), linear_half(vld1q_s16(lower + i), b));
    vst1_u8(out + i, vqmovun_s16(vshrq_n_s16(vaddq_s16(sum, vdupq_n_s16(2)), 2)));
  }
  vc_resample_kernels_scalar.linear_rows(upper + i, lower + i, weights, n - i, out + i);
}

/* --- Pillow */

INLINED uint8x8_t pillow_bytes(int32x4_t low, int32x4_t high) {
  int16x8_t words = vcombine_s16(vqmovn_s32(vshrq_n_s32(low, VC_PILLOW_BITS)),
                                 vqmovn_s32(vshrq_n_s32(high, VC_PILLOW_BITS)));
  return vqmovun_s16(words);
}

/* Four elements, of which `channels` belong to the pixel. */
INLINED int32x4_t load_pixel(const uint8_t *at) {
  uint32_t bytes;
  memcpy(&bytes, at, sizeof bytes);
  uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
}

static void pillow_cols(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                        uint8_t *out) {
  const uint8_t *end = row + axis->range.n * channels;
  int64_t d = 0;
  for (; d < axis->range.count; d++) {
    const int32_t *weights = axis->weights.integers + axis->at[d], taps = axis->taps[d];
    const uint8_t *from = row + (int64_t)axis->first[d] * channels;
    if (end - from < (int64_t)(taps - 1) * channels + 4) break;
    int32x4_t sum = vdupq_n_s32(1 << (VC_PILLOW_BITS - 1));
    for (int32_t i = 0; i < taps; i++, from += channels) {
      sum = vmlaq_n_s32(sum, load_pixel(from), vc_resample_weight(weights, i));
    }
    uint8_t pixel[8];
    vst1_u8(pixel, pillow_bytes(sum, sum));
    memcpy(out + d * channels, pixel, (size_t)channels);
  }
  vc_resample_axis rest = vc_resample_rest(axis, d);
  vc_resample_kernels_scalar.pillow_cols(&rest, channels, row, out + d * channels);
}

static void pillow_rows(const uint8_t *const *rows, const int32_t *weights, int32_t taps, int64_t n,
                        uint8_t *out) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    int32x4_t low = vdupq_n_s32(1 << (VC_PILLOW_BITS - 1)), high = low;
    for (int32_t k = 0; k < taps; k++) {
      const int32_t weight = vc_resample_weight(weights, k);
      uint16x8_t words = vmovl_u8(vld1_u8(rows[k] + i));
      low = vmlaq_n_s32(low, vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words))), weight);
      high = vmlaq_n_s32(high, vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(words))), weight);
    }
    vst1_u8(out + i, pillow_bytes(low, high));
  }
  vc_resample_pillow_rows(rows, weights, taps, i, n, out);
}

const vc_resample_kernels vc_resample_kernels_neon = {linear_cols, linear_rows, pillow_cols,
                                                      pillow_rows};

#else
typedef int vc_not_this_processor;
#endif
