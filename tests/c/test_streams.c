/* SPDX-License-Identifier: Apache-2.0 */
/* What the library asks of the CUDA driver, against a simulated one: which mode
 * is chosen, what is enqueued on which stream in which context, graph captures,
 * several devices, failures. The mode is decided once a process, so each case
 * below is a process of its own: this program with the case's name.
 *
 * Needs the simulated libcuda.so.1 on LD_LIBRARY_PATH (meson sees to it). */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "internal.h"
#include "simulated_cuda.h"

enum { POOLED = 16 }; /* events that a device's pool holds */

#define DEFINE(type, name, parameters) static type(*name) parameters;
SIM_FUNCTIONS(DEFINE)

static vc_error error;
static const char *case_argument; /* the symbol of missing_symbol */

/* ------------------------------------------------------------------- helpers */

static void find_function(void *library, const char *name, void *slot) {
  void *symbol = library ? dlsym(library, name) : NULL;
  if (!symbol) {
    fprintf(stderr, "LD_LIBRARY_PATH names no simulated libcuda.so.1 (%s)\n", name);
    exit(1);
  }
  memcpy(slot, &symbol, sizeof symbol);
}

static void load_simulation(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
#define FIND(type, name, parameters) find_function(library, #name, &name);
  SIM_FUNCTIONS(FIND)
}

/* Another thread's capture mode is set by the driver's own function. */
static void set_mode(int mode) {
  int (*exchange)(int *);
  find_function(dlopen("libcuda.so.1", RTLD_NOW), "cuThreadExchangeStreamCaptureMode", &exchange);
  exchange(&mode);
}

/* Streams have letters, in the order of their creation. */
static intptr_t lettered[26];
static int letters;

static intptr_t new_stream(int device, bool non_blocking) {
  lettered[letters] = sim_stream_create(device, non_blocking);
  return lettered[letters++];
}

static void name_stream(intptr_t stream, char *out) {
  for (int i = 0; i < letters; i++) {
    if (lettered[i] == stream) {
      sprintf(out, " %c", 'A' + i);
      return;
    }
  }
  sprintf(out, stream ? " %lld" : "", (long long)stream);
}

static const char *name_call(const char *symbol) {
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
static bool is_safe(const char *name) {
  return strcmp(name, "record") == 0 || strcmp(name, "wait") == 0;
}

/* What was done since the last time: "record A@0, wait B@0", with the device
 * that was current; "!" where the capture mode was not relaxed though the call
 * needs it. All of one line is about one event. */
static const char *work(void) {
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

#define CHECK_WORK(needed) CHECK_TEXT(work(), needed)

/* After every test: the thread is as it was, and no rule was broken. */
static void check_undisturbed(int device) {
  CHECK_INT(sim_current(), device);
  CHECK_INT(sim_depth(), 0);
  CHECK_INT(sim_mode(), SIM_GLOBAL);
  if (!CHECK_INT(sim_errors(), 0)) fprintf(stderr, "%s\n", sim_last_error());
}

/* Runs a test on a thread of its own, where no context is current. */
static void *run_function(void *function) {
  void (*run)(void);
  memcpy(&run, function, sizeof run);
  run();
  return NULL;
}

static void on_new_thread(void (*function)(void)) {
  pthread_t thread;
  if (CHECK_INT(pthread_create(&thread, NULL, run_function, &function), 0)) {
    pthread_join(thread, NULL);
  }
}

/* --------------------------------------------------------------------- modes */

static void check_mode(vc_mode needed, int devices, const char *reason) {
  vc_mode mode;
  if (CHECK_OK(vc_cuda_mode(&mode, &error))) CHECK_INT(mode, needed);
  CHECK_INT(vc_cuda_device_count(), devices);
  CHECK_TEXT(vc_cuda_reason(), reason);
}

/* Nothing is asked of a driver, and everything is in order. */
static void check_host_mode(void) {
  vc_device device = {9, 9};
  vc_event mark = {.event = &mark, .device = 7};
  CHECK_OK(vc_cuda_pointer_device(&device, &device, &error));
  CHECK_INT(device.type, VC_CPU);
  CHECK_TEXT(vc_cuda_host_kind(&device, device), "host");
  CHECK_OK(vc_stream_order(0, 16, 32, &error));
  CHECK_OK(vc_stream_synchronize(0, 16, &error));
  CHECK(!vc_stream_is_capturing(0, 16));
  CHECK_OK(vc_event_record(3, 16, &mark, &error));
  CHECK(!mark.event);
  CHECK(vc_event_done(&mark));
  CHECK_OK(vc_cuda_warmup(0, &error));
}

static void mode_no_library(void) {
  if (dlopen("libcuda.so.1", RTLD_NOW)) {
    puts("skipped: a CUDA driver is installed");
    return;
  }
  check_mode(VC_MODE_HOST, 0, "host mode: libcuda.so.1 is not installed");
  check_host_mode();
}

static void mode_no_library_forbidden(void) {
  vc_mode mode = 7;
  if (dlopen("libcuda.so.1", RTLD_NOW)) return;
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_DEVICE, "VIEWCAST_HOST_MODE=0 forbids");
  CHECK_INT(mode, 7);
}

static void mode_no_device(void) {
  load_simulation();
  sim_fail("cuInit", 0, SIM_NO_DEVICE);
  check_mode(VC_MODE_HOST, 0, "host mode: cuInit finds no device");
  check_host_mode();
  CHECK_INT(sim_log_length(), 1);
}

static void mode_zero_devices(void) {
  load_simulation();
  sim_set_devices(0);
  check_mode(VC_MODE_HOST, 0, "host mode: the driver lists 0 devices");
  check_host_mode();
  CHECK_INT(sim_log_length(), 2);
}

static void mode_forbidden(void) {
  vc_mode mode = 7;
  vc_device device;
  load_simulation();
  sim_set_devices(0);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_DEVICE, "the driver lists 0 devices");
  CHECK_FAILS(vc_cuda_pointer_device(&mode, &device, &error), VC_ERROR_DEVICE, "forbids");
  CHECK_INT(mode, 7);
  CHECK_INT(vc_cuda_device_count(), 0);
  sim_set_devices(2); /* asked again each time */
  check_mode(VC_MODE_CUDA, 2, "CUDA: the driver lists 2 devices");
}

