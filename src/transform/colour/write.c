/* SPDX-License-Identifier: Apache-2.0 */
/* RGB to the planes of a YUV image: the checks, and the work in host memory. */
#include <stdatomic.h>
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/overlap.h"
#include "cuda/device.h"
#include "internal.h"
#include "transform/colour/write_row.h"
#include "transform/dispatch.h"
#include "transform/fp_environment.h"
#include "transform/plan_parts.h"
#include "transform/row.h"
#include "transform/settings.h"
#include "transform/threads.h"

/* --- checks */

static vc_status check_source(const vc_view *from, const vc_images *read, vc_error *error) {
  if (from->dtype.code != VC_UINT || from->dtype.bits != 8) {
    return vc_fail(error, VC_ERROR_DTYPE, "the image is %s, needs uint8: RGB of 0 to 255",
                   vc_dtype_name(from->dtype));
  }
  if (from->ndim == 3 && read->channels == 3) return VC_OK;
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "the image has rank %d and %lld channels, needs rank 3 and the channels R, G and "
                 "B; drop alpha or spread grey to three channels first",
                 (int)from->ndim, (long long)read->channels);
}

static vc_status check_memory(const vc_view *from, const vc_view *planes, size_t count,
                              vc_error *error) {
  vc_overlap found;
  for (size_t i = 0; i < count; i++) {
    if (!planes[i].readonly) continue;
    return vc_fail(error, VC_ERROR_VALUE, "plane %zu is read-only, needs memory to write to", i);
  }
  VC_TRY(vc_overlap_find(planes, count, from, 1, &found, error));
  switch (found.kind) {
    case VC_OVERLAPS_NOTHING: return VC_OK;
    case VC_OVERLAPS_ITSELF:
      return vc_fail(error, VC_ERROR_LAYOUT,
                     "plane %zu has elements that share memory, needs memory for each of them",
                     found.to);
    case VC_OVERLAPS_DESTINATION:
      return vc_fail(error, VC_ERROR_VALUE,
                     "planes %zu and %zu share memory, need memory of their own", found.to,
                     found.other);
    default:
      return vc_fail(error, VC_ERROR_VALUE,
                     "plane %zu shares memory with the image: it would be read after it was "
                     "written; %s",
                     found.to, vc_advice_text(VC_ADVICE_OTHER_MEMORY));
  }
}

/* --- the work: blocks of rows that share a row of chroma */

typedef struct {
  vc_yuv_source to; /* the planes, as they are read, too */
  vc_rgb_rule rule;
  const char *from;
  vc_strides strides;
  int64_t rows, cols;
  int32_t order[3];              /* the source's channels that are R, G and B */
  const vc_rgb_kernels *kernels; /* NULL: there are none */
  vc_rgb_parts parts[3];         /* of Y, U and V for them */
  vc_rgb_doubles doubles[3];
  bool packed; /* the kernel `blocks` can be used, with these parts */
  vc_rgb_parts block_parts[3];
  vc_units units;
} job;

static char *place_of(const job *of, int32_t which, int64_t row, int64_t col) {
  const vc_yuv_source *to = &of->to;
  return (char *)(uintptr_t)to->data[which] + row * to->row[which] + col * to->col[which];
}

static void store(const job *of, int32_t which, int64_t row, int64_t col, int32_t value) {
  char *at = place_of(of, which, row, col);
  if (of->to.bits == 8) {
    *(uint8_t *)at = (uint8_t)value;
  } else {
    uint16_t word = (uint16_t)(value << of->to.unused);
    memcpy(at, &word, sizeof word);
  }
}

static void add_pixel(const job *of, int64_t row, int64_t col, int32_t sums[3]) {
  const char *at = of->from + row * of->strides.row + col * of->strides.col;
  for (int32_t c = 0; c < 3; c++) {
    sums[c] += *(const uint8_t *)(at + of->order[c] * of->strides.channel);
  }
}

/* Writes the chroma of the pixels from row, col on, of which there are `height` x `width`. */
static void write_chroma(const job *of, int64_t row, int64_t col, int64_t height, int64_t width) {
  int32_t sums[3] = {0}, log = (height == 2) + (width == 2);
  if (of->rule.first_only) {
    height = width = 1;
    log = 0;
  }
  for (int64_t y = row; y < row + height; y++) {
    for (int64_t x = col; x < col + width; x++) add_pixel(of, y, x, sums);
  }
  for (int32_t which = 1; which < 3; which++) {
    store(of, which, row >> of->to.row_shift, col >> of->to.col_shift,
          vc_rgb_to_sample(&of->rule, which, sums, log));
  }
}

/* --- several samples at a time: a piece of a row, whose R, G and B are copied into rows */

enum { PIECE = 512 };

