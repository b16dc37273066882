/* SPDX-License-Identifier: Apache-2.0 */
/* A few threads of our own that help with large images. They start when first
 * needed and sleep in between; a forked child starts its own. They end before the code
 * of the library is unloaded. */
#ifndef VIEWCAST_TRANSFORM_THREADS_H
#define VIEWCAST_TRANSFORM_THREADS_H

#include <stdint.h>

/* Calls work(context) on this thread and, as far as threads are free, on up to
 * `threads` - 1 others, and returns once all of these calls did. Each call takes
 * pieces of the work until there are none, so that it is right with any number
 * of them. May be called from several threads at a time, not from `work`. */
void vc_threads_run(int32_t threads, void (*work)(void *context), void *context);

/* Cores that the calling thread may run on, no more than the cgroup's quota. */
int32_t vc_cpu_count(void);

#endif