static void mode_error_retried(void) {
  vc_mode mode = 7;
  load_simulation();
  sim_fail("cuInit", 0, SIM_UNKNOWN);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_CUDA,
              "cuInit failed with CUDA error 999 (CUDA_ERROR_UNKNOWN)");
  sim_fail("cuInit", 0, 803);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_CUDA, "CUDA error 803 (unknown error)");
  sim_fail("cuInit", 0, SIM_UNKNOWN);
  CHECK_INT(vc_cuda_device_count(), 0);
  sim_fail("cuInit", 0, SIM_UNKNOWN);
  CHECK_TEXT(vc_cuda_reason(), "CUDA can't be used, and host mode not either");
  sim_fail("cuDeviceGetCount", 0, SIM_UNKNOWN);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_CUDA, "cuDeviceGetCount failed");
  CHECK_INT(mode, 7);
  check_mode(VC_MODE_CUDA, 1, "CUDA: the driver lists 1 device");
  int calls = sim_log_length();
  check_mode(VC_MODE_CUDA, 1, "CUDA: the driver lists 1 device");
  CHECK_INT(sim_log_length(), calls); /* decided once */
}

static void mode_missing_symbol(void) {
  vc_mode mode;
  char part[128];
  snprintf(part, sizeof part, "libcuda.so.1 has no %s; install a newer", case_argument);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_CUDA, part);
}

/* ---------------------------------------------------------- devices of memory */

static char device_memory[64], pinned_memory[64], managed_memory[64], plain_memory[64];

static void check_device(const void *address, int type, int id, const char *kind) {
  vc_device device;
  if (!CHECK_OK(vc_cuda_pointer_device(address, &device, &error))) return;
  CHECK_INT(device.type, type);
  CHECK_INT(device.id, id);
  CHECK_TEXT(vc_cuda_host_kind(address, (vc_device){VC_CPU, 0}), kind);
}

static void test_pointers(void) {
  vc_device device = {9, 9};
  sim_register(device_memory, sizeof device_memory, SIM_DEVICE, 1);
  sim_register(pinned_memory, sizeof pinned_memory, SIM_PINNED, 0);
  sim_register(managed_memory, sizeof managed_memory, SIM_MANAGED, -1);
  check_device(device_memory, VC_CUDA, 1, "host");
  check_device(device_memory + 63, VC_CUDA, 1, "host");
  check_device(pinned_memory, VC_CUDA_HOST, 0, "pinned host");
  check_device(managed_memory, VC_CUDA_MANAGED, 0, "host");
  check_device(plain_memory, VC_CPU, 0, "host");
  CHECK_TEXT(vc_cuda_host_kind(plain_memory, (vc_device){VC_CUDA_HOST, 0}), "pinned host");
  sim_fail("cuPointerGetAttributes", 0, SIM_INVALID_VALUE);
  CHECK_FAILS(vc_cuda_pointer_device(plain_memory, &device, &error), VC_ERROR_CUDA,
              "cuPointerGetAttributes failed with CUDA error 1 (CUDA_ERROR_INVALID_VALUE)");
  CHECK_INT(device.type, 9);
  sim_fail("cuPointerGetAttributes", 0, SIM_INVALID_VALUE);
  CHECK_TEXT(vc_cuda_host_kind(pinned_memory, (vc_device){VC_CPU, 0}), "host");
  CHECK_WORK("");
}

/* --------------------------------------------------------------------- order */

static void test_same(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, false);
  CHECK(vc_stream_same(a, a));
  CHECK(vc_stream_same(0, 1));
  CHECK(vc_stream_same(-1, a) && vc_stream_same(a, -1));
  CHECK(!vc_stream_same(a, b) && !vc_stream_same(1, 2) && !vc_stream_same(0, 2));
  CHECK_OK(vc_stream_order(0, a, a, &error));
  CHECK_OK(vc_stream_order(0, 0, 1, &error));
  CHECK_OK(vc_stream_order(0, 1, 0, &error));
  CHECK_OK(vc_stream_order(0, -1, a, &error));
  CHECK_OK(vc_stream_order(0, a, -1, &error));
  CHECK_OK(vc_stream_order(99, a, a, &error));
  CHECK_INT(sim_log_length(), 0); /* not one call, of any kind */
}

static void order_everything(void) {
  intptr_t a = lettered[0], b = lettered[1];
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_WORK("record A@0, wait B@0");
  CHECK_OK(vc_stream_order(0, 0, b, &error));
  CHECK_WORK("record 1@0, wait B@0");
  CHECK_OK(vc_stream_order(0, a, 1, &error));
  CHECK_WORK("record A@0, wait 1@0");
  CHECK_OK(vc_stream_order(0, 2, 1, NULL));
  CHECK_WORK("record 2@0, wait 1@0");
}

static void order_without_context(void) {
  CHECK_INT(sim_current(), -1);
  order_everything();
  check_undisturbed(-1);
}

