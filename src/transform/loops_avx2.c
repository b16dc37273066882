/* SPDX-License-Identifier: Apache-2.0 */
/* The loops for x86-64 with AVX2, FMA and F16C. What the compiler vectorises
 * well is left to it; the rest is here. */
#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC optimize("O3", "no-trapping-math", "no-math-errno")
#pragma GCC target("avx2,fma,f16c")
#endif

#include <immintrin.h>
#include <stdbool.h>

#define F32_FROM_F16(x) _cvtsh_ss(x)
#define F16_FROM_F32(x) _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT)
#include "transform/loops_common.h"

/* --- u8 pixels of three channels, 32 at a time: lane 0 has the first 16. Of the
 * three vectors of a lane, byte j of vector k is channel (16 k + j) % 3. */

#define SIXTEEN(X, c) \
  {X(0, c), X(1, c), X(2, c),  X(3, c),  X(4, c),  X(5, c),  X(6, c),  X(7, c), \
   X(8, c), X(9, c), X(10, c), X(11, c), X(12, c), X(13, c), X(14, c), X(15, c)}
#define THREE(X) {SIXTEEN(X, 0), SIXTEEN(X, 1), SIXTEEN(X, 2)}
#define EVERY_THIRD(j, first) (j % 3 == first ? -1 : 0)
#define TAKEN_FROM(i, channel) ((3 * i + channel) % 16)
#define PUT_BY(j, channel) ((j + 16 - channel) * 11 % 16) /* 3 * 11 is 1 modulo 16 */

/* Bytes j with j % 3 == first; where a channel's pixels lie; which lies there. */
static const int8_t every_third[3][16] = THREE(EVERY_THIRD);
static const int8_t taken_from[3][16] = THREE(TAKEN_FROM);
static const int8_t put_by[3][16] = THREE(PUT_BY);

static inline __m256i in_both_lanes(const int8_t *bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes));
}

static inline __m256i two_lanes(const uint8_t *first, const uint8_t *second) {
  __m128i low = _mm_loadu_si128((const __m128i *)first);
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low),
                                 _mm_loadu_si128((const __m128i *)second), 1);
}

/* `past` the caches: addresses that are written to are multiples of 32. */
static inline void store(void *to, __m256i value, bool past) {
  if (past) {
    _mm256_stream_si256(to, value);
  } else {
    _mm256_storeu_si256(to, value);
  }
}

static inline __attribute__((always_inline)) void split_thirds(const uint8_t *in, void *const *to,
                                                               size_t n, bool past) {
  __m256i third[3], order[3];
  for (int c = 0; c < 3; c++) {
    third[c] = in_both_lanes(every_third[c]);
    order[c] = in_both_lanes(taken_from[c]);
  }
  uint8_t *out[3] = {to[0], to[1], to[2]};
  size_t i = 0;
  for (; i + 32 <= n; i += 32, in += 96) {
    __m256i v[3];
    for (int k = 0; k < 3; k++) v[k] = two_lanes(in + 16 * k, in + 48 + 16 * k);
    for (int c = 0; c < 3; c++) {
      __m256i mixed = _mm256_blendv_epi8(v[0], v[1], third[(c + 2) % 3]);
      mixed = _mm256_blendv_epi8(mixed, v[2], third[(c + 1) % 3]);
      store(out[c] + i, _mm256_shuffle_epi8(mixed, order[c]), past);
    }
  }
  void *const rest[3] = {out[0] + i, out[1] + i, out[2] + i};
  split_8_3(in, rest, n - i);
}

static void split_8_3_wide(const void *restrict from, void *const *to, size_t n) {
  split_thirds(from, to, n, false);
}

static bool split_stream(const void *restrict from, void *const *to, size_t n) {
  size_t head = -(uintptr_t)to[0] & 31;
  if (((uintptr_t)to[0] ^ (uintptr_t)to[1]) & 31 || ((uintptr_t)to[0] ^ (uintptr_t)to[2]) & 31) {
    return false;
  }
  if (head > n) head = n;
  split_8_3(from, to, head);
  void *const rest[3] = {(uint8_t *)to[0] + head, (uint8_t *)to[1] + head, (uint8_t *)to[2] + head};
  split_thirds((const uint8_t *)from + 3 * head, rest, n - head, true);
  return true;
}

static inline __attribute__((always_inline)) void merge_thirds(const void *const *from,
                                                               uint8_t *out, size_t n, bool past) {
  __m256i third[3], order[3];
  for (int c = 0; c < 3; c++) {
    third[c] = in_both_lanes(every_third[c]);
    order[c] = in_both_lanes(put_by[c]);
  }
  const uint8_t *in[3] = {from[0], from[1], from[2]};
  size_t i = 0;
  for (; i + 32 <= n; i += 32, out += 96) {
    __m256i v[3];
    for (int c = 0; c < 3; c++) {
      v[c] = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(in[c] + i)), order[c]);
    }
    __m256i mixed[3]; /* channel c is at bytes j with j % 3 == (c - 16 k) % 3 */
    for (int k = 0; k < 3; k++) {
      mixed[k] = _mm256_blendv_epi8(v[0], v[1], third[(1 + 2 * k) % 3]);
      mixed[k] = _mm256_blendv_epi8(mixed[k], v[2], third[(2 + 2 * k) % 3]);
    }
    store(out, _mm256_permute2x128_si256(mixed[0], mixed[1], 0x20), past);
    store(out + 32, _mm256_permute2x128_si256(mixed[2], mixed[0], 0x30), past);
    store(out + 64, _mm256_permute2x128_si256(mixed[1], mixed[2], 0x31), past);
  }
  const void *const rest[3] = {in[0] + i, in[1] + i, in[2] + i};
  merge_8_3(rest, out, n - i);
}

