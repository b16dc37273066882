/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that can fail is made to fail: each allocation of an operation, once
 * alone and once with all that come after it, and each call of the driver.
 * Whatever fails, the operation says so or does without, nothing is half made,
 * and nothing is lost: not a byte, an event, an owner or a count.
 *
 * For the programs test_faults*.cpp, each once. The library is built with -DVC_FAULTS
 * for them, and they are its source of memory and of threads. Without a simulated
 * libcuda.so.1 on LD_LIBRARY_PATH they test host mode; with one, a machine of
 * SIMULATED_CUDA_DEVICES devices. */
#ifndef VIEWCAST_TESTS_FAULTS_HPP
#define VIEWCAST_TESTS_FAULTS_HPP

#include "gpumat_standin.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <set>

#include "check.h"
#include "driver_functions.h"
#include "internal.h"
#include "simulated_cuda.h"

using standin::GpuMat;
using standin::standard_allocator;

// ------------------------------------------------------- memory that may fail

// What the library has asked for and not freed. Never destroyed: free() is called
// until the very end of the process.
static std::set<void *> &live = *new std::set<void *>;
static long asked, fail_at;   // the call that fails; 0: none
static bool fail_later;       // and all calls after it
static bool no_fork_handlers; // asked for once in a process: not counted

static void *give(void *memory) {
  if (memory != nullptr) live.insert(memory);
  return memory;
}

static bool fails() {
  asked++;
  return fail_at > 0 && (fail_later ? asked >= fail_at : asked == fail_at);
}

extern "C" {
void *vc_malloc(size_t bytes);
void *vc_calloc(size_t bytes);
void *vc_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *memory);
void __wrap_free(void *memory); // the linker sends every free() here

void *vc_malloc(size_t bytes) { return fails() ? nullptr : give(std::malloc(bytes)); }
void *vc_calloc(size_t bytes) { return fails() ? nullptr : give(std::calloc(1, bytes)); }
void *vc_aligned_alloc(size_t alignment, size_t bytes) {
  return fails() ? nullptr : give(std::aligned_alloc(alignment, bytes));
}
void __wrap_free(void *memory) {
  live.erase(memory);
  __real_free(memory);
}

// A thread, too, is asked for, and may be had or not.
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument) {
  return fails() ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}
int __real_pthread_atfork(void (*before)(), void (*after)(), void (*in_child)());
int __wrap_pthread_atfork(void (*before)(), void (*after)(), void (*in_child)()) {
  return no_fork_handlers ? ENOMEM : __real_pthread_atfork(before, after, in_child);
}
int __real_pthread_attr_init(pthread_attr_t *attributes);
int __wrap_pthread_attr_init(pthread_attr_t *attributes) {
  return fails() ? ENOMEM : __real_pthread_attr_init(attributes);
}
}

