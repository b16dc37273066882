/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion of one element: every dtype to and from the working types. These are the rules of
 * vc_transform, and the row kernels give the same bits. Floating point must be in its default
 * mode (fp_environment.h). */
#ifndef VIEWCAST_TRANSFORM_ELEMENT_H
#define VIEWCAST_TRANSFORM_ELEMENT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <viewcast/viewcast.h>

typedef enum vc_type {
  VC_TYPE_BOOL,
  VC_TYPE_I8,
  VC_TYPE_I16,
  VC_TYPE_I32,
  VC_TYPE_I64,
  VC_TYPE_U8,
  VC_TYPE_U16,
  VC_TYPE_U32,
  VC_TYPE_U64,
  VC_TYPE_F16,
  VC_TYPE_BF16,
  VC_TYPE_F32,
  VC_TYPE_F64,
  VC_TYPES
} vc_type;

/* Returns the type of a dtype whose size vc_dtype_size knows. */
static inline vc_type vc_type_of(vc_dtype dtype) {
  int size = dtype.bits == 64 ? 3 : dtype.bits == 32 ? 2 : dtype.bits == 16;
  switch (dtype.code) {
    case VC_BOOL: return VC_TYPE_BOOL;
    case VC_INT: return (vc_type)(VC_TYPE_I8 + size);
    case VC_UINT: return (vc_type)(VC_TYPE_U8 + size);
    case VC_BFLOAT: return VC_TYPE_BF16;
    default: return size == 1 ? VC_TYPE_F16 : size == 2 ? VC_TYPE_F32 : VC_TYPE_F64;
  }
}

#define VC_NAN_F32 UINT32_C(0x7fc00000)
#define VC_NAN_F64 UINT64_C(0x7ff8000000000000)

/* --- bits */

