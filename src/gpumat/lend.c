/* SPDX-License-Identifier: Apache-2.0 */
/* Co-ownership with OpenCV: a lent header's refcount lies in our record, and
 * its allocator is an object of ours, so that OpenCV itself tells us when the
 * last copy and the last ROI are gone. */
#include "gpumat/counter.h"
#include "gpumat/lend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/allocate.h"
#include "core/error.h"
#include "core/owner.h"
#include "gpumat/header.h"

typedef struct vc_lend {
  int32_t count; /* GpuMat::refcount points here: first, so that it finds us */
  vc_device device;
  vc_record record;
  vc_holder holder; /* VC_COUNTS_UP only */
  vc_counting counting;
  struct vc_lend *next; /* in the list of lends that must be swept */
} vc_lend;

void *vc_lend_of(const vc_gpumat *mat) { return mat->refcount; }

vc_device vc_lend_device(const vc_gpumat *mat) {
  return ((const vc_lend *)(const void *)mat->refcount)->device;
}

static vc_lend *lend_of_record(vc_record *record) {
  return (vc_lend *)(void *)((char *)record - offsetof(vc_lend, record));
}

static void finish(vc_record *record) {
  VC_COUNT(lends_released, 1);
  free(lend_of_record(record));
}

void vc_lend_give_back(void *context) {
  vc_lend *lend = context;
  VC_COUNT(shares_released, 1);
  if (vc_counter_give_back(&lend->count)) vc_retire(&lend->record);
}

/* --- the allocator object. OpenCV keeps its address in released headers and
 * calls allocate on it in a later create(), so it must never die: static, and
 * the library is linked so that it is never unloaded. */

static void lender_destroy(void *self) { (void)self; }

/* False: OpenCV falls back to its default allocator. */
static bool lender_allocate(void *self, vc_gpumat *mat, int rows, int cols, size_t elem_size) {
  (void)self, (void)mat, (void)rows, (void)cols, (void)elem_size;
  return false;
}

/* The count reached zero. OpenCV clears the header after this returns. */
static void lender_free(void *self, vc_gpumat *mat) {
  (void)self;
  vc_lend *lend = vc_lend_of(mat);
  vc_retire(&lend->record);
}

static const vc_allocator_table lender_table = {
    .complete_destructor = lender_destroy,
    .deleting_destructor = lender_destroy,
    .allocate = lender_allocate,
    .free = lender_free,
};
static struct {
  const void *table;
} lender = {&lender_table.complete_destructor};

void *vc_lender(void) { return &lender; }

/* --- lends whose OpenCV never calls free: looked through from time to time */

static struct {
  pthread_mutex_t mutex;
  vc_lend *first;
  size_t length;
  size_t sweep_at; /* twice what the last sweep left: amortised constant cost */
} swept = {.mutex = PTHREAD_MUTEX_INITIALIZER, .sweep_at = 16};

/* No GpuMat looks at the lend any more. */
static bool is_over(const vc_lend *lend, bool force) {
  bool uncopied = vc_counter_read(&lend->count) == 1;
  if (lend->counting == VC_COUNTS_ONLY) return uncopied;
  return (uncopied || force) && lend->holder.is_last(lend->holder.object);
}

/* A header that OpenCV copied may still count in the record: the forced end of
 * such a lend leaves its few bytes where they are. */
static void end_swept(vc_lend *lend) {
  if (lend->holder.release) lend->holder.release(lend->holder.object);
  vc_owner_release(&lend->record.owner);
  if (vc_counter_read(&lend->count) == 1) {
    finish(&lend->record);
  } else {
    VC_COUNT(lends_released, 1);
  }
}

/* Takes what is over off the list; releases run outside the lock. */
static size_t sweep(bool force) {
  vc_lend *over = NULL;
  pthread_mutex_lock(&swept.mutex);
  for (vc_lend **link = &swept.first; *link;) {
    vc_lend *lend = *link;
    if (is_over(lend, force)) {
      *link = lend->next;
      lend->next = over;
      over = lend;
      swept.length--;
    } else {
      link = &lend->next;
    }
  }
  swept.sweep_at = swept.length < 8 ? 16 : swept.length * 2;
  pthread_mutex_unlock(&swept.mutex);

  size_t released = 0;
  while (over) {
    vc_lend *lend = over;
    over = lend->next;
    end_swept(lend);
    released++;
  }
  return released;
}

static bool something_to_sweep(void) {
  pthread_mutex_lock(&swept.mutex);
  bool any = swept.first != NULL;
  pthread_mutex_unlock(&swept.mutex);
  return any;
}

static void lock_swept(void) { pthread_mutex_lock(&swept.mutex); }
static void unlock_swept(void) { pthread_mutex_unlock(&swept.mutex); }

/* A child has only the thread that forked: a lock of another stayed locked. */
static void register_sweeper(void) {
  pthread_atfork(lock_swept, unlock_swept, unlock_swept);
  vc_collect_set_sweeper(sweep, something_to_sweep);
}

static void add_swept(vc_lend *lend) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_sweeper);
  pthread_mutex_lock(&swept.mutex);
  bool due = swept.length >= swept.sweep_at;
  lend->next = swept.first;
  swept.first = lend;
  swept.length++;
  pthread_mutex_unlock(&swept.mutex);
  if (due) sweep(false);
}

/* --- lending */

static vc_lend *new_lend(const vc_gpumat_abi *abi, const vc_view *view,
                         const vc_holder *holder, vc_error *error) {
  if (abi->counting == VC_COUNTS_UP && !holder) {
    vc_fail(error, VC_ERROR_VALUE,
            "this OpenCV never gives references back: a lend needs a holder of the GpuMat");
    return NULL;
  }
  vc_lend *lend = vc_malloc(sizeof *lend); /* faster than calloc by half */
  if (!lend) {
    vc_fail(error, VC_ERROR_MEMORY, "no memory for a lend record of %zu bytes", sizeof *lend);
    return NULL;
  }
  /* VC_COUNTS_ONLY: the second count is ours, so that it never reaches zero. */
  *lend = (vc_lend){
      .count = abi->counting == VC_COUNTS_ONLY ? 2 : 1,
      .device = view->device,
      .counting = abi->counting,
      .record = {.finish = finish},
  };
  if (abi->counting == VC_COUNTS_UP) lend->holder = *holder;
  return lend;
}

vc_status vc_gpumat_lend(const vc_gpumat_abi *abi, const vc_view *view, vc_owner *owner,
                         const vc_holder *holder, vc_gpumat *mat, vc_error *error) {
  vc_status status = vc_gpumat_check_unowned(mat, error);
  if (status != VC_OK) return status;
  vc_gpumat header = *mat;
  if ((status = vc_gpumat_over(abi, view, &header, error)) != VC_OK) return status;
  if (!header.data || !owner->release) { /* nothing to keep alive */
    *mat = header;
    vc_owner_release(owner);
    return VC_OK;
  }
  vc_error reason;
  vc_lend *lend = new_lend(abi, view, holder, error ? error : &reason);
  if (!lend) return error ? error->status : reason.status;

  lend->record.owner = *owner;
  *owner = (vc_owner){0};
  header.refcount = &lend->count;
  header.allocator = &lender;
  *mat = header;
  VC_COUNT(lends, 1);
  if (abi->counting != VC_COUNTS_AND_FREES) add_swept(lend);
  return VC_OK;
}