static void test_order(void) {
  new_stream(0, false), new_stream(0, true);
  CHECK_OK(vc_stream_order(0, lettered[0], lettered[1], &error));
  CHECK_WORK("create@0, record A@0, wait B@0");
  on_new_thread(order_without_context);
  sim_set_current(0);
  order_everything();
  CHECK_INT(sim_events(), 1); /* the pool's */
  CHECK_FAILS(vc_stream_order(-1, 1, 2, &error), VC_ERROR_DEVICE, "there is no CUDA device -1");
  CHECK_FAILS(vc_stream_order(64, 1, 2, &error), VC_ERROR_DEVICE, "CUDA device 64");
  CHECK_WORK("");
  check_undisturbed(0);
}

static void test_capture_mode_restored(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, false);
  set_mode(SIM_THREAD_LOCAL);
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_INT(sim_mode(), SIM_THREAD_LOCAL);
  CHECK_OK(vc_stream_synchronize(0, a, &error));
  CHECK_INT(sim_mode(), SIM_THREAD_LOCAL);
  CHECK(!vc_stream_is_capturing(0, a));
  CHECK_INT(sim_mode(), SIM_THREAD_LOCAL);
  set_mode(SIM_GLOBAL);
}

static void test_warmup(void) {
  sim_fail("cuEventCreate", 5, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_cuda_warmup(0, &error), VC_ERROR_CUDA, "cuEventCreate failed with CUDA error 2");
  CHECK_INT(sim_events(), 5);
  CHECK_OK(vc_cuda_warmup(0, &error));
  CHECK_INT(sim_events(), POOLED);
  sim_log_clear();
  CHECK_OK(vc_cuda_warmup(0, &error));
  CHECK_WORK("");
  CHECK_FAILS(vc_cuda_warmup(1, &error), VC_ERROR_DEVICE, "no CUDA device 1: this machine has 1");
  CHECK_FAILS(vc_cuda_warmup(-1, &error), VC_ERROR_DEVICE, "no CUDA device -1");
  CHECK_FAILS(vc_cuda_warmup(64, &error), VC_ERROR_DEVICE, "no CUDA device 64");
  check_undisturbed(-1);
}

/* Many threads: no event is lost or used by two, and none is left over. */
enum { THREADS = 8, ROUNDS = 300 };

static void *order_often(void *unused) {
  vc_error own;
  (void)unused;
  intptr_t a = sim_stream_create(0, 0), b = sim_stream_create(0, 1);
  for (int i = 0; i < ROUNDS; i++) {
    vc_event mark;
    check_ok(vc_stream_order(0, a, b, &own), &own, "order", __FILE__, __LINE__);
    if (check_ok(vc_event_record(0, a, &mark, &own), &own, "mark", __FILE__, __LINE__)) {
      CHECK(vc_event_done(&mark));
    }
  }
  check_undisturbed(-1);
  return NULL;
}

static void test_threads(void) {
  pthread_t threads[THREADS];
  CHECK_OK(vc_cuda_warmup(0, &error));
  for (int i = 0; i < THREADS; i++) {
    CHECK_INT(pthread_create(&threads[i], NULL, order_often, NULL), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK_INT(sim_calls("cuEventRecord"), 2 * THREADS * ROUNDS);
  CHECK_INT(sim_calls("cuStreamWaitEvent"), THREADS * ROUNDS);
  CHECK_INT(sim_events(), POOLED);
}

static void test_pool_reused(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  CHECK_OK(vc_cuda_warmup(0, &error));
  int created = sim_calls("cuEventCreate");
  for (int i = 0; i < 100; i++) CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_INT(sim_calls("cuEventCreate"), created);
  CHECK_INT(sim_calls("cuEventDestroy_v2"), 0);
}

/* ------------------------------------------------------------------ captures */

/* Refused, and neither enqueued nor any capture disturbed. */
static void refuse_order(intptr_t producer, intptr_t consumer, const char *part) {
  CHECK_FAILS(vc_stream_order(0, producer, consumer, &error), VC_ERROR_CUDA, part);
  CHECK_WORK("");
}

static void test_one_side_captures(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true), c = new_stream(0, true);
  sim_begin_capture(b, SIM_GLOBAL);
  refuse_order(a, b, "the consumer's stream is capturing a graph and the producer's stream is not");
  refuse_order(b, a, "the producer's stream is capturing a graph and the consumer's stream is not");
  refuse_order(b, a, "producer and consumer");
  refuse_order(b, 1, "is not part of that capture");
  refuse_order(2, b, "is not part of that capture");
  sim_begin_capture(c, SIM_GLOBAL);
  refuse_order(b, c, "is not part of that capture");
  CHECK_INT(sim_end_capture(c), 0);
  CHECK_INT(sim_end_capture(b), 0);
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_WORK("create@0, record A@0, wait B@0");
}

static void test_both_capture(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  sim_begin_capture(a, SIM_GLOBAL);
  sim_join_capture(b, a);
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_WORK("create@0, record A@0, wait B@0");
  CHECK_OK(vc_stream_order(0, b, a, &error));
  CHECK_WORK("record B@0, wait A@0");
  CHECK_INT(sim_end_capture(a), 0);
  CHECK_OK(vc_stream_order(0, a, b, &error)); /* the event of a capture serves again */
  CHECK_WORK("record A@0, wait B@0");
}

static void test_default_stream_and_capture(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true), c = new_stream(0, true);
  sim_begin_capture(a, SIM_GLOBAL); /* blocking: it would draw the legacy stream in */
  refuse_order(1, c, "the default stream (producer's side) can't take part");
  refuse_order(0, a, "the default stream (producer's side) can't take part");
  refuse_order(a, 0, "the default stream (consumer's side) can't take part");
  CHECK_OK(vc_stream_order(0, b, c, &error)); /* strangers to it */
  CHECK_WORK("create@0, record B@0, wait C@0");
  CHECK_OK(vc_stream_order(0, 2, c, &error));
  CHECK_WORK("record 2@0, wait C@0");
  CHECK_INT(sim_end_capture(a), 0);
  sim_begin_capture(b, SIM_GLOBAL); /* non-blocking: no concern of the legacy stream */
  CHECK_OK(vc_stream_order(0, 1, c, &error));
  CHECK_WORK("record 1@0, wait C@0");
  CHECK_INT(sim_end_capture(b), 0);
}

