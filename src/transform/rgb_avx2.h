/* SPDX-License-Identifier: Apache-2.0 */
/* Row kernels for 32 u8 pixels of three channels at a time: the pixels are deinterleaved or
 * interleaved in registers, with conversion from and to floating planes in between. row_avx2.c
 * includes this file after row_common.h. With `past` the stores are non-temporal, and the
 * addresses that are written to are multiples of 32. */

#define INLINED static inline __attribute__((always_inline))

/* --- the layout. The lower half of a vector holds the first 16 pixels, the upper half the next
 * 16. Of the three vectors of a half, byte j of vector k is channel (16 k + j) % 3. */

#define SIXTEEN(X, c)                                                           \
  {X(0, c), X(1, c), X(2, c),  X(3, c),  X(4, c),  X(5, c),  X(6, c),  X(7, c), \
   X(8, c), X(9, c), X(10, c), X(11, c), X(12, c), X(13, c), X(14, c), X(15, c)}
#define THREE(X) {SIXTEEN(X, 0), SIXTEEN(X, 1), SIXTEEN(X, 2)}
#define EVERY_THIRD(j, first) (j % 3 == first ? -1 : 0)
#define TAKEN_FROM(i, channel) ((3 * i + channel) % 16)
#define PUT_BY(j, channel) ((j + 16 - channel) * 11 % 16) /* 3 * 11 is 1 modulo 16 */

/* every_third selects the bytes j with j % 3 == first; taken_from says where a channel's pixels
 * lie, put_by which pixel lies at a byte. */
static const int8_t every_third[3][16] = THREE(EVERY_THIRD);
static const int8_t taken_from[3][16] = THREE(TAKEN_FROM);
static const int8_t put_by[3][16] = THREE(PUT_BY);

typedef struct rgb_orders {
  __m256i gather[3], order[3];
} rgb_orders;

INLINED __m256i in_both_halves(const int8_t *bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes));
}

INLINED rgb_orders rgb_by(const int8_t (*orders)[16]) {
  rgb_orders how;
  for (int c = 0; c < 3; c++) {
    how.gather[c] = in_both_halves(every_third[c]);
    how.order[c] = in_both_halves(orders[c]);
  }
  return how;
}

INLINED __m256i two_halves(const uint8_t *first, const uint8_t *second) {
  __m128i low = _mm_loadu_si128((const __m128i *)first);
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low),
                                 _mm_loadu_si128((const __m128i *)second), 1);
}

INLINED void store(void *to, __m256i value, bool past) {
  if (past) {
    _mm256_stream_si256(to, value);
  } else {
    _mm256_storeu_si256(to, value);
  }
}

/* Deinterleaves 32 pixels to 32 bytes of each channel, with the orders of taken_from. */
INLINED void take_apart(const uint8_t *in, const rgb_orders *how, __m256i *channels) {
  __m256i v[3];
  for (int k = 0; k < 3; k++) v[k] = two_halves(in + 16 * k, in + 48 + 16 * k);
  for (int c = 0; c < 3; c++) {
    __m256i mixed = _mm256_blendv_epi8(v[0], v[1], how->gather[(c + 2) % 3]);
    mixed = _mm256_blendv_epi8(mixed, v[2], how->gather[(c + 1) % 3]);
    channels[c] = _mm256_shuffle_epi8(mixed, how->order[c]);
  }
}

/* Interleaves 32 bytes of each channel to 32 pixels, with the orders of put_by. */
INLINED void put_together(const __m256i *channels, const rgb_orders *how, uint8_t *out, bool past) {
  __m256i v[3], mixed[3]; /* channel c is at bytes j with j % 3 == (c - 16 k) % 3 */
  for (int c = 0; c < 3; c++) v[c] = _mm256_shuffle_epi8(channels[c], how->order[c]);
  for (int k = 0; k < 3; k++) {
    mixed[k] = _mm256_blendv_epi8(v[0], v[1], how->gather[(1 + 2 * k) % 3]);
    mixed[k] = _mm256_blendv_epi8(mixed[k], v[2], how->gather[(2 + 2 * k) % 3]);
  }
  store(out, _mm256_permute2x128_si256(mixed[0], mixed[1], 0x20), past);
  store(out + 32, _mm256_permute2x128_si256(mixed[2], mixed[0], 0x30), past);
  store(out + 64, _mm256_permute2x128_si256(mixed[1], mixed[2], 0x31), past);
}

/* --- the first address of non-temporal stores */

/* Returns the number of elements up to a multiple of 32 bytes in all three planes, or -1 if there
 * is none. */
static inline ptrdiff_t head_of_planes(void *const *to, size_t size) {
  uintptr_t first = (uintptr_t)to[0],
            differ = (first ^ (uintptr_t)to[1]) | (first ^ (uintptr_t)to[2]);
  if ((differ & 31) || first % size != 0) return -1;
  return (ptrdiff_t)((-first & 31) / size);
}

/* Returns the number of pixels up to a multiple of 32 bytes, which always exists, because 3 * 11
 * is 1 modulo 32. */
