/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of 8-bit samples whose pixels can be converted several at a time. */
#ifndef VIEWCAST_TRANSFORM_COLOUR_READ_ROW_H
#define VIEWCAST_TRANSFORM_COLOUR_READ_ROW_H

#include "transform/colour/colour.h"

typedef enum vc_chroma {
  VC_CHROMA_PAIRS,  /* U and V alternate, a pair for two pixels */
  VC_CHROMA_HALVED, /* adjacent, one for two pixels */
  VC_CHROMA_EACH    /* adjacent, one for each pixel */
} vc_chroma;

/* Where Y, U and V of the first pixel are. */
typedef struct vc_yuv_row {
  const char *samples[3];
  vc_chroma kind;
} vc_yuv_row;

/* Converts as many of `count` pixels as whole vectors hold to 8-bit RGB, and returns how many. The
 * rule has a shift, and its channels have one `y` and one `half`. */
int64_t vc_yuv_read_avx2(const vc_yuv_rule *rule, const vc_yuv_row *row, int64_t count,
                         uint8_t *out);

#endif