static void test_is_capturing(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  CHECK(!vc_stream_is_capturing(0, a) && !vc_stream_is_capturing(0, 1));
  CHECK_WORK("");
  sim_begin_capture(a, SIM_THREAD_LOCAL);
  CHECK(vc_stream_is_capturing(0, a));
  CHECK(vc_stream_is_capturing(0, 0) && vc_stream_is_capturing(0, 1));
  CHECK(!vc_stream_is_capturing(0, 2) && !vc_stream_is_capturing(0, b));
  CHECK(!vc_stream_is_capturing(0, -1));
  sim_fail("cuStreamIsCapturing", 0, SIM_UNKNOWN);
  CHECK(!vc_stream_is_capturing(0, a));
  CHECK_INT(sim_end_capture(a), 0);
  CHECK(!vc_stream_is_capturing(0, a) && !vc_stream_is_capturing(0, 1));
}

static void test_synchronize(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  CHECK_OK(vc_stream_synchronize(0, -1, &error));
  CHECK_INT(sim_log_length(), 0);
  CHECK_OK(vc_stream_synchronize(0, a, &error));
  CHECK_WORK("synchronize A@0");
  CHECK_OK(vc_stream_synchronize(0, 0, &error));
  CHECK_WORK("synchronize 1@0");
  sim_set_current(0);
  CHECK_OK(vc_stream_synchronize(-1, 0, &error)); /* pinned memory is no device's */
  CHECK_WORK("synchronize 1@0");
  sim_set_current(-1);
  sim_begin_capture(a, SIM_GLOBAL);
  const char *part = "the host can't wait for a stream that is capturing a graph";
  CHECK_FAILS(vc_stream_synchronize(0, a, &error), VC_ERROR_CUDA, part);
  CHECK_FAILS(vc_stream_synchronize(0, 1, &error), VC_ERROR_CUDA, part);
  CHECK_WORK("");
  CHECK_OK(vc_stream_synchronize(0, b, &error));
  CHECK_WORK("synchronize B@0");
  CHECK_INT(sim_end_capture(a), 0);
  sim_fail("cuStreamSynchronize", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_stream_synchronize(0, a, &error), VC_ERROR_CUDA,
              "cuStreamSynchronize failed with CUDA error 700 (CUDA_ERROR_ILLEGAL_ADDRESS)");
  sim_fail("cuStreamIsCapturing", 0, SIM_UNKNOWN);
  CHECK_INT(vc_stream_synchronize(0, a, NULL), VC_ERROR_CUDA);
}

static void test_idle(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  CHECK(vc_stream_is_idle(0, -1));
  CHECK_INT(sim_log_length(), 0);
  CHECK(vc_stream_is_idle(0, a) && vc_stream_is_idle(0, b) && vc_stream_is_idle(0, 1));
  CHECK_WORK("");
  sim_busy(a, 0, 1);
  CHECK(!vc_stream_is_idle(0, a) && vc_stream_is_idle(0, b));
  CHECK(!vc_stream_is_idle(0, 0) && !vc_stream_is_idle(0, 1)); /* a is blocking */
  sim_busy(a, 0, 0);
  sim_busy(b, 0, 1);
  CHECK(!vc_stream_is_idle(0, b) && vc_stream_is_idle(0, 1));
  sim_busy(b, 0, 0);
  sim_begin_capture(a, SIM_GLOBAL);
  CHECK(!vc_stream_is_idle(0, a) && !vc_stream_is_idle(0, 1) && vc_stream_is_idle(0, b));
  CHECK_INT(sim_end_capture(a), 0);
  sim_fail("cuStreamQuery", 0, SIM_ILLEGAL_ADDRESS);
  CHECK(!vc_stream_is_idle(0, a) && vc_stream_is_idle(0, a));
  sim_fail("cuStreamIsCapturing", 0, SIM_UNKNOWN);
  CHECK(!vc_stream_is_idle(0, a) && vc_stream_is_idle(0, a));
}

/* A capture in the strictest mode, and all that another thread does beside it. */
static void beside_a_capture(void) {
  intptr_t b = lettered[1], c = lettered[2];
  vc_event mark;
  CHECK_OK(vc_cuda_warmup(0, &error));
  CHECK_OK(vc_stream_order(0, b, c, &error));
  CHECK_OK(vc_stream_synchronize(0, b, &error));
  if (CHECK_OK(vc_event_record(0, c, &mark, &error))) CHECK(vc_event_done(&mark));
  check_undisturbed(-1);
}

static void test_beside_a_capture(void) {
  intptr_t a = new_stream(0, false);
  new_stream(0, true), new_stream(0, true);
  sim_begin_capture(a, SIM_GLOBAL);
  on_new_thread(beside_a_capture);
  beside_a_capture();
  CHECK_INT(sim_end_capture(a), 0);
}

/* --------------------------------------------------------------------- marks */

static void test_marks(void) {
  intptr_t a = new_stream(0, false);
  vc_event mark;
  sim_busy(a, 0, 1);
  CHECK_OK(vc_event_record(0, a, &mark, &error));
  CHECK_WORK("create@0, record A@0");
  CHECK(!vc_event_done(&mark) && !vc_event_done(&mark));
  CHECK_WORK("query@0, query@0");
  sim_busy(a, 0, 0);
  CHECK(vc_event_done(&mark));
  CHECK_WORK("query@0");
  CHECK(!mark.event);
  CHECK_OK(vc_event_record(0, -1, &mark, &error));
  CHECK(!mark.event);
  CHECK(vc_event_done(&mark));
  CHECK_OK(vc_event_record(0, 0, &mark, &error));
  CHECK_WORK("record 1@0");                         /* the event is the pool's */
  sim_fail("cuEventQuery", 0, SIM_ILLEGAL_ADDRESS); /* lost, and so done */
  CHECK(vc_event_done(&mark));
  CHECK_INT(sim_events(), 1);
  CHECK_FAILS(vc_event_record(64, a, &mark, &error), VC_ERROR_DEVICE, "CUDA device 64");
}

