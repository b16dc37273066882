/* SPDX-License-Identifier: Apache-2.0 */
/* What the environment and the program ask of transforms on the CPU. */
#ifndef VIEWCAST_TRANSFORM_SETTINGS_H
#define VIEWCAST_TRANSFORM_SETTINGS_H

#include <stdint.h>

/* Threads to use at most for a transform with params.threads `asked`. */
int32_t vc_settings_threads(int32_t asked);

struct vc_row_kernels;

/* Constants, which only tests change: they want every path with small images. */
typedef struct vc_cpu_limits {
  int64_t piece_bytes;  /* bytes read and written of the piece that a thread takes at once */
  int64_t thread_bytes; /* bytes read and written that make another thread worth waking */
  /* Transforms that read and write more bytes than this use non-temporal stores. Negative:
   * use the size of the last-level cache. */
  int64_t stream_bytes;
  const struct vc_row_kernels *loops; /* NULL: the best */
} vc_cpu_limits;

extern vc_cpu_limits vc_limits;

/* vc_limits.stream_bytes, in numbers. */
int64_t vc_settings_stream_bytes(void);

#endif
