/* SPDX-License-Identifier: Apache-2.0 */
#include "core/owner.h"

#include <stdlib.h>

#include "core/allocate.h"
#include "core/error.h"
#include "internal.h"

typedef size_t (*sweep_function)(bool force);
typedef bool (*pending_function)(void);
typedef void (*notify_function)(void);
typedef bool (*here_function)(const vc_owner *owner);

struct vc_counters vc_counters[VC_COUNTER_SETS];

/* Pending records, the last one first. Records are pushed one at a time and taken all at
 * once, so a new record at the address of an old one does no harm (no ABA problem). */
static _Atomic(vc_record *) pending_list;

static _Atomic(notify_function) notify;
static _Atomic(here_function) try_here;
static _Atomic(sweep_function) sweep;
static _Atomic(pending_function) sweep_pending;

/* True on a thread that is inside the sweeper, from which a release may call vc_collect. */
static _Thread_local bool sweeping;

void vc_owner_release(vc_owner *owner) {
  if (owner == NULL) return;
  vc_owner taken = *owner;
  *owner = (vc_owner){0};
  if (taken.release != NULL) taken.release(taken.context);
}

static void end_record(vc_record *record) {
  vc_owner_release(&record->owner);
  record->finish(record);
}

static void enqueue(vc_record *record) {
  VC_COUNT(pending, 1);
  vc_record *head = atomic_load_explicit(&pending_list, memory_order_relaxed);
  do record->next = head;
  while (!atomic_compare_exchange_weak_explicit(&pending_list, &head, record, memory_order_release,
                                                memory_order_relaxed));

  /* Another thread may have freed the record by now. */
  notify_function call = atomic_load_explicit(&notify, memory_order_acquire);
  if (head == NULL && call != NULL) call();
}

/* Calls the hook of vc_collect_here. False: the owner is unchanged. */
static bool release_here(const vc_owner *owner) {
  here_function try = atomic_load_explicit(&try_here, memory_order_acquire);
  return try != NULL && try(owner);
}

void vc_retire(vc_record *record) {
  const vc_owner *owner = &record->owner;
  if (owner->any_thread || owner->release == NULL)
    end_record(record);
  else if (release_here(owner))
    record->finish(record);
  else
    enqueue(record);
}

static void free_record(vc_record *record) { free(record); }

vc_status vc_retire_prepare(const vc_owner *owner, vc_record **out, vc_error *error) {
  *out = NULL;
  if (owner == NULL || owner->release == NULL || owner->any_thread) return VC_OK;
  *out = vc_malloc(sizeof **out);
  if (*out == NULL)
    return vc_fail(error, VC_ERROR_MEMORY, "no memory to release an owner in vc_collect");
  return VC_OK;
}

void vc_retire_owner(vc_owner *owner, vc_record *prepared) {
  if (prepared == NULL) {
    vc_owner_release(owner);
    return;
  }
  *prepared = (vc_record){.owner = *owner, .finish = free_record};
  *owner = (vc_owner){0};
  vc_retire(prepared);
}

typedef struct {
  vc_record record;
  _Atomic size_t parts;
} split;

static void free_split(vc_record *record) { free((char *)record - offsetof(split, record)); }

static void release_part(void *context) {
  split *self = context;
  if (atomic_fetch_sub_explicit(&self->parts, 1, memory_order_acq_rel) == 1)
    vc_retire(&self->record);
}

vc_status vc_owner_split(vc_owner *owner, size_t parts, vc_owner *out, vc_error *error) {
  VC_NEED(owner);
  VC_NEED(out);
  if (parts == 0)
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "parts is 0, needs 1 or more: an owner can't be split into none");
  split *made = vc_malloc(sizeof *made);
  if (made == NULL) return vc_fail(error, VC_ERROR_MEMORY, "no memory to split an owner");
  made->record = (vc_record){.owner = *owner, .finish = free_split};
  atomic_init(&made->parts, parts);
  *owner = (vc_owner){0};
  *out = (vc_owner){made, release_part, true};
  return VC_OK;
}

/* Takes the whole list, the oldest record first. */
static vc_record *take_list(void) {
  vc_record *record = atomic_exchange_explicit(&pending_list, NULL, memory_order_acquire);
  vc_record *oldest = NULL;
  while (record != NULL) {
    vc_record *next = record->next;
    record->next = oldest;
    oldest = record;
    record = next;
  }
  return oldest;
}

/* Drains the list until it stays empty: a release may queue others. */
static size_t drain(void) {
  size_t count = 0;
  while (vc_collect_pending()) {
    vc_record *record = take_list();
    while (record != NULL) {
      vc_record *next = record->next; /* end_record frees it */
      end_record(record);
      VC_DISCOUNT(pending, 1);
      record = next;
      count++;
    }
  }
  return count;
}

static size_t run_sweeper(bool force) {
  sweep_function run = atomic_load_explicit(&sweep, memory_order_acquire);
  if (run == NULL || sweeping) return 0;
  pending_function pending = atomic_load_explicit(&sweep_pending, memory_order_acquire);
  if (pending != NULL && !pending()) return 0;
  sweeping = true;
  size_t count = run(force);
  sweeping = false;
  return count;
}

size_t vc_collect(bool force) {
  size_t total = 0, swept;
  do {
    total += drain();
    swept = run_sweeper(force);
    total += swept;
  } while (swept > 0 || vc_collect_pending());
  return total;
}

bool vc_collect_pending(void) {
  return atomic_load_explicit(&pending_list, memory_order_relaxed) != NULL;
}

void vc_collect_notify(void (*function)(void)) {
  atomic_store_explicit(&notify, function, memory_order_release);
}

void vc_collect_here(bool (*function)(const vc_owner *owner)) {
  atomic_store_explicit(&try_here, function, memory_order_release);
}

void vc_collect_set_sweeper(size_t (*function)(bool force), bool (*pending)(void)) {
  atomic_store_explicit(&sweep_pending, pending, memory_order_release);
  atomic_store_explicit(&sweep, function, memory_order_release);
}

#define SUM(name) now.name += atomic_load_explicit(&vc_counters[set].name, memory_order_relaxed);

vc_status vc_statistics_read(vc_statistics *out, vc_error *error) {
  VC_NEED(out);
  vc_statistics now = {.size = sizeof now};
  for (int set = 0; set < VC_COUNTER_SETS; set++) {
    VC_STATISTICS(SUM)
  }
  return vc_write_sized(&now, "vc_statistics", sizeof now.size, sizeof now, out, error);
}
