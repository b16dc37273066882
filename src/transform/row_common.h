/* SPDX-License-Identifier: Apache-2.0 */
/* The row kernels in plain C, which the compiler vectorises. Each file that makes a table
 * includes this file once, after it has selected the processor and defined F32_FROM_F16(x) and
 * F16_FROM_F32(x), which convert one element as element.h does. */
#include "transform/row.h"

/* Elements at any alignment. */
typedef int16_t any_i16 __attribute__((aligned(1), may_alias));
typedef int32_t any_i32 __attribute__((aligned(1), may_alias));
typedef int64_t any_i64 __attribute__((aligned(1), may_alias));
typedef uint16_t any_u16 __attribute__((aligned(1), may_alias));
typedef uint32_t any_u32 __attribute__((aligned(1), may_alias));
typedef uint64_t any_u64 __attribute__((aligned(1), may_alias));
typedef float any_f32 __attribute__((aligned(1), may_alias));
typedef double any_f64 __attribute__((aligned(1), may_alias));

/* X(name, element, its value x as a number) */
#define SMALL_INTEGERS(X)  \
  X(b8, uint8_t, (x != 0)) \
  X(i8, int8_t, x)         \
  X(i16, any_i16, x)       \
  X(u8, uint8_t, x)        \
  X(u16, any_u16, x)
#define LARGE_INTEGERS(X) \
  X(i32, any_i32, x)      \
  X(i64, any_i64, x)      \
  X(u32, any_u32, x)      \
  X(u64, any_u64, x)
#define FLOATS(X)                       \
  X(f16, any_u16, F32_FROM_F16(x))      \
  X(bf16, any_u16, vc_f32_from_bf16(x)) \
  X(f32, any_f32, x)

/* --- to a working type */

/* The product and sum of an integer and finite coefficients are not NaN. */
#define IS(y) (y)

#define FLOAT_FROM_AS(name, type, value, canonical)                                               \
  static void float_from_##name(const void *restrict from, float *restrict to, size_t n, float a, \
                                float b) {                                                        \
    const type *restrict in = from;                                                               \
    any_f32 *restrict out = to;                                                                   \
    for (size_t i = 0; i < n; i++) {                                                              \
      type x = in[i];                                                                             \
      out[i] = canonical(__builtin_fmaf((float)(value), a, b));                                   \
    }                                                                                             \
  }
#define FLOAT_FROM_INTEGER(name, type, value) FLOAT_FROM_AS(name, type, value, IS)
#define FLOAT_FROM(name, type, value) FLOAT_FROM_AS(name, type, value, vc_canonical_f32)
SMALL_INTEGERS(FLOAT_FROM_INTEGER)
FLOATS(FLOAT_FROM)

#define DOUBLE_FROM_AS(name, type, value, canonical)                                       \
  static void double_from_##name(const void *restrict from, double *restrict to, size_t n, \
                                 double a, double b) {                                     \
    const type *restrict in = from;                                                        \
    any_f64 *restrict out = to;                                                            \
    for (size_t i = 0; i < n; i++) {                                                       \
      type x = in[i];                                                                      \
      out[i] = canonical(__builtin_fma((double)(value), a, b));                            \
    }                                                                                      \
  }
#define DOUBLE_FROM_INTEGER(name, type, value) DOUBLE_FROM_AS(name, type, value, IS)
#define DOUBLE_FROM(name, type, value) DOUBLE_FROM_AS(name, type, value, vc_canonical_f64)
SMALL_INTEGERS(DOUBLE_FROM_INTEGER)
LARGE_INTEGERS(DOUBLE_FROM_INTEGER)
FLOATS(DOUBLE_FROM)
DOUBLE_FROM(f64, any_f64, x)

#define INT_FROM(name, type, value)                                                        \
  static void int_from_##name(const void *restrict from, int32_t *restrict to, size_t n) { \
    const type *restrict in = from;                                                        \
    for (size_t i = 0; i < n; i++) {                                                       \
      type x = in[i];                                                                      \
      to[i] = value;                                                                       \
    }                                                                                      \
  }