/* R, G and B of a piece of up to two rows; their sums; and samples of Y, U and V. */
typedef struct {
  uint8_t rows[2][3][PIECE + VC_RGB_SPARE];
  int16_t sums[3][PIECE + VC_RGB_SPARE];
  uint16_t samples[3][PIECE + VC_RGB_SPARE]; /* bytes for 8 bits */
} scratch;

static vc_rgb_parts parts_of(const vc_rgb_rule *rule, int32_t which, int32_t log) {
  const vc_rgb_channel *channel = &rule->channels[which];
  const int32_t bits = rule->shift > VC_RGB_UNITS ? rule->shift - VC_RGB_UNITS : 0;
  const int64_t unit = (int64_t)1 << (VC_RGB_UNITS + bits - rule->shift);
  const int64_t factors[3] = {channel->r * unit, channel->g * unit, channel->b * unit};
  const int64_t offset = channel->half >> rule->shift;
  const int64_t half = (channel->half - (offset << rule->shift)) * unit * (1 << log);
  vc_rgb_parts out = {.low_bits = bits, .shift = VC_RGB_UNITS + log, .top = rule->top};
  for (int c = 0; c < 3; c++) {
    out.high[c] = (int32_t)((factors[c] + (bits ? (int64_t)1 << (bits - 1) : 0)) >> bits);
    out.low[c] = (int32_t)(factors[c] - out.high[c] * ((int64_t)1 << bits));
  }
  out.half_high = (int32_t)(half >> bits);
  out.half_low = (int32_t)(half & (((int64_t)1 << bits) - 1));
  out.offset = (int32_t)offset;
  return out;
}

static vc_rgb_doubles doubles_of(const job *of, int32_t which, int32_t log) {
  const vc_rgb_channel *channel = &of->rule.channels[which];
  const double unit = 1 / (double)((int64_t)1 << of->rule.shift), part = unit / (1 << log);
  vc_rgb_doubles out = {.half = (double)channel->half * unit, .top = of->rule.top};
  out.factors[0] = (double)channel->r * part;
  out.factors[1] = (double)channel->g * part;
  out.factors[2] = (double)channel->b * part;
  out.unused = of->to.unused;
  return out;
}

/* Selects the kernels and what they compute with. */
static void prepare_kernels(job *of) {
  const int32_t log = of->rule.first_only ? 0 : of->to.col_shift + of->to.row_shift;
  of->kernels = vc_row_kernels_best()->write_yuv;
  for (int32_t which = 0; which < 3; which++) {
    of->parts[which] = parts_of(&of->rule, which, which == 0 ? 0 : log);
    of->doubles[which] = doubles_of(of, which, which == 0 ? 0 : log);
    vc_rgb_parts *block = &of->block_parts[which];
    *block = of->parts[which];
    for (int32_t c = 0; c < 3; c++) {
      block->high[of->order[c]] = of->parts[which].high[c];
      block->low[of->order[c]] = of->parts[which].low[c];
    }
  }
  of->packed = of->kernels && of->kernels->blocks && of->strides.channel == 1 &&
               of->strides.col == 3 && of->to.bits == 8 && of->to.col[0] == 1 && of->to.col_shift &&
               of->to.row_shift;
}

/* Copies R, G and B of `count` pixels into rows. */
static void take_apart(const job *of, int64_t row, int64_t col, int64_t count,
                       uint8_t planes[3][PIECE + VC_RGB_SPARE]) {
  const char *from = of->from + row * of->strides.row + col * of->strides.col;
  void *split[3];
  for (int32_t c = 0; c < 3; c++) split[of->order[c]] = planes[c];
  if (of->strides.channel == 1 && of->strides.col == 3) {
    vc_row_kernels_best()->split[0][1](from, split, (size_t)count);
    return;
  }
  for (int32_t c = 0; c < 3; c++) {
    vc_row_kernels_best()->gather[0](from + c * of->strides.channel, of->strides.col, split[c],
                                     (size_t)count);
  }
}

/* Computes samples of each pixel of a row. */
static void compute_each(const job *of, int32_t which, uint8_t rows[3][PIECE + VC_RGB_SPARE],
                         int64_t count, scratch *space) {
  const uint8_t *const bytes[3] = {rows[0], rows[1], rows[2]};
  if (of->to.bits == 8) {
    of->kernels->bytes(&of->parts[which], bytes, count, (uint8_t *)space->samples[which]);
  } else {
    of->kernels->words(&of->doubles[which], bytes, count, space->samples[which]);
  }
}

