/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion of one element: the rules of vc_transform for rounding, saturation and NaN. The
 * results have the same bits as those of the row kernels on the CPU. */
#ifndef VIEWCAST_KERNELS_NUMBER_CUH
#define VIEWCAST_KERNELS_NUMBER_CUH

#include "kernels/intrinsics.cuh"
#include "transform/kernels/list.h"

VC_DEVICE uint32_t divide(uint32_t value, const vc_divider &by) {
  return (__umulhi(value, by.multiplier) + value) >> by.shift;
}

/* --- small floating types, rounded once; every NaN is the positive quiet one */

VC_DEVICE float f32_from_bf16(uint16_t bits) { return __uint_as_float((uint32_t)bits << 16); }

VC_DEVICE uint16_t f16_bits(float value) {
  return value == value ? f16_from_f32(value) : (uint16_t)0x7e00;
}

VC_DEVICE uint16_t bf16_bits(float value) {
  return value == value ? bf16_from_f32(value) : (uint16_t)0x7fc0;
}

VC_DEVICE uint32_t f32_bits(float value) {
  return value == value ? __float_as_uint(value) : 0x7fc00000u;
}

VC_DEVICE uint64_t f64_bits(double value) {
  return value == value ? (uint64_t)__double_as_longlong(value) : 0x7ff8000000000000u;
}

/* Returns `value` rounded to odd: towards zero, with the last bit set if that was inexact.
 * Rounding the result again to a shorter type then gives what one rounding of `value` would have
 * given. */
VC_DEVICE float f32_odd(double value) {
  float cut = __double2float_rz(value);
  if ((double)cut == value || value != value) return cut;
  return __uint_as_float(__float_as_uint(cut) | 1);
}

/* --- to integers: nearest even, saturated, NaN is 0 */

VC_DEVICE int32_t clamp(int32_t value, int32_t low, int32_t high) {
  return min(max(value, low), high);
}

VC_DEVICE int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

VC_DEVICE uint8_t u8_bits(float value) { return (uint8_t)clamp(__float2int_rn(value), 0, 255); }

/* Converts to types of up to 16 bits, and float. */
VC_DEVICE uint64_t bits_from_float(int32_t type, float value) {
  switch (type) {
    case VC_ELEMENT_BOOL: return value != 0;
    case VC_ELEMENT_I8: return (uint64_t)clamp(__float2int_rn(value), -128, 127);
    case VC_ELEMENT_U8: return u8_bits(value);
    case VC_ELEMENT_I16: return (uint64_t)clamp(__float2int_rn(value), -32768, 32767);
    case VC_ELEMENT_U16: return (uint64_t)clamp(__float2int_rn(value), 0, 65535);
    case VC_ELEMENT_F16: return f16_bits(value);
    case VC_ELEMENT_BF16: return bf16_bits(value);
    default: return f32_bits(value);
  }
}

/* Values above INT64_MAX exist for u64 only, and the caller converts those. */
VC_DEVICE uint64_t bits_from_integer(int32_t type, int64_t value) {
  switch (type) {
    case VC_ELEMENT_BOOL: return value != 0;
    case VC_ELEMENT_I8: return (uint64_t)clamp(value, (int64_t)-128, (int64_t)127);
    case VC_ELEMENT_U8: return (uint64_t)clamp(value, (int64_t)0, (int64_t)255);
    case VC_ELEMENT_I16: return (uint64_t)clamp(value, (int64_t)-32768, (int64_t)32767);
    case VC_ELEMENT_U16: return (uint64_t)clamp(value, (int64_t)0, (int64_t)65535);
    case VC_ELEMENT_I32: return (uint64_t)clamp(value, (int64_t)INT32_MIN, (int64_t)INT32_MAX);
    case VC_ELEMENT_U32: return (uint64_t)clamp(value, (int64_t)0, (int64_t)UINT32_MAX);
    case VC_ELEMENT_U64: return value < 0 ? 0 : (uint64_t)value;
    default: return (uint64_t)value;
  }
}

VC_DEVICE uint64_t integer_bits_from_double(int32_t type, double value) {
  if (value != value) return type == VC_ELEMENT_BOOL;
  if (type == VC_ELEMENT_BOOL) return value != 0;
  if (type == VC_ELEMENT_U64) return (uint64_t)__double2ull_rn(value);
  return bits_from_integer(type, (int64_t)__double2ll_rn(value));
}

VC_DEVICE uint64_t bits_from_double(int32_t type, double value) {
  switch (type) {
    case VC_ELEMENT_F16: return f16_bits(f32_odd(value));
    case VC_ELEMENT_BF16: return bf16_bits(f32_odd(value));
    case VC_ELEMENT_F32: return f32_bits(__double2float_rn(value));
    case VC_ELEMENT_F64: return f64_bits(value);
    default: return integer_bits_from_double(type, value);
  }
}

/* --- from bits */

/* Returns an integer element as int64. Larger values of u64 become INT64_MAX, which every other
 * integer type saturates as well; u64 to u64 is a move and does not come through this function. */
VC_DEVICE int64_t integer_from_bits(int32_t type, uint64_t bits) {
  switch (type) {
    case VC_ELEMENT_BOOL: return (uint8_t)bits != 0;
    case VC_ELEMENT_I8: return (int8_t)bits;
    case VC_ELEMENT_I16: return (int16_t)bits;
    case VC_ELEMENT_I32: return (int32_t)bits;
    case VC_ELEMENT_U64: return (int64_t)bits < 0 ? INT64_MAX : (int64_t)bits;
    default: return (int64_t)bits; /* I64, and unsigned types, whose upper bits are 0 */
  }
}

/* Returns an element of a type of up to 16 bits, or of f32, as float. */
VC_DEVICE float float_from_bits(int32_t type, uint64_t bits) {
  switch (type) {
    case VC_ELEMENT_F16: return f32_from_f16((uint16_t)bits);
    case VC_ELEMENT_BF16: return f32_from_bf16((uint16_t)bits);
    case VC_ELEMENT_F32: return __uint_as_float((uint32_t)bits);
    default: return (float)(int32_t)integer_from_bits(type, bits);
  }
}

VC_DEVICE double double_from_bits(int32_t type, uint64_t bits) {
  switch (type) {
    case VC_ELEMENT_U64: return __ull2double_rn(bits);
    case VC_ELEMENT_F16:
    case VC_ELEMENT_BF16:
    case VC_ELEMENT_F32: return (double)float_from_bits(type, bits);
    case VC_ELEMENT_F64: return __longlong_as_double((int64_t)bits);
    default: return __ll2double_rn(integer_from_bits(type, bits));
  }
}

#endif