SMALL_INTEGERS(INT_FROM)

#define LONG_FROM(name, type, value)                                                        \
  static void long_from_##name(const void *restrict from, int64_t *restrict to, size_t n) { \
    const type *restrict in = from;                                                         \
    for (size_t i = 0; i < n; i++) {                                                        \
      type x = in[i];                                                                       \
      to[i] = value;                                                                        \
    }                                                                                       \
  }
SMALL_INTEGERS(LONG_FROM)
LONG_FROM(i32, any_i32, x)
LONG_FROM(i64, any_i64, x)
LONG_FROM(u32, any_u32, x)
LONG_FROM(u64, any_u64, (x > INT64_MAX ? INT64_MAX : (int64_t)x))

/* --- and from it. LIMITED(name, element, lowest, highest) */

#define SMALL_LIMITS(X)                 \
  X(i8, int8_t, INT8_MIN, INT8_MAX)     \
  X(i16, any_i16, INT16_MIN, INT16_MAX) \
  X(u8, uint8_t, 0, UINT8_MAX)          \
  X(u16, any_u16, 0, UINT16_MAX)

#define FROM_FLOAT(name, type, low, high)                                                  \
  static void name##_from_float(const float *restrict from, void *restrict to, size_t n) { \
    type *restrict out = to;                                                               \
    for (size_t i = 0; i < n; i++) {                                                       \
      float y = (low) == 0 || from[i] == from[i] ? from[i] : 0;                            \
      y = y > (float)(low) ? y : (float)(low); /* NaN too */                               \
      y = y > (float)(high) ? (float)(high) : y;                                           \
      out[i] = (type)(int32_t)__builtin_nearbyintf(y);                                     \
    }                                                                                      \
  }
SMALL_LIMITS(FROM_FLOAT)

#define FROM_DOUBLE(name, type, low, high)                                                   \
  static void name##_from_double(const double *restrict from, void *restrict to, size_t n) { \
    type *restrict out = to;                                                                 \
    for (size_t i = 0; i < n; i++) {                                                         \
      double y = (low) == 0 || from[i] == from[i] ? from[i] : 0;                             \
      y = y > (double)(low) ? y : (double)(low); /* NaN too */                               \
      y = y > (double)(high) ? (double)(high) : y;                                           \
      out[i] = (type)(int32_t)__builtin_nearbyint(y);                                        \
    }                                                                                        \
  }
SMALL_LIMITS(FROM_DOUBLE)
FROM_DOUBLE(i32, any_i32, INT32_MIN, INT32_MAX)

#define FROM_DOUBLE_SLOWLY(name, type, which)                                                  \
  static void name##_from_double(const double *restrict from, void *restrict to, size_t n) {   \
    type *restrict out = to;                                                                   \
    for (size_t i = 0; i < n; i++) out[i] = (type)vc_integer_bits_from_double(which, from[i]); \
  }
FROM_DOUBLE_SLOWLY(i64, any_i64, VC_TYPE_I64)
FROM_DOUBLE_SLOWLY(u32, any_u32, VC_TYPE_U32)
FROM_DOUBLE_SLOWLY(u64, any_u64, VC_TYPE_U64)

/* y, from a row of `working`, is written as `value`. */
#define FROM(name, suffix, working, type, value)                                                \
  static void name##_from_##suffix(const working *restrict from, void *restrict to, size_t n) { \
    type *restrict out = to;                                                                    \
    for (size_t i = 0; i < n; i++) {                                                            \
      working y = from[i];                                                                      \
      out[i] = value;                                                                           \
    }                                                                                           \
  }
FROM(b8, float, float, uint8_t, y != 0)
FROM(f16, float, float, any_u16, F16_FROM_F32(y))
FROM(bf16, float, float, any_u16, vc_bf16_from_f32(y))
FROM(b8, double, double, uint8_t, y != 0)
FROM(f16, double, double, any_u16, F16_FROM_F32(vc_f32_odd(y)))
FROM(bf16, double, double, any_u16, vc_bf16_from_f32(vc_f32_odd(y)))
FROM(f32, double, double, any_f32, vc_canonical_f32((float)y))