static void test_marks_dropped(void) {
  intptr_t a = new_stream(0, false);
  vc_event mark;
  sim_busy(a, 0, 1);
  CHECK_OK(vc_event_record(0, a, &mark, &error));
  vc_event_release(&mark);
  CHECK(!mark.event);
  vc_event_release(&mark); /* nothing more to give back */
  CHECK_WORK("create@0, record A@0");
  CHECK_OK(vc_event_record(0, a, &mark, &error));
  CHECK_WORK("record A@0"); /* the same event, which is not asked for */
  vc_event_release(&mark);
  CHECK_INT(sim_events(), 1);
}

/* More marks than the pool holds: the rest of their events is destroyed. */
static void test_many_marks(void) {
  enum { MARKS = POOLED + 5 };
  intptr_t a = new_stream(0, false);
  vc_event marks[MARKS];
  for (int i = 0; i < MARKS; i++) CHECK_OK(vc_event_record(0, a, &marks[i], &error));
  CHECK_INT(sim_events(), MARKS);
  for (int i = 0; i < MARKS; i++) CHECK(vc_event_done(&marks[i]));
  CHECK_INT(sim_events(), POOLED);
}

static void test_marks_refused(void) {
  intptr_t a = new_stream(0, false);
  vc_event mark = {.event = &mark, .device = 7};
  sim_begin_capture(a, SIM_GLOBAL);
  CHECK_FAILS(vc_event_record(0, a, &mark, &error), VC_ERROR_CUDA, "can't be marked");
  CHECK_FAILS(vc_event_record(0, 1, &mark, &error), VC_ERROR_CUDA, "can't be marked");
  CHECK_WORK("");
  CHECK_INT(sim_end_capture(a), 0);
  sim_fail("cuEventCreate", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_event_record(0, a, &mark, &error), VC_ERROR_CUDA, "cuEventCreate failed");
  CHECK_WORK("create@0");
  sim_fail("cuEventRecord", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_event_record(0, a, &mark, &error), VC_ERROR_CUDA, "cuEventRecord failed");
  CHECK_WORK("create@0, record A@0");
  CHECK_INT(sim_events(), 1); /* the pool's */
  CHECK(mark.event == &mark);
  CHECK_INT(mark.device, 7);
}

/* ------------------------------------------------------------------ failures */

static void fail_order(const char *symbol, const char *part, const char *done) {
  sim_fail(symbol, 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_stream_order(0, lettered[0], lettered[1], &error), VC_ERROR_CUDA, part);
  CHECK(strstr(error.message, "700 (CUDA_ERROR_ILLEGAL_ADDRESS)") != NULL);
  CHECK_WORK(done);
  check_undisturbed(-1);
}

static void test_failures(void) {
  new_stream(0, false), new_stream(0, false);
  fail_order("cuStreamIsCapturing", "cuStreamIsCapturing failed", "");
  fail_order("cuEventCreate", "cuEventCreate failed", "create@0");
  CHECK_INT(sim_events(), 0);
  fail_order("cuEventRecord", "cuEventRecord (producer's stream) failed", "create@0, record A@0");
  fail_order("cuStreamWaitEvent", "cuStreamWaitEvent (consumer's stream) failed",
             "record A@0, wait B@0");
  CHECK_INT(sim_events(), 1);
  CHECK_OK(vc_stream_order(0, lettered[0], lettered[1], &error));
  CHECK_WORK("record A@0, wait B@0");
}

/* Without a context nothing can be ordered, and that is said. */
static void test_no_context(void) {
  intptr_t a = new_stream(0, false);
  sim_fail("cuDevicePrimaryCtxRetain", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_stream_order(0, 1, a, &error), VC_ERROR_CUDA,
              "device 0 current failed with CUDA error 2 ");
  sim_fail("cuCtxPushCurrent_v2", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_stream_order(0, 1, a, &error), VC_ERROR_CUDA,
              "device 0 current failed with CUDA error 2 ");
  sim_fail("cuCtxGetCurrent", 0, SIM_UNKNOWN);
  CHECK_FAILS(vc_stream_order(0, 1, a, &error), VC_ERROR_CUDA,
              "device 0 current failed with CUDA error 999");
  CHECK_WORK("");
  CHECK_INT(sim_mode(), SIM_GLOBAL);
  CHECK_OK(vc_stream_order(0, 1, a, &error));
  CHECK_WORK("create@0, record 1@0, wait A@0");
}

/* --------------------------------------------------------------- two devices */

static void order_on_two(intptr_t producer, intptr_t consumer, const char *on_0, const char *on_1) {
  CHECK_OK(vc_stream_order(0, producer, consumer, &error));
  CHECK_WORK(on_0);
  CHECK_OK(vc_stream_order(1, producer, consumer, &error));
  CHECK_WORK(on_1);
}

static void order_across(void) {
  intptr_t a = lettered[0], b = lettered[1], c = lettered[2];
  int before = sim_current();
  order_on_two(a, b, "create@0, record A@0, wait B@1, destroy@0",
               "create@0, record A@0, wait B@1, destroy@1");
  order_on_two(b, a, "create@1, record B@1, wait A@0, destroy@0",
               "create@1, record B@1, wait A@0, destroy@1");
  order_on_two(1, b, "create@0, record 1@0, wait B@1, destroy@0", "record 1@1, wait B@1");
  order_on_two(a, 1, "record A@0, wait 1@0", "create@0, record A@0, wait 1@1, destroy@1");
  order_on_two(b, c, "create@1, record B@1, wait C@1, destroy@0", "record B@1, wait C@1");
  order_on_two(2, 1, "record 2@0, wait 1@0", "record 2@1, wait 1@1");
  check_undisturbed(before);
}

