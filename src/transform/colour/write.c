/* SPDX-License-Identifier: Apache-2.0 */
/* RGB in host memory to the planes of a YUV image. */
#include <stdatomic.h>
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/overlap.h"
#include "internal.h"
#include "transform/colour/write_row.h"
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

static vc_status check_place(const vc_view *from, const vc_view *to, vc_error *error) {
  if (!vc_device_is_gpu(from->device) && !vc_device_is_gpu(to->device)) return VC_OK;
  return vc_fail(error, VC_ERROR_DEVICE,
                 "%s in GPU memory, and RGB becomes YUV in host memory only; copy it to the host "
                 "first (%s)",
                 vc_device_is_gpu(from->device) ? "the image is" : "the planes are",
                 vc_advice_text(VC_ADVICE_TO_HOST));
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
  int32_t order[3]; /* the source's channels that are R, G and B */
  bool vectors;     /* whole blocks are written by vectors */
  int64_t units, piece;
  atomic_llong next;
} job;

static void store(const job *of, int32_t which, int64_t row, int64_t col, int32_t value) {
  const vc_yuv_source *to = &of->to;
  char *at = (char *)(uintptr_t)to->data[which] + row * to->row[which] + col * to->col[which];
  if (to->bits == 8) {
    *(uint8_t *)at = (uint8_t)value;
  } else {
    uint16_t word = (uint16_t)(value << to->unused);
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

/* --- samples of 8 bits of packed pixels, a piece of a row at a time */

#if defined(__x86_64__)

enum { PIECE = 512 };

/* R, G and B of a piece of up to two rows; what chroma is computed from; and samples. */
typedef struct {
  uint8_t rows[2][3][PIECE + VC_RGB_SPARE];
  int16_t sums[3][PIECE / 2 + VC_RGB_SPARE];
  uint8_t samples[PIECE + VC_RGB_SPARE];
} scratch;

static bool has_vectors(const job *of) {
  return of->to.bits == 8 && of->rule.shift != 0 && of->strides.channel == 1 &&
         of->strides.col == 3 && vc_row_kernels_best() == &vc_row_kernels_avx2;
}

static void store_row(const job *of, int32_t which, int64_t row, int64_t col, int64_t count,
                      const uint8_t *samples) {
  const vc_yuv_source *to = &of->to;
  char *at = (char *)(uintptr_t)to->data[which] + row * to->row[which] + col * to->col[which];
  if (to->col[which] == 1) {
    memcpy(at, samples, (size_t)count);
    return;
  }
  for (int64_t i = 0; i < count; i++, at += to->col[which]) *(uint8_t *)at = samples[i];
}

static void write_luma_piece(const job *of, int64_t row, int64_t col, int64_t count,
                             uint8_t planes[3][PIECE + VC_RGB_SPARE], uint8_t *samples) {
  void *split[3];
  const uint8_t *const rows[3] = {planes[0], planes[1], planes[2]};
  for (int32_t c = 0; c < 3; c++) split[of->order[c]] = planes[c];
  vc_row_kernels_best()->split[0][1](of->from + row * of->strides.row + col * 3, split,
                                     (size_t)count);
  vc_rgb_bytes_avx2(&of->rule, 0, rows, count, samples);
  store_row(of, 0, row, col, count, samples);
}

/* Fills the sums of `count` whole blocks and returns the logarithm of their size. */
static int32_t add_blocks(const job *of, int64_t count, scratch *space) {
  bool tall = of->to.row_shift;
  for (int32_t c = 0; c < 3; c++) {
    if (of->rule.first_only) {
      for (int64_t i = 0; i < count; i++) space->sums[c][i] = space->rows[0][c][2 * i];
    } else {
      vc_rgb_add_avx2(space->rows[0][c], tall ? space->rows[1][c] : NULL, count, space->sums[c]);
    }
  }
  return of->rule.first_only ? 0 : 1 + tall;
}

static void write_chroma_piece(const job *of, int64_t row, int64_t col, int64_t count,
                               scratch *space) {
  const uint8_t *const bytes[3] = {space->rows[0][0], space->rows[0][1], space->rows[0][2]};
  const int16_t *const sums[3] = {space->sums[0], space->sums[1], space->sums[2]};
  int64_t blocks = count >> of->to.col_shift;
  int32_t log = of->to.col_shift ? add_blocks(of, blocks, space) : 0;
  for (int32_t which = 1; which < 3; which++) {
    if (of->to.col_shift) {
      vc_rgb_sums_avx2(&of->rule, which, sums, log, blocks, space->samples);
    } else {
      vc_rgb_bytes_avx2(&of->rule, which, bytes, blocks, space->samples);
    }
    store_row(of, which, row >> of->to.row_shift, col >> of->to.col_shift, blocks, space->samples);
  }
}

/* Writes whole blocks of a unit, which has all its rows, and returns how many columns they have. */
static int64_t write_vectors(const job *of, int64_t row, int64_t height) {
  scratch space;
  int64_t all = of->cols >> of->to.col_shift << of->to.col_shift;
  if (!of->vectors || height != 1 << of->to.row_shift) return 0;
  memset(&space, 0, sizeof space); /* vectors read a little more than was written */
  for (int64_t col = 0; col < all; col += PIECE) {
    int64_t count = all - col < PIECE ? all - col : PIECE;
    for (int64_t y = 0; y < height; y++) {
      write_luma_piece(of, row + y, col, count, space.rows[y], space.samples);
    }
    write_chroma_piece(of, row, col, count, &space);
  }
  return all;
}

#else
static bool has_vectors(const job *of) { return (void)of, false; }
static int64_t write_vectors(const job *of, int64_t row, int64_t height) {
  return (void)of, (void)row, (void)height, 0;
}
#endif

static void write_unit(const job *of, int64_t unit) {
  int64_t row = unit << of->to.row_shift, height = 1 << of->to.row_shift;
  int64_t step = 1 << of->to.col_shift;
  if (height > of->rows - row) height = of->rows - row;
  int64_t done = write_vectors(of, row, height);
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
  for (;;) {
    int64_t unit = atomic_fetch_add(&of->next, of->piece);
    if (unit >= of->units) break;
    int64_t end = of->units - unit < of->piece ? of->units : unit + of->piece;
    for (; unit < end; unit++) write_unit(of, unit);
  }
}

static void run(job *of) {
  enum { PER_THREAD = 4 };
  double bytes = 4.5 * (double)of->rows * (double)of->cols;
  int32_t threads = vc_settings_threads_for(bytes, 0);
  of->units = (of->rows + (1 << of->to.row_shift) - 1) >> of->to.row_shift;
  of->piece = of->units / (threads * PER_THREAD) + 1;
  atomic_init(&of->next, 0);
  vc_threads_run(threads, work, of);
}

/* --- all of it */

static vc_status check_all(const vc_yuv *to, const vc_view *from, const vc_images *read, job *of,
                           vc_error *error) {
  vc_view image;
  VC_TRY(vc_view_check(from, error));
  VC_TRY(vc_yuv_read(to, &of->to, &image, error));
  VC_TRY(check_source(from, read, error));
  VC_TRY(check_place(from, &image, error));
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
                       bool reverse_channels, vc_error *error) {
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
  vc_images read = vc_plan_read_images(from, layout);
  VC_TRY(check_all(to, from, &read, &of, error));
  if (vc_view_is_empty(from)) return VC_OK;
  vc_rgb_rule_make(vc_yuv_layout_of(to->format), to->matrix, to->range, &of.rule);
  of.from = from->data;
  of.strides = read.strides;
  of.rows = read.rows;
  of.cols = read.cols;
  for (int32_t c = 0; c < 3; c++) of.order[c] = reverse_channels ? 2 - c : c;
  of.vectors = has_vectors(&of);
  run(&of);
  return VC_OK;
}
