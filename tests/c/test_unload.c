/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that contains libviewcast.a is loaded, transforms with several threads, and is
 * unloaded, again and again: no thread of it is left, nor does it export the library. And a
 * process ends while its threads transform.
 *
 *   test_unload PLUGIN [exit]      exit: end while threads are at work */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

typedef bool transform_function(int32_t threads);

enum { ROUNDS = 50, CALLERS = 3, THREADS = 4, ENDS = 10 };

static const char *path; /* of the plugin */

typedef struct plugin {
  void *handle;
  transform_function *transform;
} plugin;

static plugin load(void) {
  plugin made = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
  if (!CHECK(made.handle != NULL)) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  void *symbol = dlsym(made.handle, "plugin_transform");
  memcpy(&made.transform, &symbol, sizeof symbol);
  if (!CHECK(symbol != NULL)) exit(1);
  return made;
}

static int count_tasks(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  for (struct dirent *entry; folder && (entry = readdir(folder));) count += entry->d_name[0] != '.';
  if (folder) closedir(folder);
  return count;
}

/* A thread that was joined leaves the list a little later. */
static bool comes_to_tasks(int needed) {
  for (int i = 0; i < 500 && count_tasks() != needed; i++) usleep(10000);
  return count_tasks() == needed;
}

static void *call(void *context) {
  const plugin *with = context;
  CHECK(with->transform(THREADS));
  return NULL;
}

static void transform_on_several_threads(plugin *with) {
  pthread_t callers[CALLERS];
  for (int i = 0; i < CALLERS; i++) CHECK_INT(pthread_create(&callers[i], NULL, call, with), 0);
  for (int i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
}

static void unload(plugin *with) {
  CHECK_INT(dlclose(with->handle), 0);
  CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL); /* it is gone */
}

static void test_rounds(int rounds) {
  int before = count_tasks(), most = before;
  for (int i = 0; i < rounds; i++) {
    plugin loaded = load();
    transform_on_several_threads(&loaded);
    int tasks = count_tasks();
    if (tasks > most) most = tasks;
    unload(&loaded);
    CHECK(comes_to_tasks(before));
  }
  CHECK(most > before); /* there were threads to end */
}

static void test_exports(void) {
  static const char *const names[] = {"vc_transform", "vc_version",     "vc_view_check",
                                      "vc_collect",   "vc_gpumat_lend", "vc_pool_use"};
  plugin loaded = load();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    CHECK(dlsym(loaded.handle, names[i]) == NULL);
  }
  unload(&loaded);
}

/* --- children */

static void ends_well(pid_t child) {
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK_INT(status, 0);
}

static _Noreturn void leave(void) { _exit(checks_failed != 0); }

/* A child has none of its parent's threads, starts its own, and unloads too. */
static void test_fork(void) {
  plugin loaded = load();
  transform_on_several_threads(&loaded);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    CHECK_INT(count_tasks(), 1);
    transform_on_several_threads(&loaded);
    unload(&loaded);
    CHECK(comes_to_tasks(1));
    test_rounds(3);
    leave();
  }
  ends_well(child);
  child = fork();
  if (child == 0) { /* unloads what never ran here */
    alarm(60);
    unload(&loaded);
    leave();
  }
  ends_well(child);
  unload(&loaded);
}

/* Where no handler of fork() ran, threads that are not there are not waited for. */
static void test_fork_without_handlers(void) {
  plugin loaded = load();
  transform_on_several_threads(&loaded);
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
  if (child == 0) {
    alarm(60);
    _exit(dlclose(loaded.handle) != 0);
  }
  ends_well(child);
  unload(&loaded);
}

/* --- the end of a process */

static void *call_for_ever(void *context) {
  const plugin *with = context;
  for (;;) with->transform(THREADS);
  return NULL;
}

static int end_at_work(void) {
  static plugin loaded;
  loaded = load();
  for (int i = 0; i < CALLERS; i++) {
    pthread_t caller;
    pthread_create(&caller, NULL, call_for_ever, &loaded);
    pthread_detach(caller);
  }
  usleep(20000);
  exit(0);
}

static void test_ends(const char *program) {
  for (int i = 0; i < ENDS; i++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(60);
      execl(program, program, path, "exit", (char *)NULL);
      _exit(1);
    }
    ends_well(child);
  }
}

/* A sanitizer's own thread starts with the first of the program's. */
static void *return_at_once(void *context) { return context; }

static void start_first_thread(void) {
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, return_at_once, NULL), 0);
  pthread_join(thread, NULL);
  usleep(100000);
}

/* ThreadSanitizer takes a child's threads for those of its parent. */
#if defined(__SANITIZE_THREAD__)
enum { MAY_FORK = 0 };
#else
enum { MAY_FORK = 1 };
#endif

int main(int count, char **arguments) {
  if (count < 2) return 2;
  path = arguments[1];
  if (count > 2) return end_at_work();
  start_first_thread();
  test_exports();
  test_rounds(ROUNDS);
  if (MAY_FORK) {
    test_fork();
    test_fork_without_handlers();
  }
  test_ends(arguments[0]);
  return check_report();
}
