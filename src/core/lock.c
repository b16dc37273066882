/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lock.h"

#include <stdatomic.h>
#include <stddef.h>

static _Atomic(vc_lock *) locks; /* only ever grows */

/* The locks that the fork() in progress has taken, because the list may grow meanwhile. One
 * thread at a time is between the handlers: each takes the oldest lock last. */
static vc_lock *taken;

static void take_all(void) {
  vc_lock *first = atomic_load(&locks);
  for (vc_lock *each = first; each; each = each->next) vc_lock_take(each);
  taken = first;
}

static void give_all(void) {
  for (vc_lock *each = taken, *next; each; each = next) {
    next = each->next;
    vc_lock_give(each);
  }
}

static void watch_forks(void) { pthread_atfork(take_all, give_all, give_all); }

void vc_lock_keep(vc_lock *lock) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  lock->next = atomic_load(&locks);
  while (!atomic_compare_exchange_weak(&locks, &lock->next, lock)) {
  }
  pthread_once(&once, watch_forks);
}
