/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of resizing 8-bit images. vc_row_kernels has the table
 * of a processor; all give the same bytes. */
#ifndef VIEWCAST_TRANSFORM_GEOMETRY_RESAMPLE_KERNELS_H
#define VIEWCAST_TRANSFORM_GEOMETRY_RESAMPLE_KERNELS_H

#include "transform/geometry/resample.h"
#include "transform/row.h"

/* The integers of weights have the layout that vc_resample_axis states. Rows hold pixels of
 * `channels` elements, packed. */
typedef struct vc_resample_kernels {
  /* out = (p[first] * w0 + p[next] * w1) >> 4 for each pixel; at most 32,640. May write
   * up to VC_RESAMPLE_SPARE bytes more. */
  void (*linear_cols)(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                      int16_t *out);
  /* out = (((w0 * upper) >> 16) + ((w1 * lower) >> 16) + 2) >> 2 for n elements. */
  void (*linear_rows)(const int16_t *upper, const int16_t *lower, int32_t weights, int64_t n,
                      uint8_t *out);
  /* Pillow's pass along a row, and down `taps` rows of n elements. */
  void (*pillow_cols)(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                      uint8_t *out);
  void (*pillow_rows)(const uint8_t *const *rows, const int32_t *weights, int32_t taps, int64_t n,
                      uint8_t *out);
} vc_resample_kernels;

/* Returns the part of an axis from result `start` on, without its weights. */
static inline vc_resample_axis vc_resample_rest(const vc_resample_axis *axis, int64_t start) {
  vc_resample_axis rest = *axis;
  rest.range.count -= start;
  rest.first += start;
  rest.taps += start;
  rest.at += start;
  return rest;
}

/* Writes elements `i` to n - 1 of Pillow's pass down rows, one by one. */
static inline void vc_resample_pillow_rows(const uint8_t *const *rows, const int32_t *weights,
                                           int32_t taps, int64_t i, int64_t n, uint8_t *out) {
  for (; i < n; i++) {
    int32_t sum = 1 << (VC_PILLOW_BITS - 1);
    for (int32_t k = 0; k < taps; k++) sum += rows[k][i] * vc_resample_weight(weights, k);
    out[i] = vc_pillow_byte(sum);
  }
}

#endif
