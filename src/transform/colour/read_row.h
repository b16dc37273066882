/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of YUV whose samples are adjacent, several pixels at a time. */
#ifndef VIEWCAST_TRANSFORM_COLOUR_READ_ROW_H
#define VIEWCAST_TRANSFORM_COLOUR_READ_ROW_H

#include "transform/colour/colour.h"
#include "transform/row.h"

typedef enum vc_chroma {
  VC_CHROMA_PAIRS,  /* U and V alternate, a pair for two pixels */
  VC_CHROMA_HALVED, /* adjacent, one for two pixels */
  VC_CHROMA_EACH    /* adjacent, one for each pixel */
} vc_chroma;

/* Where Y, U and V of the first pixel are. */
typedef struct vc_yuv_row {
  const char *samples[3];
  vc_chroma kind;
  int32_t bits, unused; /* of a sample, as in vc_yuv_source */
} vc_yuv_row;

/* Fraction bits of the 32-bit sums of vc_yuv_parts: a value has 10 more bits and a sign. */
#define VC_YUV_UNITS 21

/* A rule whose divisor is 1 << shift and whose results have 8 bits, for sums of 32 bits: each
 * number is high + low / 2^low_bits in units of 2^-VC_YUV_UNITS. The parts `high` of a sum and
 * `low >> low_bits` of the sum of parts `low` add up to the sum of the numbers, rounded down, so
 * that (high + (low >> low_bits)) >> VC_YUV_UNITS is the value that vc_yuv_to_rgb has. Values of
 * black and grey are part of `constant`. */
typedef struct vc_yuv_part {
  int32_t y, u, v, constant;
} vc_yuv_part;

typedef struct vc_yuv_parts {
  vc_yuv_part high[3], low[3]; /* of R, G and B, which have one y */
  int32_t low_bits;            /* 0: all parts `low` are 0 */
  int32_t least;               /* Y below it counts as `least` */
} vc_yuv_parts;

/* Splits a rule that has a shift. Sums of `low` fit 32 bits for samples of up to 10 bits. */
void vc_yuv_split_rule(const vc_yuv_rule *rule, vc_yuv_parts *out);

/* Converts pixels from the one whose samples `row` has. vc_row_kernels has the table of a
 * processor; all give the bytes of vc_yuv_to_rgb. */
typedef struct vc_yuv_kernels {
  /* Writes as many of `count` pixels as whole vectors hold as packed 8-bit RGB, and returns how
   * many. */
  int64_t (*bytes)(const vc_yuv_parts *parts, const vc_yuv_row *row, int64_t count, uint8_t *out);
  /* Writes VC_YUV_BLOCK pixels by any rule to rows of R, G and B. */
  void (*block)(const vc_yuv_rule *rule, const vc_yuv_row *row, uint16_t *const rgb[3]);
} vc_yuv_kernels;

#define VC_YUV_BLOCK 64

/* Moves a row on by a block. */
static inline void vc_yuv_next_block(vc_yuv_row *row) {
  const int64_t bytes = row->bits == 8 ? VC_YUV_BLOCK : 2 * VC_YUV_BLOCK;
  row->samples[0] += bytes;
  for (int i = 1; i < 3; i++) row->samples[i] += row->kind == VC_CHROMA_HALVED ? bytes / 2 : bytes;
}

#endif
