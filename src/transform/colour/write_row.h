/* SPDX-License-Identifier: Apache-2.0 */
/* Samples from rows of R, G and B, several at a time. */
#ifndef VIEWCAST_TRANSFORM_COLOUR_WRITE_ROW_H
#define VIEWCAST_TRANSFORM_COLOUR_WRITE_ROW_H

#include "transform/colour/colour.h"
#include "transform/row.h"

/* Rows are read and written up to so many elements beyond their end. */
#define VC_RGB_SPARE 32

/* Fraction bits of the 32-bit sums of vc_rgb_parts. */
#define VC_RGB_UNITS 21

/* Y, U or V of the sums of 1 << log pixels, for 8-bit samples: numbers are high + low / 2^low_bits
 * in units of 2^-VC_RGB_UNITS, as in vc_yuv_parts. A sample is offset + ((high + (low >> low_bits))
 * >> shift): 32 bits do not hold the sum of four pixels and the offset. */
typedef struct vc_rgb_parts {
  int32_t high[3], low[3]; /* of R, G and B */
  int32_t half_high, half_low, low_bits, shift, offset, top;
} vc_rgb_parts;

/* The same in double, which holds all sums exactly, for more bits. */
typedef struct vc_rgb_doubles {
  double factors[3], half;
  int32_t top, unused;
} vc_rgb_doubles;

/* vc_row_kernels has the table of a processor; all give the samples of vc_rgb_to_sample. */
typedef struct vc_rgb_kernels {
  /* Writes Y of as many of `count` packed pixels of two rows as whole vectors hold, and U and V of
   * their blocks of 2 x 2, and returns how many. The parts are for the order of channels in memory.
   * NULL where there is none. */
  int64_t (*blocks)(const vc_rgb_parts parts[3], bool first_only, const uint8_t *const rows[2],
                    int64_t count, uint8_t *const luma[2], uint8_t *const chroma[2]);
  /* Writes samples of `count` pixels, whose R, G and B are rows of bytes. */
  void (*bytes)(const vc_rgb_parts *parts, const uint8_t *const rows[3], int64_t count,
                uint8_t *out);
  /* The same of the first of every 2 pixels, `count` of them. */
  void (*firsts)(const vc_rgb_parts *parts, const uint8_t *const rows[3], int64_t count,
                 uint8_t *out);
  /* The same of sums of pixels. */
  void (*sums)(const vc_rgb_parts *parts, const int16_t *const rows[3], int64_t count,
               uint8_t *out);
  /* Both for samples of more than 8 bits. */
  void (*words)(const vc_rgb_doubles *by, const uint8_t *const rows[3], int64_t count,
                uint16_t *out);
  void (*word_sums)(const vc_rgb_doubles *by, const int16_t *const rows[3], int64_t count,
                    uint16_t *out);
  /* Writes the sums of 2 adjacent bytes of a row, and of the row below unless it is NULL. */
  void (*add)(const uint8_t *row, const uint8_t *below, int64_t count, int16_t *out);
} vc_rgb_kernels;

#endif
