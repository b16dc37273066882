/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the rows of a resized image. */
#include <string.h>

#include "transform/geometry/resample_kernels.h"
#include "transform/row.h"

/* --- scratch memory: a packed row, a ring of filtered rows with the source row that each
 * holds, pointers to the rows of a result, sums of a row */

static size_t number_size(const vc_resample *of) {
  return of->wide ? sizeof(double) : sizeof(float);
}

/* Returns the size of an element of a packed row: as it is, or of the type of the sums. */
static size_t packed_size(const vc_resample *of) {
  return of->rule.kind == VC_RESAMPLE_TAPS ? number_size(of) : of->size;
}

static size_t filtered_size(const vc_resample *of) {
  switch (of->rule.kind) {
    case VC_RESAMPLE_LINEAR: return sizeof(int16_t);
    case VC_RESAMPLE_PILLOW: return sizeof(uint8_t);
    case VC_RESAMPLE_TAPS: return number_size(of);
    case VC_RESAMPLE_BLOCKS: return sizeof(int64_t); /* sums */
    default: return 0;
  }
}

/* Returns the number of filtered rows to keep: all rows of a result where the next result needs
 * most of them again. Cells of INTER_AREA share one row with the next cell. */
static int64_t ring_capacity(const vc_resample *of) {
  if (of->rule.kind == VC_RESAMPLE_BLOCKS) return 1;
  if (of->rule.kind == VC_RESAMPLE_TAPS && of->rule.interpolation == VC_AREA) return 2;
  return of->rows.most_taps;
}

typedef struct {
  size_t raw, packed, filtered, pointers, sums;
  int64_t capacity;
} layout;

static layout layout_of(const vc_resample *of) {
  size_t in = (size_t)of->cols.range.n * (size_t)of->channels;
  size_t out = (size_t)of->cols.range.count * (size_t)of->channels;
  bool adds = of->rule.kind == VC_RESAMPLE_TAPS;
  layout made = {.capacity = ring_capacity(of)};
  made.raw = adds ? vc_resample_rounded(in * of->size) : 0;
  made.packed = vc_resample_rounded(in * packed_size(of) + 64);
  made.filtered = vc_resample_rounded(out * filtered_size(of) + VC_RESAMPLE_SPARE);
  made.pointers = vc_resample_rounded((size_t)made.capacity * (sizeof(int64_t) + sizeof(void *)));
  made.sums = adds ? made.filtered : 0;
  return made;
}

size_t vc_resample_scratch(const vc_resample *resample) {
  layout of = layout_of(resample);
  return of.raw + of.packed + (size_t)of.capacity * of.filtered + of.pointers + of.sums;
}

void vc_resample_begin(const vc_resample *resample, const vc_resample_image *image, void *scratch,
                       vc_resample_rows *out) {
  layout of = layout_of(resample);
  char *memory = scratch;
  out->resample = resample;
  out->image = *image;
  out->capacity = of.capacity;
  out->row_bytes = (int64_t)of.filtered;
  out->raw = memory;
  out->packed = memory += of.raw;
  out->filtered = memory += of.packed;
  memory += (size_t)of.capacity * of.filtered;
  out->held = (int64_t *)memory;
  out->pointers = (const void **)(out->held + of.capacity);
  out->sums = memory + of.pointers;
  for (int64_t i = 0; i < of.capacity; i++) out->held[i] = -1;
}

/* --- a row of the source, packed */

/* Copies a row whose pixels are not adjacent, element by element. */
static void gather(const vc_resample_rows *rows, const char *from, char *out) {
  const vc_resample_image *image = &rows->image;
  const vc_resample *of = rows->resample;
  for (int64_t x = 0; x < of->cols.range.n; x++) {
    for (int32_t c = 0; c < of->channels; c++, out += of->size) {
      memcpy(out, from + x * image->col + c * image->channel, of->size);
    }
  }
}

/* Interleaves a row of packed planes. */
static void interleave(const vc_resample_rows *rows, const char *from, char *out) {
  const vc_resample *of = rows->resample;
  const void *planes[4];
  for (int32_t c = 0; c < of->channels; c++) planes[c] = from + c * rows->image.channel;
  vc_row_kernels_best()->merge[vc_size_index(of->size)][of->channels - 2](planes, out,
                                                                          (size_t)of->cols.range.n);
}

