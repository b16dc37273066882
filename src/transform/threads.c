/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#define MOST_HELPERS 127
#define MOST_PAUSES 1000 /* 20 to 50 microseconds */

/* A task that helper threads may still join. It lives on the stack of the thread that posted it,
 * which returns after the last helper has left. */
typedef struct task {
  void (*work)(void *context);
  void *context;
  int32_t wanted;    /* helpers that may still join */
  atomic_int active; /* helpers at work */
  pthread_cond_t done;
  struct task *next;
} task;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static task *tasks;
static pthread_t started[MOST_HELPERS];
static int32_t helpers; /* of these, that were started */
static int32_t idle;
static atomic_int process; /* that they are threads of; 0: none was started */
static bool ending;        /* the code is about to be unloaded, or the process ends */

/* --- fork(). The child has no helper threads, and its task list holds the tasks of threads that it
 * does not have. The mutex is not a vc_lock (core/lock.h), whose handlers do the same in parent
 * and child: here the child also resets the state before it unlocks the mutex, and no helper is
 * started where the handlers could not be registered. */

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

static void in_child(void) {
  tasks = NULL;
  helpers = idle = 0;
  process = 0;
  pthread_cond_init(&wake, NULL); /* the old one counts sleepers that are gone */
  pthread_mutex_unlock(&lock);
}

static bool forks_are_watched;

static void watch_forks(void) {
  forks_are_watched = pthread_atfork(before_fork, after_fork, in_child) == 0;
}

/* --- helpers */

static void take_off(task *which) {
  task **at = &tasks;
  while (*at && *at != which) at = &(*at)->next;
  if (*at) *at = which->next;
}

static void help(task *which) {
  which->active++;
  if (--which->wanted == 0) take_off(which);
  pthread_mutex_unlock(&lock);
  which->work(which->context);
  pthread_mutex_lock(&lock);
  if (--which->active == 0) pthread_cond_signal(&which->done);
}

static void *helper(void *unused) {
  pthread_mutex_lock(&lock);
  while (!ending) {
    if (tasks) {
      help(tasks);
      continue;
    }
    idle++;
    pthread_cond_wait(&wake, &lock);
    idle--;
  }
  pthread_mutex_unlock(&lock);
  return unused;
}

/* Ends the helper threads. Runs when a plugin that contains the library is unloaded, and when the
 * process ends. No helper may run code that is unmapped: each finishes its pieces and is joined.
 * Tasks that other threads post later, which may happen while a process ends, are done by those
 * threads alone. A child whose fork() ran no handlers has no helpers to wait for. */
__attribute__((destructor)) static void end_helpers(void) {
  if (process != getpid()) return;
  pthread_mutex_lock(&lock);
  int32_t count = helpers;
  ending = true;
  helpers = 0;
  pthread_cond_broadcast(&wake);
  pthread_mutex_unlock(&lock);
  for (int32_t i = 0; i < count; i++) pthread_join(started[i], NULL);
}

/* Lets a helper run on all cores of the process, not only on those of the thread that starts it. */
static void use_all_cores(pthread_attr_t *attributes) {
  cpu_set_t cores;
  if (sched_getaffinity(getpid(), sizeof cores, &cores) != 0) return;
  pthread_attr_setaffinity_np(attributes, sizeof cores, &cores);
}

/* Starts a helper thread with all signals blocked: these belong to the program's threads. */
static bool start_helper(pthread_t *thread) {
  pthread_attr_t attributes;
  sigset_t all, before;
  if (pthread_attr_init(&attributes) != 0) return false;
  use_all_cores(&attributes);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool made = pthread_create(thread, &attributes, helper, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return made;
}

/* Wakes sleeping helpers and starts those that are missing. */
static void call_helpers(int32_t wanted) {
  if (wanted > MOST_HELPERS) wanted = MOST_HELPERS;
  while (helpers < wanted && start_helper(&started[helpers])) {
    helpers++;
    process = getpid();
  }
  if (wanted >= idle) {
    pthread_cond_broadcast(&wake);
  } else {
    for (int32_t i = 0; i < wanted; i++) pthread_cond_signal(&wake);
  }
}

/* Returns true if fork handlers could be registered, without which helpers would make fork()
 * unsafe. */
static bool may_have_helpers(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  return forks_are_watched;
}

static void post(task *mine) {
  pthread_mutex_lock(&lock);
  mine->next = tasks;
  tasks = mine;
  if (!ending) call_helpers(mine->wanted);
  pthread_mutex_unlock(&lock);
}

static void pause_a_little(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Waits for the helpers of a task, which are at their last pieces: a short busy wait takes less
 * time than to sleep and to be woken. */
static void wait_for_helpers(task *mine) {
  pthread_mutex_lock(&lock);
  take_off(mine);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < MOST_PAUSES && atomic_load(&mine->active) > 0; i++) pause_a_little();
  pthread_mutex_lock(&lock);
  while (mine->active > 0) pthread_cond_wait(&mine->done, &lock);
  pthread_mutex_unlock(&lock);
}

void vc_threads_run(int32_t threads, void (*work)(void *context), void *context) {
  task mine = {.work = work, .context = context, .wanted = threads - 1};
  if (threads <= 1 || !may_have_helpers()) {
    work(context);
    return;
  }
  pthread_cond_init(&mine.done, NULL);
  post(&mine);
  work(context);
  wait_for_helpers(&mine);
  pthread_cond_destroy(&mine.done);
}
