/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of YUV to RGB: integers that give the real value of H.273, rounded half up, or
 * the bytes of cv2.cvtColor. C and CUDA C both include this file (axis.h). */
#ifndef VIEWCAST_TRANSFORM_COLOUR_RULE_H
#define VIEWCAST_TRANSFORM_COLOUR_RULE_H

#include <viewcast/viewcast.h>

#include "transform/geometry/axis.h"

/* A channel of the result is (y * Y + u * U + v * V + half) / divisor, rounded down. Y, U and V
 * are samples from which the value of black, and of no colour, was subtracted. */
typedef struct vc_yuv_channel {
  int64_t y, u, v, half, divisor;
  double inverse; /* 1 / divisor */
} vc_yuv_channel;

/* The conversion of one pixel. With `shift`, divisors are 1 << shift. */
typedef struct vc_yuv_rule {
  vc_yuv_channel channels[3]; /* R, G, B */
  int32_t shift;
  int32_t black, least, grey; /* Y of black; Y below `least` counts as `least`; U and V of greys */
  int32_t top;                /* the largest value of R, G and B */
} vc_yuv_rule;

/* Returns sum / divisor rounded down, for a result that fits 32 bits. The quotient of doubles is
 * off by 1 at most, whatever its rounding, which the remainder corrects. */
VC_AXIS int64_t vc_yuv_divide(int64_t sum, const vc_yuv_channel *channel) {
  int64_t out = (int64_t)((double)sum * channel->inverse);
  int64_t rest = sum - out * channel->divisor;
  return rest < 0 ? out - 1 : rest >= channel->divisor ? out + 1 : out;
}

VC_AXIS int32_t vc_yuv_channel_of(const vc_yuv_rule *rule, int32_t index, int64_t y, int64_t u,
                                  int64_t v) {
  const vc_yuv_channel *channel = &rule->channels[index];
  int64_t sum = y * channel->y + u * channel->u + v * channel->v + channel->half;
  int64_t value = rule->shift ? sum >> rule->shift : vc_yuv_divide(sum, channel);
  return (int32_t)(value < 0 ? 0 : value > rule->top ? rule->top : value);
}

/* Writes R, G and B of a pixel with the samples y, u and v. */
VC_AXIS void vc_yuv_to_rgb(const vc_yuv_rule *rule, int32_t y, int32_t u, int32_t v, int32_t *rgb) {
  int64_t luma = (int64_t)(y < rule->least ? rule->least : y) - rule->black;
  for (int32_t c = 0; c < 3; c++) {
    rgb[c] = vc_yuv_channel_of(rule, c, luma, (int64_t)u - rule->grey, (int64_t)v - rule->grey);
  }
}

/* --- samples of 8 and 10 bits to 8-bit RGB by integers whose products a GPU adds to a sum of 64
 * bits. Samples of 8 bits are scaled so that 32 bits of a coefficient suffice and the value is the
 * upper half of the sum: a product takes one instruction, and the value none.
 * tests/c/test_yuv_gpu.c compares them with the rule for all samples. For 10 bits (`wide`) the
 * numbers are the rule's own, and a product takes two instructions. */

/* R, G or B is y[c] * Y + u[c] * U + v[c] * V + offset[c], shifted right and not yet clipped to
 * 0 ... 255. Samples are scaled, and Y is at least `least`; for G, U and V are counted down from
 * `top`, so that no factor is negative. R has no u, B no v. All y are the same number: a compiler
 * that knew it would share the product, whose additions take more instructions. */
typedef struct vc_yuv_sums {
  uint64_t y[3], u[3], v[3], offset[3];
  uint32_t least, top;
} vc_yuv_sums;

/* The bits to the right of a scaled sample, and those of the fraction of a sum. */
#define VC_YUV_SCALE_BITS(wide) ((wide) ? 0 : 4)
#define VC_YUV_SUM_BITS(wide) ((wide) ? 41 : 32)

/* Returns sum + x * factor. In halves, which compilers for GPUs join to one instruction; they take
 * other forms apart. */
VC_AXIS uint64_t vc_yuv_add_low(uint64_t sum, uint32_t x, uint32_t factor) {
#if defined(__CUDACC__)
  asm("{\n .reg .u32 low, high;\n mov.b64 {low, high}, %0;\n mad.lo.cc.u32 low, %1, %2, low;\n"
      " madc.hi.u32 high, %1, %2, high;\n mov.b64 %0, {low, high};\n}"
      : "+l"(sum)
      : "r"(x), "r"(factor));
  return sum;
#else
  return sum + (uint64_t)x * factor;
#endif
}

VC_AXIS uint64_t vc_yuv_add_product(uint64_t sum, uint32_t x, uint64_t factor, bool wide) {
  sum = vc_yuv_add_low(sum, x, (uint32_t)factor);
  return wide ? sum + ((uint64_t)(x * (uint32_t)(factor >> 32)) << 32) : sum;
}

/* Returns what chroma adds to channel c. */
VC_AXIS uint64_t vc_yuv_chroma_sum(const vc_yuv_sums *sums, int32_t c, uint32_t u, uint32_t v,
                                   bool wide) {
  uint64_t sum = sums->offset[c];
  uint32_t down = c == 1 ? sums->top : 0; /* counts samples down, all of whose bits it has */
  if (c > 0) sum = vc_yuv_add_product(sum, u ^ down, sums->u[c], wide);
  if (c < 2) sum = vc_yuv_add_product(sum, v ^ down, sums->v[c], wide);
  return sum;
}

/* Returns channel c, which this chroma makes with y. */
VC_AXIS int32_t vc_yuv_from_sums(const vc_yuv_sums *sums, int32_t c, uint32_t y, uint64_t chroma,
                                 bool wide) {
  int64_t sum = (int64_t)vc_yuv_add_product(chroma, y, sums->y[c], wide);
  return (int32_t)(sum >> VC_YUV_SUM_BITS(wide));
}

#endif
