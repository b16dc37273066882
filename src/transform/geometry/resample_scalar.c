/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of resizing for any processor; those of other files end rows with them. */
#include "transform/geometry/resample_kernels.h"

static void linear_cols(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                        int16_t *out) {
  int64_t last = axis->range.n - 1;
  for (int64_t d = 0; d < axis->range.count; d++) {
    int64_t first = axis->first[d], next = first < last ? first + 1 : last;
    const int32_t *weights = axis->weights.integers + d;
    int32_t a = vc_resample_half(weights, 0), b = vc_resample_half(weights, 1);
    for (int32_t c = 0; c < channels; c++) {
      *out++ = (int16_t)((row[first * channels + c] * a + row[next * channels + c] * b) >> 4);
    }
  }
}

static void linear_rows(const int16_t *upper, const int16_t *lower, int32_t weights, int64_t n,
                        uint8_t *out) {
  int32_t a = vc_resample_half(&weights, 0), b = vc_resample_half(&weights, 1);
  for (int64_t i = 0; i < n; i++) {
    out[i] = (uint8_t)((((a * upper[i]) >> 16) + ((b * lower[i]) >> 16) + 2) >> 2);
  }
}

static void pillow_cols(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                        uint8_t *out) {
  for (int64_t d = 0; d < axis->range.count; d++) {
    const int32_t *weights = axis->weights.integers + axis->at[d];
    const uint8_t *from = row + (int64_t)axis->first[d] * channels;
    for (int32_t c = 0; c < channels; c++) {
      int32_t sum = 1 << (VC_PILLOW_BITS - 1);
      for (int32_t i = 0; i < axis->taps[d]; i++)
        sum += from[i * channels + c] * vc_resample_weight(weights, i);
      *out++ = vc_pillow_byte(sum);
    }
  }
}

static void pillow_rows(const uint8_t *const *rows, const int32_t *weights, int32_t taps, int64_t n,
                        uint8_t *out) {
  vc_resample_pillow_rows(rows, weights, taps, 0, n, out);
}

const vc_resample_kernels vc_resample_kernels_scalar = {linear_cols, linear_rows, pillow_cols,
                                                        pillow_rows};