/* Computes chroma of `count` whole wide blocks from their sums or their first pixels. */
static void compute_blocks(const job *of, int32_t which, int64_t count, scratch *space) {
  const int16_t *const sums[3] = {space->sums[0], space->sums[1], space->sums[2]};
  const uint8_t *const first[3] = {space->rows[0][0], space->rows[0][1], space->rows[0][2]};
  if (of->rule.first_only) {
    of->kernels->firsts(&of->parts[which], first, count, (uint8_t *)space->samples[which]);
  } else if (of->to.bits == 8) {
    of->kernels->sums(&of->parts[which], sums, count, (uint8_t *)space->samples[which]);
  } else {
    of->kernels->word_sums(&of->doubles[which], sums, count, space->samples[which]);
  }
}

static void add_blocks(const job *of, int64_t count, scratch *space) {
  if (of->rule.first_only) return;
  for (int32_t c = 0; c < 3; c++) {
    const uint8_t *below = of->to.row_shift ? space->rows[1][c] : NULL;
    of->kernels->add(space->rows[0][c], below, count, space->sums[c]);
  }
}

static void store_row(const job *of, int32_t which, int64_t row, int64_t col, int64_t count,
                      const scratch *space) {
  const bool deep = of->to.bits > 8;
  char *at = place_of(of, which, row, col);
  if (of->to.col[which] == 1 + deep) {
    memcpy(at, space->samples[which], (size_t)count << deep);
  } else {
    vc_row_kernels_best()->scatter[deep](space->samples[which], at, of->to.col[which],
                                         (size_t)count);
  }
}

/* Stores U and V. */
static void store_chroma(const job *of, int64_t row, int64_t col, int64_t count,
                         const scratch *space) {
  const int64_t size = of->to.bits > 8 ? 2 : 1;
  char *u = place_of(of, 1, row, col), *v = place_of(of, 2, row, col);
  if (of->to.col[1] == 2 * size && (v - u == size || u - v == size)) {
    const void *const pairs[2] = {space->samples[u < v ? 1 : 2], space->samples[u < v ? 2 : 1]};
    vc_row_kernels_best()->merge[size - 1][0](pairs, u < v ? u : v, (size_t)count);
    return;
  }
  for (int32_t which = 1; which < 3; which++) store_row(of, which, row, col, count, space);
}

static void write_chroma_piece(const job *of, int64_t row, int64_t col, int64_t count,
                               scratch *space) {
  int64_t blocks = count >> of->to.col_shift;
  if (of->to.col_shift) add_blocks(of, blocks, space);
  for (int32_t which = 1; which < 3; which++) {
    if (of->to.col_shift) {
      compute_blocks(of, which, blocks, space);
    } else {
      compute_each(of, which, space->rows[0], blocks, space);
    }
  }
  store_chroma(of, row >> of->to.row_shift, col >> of->to.col_shift, blocks, space);
}

/* Writes blocks of 2 x 2 of packed pixels without a copy of these, and returns how many columns
 * they have. */
static int64_t write_packed(const job *of, int64_t row, int64_t all, scratch *space) {
  const uint8_t *rows[2];
  int64_t col = 0, now = PIECE;
  if (!of->packed) return 0;
  for (int y = 0; y < 2; y++) rows[y] = (const uint8_t *)of->from + (row + y) * of->strides.row;
  for (; col < all && now == PIECE; col += now) {
    uint8_t *luma[2], *chroma[2];
    for (int i = 0; i < 2; i++) {
      luma[i] = (uint8_t *)place_of(of, 0, row + i, col);
      chroma[i] = (uint8_t *)space->samples[1 + i];
    }
    now = all - col < PIECE ? all - col : PIECE;
    now = of->kernels->blocks(of->block_parts, of->rule.first_only,
                              (const uint8_t *const[]){rows[0] + 3 * col, rows[1] + 3 * col}, now,
                              luma, chroma);
    store_chroma(of, row / 2, col / 2, now / 2, space);
  }
  return col;
}

/* Writes whole blocks of a unit, which has all its rows, and returns how many columns they have. */
static int64_t write_vectors(const job *of, int64_t row, int64_t height, scratch *space) {
  int64_t all = of->cols >> of->to.col_shift << of->to.col_shift;
  if (!of->kernels || height != 1 << of->to.row_shift) return 0;
  for (int64_t col = write_packed(of, row, all, space); col < all; col += PIECE) {
    int64_t count = all - col < PIECE ? all - col : PIECE;
    for (int64_t y = 0; y < height; y++) {
      take_apart(of, row + y, col, count, space->rows[y]);
      compute_each(of, 0, space->rows[y], count, space);
      store_row(of, 0, row + y, col, count, space);
    }
    write_chroma_piece(of, row, col, count, space);
  }
  return all;
}

