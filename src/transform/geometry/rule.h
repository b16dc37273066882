/* SPDX-License-Identifier: Apache-2.0 */
/* The rule by which a resize computes its results, and the samples and weights of one result.
 * The CPU stores these in tables, the GPU computes them where it needs them. C and CUDA C both
 * include this file (axis.h). */
#ifndef VIEWCAST_TRANSFORM_GEOMETRY_RULE_H
#define VIEWCAST_TRANSFORM_GEOMETRY_RULE_H

#include <viewcast/viewcast.h>

#include "transform/geometry/axis.h"

/* The arithmetic by which a result is computed from samples. */
typedef enum vc_resample_kind {
  VC_RESAMPLE_NEAREST, /* one sample, moved bit by bit: any type */
  VC_RESAMPLE_LINEAR,  /* cv2's 11-bit integers: 8 bits */
  VC_RESAMPLE_BLOCKS,  /* the mean of whole blocks: 8 bits */
  VC_RESAMPLE_TAPS,    /* floating sums, horizontally, then vertically: any type */
  VC_RESAMPLE_PILLOW   /* 22-bit integers, rounded after each pass: 8 bits */
} vc_resample_kind;

VC_AXIS bool vc_is_pillow(int32_t interpolation) { return interpolation >= VC_PILLOW_BOX; }

/* Returns true if elements of a dtype are computed with in double, not in float: 64-bit types and
 * 32-bit integers. */
VC_AXIS bool vc_rule_is_wide(vc_dtype dtype) {
  bool floating = dtype.code == VC_FLOAT || dtype.code == VC_BFLOAT;
  return dtype.bits == 64 || (dtype.bits == 32 && !floating);
}

/* A resize of n_rows x n_cols to m_rows x m_cols. */
typedef struct vc_resample_rule {
  vc_resample_kind kind;
  int32_t interpolation; /* vc_interpolation */
  bool is_u8;
  bool shrinks;                   /* both axes have a scale of 1 or more */
  bool coarse;                    /* coordinates of INTER_LINEAR are floats, else doubles */
  int32_t block_rows, block_cols; /* VC_RESAMPLE_BLOCKS */
} vc_resample_rule;

VC_AXIS bool vc_rule_whole(double scale, int32_t *factor) {
  *factor = (int32_t)rint(scale);
  return scale >= 1 && vc_axis_is_whole(scale);
}

/* Makes the rule of a resize by these scales (vc_axis_scale), or to the same size. cv2 leaves
 * INTER_LINEAR of sources that are not 8 bits to IPP, whose coordinates are doubles, but resizes
 * two channels by its own code, whose coordinates are floats. cv2 takes the mean of blocks for
 * INTER_AREA by whole factors, and for INTER_LINEAR at exactly 2 x 2. It rounds these means to
 * even, but those of 2 x 2 pixels of 1, 3 and 4 channels half up, for which it has vector code:
 * these are the results of INTER_LINEAR's general rule. An image that keeps its size is copied, by
 * every interpolation. */
VC_AXIS vc_resample_rule vc_rule_of_scales(int32_t interpolation, bool is_u8, int32_t channels,
                                           double by_rows, double by_cols, bool same_size) {
  vc_resample_rule out;
  out.interpolation = interpolation;
  out.is_u8 = is_u8;
  out.shrinks = by_rows >= 1 && by_cols >= 1;
  out.coarse = is_u8 || channels == 2;
  bool whole_rows = vc_rule_whole(by_rows, &out.block_rows);
  bool whole_cols = vc_rule_whole(by_cols, &out.block_cols);
  bool halves = whole_rows && whole_cols && out.block_rows == 2 && out.block_cols == 2;
  if (is_u8 && halves && channels != 2 && interpolation == VC_AREA) {
    interpolation = out.interpolation = VC_LINEAR;
  }
  bool means = interpolation == VC_AREA || (interpolation == VC_LINEAR && halves && channels == 2);
  out.kind = VC_RESAMPLE_LINEAR;
  if (interpolation == VC_NEAREST || same_size) {
    out.kind = VC_RESAMPLE_NEAREST;
  } else if (!is_u8) {
    out.kind = VC_RESAMPLE_TAPS;
  } else if (vc_is_pillow(interpolation)) {
    out.kind = VC_RESAMPLE_PILLOW;
  } else if (means && whole_rows && whole_cols) {
    out.kind = VC_RESAMPLE_BLOCKS;
  } else if (interpolation == VC_AREA && out.shrinks) {
    out.kind = VC_RESAMPLE_TAPS;
  }
  return out;
}

VC_AXIS_CALL vc_resample_rule vc_rule_make(int32_t interpolation, bool is_u8, int32_t channels,
                                           int64_t n_rows, int64_t m_rows, int64_t n_cols,
                                           int64_t m_cols) {
  return vc_rule_of_scales(interpolation, is_u8, channels, vc_axis_scale(n_rows, m_rows),
                           vc_axis_scale(n_cols, m_cols), n_rows == m_rows && n_cols == m_cols);
}

