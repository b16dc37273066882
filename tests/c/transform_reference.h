/* SPDX-License-Identifier: Apache-2.0 */
/* What a transform should write, one element at a time, by other means than the
 * library's: tables of all 16-bit floating values, libm, 128-bit integers. */
#ifndef VIEWCAST_TESTS_TRANSFORM_REFERENCE_H
#define VIEWCAST_TESTS_TRANSFORM_REFERENCE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <viewcast/viewcast.h>

__extension__ typedef __int128 wide;

static const vc_dtype all_dtypes[] = {
    {VC_BOOL, 8},    {VC_INT, 8},    {VC_INT, 16},   {VC_INT, 32},  {VC_INT, 64},
    {VC_UINT, 8},    {VC_UINT, 16},  {VC_UINT, 32},  {VC_UINT, 64}, {VC_FLOAT, 16},
    {VC_BFLOAT, 16}, {VC_FLOAT, 32}, {VC_FLOAT, 64},
};
#define DTYPES (sizeof all_dtypes / sizeof all_dtypes[0])

static inline bool is_whole(vc_dtype t) {
  return t.code == VC_INT || t.code == VC_UINT || t.code == VC_BOOL;
}

static inline bool is_same_dtype(vc_dtype a, vc_dtype b) {
  return a.code == b.code && a.bits == b.bits;
}

/* --- 16-bit floating values: exponent bits and bias decide the format */

static inline double value_of_small(vc_dtype t, uint16_t bits) {
  int fraction_bits = t.code == VC_BFLOAT ? 7 : 10, bias = t.code == VC_BFLOAT ? 127 : 15;
  int fraction = bits & ((1 << fraction_bits) - 1), exponent = (bits & 0x7fff) >> fraction_bits;
  double size;
  if (exponent == 2 * bias + 1) {
    size = fraction ? (double)NAN : (double)INFINITY;
  } else if (exponent == 0) {
    size = ldexp(fraction, 1 - bias - fraction_bits);
  } else {
    size = ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  }
  return bits & 0x8000 ? -size : size;
}

/* The nearest of all of them, by bisection; the border between two neighbours is
 * a double exactly. */
static inline uint16_t small_nearest(vc_dtype t, double value) {
  uint16_t infinity = t.code == VC_BFLOAT ? 0x7f80 : 0x7c00, sign = signbit(value) ? 0x8000 : 0;
  if (isnan(value)) return t.code == VC_BFLOAT ? 0x7fc0 : 0x7e00;
  double size = fabs(value);
  uint32_t low = 0, high = infinity; /* value_of(low) <= size < value_of(high), or the last */
  if (isinf(size)) return sign | infinity;
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    if (value_of_small(t, (uint16_t)middle) <= size)
      low = middle;
    else
      high = middle;
  }
  double below = value_of_small(t, (uint16_t)low), above = value_of_small(t, (uint16_t)high);
  if (high == infinity) above = 2 * below - value_of_small(t, (uint16_t)(low - 1));
  double border = below + (above - below) / 2;
  bool up = size > border || (size == border && (low & 1));
  return (uint16_t)(sign | (up ? high : low));
}

/* --- elements */

static inline wide whole_value(vc_dtype t, uint64_t bits) {
  if (t.code == VC_BOOL) return bits != 0;
  if (t.code == VC_UINT) return (wide)bits;
  return (wide)((int64_t)(bits << (64 - t.bits)) >> (64 - t.bits));
}

static inline uint64_t whole_bits(vc_dtype t, wide value) {
  if (t.code == VC_BOOL) return value != 0;
  wide one = 1, low = t.code == VC_INT ? -(one << (t.bits - 1)) : 0;
  wide high = (one << (t.code == VC_INT ? t.bits - 1 : t.bits)) - 1;
  value = value < low ? low : value > high ? high : value;
  return (uint64_t)value & (t.bits == 64 ? UINT64_MAX : (UINT64_C(1) << t.bits) - 1);
}

static inline double number_of(vc_dtype t, uint64_t bits) {
  float f;
  double d;
  uint32_t low = (uint32_t)bits;
  if (is_whole(t)) return (double)whole_value(t, bits);
  if (t.bits == 16) return value_of_small(t, (uint16_t)bits);
  if (t.bits == 32) return memcpy(&f, &low, sizeof f), (double)f;
  return memcpy(&d, &bits, sizeof d), d;
}

static inline uint64_t whole_nearest(vc_dtype t, double value) {
  if (isnan(value)) return 0;
  if (t.code == VC_BOOL) return value != 0;
  if (fabs(value) >= 0x1p100) return whole_bits(t, value > 0 ? (wide)1 << 100 : -((wide)1 << 100));
  double down = floor(value), past = value - down;
  wide whole = (wide)down;
  if (past > 0.5 || (past == 0.5 && whole % 2 != 0)) whole++;
  return whole_bits(t, whole);
}

static inline uint64_t number_bits(vc_dtype t, double value) {
  float f = (float)value;
  uint32_t low;
  uint64_t bits;
  if (t.code == VC_BOOL) return value != 0;
  if (is_whole(t)) return whole_nearest(t, value);
  if (t.bits == 16) return small_nearest(t, value);
  if (isnan(value)) return t.bits == 32 ? 0x7fc00000 : UINT64_C(0x7ff8000000000000);
  if (t.bits == 32) return memcpy(&low, &f, sizeof f), low;
  return memcpy(&bits, &value, sizeof bits), bits;
}

static inline bool works_in_double(vc_dtype t) {
  return t.bits == 64 || (t.bits == 32 && is_whole(t));
}

/* The element that channel `c` of the destination gets for one of the source. */
static inline uint64_t reference(vc_dtype from, vc_dtype to, const vc_transform_params *params,
                                 int32_t c, uint64_t bits) {
  double mean = params->mean ? params->mean[params->mean_count > 1 ? c : 0] : 0;
  double std = params->std ? params->std[params->std_count > 1 ? c : 0] : 1;
  double a = params->scale / std, b = mean != 0 ? -mean / std : -0.0;
  bool in_double = works_in_double(from) || works_in_double(to);
  bool neutral = params->scale == 1 && !params->mean && !params->std;
  if (neutral && is_same_dtype(from, to)) return bits;
  if (neutral && is_whole(from) && is_whole(to)) return whole_bits(to, whole_value(from, bits));
  double x = number_of(from, bits);
  return number_bits(to, in_double ? fma(x, a, b) : (double)fmaf((float)x, (float)a, (float)b));
}

/* --- channels */

static inline int32_t colour_count(int32_t channels) {
  return channels == 2 || channels == 4 ? channels - 1 : channels;
}

/* Source channel of channel `c`; -1: fill. */
static inline int32_t reference_channel(int32_t from, int32_t to, bool reverse, int32_t c) {
  if (from > 4) return reverse ? from - 1 - c : c;
  if (c >= colour_count(to)) return colour_count(from) < from ? from - 1 : -1;
  if (colour_count(from) == 1) return 0;
  return reverse ? 2 - c : c;
}

#endif
