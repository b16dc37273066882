/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of YUV by AVX2. Samples are widened to 32 bits: those of the even pixels of a vector, and
 * those of the odd ones, which share their chroma where it is halved. */
#if defined(__x86_64__)

#  include "transform/begin_avx2.h"

#  include "transform/colour/read_block.h"

enum { PIXELS = 16 };

typedef __m256i vector;

/* Samples of 16 pixels in 32 bits: those of pixels 0, 2, … 14 in the first vector, of the others in
 * the second. Both are the same where chroma is halved. */
typedef struct {
  vector y[2], u[2], v[2];
} samples;

INLINED vector load_16(const void *at) { return _mm256_loadu_si256((const vector *)at); }
INLINED __m128i load_8(const void *at) { return _mm_loadu_si128((const __m128i *)at); }

/* Loads 16 samples as words, without their unused bits and not above their largest value. */
INLINED vector load_words(const vc_yuv_row *row, const char *at, bool deep) {
  if (!deep) return _mm256_cvtepu8_epi16(load_8(at));
  vector words = _mm256_srl_epi16(load_16(at), _mm_cvtsi32_si128(row->unused));
  return _mm256_min_epu16(words, _mm256_set1_epi16((int16_t)((1 << row->bits) - 1)));
}

/* The words of even and of odd index. */
INLINED void part_words(vector words, vector *even, vector *odd) {
  *even = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
  *odd = _mm256_srli_epi32(words, 16);
}

/* Loads the samples of 16 pixels from pixel `at`, which is even. */
INLINED samples load(const vc_yuv_row *row, int64_t at, int kind, bool deep) {
  samples out;
  const int64_t size = deep ? 2 : 1, half = at / 2 * size;
  const char *u = row->samples[1], *v = row->samples[2];
  part_words(load_words(row, row->samples[0] + at * size, deep), &out.y[0], &out.y[1]);
  if (kind == VC_CHROMA_EACH) {
    part_words(load_words(row, u + at * size, deep), &out.u[0], &out.u[1]);
    part_words(load_words(row, v + at * size, deep), &out.v[0], &out.v[1]);
    return out;
  }
  if (kind == VC_CHROMA_PAIRS) {
    vector first, second;
    part_words(load_words(row, (u < v ? u : v) + 2 * half, deep), &first, &second);
    out.u[0] = u < v ? first : second;
    out.v[0] = u < v ? second : first;
  } else if (deep) {
    const __m128i most = _mm_set1_epi16((int16_t)((1 << row->bits) - 1));
    const __m128i by = _mm_cvtsi32_si128(row->unused);
    out.u[0] = _mm256_cvtepu16_epi32(_mm_min_epu16(_mm_srl_epi16(load_8(u + half), by), most));
    out.v[0] = _mm256_cvtepu16_epi32(_mm_min_epu16(_mm_srl_epi16(load_8(v + half), by), most));
  } else {
    out.u[0] = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(u + half)));
    out.v[0] = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(v + half)));
  }
  out.u[1] = out.u[0];
  out.v[1] = out.v[0];
  return out;
}

/* --- to bytes, in 32 bits */

INLINED vector times(vector x, int32_t by) { return _mm256_mullo_epi32(x, _mm256_set1_epi32(by)); }

/* Returns what chroma adds to channel c of 8 pixels. */
INLINED vector chroma_of(const vc_yuv_part parts[3], int c, vector u, vector v) {
  vector out = _mm256_set1_epi32(parts[c].constant);
  if (c != 0) out = _mm256_add_epi32(out, times(u, parts[c].u));
  if (c != 2) out = _mm256_add_epi32(out, times(v, parts[c].v));
  return out;
}

/* Computes R, G and B of 16 pixels as words. In each half of a vector are four even ones, then four
 * odd ones. */
