/* SPDX-License-Identifier: Apache-2.0 */
/* Owners, the list of pending releases, and the counters. */
#include <dlpack/dlpack.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "check.h"
#include "core/owner.h"
#include "internal.h"

static const vc_device cpu = {VC_CPU, 0};
static const vc_dtype u8 = {VC_UINT, 8};
static vc_error error;
static uint8_t memory[4096];

static void count_release(void *context) { atomic_fetch_add((_Atomic int *)context, 1); }

static void test_owner(void) {
  _Atomic int count = 0;
  vc_owner owner = {&count, count_release, false};
  vc_owner_release(&owner);
  CHECK_INT(count, 1);
  CHECK(owner.release == NULL && owner.context == NULL);
  vc_owner_release(&owner); /* owns nothing any more */
  vc_owner_release(NULL);
  CHECK_INT(count, 1);
}

/* A managed tensor is the simplest thing that can give an owner back. */
static DLManagedTensor *export_owner(vc_owner owner) {
  const int64_t shape[] = {4};
  vc_view view;
  DLManagedTensor *tensor = NULL;
  if (vc_view_packed(memory, cpu, u8, 1, shape, &view, NULL) != VC_OK ||
      vc_dlpack_from_view(&view, &owner, &tensor, NULL) != VC_OK)
    abort();
  return tensor;
}

static void give_back(DLManagedTensor *tensor) { tensor->deleter(tensor); }

static uint64_t pending_count(void) {
  vc_statistics statistics = read_statistics();
  return statistics.pending;
}

static void test_any_thread(void) {
  _Atomic int count = 0;
  give_back(export_owner((vc_owner){&count, count_release, true}));
  CHECK_INT(count, 1);
  CHECK(!vc_collect_pending());
  give_back(export_owner((vc_owner){0})); /* nothing to release, nothing to defer */
  CHECK(!vc_collect_pending());
  CHECK_INT(vc_collect(false), 0);
}

static int released_order[8];
static int released_length;

static void note_order(void *context) {
  released_order[released_length++] = (int)(intptr_t)context;
}

static void test_pending(void) {
  for (intptr_t i = 0; i < 3; i++) {
    give_back(export_owner((vc_owner){(void *)(i + 10), note_order, false}));
    CHECK_INT(released_length, 0);
    CHECK_INT(pending_count(), i + 1);
    CHECK(vc_collect_pending());
  }
  CHECK_INT(vc_collect(false), 3);
  CHECK_INT(released_length, 3);
  CHECK_INT(released_order[0], 10); /* first in, first out */
  CHECK_INT(released_order[1], 11);
  CHECK_INT(released_order[2], 12);
  CHECK_INT(pending_count(), 0);
  CHECK(!vc_collect_pending());
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(vc_collect(true), 0);
}

static _Atomic int notified;

static void note_notify(void) { atomic_fetch_add(&notified, 1); }

static void test_notify(void) {
  _Atomic int count = 0;
  vc_owner owner = {&count, count_release, false};
  vc_collect_notify(note_notify);
  give_back(export_owner(owner));
  CHECK_INT(notified, 1);
  give_back(export_owner(owner)); /* was not empty */
  CHECK_INT(notified, 1);
  CHECK_INT(vc_collect(false), 2);
  give_back(export_owner(owner));
  CHECK_INT(notified, 2);
  vc_collect_notify(NULL);
  CHECK_INT(vc_collect(false), 1);
  give_back(export_owner(owner));
  CHECK_INT(notified, 2);
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(count, 4);
}

static bool may_end_here;
static bool try_release(const vc_owner *owner) {
  if (!may_end_here || owner->release != count_release) return false;
  owner->release(owner->context);
  return true;
}

/* What may be released where its view ends is released at once. */
static void test_here(void) {
  _Atomic int count = 0;
  vc_owner owner = {&count, count_release, false};
  vc_collect_here(try_release);
  may_end_here = true;
  give_back(export_owner(owner));
  CHECK_INT(count, 1);
  CHECK(!vc_collect_pending());
  may_end_here = false;
  give_back(export_owner(owner));
  CHECK_INT(count, 1);
  CHECK_INT(vc_collect(false), 1);
  vc_collect_here(NULL);
  may_end_here = true;
  give_back(export_owner(owner));
  CHECK_INT(count, 2);
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(count, 3);
}

static void test_split(void) {
  _Atomic int count = 0;
  for (int any_thread = 0; any_thread <= 1; any_thread++) {
    enum { PARTS = 3 };
    vc_owner owner = {&count, count_release, any_thread}, part, parts[PARTS];
    count = 0;
    if (!CHECK_OK(vc_owner_split(&owner, PARTS, &part, &error))) return;
    CHECK(!owner.release && part.any_thread);
    for (int i = 0; i < PARTS; i++) parts[i] = part;
    for (int i = 0; i < PARTS; i++) {
      CHECK_INT(count, 0);
      vc_owner_release(&parts[i]);
    }
    CHECK_INT(count, any_thread);
    CHECK_INT(vc_collect(false), !any_thread);
    CHECK_INT(count, 1);
  }
  vc_owner nobody = {0}, part;
  CHECK_FAILS(vc_owner_split(&nobody, 0, &part, &error), VC_ERROR_ARGUMENT, "parts is 0");
  if (CHECK_OK(vc_owner_split(&nobody, 1, &part, &error))) vc_owner_release(&part);
  CHECK(!vc_collect_pending());
}

static size_t collected_inside;

