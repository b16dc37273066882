/* SPDX-License-Identifier: Apache-2.0 */
/* Samples from rows of R, G and B by NEON: loops that the compiler vectorises. */
#if defined(__aarch64__)

#  if !defined(__clang__)
#    pragma GCC optimize("O3", "no-trapping-math", "no-math-errno")
#  endif

#  include "transform/colour/write_common.h"

/* Samples of every `step`-th element of rows. */
#  define RGB_SAMPLES(name, type, step)                                                   \
    static void name(const vc_rgb_parts *parts, const type *const rows[3], int64_t count, \
                     uint8_t *restrict out) {                                             \
      const vc_rgb_parts by = *parts;                                                     \
      const type *restrict r = rows[0], *restrict g = rows[1], *restrict b = rows[2];     \
      for (int64_t i = 0; i < count; i++) {                                               \
        int32_t x = r[step * i], y = g[step * i], z = b[step * i];                        \
        int32_t high = by.half_high + x * by.high[0] + y * by.high[1] + z * by.high[2];   \
        int32_t low = by.half_low + x * by.low[0] + y * by.low[1] + z * by.low[2];        \
        int32_t value = ((high + (low >> by.low_bits)) >> by.shift) + by.offset;          \
        out[i] = (uint8_t)(value > by.top ? by.top : value);                              \
      }                                                                                   \
    }
RGB_SAMPLES(bytes, uint8_t, 1)
RGB_SAMPLES(firsts, uint8_t, 2)
RGB_SAMPLES(sums, int16_t, 1)

static void add(const uint8_t *row, const uint8_t *below, int64_t count, int16_t *restrict out) {
  for (int64_t i = 0; i < count; i++) out[i] = (int16_t)(row[2 * i] + row[2 * i + 1]);
  if (!below) return;
  for (int64_t i = 0; i < count; i++) out[i] = (int16_t)(out[i] + below[2 * i] + below[2 * i + 1]);
}

const vc_rgb_kernels vc_rgb_kernels_neon = {NULL,      bytes,         firsts, sums,
                                            rgb_words, rgb_word_sums, add};

#else
typedef int vc_rgb_no_neon; /* a file of C holds a declaration */
#endif
