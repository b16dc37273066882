/* SPDX-License-Identifier: Apache-2.0 */
/* Samples from rows of R, G and B by AVX2. */
#if defined(__x86_64__)

#  include "transform/begin_avx2.h"

#  include "transform/colour/write_common.h"

typedef __m256i vector;

INLINED vector load(const void *at) { return _mm256_loadu_si256((const vector *)at); }

INLINED vector times(vector x, int32_t by) { return _mm256_mullo_epi32(x, _mm256_set1_epi32(by)); }

/* Returns 8 samples. `low` is a constant in each call. */
INLINED vector eight_samples(const vc_rgb_parts *by, const vector x[3], bool low) {
  vector sum = _mm256_set1_epi32(by->half_high);
  for (int c = 0; c < 3; c++) sum = _mm256_add_epi32(sum, times(x[c], by->high[c]));
  if (low) {
    vector rest = _mm256_set1_epi32(by->half_low);
    for (int c = 0; c < 3; c++) rest = _mm256_add_epi32(rest, times(x[c], by->low[c]));
    rest = _mm256_sra_epi32(rest, _mm_cvtsi32_si128(by->low_bits));
    sum = _mm256_add_epi32(sum, rest);
  }
  sum = _mm256_sra_epi32(sum, _mm_cvtsi32_si128(by->shift));
  return _mm256_add_epi32(sum, _mm256_set1_epi32(by->offset));
}

/* --- blocks of packed pixels */

#  define WIDENED(byte) byte, -1, -1, -1

/* Loads a channel of 8 pixels. The lower half of `pixels` has their bytes 0 to 15, the upper half
 * bytes 8 to 23. */
INLINED vector channel_of(vector pixels, int c) {
  const vector first = _mm256_setr_epi8(WIDENED(0), WIDENED(3), WIDENED(6), WIDENED(9), WIDENED(4),
                                        WIDENED(7), WIDENED(10), WIDENED(13));
  return _mm256_shuffle_epi8(pixels, _mm256_add_epi8(first, _mm256_set1_epi32(c)));
}

/* Loads 16 pixels: channel c of the first 8 and of the other 8. */
INLINED void load_pixels(const uint8_t *at, vector channels[2][3]) {
  for (int i = 0; i < 2; i++, at += 24) {
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(at + 8));
    vector pixels = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    for (int c = 0; c < 3; c++) channels[i][c] = channel_of(pixels, c);
  }
}

/* The order of 32-bit parts that a pack of two vectors has left. */
INLINED vector put_in_order(vector packed) {
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

INLINED void write_luma(const vc_rgb_parts *by, vector rows[2][2][3], bool low,
                        uint8_t *const to[2]) {
  vector words[2];
  for (int y = 0; y < 2; y++) {
    vector first = eight_samples(by, rows[y][0], low), second = eight_samples(by, rows[y][1], low);
    words[y] = _mm256_packs_epi32(first, second);
  }
  vector bytes_of_both = put_in_order(_mm256_packus_epi16(words[0], words[1]));
  _mm_storeu_si128((__m128i *)(void *)to[0], _mm256_castsi256_si128(bytes_of_both));
  _mm_storeu_si128((__m128i *)(void *)to[1], _mm256_extracti128_si256(bytes_of_both, 1));
}

/* Returns a channel of 8 blocks: of their first pixels, or the sums. */
INLINED vector block_of(vector rows[2][2][3], int c, bool first_only) {
  if (first_only) {
    __m256 first = _mm256_castsi256_ps(rows[0][0][c]), second = _mm256_castsi256_ps(rows[0][1][c]);
    return _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88));
  }
  return _mm256_hadd_epi32(_mm256_add_epi32(rows[0][0][c], rows[1][0][c]),
                           _mm256_add_epi32(rows[0][1][c], rows[1][1][c]));
}

INLINED int64_t write_blocks(const vc_rgb_parts parts[3], bool first_only, bool low,
                             const uint8_t *const rows[2], int64_t count, uint8_t *const luma[2],
                             uint8_t *const chroma[2]) {
  int64_t done = 0;
  for (; done + 16 <= count; done += 16) {
    vector pixels[2][2][3], sums_of_blocks[3];
    for (int y = 0; y < 2; y++) load_pixels(rows[y] + 3 * done, pixels[y]);
    write_luma(&parts[0], pixels, low, (uint8_t *const[]){luma[0] + done, luma[1] + done});
    for (int c = 0; c < 3; c++) sums_of_blocks[c] = block_of(pixels, c, first_only);
    vector u = eight_samples(&parts[1], sums_of_blocks, low);
    vector v = eight_samples(&parts[2], sums_of_blocks, low);
    vector words = put_in_order(_mm256_packs_epi32(u, v));
    vector both = _mm256_packus_epi16(words, words);
    _mm_storel_epi64((__m128i *)(void *)(chroma[0] + done / 2), _mm256_castsi256_si128(both));
    _mm_storel_epi64((__m128i *)(void *)(chroma[1] + done / 2), _mm256_extracti128_si256(both, 1));
  }
  return done;
}

