/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out a transform with a resize on the CPU. Its units are rows of the result, which
 * threads take a few at a time. A row is first made in scratch memory as elements of the source,
 * resized and padded; from there it is converted and written as a row of any source is. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/allocate.h"
#include "core/dtype.h"
#include "core/error.h"
#include "transform/fp_environment.h"
#include "transform/geometry/geometry.h"
#include "transform/settings.h"
#include "transform/threads.h"
#include "transform/tile.h"

typedef struct job {
  const vc_plan *plan;
  const vc_geometry *geometry;
  vc_tiles tiles;
  size_t pixel;       /* bytes of a source pixel */
  vc_units units;     /* rows of all images */
  atomic_int arrived; /* threads */
  vc_resample shared; /* of all images, where they have one size */
  size_t row_bytes, table_bytes, scratch_bytes, thread_bytes;
  char *memory, *pad_row, *threads; /* all of it; a row of pad; the threads' parts */
} job;

/* The state of a thread, and of the image that it works on. */
typedef struct worker {
  const job *job;
  char *row, *tables, *scratch;
  int64_t image; /* -1: none yet */
  vc_resample own;
  vc_resample_range rows;       /* of the resized image, those that the result shows */
  int64_t first_row, first_col; /* where these begin in the result */
  vc_resample_rows resampled;
} worker;

/* --- memory */

static vc_resample resample_of(const vc_plan *plan, const vc_geometry_item *item) {
  vc_resample out;
  const vc_geometry *geometry = plan->geometry;
  const vc_placement *at = &item->placement;
  vc_resample_plan(plan->from, plan->from_channels, geometry->interpolation,
                   vc_geometry_range(item->rows, at->rows, at->top, geometry->fit.rows),
                   vc_geometry_range(item->cols, at->cols, at->left, geometry->fit.cols), &out);
  return out;
}

/* Sets the sizes of all memory, the largest that any of the images needs. */
static void measure(job *of) {
  const vc_geometry *geometry = of->geometry;
  int64_t different = geometry->alike ? 1 : geometry->count;
  for (int64_t i = 0; i < different; i++) {
    vc_resample each = resample_of(of->plan, &geometry->items[i]);
    size_t tables = vc_resample_bytes(&each),
           scratch = vc_resample_rounded(vc_resample_scratch(&each));
    if (tables > of->table_bytes) of->table_bytes = tables;
    if (scratch > of->scratch_bytes) of->scratch_bytes = scratch;
  }
  of->row_bytes = vc_resample_rounded((size_t)geometry->fit.cols * of->pixel + 64);
  of->thread_bytes = of->row_bytes + of->scratch_bytes + (geometry->alike ? 0 : of->table_bytes);
}

static void fill_with_pad(const job *of, char *out) {
  size_t bytes = (size_t)of->geometry->fit.cols * of->pixel;
  for (size_t at = 0; at < bytes; at += of->pixel) memcpy(out + at, of->geometry->pad, of->pixel);
}

static vc_status take_memory(job *of, int32_t threads, vc_error *error) {
  size_t shared = of->geometry->alike ? of->table_bytes : 0;
  size_t bytes = shared + of->row_bytes + (size_t)threads * of->thread_bytes;
  of->memory = vc_aligned_alloc(64, vc_resample_rounded(bytes));
  if (!of->memory) {
    return vc_fail(error, VC_ERROR_MEMORY, "no memory (%zu bytes) to resize images in", bytes);
  }
  of->pad_row = of->memory + shared;
  of->threads = of->pad_row + of->row_bytes;
  fill_with_pad(of, of->pad_row);
  if (!of->geometry->alike) return VC_OK;
  of->shared = resample_of(of->plan, &of->geometry->items[0]);
  vc_resample_tables(&of->shared, of->memory);
  return VC_OK;
}

/* --- rows */