#define LIMIT(y, low, high) ((y) < (low) ? (low) : (y) > (high) ? (high) : (y))
#define FROM_INT(name, type, low, high) FROM(name, int, int32_t, type, (type)LIMIT(y, low, high))
#define FROM_LONG(name, type, low, high) FROM(name, long, int64_t, type, (type)LIMIT(y, low, high))
SMALL_LIMITS(FROM_INT)
SMALL_LIMITS(FROM_LONG)
FROM_LONG(i32, any_i32, INT32_MIN, INT32_MAX)
FROM_LONG(u32, any_u32, 0, UINT32_MAX)
FROM(i64, long, int64_t, any_i64, y)
FROM(u64, long, int64_t, any_u64, y < 0 ? 0 : (uint64_t)y)
FROM(b8, int, int32_t, uint8_t, y != 0)
FROM(b8, long, int64_t, uint8_t, y != 0)

/* --- layout. X(size in bits, element, channels) */

#define INTERLEAVES(X, bits, type) X(bits, type, 2) X(bits, type, 3) X(bits, type, 4)
#define EVERY_SIZE(X) X(8, uint8_t) X(16, any_u16) X(32, any_u32) X(64, any_u64)

#define SPLIT(bits, type, channels)                                                             \
  static void split_##bits##_##channels(const void *restrict from, void *const *to, size_t n) { \
    const type *restrict in = from;                                                             \
    type *restrict out0 = to[0], *restrict out1 = to[1];                                        \
    type *restrict out2 = channels > 2 ? to[2] : NULL;                                          \
    type *restrict out3 = channels > 3 ? to[3] : NULL;                                          \
    for (size_t i = 0; i < n; i++) {                                                            \
      out0[i] = in[channels * i];                                                               \
      out1[i] = in[channels * i + 1];                                                           \
      if (channels > 2) out2[i] = in[channels * i + 2];                                         \
      if (channels > 3) out3[i] = in[channels * i + 3];                                         \
    }                                                                                           \
  }

#define MERGE(bits, type, channels)                                                             \
  static void merge_##bits##_##channels(const void *const *from, void *restrict to, size_t n) { \
    const type *restrict in0 = from[0], *restrict in1 = from[1];                                \
    const type *restrict in2 = channels > 2 ? from[2] : NULL;                                   \
    const type *restrict in3 = channels > 3 ? from[3] : NULL;                                   \
    type *restrict out = to;                                                                    \
    for (size_t i = 0; i < n; i++) {                                                            \
      out[channels * i] = in0[i];                                                               \
      out[channels * i + 1] = in1[i];                                                           \
      if (channels > 2) out[channels * i + 2] = in2[i];                                         \
      if (channels > 3) out[channels * i + 3] = in3[i];                                         \
    }                                                                                           \
  }

#define LAYOUT(bits, type)                                                               \
  INTERLEAVES(SPLIT, bits, type)                                                         \
  INTERLEAVES(MERGE, bits, type)                                                         \
  static void gather_##bits(const void *restrict from, int64_t step, void *restrict to,  \
                            size_t n) {                                                  \
    const char *in = from;                                                               \
    type *restrict out = to;                                                             \
    for (size_t i = 0; i < n; i++, in += step) out[i] = *(const type *)in;               \
  }                                                                                      \
  static void scatter_##bits(const void *restrict from, void *restrict to, int64_t step, \
                             size_t n) {                                                 \
    const type *restrict in = from;                                                      \
    char *out = to;                                                                      \
    for (size_t i = 0; i < n; i++, out += step) *(type *)out = in[i];                    \
  }
EVERY_SIZE(LAYOUT)

static void shuffle_bytes(const vc_shuffle *shuffle, const void *restrict from, void *restrict to,
                          size_t n) {
  const uint8_t *in = from;
  uint8_t *out = to;
  for (; n > 0; n--, in += shuffle->from_bytes, out += shuffle->to_bytes) {
    for (size_t byte = 0; byte < shuffle->to_bytes; byte++) {
      uint8_t source = shuffle->source[byte];
      out[byte] = source & 0x80 ? shuffle->fill[byte] : in[source];
    }
  }
}

