/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of resizing for x86-64 with AVX2. Results whose loads would reach beyond the
 * end of a row are left to the scalar loops. */
#if defined(__x86_64__)

#  include "transform/begin_avx2.h"

#  include <string.h>

#  include "transform/geometry/resample_kernels.h"

/* Returns a shuffle that makes bytes of sample 0 and 1 pairs of 16-bit numbers: channel c of both
 * in the c-th 32 bits. The upper 128 bits have those of sample 2 and 3 where `across`, else the
 * same. */
static __m256i pair_order(int32_t channels, bool across) {
  int8_t order[32];
  memset(order, -1, sizeof order);
  for (int half = 0; half < 2; half++) {
    int first = across && half ? 2 * channels : 0;
    for (int32_t c = 0; c < channels; c++) {
      order[16 * half + 4 * c] = (int8_t)(first + c);
      order[16 * half + 4 * c + 2] = (int8_t)(first + channels + c);
    }
  }
  return _mm256_loadu_si256((const __m256i *)order);
}

/* Returns a shuffle that removes the gaps between two pixels of 16-bit channels, each of which
 * has four places. */
static __m128i close_order(int32_t channels) {
  int8_t order[16];
  memset(order, -1, sizeof order);
  for (int pixel = 0; pixel < 2; pixel++) {
    for (int byte = 0; byte < 2 * channels; byte++) {
      order[2 * channels * pixel + byte] = (int8_t)(8 * pixel + byte);
    }
  }
  return _mm_loadu_si128((const __m128i *)order);
}

/* --- linear */

/* Computes pixels `at` and `at` + 2, whose samples lie in 8 bytes each. `weights` are those of four
 * pixels, of which `spread` selects two. */
static inline __m256i linear_two(const uint8_t *row, const int32_t *at, __m256i weights,
                                 int32_t channels, __m256i order, __m256i spread) {
  __m128i a = _mm_loadl_epi64((const __m128i *)(row + (int64_t)at[0] * channels));
  __m128i b = _mm_loadl_epi64((const __m128i *)(row + (int64_t)at[2] * channels));
  __m256i samples = _mm256_shuffle_epi8(_mm256_set_m128i(b, a), order);
  __m256i both = _mm256_permutevar8x32_epi32(weights, spread);
  return _mm256_srai_epi32(_mm256_madd_epi16(samples, both), 4);
}

static inline int64_t linear_vector(const vc_resample_axis *axis, const int32_t channels,
                                    const uint8_t *row, int16_t *out) {
  const __m256i order = pair_order(channels, false);
  const __m256i together = _mm256_broadcastsi128_si256(close_order(channels));
  const __m256i even = _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2);
  const __m256i odd = _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3);
  /* The last sample from which 8 bytes may be read. */
  const int64_t last = (axis->range.n * channels - 8) / channels, count = axis->range.count;
  const int32_t *first = axis->first, *weights = axis->weights.integers;
  int64_t d = 0;
  if (axis->range.n * channels < 8) return 0;
  for (; d + 4 <= count && first[d + 3] <= last; d += 4) {
    __m256i four = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(weights + d)));
    __m256i low = linear_two(row, first + d, four, channels, order, even);
    __m256i high = linear_two(row, first + d + 1, four, channels, order, odd);
    /* Pixels 0 and 1 in the lower 128 bits, 2 and 3 in the upper. */
    __m256i all = _mm256_shuffle_epi8(_mm256_packs_epi32(low, high), together);
    _mm_storeu_si128((__m128i *)(out + d * channels), _mm256_castsi256_si128(all));
    _mm_storeu_si128((__m128i *)(out + (d + 2) * channels), _mm256_extracti128_si256(all, 1));
  }
  return d;
}

/* Returns true if each result is the mean of two samples, of 2 d and 2 d + 1. Larger coordinates
 * lose their half in float. */
static bool is_halved(const vc_resample_axis *axis) {
  return axis->range.n == 2 * axis->range.m && axis->range.n < 1 << 22;
}

/* Returns a shuffle that makes the bytes of two pixels of a channel adjacent, for as many pixels as
 * 16 bytes hold in pairs. */
static __m256i halves_order(int32_t channels, int bytes) {
  int8_t order[16];
  memset(order, -1, sizeof order);
  for (int i = 0; i < bytes; i++) {
    int pair = i / (2 * channels), at = i % (2 * channels);
    order[i] = (int8_t)(2 * channels * pair + at / 2 + at % 2 * channels);
  }
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)order));
}