INLINED void convert(const vc_yuv_parts *by, const samples *of, int kind, bool low, vector out[3]) {
  const int different = kind == VC_CHROMA_EACH ? 2 : 1;
  vector y[2], y_low[2];
  for (int i = 0; i < 2; i++) {
    y[i] = times(of->y[i], by->high[0].y);
    y_low[i] = times(of->y[i], by->low[0].y);
  }
  for (int c = 0; c < 3; c++) {
    vector add[2], add_low[2], sums[2];
    for (int i = 0; i < different; i++) {
      add[i] = chroma_of(by->high, c, of->u[i], of->v[i]);
      add_low[i] = chroma_of(by->low, c, of->u[i], of->v[i]);
    }
    for (int i = 0; i < 2; i++) {
      sums[i] = _mm256_add_epi32(y[i], add[i % different]);
      if (low) {
        vector rest = _mm256_add_epi32(y_low[i], add_low[i % different]);
        rest = _mm256_sra_epi32(rest, _mm_cvtsi32_si128(by->low_bits));
        sums[i] = _mm256_add_epi32(sums[i], rest);
      }
      sums[i] = _mm256_srai_epi32(sums[i], VC_YUV_UNITS);
    }
    out[c] = _mm256_packs_epi32(sums[0], sums[1]);
  }
}

/* Stores 16 pixels. */
INLINED void store(const vector rgb[3], uint8_t *out) {
  const vector first_rg = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 8, -1, 4, 12, -1, 1, 9, -1, 5, 13, -1, 2, 10, -1, 6));
  const vector first_b = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(-1, -1, 0, -1, -1, 4, -1, -1, 1, -1, -1, 5, -1, -1, 2, -1));
  const vector last_rg = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(14, -1, 3, 11, -1, 7, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const vector last_b = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(-1, 6, -1, -1, 3, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1, -1));
  vector rg = _mm256_packus_epi16(rgb[0], rgb[1]), b = _mm256_packus_epi16(rgb[2], rgb[2]);
  vector first =
      _mm256_or_si256(_mm256_shuffle_epi8(rg, first_rg), _mm256_shuffle_epi8(b, first_b));
  vector last = _mm256_or_si256(_mm256_shuffle_epi8(rg, last_rg), _mm256_shuffle_epi8(b, last_b));
  _mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(first));
  _mm_storel_epi64((__m128i *)(void *)(out + 16), _mm256_castsi256_si128(last));
  _mm_storeu_si128((__m128i *)(void *)(out + 24), _mm256_extracti128_si256(first, 1));
  _mm_storel_epi64((__m128i *)(void *)(out + 40), _mm256_extracti128_si256(last, 1));
}

/* A loop for one kind of chroma and size of samples, constants in each call. */
INLINED int64_t convert_row(const vc_yuv_parts *by, const vc_yuv_row *row, int64_t count, int kind,
                            bool deep, bool low, uint8_t *out) {
  const vector least = _mm256_set1_epi32(by->least);
  int64_t done = 0;
  for (; done + PIXELS <= count; done += PIXELS) {
    vector rgb[3];
    samples of = load(row, done, kind, deep);
    for (int i = 0; i < 2; i++) of.y[i] = _mm256_max_epi32(of.y[i], least);
    convert(by, &of, kind, low, rgb);
    store(rgb, out + 3 * done);
  }
  return done;
}

INLINED int64_t convert_kind(const vc_yuv_parts *by, const vc_yuv_row *row, int64_t count, int kind,
                             uint8_t *out) {
  if (row->bits > 8) return convert_row(by, row, count, kind, true, true, out);
  if (by->low_bits) return convert_row(by, row, count, kind, false, true, out);
  return convert_row(by, row, count, kind, false, false, out);
}

static int64_t convert_bytes(const vc_yuv_parts *parts, const vc_yuv_row *row, int64_t count,
                             uint8_t *out) {
  const vc_yuv_parts by = *parts; /* no store to `out` changes it */
  switch (row->kind) {
    case VC_CHROMA_PAIRS: return convert_kind(&by, row, count, VC_CHROMA_PAIRS, out);
    case VC_CHROMA_HALVED: return convert_kind(&by, row, count, VC_CHROMA_HALVED, out);
    default: return convert_kind(&by, row, count, VC_CHROMA_EACH, out);
  }
}

const vc_yuv_kernels vc_yuv_kernels_avx2 = {convert_bytes, convert_block};

END_AVX2
#else
typedef int vc_yuv_no_avx2; /* a file of C holds a declaration */
#endif
