/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of what the library asks of the CUDA driver, against a simulated one. The mode is
 * decided once per process, so each case is a process of its own: the test program, called
 * with the case's name.
 *
 * Needs the simulated libcuda.so.1 on LD_LIBRARY_PATH (meson sets it). */
#ifndef VIEWCAST_TESTS_SIMULATED_PROCESS_H
#define VIEWCAST_TESTS_SIMULATED_PROCESS_H

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "internal.h"
#include "simulated_functions.h"

enum { POOLED = 16 }; /* events that a device's pool holds */

/* ------------------------------------------------------------------- helpers */

static vc_error error;
static const char *case_argument; /* the symbol of missing_symbol */

/* Another thread's capture mode is set by the driver's own function. */
static inline void set_mode(int mode) {
  int (*exchange)(int *);
  find_function(dlopen("libcuda.so.1", RTLD_NOW), "cuThreadExchangeStreamCaptureMode", &exchange);
  exchange(&mode);
}

/* Streams have letters, in the order of their creation. */
static intptr_t lettered[26];
static int letters;

static inline intptr_t new_stream(int device, bool non_blocking) {
  lettered[letters] = sim_stream_create(device, non_blocking);
  return lettered[letters++];
}

static inline void name_stream(intptr_t stream, char *out) {
  for (int i = 0; i < letters; i++) {
    if (lettered[i] == stream) {
      sprintf(out, " %c", 'A' + i);
      return;
    }
  }
  *out = '\0';
  if (stream) sprintf(out, " %lld", (long long)stream);
}

static inline const char *name_call(const char *symbol) {
  static const char *const names[][2] = {
      {"cuEventCreate", "create"},    {"cuEventDestroy_v2", "destroy"},
      {"cuEventRecord", "record"},    {"cuStreamWaitEvent", "wait"},
      {"cuEventQuery", "query"},      {"cuStreamSynchronize", "synchronize"},
      {"cuMemAlloc_v2", "allocate"},  {"cuMemAllocAsync", "allocate"},
      {"cuMemFree_v2", "free"},       {"cuMemFreeAsync", "free"},
      {"cuMemcpy2DAsync_v2", "copy"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(names[i][0], symbol) == 0) return names[i][1];
  }
  return NULL; /* changes nothing on the device */
}

/* What no capture on another stream minds, whatever the thread's mode. */
static inline bool is_safe(const char *name) {
  return strcmp(name, "record") == 0 || strcmp(name, "wait") == 0;
}

/* What was done since the last time: "record A@0, wait B@0", with the device
 * that was current; "!" where the capture mode was not relaxed though the call
 * needs it. All of one line is about one event. */
static inline const char *work(void) {
  static char text[2048];
  uintptr_t object = 0;
  sim_call call;
  size_t length = 0;
  text[0] = '\0';
  for (int i = 0; sim_log_read(i, &call) && length < sizeof text - 64; i++) {
    char stream[32];
    const char *name = name_call(call.name);
    if (!name) continue;
    name_stream(call.stream, stream);
    length += (size_t)sprintf(text + length, "%s%s%s@%d%s", length ? ", " : "", name, stream,
                              call.device, call.mode == SIM_RELAXED || is_safe(name) ? "" : "!");
    CHECK(!object || !call.object || object == call.object);
    if (call.object) object = call.object;
  }
  sim_log_clear();
  return text;
}

/* After every test: the thread is as it was, and no rule was broken. */
static inline void check_undisturbed(int device) {
  CHECK_INT(sim_current(), device);
  CHECK_INT(sim_depth(), 0);
  CHECK_INT(sim_mode(), SIM_GLOBAL);
  if (!CHECK_INT(sim_errors(), 0)) fprintf(stderr, "%s\n", sim_last_error());
}

/* Runs a test on a thread of its own, where no context is current. */
static inline void *run_function(void *function) {
  void (*run)(void);
  memcpy(&run, function, sizeof run);
  run();
  return NULL;
}

static inline void on_new_thread(void (*function)(void)) {
  pthread_t thread;
  if (CHECK_INT(pthread_create(&thread, NULL, run_function, &function), 0)) {
    pthread_join(thread, NULL);
  }
}

#define CHECK_WORK(needed) CHECK_TEXT(work(), needed)

/* ------------------------------------------------------------- the processes */

enum { NO_LIBRARY = 1, FORBIDDEN = 2, TWO_DEVICES = 4, BARE = 8 };

/* A test and the process that it runs in. BARE: the test itself loads the simulation, and
 * checks what must be true then. */
typedef struct simulated_case {
  const char *name;
  void (*run)(void);
  int setting;
} simulated_case;

static inline int run_case(const simulated_case *each) {
  bool bare = (each->setting & BARE) != 0;
  if (!bare) {
    vc_mode mode;
    load_simulation();
    CHECK_OK(vc_cuda_mode(&mode, &error));
    sim_log_clear();
  }
  each->run();
  if (!bare) check_undisturbed(sim_current());
  return checks_failed != 0;
}

/* By its own name: under valgrind /proc/self/exe is valgrind. */
static const char *program;

/* Runs this program anew; `libraries` is where it finds libcuda.so.1. */
static inline void start(const char *name, const char *argument, int setting,
                         const char *libraries) {
  int status = -1;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    setenv("LD_LIBRARY_PATH", libraries, 1);
    setenv("SIMULATED_CUDA_DEVICES", setting & TWO_DEVICES ? "2" : "1", 1);
    if (setting & FORBIDDEN)
      setenv("VIEWCAST_HOST_MODE", "0", 1);
    else
      unsetenv("VIEWCAST_HOST_MODE");
    execl(program, program, name, argument, (char *)NULL);
    _exit(126);
  }
  if (child > 0) waitpid(child, &status, 0);
  if (!check_note(status == 0, __FILE__, __LINE__)) {
    fprintf(stderr, "%s %s ended with %d\n", name, argument, status);
  }
}

/* The main function of a test program. `more` (may be NULL) starts further processes, in an
 * empty folder, of cases that are marked BY_MORE. */
enum { BY_MORE = 16 };

static inline int run_cases(int count, char **arguments, const simulated_case *cases, size_t number,
                            void (*more)(const char *folder)) {
  case_argument = count > 2 ? arguments[2] : "";
  for (size_t i = 0; count > 1 && i < number; i++)
    if (strcmp(cases[i].name, arguments[1]) == 0) return run_case(&cases[i]);
  if (count > 1) return 1;
  program = arguments[0];
  const char *libraries = getenv("LD_LIBRARY_PATH");
  char folder[] = "/tmp/viewcast_test_XXXXXX";
  load_simulation();
  if (!mkdtemp(folder)) return 1;
  for (size_t i = 0; i < number; i++) {
    bool without = (cases[i].setting & NO_LIBRARY) != 0;
    if (cases[i].setting & BY_MORE) continue;
    start(cases[i].name, "", cases[i].setting, without ? folder : libraries);
  }
  if (more) more(folder);
  rmdir(folder);
  return check_report();
}

#endif
