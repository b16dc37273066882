/* SPDX-License-Identifier: Apache-2.0 */
/* A few helper threads for large images. They start when first needed and sleep in between; a
 * forked child starts its own. They end before the code of the library is unloaded. */
#ifndef VIEWCAST_TRANSFORM_THREADS_H
#define VIEWCAST_TRANSFORM_THREADS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Units of work that threads take a few at a time. */
typedef struct vc_units {
  atomic_llong next; /* the first that nobody has taken */
  int64_t end;
  int64_t piece; /* units that a thread takes at once */
} vc_units;

/* Takes the next units, *first to *end - 1. Returns false if there are none left. */
static inline bool vc_units_take(vc_units *units, int64_t *first, int64_t *end) {
  *first = atomic_fetch_add(&units->next, units->piece);
  if (*first >= units->end) return false;
  *end = units->end - *first < units->piece ? units->end : *first + units->piece;
  return true;
}

/* Calls work(context) on this thread and, as far as helpers are free, on up to `threads` - 1
 * helpers; returns after all of these calls have returned. Each call takes pieces of the work
 * until there are none left, so that the result does not depend on the number of calls. May be
 * called from several threads at a time, but not from `work`. */
void vc_threads_run(int32_t threads, void (*work)(void *context), void *context);

/* Returns the number of cores that the calling thread may run on, no more than the cgroup's
 * quota. */
int32_t vc_cpu_count(void);

#endif
