/* SPDX-License-Identifier: Apache-2.0 */
/* Locks that work in a child of fork(). */
#ifndef VIEWCAST_CORE_LOCK_H
#define VIEWCAST_CORE_LOCK_H

#include <pthread.h>

/* A mutex for a few instructions. A child has only the thread that called fork(): a mutex
 * that another thread held would stay locked there for ever. So fork() itself takes every
 * lock that vc_lock_keep has listed, and gives it back in the parent and in the child. */
typedef struct vc_lock {
  pthread_mutex_t mutex;
  struct vc_lock *next; /* in the list */
} vc_lock;

#define VC_LOCK_INITIALIZER {.mutex = PTHREAD_MUTEX_INITIALIZER}

static inline void vc_lock_take(vc_lock *lock) { pthread_mutex_lock(&lock->mutex); }
static inline void vc_lock_give(vc_lock *lock) { pthread_mutex_unlock(&lock->mutex); }

/* Lists a static lock, before its first use and once (pthread_once). */
void vc_lock_keep(vc_lock *lock);

#endif
