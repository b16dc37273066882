/* SPDX-License-Identifier: Apache-2.0 */
/* One axis of a resize: the samples that a result is made of, and their weights.
 *
 * C and CUDA C both include this file, so that CPU and GPU compute the same bits: values are
 * computed in double (or float, where the reference does that), products and sums are not
 * fused (-ffp-contract=off, -fmad=false), and no function of a mathematics library is called
 * whose results differ between machines.
 *
 * n is the number of samples, m the number of results, d the index of a result. The rules of
 * cv2.resize are those of OpenCV's x86-64 wheels, measured on 4.8 to 5.0; the rules of Pillow
 * are those of 10 to 13. */
#ifndef VIEWCAST_TRANSFORM_GEOMETRY_AXIS_H
#define VIEWCAST_TRANSFORM_GEOMETRY_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__CUDACC__)
#  define VC_AXIS static __device__ __forceinline__
#  define VC_AXIS_CALL static __device__ __noinline__ /* long: one copy for all kernels */
#else
#  include <math.h>
#  define VC_AXIS static inline
#  define VC_AXIS_CALL static inline
#endif

/* Returns the scale that cv2.resize works with: the reciprocal of the rounded quotient, which
 * need not be the double nearest to n / m. */
VC_AXIS double vc_axis_scale(int64_t n, int64_t m) { return 1.0 / ((double)m / (double)n); }

/* Returns true for the scales that cv2 takes for whole factors. */
VC_AXIS bool vc_axis_is_whole(double scale) {
  double away = scale - rint(scale);
  return away < 2.220446049250313e-16 && away > -2.220446049250313e-16;
}

VC_AXIS int64_t vc_axis_clamp(int64_t index, int64_t n) {
  return index < 0 ? 0 : index >= n ? n - 1 : index;
}

/* --- INTER_NEAREST */

VC_AXIS int64_t vc_axis_nearest(int64_t n, double scale, int64_t d) {
  int64_t index = (int64_t)floor((double)d * scale);
  return index < n ? index : n - 1;
}

/* --- INTER_LINEAR, and INTER_AREA where an axis grows */

/* Sample `first` and the next one, and the float32 weight of the next. `first` may be -1 or
 * n - 1: the caller clamps both indices. */
typedef struct vc_axis_pair {
  int64_t first;
  float weight;
} vc_axis_pair;

VC_AXIS vc_axis_pair vc_axis_linear(double scale, int64_t d) {
  float at = (float)(((double)d + 0.5) * scale - 0.5), whole = floorf(at);
  vc_axis_pair out = {(int64_t)whole, at - whole};
  return out;
}

/* The coordinates of INTER_AREA; `inverse` is m / n in double. */
VC_AXIS vc_axis_pair vc_axis_linear_area(double scale, double inverse, int64_t d) {
  int64_t first = (int64_t)floor((double)d * scale);
  float at = (float)((double)(d + 1) - (double)(first + 1) * inverse);
  vc_axis_pair out = {first, at <= 0 ? 0 : at - floorf(at)};
  return out;
}

/* Returns the pair that cv2 uses along a row: at the ends only the edge sample counts. Along a
 * column cv2 clamps the indices and keeps the weight. */
VC_AXIS vc_axis_pair vc_axis_at_edge(vc_axis_pair pair, int64_t n) {
  if (pair.first >= 0 && pair.first < n - 1) return pair;
  vc_axis_pair out = {pair.first < 0 ? 0 : n - 1, 0};
  return out;
}

/* Return the weights of 8-bit images, 11 bits each. Each is rounded to even by itself, so that
 * their sum need not be 2048. */
VC_AXIS int32_t vc_axis_weight_of_first(float weight) {
  return (int32_t)rintf((1 - weight) * 2048);
}
VC_AXIS int32_t vc_axis_weight_of_next(float weight) { return (int32_t)rintf(weight * 2048); }

/* --- INTER_AREA where both axes shrink, not by whole factors */

/* Samples first … first + count - 1; `head` belongs to the first of them if it lies
 * partly outside, `tail` to the last; `middle` to all others. Parts of a sample of 1e-3
 * or less are dropped, and the weights are not adjusted for them, as cv2 does. */
typedef struct vc_axis_cell {
  int64_t first, count;
  bool has_head, has_tail;
  float head, middle, tail;
} vc_axis_cell;

VC_AXIS vc_axis_cell vc_axis_area(int64_t n, double scale, int64_t d) {
  double start = (double)d * scale, end = start + scale, rest = (double)n - start;
  double cell = scale < rest ? scale : rest;
  int64_t from = (int64_t)ceil(start), to = (int64_t)floor(end);
  if (to > n - 1) to = n - 1;
  if (from > to) from = to;
  double before = (double)from - start, after = end - (double)to;
  double last = after < 1.0 ? after : 1.0;
  if (last > cell) last = cell;
  vc_axis_cell out;
  out.has_head = before > 1e-3;
  out.has_tail = after > 1e-3;
  out.head = (float)(before / cell);
  out.middle = (float)(1.0 / cell);
  out.tail = (float)(last / cell);
  out.first = out.has_head ? from - 1 : from;
  out.count = to - from + out.has_head + out.has_tail;
  return out;
}

