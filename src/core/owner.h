/* SPDX-License-Identifier: Apache-2.0 */
/* The end of lends and exports: an owner is released at once, or its record is put on the
 * list that vc_collect drains. */
#ifndef VIEWCAST_CORE_OWNER_H
#define VIEWCAST_CORE_OWNER_H

#include <stdatomic.h>

#include <viewcast/viewcast.h>

/* The owner of the memory that was lent or exported, and how to end the record. A record is a
 * member of the lend or export that it belongs to; `next` links the list. */
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

/* The same for an owner that has no record yet, in two calls, so that the only one that can
 * fail comes before anything is done. vc_retire_prepare allocates the record that
 * vc_retire_owner may need: *out is NULL for an owner (may be NULL) that can be released on
 * the calling thread. vc_retire_owner takes *owner and the record; a record that is not used
 * is freed with free(). */
vc_status vc_retire_prepare(const vc_owner *owner, vc_record **out, vc_error *error);
void vc_retire_owner(vc_owner *owner, vc_record *prepared);

/* Sets the function that finds the lends that have ended where OpenCV cannot report it; set
 * once, before the first lend. vc_collect calls `function` each time it has drained the list,
 * unless `pending` (may be NULL) returns false. `function` returns how many lends it released.
 * It may run on several threads at a time, but a vc_collect inside of it does not call it
 * again. */
void vc_collect_set_sweeper(size_t (*function)(bool force), bool (*pending)(void));

/* The counters of vc_statistics, which are the sums over all sets. One set is enough where
 * threads take turns (CPython's GIL). Without the GIL all threads would write the same cache
 * lines, so each uses the set that a hash of its stack's address selects. */
#ifdef VC_COUNTERS_APART
enum { VC_COUNTER_SETS = 64 };
#  define VC_COUNTER_SET \
    (((uint64_t)(uintptr_t)__builtin_frame_address(0) >> 18) * 0x9E3779B97F4A7C15u >> 58)
#else
enum { VC_COUNTER_SETS = 1 };
#  define VC_COUNTER_SET 0
#endif

extern struct vc_counters {
  _Alignas(128) _Atomic uint64_t lends;
  _Atomic uint64_t lends_released, shares, shares_released, exports, exports_released, pending,
      pool_blocks, pool_bytes, pool_hits, pool_misses, pool_live;
} vc_counters[VC_COUNTER_SETS];

#define VC_COUNT(name, by) \
  atomic_fetch_add_explicit(&vc_counters[VC_COUNTER_SET].name, by, memory_order_relaxed)
#define VC_DISCOUNT(name, by) \
  atomic_fetch_sub_explicit(&vc_counters[VC_COUNTER_SET].name, by, memory_order_relaxed)

#endif