static inline size_t head_of_pixels(const void *to) { return -(uintptr_t)to * 11 & 31; }

/* --- bytes to planes of bytes, and back */

INLINED void split_rgb(const uint8_t *in, void *const *to, size_t n, bool past) {
  const rgb_orders how = rgb_by(taken_from);
  uint8_t *out[3] = {to[0], to[1], to[2]};
  size_t i = 0;
  for (; i + 64 <= n; i += 64, in += 192) { /* whole lines of the caches */
    __m256i first[3], second[3];
    take_apart(in, &how, first);
    take_apart(in + 96, &how, second);
    for (int c = 0; c < 3; c++) {
      store(out[c] + i, first[c], past);
      store(out[c] + i + 32, second[c], past);
    }
  }
  for (; i + 32 <= n; i += 32, in += 96) {
    __m256i channels[3];
    take_apart(in, &how, channels);
    for (int c = 0; c < 3; c++) store(out[c] + i, channels[c], past);
  }
  void *const rest[3] = {out[0] + i, out[1] + i, out[2] + i};
  split_8_3(in, rest, n - i);
}

static void split_8_3_wide(const void *restrict from, void *const *to, size_t n) {
  split_rgb(from, to, n, false);
}

static bool split_stream(const void *restrict from, void *const *to, size_t n) {
  ptrdiff_t found = head_of_planes(to, 1);
  if (found < 0) return false;
  size_t head = (size_t)found < n ? (size_t)found : n;
  split_8_3(from, to, head);
  void *const rest[3] = {(uint8_t *)to[0] + head, (uint8_t *)to[1] + head, (uint8_t *)to[2] + head};
  split_rgb((const uint8_t *)from + 3 * head, rest, n - head, true);
  return true;
}

INLINED void merge_rgb(const void *const *from, uint8_t *out, size_t n, bool past) {
  const rgb_orders how = rgb_by(put_by);
  const uint8_t *in[3] = {from[0], from[1], from[2]};
  size_t i = 0;
  for (; i + 32 <= n; i += 32, out += 96) {
    __m256i channels[3];
    for (int c = 0; c < 3; c++) channels[c] = _mm256_loadu_si256((const __m256i *)(in[c] + i));
    put_together(channels, &how, out, past);
  }
  const void *const rest[3] = {in[0] + i, in[1] + i, in[2] + i};
  merge_8_3(rest, out, n - i);
}

static void merge_8_3_wide(const void *const *from, void *restrict to, size_t n) {
  merge_rgb(from, to, n, false);
}

static void merge_stream(const void *const *from, void *restrict to, size_t n) {
  size_t head = head_of_pixels(to);
  if (head > n) head = n;
  merge_8_3(from, to, head);
  const void *rest[3];
  for (int c = 0; c < 3; c++) rest[c] = (const uint8_t *)from[c] + head;
  merge_rgb(rest, (uint8_t *)to + 3 * head, n - head, true);
}

/* --- bytes to planes of f32 and f16: eight pixels at a time, of which a shuffle makes the 32-bit
 * integers of a channel. The lower half of a vector has bytes 0 to 15, the upper half bytes 8 to
 * 23. */

typedef struct linear {
  __m256i order;
  __m256 a, b;
} linear;

#define WIDENED(byte) byte, -1, -1, -1

INLINED linear linear_of(int8_t c, float a, float b) {
  const __m256i bytes = _mm256_setr_epi8(WIDENED(0), WIDENED(3), WIDENED(6), WIDENED(9), WIDENED(4),
                                         WIDENED(7), WIDENED(10), WIDENED(13));
  const __m256i first = _mm256_set1_epi32(c); /* for the low byte of each */
  return (linear){_mm256_add_epi8(bytes, first), _mm256_set1_ps(a), _mm256_set1_ps(b)};
}

INLINED __m256 eight_floats(__m256i pixels, const linear *how) {
  __m256i x = _mm256_shuffle_epi8(pixels, how->order);
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(x), how->a, how->b);
}

INLINED void write_floats(__m256 first, __m256 second, char *to, bool past) {
  store(to, _mm256_castps_si256(first), past);
  store(to + 32, _mm256_castps_si256(second), past);
}

INLINED void write_halves(__m256 first, __m256 second, char *to, bool past) {
  __m128i low = _mm256_cvtps_ph(first, _MM_FROUND_TO_NEAREST_INT);
  __m128i high = _mm256_cvtps_ph(second, _MM_FROUND_TO_NEAREST_INT);
  if (!past) {
    _mm_storeu_si128((__m128i *)(void *)to, low);
    _mm_storeu_si128((__m128i *)(void *)(to + 16), high);
    return;
  }
  store(to, _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), true);
}

/* Converts the first and the last pixels, one by one. */
INLINED void split_one_by_one(const uint8_t *in, char *const *to, size_t n, const float *a,
                              const float *b, bool half) {
  for (size_t i = 0; i < n; i++) {
    for (int c = 0; c < 3; c++) {
      float y = __builtin_fmaf((float)in[3 * i + (size_t)c], a[c], b[c]);
      if (half) {
        ((any_u16 *)(void *)to[c])[i] = F16_FROM_F32(y);
      } else {
        ((any_f32 *)(void *)to[c])[i] = y;
      }
    }
  }
}

