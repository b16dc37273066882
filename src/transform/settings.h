/* SPDX-License-Identifier: Apache-2.0 */
/* What the environment and the program ask of transforms on the CPU. */
#ifndef VIEWCAST_TRANSFORM_SETTINGS_H
#define VIEWCAST_TRANSFORM_SETTINGS_H

#include <stdint.h>

/* Threads to use at most for a transform with params.threads `asked`. */
int32_t vc_settings_threads(int32_t asked);

struct vc_loops;

/* Constants but for tests, which want every path with small images. */
typedef struct vc_cpu_limits {
  int64_t piece_bytes;  /* read and written, of what a thread takes at once */
  int64_t thread_bytes; /* from how many on a further thread is worth waking */
  int64_t stream_bytes; /* results larger than this only push other things out of the caches */
  const struct vc_loops *loops; /* NULL: the best */
} vc_cpu_limits;

extern vc_cpu_limits vc_limits;

#endif
