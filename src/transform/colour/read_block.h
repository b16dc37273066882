/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of YUV pixels as RGB, in plain C whose loops the compiler vectorises. Each file that makes
 * a vc_yuv_kernels includes this file once, after it has selected the processor. */
#include "transform/colour/read_row.h"

enum { BLOCK = VC_YUV_BLOCK };

/* The samples of a block, chroma for each pixel. */
typedef struct samples_of_block {
  int32_t of[3][BLOCK];
} samples_of_block;

typedef uint16_t any_word __attribute__((aligned(1), may_alias));

static inline int32_t at_most(int32_t value, int32_t most) { return value > most ? most : value; }

/* Loads every `step`-th sample, `count` of them; `step` and `count` are constants in each call. */
static inline __attribute__((always_inline)) void load_samples(const vc_yuv_row *row,
                                                               const char *from, int step,
                                                               int count, int32_t *restrict out) {
  const uint8_t *bytes = (const uint8_t *)from;
  const any_word *words = (const any_word *)(const void *)from;
  const int32_t most = (1 << row->bits) - 1, unused = row->unused;
  if (row->bits == 8) {
    for (int i = 0; i < count; i++) out[i] = bytes[i * step];
  } else {
    for (int i = 0; i < count; i++) out[i] = at_most(words[i * step] >> unused, most);
  }
}

static void load_chroma(const vc_yuv_row *row, const char *from, int32_t *restrict out) {
  int32_t halved[BLOCK / 2];
  if (row->kind == VC_CHROMA_EACH) {
    load_samples(row, from, 1, BLOCK, out);
    return;
  }
  if (row->kind == VC_CHROMA_PAIRS) {
    load_samples(row, from, 2, BLOCK / 2, halved);
  } else {
    load_samples(row, from, 1, BLOCK / 2, halved);
  }
  for (int i = 0; i < BLOCK / 2; i++) out[2 * i] = out[2 * i + 1] = halved[i];
}

static void load_block(const vc_yuv_row *row, samples_of_block *out) {
  load_samples(row, row->samples[0], 1, BLOCK, out->of[0]);
  for (int i = 1; i < 3; i++) load_chroma(row, row->samples[i], out->of[i]);
}

/* --- any rule, in double */

/* Values are between -OFFSET and OFFSET. With it added they are positive, so that a conversion to
 * integers rounds them down. A product or a sum of them is off by 2^-33 at most, the sum of all by
 * less than SUM_ERROR. */
#define OFFSET 262144
#define SUM_ERROR 0x1p-30

/* The samples in double, and the numbers of a channel. */
typedef struct doubles {
  double of[3][BLOCK];
} doubles;

typedef struct factors {
  double y, u, v, constant;
} factors;

static factors factors_of(const vc_yuv_rule *rule, int c) {
  const vc_yuv_channel *of = &rule->channels[c];
  const double by = of->inverse;
  factors out = {(double)of->y * by, (double)of->u * by, (double)of->v * by, 0};
  out.constant = (double)of->half * by + OFFSET - rule->black * out.y;
  out.constant -= rule->grey * (out.u + out.v);
  return out;
}

static void widen(const vc_yuv_rule *rule, const samples_of_block *from, doubles *restrict out) {
  const int32_t least = rule->least;
  for (int i = 0; i < BLOCK; i++) {
    int32_t y = from->of[0][i];
    out->of[0][i] = y < least ? least : y;
    out->of[1][i] = from->of[1][i];
    out->of[2][i] = from->of[2][i];
  }
}

/* Writes a channel of a block, and returns true if one of its values may be on the wrong side of a
 * whole number. */
static bool write_channel(const factors *by, const doubles *from, int32_t top,
                          uint16_t *restrict out) {
  const double *y = from->of[0], *u = from->of[1], *v = from->of[2];
  const double for_y = by->y, for_u = by->u, for_v = by->v, constant = by->constant;
  int32_t unsure = 0;
  for (int i = 0; i < BLOCK; i++) {
    double sum = y[i] * for_y + u[i] * for_u + v[i] * for_v + constant;
    int32_t value = (int32_t)(sum - SUM_ERROR);
    unsure |= value ^ (int32_t)(sum + SUM_ERROR);
    value -= OFFSET;
    out[i] = (uint16_t)at_most(value < 0 ? 0 : value, top);
  }
  return unsure != 0;
}

static void write_each(const vc_yuv_rule *rule, const samples_of_block *from,
                       uint16_t *const rgb[3]) {
  for (int i = 0; i < BLOCK; i++) {
    int32_t pixel[3];
    vc_yuv_to_rgb(rule, from->of[0][i], from->of[1][i], from->of[2][i], pixel);
    for (int c = 0; c < 3; c++) rgb[c][i] = (uint16_t)pixel[c];
  }
}

static void convert_block(const vc_yuv_rule *rule, const vc_yuv_row *row, uint16_t *const rgb[3]) {
  samples_of_block from;
  doubles wide;
  bool unsure = false;
  load_block(row, &from);
  widen(rule, &from, &wide);
  for (int c = 0; c < 3; c++) {
    const factors by = factors_of(rule, c);
    unsure |= write_channel(&by, &wide, rule->top, rgb[c]);
  }
  if (unsure) write_each(rule, &from, rgb);
}