static void merge_8_3_wide(const void *const *from, void *restrict to, size_t n) {
  merge_thirds(from, to, n, false);
}

static bool merge_stream(const void *const *from, void *restrict to, size_t n) {
  size_t head = -(uintptr_t)to * 11 & 31; /* 3 * 11 is 1 modulo 32 */
  if (head > n) head = n;
  merge_8_3(from, to, head);
  const void *rest[3];
  for (int c = 0; c < 3; c++) rest[c] = (const uint8_t *)from[c] + head;
  merge_thirds(rest, (uint8_t *)to + 3 * head, n - head, true);
  return true;
}

/* As many pixels as 16 bytes hold, four times. What is written too much is written
 * over by the next; the last ones are done byte by byte. All is read before any is
 * written: reading from where memory a multiple of 4 KiB away was just written is
 * slow, and images often lie so. */
static void shuffle_bytes_wide(const vc_shuffle *shuffle, const void *restrict from,
                               void *restrict to, size_t n) {
  vc_shuffle_row row = spread_shuffle(shuffle);
  const __m128i order = _mm_loadu_si128((const __m128i *)row.order);
  const __m128i fill = _mm_loadu_si128((const __m128i *)row.fill);
  const size_t in_step = row.from_bytes, out_step = row.to_bytes, pixels = 4 * row.pixels;
  const uint8_t *in = from;
  uint8_t *out = to;
  for (; n >= row.needed + pixels; n -= pixels, in += 4 * in_step, out += 4 * out_step) {
    __m128i v[4];
    for (size_t k = 0; k < 4; k++) v[k] = _mm_loadu_si128((const __m128i *)(in + k * in_step));
    for (size_t k = 0; k < 4; k++) {
      __m128i value = _mm_or_si128(_mm_shuffle_epi8(v[k], order), fill);
      _mm_storeu_si128((__m128i *)(out + k * out_step), value);
    }
  }
  shuffle_bytes(shuffle, in, out, n);
}

/* --- u8 and float */

static void float_from_u8_wide(const void *restrict from, float *restrict to, size_t n, float a,
                               float b) {
  const uint8_t *in = from;
  const __m256 va = _mm256_set1_ps(a), vb = _mm256_set1_ps(b);
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t k = i; k < i + 32; k += 8) {
      __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(in + k)));
      _mm256_storeu_ps(to + k, _mm256_fmadd_ps(_mm256_cvtepi32_ps(x), va, vb));
    }
  }
  float_from_u8(in + i, to + i, n - i, a, b);
}

/* To nearest, within 0 to 255; NaN, the first operand of max, is 0. */
static inline __m256i rounded_u8(const float *from) {
  __m256 y = _mm256_max_ps(_mm256_loadu_ps(from), _mm256_setzero_ps());
  return _mm256_cvtps_epi32(_mm256_min_ps(y, _mm256_set1_ps(255)));
}

static void u8_from_float_wide(const float *restrict from, void *restrict to, size_t n) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  uint8_t *out = to;
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __m256i low = _mm256_packs_epi32(rounded_u8(from + i), rounded_u8(from + i + 8));
    __m256i high = _mm256_packs_epi32(rounded_u8(from + i + 16), rounded_u8(from + i + 24));
    __m256i all = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
    _mm256_storeu_si256((__m256i *)(out + i), all);
  }
  u8_from_float(from + i, out + i, n - i);
}

/* --- f16, eight at a time */

static void float_from_f16_wide(const void *restrict from, float *restrict to, size_t n, float a,
                                float b) {
  const uint16_t *in = from;
  const __m256 va = _mm256_set1_ps(a), vb = _mm256_set1_ps(b);
  const __m256 nan = _mm256_set1_ps(vc_f32_bits(VC_NAN_F32));
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 x = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + i)));
    __m256 y = _mm256_fmadd_ps(x, va, vb);
    y = _mm256_blendv_ps(y, nan, _mm256_cmp_ps(y, y, _CMP_UNORD_Q));
    _mm256_storeu_ps(to + i, y);
  }
  float_from_f16(in + i, to + i, n - i, a, b);
}

static void f16_from_float_wide(const float *restrict from, void *restrict to, size_t n) {
  uint16_t *out = to;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128((__m128i *)(out + i), half);
  }
  f16_from_float(from + i, out + i, n - i);
}

/* --- copies past the caches */

static void stream(const void *restrict from, void *restrict to, size_t bytes) {
  const char *in = from;
  char *out = to;
  size_t head = -(uintptr_t)to & 31;
  if (head > bytes) head = bytes;
  memcpy(out, in, head);
  size_t i = head;
  for (; i + 32 <= bytes; i += 32) {
    _mm256_stream_si256((__m256i *)(void *)(out + i),
                        _mm256_loadu_si256((const __m256i *)(const void *)(in + i)));
  }
  memcpy(out + i, in + i, bytes - i);
}

static void stream_end(void) { _mm_sfence(); }

#if defined(__clang__)
#pragma clang attribute pop
#endif

/* In place of the common ones. */
#define split_8_3 split_8_3_wide
#define merge_8_3 merge_8_3_wide
#define float_from_u8 float_from_u8_wide
#define u8_from_float u8_from_float_wide
#define float_from_f16 float_from_f16_wide
#define f16_from_float f16_from_float_wide

const vc_loops vc_loops_avx2 = {
    .name = "avx2",
    COMMON_LOOPS,
    .shuffle = shuffle_bytes_wide,
    .stream = stream,
    .split_stream = split_stream,
    .merge_stream = merge_stream,
    .stream_end = stream_end,
};

#else
typedef int vc_not_this_processor;
#endif
