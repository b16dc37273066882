/* SPDX-License-Identifier: Apache-2.0 */
/* Locks in a child of fork(), which has none of the other threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "core/lock.h"

enum { FORKS = 200 };

static vc_lock first = VC_LOCK_INITIALIZER, second = VC_LOCK_INITIALIZER;
static atomic_bool ending;

/* Holds one of the locks nearly all the time. */
static void *hold(void *which) {
  while (!ending) {
    vc_lock_take(which);
    usleep(50);
    vc_lock_give(which);
  }
  return NULL;
}

/* A lock that stayed locked would end the child by its alarm. */
static void take_in_child(void) {
  alarm(10);
  vc_lock_take(&first);
  vc_lock_take(&second);
  vc_lock_give(&second);
  vc_lock_give(&first);
  _exit(0);
}

static void test_fork(void) {
  pthread_t threads[2];
  vc_lock_keep(&first);
  vc_lock_keep(&second);
  CHECK_INT(pthread_create(&threads[0], NULL, hold, &first), 0);
  CHECK_INT(pthread_create(&threads[1], NULL, hold, &second), 0);
  for (int i = 0; i < FORKS; i++) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) take_in_child();
    if (child > 0) waitpid(child, &status, 0);
    CHECK_INT(status, 0);
  }
  ending = true;
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

int main(void) {
  test_fork();
  return check_report();
}
