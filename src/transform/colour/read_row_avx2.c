/* SPDX-License-Identifier: Apache-2.0 */
/* A row of 8-bit samples as 8-bit RGB, 16 pixels at a time.
 *
 * Coefficients in units of 2^-37 are two parts of 32 bits, high * 2^16 + low, low being -2^15 to
 * 2^15 - 1. A channel is (sum of high * x + (sum of low * x >> 16)) >> 21, which is exact: nothing
 * is dropped but what a shift of the whole sum would drop. Products come from pmaddwd, which
 * multiplies 16 bits and adds pairs: high is again two parts, of which the upper one is multiplied
 * by x << 7 (Y) or x << 8 (U and V). */
#if defined(__x86_64__)
#  include <immintrin.h>

#  include "transform/colour/read_row.h"

#  define AVX2 __attribute__((target("avx2")))
#  define AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

enum { UNITS = 37, LOW = 16, PIXELS = 16, LUMA_SHIFT = 7, CHROMA_SHIFT = 8 };

typedef __m256i vector;

/* The coefficients as pairs of 16 bits: of U and V, or V and U as they lie in memory. */
typedef struct {
  vector upper[3], middle[3], low[3]; /* of R, G and B */
  vector half_high, half_low;
  vector luma_high, luma_low;
  vector black, least, grey;
  bool has_low;
} numbers;

/* An image of 16 pixels: what chroma adds to them in 32 bits, pixels 0 to 3 and 8 to 11 in the
 * first of each two vectors, the others in the second. */
typedef struct {
  vector high[3][2], low[3][2];
} chroma;

AVX2_INLINE vector pair(int32_t first, int32_t second) {
  return _mm256_set1_epi32((int32_t)((uint32_t)(first & 0xffff) | (uint32_t)second << 16));
}

/* The parts of a coefficient. */
typedef struct {
  int32_t high, low;
} parts;

static parts parts_of(int64_t coefficient, int32_t shift) {
  int64_t value = coefficient * ((int64_t)1 << (UNITS - shift));
  int64_t high = (value + (1 << (LOW - 1))) >> LOW;
  return (parts){(int32_t)high, (int32_t)(value - high * (1 << LOW))};
}

AVX2_INLINE void take_channel(const vc_yuv_channel *channel, int32_t shift, bool v_first, int c,
                              numbers *out) {
  const int32_t mask = (1 << CHROMA_SHIFT) - 1;
  parts first = parts_of(v_first ? channel->v : channel->u, shift);
  parts second = parts_of(v_first ? channel->u : channel->v, shift);
  out->upper[c] = pair(first.high >> CHROMA_SHIFT, second.high >> CHROMA_SHIFT);
  out->middle[c] = pair(first.high & mask, second.high & mask);
  out->low[c] = pair(first.low, second.low);
  if (first.low != 0 || second.low != 0) out->has_low = true;
}

AVX2_INLINE void take_rule(const vc_yuv_rule *rule, bool v_first, numbers *out) {
  parts luma = parts_of(rule->channels[0].y, rule->shift);
  int64_t half = rule->channels[0].half * ((int64_t)1 << (UNITS - rule->shift));
  out->has_low = luma.low != 0;
  for (int c = 0; c < 3; c++) take_channel(&rule->channels[c], rule->shift, v_first, c, out);
  out->half_high = _mm256_set1_epi32((int32_t)(half >> LOW));
  out->half_low = _mm256_set1_epi32((int32_t)(half & ((1 << LOW) - 1)));
  out->luma_high = pair(luma.high & ((1 << LUMA_SHIFT) - 1), luma.high >> LUMA_SHIFT);
  out->luma_low = pair(luma.low, 0);
  out->black = _mm256_set1_epi16((int16_t)rule->black);
  out->least = _mm256_set1_epi16((int16_t)rule->least);
  out->grey = _mm256_set1_epi16((int16_t)rule->grey);
}

/* What pairs of U and V add to channel c. */
AVX2_INLINE void multiply(const numbers *by, int c, vector pairs, vector *high, vector *low) {
  vector lifted = _mm256_slli_epi16(pairs, CHROMA_SHIFT);
  *high = _mm256_add_epi32(_mm256_madd_epi16(lifted, by->upper[c]),
                           _mm256_madd_epi16(pairs, by->middle[c]));
  *high = _mm256_add_epi32(*high, by->half_high);
  *low = _mm256_add_epi32(_mm256_madd_epi16(pairs, by->low[c]), by->half_low);
}

/* Each of 8 samples counts for two pixels. */
AVX2_INLINE void spread(const numbers *by, vector pairs, chroma *out) {
  for (int c = 0; c < 3; c++) {
    vector high, low;
    multiply(by, c, pairs, &high, &low);
    out->high[c][0] = _mm256_unpacklo_epi32(high, high);
    out->high[c][1] = _mm256_unpackhi_epi32(high, high);
    out->low[c][0] = _mm256_unpacklo_epi32(low, low);
    out->low[c][1] = _mm256_unpackhi_epi32(low, low);
  }
}

AVX2_INLINE vector load_words(const char *at) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)at));
}