static void write_unit(const job *of, int64_t unit, scratch *space) {
  int64_t row = unit << of->to.row_shift, height = 1 << of->to.row_shift;
  int64_t step = 1 << of->to.col_shift;
  if (height > of->rows - row) height = of->rows - row;
  int64_t done = write_vectors(of, row, height, space);
  for (int64_t y = row; y < row + height; y++) {
    for (int64_t x = done; x < of->cols; x++) {
      int32_t pixel[3] = {0};
      add_pixel(of, y, x, pixel);
      store(of, 0, y, x, vc_rgb_to_sample(&of->rule, 0, pixel, 0));
    }
  }
  for (int64_t x = done; x < of->cols; x += step) {
    write_chroma(of, row, x, height, step < of->cols - x ? step : of->cols - x);
  }
}

static void work(void *context) {
  job *of = context;
  vc_fp_environment mode = vc_fp_environment_default();
  scratch space;
  memset(&space, 0, sizeof space); /* vectors read a little more than was written */
  for (int64_t unit, end; vc_units_take(&of->units, &unit, &end);) {
    for (; unit < end; unit++) write_unit(of, unit, &space);
  }
  vc_fp_environment_restore(mode);
}

static void run(job *of) {
  enum { PER_THREAD = 4 };
  double bytes = 4.5 * (double)of->rows * (double)of->cols;
  int32_t threads = vc_settings_threads_for(bytes, 0);
  of->units.end = (of->rows + (1 << of->to.row_shift) - 1) >> of->to.row_shift;
  of->units.piece = of->units.end / (threads * PER_THREAD) + 1;
  atomic_init(&of->units.next, 0);
  vc_threads_run(threads, work, of);
}

/* --- the work on a GPU */

static vc_status run_gpu(const job *of, int32_t device, vc_stream stream, vc_error *error) {
  vc_launch launch;
  vc_yuv_writing writing = {.from_row = of->strides.row,
                            .from_col = of->strides.col,
                            .rows = of->rows,
                            .cols = of->cols,
                            .rule = of->rule};
  for (int32_t c = 0; c < 3; c++) writing.from[c] = of->from + of->order[c] * of->strides.channel;
  VC_TRY(vc_dispatch_yuv_write(&of->to, &writing, &launch, error));
  return vc_launch_run(&launch, device, stream, true, error);
}

/* --- all of it */

static vc_status check_all(const vc_yuv *to, const vc_view *from, const vc_images *read, job *of,
                           vc_error *error) {
  vc_view image;
  VC_TRY(vc_view_check(from, error));
  VC_TRY(vc_yuv_read(to, &of->to, &image, error));
  VC_TRY(check_source(from, read, error));
  VC_TRY(vc_plan_check_place(&image, from, error));
  VC_TRY(vc_plan_check_device(&image, error));
  if (to->depth != 8) {
    return vc_fail(error, VC_ERROR_ARGUMENT, "to->depth is %d, needs 8: RGB is uint8",
                   (int)to->depth);
  }
  if (read->rows != image.shape[0] || read->cols != image.shape[1]) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "the image has H = %lld, W = %lld and plane Y H = %lld, W = %lld, needs the "
                   "same size",
                   (long long)read->rows, (long long)read->cols, (long long)image.shape[0],
                   (long long)image.shape[1]);
  }
  return check_memory(from, to->planes, (size_t)vc_yuv_layout_of(to->format)->planes, error);
}

vc_status vc_yuv_write(const vc_yuv *to, const vc_view *from, vc_layout layout,
                       bool reverse_channels, vc_stream stream, vc_error *error) {
  job of;
  VC_NEED(to);
  VC_NEED(from);
  if (layout != VC_INTERLEAVED && layout != VC_PLANAR) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "layout is %d, needs VC_INTERLEAVED (0) or VC_PLANAR (1)", (int)layout);
  }
  if (from->ndim < 2 || from->ndim > VC_MAX_NDIM) {
    return vc_fail(error, VC_ERROR_LAYOUT, "the image has rank %d, needs (H, W, 3) or (3, H, W)",
                   (int)from->ndim);
  }
  VC_TRY(vc_stream_check(stream, error));
  vc_images read = vc_plan_read_images(from, layout);
  VC_TRY(check_all(to, from, &read, &of, error));
  if (vc_view_is_empty(from)) return VC_OK;
  vc_rgb_rule_make(vc_yuv_layout_of(to->format), to->matrix, to->range, &of.rule);
  of.from = from->data;
  of.strides = read.strides;
  of.rows = read.rows;
  of.cols = read.cols;
  for (int32_t c = 0; c < 3; c++) of.order[c] = reverse_channels ? 2 - c : c;
  if (vc_device_is_gpu(from->device)) return run_gpu(&of, from->device.id, stream, error);
  prepare_kernels(&of);
  run(&of);
  return VC_OK;
}