static void test_two_devices(void) {
  new_stream(0, false), new_stream(1, false), new_stream(1, true);
  CHECK_OK(vc_cuda_warmup(0, &error));
  CHECK_OK(vc_cuda_warmup(1, &error));
  CHECK_FAILS(vc_cuda_warmup(2, &error), VC_ERROR_DEVICE, "no CUDA device 2: this machine has 2");
  sim_log_clear();
  on_new_thread(order_across);
  sim_set_current(1);
  order_across();
  sim_set_current(0);
  order_across();
  CHECK_INT(sim_events(), 2 * POOLED);
}

static void fail_across(const char *symbol, const char *part) {
  sim_fail(symbol, 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_stream_order(0, lettered[0], lettered[1], &error), VC_ERROR_CUDA, part);
  CHECK_INT(sim_events(), 0);
  check_undisturbed(-1);
}

static void test_two_devices_failures(void) {
  intptr_t a = new_stream(0, false), b = new_stream(1, false);
  fail_across("cuStreamIsCapturing", "cuStreamIsCapturing failed");
  fail_across("cuEventCreate", "cuEventCreate failed");
  fail_across("cuEventRecord", "cuEventRecord (producer's stream) failed");
  fail_across("cuStreamWaitEvent", "cuStreamWaitEvent (consumer's stream) failed");
  sim_begin_capture(b, SIM_GLOBAL);
  sim_log_clear();
  refuse_order(a, b, "is not part of that capture");
  refuse_order(b, 1, "is not part of that capture");
  CHECK_INT(sim_end_capture(b), 0);
}

static void test_two_devices_capture(void) {
  intptr_t a = new_stream(0, false), b = new_stream(1, false);
  sim_begin_capture(a, SIM_GLOBAL);
  sim_join_capture(b, a);
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_WORK("create@0, record A@0, wait B@1, destroy@0");
  CHECK_INT(sim_end_capture(a), 0);
}

static void test_two_devices_marks(void) {
  intptr_t a = new_stream(1, false), b = new_stream(0, false), c = new_stream(0, false);
  vc_event mark;
  CHECK_OK(vc_stream_order(0, b, c, &error)); /* an event for the first one's pool */
  CHECK_WORK("create@0, record B@0, wait C@0");
  sim_busy(a, 1, 1);
  CHECK_OK(vc_event_record(0, a, &mark, &error)); /* memory of the first, work on the second */
  CHECK_WORK("create@1, record A@1");
  CHECK(!vc_event_done(&mark));
  sim_busy(a, 1, 0);
  CHECK(vc_event_done(&mark));
  CHECK_WORK("query@0, query@0, destroy@0");
  CHECK_OK(vc_stream_order(0, b, c, &error));
  CHECK_WORK("record B@0, wait C@0");
  CHECK_OK(vc_stream_synchronize(0, a, &error));
  CHECK_WORK("synchronize A@1");
  CHECK_OK(vc_stream_synchronize(1, 1, &error));
  CHECK_WORK("synchronize 1@1");
  CHECK_INT(sim_events(), 1);
}

/* A device's first use makes its context, which a capture elsewhere must survive. */
static void test_first_use_beside_a_capture(void) {
  intptr_t a = new_stream(0, false);
  sim_begin_capture(a, SIM_GLOBAL);
  CHECK_OK(vc_cuda_warmup(1, &error));
  CHECK_INT(sim_end_capture(a), 0);
}

/* -------------------------------------------------------------------- copies */

static vc_view rows_of(void *memory, vc_device device, int64_t pitch) {
  vc_view view;
  CHECK_OK(
      vc_view_packed(memory, device, (vc_dtype){VC_UINT, 8}, 2, (int64_t[]){3, 8}, &view, &error));
  view.strides[0] = pitch;
  return view;
}

static void test_copy(void) {
  intptr_t a = new_stream(0, false), b = new_stream(1, false);
  vc_view from = rows_of(plain_memory, (vc_device){VC_CPU, 0}, 8);
  vc_view to = rows_of(device_memory, (vc_device){VC_CUDA, 1}, 16);
  memcpy(plain_memory, "row one row two end row!", 24);
  CHECK_OK(vc_copy(&to, &from, b, &error));
  CHECK_WORK("copy B@1");
  CHECK(memcmp(device_memory + 16, "row two ", 8) == 0);
  CHECK(memcmp(device_memory + 32, "end row!", 8) == 0);
  memset(plain_memory, 0, sizeof plain_memory);
  CHECK_OK(vc_copy(&from, &to, 0, &error));
  CHECK_WORK("copy 1@1");
  CHECK(memcmp(plain_memory, "row one row two end row!", 24) == 0);
  sim_begin_capture(a, SIM_GLOBAL);
  to.device.id = 0;
  CHECK_OK(vc_copy(&to, &from, a, &error)); /* into the graph */
  CHECK_INT(sim_end_capture(a), 0);
  CHECK_WORK("copy A@0");
}

