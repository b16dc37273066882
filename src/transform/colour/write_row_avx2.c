/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of 8 bits by AVX2. As in read_row_avx2.c a coefficient is high * 2^16 + low in units of
 * 2^-37, and a sample is the offset + ((sum of high * x + (sum of low * x >> 16)) >> 21), which is
 * exact. The offset, 16 or 128, stays out of the sum, which would not fit 32 bits with it. */
#if defined(__x86_64__)
#  include <immintrin.h>

#  include "transform/colour/write_row.h"

#  define AVX2 __attribute__((target("avx2")))
#  define AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

enum { UNITS = 37, LOW = 16 };

typedef __m256i vector;

typedef struct {
  vector high[3], low[3], half_high, half_low, offset;
  int32_t shift;
} numbers;

AVX2_INLINE void take_rule(const vc_rgb_rule *rule, int32_t which, int32_t log, numbers *out) {
  const vc_rgb_channel *channel = &rule->channels[which];
  const int64_t factors[3] = {channel->r, channel->g, channel->b};
  int64_t unit = (int64_t)1 << (UNITS - rule->shift);
  for (int c = 0; c < 3; c++) {
    int64_t value = factors[c] * unit, high = (value + (1 << (LOW - 1))) >> LOW;
    out->high[c] = _mm256_set1_epi32((int32_t)high);
    out->low[c] = _mm256_set1_epi32((int32_t)(value - high * (1 << LOW)));
  }
  int64_t offset = channel->half >> rule->shift;
  int64_t half = (channel->half - (offset << rule->shift)) * unit * (1 << log);
  out->offset = _mm256_set1_epi32((int32_t)offset);
  out->half_high = _mm256_set1_epi32((int32_t)(half >> LOW));
  out->half_low = _mm256_set1_epi32((int32_t)(half & ((1 << LOW) - 1)));
  out->shift = UNITS - LOW + log;
}

/* Returns 8 samples. */
AVX2_INLINE vector multiply(const numbers *by, const vector x[3]) {
  vector high = by->half_high, low = by->half_low;
  for (int c = 0; c < 3; c++) {
    high = _mm256_add_epi32(high, _mm256_mullo_epi32(x[c], by->high[c]));
    low = _mm256_add_epi32(low, _mm256_mullo_epi32(x[c], by->low[c]));
  }
  high = _mm256_add_epi32(high, _mm256_srai_epi32(low, LOW));
  high = _mm256_sra_epi32(high, _mm_cvtsi32_si128(by->shift));
  return _mm256_add_epi32(high, by->offset);
}

AVX2_INLINE void store(vector samples, uint8_t *out) {
  vector words = _mm256_packs_epi32(samples, samples); /* in each half */
  vector bytes = _mm256_packus_epi16(words, words);
  bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 0, 4, 0, 4, 0, 4));
  _mm_storel_epi64((__m128i *)(void *)out, _mm256_castsi256_si128(bytes));
}

AVX2 void vc_rgb_bytes_avx2(const vc_rgb_rule *rule, int32_t which, const uint8_t *const rows[3],
                            int64_t count, uint8_t *out) {
  numbers by;
  take_rule(rule, which, 0, &by);
  for (int64_t i = 0; i < count; i += 8) {
    vector x[3];
    for (int c = 0; c < 3; c++) {
      x[c] = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(rows[c] + i)));
    }
    store(multiply(&by, x), out + i);
  }
}

AVX2 void vc_rgb_sums_avx2(const vc_rgb_rule *rule, int32_t which, const int16_t *const rows[3],
                           int32_t log, int64_t count, uint8_t *out) {
  numbers by;
  take_rule(rule, which, log, &by);
  for (int64_t i = 0; i < count; i += 8) {
    vector x[3];
    for (int c = 0; c < 3; c++) {
      x[c] = _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(rows[c] + i)));
    }
    store(multiply(&by, x), out + i);
  }
}

AVX2 void vc_rgb_add_avx2(const uint8_t *row, const uint8_t *below, int64_t count, int16_t *out) {
  const vector ones = _mm256_set1_epi8(1);
  for (int64_t i = 0; i < count; i += 16) {
    vector sums =
        _mm256_maddubs_epi16(_mm256_loadu_si256((const vector *)(const void *)(row + 2 * i)), ones);
    if (below) {
      vector other = _mm256_loadu_si256((const vector *)(const void *)(below + 2 * i));
      sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(other, ones));
    }
    _mm256_storeu_si256((vector *)(void *)(out + i), sums);
  }
}

#else
typedef int vc_rgb_no_avx2; /* a file of C holds a declaration */
#endif