INLINED void split_floats(const uint8_t *in, char *const *to, size_t n, const float *a,
                          const float *b, bool half, bool past) {
  const size_t size = half ? 2 : 4;
  linear how[3];
  for (int c = 0; c < 3; c++) how[c] = linear_of((int8_t)c, a[c], b[c]);
  size_t i = 0;
  for (; i + 16 <= n; i += 16, in += 48) {
    __m256i first = two_halves(in, in + 8), second = two_halves(in + 24, in + 32);
    for (int c = 0; c < 3; c++) {
      (half ? write_halves : write_floats)(eight_floats(first, &how[c]),
                                           eight_floats(second, &how[c]), to[c] + i * size, past);
    }
  }
  char *const rest[3] = {to[0] + i * size, to[1] + i * size, to[2] + i * size};
  split_one_by_one(in, rest, n - i, a, b, half);
}

INLINED void split_to(const uint8_t *in, void *const *to, size_t n, const float *a, const float *b,
                      bool half, bool past) {
  const size_t size = half ? 2 : 4;
  char *planes[3] = {to[0], to[1], to[2]};
  ptrdiff_t found = past ? head_of_planes(to, size) : -1;
  if (found < 0) {
    split_floats(in, planes, n, a, b, half, false);
    return;
  }
  size_t head = (size_t)found < n ? (size_t)found : n;
  split_one_by_one(in, planes, head, a, b, half);
  for (int c = 0; c < 3; c++) planes[c] += head * size;
  split_floats(in + 3 * head, planes, n - head, a, b, half, true);
}

static void split_to_f32(const void *restrict from, void *const *to, size_t n, const float *a,
                         const float *b, bool past) {
  split_to(from, to, n, a, b, false, past);
}

static void split_to_f16(const void *restrict from, void *const *to, size_t n, const float *a,
                         const float *b, bool past) {
  split_to(from, to, n, a, b, true, past);
}

/* --- planes of f32 to bytes */

/* Rounds to nearest and saturates to 0 to 255. NaN becomes 0, because it is the first operand of
 * max. */
INLINED __m256i rounded_u8(__m256 y) {
  y = _mm256_max_ps(y, _mm256_setzero_ps());
  return _mm256_cvtps_epi32(_mm256_min_ps(y, _mm256_set1_ps(255)));
}

/* Converts 32 floats to 32 bytes. */
INLINED __m256i packed_u8(__m256 y0, __m256 y1, __m256 y2, __m256 y3) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256i low = _mm256_packs_epi32(rounded_u8(y0), rounded_u8(y1));
  __m256i high = _mm256_packs_epi32(rounded_u8(y2), rounded_u8(y3));
  return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
}

INLINED void merge_one_by_one(const any_f32 *const *in, uint8_t *out, size_t n, const float *a,
                              const float *b) {
  for (size_t i = 0; i < n; i++) {
    for (int c = 0; c < 3; c++) {
      __m128 y = _mm_fmadd_ss(_mm_set_ss(in[c][i]), _mm_set_ss(a[c]), _mm_set_ss(b[c]));
      y = _mm_min_ss(_mm_max_ss(y, _mm_setzero_ps()), _mm_set_ss(255));
      out[3 * i + (size_t)c] = (uint8_t)_mm_cvtss_si32(y);
    }
  }
}

INLINED void merge_floats(const any_f32 *const *in, uint8_t *out, size_t n, const float *a,
                          const float *b, bool past) {
  const rgb_orders how = rgb_by(put_by);
  __m256 va[3], vb[3];
  for (int c = 0; c < 3; c++) va[c] = _mm256_set1_ps(a[c]), vb[c] = _mm256_set1_ps(b[c]);
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __m256i channels[3];
    for (int c = 0; c < 3; c++) {
      __m256 y[4];
      for (size_t k = 0; k < 4; k++) {
        const float *at = (const void *)(in[c] + i + 8 * k);
        y[k] = _mm256_fmadd_ps(_mm256_loadu_ps(at), va[c], vb[c]);
      }
      channels[c] = packed_u8(y[0], y[1], y[2], y[3]);
    }
    put_together(channels, &how, out + 3 * i, past);
  }
  const any_f32 *const rest[3] = {in[0] + i, in[1] + i, in[2] + i};
  merge_one_by_one(rest, out + 3 * i, n - i, a, b);
}

static void merge_from_f32(const void *const *from, void *restrict to, size_t n, const float *a,
                           const float *b, bool past) {
  const any_f32 *in[3] = {from[0], from[1], from[2]};
  size_t head = past ? head_of_pixels(to) : 0;
  if (head > n) head = n;
  merge_one_by_one(in, to, head, a, b);
  for (int c = 0; c < 3; c++) in[c] += head;
  uint8_t *rest = (uint8_t *)to + 3 * head;
  if (past) {
    merge_floats(in, rest, n - head, a, b, true);
  } else {
    merge_floats(in, rest, n - head, a, b, false);
  }
}
