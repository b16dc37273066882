/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of transforms on the CPU, from the environment and the program. */
#ifndef VIEWCAST_TRANSFORM_SETTINGS_H
#define VIEWCAST_TRANSFORM_SETTINGS_H

#include <stdint.h>

/* Returns the number of threads to use at most for a transform whose params.threads is `asked`. */
int32_t vc_settings_threads(int32_t asked);

/* Returns the number of threads for a transform that reads and writes so many bytes. */
int32_t vc_settings_threads_for(double bytes, int32_t asked);

struct vc_row_kernels;

/* Limits that tests change so that small images take every path. Constant otherwise. */
typedef struct vc_cpu_limits {
  int64_t piece_bytes;  /* bytes read and written of the piece that a thread takes at once */
  int64_t thread_bytes; /* bytes read and written that make another thread worth waking */
  /* Transforms that read and write more bytes than this use non-temporal stores. Negative:
   * use the size of the last-level cache. */
  int64_t stream_bytes;
  const struct vc_row_kernels *row_kernels; /* NULL: the best */
} vc_cpu_limits;

extern vc_cpu_limits vc_limits;

/* Returns vc_limits.stream_bytes, or the size of the last-level cache where that is negative. */
int64_t vc_settings_stream_bytes(void);

#endif