/* Loads the chroma of 16 pixels, which begins at `u` and `v`. */
AVX2_INLINE void load_chroma(const numbers *by, const char *u, const char *v, int kind,
                             chroma *out) {
  if (kind == VC_CHROMA_EACH) {
    vector us = _mm256_sub_epi16(load_words(u), by->grey);
    vector vs = _mm256_sub_epi16(load_words(v), by->grey);
    for (int c = 0; c < 3; c++) {
      multiply(by, c, _mm256_unpacklo_epi16(us, vs), &out->high[c][0], &out->low[c][0]);
      multiply(by, c, _mm256_unpackhi_epi16(us, vs), &out->high[c][1], &out->low[c][1]);
    }
    return;
  }
  vector pairs;
  if (kind == VC_CHROMA_PAIRS) {
    pairs = load_words(u < v ? u : v);
  } else {
    __m128i us = _mm_loadl_epi64((const __m128i *)(const void *)u);
    __m128i vs = _mm_loadl_epi64((const __m128i *)(const void *)v);
    pairs = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(us, vs));
  }
  spread(by, _mm256_sub_epi16(pairs, by->grey), out);
}

/* Returns a channel of 16 pixels in 16 bits, not yet clipped to 0 … 255. */
AVX2_INLINE vector channel_of(const numbers *by, const chroma *add, const vector luma[2],
                              const vector luma_low[2], int c) {
  vector sums[2];
  for (int i = 0; i < 2; i++) {
    sums[i] = _mm256_add_epi32(luma[i], add->high[c][i]);
    if (by->has_low) {
      vector low = _mm256_add_epi32(luma_low[i], add->low[c][i]);
      sums[i] = _mm256_add_epi32(sums[i], _mm256_srai_epi32(low, LOW));
    }
    sums[i] = _mm256_srai_epi32(sums[i], UNITS - LOW);
  }
  return _mm256_packs_epi32(sums[0], sums[1]);
}

/* Stores 16 pixels of three channels. */
AVX2_INLINE void store(vector red, vector green, vector blue, uint8_t *out) {
  const vector first_rg = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 8, -1, 1, 9, -1, 2, 10, -1, 3, 11, -1, 4, 12, -1, 5));
  const vector first_b = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1));
  const vector last_rg = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(13, -1, 6, 14, -1, 7, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const vector last_b = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1, -1));
  vector rg = _mm256_packus_epi16(red, green), b = _mm256_packus_epi16(blue, blue);
  vector first =
      _mm256_or_si256(_mm256_shuffle_epi8(rg, first_rg), _mm256_shuffle_epi8(b, first_b));
  vector last = _mm256_or_si256(_mm256_shuffle_epi8(rg, last_rg), _mm256_shuffle_epi8(b, last_b));
  _mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(first));
  _mm_storel_epi64((__m128i *)(void *)(out + 16), _mm256_castsi256_si128(last));
  _mm_storeu_si128((__m128i *)(void *)(out + 24), _mm256_extracti128_si256(first, 1));
  _mm_storel_epi64((__m128i *)(void *)(out + 40), _mm256_extracti128_si256(last, 1));
}

AVX2_INLINE void write_pixels(const numbers *by, const chroma *add, const char *from,
                              uint8_t *out) {
  vector y = _mm256_sub_epi16(_mm256_max_epi16(load_words(from), by->least), by->black);
  vector lifted = _mm256_slli_epi16(y, LUMA_SHIFT);
  vector pairs[2] = {_mm256_unpacklo_epi16(y, lifted), _mm256_unpackhi_epi16(y, lifted)};
  vector luma[2], low[2], channels[3];
  for (int i = 0; i < 2; i++) {
    luma[i] = _mm256_madd_epi16(pairs[i], by->luma_high);
    low[i] = _mm256_madd_epi16(pairs[i], by->luma_low);
  }
  for (int c = 0; c < 3; c++) channels[c] = channel_of(by, add, luma, low, c);
  store(channels[0], channels[1], channels[2], out);
}

/* A loop for one kind of chroma, a constant in each call. */
AVX2_INLINE int64_t convert(const numbers *by, const vc_yuv_row *row, int64_t count, int kind,
                            uint8_t *out) {
  const int64_t apart = kind == VC_CHROMA_HALVED ? PIXELS / 2 : PIXELS;
  int64_t done = 0;
  for (; done + PIXELS <= count; done += PIXELS) {
    chroma add;
    int64_t at = done / PIXELS * apart;
    load_chroma(by, row->samples[1] + at, row->samples[2] + at, kind, &add);
    write_pixels(by, &add, row->samples[0] + done, out + 3 * done);
  }
  return done;
}

AVX2 int64_t vc_yuv_read_avx2(const vc_yuv_rule *rule, const vc_yuv_row *row, int64_t count,
                              uint8_t *out) {
  numbers by;
  take_rule(rule, row->kind == VC_CHROMA_PAIRS && row->samples[2] < row->samples[1], &by);
  switch (row->kind) {
    case VC_CHROMA_PAIRS: return convert(&by, row, count, VC_CHROMA_PAIRS, out);
    case VC_CHROMA_HALVED: return convert(&by, row, count, VC_CHROMA_HALVED, out);
    default: return convert(&by, row, count, VC_CHROMA_EACH, out);
  }
}

#else
typedef int vc_yuv_no_avx2; /* a file of C holds a declaration */
#endif
