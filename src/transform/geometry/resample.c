/* SPDX-License-Identifier: Apache-2.0 */
/* Computes the tables of a resize on the CPU. */
#include "transform/geometry/resample.h"

#include "core/dtype.h"

/* --- integers, two 16-bit halves each */

static int32_t join_halves(int32_t lower, int32_t upper) {
  return (int32_t)((uint32_t)(uint16_t)lower | (uint32_t)upper << 16);
}

/* Stores the weights of a result in the layout of vc_resample_axis. */
static void store_integers(const vc_axis_rule *rule, const vc_axis_result *of, int32_t *out) {
  if (of->form == VC_FORM_PAIR) {
    out[0] = join_halves(of->a, of->b);
    return;
  }
  for (int64_t i = 0; i < of->count; i += 4, out += 4) {
    int32_t weights[4] = {0};
    for (int64_t k = 0; k < 4 && i + k < of->count; k++) {
      weights[k] = vc_axis_pillow_weight(&rule->pillow, &of->taps, i + k);
    }
    for (int half = 0; half < 2; half++) {
      const int32_t low = (1 << VC_RESAMPLE_SPLIT) - 1;
      int32_t a = weights[2 * half], b = weights[2 * half + 1];
      out[half] = join_halves(a >> VC_RESAMPLE_SPLIT, b >> VC_RESAMPLE_SPLIT);
      out[2 + half] = join_halves(a & low, b & low);
    }
  }
}

/* --- the arrays */

static size_t weight_size(const vc_resample *of) {
  switch (of->rule.kind) {
    case VC_RESAMPLE_NEAREST:
    case VC_RESAMPLE_BLOCKS: return 0;
    case VC_RESAMPLE_TAPS: return of->wide ? sizeof(double) : sizeof(float);
    default: return sizeof(int32_t);
  }
}

/* Returns an upper bound of the taps of a result. Pairs may have a sample outside of the axis. */
static int64_t bound_taps(const vc_axis_rule *rule) {
  int64_t bound = 2;
  if (rule->kind == VC_RESAMPLE_NEAREST || rule->kind == VC_RESAMPLE_BLOCKS) return 1;
  if (vc_is_pillow(rule->interpolation)) {
    bound = (int64_t)(2 * rule->pillow.support) + 2;
  } else if (rule->interpolation == VC_AREA && rule->shrinks) {
    bound = (int64_t)rule->scale + 3;
  } else {
    return bound;
  }
  return bound < rule->n ? bound : rule->n;
}

/* Returns the number of weights of a result, or of the integers that hold them. */
static int64_t count_weights(const vc_resample *of, int64_t taps) {
  switch (of->rule.kind) {
    case VC_RESAMPLE_NEAREST:
    case VC_RESAMPLE_BLOCKS: return 0;
    case VC_RESAMPLE_TAPS: return taps;
    case VC_RESAMPLE_LINEAR: return 1;
    default: return (taps + 3) / 4 * 4;
  }
}

static void store_numbers(const vc_axis_rule *rule, const vc_axis_result *of, bool wide,
                          vc_resample_axis *axis, int64_t at) {
  for (int64_t i = 0; i < of->count; i++) {
    double weight = vc_axis_weight(rule, of, i);
    if (wide) {
      axis->weights.doubles[at + i] = weight;
    } else {
      axis->weights.floats[at + i] = (float)weight;
    }
  }
}

static void fill(const vc_resample *of, const vc_axis_rule *rule, vc_resample_axis *axis) {
  int64_t at = 0;
  vc_axis_result taps = {0};
  for (int64_t d = 0; d < axis->range.count; d++) {
    vc_axis_take(rule, axis->range.start + d, &taps);
    axis->first[d] = (int32_t)taps.first;
    axis->taps[d] = (int32_t)taps.count;
    axis->at[d] = at;
    if (of->rule.kind == VC_RESAMPLE_TAPS) {
      store_numbers(rule, &taps, of->wide, axis, at);
    } else if (weight_size(of)) {
      store_integers(rule, &taps, axis->weights.integers + at);
    }
    at += count_weights(of, taps.count);
  }
}

static size_t axis_bytes(const vc_resample *of, const vc_resample_axis *axis) {
  size_t count = (size_t)axis->range.count;
  size_t weights = (size_t)count_weights(of, axis->most_taps);
  return 2 * vc_resample_rounded(count * sizeof(int32_t)) +
         vc_resample_rounded(count * sizeof(int64_t)) +
         vc_resample_rounded(count * weights * weight_size(of));
}

/* Lays the arrays of an axis out in memory. */
static void lay_out(vc_resample_axis *axis, char *memory) {
  size_t count = (size_t)axis->range.count;
  axis->at = (int64_t *)memory;
  memory += vc_resample_rounded(count * sizeof(int64_t));
  axis->first = (int32_t *)memory;
  memory += vc_resample_rounded(count * sizeof(int32_t));
  axis->taps = (int32_t *)memory;
  memory += vc_resample_rounded(count * sizeof(int32_t));
  axis->weights.integers = (int32_t *)memory;
}

void vc_resample_plan(vc_dtype dtype, int32_t channels, int32_t interpolation,
                      vc_resample_range rows, vc_resample_range cols, vc_resample *out) {
  *out = (vc_resample){.type = vc_type_of(dtype),
                       .size = vc_dtype_size(dtype),
                       .channels = channels,
                       .wide = vc_rule_is_wide(dtype)};
  out->rows.range = rows;
  out->cols.range = cols;
  out->rule = vc_rule_make(interpolation, out->type == VC_TYPE_U8, channels, rows.n, rows.m, cols.n,
                           cols.m);
  vc_axis_rule by_row = vc_axis_rule_make(&out->rule, rows.n, rows.m, false);
  vc_axis_rule by_col = vc_axis_rule_make(&out->rule, cols.n, cols.m, true);
  out->rows.most_taps = bound_taps(&by_row);
  out->cols.most_taps = bound_taps(&by_col);
}

size_t vc_resample_bytes(const vc_resample *resample) {
  return axis_bytes(resample, &resample->rows) + axis_bytes(resample, &resample->cols);
}

void vc_resample_tables(vc_resample *resample, void *memory) {
  const vc_resample_range *rows = &resample->rows.range, *cols = &resample->cols.range;
  vc_axis_rule by_row = vc_axis_rule_make(&resample->rule, rows->n, rows->m, false);
  vc_axis_rule by_col = vc_axis_rule_make(&resample->rule, cols->n, cols->m, true);
  lay_out(&resample->rows, memory);
  lay_out(&resample->cols, (char *)memory + axis_bytes(resample, &resample->rows));
  fill(resample, &by_row, &resample->rows);
  fill(resample, &by_col, &resample->cols);
}
