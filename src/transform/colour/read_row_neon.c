/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of YUV by NEON: blocks that the compiler vectorises. */
#if defined(__aarch64__)

#  if !defined(__clang__)
#    pragma GCC optimize("O3", "no-trapping-math", "no-math-errno")
#  endif

#  include <arm_neon.h>

#  include "transform/colour/read_block.h"

static void convert_channel(const vc_yuv_parts *parts, int c, const samples_of_block *from,
                            uint8_t *restrict out) {
  const vc_yuv_part high = parts->high[c], low = parts->low[c];
  const int32_t *y = from->of[0], *u = from->of[1], *v = from->of[2];
  const int32_t low_bits = parts->low_bits, least = parts->least;
  for (int i = 0; i < BLOCK; i++) {
    int32_t luma = y[i] < least ? least : y[i];
    int32_t rest = luma * low.y + u[i] * low.u + v[i] * low.v + low.constant;
    int32_t value = luma * high.y + u[i] * high.u + v[i] * high.v + high.constant;
    value = (value + (rest >> low_bits)) >> VC_YUV_UNITS;
    out[i] = (uint8_t)at_most(value < 0 ? 0 : value, 255);
  }
}

static void store_pixels(uint8_t planes[3][BLOCK], uint8_t *out) {
  for (int i = 0; i < BLOCK; i += 16) {
    uint8x16x3_t pixels = {
        {vld1q_u8(planes[0] + i), vld1q_u8(planes[1] + i), vld1q_u8(planes[2] + i)}};
    vst3q_u8(out + 3 * i, pixels);
  }
}

static int64_t convert_bytes(const vc_yuv_parts *parts, const vc_yuv_row *row, int64_t count,
                             uint8_t *out) {
  const vc_yuv_parts by = *parts;
  vc_yuv_row at = *row;
  int64_t done = 0;
  for (; done + BLOCK <= count; done += BLOCK) {
    samples_of_block from;
    uint8_t planes[3][BLOCK];
    load_block(&at, &from);
    for (int c = 0; c < 3; c++) convert_channel(&by, c, &from, planes[c]);
    store_pixels(planes, out + 3 * done);
    vc_yuv_next_block(&at);
  }
  return done;
}

const vc_yuv_kernels vc_yuv_kernels_neon = {convert_bytes, convert_block};

#else
typedef int vc_yuv_no_neon; /* a file of C holds a declaration */
#endif
