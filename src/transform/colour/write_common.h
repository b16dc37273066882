/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of more than 8 bits, in plain C whose loops the compiler vectorises. Each file that makes
 * a vc_rgb_kernels includes this file once, after it has selected the processor. */
#include "transform/colour/write_row.h"

#define RGB_WORDS(name, type)                                                          \
  static void name(const vc_rgb_doubles *by, const type *const rows[3], int64_t count, \
                   uint16_t *restrict out) {                                           \
    const type *restrict r = rows[0], *restrict g = rows[1], *restrict b = rows[2];    \
    const double of_r = by->factors[0], of_g = by->factors[1], of_b = by->factors[2];  \
    const double half = by->half;                                                      \
    const int32_t top = by->top, unused = by->unused;                                  \
    for (int64_t i = 0; i < count; i++) {                                              \
      int32_t value = (int32_t)(r[i] * of_r + g[i] * of_g + b[i] * of_b + half);       \
      out[i] = (uint16_t)((value > top ? top : value) << unused);                      \
    }                                                                                  \
  }
RGB_WORDS(rgb_words, uint8_t)
RGB_WORDS(rgb_word_sums, int16_t)
