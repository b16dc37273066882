/* SPDX-License-Identifier: Apache-2.0 */
/* The end of what was handed out: owners are released at once, or put on a
 * list that vc_collect drains. */
#ifndef VIEWCAST_CORE_OWNER_H
#define VIEWCAST_CORE_OWNER_H

#include <stdatomic.h>

#include <viewcast/viewcast.h>

/* The part of a lend or an export that outlives its consumer. It lies inside
 * the allocation of what it belongs to; `next` is the list's. */
typedef struct vc_record {
  struct vc_record *next;
  vc_owner owner;
  void (*finish)(struct vc_record *record);
} vc_record;

/* Ends a record. Releases the owner now if that is allowed on this thread, or if the hook of
 * vc_collect_here did so, then calls finish(record), which frees the record and counts.
 * Otherwise queues the record for vc_collect, and calls the notify function if the queue was
 * empty. Never blocks or allocates. */
void vc_retire(vc_record *record);

/* The same for an owner that has no record yet, in two parts, so that the first can fail
 * before anything was done. vc_retire_prepare allocates what vc_retire_owner may need: *out
 * is NULL for an owner (may be NULL) that is released on the calling thread. vc_retire_owner
 * takes *owner and what was prepared for it; a preparation that is not used is for free(). */
vc_status vc_retire_prepare(const vc_owner *owner, vc_record **out, vc_error *error);
void vc_retire_owner(vc_owner *owner, vc_record *prepared);

/* Sweeper for lends of an OpenCV that cannot report their end; set once, before
 * the first lend. vc_collect calls `sweep` each time it has drained the list,
 * unless `pending` (which may be NULL) says that there is nothing to look at.
 * `sweep` returns how many lends it released; it may run on several threads at
 * a time, but vc_collect does not enter it from inside itself. */
void vc_collect_set_sweeper(size_t (*sweep)(bool force), bool (*pending)(void));

/* Behind vc_statistics: the sum of all sets. One set is enough where threads take turns
 * (CPython's GIL). Where they do not, they would wait for one another at each count, so
 * that there is a set for each, as far as the address of its stack tells. */
#ifdef VC_COUNTERS_APART
enum { VC_COUNTER_SETS = 64 };

static inline unsigned vc_counter_set(void) {
  uint64_t stack = (uint64_t)(uintptr_t)__builtin_frame_address(0) >> 18;
  return (unsigned)(stack * 0x9E3779B97F4A7C15u >> 58);
}
#else
enum { VC_COUNTER_SETS = 1 };

static inline unsigned vc_counter_set(void) { return 0; }
#endif

extern struct vc_counters {
  _Alignas(128) _Atomic uint64_t lends;
  _Atomic uint64_t lends_released, shares, shares_released, exports, exports_released, pending,
      pool_blocks, pool_bytes, pool_hits, pool_misses, pool_live;
} vc_counters[VC_COUNTER_SETS];

#define VC_COUNT(name, by) \
  atomic_fetch_add_explicit(&vc_counters[vc_counter_set()].name, by, memory_order_relaxed)
#define VC_DISCOUNT(name, by) \
  atomic_fetch_sub_explicit(&vc_counters[vc_counter_set()].name, by, memory_order_relaxed)

#endif