VC_AXIS float vc_axis_area_weight(const vc_axis_cell *cell, int64_t i) {
  if (i == 0 && cell->has_head) return cell->head;
  return i == cell->count - 1 && cell->has_tail ? cell->tail : cell->middle;
}

/* --- Pillow */

typedef enum vc_axis_filter {
  VC_FILTER_BOX,
  VC_FILTER_BILINEAR,
  VC_FILTER_BICUBIC,
  VC_FILTER_LANCZOS
} vc_axis_filter;

#define VC_PILLOW_BITS 22

/* Returns sin(pi * x) for |x| <= 3: x is reduced to the nearest whole number, which is exact, and
 * the rest goes through the Taylor series up to the 21st power, whose error for |x| <= 1/2 is
 * below 1e-17. */
VC_AXIS double vc_axis_sin_pi(double x) {
  double whole = rint(x), t = (x - whole) * 3.14159265358979323846, s = t * t;
  double sum = 1 / 51090942171709440000.0; /* 1 / 21! */
  sum = sum * s - 1 / 121645100408832000.0;
  sum = sum * s + 1 / 355687428096000.0;
  sum = sum * s - 1 / 1307674368000.0;
  sum = sum * s + 1 / 6227020800.0;
  sum = sum * s - 1 / 39916800.0;
  sum = sum * s + 1 / 362880.0;
  sum = sum * s - 1 / 5040.0;
  sum = sum * s + 1 / 120.0;
  sum = sum * s - 1 / 6.0;
  double sine = t + t * (sum * s);
  return ((int64_t)whole & 1) ? -sine : sine;
}

VC_AXIS double vc_axis_sinc(double x) {
  return x == 0 ? 1.0 : vc_axis_sin_pi(x) / (x * 3.14159265358979323846);
}

VC_AXIS double vc_axis_filter_support(int32_t filter) {
  if (filter == VC_FILTER_BOX) return 0.5;
  return filter == VC_FILTER_BILINEAR ? 1.0 : filter == VC_FILTER_BICUBIC ? 2.0 : 3.0;
}

VC_AXIS double vc_axis_bicubic(double x) {
  const double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

VC_AXIS double vc_axis_filter_at(int32_t filter, double x) {
  double away = x < 0 ? -x : x;
  if (filter == VC_FILTER_BOX) return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
  if (filter == VC_FILTER_BILINEAR) return away < 1.0 ? 1.0 - away : 0.0;
  if (filter == VC_FILTER_BICUBIC) return vc_axis_bicubic(away);
  return x >= -3.0 && x < 3.0 ? vc_axis_sinc(x) * vc_axis_sinc(x / 3) : 0.0;
}

/* The parameters that all results of an axis share. */
typedef struct vc_axis_pillow {
  int64_t n;
  int32_t filter;
  double scale, support, inverse;
} vc_axis_pillow;

VC_AXIS vc_axis_pillow vc_axis_pillow_make(int32_t filter, int64_t n, int64_t m) {
  vc_axis_pillow out;
  out.n = n;
  out.filter = filter;
  out.scale = (double)(float)n / (double)m; /* Pillow keeps its box in float32 */
  double stretch = out.scale > 1.0 ? out.scale : 1.0;
  out.support = vc_axis_filter_support(filter) * stretch;
  out.inverse = 1.0 / stretch;
  return out;
}

/* Samples first … first + count - 1 of result d. The weight of the i-th is its filter's
 * value over `total`, the sum of all in ascending order. */
typedef struct vc_axis_taps {
  int64_t first, count;
  double centre, total;
} vc_axis_taps;

VC_AXIS double vc_axis_tap(const vc_axis_pillow *axis, const vc_axis_taps *taps, int64_t i) {
  return vc_axis_filter_at(axis->filter,
                           ((double)(i + taps->first) - taps->centre + 0.5) * axis->inverse);
}

VC_AXIS vc_axis_taps vc_axis_pillow_taps(const vc_axis_pillow *axis, int64_t d) {
  vc_axis_taps out;
  out.centre = ((double)d + 0.5) * axis->scale;
  out.first = (int64_t)(out.centre - axis->support + 0.5);
  int64_t end = (int64_t)(out.centre + axis->support + 0.5);
  if (out.first < 0) out.first = 0;
  if (end > axis->n) end = axis->n;
  out.count = end > out.first ? end - out.first : 0;
  out.total = 0;
  for (int64_t i = 0; i < out.count; i++) out.total += vc_axis_tap(axis, &out, i);
  return out;
}

/* Returns a weight as Pillow's 8-bit code has it: 22 bits, rounded half away from zero. */
VC_AXIS int32_t vc_axis_pillow_weight(const vc_axis_pillow *axis, const vc_axis_taps *taps,
                                      int64_t i) {
  double value = vc_axis_tap(axis, taps, i);
  if (taps->total != 0) value /= taps->total;
  value *= (double)(1 << VC_PILLOW_BITS);
  return (int32_t)(value < 0 ? value - 0.5 : value + 0.5);
}

#endif