static void collect_inside(void *context) {
  count_release(context);
  collected_inside += vc_collect(false);
}

/* A release may collect: others on the list are the outer call's to release. */
static void test_collect_inside_release(void) {
  _Atomic int count = 0;
  collected_inside = 0;
  for (int i = 0; i < 5; i++) give_back(export_owner((vc_owner){&count, collect_inside, false}));
  size_t outside = vc_collect(false);
  CHECK_INT(outside + collected_inside, 5);
  CHECK_INT(count, 5);
  CHECK_INT(pending_count(), 0);
}

/* A release that gives another tensor back, and so on down a chain. */
typedef struct link {
  DLManagedTensor *next;
  _Atomic int *count;
  bool collects;
} link;

static void release_link(void *context) {
  link *self = context;
  atomic_fetch_add(self->count, 1);
  if (self->next != NULL) give_back(self->next);
  if (self->collects) collected_inside += vc_collect(false);
}

static void test_chain(bool collects) {
  enum { LENGTH = 100 };
  static link links[LENGTH];
  _Atomic int count = 0;
  DLManagedTensor *tensor = NULL;
  collected_inside = 0;
  for (int i = 0; i < LENGTH; i++) {
    links[i] = (link){tensor, &count, collects};
    tensor = export_owner((vc_owner){&links[i], release_link, false});
  }
  give_back(tensor);
  size_t outside = vc_collect(false);
  CHECK_INT(count, LENGTH);
  CHECK_INT(outside + collected_inside, LENGTH);
  CHECK_INT(outside, collects ? 1 : LENGTH);
  CHECK(!vc_collect_pending());
}

enum { PUSHERS = 3, COLLECTORS = 2, EACH = 20000 };

static _Atomic int released_of[PUSHERS][EACH];
static _Atomic int pushers_left;
static _Atomic size_t collected_by_threads;

static void *push_many(void *context) {
  _Atomic int *released = context;
  for (int i = 0; i < EACH; i++)
    give_back(export_owner((vc_owner){&released[i], count_release, i % 8 == 7}));
  atomic_fetch_sub(&pushers_left, 1);
  return NULL;
}

static void *collect_many(void *context) {
  (void)context;
  while (atomic_load(&pushers_left) > 0 || vc_collect_pending())
    atomic_fetch_add(&collected_by_threads, vc_collect(false));
  return NULL;
}

static void test_threads(void) {
  pthread_t threads[PUSHERS + COLLECTORS];
  notified = 0;
  pushers_left = PUSHERS;
  vc_collect_notify(note_notify);
  for (int i = 0; i < PUSHERS; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, push_many, released_of[i]), 0);
  for (int i = PUSHERS; i < PUSHERS + COLLECTORS; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, collect_many, NULL), 0);
  for (int i = 0; i < PUSHERS + COLLECTORS; i++) pthread_join(threads[i], NULL);
  vc_collect_notify(NULL);

  int wrong = 0;
  for (int i = 0; i < PUSHERS; i++)
    for (int k = 0; k < EACH; k++) wrong += released_of[i][k] != 1;
  CHECK_INT(wrong, 0);
  CHECK_INT(collected_by_threads, PUSHERS * EACH / 8 * 7);
  CHECK(notified >= 1 && notified <= PUSHERS * EACH);
  CHECK_INT(pending_count(), 0);
  CHECK(!vc_collect_pending());
}

static void test_statistics(void) {
  vc_statistics statistics = read_statistics();
  CHECK(statistics.exports > PUSHERS * EACH);
  CHECK_INT(statistics.exports, statistics.exports_released);
  CHECK_INT(statistics.lends, 0);
  CHECK_INT(statistics.shares, 0);
}

static int sweeps, sweeps_forced, to_sweep;
static bool any_to_sweep;
static size_t swept_inside;

static bool has_any_to_sweep(void) { return any_to_sweep; }

/* Releases one of what is left, by way of the list, and collects meanwhile. */
static size_t sweep_one(bool force) {
  sweeps++;
  sweeps_forced += force;
  if (to_sweep == 0) return 0;
  to_sweep--;
  give_back(export_owner((vc_owner){NULL, note_order, false}));
  swept_inside += vc_collect(force); /* drains, but is not let in here again */
  return 1;
}

static void test_sweeper(void) {
  vc_collect_set_sweeper(sweep_one, has_any_to_sweep);
  to_sweep = 3;
  CHECK_INT(vc_collect(true), 0); /* nothing to look at */
  CHECK_INT(sweeps, 0);

  any_to_sweep = true;
  released_length = 0;
  CHECK_INT(vc_collect(true), 3);
  CHECK_INT(sweeps, 4); /* until one finds nothing */
  CHECK_INT(sweeps_forced, 4);
  CHECK_INT(swept_inside, 3);
  CHECK_INT(released_length, 3);
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(sweeps_forced, 4);

  vc_collect_set_sweeper(sweep_one, NULL); /* always worth a look */
  any_to_sweep = false;
  to_sweep = 1;
  CHECK_INT(vc_collect(false), 1);
  vc_collect_set_sweeper(NULL, NULL);
  to_sweep = 1;
  CHECK_INT(vc_collect(false), 0);
}

int main(void) {
  test_owner();
  test_any_thread();
  test_pending();
  test_notify();
  test_here();
  test_split();
  test_collect_inside_release();
  test_chain(false);
  test_chain(true);
  test_threads();
  test_statistics();
  test_sweeper();
  return check_report();
}