/* Writes the pixels of a YUV image's row that results need, and a few beyond them that vector code
 * reads, as RGB. */
static void read_yuv(const vc_resample_rows *rows, int64_t row, char *scratch) {
  enum { BEYOND = 8 };
  const vc_resample_image *image = &rows->image;
  const vc_resample_axis *axis = &rows->resample->cols;
  const int64_t last = axis->range.count - 1, size = (int64_t)rows->resample->size;
  int64_t first = vc_axis_clamp(axis->first[0], axis->range.n);
  int64_t end = (int64_t)axis->first[last] + axis->taps[last] + BEYOND;
  if (rows->resample->rule.kind == VC_RESAMPLE_BLOCKS) end += rows->resample->rule.block_cols;
  if (end > axis->range.n) end = axis->range.n;
  vc_yuv_read_row(image->yuv, image->top + row, image->left + first, end - first,
                  scratch + first * 3 * size);
}

/* Returns source row `row` with packed pixels, RGB of a YUV image; in `scratch` unless it is packed
 * in the image. */
static const char *packed_row(const vc_resample_rows *rows, int64_t row, char *scratch) {
  const vc_resample *of = rows->resample;
  const vc_resample_image *image = &rows->image;
  int64_t size = (int64_t)of->size, pixel = size * of->channels, n = of->cols.range.n;
  const char *from = image->data + row * image->row;
  if (image->yuv) {
    read_yuv(rows, row, scratch);
    return scratch;
  }
  if ((of->channels == 1 || image->channel == size) && (n == 1 || image->col == pixel)) {
    return from;
  }
  if (of->channels > 1 && image->col == size) {
    interleave(rows, from, scratch);
  } else {
    gather(rows, from, scratch);
  }
  return scratch;
}

/* Returns the same as floating-point numbers. */
static const void *number_row(const vc_resample_rows *rows, int64_t row) {
  const vc_resample *of = rows->resample;
  const vc_row_kernels *kernels = vc_row_kernels_best();
  const char *from = packed_row(rows, row, rows->raw);
  size_t n = (size_t)of->cols.range.n * (size_t)of->channels;
  if (of->wide) {
    kernels->double_from[of->type](from, (double *)rows->packed, n, 1, -0.0);
  } else {
    kernels->float_from[of->type](from, (float *)rows->packed, n, 1, -0.0f);
  }
  return rows->packed;
}

/* --- VC_RESAMPLE_TAPS: products and sums in ascending order, each rounded */

#define TAPS_COLS(name, number, array)                                                         \
  static void name(const vc_resample_axis *axis, int32_t channels, const number *row,          \
                   number *out) {                                                              \
    for (int64_t d = 0; d < axis->range.count; d++, out += channels) {                         \
      const number *weights = axis->weights.array + axis->at[d];                               \
      number sums[4] = {0};                                                                    \
      for (int32_t i = 0; i < axis->taps[d]; i++) {                                            \
        int64_t at = vc_axis_clamp(axis->first[d] + (int64_t)i, axis->range.n);                \
        for (int32_t c = 0; c < channels; c++) sums[c] += row[at * channels + c] * weights[i]; \
      }                                                                                        \
      for (int32_t c = 0; c < channels; c++) out[c] = sums[c];                                 \
    }                                                                                          \
  }
TAPS_COLS(float_cols, float, floats)
TAPS_COLS(double_cols, double, doubles)

#define ADD_ROW(name, number)                                                  \
  static void name(const void *from, number weight, int64_t n, number *sums) { \
    const number *row = from;                                                  \
    for (int64_t i = 0; i < n; i++) sums[i] += row[i] * weight;                \
  }
ADD_ROW(add_float_row, float)
ADD_ROW(add_double_row, double)

/* --- filtered rows */

static void filter_numbers(const vc_resample_rows *rows, int64_t row, void *out) {
  const vc_resample *of = rows->resample;
  const void *from = number_row(rows, row);
  if (of->wide) {
    double_cols(&of->cols, of->channels, from, out);
  } else {
    float_cols(&of->cols, of->channels, from, out);
  }
}