static void test_copy_refused(void) {
  intptr_t a = new_stream(0, false);
  vc_view from = rows_of(plain_memory, (vc_device){VC_CPU, 0}, 8), to = from;
  to.data = device_memory;
  to.device = (vc_device){VC_CUDA, 0};
  sim_fail("cuMemcpy2DAsync_v2", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_copy(&to, &from, a, &error), VC_ERROR_CUDA, "cuMemcpy2DAsync failed");
  CHECK_WORK("copy A@0");
  to.readonly = 1;
  CHECK_FAILS(vc_copy(&to, &from, a, &error), VC_ERROR_VALUE, "destination is read-only");
  to.readonly = 0;
  to.shape[1] = 7;
  CHECK_FAILS(vc_copy(&to, &from, a, &error), VC_ERROR_LAYOUT, "shape and dtype");
  to.shape[1] = from.shape[1] = 0; /* nothing to copy */
  CHECK_OK(vc_copy(&to, &from, a, &error));
  CHECK_WORK("");
}

/* ------------------------------------------------------------ shared GpuMats */

typedef struct {
  ptrdiff_t offset_to_top;
  const void *type_info;
  void (*destructors[2])(void *self);
  bool (*allocate)(void *self, vc_gpumat *mat, int rows, int cols, size_t elem_size);
  void (*free)(void *self, vc_gpumat *mat);
} allocator_table;

/* What was so when the memory went back to OpenCV's allocator. */
static struct {
  int calls, device, mode;
  void *data;
} freed;

static void note_free(void *self, vc_gpumat *mat) {
  (void)self;
  freed.calls++;
  freed.device = sim_current();
  freed.mode = sim_mode();
  freed.data = mat->data;
}

static const allocator_table table = {.free = note_free};
static const struct {
  const void *address_point;
} standard_allocator = {table.destructors};

static int32_t references;

static vc_gpumat standard_mat(void *memory) {
  references = 1;
  return (vc_gpumat){.flags = 0x42FF0000 | 1 << 14,
                     .rows = 4,
                     .cols = 4,
                     .step = 4,
                     .data = memory,
                     .refcount = &references,
                     .datastart = memory,
                     .dataend = (const uint8_t *)memory + 16,
                     .allocator = (void *)(uintptr_t)&standard_allocator};
}

/* OpenCV lets its own reference go first: ours is the last. */
static vc_owner share_last(void *memory) {
  vc_gpumat_abi abi;
  vc_owner owner = {0};
  vc_gpumat mat = standard_mat(memory);
  memset(&freed, 0, sizeof freed);
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard_allocator, &abi, &error));
  CHECK_OK(vc_gpumat_share(&abi, &mat, &owner, &error));
  CHECK_INT(references, 2);
  references = 1;
  return owner;
}

static vc_owner shared;
static void release_shared(void) { vc_owner_release(&shared); }

static void release_on_new_thread(void) {
  release_shared();
  check_undisturbed(-1);
}

static void check_freed(const void *memory, int device, int mode) {
  CHECK_INT(freed.calls, 1);
  CHECK_INT(freed.device, device);
  CHECK_INT(freed.mode, mode);
  CHECK(freed.data == memory);
}

static void test_shared_memory(void) {
  sim_register(device_memory, sizeof device_memory, SIM_DEVICE, 1);
  sim_set_current(0);
  shared = share_last(device_memory);
  on_new_thread(release_on_new_thread);
  check_freed(device_memory, 1, SIM_RELAXED);
  shared = share_last(device_memory);
  release_shared();
  check_freed(device_memory, 1, SIM_RELAXED);
  shared = share_last(plain_memory); /* of no device: no context */
  on_new_thread(release_on_new_thread);
  check_freed(plain_memory, -1, SIM_GLOBAL);
  shared = share_last(device_memory);
  references = 2; /* OpenCV's again: nothing is freed */
  release_shared();
  CHECK_INT(freed.calls, 0);
  CHECK_INT(references, 1);
  check_undisturbed(0);
}

static void test_share_fails(void) {
  vc_gpumat_abi abi;
  vc_owner owner = {0};
  vc_gpumat mat = standard_mat(device_memory);
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard_allocator, &abi, &error));
  sim_fail("cuPointerGetAttributes", 0, SIM_INVALID_VALUE);
  CHECK_FAILS(vc_gpumat_share(&abi, &mat, &owner, &error), VC_ERROR_CUDA, "cuPointerGetAttributes");
  CHECK_INT(references, 1);
  CHECK(!owner.release);
}

/* The process is ending: the driver is gone, and device memory with it. */
static void test_driver_gone(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, false);
  vc_event mark;
  vc_device device;
  sim_register(device_memory, sizeof device_memory, SIM_DEVICE, 0);
  shared = share_last(device_memory);
  CHECK_OK(vc_event_record(0, a, &mark, &error));
  sim_busy(a, 0, 1);
  sim_shut_down(1);
  sim_log_clear();
  release_shared();
  CHECK_INT(freed.calls, 0);
  CHECK(vc_event_done(&mark));
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK(!vc_stream_is_capturing(0, a));
  CHECK_WORK("");
  CHECK_INT(vc_cuda_pointer_device(device_memory, &device, &error), VC_ERROR_CUDA);
  CHECK_INT(vc_stream_synchronize(0, a, &error), VC_ERROR_CUDA);
  CHECK_INT(vc_event_record(0, a, &mark, &error), VC_ERROR_CUDA);
  CHECK_INT(sim_errors(), 0);
}

/* ------------------------------------------------------------- the processes */

enum { NO_LIBRARY = 1, FORBIDDEN = 2, TWO_DEVICES = 4, BARE = 8 };

