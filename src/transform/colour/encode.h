/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of RGB to YUV: integers that give the real value of H.273, rounded half up, or
 * the bytes of cv2.cvtColor. C and CUDA C both include this file (axis.h). */
#ifndef VIEWCAST_TRANSFORM_COLOUR_ENCODE_H
#define VIEWCAST_TRANSFORM_COLOUR_ENCODE_H

#include <viewcast/viewcast.h>

#include "transform/geometry/axis.h"

/* A sample is (r * R + g * G + b * B + half) / divisor, rounded down; of the sums R, G and B of n
 * pixels it is the same with n * half and n * divisor. */
typedef struct vc_rgb_channel {
  int64_t r, g, b, half, divisor;
} vc_rgb_channel;

typedef struct vc_rgb_rule {
  vc_rgb_channel channels[3]; /* Y, U, V */
  int32_t shift;              /* divisors are 1 << shift; 0: they are any */
  int32_t top;                /* the largest value of a sample */
  bool first_only;            /* chroma is that of the upper left pixel, not of the mean */
} vc_rgb_rule;

/* Returns Y, U or V (`which`) of the sums of 1 << log pixels. Sums that are divided are not
 * negative, because `half` holds the value of grey. */
VC_AXIS int32_t vc_rgb_to_sample(const vc_rgb_rule *rule, int32_t which, const int32_t sums[3],
                                 int32_t log) {
  const vc_rgb_channel *channel = &rule->channels[which];
  int64_t sum = sums[0] * channel->r + sums[1] * channel->g + sums[2] * channel->b;
  sum += channel->half * ((int64_t)1 << log);
  int64_t value = rule->shift ? sum >> (rule->shift + log) : sum / (channel->divisor << log);
  return (int32_t)(value > rule->top ? rule->top : value);
}

#endif