static void filter(const vc_resample_rows *rows, int64_t row, void *out) {
  const vc_resample *of = rows->resample;
  const vc_resample_kernels *kernels = vc_row_kernels_best()->resample;
  if (of->rule.kind == VC_RESAMPLE_TAPS) {
    filter_numbers(rows, row, out);
    return;
  }
  const uint8_t *from = (const uint8_t *)packed_row(rows, row, rows->packed);
  if (of->rule.kind == VC_RESAMPLE_LINEAR) {
    kernels->linear_cols(&of->cols, of->channels, from, out);
  } else {
    kernels->pillow_cols(&of->cols, of->channels, from, out);
  }
}

static const void *filtered_row(vc_resample_rows *rows, int64_t row) {
  int64_t slot = row % rows->capacity;
  char *filtered = rows->filtered + slot * rows->row_bytes;
  if (rows->held[slot] != row) filter(rows, row, filtered);
  rows->held[slot] = row;
  return filtered;
}

static int64_t sample_row(const vc_resample *of, int64_t d, int32_t i) {
  return vc_axis_clamp(of->rows.first[d] + (int64_t)i, of->rows.range.n);
}

/* Fills the pointers to the filtered rows of a result and returns how many there are. */
static int32_t filtered_rows(vc_resample_rows *rows, int64_t d) {
  const vc_resample *of = rows->resample;
  int32_t count = of->rows.taps[d];
  for (int32_t i = 0; i < count; i++) {
    rows->pointers[i] = filtered_row(rows, sample_row(of, d, i));
  }
  return count;
}

/* --- a row of the result */

/* Pixels that are adjacent and of `bytes` bytes; a constant in each call. */
static inline void nearest_pixels(const vc_resample_axis *axis, const char *from, char *out,
                                  size_t bytes) {
  for (int64_t x = 0; x < axis->range.count; x++, out += bytes) {
    memcpy(out, from + (int64_t)axis->first[x] * (int64_t)bytes, bytes);
  }
}

static void nearest(vc_resample_rows *rows, int64_t d, char *out) {
  const vc_resample *of = rows->resample;
  const vc_resample_axis *axis = &of->cols;
  const vc_resample_image *image = &rows->image;
  if (image->yuv && axis->range.n == axis->range.m) {
    vc_yuv_read_row(image->yuv, image->top + of->rows.first[d], image->left + axis->range.start,
                    axis->range.count, out);
    return;
  }
  const char *from = packed_row(rows, of->rows.first[d], rows->packed);
  size_t bytes = of->size * (size_t)of->channels;
  if (axis->range.n == axis->range.m) {
    memcpy(out, from + (int64_t)bytes * axis->range.start, bytes * (size_t)axis->range.count);
    return;
  }
  switch (bytes) {
    case 1: nearest_pixels(axis, from, out, 1); return;
    case 2: nearest_pixels(axis, from, out, 2); return;
    case 3: nearest_pixels(axis, from, out, 3); return;
    case 4: nearest_pixels(axis, from, out, 4); return;
    case 12: nearest_pixels(axis, from, out, 12); return;
    default: nearest_pixels(axis, from, out, bytes);
  }
}

/* Adds one row of each block of pixels. `channels` is a constant in each call. */
static inline void add_pixels(const vc_resample_axis *axis, const uint8_t *from, int32_t block_cols,
                              const int32_t channels, int64_t *sums) {
  for (int64_t x = 0; x < axis->range.count; x++, sums += channels) {
    const uint8_t *block = from + (int64_t)axis->first[x] * channels;
    int64_t row[4] = {0};
    for (int32_t i = 0; i < block_cols; i++, block += channels) {
      for (int32_t c = 0; c < channels; c++) row[c] += block[c];
    }
    for (int32_t c = 0; c < channels; c++) sums[c] += row[c];
  }
}

static void add_blocks(vc_resample_rows *rows, int64_t row, int64_t *sums) {
  const vc_resample *of = rows->resample;
  int32_t cols = of->rule.block_cols;
  const uint8_t *from = (const uint8_t *)packed_row(rows, row, rows->packed);
  switch (of->channels) {
    case 1: add_pixels(&of->cols, from, cols, 1, sums); return;
    case 2: add_pixels(&of->cols, from, cols, 2, sums); return;
    case 3: add_pixels(&of->cols, from, cols, 3, sums); return;
    default: add_pixels(&of->cols, from, cols, 4, sums);
  }
}

