/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out a plan on the CPU. Its pixels are divided into pieces, which any number of threads
 * take. Each thread begins with a region of its own, the same one at every call for the calling
 * thread, because its core's caches may still hold that; then it helps in the other regions. */
#include <stdatomic.h>

#include "transform/fp_environment.h"
#include "transform/settings.h"
#include "transform/threads.h"
#include "transform/tile.h"

#define MOST_REGIONS 64

typedef struct region {
  _Alignas(64) vc_units units;
} region;

typedef struct pieces {
  vc_tiles tiles;
  int64_t rows;   /* of all images */
  int64_t chunks; /* of one row */
  int64_t chunk;  /* columns of one, but the last of a row */
  int64_t units;  /* rows * chunks */
  int64_t piece;  /* of the units of regions */
  region regions[MOST_REGIONS];
  int32_t regions_used;
  atomic_int arrived; /* threads */
} pieces;

/* Writes one chunk of a row. Chunks after the first start at a cache line, so that no two threads
 * write to the same line; the first one is shorter. */
static void write_unit(const pieces *job, int64_t unit) {
  const vc_plan *plan = job->tiles.plan;
  int64_t row = unit / job->chunks, image = row / plan->rows;
  row %= plan->rows;
  int64_t past = job->chunks > 1 ? vc_tiles_past_line(&job->tiles, image, row) : 0;
  int64_t col = unit % job->chunks * job->chunk - past, end = col + job->chunk;
  if (col < 0) col = 0;
  if (end > plan->cols) end = plan->cols;
  if (col < end) vc_tiles_write(&job->tiles, image, row, col, end - col);
}

static void work(void *context) {
  pieces *job = context;
  vc_fp_environment mode = vc_fp_environment_default();
  int32_t mine = atomic_fetch_add(&job->arrived, 1);
  for (int32_t i = 0; i < job->regions_used; i++) {
    vc_units *units = &job->regions[(mine + i) % job->regions_used].units;
    for (int64_t unit, end; vc_units_take(units, &unit, &end);) {
      for (; unit < end; unit++) write_unit(job, unit);
    }
  }
  if (job->tiles.streams) job->tiles.row_kernels->stream_end();
  vc_fp_environment_restore(mode);
}

static void divide(pieces *job, int64_t pixel_bytes) {
  const vc_plan *plan = job->tiles.plan;
  int64_t wanted = vc_limits.piece_bytes / pixel_bytes, length = job->tiles.length;
  job->chunk = wanted <= length ? length : wanted - wanted % length;
  job->chunks = (plan->cols - 1) / job->chunk + 1;
  if (job->chunks > 1) job->chunks = (plan->cols - 1 + VC_MOST_PAST) / job->chunk + 1;
  job->rows = plan->images * plan->rows;
  job->units = job->rows * job->chunks;
  job->piece = job->chunks > 1 || wanted <= plan->cols ? 1 : wanted / plan->cols;
}

/* Divides the units into one region per thread, of whole pieces. */
static void divide_for(pieces *job, int32_t threads) {
  int32_t regions = threads < MOST_REGIONS ? threads : MOST_REGIONS;
  int64_t whole = (job->units - 1) / job->piece + 1;
  for (int32_t i = 0; i < regions; i++) {
    int64_t from = whole * i / regions * job->piece, end = whole * (i + 1) / regions * job->piece;
    vc_units *units = &job->regions[i].units;
    atomic_init(&units->next, from);
    units->end = end < job->units ? end : job->units;
    units->piece = job->piece;
  }
  job->regions_used = regions;
  atomic_init(&job->arrived, 0);
}

vc_status vc_plan_run_cpu(const vc_plan *plan, vc_error *error) {
  if (plan->geometry) return vc_geometry_run_cpu(plan, error);
  pieces job; /* nothing can fail: all was checked, and nothing is allocated */
  int64_t written = (int64_t)vc_dtype_size(plan->to) * plan->channels;
  int64_t read = (int64_t)vc_dtype_size(plan->from) * plan->from_channels;
  double pixels = (double)plan->images * (double)plan->rows * (double)plan->cols;
  double bytes = pixels * (double)(written + read);
  bool large = bytes > (double)vc_settings_stream_bytes();
  vc_tiles_prepare(plan, vc_row_kernels_best(), large, &job.tiles);
  divide(&job, written + read);
  int32_t threads = vc_settings_threads_for(bytes, plan->threads);
  divide_for(&job, threads);
  vc_threads_run(threads, work, &job);
  return VC_OK;
}
