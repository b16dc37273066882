/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership shared with OpenCV: the refcount of a lent header points into the lend's record,
 * and its allocator is an object of this library, whose free() OpenCV calls when the last
 * copy and the last ROI are gone. */
#include "gpumat/lend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/allocate.h"
#include "core/error.h"
#include "core/lock.h"
#include "core/owner.h"
#include "gpumat/header.h"

typedef struct vc_lend {
  int32_t count; /* GpuMat::refcount points here: first, so that it finds us */
  vc_device device;
  vc_record record;
  vc_refcounting counting;
  struct vc_lend *next; /* in the list of lends that must be swept */
} vc_lend;

/* A lend under VC_REFCOUNT_UP_ONLY, which keeps the GpuMat object, too. */
typedef struct held_lend {
  vc_lend lend;
  vc_holder holder;
  vc_owner owner; /* the caller's; the record's owner releases the holder, then this one */
} held_lend;

/* --- the reference count */

bool vc_counter_take(int32_t *counter) {
  int32_t seen = __atomic_load_n(counter, __ATOMIC_RELAXED);
  while (seen > 0) {
    if (__atomic_compare_exchange_n(counter, &seen, seen + 1, true, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
      return true;
    }
  }
  return false;
}

bool vc_counter_give_back(int32_t *counter) {
  return __atomic_fetch_sub(counter, 1, __ATOMIC_ACQ_REL) == 1;
}

int32_t vc_counter_read(const int32_t *counter) {
  return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* --- records of lends */

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

/* Records of lends whose end was forced, for as long as the process runs: a header that
 * OpenCV copied may still count in one. The list keeps them findable for leak checkers. */
static _Atomic(vc_lend *) abandoned;

static void finish_held(vc_record *record) {
  vc_lend *lend = lend_of_record(record);
  VC_COUNT(lends_released, 1);
  if (vc_counter_read(&lend->count) == 1) {
    free(lend);
    return;
  }
  lend->next = atomic_load(&abandoned);
  while (!atomic_compare_exchange_weak(&abandoned, &lend->next, lend)) {
  }
}

static void release_held(void *context) {
  held_lend *held = context;
  if (held->holder.release) held->holder.release(held->holder.object);
  vc_owner_release(&held->owner);
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
vc_allocator_object vc_lender = {&lender_table.complete_destructor};

/* --- lends whose OpenCV never calls free: a list, searched from time to time for those that
 * have ended */

static struct {
  vc_lock lock;
  vc_lend *first;
  size_t length;
  size_t sweep_at; /* twice what the last sweep left: amortised constant cost */
} swept = {.lock = VC_LOCK_INITIALIZER, .sweep_at = 16};

/* True if no GpuMat refers to the lend any more. */
static bool has_ended(const vc_lend *lend, bool force) {
  bool uncopied = vc_counter_read(&lend->count) == 1;
  if (lend->counting == VC_REFCOUNT_NO_FREE) return uncopied;
  const vc_holder *holder = &((const held_lend *)(const void *)lend)->holder;
  return (uncopied || force) && holder->is_last(holder->object);
}

/* Removes the lends that have ended from the list; returns them, chained by `next`. */
static vc_lend *take_ended(bool force) {
  vc_lend *ended = NULL;
  vc_lock_take(&swept.lock);
  for (vc_lend **link = &swept.first; *link;) {
    vc_lend *lend = *link;
    if (has_ended(lend, force)) {
      *link = lend->next;
      lend->next = ended;
      ended = lend;
      swept.length--;
    } else {
      link = &lend->next;
    }
  }
  swept.sweep_at = swept.length < 8 ? 16 : swept.length * 2;
  vc_lock_give(&swept.lock);
  return ended;
}

/* Ends lends inside vc_collect, where every owner may be released. */
static size_t sweep(bool force) {
  size_t released = 0;
  for (vc_lend *lend = take_ended(force), *next; lend; lend = next, released++) {
    next = lend->next;
    vc_owner_release(&lend->record.owner);
    lend->record.finish(&lend->record);
  }
  return released;
}

/* Ends lends inside vc_gpumat_lend, where an owner that is not any_thread is left to
 * vc_collect. */
static void retire_ended(void) {
  for (vc_lend *lend = take_ended(false), *next; lend; lend = next) {
    next = lend->next;
    vc_retire(&lend->record);
  }
}

static bool something_to_sweep(void) {
  vc_lock_take(&swept.lock);
  bool any = swept.first != NULL;
  vc_lock_give(&swept.lock);
  return any;
}

static void register_sweeper(void) {
  vc_lock_keep(&swept.lock);
  vc_collect_set_sweeper(sweep, something_to_sweep);
}

static void add_swept(vc_lend *lend) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_sweeper);
  vc_lock_take(&swept.lock);
  bool due = swept.length >= swept.sweep_at;
  lend->next = swept.first;
  swept.first = lend;
  swept.length++;
  vc_lock_give(&swept.lock);
  if (due) retire_ended();
}

/* --- lending */

static vc_status fail_memory(size_t bytes, vc_error *error) {
  return vc_fail(error, VC_ERROR_MEMORY, "no memory for a lend record of %zu bytes", bytes);
}

static vc_status new_held(const vc_holder *given, vc_owner *owner, vc_lend **out, vc_error *error) {
  vc_holder holder;
  if (!given) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "holder is NULL and this OpenCV never gives references back: a lend needs a "
                   "holder of the GpuMat");
  }
  VC_TRY(vc_read_sized(given, "vc_holder", sizeof holder, sizeof holder, &holder, error));
  if (!holder.is_last) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "holder->is_last is NULL, needs a function that says whether nobody else refers "
                   "to the GpuMat");
  }
  held_lend *held = vc_malloc(sizeof *held);
  if (!held) return fail_memory(sizeof *held, error);
  held->holder = holder;
  held->owner = *owner;
  held->lend = (vc_lend){
      .count = 1,
      .counting = VC_REFCOUNT_UP_ONLY,
      .record = {.owner = {held, release_held, owner->any_thread}, .finish = finish_held},
  };
  *out = &held->lend;
  return VC_OK;
}