/* BARE: the case itself sees to the simulation and to what must be true then. */
static const struct {
  const char *name;
  void (*run)(void);
  int setting;
} cases[] = {
    {"mode_no_library", mode_no_library, BARE | NO_LIBRARY},
    {"mode_no_library_forbidden", mode_no_library_forbidden, BARE | NO_LIBRARY | FORBIDDEN},
    {"mode_no_device", mode_no_device, BARE},
    {"mode_zero_devices", mode_zero_devices, BARE},
    {"mode_forbidden", mode_forbidden, BARE | FORBIDDEN},
    {"mode_error_retried", mode_error_retried, BARE},
    {"pointers", test_pointers, TWO_DEVICES},
    {"same", test_same, 0},
    {"order", test_order, 0},
    {"capture_mode_restored", test_capture_mode_restored, 0},
    {"warmup", test_warmup, 0},
    {"threads", test_threads, 0},
    {"pool_reused", test_pool_reused, 0},
    {"one_side_captures", test_one_side_captures, 0},
    {"both_capture", test_both_capture, 0},
    {"default_stream_and_capture", test_default_stream_and_capture, 0},
    {"is_capturing", test_is_capturing, 0},
    {"synchronize", test_synchronize, 0},
    {"idle", test_idle, 0},
    {"beside_a_capture", test_beside_a_capture, 0},
    {"marks", test_marks, 0},
    {"marks_dropped", test_marks_dropped, 0},
    {"many_marks", test_many_marks, 0},
    {"marks_refused", test_marks_refused, 0},
    {"failures", test_failures, 0},
    {"no_context", test_no_context, 0},
    {"two_devices", test_two_devices, TWO_DEVICES},
    {"two_devices_failures", test_two_devices_failures, TWO_DEVICES},
    {"two_devices_capture", test_two_devices_capture, TWO_DEVICES},
    {"two_devices_marks", test_two_devices_marks, TWO_DEVICES},
    {"first_use_beside_a_capture", test_first_use_beside_a_capture, TWO_DEVICES},
    {"copy", test_copy, TWO_DEVICES},
    {"copy_refused", test_copy_refused, 0},
    {"shared_memory", test_shared_memory, TWO_DEVICES},
    {"share_fails", test_share_fails, TWO_DEVICES},
    {"driver_gone", test_driver_gone, 0},
};
enum { CASES = sizeof cases / sizeof *cases };

/* Every function that the library looks for in the driver. */
static const char *const symbols[] = {
    "cuInit",
    "cuDeviceGetCount",
    "cuDevicePrimaryCtxRetain",
    "cuCtxGetCurrent",
    "cuCtxPushCurrent_v2",
    "cuCtxPopCurrent_v2",
    "cuPointerGetAttributes",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuStreamWaitEvent",
    "cuEventQuery",
    "cuStreamSynchronize",
    "cuStreamQuery",
    "cuStreamGetCtx",
    "cuStreamIsCapturing",
    "cuStreamGetCaptureInfo_v2",
    "cuThreadExchangeStreamCaptureMode",
    "cuStreamGetFlags",
    "cuCtxGetDevice",
    "cuDeviceGetAttribute",
    "cuMemAlloc_v2",
    "cuMemAllocAsync",
    "cuMemFree_v2",
    "cuMemFreeAsync",
    "cuMemcpy2DAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuLaunchKernel",
    "cuGetErrorName",
};

static int run_case(const char *name) {
  for (int i = 0; i < CASES; i++) {
    if (strcmp(cases[i].name, name) != 0) continue;
    bool bare = (cases[i].setting & BARE) != 0;
    if (!bare) {
      vc_mode mode;
      load_simulation();
      CHECK_OK(vc_cuda_mode(&mode, &error));
      sim_log_clear();
    }
    cases[i].run();
    if (!bare) check_undisturbed(sim_current());
  }
  if (strcmp(name, "missing_symbol") == 0) mode_missing_symbol();
  return checks_failed != 0;
}

/* By its own name: under valgrind /proc/self/exe is valgrind. */
static const char *program;

/* Runs this program anew; `libraries` is where it finds libcuda.so.1. */
static void start(const char *name, const char *argument, int setting, const char *libraries) {
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

/* The bytes of the driver with one symbol's name changed: a driver without it. */
static void rename_symbol(char *bytes, size_t size, const char *symbol) {
  size_t length = strlen(symbol) + 1;
  for (size_t i = 1; i + length <= size; i++) {
    if (bytes[i - 1] == '\0' && memcmp(bytes + i, symbol, length) == 0) bytes[i] = 'X';
  }
}

static char *read_whole(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  struct stat about;
  if (!file || fstat(fileno(file), &about) != 0) {
    perror(path);
    exit(1);
  }
  *size = (size_t)about.st_size;
  char *bytes = malloc(*size);
  if (!bytes || fread(bytes, 1, *size, file) != *size) exit(1);
  fclose(file);
  return bytes;
}

static void write_whole(const char *path, const char *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0)) exit(1);
}

static void start_without(const char *symbol, const char *driver, const char *folder) {
  char path[512];
  size_t size;
  char *bytes = read_whole(driver, &size);
  rename_symbol(bytes, size, symbol);
  snprintf(path, sizeof path, "%s/libcuda.so.1", folder);
  write_whole(path, bytes, size);
  free(bytes);
  start("missing_symbol", symbol, 0, folder);
  unlink(path);
}

static void start_all(const char *libraries, const char *driver, const char *folder) {
  for (int i = 0; i < CASES; i++) {
    bool without = (cases[i].setting & NO_LIBRARY) != 0;
    start(cases[i].name, "", cases[i].setting, without ? folder : libraries);
  }
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    start_without(symbols[i], driver, folder);
  }
}

int main(int count, char **arguments) {
  if (count > 1) {
    case_argument = count > 2 ? arguments[2] : "";
    return run_case(arguments[1]);
  }
  program = arguments[0];
  Dl_info driver;
  char folder[] = "/tmp/test_streams_XXXXXX";
  load_simulation();
  void *function;
  memcpy(&function, &sim_depth, sizeof function);
  if (!dladdr(function, &driver) || !mkdtemp(folder)) return 1;
  start_all(getenv("LD_LIBRARY_PATH"), driver.dli_fname, folder);
  rmdir(folder);
  return check_report();
}
