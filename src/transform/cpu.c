/* SPDX-License-Identifier: Apache-2.0 */
/* Carries a plan out on the CPU: its pixels, in pieces that any number of threads
 * take one after the other. */
#include <stdatomic.h>

#include "transform/float_mode.h"
#include "transform/settings.h"
#include "transform/strip.h"
#include "transform/threads.h"

typedef struct pieces {
  vc_strips strips;
  int64_t rows;   /* of all images */
  int64_t chunks; /* of one row */
  int64_t chunk;  /* columns of one, but the last of a row */
  int64_t units;  /* rows * chunks */
  int64_t piece;  /* units that a thread takes at once */
  atomic_llong next;
} pieces;

/* Chunks after a row's first start at a line of the caches, which no two then share:
 * the first is shorter. */
static void write_unit(const pieces *job, int64_t unit) {
  const vc_plan *plan = job->strips.plan;
  int64_t row = unit / job->chunks, image = row / plan->rows;
  row %= plan->rows;
  int64_t past = job->chunks > 1 ? vc_strips_past_line(&job->strips, image, row) : 0;
  int64_t col = unit % job->chunks * job->chunk - past, end = col + job->chunk;
  if (col < 0) col = 0;
  if (end > plan->cols) end = plan->cols;
  if (col < end) vc_strips_write(&job->strips, image, row, col, end - col);
}

static void work(void *context) {
  pieces *job = context;
  vc_float_mode mode = vc_float_mode_default();
  for (;;) {
    int64_t unit = atomic_fetch_add(&job->next, job->piece);
    if (unit >= job->units) break;
    int64_t end = job->units - unit < job->piece ? job->units : unit + job->piece;
    for (; unit < end; unit++) write_unit(job, unit);
  }
  if (job->strips.streams) job->strips.loops->stream_end();
  vc_float_mode_restore(mode);
}

static void divide(pieces *job, int64_t pixel_bytes) {
  const vc_plan *plan = job->strips.plan;
  int64_t wanted = vc_limits.piece_bytes / pixel_bytes, length = job->strips.length;
  job->chunk = wanted <= length ? length : wanted - wanted % length;
  job->chunks = (plan->cols - 1) / job->chunk + 1;
  if (job->chunks > 1) job->chunks = (plan->cols - 1 + VC_MOST_PAST) / job->chunk + 1;
  job->rows = plan->images * plan->rows;
  job->units = job->rows * job->chunks;
  job->piece = job->chunks > 1 || wanted <= plan->cols ? 1 : wanted / plan->cols;
}

static int32_t count_threads(const vc_plan *plan, double bytes) {
  if (bytes < 2.0 * (double)vc_limits.thread_bytes || plan->threads == 1) return 1;
  int32_t most = vc_settings_threads(plan->threads);
  double useful = bytes / (double)vc_limits.thread_bytes;
  return useful < most ? (int32_t)useful : most;
}

vc_status vc_plan_run_cpu(const vc_plan *plan, vc_error *error) {
  (void)error; /* nothing can fail: all was checked, and nothing is allocated */
  pieces job;
  int64_t written = (int64_t)vc_dtype_size(plan->to) * plan->channels;
  int64_t read = (int64_t)vc_dtype_size(plan->from) * plan->from_channels;
  double pixels = (double)plan->images * (double)plan->rows * (double)plan->cols;
  double bytes = pixels * (double)(written + read);
  bool large = bytes > (double)vc_settings_stream_bytes();
  vc_strips_prepare(plan, vc_loops_best(), large, &job.strips);
  divide(&job, written + read);
  atomic_init(&job.next, 0);
  vc_threads_run(count_threads(plan, bytes), work, &job);
  return VC_OK;
}