namespace {

// ------------------------------------------------------------ the environment

#define DEFINE(type, name, parameters) type(*name) parameters;
SIM_FUNCTIONS(DEFINE)

int (*pop_context)(void **);
int (*exchange_mode)(int *);

vc_error error;
bool simulated; // a driver; else host mode
int devices;
long faults; // how many were injected

void find_function(void *library, const char *name, void *slot) {
  void *symbol = dlsym(library, name);
  std::memcpy(slot, &symbol, sizeof symbol);
}

// An owner that counts; not for any thread, so that the list is used too.
int taken, given_back;
void count_release(void *) { given_back++; }
vc_owner new_owner(bool any_thread = false) {
  taken++;
  return {&taken, count_release, any_thread};
}

// The call that failed left the owner to its caller.
vc_status give_up(vc_status status, vc_owner &owner) {
  CHECK(owner.release == count_release);
  vc_owner_release(&owner);
  return status;
}

// What it needs. HOST_ONLY: it asks nothing of a driver, though there be one.
enum { HOST_ONLY = -1, ANYWHERE = 0, WITH_DRIVER = 1, WITH_TWO = 2 };

struct operation {
  const char *name;
  vc_status (*run)();
  int needs;
  unsigned keeps; // allocations that a run may leave for the life of the process
};

// ------------------------------------------------------------------ the tests

bool applies(const operation &each) {
  return each.needs <= (devices > 1 ? WITH_TWO : simulated ? WITH_DRIVER : ANYWHERE);
}

// What must be as it was, whatever failed.
struct state {
  size_t live; // allocations
  int events;
  size_t used; // bytes of all devices
};

state settle() {
  vc_pool_trim(nullptr); // which lets go of owners of streams
  vc_collect(true);
  state now = {live.size(), simulated ? sim_events() : 0, 0};
  for (int i = 0; simulated && i < devices; i++) now.used += sim_used(i);
  return now;
}

bool is(const char *symbol, const char *name) { return std::strcmp(symbol, name) == 0; }

// Where these fail, the next call is made in the wrong context: the driver
// refuses it, and so does the operation.
bool switches_contexts(const char *symbol) {
  return is(symbol, "cuCtxGetCurrent") || is(symbol, "cuCtxPushCurrent_v2") ||
         is(symbol, "cuStreamGetCtx") || is(symbol, "cuDevicePrimaryCtxRetain");
}

void check_counts(const char *name, const char *what) {
  vc_statistics now = read_statistics();
  long before = checks_failed;
  CHECK_INT(taken, given_back);
  CHECK_INT(now.lends, now.lends_released);
  CHECK_INT(now.shares, now.shares_released);
  CHECK_INT(now.exports, now.exports_released);
  CHECK_INT(now.pending, 0);
  CHECK_INT(now.pool_live, 0);
  CHECK_INT(standard_allocator.live(), 0);
  static int errors_before;
  if (simulated && !switches_contexts(what)) CHECK_INT(sim_errors(), errors_before);
  errors_before = simulated ? sim_errors() : 0;
  if (checks_failed > before)
    std::fprintf(stderr, "  after %s of %s (%s)\n", what, name,
                 simulated ? sim_last_error() : "host mode");
  taken = given_back = 0;
}

void fail_each_allocation(const operation &each, bool and_later) {
  state before = settle();
  size_t kept = 0;
  for (long n = 1;; n++) {
    asked = 0;
    fail_at = n;
    fail_later = and_later;
    error = {};
    vc_status status = each.run();
    bool fired = asked >= n;
    fail_at = 0;
    state after = settle();
    kept = after.live - before.live;
    check_counts(each.name, "a failed allocation");
    if (!CHECK(after.live >= before.live && kept <= each.keeps))
      std::fprintf(stderr, "  %zu allocations left by %s\n", kept, each.name);
    if (!fired) {
      CHECK_OK(status);
      return;
    }
    faults++;
    if (status != VC_OK)
      CHECK(status == VC_ERROR_MEMORY && error.status == status && error.message[0]);
  }
}

// What the driver itself kept by failing: nobody could have given it back.
void check_thread(const char *symbol) {
  if (is(symbol, "cuCtxPopCurrent_v2")) {
    void *context;
    while (sim_depth() > 0) pop_context(&context);
  } else if (is(symbol, "cuThreadExchangeStreamCaptureMode")) {
    int mode = SIM_GLOBAL;
    exchange_mode(&mode);
  }
  CHECK_INT(sim_depth(), 0);
  CHECK_INT(sim_mode(), SIM_GLOBAL);
  CHECK_INT(sim_current(), 0);
}

// A failure of the driver may come back as any error but must say which call.
void check_answer(vc_status status) {
  if (status == VC_OK) return;
  CHECK_INT(error.status, status);
  CHECK(status == VC_ERROR_CUDA || status == VC_ERROR_MEMORY || status == VC_ERROR_DEVICE);
  CHECK(error.message[0] != '\0');
}

// True if it ever called the symbol.
bool fail_each_driver_call(const operation &each, const char *symbol, int result) {
  for (int after = 0;; after++) {
    settle();
    state before = settle();
    int calls = sim_calls(symbol);
    sim_fail(symbol, after, result);
    error = {};
    vc_status status = each.run();
    bool fired = sim_calls(symbol) - calls > after;
    sim_fail(symbol, 1 << 30, SIM_SUCCESS);
    check_thread(symbol);
    state now = settle();
    check_counts(each.name, symbol);
    if (!CHECK(now.live <= before.live + each.keeps))
      std::fprintf(stderr, "  after %s of %s\n", symbol, each.name);
    if (!is(symbol, "cuMemFree_v2") && !is(symbol, "cuMemFreeAsync"))
      CHECK_INT(now.used, before.used);
    // Events: a few stay in pools, or where their destruction itself failed.
    CHECK(now.events <= before.events + 2 + 16);
    if (!fired) {
      CHECK_OK(status);
      return after > 0;
    }
    faults++;
    check_answer(status);
    if (!CHECK_OK(each.run()))
      std::fprintf(stderr, "  %s does not recover from %s\n", each.name, symbol);
    settle();
    check_counts(each.name, "none");
  }
}

// Any number of times, an operation whose driver fails keeps no event.
void check_events(const operation &each) {
  int records = sim_calls("cuEventRecord");
  each.run();
  if (sim_calls("cuEventRecord") == records) return;
  for (const char *symbol : {"cuEventRecord", "cuStreamWaitEvent", "cuEventCreate"}) {
    settle();
    int before = 0;
    for (int turn = 0; turn < 40; turn++) {
      sim_fail(symbol, 0, SIM_UNKNOWN);
      each.run();
      sim_fail(symbol, 1 << 30, SIM_SUCCESS);
      int now = settle().events;
      if (turn == 20) before = now;
      if (turn > 20) CHECK_INT(now, before);
      faults++;
    }
  }
  taken = given_back = 0;
}

void load_simulation() {
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  find_function(library, "sim_depth", &sim_depth);
  if (library == nullptr || sim_depth == nullptr) return;
#define FIND(type, name, parameters) find_function(library, #name, &name);
  SIM_FUNCTIONS(FIND)
  find_function(library, "cuCtxPopCurrent_v2", &pop_context);
  find_function(library, "cuThreadExchangeStreamCaptureMode", &exchange_mode);
}

// Whether there is anything to test: not where the driver is a real one.
bool find_mode() {
  vc_mode mode;
  load_simulation();
  if (!CHECK_OK(vc_cuda_mode(&mode, &error))) return false;
  simulated = mode == VC_MODE_CUDA;
  devices = vc_cuda_device_count();
  if (!simulated || sim_depth != nullptr) return true;
  std::printf("skipped: there is a real GPU, whose driver can't be made to fail\n");
  return false;
}

void fail_everything(const operation &each) {
  if (!applies(each)) return;
  fail_each_allocation(each, false);
  fail_each_allocation(each, true);
  if (!simulated || each.needs == HOST_ONLY) return;
  for (const auto &function : driver_functions) {
    if (function.once) continue;
    const char *symbol = function.name;
    if (fail_each_driver_call(each, symbol, SIM_UNKNOWN))
      fail_each_driver_call(each, symbol, SIM_OUT_OF_MEMORY);
  }
  check_events(each);
}

} // namespace

#endif