/* Returns the mean of a block of 8-bit samples, rounded to even. */
VC_AXIS uint8_t vc_rule_mean(const vc_resample_rule *rule, int64_t sum) {
  float part = 1.0f / (float)((int64_t)rule->block_rows * rule->block_cols);
  int32_t mean = (int32_t)rintf((float)sum * part);
  return (uint8_t)(mean > 255 ? 255 : mean);
}

/* --- one axis */

typedef struct vc_axis_rule {
  vc_resample_kind kind;
  int32_t interpolation;
  bool is_u8, horizontal, shrinks, coarse;
  int64_t n, m;
  double scale, inverse;
  vc_axis_pillow pillow;
} vc_axis_rule;

VC_AXIS_CALL vc_axis_rule vc_axis_rule_make(const vc_resample_rule *of, int64_t n, int64_t m,
                                            bool horizontal) {
  vc_axis_rule rule;
  rule.kind = of->kind;
  rule.interpolation = of->interpolation;
  rule.is_u8 = of->is_u8;
  rule.horizontal = horizontal;
  rule.shrinks = of->shrinks;
  rule.coarse = of->coarse;
  rule.n = n;
  rule.m = m;
  rule.scale = vc_axis_scale(n, m);
  rule.inverse = (double)m / (double)n;
  if (vc_is_pillow(of->interpolation)) {
    rule.pillow = vc_axis_pillow_make(of->interpolation - VC_PILLOW_BOX, n, m);
  }
  return rule;
}

typedef enum vc_axis_form { VC_FORM_ONE, VC_FORM_PAIR, VC_FORM_CELL, VC_FORM_FILTER } vc_axis_form;

/* Samples first … first + count - 1 of a result. Those of a pair may lie outside of the axis;
 * the caller clamps them. */
typedef struct vc_axis_result {
  int64_t first, count;
  vc_axis_form form;
  double next;  /* VC_FORM_PAIR: the weight of the second sample … */
  int32_t a, b; /* … and both as cv2's integers, for 8 bits */
  vc_axis_cell cell;
  vc_axis_taps taps;
} vc_axis_result;

VC_AXIS void vc_axis_take_pair(const vc_axis_rule *rule, int64_t d, vc_axis_result *out) {
  vc_axis_pair pair = rule->interpolation == VC_AREA
                          ? vc_axis_linear_area(rule->scale, rule->inverse, d)
                          : vc_axis_linear(rule->scale, d);
  if (rule->is_u8) {
    if (rule->horizontal) pair = vc_axis_at_edge(pair, rule->n);
    out->a = vc_axis_weight_of_first(pair.weight);
    out->b = vc_axis_weight_of_next(pair.weight);
  }
  out->form = VC_FORM_PAIR;
  out->first = pair.first;
  out->next = (double)pair.weight;
  out->count = 2;
}

/* The pair of INTER_LINEAR whose coordinate stays in double. */
VC_AXIS void vc_axis_take_exact_pair(const vc_axis_rule *rule, int64_t d, vc_axis_result *out) {
  double at = ((double)d + 0.5) * ((double)rule->n / (double)rule->m) - 0.5, whole = floor(at);
  out->form = VC_FORM_PAIR;
  out->first = (int64_t)whole;
  out->next = at - whole;
  out->count = 2;
}

VC_AXIS_CALL void vc_axis_take(const vc_axis_rule *rule, int64_t d, vc_axis_result *out) {
  if (rule->kind == VC_RESAMPLE_NEAREST || rule->kind == VC_RESAMPLE_BLOCKS) {
    out->form = VC_FORM_ONE;
    out->count = 1;
    out->first = rule->kind == VC_RESAMPLE_NEAREST ? vc_axis_nearest(rule->n, rule->scale, d)
                                                   : d * (int64_t)rint(rule->scale);
  } else if (vc_is_pillow(rule->interpolation)) {
    out->form = VC_FORM_FILTER;
    out->taps = vc_axis_pillow_taps(&rule->pillow, d);
    out->first = out->taps.first;
    out->count = out->taps.count;
  } else if (rule->interpolation == VC_AREA && rule->shrinks) {
    out->form = VC_FORM_CELL;
    out->cell = vc_axis_area(rule->n, rule->scale, d);
    out->first = out->cell.first;
    out->count = out->cell.count;
  } else if (rule->interpolation == VC_LINEAR && !rule->coarse) {
    vc_axis_take_exact_pair(rule, d, out);
  } else {
    vc_axis_take_pair(rule, d, out);
  }
}

/* Returns the weight of sample `first` + i in floating-point sums. */
VC_AXIS double vc_axis_weight(const vc_axis_rule *rule, const vc_axis_result *of, int64_t i) {
  if (of->form == VC_FORM_PAIR) return i ? of->next : 1 - of->next;
  if (of->form == VC_FORM_CELL) return (double)vc_axis_area_weight(&of->cell, i);
  double value = vc_axis_tap(&rule->pillow, &of->taps, i);
  return of->taps.total != 0 ? value / of->taps.total : value;
}

/* Returns the byte of a 22-bit sum of Pillow's 8-bit code, to which the half was added. */
VC_AXIS uint8_t vc_pillow_byte(int32_t sum) {
  int32_t value = sum >> VC_PILLOW_BITS;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

#endif
