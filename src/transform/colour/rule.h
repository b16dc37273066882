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

/* --- 8-bit samples to 8-bit RGB, in units of 2^-32: a GPU adds a product of 32 bits to a sum of
 * 64 by one instruction. tests/c/test_yuv.c compares them with the rule for all samples. */

/* R, G or B is y + ((luma * y + u * U + v * V + offset) >> 32), not yet clipped to 0 ... 255: luma is
 * what exceeds 1 in the coefficient of Y. Samples are as they are stored; y is at least `least`. */
typedef struct vc_yuv_sums {
  int64_t u[3], v[3], offset[3]; /* for R, G, B; R has no u, B no v */
  uint32_t luma, least;
} vc_yuv_sums;

/* Adds x * coefficient, as two products of 32 bits: two instructions of a GPU. */
VC_AXIS uint64_t vc_yuv_add_product(uint64_t sum, uint32_t x, int64_t coefficient) {
  uint64_t bits = (uint64_t)coefficient;
  sum += (uint64_t)x * (uint32_t)bits;
  return sum + ((uint64_t)(x * (uint32_t)(bits >> 32)) << 32);
}

/* Returns what chroma adds to channel c. */
VC_AXIS int64_t vc_yuv_chroma_sum(const vc_yuv_sums *sums, int32_t c, uint32_t u, uint32_t v) {
  uint64_t sum = (uint64_t)sums->offset[c];
  if (c > 0) sum = vc_yuv_add_product(sum, u, sums->u[c]);
  if (c < 2) sum = vc_yuv_add_product(sum, v, sums->v[c]);
  return (int64_t)sum;
}

/* Returns the channel that this chroma makes with y. */
VC_AXIS int32_t vc_yuv_from_sums(const vc_yuv_sums *sums, uint32_t y, int64_t chroma) {
  int64_t sum = (int64_t)((uint64_t)y * sums->luma) + chroma;
  return (int32_t)(sum >> 32) + (int32_t)y;
}

#endif