static vc_status new_lend(const vc_gpumat_abi *abi, vc_owner *owner, const vc_holder *holder,
                          vc_lend **out, vc_error *error) {
  if (abi->counting == VC_REFCOUNT_UP_ONLY) return new_held(holder, owner, out, error);
  if (abi->counting != VC_REFCOUNT_FULL && abi->counting != VC_REFCOUNT_NO_FREE) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "abi has counting %d, needs what vc_gpumat_abi_init fills it with",
                   (int)abi->counting);
  }
  vc_lend *lend = vc_malloc(sizeof *lend); /* takes half the time of calloc */
  if (!lend) return fail_memory(sizeof *lend, error);
  /* VC_REFCOUNT_NO_FREE: the lend holds the second reference, so that OpenCV never counts to
   * zero, where it would call an allocator that it lacks. */
  *lend = (vc_lend){
      .count = abi->counting == VC_REFCOUNT_NO_FREE ? 2 : 1,
      .counting = abi->counting,
      .record = {.owner = *owner, .finish = finish},
  };
  *out = lend;
  return VC_OK;
}

/* Writes the header of an empty view, or of memory without an owner: no lend is made. */
static vc_status lend_nothing(const vc_gpumat *header, vc_owner *owner, vc_gpumat *mat,
                              vc_error *error) {
  vc_record *prepared;
  VC_TRY(vc_retire_prepare(owner, &prepared, error));
  *mat = *header;
  vc_retire_owner(owner, prepared);
  return VC_OK;
}

vc_status vc_gpumat_lend(const vc_gpumat_abi *abi, const vc_view *view, vc_owner *owner,
                         const vc_holder *holder, vc_gpumat *mat, vc_error *error) {
  VC_NEED(abi);
  VC_NEED(view);
  VC_NEED(mat);
  if (mat->data || mat->refcount) return vc_gpumat_fail_owned(mat, error);
  vc_gpumat header = *mat;
  VC_TRY(vc_gpumat_over(abi, view, &header, error));
  if (!header.data || !owner || !owner->release) {
    return lend_nothing(&header, owner, mat, error);
  }
  vc_lend *lend = NULL;
  VC_TRY(new_lend(abi, owner, holder, &lend, error));
  lend->device = view->device;
  *owner = (vc_owner){0};
  header.refcount = &lend->count;
  header.allocator = &vc_lender;
  *mat = header;
  VC_COUNT(lends, 1);
  if (lend->counting != VC_REFCOUNT_FULL) add_swept(lend);
  return VC_OK;
}

/* --- whole GpuMats in memory of this library, which a cv::Ptr owns like any other: a
 * std::shared_ptr has a control block, whose virtual table says how the object is destroyed. For
 * these objects it is a table of this file. */

typedef struct {
  vc_gpumat_control control; /* first: what the pointer's second word points to */
  vc_gpumat mat;
} object;

/* As OpenCV's destructor does. */
static void dispose(void *self) {
  vc_gpumat *mat = &((object *)self)->mat;
  if (!mat->refcount || !vc_counter_give_back(mat->refcount)) return;
  if (mat->allocator) vc_allocator_table_of(mat->allocator)->free(mat->allocator, mat);
}

static void destroy(void *self) { free(self); }
static void keep(void *self) { (void)self; }

static void *no_deleter(void *self, const void *type_info) {
  (void)self, (void)type_info;
  return NULL;
}

static const vc_control_table object_table = {
    .complete_destructor = keep,
    .deleting_destructor = destroy,
    .dispose = dispose,
    .destroy = destroy,
    .get_deleter = no_deleter,
};

vc_status vc_gpumat_new(const vc_gpumat_abi *abi, vc_gpumat **out, vc_gpumat_control **control,
                        vc_error *error) {
  VC_NEED(abi);
  VC_NEED(out);
  VC_NEED(control);
  if (abi->counting == VC_REFCOUNT_UP_ONLY) {
    return vc_fail(error, VC_ERROR_ABI,
                   "this OpenCV (4.x without CUDA) never ends a GpuMat: one in viewcast's memory "
                   "would not release what it refers to; let OpenCV make it (cv::makePtr)");
  }
  object *made = vc_malloc(sizeof *made);
  if (!made) return vc_fail(error, VC_ERROR_MEMORY, "no memory for a GpuMat");
  made->control = (vc_gpumat_control){&object_table.complete_destructor, 1, 1};
  /* The lender sends a later create() to the allocator that is the default then. */
  made->mat = (vc_gpumat){.flags = 0, .allocator = abi->standard_allocator ? &vc_lender : NULL};
  *out = &made->mat;
  *control = &made->control;
  return VC_OK;
}

void vc_gpumat_drop(vc_gpumat_control *control) {
  VC_NEED_OR(control, return);
  dispose(control);
  destroy(control);
}