static inline uint32_t vc_bits_f32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float vc_f32_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint64_t vc_bits_f64(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline double vc_f64_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Returns `value`, with the positive quiet NaN for every NaN. */
static inline float vc_canonical_f32(float value) {
  return value == value ? value : vc_f32_bits(VC_NAN_F32);
}

static inline double vc_canonical_f64(double value) {
  return value == value ? value : vc_f64_bits(VC_NAN_F64);
}

/* --- small floating types. A NaN that is converted must be canonical. */

static inline float vc_f32_from_f16(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
  if (rest >= 0x7c00) return vc_f32_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  /* The exponent is moved by a multiplication, which is right for subnormals too. */
  return vc_f32_bits(sign | vc_bits_f32(vc_f32_bits(rest << 13) * 0x1p112f));
}

static inline float vc_f32_from_bf16(uint16_t bits) { return vc_f32_bits((uint32_t)bits << 16); }

static inline uint16_t vc_f16_from_f32(float value) {
  uint32_t bits = vc_bits_f32(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return 0x7e00;
  if (rest >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and above */
  if (rest < 0x38800000) { /* subnormal: the sum's last bit is worth 2^-24 */
    return (uint16_t)(sign | (vc_bits_f32(vc_f32_bits(rest) + 0.5f) - vc_bits_f32(0.5f)));
  }
  rest += 0xfff + (rest >> 13 & 1);
  return (uint16_t)(sign | (rest - 0x38000000) >> 13);
}

static inline uint16_t vc_bf16_from_f32(float value) {
  uint32_t bits = vc_bits_f32(value);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Returns `value` rounded to odd: towards zero, with the last bit set if that was inexact.
 * Rounding the result again to a shorter type then gives what one rounding of `value` would have
 * given. */
static inline float vc_f32_odd(double value) {
  float near = (float)value;
  uint32_t bits = vc_bits_f32(near);
  double back = near;
  if (!(back < value) && !(back > value)) return near;
  return vc_f32_bits((bits - (fabs(back) > fabs(value))) | 1);
}

/* --- working types */

/* Returns an integer element as int64. Larger values of u64 become INT64_MAX, which every other
 * integer type saturates as well. */
static inline int64_t vc_load_integer(vc_type type, const void *at) {
  int8_t i8;
  int16_t i16;
  int32_t i32;
  int64_t i64;
  switch (type) {
    case VC_TYPE_BOOL: return *(const uint8_t *)at != 0;
    case VC_TYPE_I8: return memcpy(&i8, at, sizeof i8), i8;
    case VC_TYPE_I16: return memcpy(&i16, at, sizeof i16), i16;
    case VC_TYPE_I32: return memcpy(&i32, at, sizeof i32), i32;
    case VC_TYPE_U8: return *(const uint8_t *)at;
    case VC_TYPE_U16: return memcpy(&i16, at, sizeof i16), (uint16_t)i16;
    case VC_TYPE_U32: return memcpy(&i32, at, sizeof i32), (uint32_t)i32;
    case VC_TYPE_U64: return memcpy(&i64, at, sizeof i64), i64 < 0 ? INT64_MAX : i64;
    default: return memcpy(&i64, at, sizeof i64), i64;
  }
}

static inline double vc_load_double(vc_type type, const void *at) {
  uint16_t u16;
  float f32;
  double f64;
  uint64_t u64;
  switch (type) {
    case VC_TYPE_U64: return memcpy(&u64, at, sizeof u64), (double)u64;
    case VC_TYPE_F16: return memcpy(&u16, at, sizeof u16), vc_f32_from_f16(u16);
    case VC_TYPE_BF16: return memcpy(&u16, at, sizeof u16), vc_f32_from_bf16(u16);
    case VC_TYPE_F32: return memcpy(&f32, at, sizeof f32), f32;
    case VC_TYPE_F64: return memcpy(&f64, at, sizeof f64), f64;
    default: return (double)vc_load_integer(type, at);
  }
}

/* Return the lowest and the highest value of an integer type, limited to the range of int64_t. */
static inline int64_t vc_lowest(vc_type type) {
  static const int64_t low[] = {0, INT8_MIN, INT16_MIN, INT32_MIN, INT64_MIN};
  return type <= VC_TYPE_I64 ? low[type] : 0;
}

static inline int64_t vc_highest(vc_type type) {
  static const int64_t high[] = {1,         INT8_MAX,   INT16_MAX,  INT32_MAX, INT64_MAX,
                                 UINT8_MAX, UINT16_MAX, UINT32_MAX, INT64_MAX};
  return high[type];
}

/* Returns the bits of an element of an integer type. */
static inline uint64_t vc_bits_from_integer(vc_type type, int64_t value) {
  if (type == VC_TYPE_BOOL) return value != 0;
  if (value < vc_lowest(type)) value = vc_lowest(type);
  if (value > vc_highest(type)) value = vc_highest(type);
  return (uint64_t)value;
}

/* Rounds to nearest even and saturates; NaN becomes 0. */
static inline uint64_t vc_integer_bits_from_double(vc_type type, double value) {
  if (type == VC_TYPE_BOOL) return value != 0;
  if (value != value) return 0;
  double whole = nearbyint(value);
  if (type == VC_TYPE_U64) {
    return whole <= 0 ? 0 : whole >= 0x1p64 ? UINT64_MAX : (uint64_t)whole;
  }
  if (whole >= 0x1p63) return vc_bits_from_integer(type, INT64_MAX);
  if (whole < -0x1p63) return vc_bits_from_integer(type, INT64_MIN);
  return vc_bits_from_integer(type, (int64_t)whole);
}

/* Rounds once; `value` may also be a float. */
static inline uint64_t vc_bits_from_double(vc_type type, double value) {
  value = vc_canonical_f64(value);
  switch (type) {
    case VC_TYPE_F16: return vc_f16_from_f32(vc_f32_odd(value));
    case VC_TYPE_BF16: return vc_bf16_from_f32(vc_f32_odd(value));
    case VC_TYPE_F32: return vc_bits_f32((float)value);
    case VC_TYPE_F64: return vc_bits_f64(value);
    default: return vc_integer_bits_from_double(type, value);
  }
}

/* Stores the low `size` bytes of `bits`. */
static inline void vc_store_bits(void *at, size_t size, uint64_t bits) {
  uint8_t u8 = (uint8_t)bits;
  uint16_t u16 = (uint16_t)bits;
  uint32_t u32 = (uint32_t)bits;
  switch (size) {
    case 1: memcpy(at, &u8, 1); break;
    case 2: memcpy(at, &u16, 2); break;
    case 4: memcpy(at, &u32, 4); break;
    default: memcpy(at, &bits, 8); break;
  }
}

#endif