/* Computes results whose weights are both 1024: each is 64 times the sum. */
static int64_t halve(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                     int16_t *out) {
  const int bytes = channels == 3 ? 12 : 16;
  const __m256i order = halves_order(channels, bytes), ones = _mm256_set1_epi8(1);
  const int64_t start = (int64_t)axis->first[0] * channels, end = axis->range.n * channels;
  const int64_t results = axis->range.count * channels;
  int64_t done = 0;
  for (; done + bytes <= results && start + 2 * done + bytes + 16 <= end; done += bytes) {
    const uint8_t *from = row + start + 2 * done;
    __m256i samples = _mm256_set_m128i(_mm_loadu_si128((const __m128i *)(from + bytes)),
                                       _mm_loadu_si128((const __m128i *)from));
    __m256i sums = _mm256_maddubs_epi16(_mm256_shuffle_epi8(samples, order), ones);
    sums = _mm256_slli_epi16(sums, 6);
    _mm_storeu_si128((__m128i *)(out + done), _mm256_castsi256_si128(sums));
    _mm_storeu_si128((__m128i *)(out + done + bytes / 2), _mm256_extracti128_si256(sums, 1));
  }
  return done / channels;
}

/* Returns how many results were written. The number of channels is a constant in each call of
 * linear_vector. */
static int64_t linear_whole(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                            int16_t *out) {
  if (channels > 0 && is_halved(axis)) return halve(axis, channels, row, out);
  switch (channels) {
    case 1: return linear_vector(axis, 1, row, out);
    case 2: return linear_vector(axis, 2, row, out);
    case 3: return linear_vector(axis, 3, row, out);
    case 4: return linear_vector(axis, 4, row, out);
    default: return 0;
  }
}

static void linear_cols(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                        int16_t *out) {
  int64_t done = linear_whole(axis, channels, row, out);
  vc_resample_axis rest = vc_resample_rest(axis, done);
  rest.weights.integers += done;
  vc_resample_kernels_scalar.linear_cols(&rest, channels, row, out + done * channels);
}

static inline __m256i linear_sixteen(const int16_t *upper, const int16_t *lower, __m256i a,
                                     __m256i b) {
  __m256i first = _mm256_mulhi_epi16(_mm256_loadu_si256((const __m256i *)upper), a);
  __m256i second = _mm256_mulhi_epi16(_mm256_loadu_si256((const __m256i *)lower), b);
  __m256i sum = _mm256_add_epi16(_mm256_add_epi16(first, second), _mm256_set1_epi16(2));
  return _mm256_srai_epi16(sum, 2);
}

static void linear_rows(const int16_t *upper, const int16_t *lower, int32_t weights, int64_t n,
                        uint8_t *out) {
  const __m256i a = _mm256_set1_epi16((short)vc_resample_half(&weights, 0));
  const __m256i b = _mm256_set1_epi16((short)vc_resample_half(&weights, 1));
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __m256i low = linear_sixteen(upper + i, lower + i, a, b);
    __m256i high = linear_sixteen(upper + i + 16, lower + i + 16, a, b);
    __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8);
    _mm256_storeu_si256((__m256i *)(out + i), bytes);
  }
  vc_resample_kernels_scalar.linear_rows(upper + i, lower + i, weights, n - i, out + i);
}

/* --- Pillow */

/* (high << 11) + low, rounded, as bytes in the lowest 8 bits of each 32. */
static inline __m128i pillow_finish(__m128i high, __m128i low) {
  const __m128i half = _mm_set1_epi32(1 << (VC_PILLOW_BITS - 1));
  __m128i sum = _mm_add_epi32(_mm_slli_epi32(high, VC_RESAMPLE_SPLIT), _mm_add_epi32(low, half));
  sum = _mm_srai_epi32(sum, VC_PILLOW_BITS);
  sum = _mm_packs_epi32(sum, sum);
  return _mm_packus_epi16(sum, sum);
}