static void blocks(vc_resample_rows *rows, int64_t d, uint8_t *out) {
  const vc_resample *of = rows->resample;
  int64_t n = of->cols.range.count * of->channels;
  int64_t *sums = (int64_t *)rows->filtered;
  memset(sums, 0, (size_t)n * sizeof *sums);
  for (int32_t i = 0; i < of->rule.block_rows; i++) add_blocks(rows, of->rows.first[d] + i, sums);
  for (int64_t i = 0; i < n; i++) out[i] = vc_rule_mean(&of->rule, sums[i]);
}

/* Row kernels that round to 16-bit floating types keep the sign and payload of a NaN. */
static void make_nans_canonical(float *sums, int64_t n) {
  for (int64_t i = 0; i < n; i++) sums[i] = sums[i] == sums[i] ? sums[i] : NAN;
}

/* Rounds a row of sums to elements of the source's type; every NaN becomes canonical. */
static void store_sums(const vc_resample *of, void *sums, int64_t n, void *out) {
  const vc_row_kernels *kernels = vc_row_kernels_best();
  if (of->type == VC_TYPE_F16 || of->type == VC_TYPE_BF16) make_nans_canonical(sums, n);
  if (of->type == VC_TYPE_F32) {
    kernels->float_from[VC_TYPE_F32](sums, out, (size_t)n, 1, -0.0f);
  } else if (of->type == VC_TYPE_F64) {
    kernels->double_from[VC_TYPE_F64](sums, out, (size_t)n, 1, -0.0);
  } else if (of->wide) {
    kernels->from_double[of->type](sums, out, (size_t)n);
  } else {
    kernels->from_float[of->type](sums, out, (size_t)n);
  }
}

static void taps(vc_resample_rows *rows, int64_t d, void *out) {
  const vc_resample *of = rows->resample;
  const vc_resample_axis *axis = &of->rows;
  int64_t n = of->cols.range.count * of->channels;
  memset(rows->sums, 0, (size_t)n * number_size(of));
  for (int32_t i = 0; i < axis->taps[d]; i++) {
    const void *row = filtered_row(rows, sample_row(of, d, i));
    if (of->wide) {
      add_double_row(row, axis->weights.doubles[axis->at[d] + i], n, (double *)rows->sums);
    } else {
      add_float_row(row, axis->weights.floats[axis->at[d] + i], n, (float *)rows->sums);
    }
  }
  store_sums(of, rows->sums, n, out);
}

/* A row whose weight is 0 is not filtered: the other one takes its place. */
static void linear(vc_resample_rows *rows, int64_t d, uint8_t *out) {
  const vc_resample *of = rows->resample;
  const int32_t *weights = of->rows.weights.integers + d;
  const bool counts[2] = {vc_resample_half(weights, 0) != 0, vc_resample_half(weights, 1) != 0};
  const void *both[2];
  for (int i = 0; i < 2; i++) {
    both[i] = filtered_row(rows, sample_row(of, d, counts[i] ? i : 1 - i));
  }
  vc_row_kernels_best()->resample->linear_rows(both[0], both[1], *weights,
                                               of->cols.range.count * of->channels, out);
}

void vc_resample_row(vc_resample_rows *rows, int64_t row, void *out) {
  const vc_resample *of = rows->resample;
  const vc_resample_kernels *kernels = vc_row_kernels_best()->resample;
  const vc_resample_axis *axis = &of->rows;
  const int32_t *weights = axis->weights.integers + axis->at[row];
  int64_t n = of->cols.range.count * of->channels;
  switch (of->rule.kind) {
    case VC_RESAMPLE_NEAREST: nearest(rows, row, out); return;
    case VC_RESAMPLE_BLOCKS: blocks(rows, row, out); return;
    case VC_RESAMPLE_TAPS: taps(rows, row, out); return;
    case VC_RESAMPLE_LINEAR: linear(rows, row, out); return;
    case VC_RESAMPLE_PILLOW: {
      int32_t count = filtered_rows(rows, row);
      kernels->pillow_rows((const uint8_t *const *)rows->pointers, weights, count, n, out);
    }
  }
}
