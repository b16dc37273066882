/* SPDX-License-Identifier: Apache-2.0 */
/* A row of a YUV image as RGB: pixel by pixel for any strides, in vectors where samples are
 * adjacent. */
#include "transform/colour/read_row.h"

#include <string.h>

#include "transform/row.h"

/* Returns a sample, whose unused bits are dropped. Samples of 10 bits in the lower ones end at
 * 1023. */
static int32_t sample(const vc_yuv_source *of, int32_t which, const char *row, int64_t index) {
  const char *at = row + index * of->col[which];
  if (of->bits == 8) return *(const uint8_t *)at;
  uint16_t word;
  memcpy(&word, at, sizeof word);
  int32_t value = word >> of->unused, most = (1 << of->bits) - 1;
  return value > most ? most : value;
}

/* Writes pixels left … end - 1. */
static void read_each(const vc_yuv_source *source, const char *const rows[3], int64_t left,
                      int64_t end, char *out) {
  const size_t size = source->deep ? 2 : 1;
  for (int64_t x = left; x < end; x++) {
    int32_t rgb[3];
    int64_t chroma = x >> source->col_shift;
    vc_yuv_to_rgb(&source->rule, sample(source, 0, rows[0], x), sample(source, 1, rows[1], chroma),
                  sample(source, 2, rows[2], chroma), rgb);
    for (int32_t c = 0; c < 3; c++, out += size) {
      const uint16_t word = (uint16_t)rgb[c];
      const uint8_t byte = (uint8_t)rgb[c];
      memcpy(out, source->deep ? (const void *)&word : &byte, size);
    }
  }
}

/* --- several pixels at a time */

void vc_yuv_split_rule(const vc_yuv_rule *rule, vc_yuv_parts *out) {
  const int32_t bits = rule->shift > VC_YUV_UNITS ? rule->shift - VC_YUV_UNITS : 0;
  const int64_t unit = (int64_t)1 << (VC_YUV_UNITS + bits - rule->shift);
  *out = (vc_yuv_parts){.low_bits = bits, .least = rule->least};
  for (int c = 0; c < 3; c++) {
    const vc_yuv_channel *of = &rule->channels[c];
    int64_t numbers[4] = {of->y * unit, of->u * unit, of->v * unit, of->half * unit};
    numbers[3] -= rule->black * numbers[0] + rule->grey * (numbers[1] + numbers[2]);
    int32_t high[4], low[4];
    for (int i = 0; i < 4; i++) {
      int64_t rounded = numbers[i] + (bits ? (int64_t)1 << (bits - 1) : 0);
      high[i] = (int32_t)(rounded >> bits);
      low[i] = (int32_t)(numbers[i] - high[i] * ((int64_t)1 << bits));
    }
    out->high[c] = (vc_yuv_part){high[0], high[1], high[2], high[3]};
    out->low[c] = (vc_yuv_part){low[0], low[1], low[2], low[3]};
  }
}

/* Fills `out` and returns true if vectors can be loaded from rows, from pixel `left` on, which is
 * even where chroma is halved. */
static bool find_row(const vc_yuv_source *source, const char *const rows[3], int64_t left,
                     vc_yuv_row *out) {
  const int64_t *col = source->col, size = source->bits == 8 ? 1 : 2, apart = rows[2] - rows[1];
  bool pairs = col[1] == 2 * size && source->col_shift && (apart == size || apart == -size);
  if (col[0] != size || col[1] != col[2] || (col[1] != size && !pairs)) return false;
  out->kind = pairs ? VC_CHROMA_PAIRS : source->col_shift ? VC_CHROMA_HALVED : VC_CHROMA_EACH;
  out->bits = source->bits;
  out->unused = source->unused;
  for (int32_t i = 0; i < 3; i++) {
    out->samples[i] = rows[i] + (i == 0 ? left : left >> source->col_shift) * col[i];
  }
  return true;
}

/* Writes whole blocks by any rule. */
static int64_t read_blocks(const vc_yuv_kernels *kernels, const vc_yuv_source *source,
                           vc_yuv_row row, int64_t count, char *out) {
  const int64_t pixel = source->deep ? 6 : 3;
  uint16_t words[3][VC_YUV_BLOCK];
  uint8_t bytes[3][VC_YUV_BLOCK];
  int64_t done = 0;
  for (; done + VC_YUV_BLOCK <= count; done += VC_YUV_BLOCK, out += VC_YUV_BLOCK * pixel) {
    const void *planes[3];
    kernels->block(&source->rule, &row, (uint16_t *const[]){words[0], words[1], words[2]});
    for (int c = 0; c < 3; c++) {
      planes[c] = source->deep ? (const void *)words[c] : bytes[c];
      for (int i = 0; i < VC_YUV_BLOCK; i++) bytes[c][i] = (uint8_t)words[c][i];
    }
    vc_yuv_next_block(&row);
    vc_row_kernels_best()->merge[source->deep][1](planes, out, VC_YUV_BLOCK);
  }
  return done;
}

/* Returns the first of the pixels from `left`, which is even where chroma is halved, that were
 * not converted. */
static int64_t read_vectors(const vc_yuv_source *source, const char *const rows[3], int64_t left,
                            int64_t end, char *out) {
  vc_yuv_row row;
  vc_yuv_parts parts;
  const vc_yuv_kernels *kernels = vc_row_kernels_best()->read_yuv;
  if (!kernels || !find_row(source, rows, left, &row)) return left;
  if (!source->rule.shift) return left + read_blocks(kernels, source, row, end - left, out);
  vc_yuv_split_rule(&source->rule, &parts);
  return left + kernels->bytes(&parts, &row, end - left, (uint8_t *)out);
}

void vc_yuv_read_row(const vc_yuv_source *source, int64_t row, int64_t left, int64_t count,
                     void *out) {
  const char *rows[3];
  char *to = out;
  int64_t pixel = source->deep ? 6 : 3, end = left + count;
  int64_t even = left + (left & source->col_shift), first = even < end ? even : end;
  for (int32_t i = 0; i < 3; i++) {
    rows[i] = source->data[i] + (i == 0 ? row : row >> source->row_shift) * source->row[i];
  }
  read_each(source, rows, left, first, to);
  to += (first - left) * pixel;
  int64_t done = read_vectors(source, rows, first, end, to);
  read_each(source, rows, done, end, to + (done - first) * pixel);
}
