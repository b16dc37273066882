/* SPDX-License-Identifier: Apache-2.0 */
/* The row kernels for aarch64, which always has NEON and fused multiply-add. Loops that the
 * compiler vectorises well are those of row_common.h; this file replaces the others. */
#if defined(__aarch64__)

#  if !defined(__clang__)
#    pragma GCC optimize("O3", "no-trapping-math", "no-math-errno")
#  endif

#  include <arm_neon.h>

/* __fp16 is a storage type only: the processor converts. */
static inline float f32_from_f16(uint16_t bits) {
  __fp16 half;
  __builtin_memcpy(&half, &bits, sizeof half);
  return (float)half;
}

static inline uint16_t f16_from_f32(float value) {
  __fp16 half = (__fp16)value;
  uint16_t bits;
  __builtin_memcpy(&bits, &half, sizeof bits);
  return bits;
}

#  define F32_FROM_F16(x) f32_from_f16(x)
#  define F16_FROM_F32(x) f16_from_f32(x)
#  include "transform/row_common.h"

/* --- pixels of three channels, 16 at a time */

static void split_8_3_wide(const void *restrict from, void *const *to, size_t n) {
  const uint8_t *in = from;
  uint8_t *out[3] = {to[0], to[1], to[2]};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    uint8x16x3_t pixels = vld3q_u8(in + 3 * i);
    for (int c = 0; c < 3; c++) vst1q_u8(out[c] + i, pixels.val[c]);
  }
  void *const rest[3] = {out[0] + i, out[1] + i, out[2] + i};
  split_8_3(in + 3 * i, rest, n - i);
}

static void merge_8_3_wide(const void *const *from, void *restrict to, size_t n) {
  const uint8_t *in[3] = {from[0], from[1], from[2]};
  uint8_t *out = to;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    uint8x16x3_t pixels = {{vld1q_u8(in[0] + i), vld1q_u8(in[1] + i), vld1q_u8(in[2] + i)}};
    vst3q_u8(out + 3 * i, pixels);
  }
  const void *const rest[3] = {in[0] + i, in[1] + i, in[2] + i};
  merge_8_3(rest, out + 3 * i, n - i);
}

/* Each vector holds as many pixels as fit into 16 bytes. Bytes written beyond a pixel are
 * overwritten by the next store; the last pixels are done byte by byte. */
static void shuffle_bytes_wide(const vc_shuffle *shuffle, const void *restrict from,
                               void *restrict to, size_t n) {
  vc_shuffle_row row = spread_shuffle(shuffle);
  const uint8x16_t order = vld1q_u8(row.order), fill = vld1q_u8(row.fill);
  const uint8_t *in = from;
  uint8_t *out = to;
  for (; n >= row.needed; n -= row.pixels, in += row.from_bytes, out += row.to_bytes) {
    vst1q_u8(out, vorrq_u8(vqtbl1q_u8(vld1q_u8(in), order), fill));
  }
  shuffle_bytes(shuffle, in, out, n);
}

/* Replaces the common kernels. */
#  define split_8_3 split_8_3_wide
#  define merge_8_3 merge_8_3_wide

const vc_row_kernels vc_row_kernels_neon = {
    .name = "neon",
    COMMON_ROW_KERNELS,
    .shuffle = shuffle_bytes_wide,
    .resample = &vc_resample_kernels_neon,
    .read_yuv = &vc_yuv_kernels_neon,
    .write_yuv = &vc_rgb_kernels_neon,
};

#else
typedef int vc_not_this_processor;
#endif