static int64_t blocks(const vc_rgb_parts parts[3], bool first_only, const uint8_t *const rows[2],
                      int64_t count, uint8_t *const luma[2], uint8_t *const chroma[2]) {
  const vc_rgb_parts by[3] = {parts[0], parts[1], parts[2]};
  if (first_only) return write_blocks(by, true, false, rows, count, luma, chroma);
  return write_blocks(by, false, true, rows, count, luma, chroma);
}

/* --- rows */

/* Stores 32 samples, of which vector i has those whose index is i modulo 4. Each is between 0 and
 * 256. */
INLINED void store_fourths(const vector samples[4], uint8_t *out) {
  vector bytes = _mm256_setzero_si256();
  for (int i = 0; i < 4; i++) {
    vector one = _mm256_min_epi32(samples[i], _mm256_set1_epi32(255));
    bytes = _mm256_or_si256(bytes, _mm256_slli_epi32(one, 8 * i));
  }
  _mm256_storeu_si256((vector *)(void *)out, bytes);
}

INLINED void bytes_of(const vc_rgb_parts *by, const uint8_t *const rows[3], int64_t count, bool low,
                      uint8_t *out) {
  const vector mask = _mm256_set1_epi32(255);
  for (int64_t i = 0; i < count; i += 32) {
    vector all[3], samples[4];
    for (int c = 0; c < 3; c++) all[c] = load(rows[c] + i);
    for (int k = 0; k < 4; k++) {
      vector x[3];
      for (int c = 0; c < 3; c++) x[c] = _mm256_and_si256(_mm256_srli_epi32(all[c], 8 * k), mask);
      samples[k] = eight_samples(by, x, low);
    }
    store_fourths(samples, out + i);
  }
}

static void bytes(const vc_rgb_parts *parts, const uint8_t *const rows[3], int64_t count,
                  uint8_t *out) {
  const vc_rgb_parts by = *parts;
  if (by.low_bits) {
    bytes_of(&by, rows, count, true, out);
  } else {
    bytes_of(&by, rows, count, false, out);
  }
}

/* Computes 16 samples of numbers of 16 bits. */
INLINED void write_sixteen(const vc_rgb_parts *by, const vector words[3], bool low, uint8_t *out) {
  vector samples[2], x[2][3];
  for (int c = 0; c < 3; c++) {
    x[0][c] = _mm256_and_si256(words[c], _mm256_set1_epi32(0xffff));
    x[1][c] = _mm256_srli_epi32(words[c], 16);
  }
  for (int i = 0; i < 2; i++) samples[i] = eight_samples(by, x[i], low);
  vector both = _mm256_or_si256(samples[0], _mm256_slli_epi32(samples[1], 16));
  both = _mm256_permute4x64_epi64(_mm256_packus_epi16(both, both), 0xd8);
  _mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(both));
}

/* The numbers are 16-bit ones, or the first of every 2 bytes. */
INLINED void write_numbers(const vc_rgb_parts *by, const void *const rows[3], int64_t count,
                           bool first, bool low, uint8_t *out) {
  for (int64_t i = 0; i < count; i += 16) {
    vector words[3];
    for (int c = 0; c < 3; c++) {
      words[c] = load((const char *)rows[c] + 2 * i);
      if (first) words[c] = _mm256_and_si256(words[c], _mm256_set1_epi16(255));
    }
    write_sixteen(by, words, low, out + i);
  }
}

static void firsts(const vc_rgb_parts *parts, const uint8_t *const rows[3], int64_t count,
                   uint8_t *out) {
  const vc_rgb_parts by = *parts;
  const void *const all[3] = {rows[0], rows[1], rows[2]};
  write_numbers(&by, all, count, true, false, out);
}

static void sums(const vc_rgb_parts *parts, const int16_t *const rows[3], int64_t count,
                 uint8_t *out) {
  const vc_rgb_parts by = *parts;
  const void *const all[3] = {rows[0], rows[1], rows[2]};
  write_numbers(&by, all, count, false, true, out);
}

static void add(const uint8_t *row, const uint8_t *below, int64_t count, int16_t *out) {
  const vector ones = _mm256_set1_epi8(1);
  for (int64_t i = 0; i < count; i += 16) {
    vector both = _mm256_maddubs_epi16(load(row + 2 * i), ones);
    if (below) both = _mm256_add_epi16(both, _mm256_maddubs_epi16(load(below + 2 * i), ones));
    _mm256_storeu_si256((vector *)(void *)(out + i), both);
  }
}

const vc_rgb_kernels vc_rgb_kernels_avx2 = {blocks,    bytes,         firsts, sums,
                                            rgb_words, rgb_word_sums, add};

END_AVX2
#else
typedef int vc_rgb_no_avx2; /* a file of C holds a declaration */
#endif