/* The same shuffle for as many pixels as fit into 16 bytes. */
typedef struct vc_shuffle_row {
  size_t pixels, from_bytes, to_bytes; /* of all of them */
  size_t needed;                       /* pixels left so that 16 bytes may be touched */
  uint8_t order[16], fill[16];
} vc_shuffle_row;

__attribute__((unused)) static vc_shuffle_row spread_shuffle(const vc_shuffle *shuffle) {
  size_t from = shuffle->from_bytes, to = shuffle->to_bytes, least = from < to ? from : to;
  size_t pixels = 16 / (from < to ? to : from);
  vc_shuffle_row row = {pixels, pixels * from, pixels * to, (15 + least) / least, {0}, {0}};
  memset(row.order, 0x80, sizeof row.order);
  for (size_t byte = 0; byte < row.to_bytes; byte++) {
    uint8_t source = shuffle->source[byte % to];
    row.fill[byte] = shuffle->fill[byte % to];
    if (!(source & 0x80)) row.order[byte] = (uint8_t)(source + byte / to * from);
  }
  return row;
}

/* --- the table of the kernels that a file does not replace */

#define TYPE_ROW(prefix, suffix)                                          \
  [VC_TYPE_I8] = prefix##i8##suffix, [VC_TYPE_I16] = prefix##i16##suffix, \
  [VC_TYPE_U8] = prefix##u8##suffix, [VC_TYPE_U16] = prefix##u16##suffix, \
  [VC_TYPE_BOOL] = prefix##b8##suffix
#define LARGE_ROW(prefix, suffix)                                           \
  [VC_TYPE_I32] = prefix##i32##suffix, [VC_TYPE_I64] = prefix##i64##suffix, \
  [VC_TYPE_U32] = prefix##u32##suffix, [VC_TYPE_U64] = prefix##u64##suffix
#define HALF_ROW(prefix, suffix) \
  [VC_TYPE_F16] = prefix##f16##suffix, [VC_TYPE_BF16] = prefix##bf16##suffix
#define LAYOUT_ROW(name, bits) {name##_##bits##_2, name##_##bits##_3, name##_##bits##_4}

#define COMMON_ROW_KERNELS                                                                       \
  .float_from = {TYPE_ROW(float_from_, ), HALF_ROW(float_from_, ),                               \
                 [VC_TYPE_F32] = float_from_f32},                                                \
  .double_from = {TYPE_ROW(double_from_, ), LARGE_ROW(double_from_, ), HALF_ROW(double_from_, ), \
                  [VC_TYPE_F32] = double_from_f32, [VC_TYPE_F64] = double_from_f64},             \
  .from_float = {TYPE_ROW(, _from_float), HALF_ROW(, _from_float)},                              \
  .from_double = {TYPE_ROW(, _from_double), LARGE_ROW(, _from_double), HALF_ROW(, _from_double), \
                  [VC_TYPE_F32] = f32_from_double},                                              \
  .int_from = {TYPE_ROW(int_from_, )}, .from_int = {TYPE_ROW(, _from_int)},                      \
  .long_from = {TYPE_ROW(long_from_, ), LARGE_ROW(long_from_, )},                                \
  .from_long = {TYPE_ROW(, _from_long), LARGE_ROW(, _from_long)},                                \
  .split = {LAYOUT_ROW(split, 8), LAYOUT_ROW(split, 16), LAYOUT_ROW(split, 32),                  \
            LAYOUT_ROW(split, 64)},                                                              \
  .merge = {LAYOUT_ROW(merge, 8), LAYOUT_ROW(merge, 16), LAYOUT_ROW(merge, 32),                  \
            LAYOUT_ROW(merge, 64)},                                                              \
  .gather = {gather_8, gather_16, gather_32, gather_64},                                         \
  .scatter = {scatter_8, scatter_16, scatter_32, scatter_64}