static void begin_image(worker *at, int64_t image) {
  const job *of = at->job;
  const vc_geometry_item *item = &of->geometry->items[image];
  const vc_resample *resample = &of->shared;
  if (!of->geometry->alike) {
    at->own = resample_of(of->plan, item);
    vc_resample_tables(&at->own, at->tables);
    resample = &at->own;
  }
  at->image = image;
  at->rows = resample->rows.range;
  at->first_row = item->placement.top + at->rows.start;
  at->first_col = item->placement.left + resample->cols.range.start;
  vc_resample_begin(resample, &item->image, at->scratch, &at->resampled);
  if (resample->cols.range.count < of->geometry->fit.cols) fill_with_pad(of, at->row);
}

static void write_unit(worker *at, int64_t unit) {
  const job *of = at->job;
  int64_t image = unit / of->plan->rows, row = unit % of->plan->rows;
  if (image != at->image) begin_image(at, image);
  int64_t shown = row - at->first_row;
  const char *from = of->pad_row;
  if (shown >= 0 && shown < at->rows.count) {
    vc_resample_row(&at->resampled, shown, at->row + (size_t)at->first_col * of->pixel);
    from = at->row;
  }
  vc_tiles_write_row(&of->tiles, from, image, row);
}

static void work(void *context) {
  job *of = context;
  vc_fp_environment mode = vc_fp_environment_default();
  char *memory = of->threads + (size_t)atomic_fetch_add(&of->arrived, 1) * of->thread_bytes;
  worker at = {.job = of, .row = memory, .scratch = memory + of->row_bytes, .image = -1};
  at.tables = at.scratch + of->scratch_bytes;
  for (int64_t unit, end; vc_units_take(&of->units, &unit, &end);) {
    for (; unit < end; unit++) write_unit(&at, unit);
  }
  if (of->tiles.streams) of->tiles.row_kernels->stream_end();
  vc_fp_environment_restore(mode);
}

/* --- all of it */

/* Returns the number of bytes that are read and written, approximately. */
static double count_bytes(const job *of) {
  const vc_plan *plan = of->plan;
  double written = (double)vc_dtype_size(plan->to) * plan->channels;
  double bytes = (double)plan->images * (double)plan->rows * (double)plan->cols * written;
  for (int64_t i = 0; i < of->geometry->count; i++) {
    const vc_geometry_item *item = &of->geometry->items[i];
    bytes += (double)item->rows * (double)item->cols * (double)of->pixel;
  }
  return bytes;
}

/* Returns the rows of a piece. There are several pieces per thread, but short ones would filter
 * rows of the source that their neighbours filter too. Many images of different sizes are not
 * divided, because each piece computes the tables of its image. */
static int64_t piece_of(const job *of, int32_t threads) {
  enum { SHORTEST = 8, LONGEST = 64, PER_THREAD = 4 };
  if (threads == 1) return of->units.end;
  int64_t pieces = (int64_t)threads * PER_THREAD, piece = of->units.end / pieces;
  if (!of->geometry->alike && of->plan->images >= pieces) return of->plan->rows;
  return piece < SHORTEST ? SHORTEST : piece > LONGEST ? LONGEST : piece;
}

vc_status vc_geometry_run_cpu(const vc_plan *plan, vc_error *error) {
  job of = {.plan = plan, .geometry = plan->geometry};
  of.pixel = vc_dtype_size(plan->from) * (size_t)plan->from_channels;
  double bytes = count_bytes(&of);
  int32_t threads = vc_settings_threads_for(bytes, plan->threads);
  measure(&of);
  VC_TRY(take_memory(&of, threads, error));
  vc_tiles_prepare(plan, vc_row_kernels_best(), bytes > (double)vc_settings_stream_bytes(),
                   &of.tiles);
  of.units.end = plan->images * plan->rows;
  of.units.piece = piece_of(&of, threads);
  atomic_init(&of.units.next, 0);
  atomic_init(&of.arrived, 0);
  vc_threads_run(threads, work, &of);
  free(of.memory);
  return VC_OK;
}