static inline int64_t pillow_vector(const vc_resample_axis *axis, const int32_t channels,
                                    const uint8_t *row, uint8_t *out) {
  const __m256i order = pair_order(channels, true);
  const __m256i spread = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const int64_t bytes = axis->range.n * channels, count = axis->range.count;
  int64_t d = 0;
  for (; d < count; d++) {
    const int32_t *weights = axis->weights.integers + axis->at[d];
    const int64_t groups = (axis->taps[d] + 3) / 4;
    const uint8_t *from = row + (int64_t)axis->first[d] * channels;
    if (from + (groups - 1) * 4 * channels + 16 > row + bytes) break;
    __m256i high = _mm256_setzero_si256(), low = high;
    for (int64_t g = 0; g < groups; g++, from += 4 * channels, weights += 4) {
      __m128i sixteen = _mm_loadu_si128((const __m128i *)from);
      __m256i samples = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(sixteen), order);
      __m256i four = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)weights));
      __m256i upper = _mm256_permutevar8x32_epi32(four, spread);
      __m256i lower =
          _mm256_permutevar8x32_epi32(four, _mm256_add_epi32(spread, _mm256_set1_epi32(2)));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(samples, upper));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(samples, lower));
    }
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    __m128i l = _mm_add_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    uint32_t pixel = (uint32_t)_mm_cvtsi128_si32(pillow_finish(h, l));
    memcpy(out + d * channels, &pixel, (size_t)channels);
  }
  return d;
}

static void pillow_cols(const vc_resample_axis *axis, int32_t channels, const uint8_t *row,
                        uint8_t *out) {
  int64_t done = 0;
  switch (channels) {
    case 1: done = pillow_vector(axis, 1, row, out); break;
    case 2: done = pillow_vector(axis, 2, row, out); break;
    case 3: done = pillow_vector(axis, 3, row, out); break;
    case 4: done = pillow_vector(axis, 4, row, out); break;
    default: break;
  }
  vc_resample_axis rest = vc_resample_rest(axis, done);
  vc_resample_kernels_scalar.pillow_cols(&rest, channels, row, out + done * channels);
}

/* 16 elements of two rows by the halves of two weights. */
static inline void add_two(__m256i bytes, __m256i weights, __m256i *sums) {
  __m256i zero = _mm256_setzero_si256();
  sums[0] =
      _mm256_add_epi32(sums[0], _mm256_madd_epi16(_mm256_unpacklo_epi8(bytes, zero), weights));
  sums[1] =
      _mm256_add_epi32(sums[1], _mm256_madd_epi16(_mm256_unpackhi_epi8(bytes, zero), weights));
}

/* Elements 0 to 3, 8 to 11 of the row's 16 are in sums[0], the others in sums[1]. */
static inline __m256i interleave(const uint8_t *first, const uint8_t *second) {
  __m128i a = _mm_loadu_si128((const __m128i *)first), b = _mm_loadu_si128((const __m128i *)second);
  return _mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b));
}

static inline __m256i pillow_sum(__m256i high, __m256i low) {
  const __m256i half = _mm256_set1_epi32(1 << (VC_PILLOW_BITS - 1));
  __m256i sum =
      _mm256_add_epi32(_mm256_slli_epi32(high, VC_RESAMPLE_SPLIT), _mm256_add_epi32(low, half));
  return _mm256_srai_epi32(sum, VC_PILLOW_BITS);
}

static void pillow_rows(const uint8_t *const *rows, const int32_t *weights, int32_t taps, int64_t n,
                        uint8_t *out) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    __m256i high[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()}, low[2] = {high[0], high[0]};
    for (int32_t k = 0; k < taps; k += 2) {
      const int32_t *four = weights + k / 4 * 4 + k % 4 / 2;
      const uint8_t *second = k + 1 < taps ? rows[k + 1] : rows[k]; /* its weight is 0 */
      __m256i bytes = interleave(rows[k] + i, second + i);
      add_two(bytes, _mm256_set1_epi32(four[0]), high);
      add_two(bytes, _mm256_set1_epi32(four[2]), low);
    }
    __m256i words = _mm256_packs_epi32(pillow_sum(high[0], low[0]), pillow_sum(high[1], low[1]));
    __m128i result =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)(out + i), result);
  }
  vc_resample_pillow_rows(rows, weights, taps, i, n, out);
}

const vc_resample_kernels vc_resample_kernels_avx2 = {linear_cols, linear_rows, pillow_cols,
                                                      pillow_rows};

END_AVX2
#else
typedef int vc_not_this_processor;
#endif
