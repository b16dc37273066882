/* SPDX-License-Identifier: Apache-2.0 */
/* RGB in host memory to the planes of a YUV image. */
#include <stdatomic.h>
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/overlap.h"
#include "internal.h"
#include "transform/colour/colour.h"
#include "transform/plan_parts.h"
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

static void write_unit(const job *of, int64_t unit) {
  int64_t row = unit << of->to.row_shift, height = 1 << of->to.row_shift;
  int64_t step = 1 << of->to.col_shift;
  if (height > of->rows - row) height = of->rows - row;
  for (int64_t y = row; y < row + height; y++) {
    for (int64_t x = 0; x < of->cols; x++) {
      int32_t pixel[3] = {0};
      add_pixel(of, y, x, pixel);
      store(of, 0, y, x, vc_rgb_to_sample(&of->rule, 0, pixel, 0));
    }
  }
  for (int64_t x = 0; x < of->cols; x += step) {
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
  run(&of);
  return VC_OK;
}
