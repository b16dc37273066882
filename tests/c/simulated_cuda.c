/* SPDX-License-Identifier: Apache-2.0 */
#include "simulated_cuda.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 16, MAX_STREAMS = 256, MAX_RANGES = 256, MAX_CAPTURES = 64 };
enum { MAX_CALLS = 1 << 14, MAX_DEPTH = 16 };
enum { PER_THREAD = 2 };

typedef struct {
  uint64_t id;
  int mode;
  pthread_t thread;
  bool active, invalidated;
} capture;

typedef struct stream {
  int device;
  bool non_blocking, busy, destroyed;
  int epoch; /* how often it has become busy */
  capture *capture;
  int clock[MAX_STREAMS]; /* what its next work comes after, by stream */
} stream;

/* Never freed, so that a use after its destruction is found. */
typedef struct event {
  int device;
  bool destroyed;
  stream *recorded;
  int epoch;
  uint64_t capture;       /* that it was recorded in; 0: none */
  int clock[MAX_STREAMS]; /* what comes before it */
  struct event *next;
} event;

typedef struct {
  uintptr_t address;
  size_t bytes;
  int kind, device;
  bool owned, in_order; /* of cuMemAlloc, of cuMemAllocAsync */
  int context;          /* that it was allocated in: the primary one of this device */
} range;

typedef struct {
  const char *name;
  int calls;
  int fail_in, failure; /* fail_in 0: does not fail */
} symbol;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int devices = -1;           /* not read yet */
static char contexts[MAX_DEVICES]; /* their addresses are the handles */
static bool retained[MAX_DEVICES];
static int capabilities[MAX_DEVICES]; /* 0: not set */
/* The first streams are the default ones: two for each device. */
static stream streams[MAX_STREAMS];
static int stream_count = 2 * MAX_DEVICES;
static event *events;
static int events_alive;
static capture captures[MAX_CAPTURES];
static uint64_t capture_ids;
static range ranges[MAX_RANGES];
static symbol symbols[64];
static sim_call calls[MAX_CALLS];
static int call_count;
static int errors;
static const char *last_error = "none";
static bool down;

static _Thread_local int stack[MAX_DEPTH + 1] = {-1};
static _Thread_local int depth, mode;

static int current(void) { return stack[depth]; }

static int broken(const char *rule, int result) {
  errors++;
  last_error = rule;
  return result;
}

/* --- calls: each is logged, and may be made to fail */

static symbol *symbol_of(const char *name) {
  symbol *each = symbols;
  while (each->name && strcmp(each->name, name) != 0) each++;
  if (!each->name) each->name = strdup(name);
  return each;
}

static int injected(symbol *called) {
  called->calls++;
  if (down) return SIM_DEINITIALIZED;
  return called->fail_in && --called->fail_in == 0 ? called->failure : SIM_SUCCESS;
}

static _Thread_local int logged; /* the index of this call; -1: the log is full */

static int begin(const char *name, intptr_t handle, uintptr_t object) {
  pthread_mutex_lock(&mutex);
  int result = injected(symbol_of(name));
  logged = call_count < MAX_CALLS ? call_count++ : -1;
  if (logged >= 0) {
    calls[logged] = (sim_call){name, handle, object, current(), mode, result};
  }
  return result;
}

static int end(int result) {
  if (logged >= 0) calls[logged].result = result;
  pthread_mutex_unlock(&mutex);
  return result;
}

#define ENTRY __attribute__((visibility("default")))

/* A function of the driver: `body` gives the result where none is injected. */
#define SIMULATED(name, parameters, handle, object, body)               \
  ENTRY int name parameters;                                            \
  int name parameters {                                                 \
    int result = begin(#name, (intptr_t)(handle), (uintptr_t)(object)); \
    return end(result == SIM_SUCCESS ? (body) : result);                \
  }

/* --- devices and contexts */

static int device_count(void) {
  if (devices < 0) {
    const char *text = getenv("SIMULATED_CUDA_DEVICES");
    devices = text ? atoi(text) : 1;
    if (devices < 0 || devices > MAX_DEVICES) devices = MAX_DEVICES;
  }
  return devices;
}

static bool is_device(int device) { return device >= 0 && device < device_count(); }

/* Unsafe calls end the captures that they may disturb, but on a relaxed thread. */
static int unsafe(void) {
  int result = SIM_SUCCESS;
  if (mode == SIM_RELAXED) return result;
  for (int i = 0; i < MAX_CAPTURES; i++) {
    capture *each = &captures[i];
    bool mine = each->active && pthread_equal(each->thread, pthread_self());
    bool disturbed =
        mine ? each->mode != SIM_RELAXED : mode == SIM_GLOBAL && each->mode == SIM_GLOBAL;
    if (!each->active || !disturbed) continue;
    each->invalidated = true;
    result = SIM_CAPTURE_UNSUPPORTED;
  }
  return result;
}

static int get_count(int *count) {
  *count = device_count();
  return SIM_SUCCESS;
}

/* The first one makes the context, which allocates. */
static int retain(void **context, int device) {
  if (!is_device(device)) return SIM_INVALID_VALUE;
  int result = retained[device] ? SIM_SUCCESS : unsafe();
  if (result != SIM_SUCCESS) return result;
  retained[device] = true;
  *context = &contexts[device];
  return SIM_SUCCESS;
}

static int get_current(void **context) {
  *context = current() < 0 ? NULL : &contexts[current()];
  return SIM_SUCCESS;
}

static int push(void *context) {
  ptrdiff_t device = (char *)context - contexts;
  if (device < 0 || device >= MAX_DEVICES || !retained[device]) {
    return broken("a context that nobody retained is pushed", SIM_INVALID_CONTEXT);
  }
  if (depth == MAX_DEPTH) return broken("contexts pile up", SIM_INVALID_CONTEXT);
  stack[++depth] = (int)device;
  return SIM_SUCCESS;
}

static int pop(void **context) {
  if (depth == 0) return broken("a context is popped that was not pushed", SIM_INVALID_CONTEXT);
  get_current(context);
  depth--;
  return SIM_SUCCESS;
}

static int get_device(int *device) {
  if (current() < 0) return SIM_INVALID_CONTEXT;
  *device = current();
  return SIM_SUCCESS;
}

/* Every device has memory pools. */
static int get_attribute(int *value, int attribute, int device) {
  enum { MAJOR = 75, MINOR = 76, MEMORY_POOLS = 115 };
  if (!is_device(device)) return SIM_INVALID_VALUE;
  int capability = capabilities[device] ? capabilities[device] : 90;
  *value = attribute == MAJOR   ? capability / 10
           : attribute == MINOR ? capability % 10
                                : attribute == MEMORY_POOLS;
  return SIM_SUCCESS;
}

static int exchange_mode(int *exchanged) {
  if (*exchanged < SIM_GLOBAL || *exchanged > SIM_RELAXED) return SIM_INVALID_VALUE;
  int before = mode;
  mode = *exchanged;
  *exchanged = before;
  return SIM_SUCCESS;
}

SIMULATED(cuInit, (unsigned flags), 0, 0, flags ? SIM_INVALID_VALUE : SIM_SUCCESS)
SIMULATED(cuDeviceGetCount, (int *count), 0, 0, get_count(count))
SIMULATED(cuDeviceGetAttribute, (int *value, int attribute, int device), 0, 0,
          get_attribute(value, attribute, device))
SIMULATED(cuDevicePrimaryCtxRetain, (void **context, int device), 0, 0, retain(context, device))
SIMULATED(cuCtxGetCurrent, (void **context), 0, 0, get_current(context))
SIMULATED(cuCtxPushCurrent_v2, (void *context), 0, context, push(context))
SIMULATED(cuCtxPopCurrent_v2, (void **context), 0, 0, pop(context))
SIMULATED(cuCtxGetDevice, (int *device), 0, 0, get_device(device))
SIMULATED(cuThreadExchangeStreamCaptureMode, (int *exchanged), 0, 0, exchange_mode(exchanged))

/* --- streams */

static bool is_legacy(const stream *each) {
  return each < streams + 2 * MAX_DEVICES && (each - streams) % 2 == 0;
}

static stream *default_stream(int device, intptr_t handle) {
  stream *found = &streams[2 * device + (handle == PER_THREAD)];
  found->device = device;
  return found;
}

/* The stream behind a handle; *result says what is wrong with it. */
static stream *find_stream(intptr_t handle, int *result) {
  *result = SIM_SUCCESS;
  if (handle >= 0 && handle <= PER_THREAD) {
    if (current() >= 0) return default_stream(current(), handle);
    *result = SIM_INVALID_CONTEXT;
    return NULL;
  }
  stream *each = (stream *)handle;
  if (each < streams || each >= streams + stream_count) {
    *result = broken("a handle is no stream", SIM_INVALID_HANDLE);
  } else if (each->destroyed) {
    *result = broken("a destroyed stream is used", SIM_INVALID_HANDLE);
  }
  return *result == SIM_SUCCESS ? each : NULL;
}

/* Whether the legacy stream may not be touched; with `invalidate` it was. */
static bool is_implicit(const stream *each, bool invalidate) {
  bool found = false;
  for (int i = 0; is_legacy(each) && i < stream_count; i++) {
    if (!streams[i].capture || streams[i].non_blocking) continue;
    if (streams[i].device != each->device) continue;
    if (invalidate) streams[i].capture->invalidated = true;
    found = true;
  }
  return found;
}

static int get_stream_context(intptr_t handle, void **context) {
  int result;
  const stream *each = find_stream(handle, &result);
  if (each) *context = &contexts[each->device];
  return result;
}

static int get_flags(intptr_t handle, unsigned *flags) {
  int result;
  const stream *each = find_stream(handle, &result);
  if (each) *flags = each->non_blocking;
  return result;
}

static int get_capture(intptr_t handle, int *status, uint64_t *id);

SIMULATED(cuStreamIsCapturing, (intptr_t handle, int *status), handle, 0,
          get_capture(handle, status, &(uint64_t){0}))

static int get_capture(intptr_t handle, int *status, uint64_t *id) {
  int result;
  const stream *each = find_stream(handle, &result);
  if (!each) return result;
  if (is_implicit(each, false)) return SIM_CAPTURE_IMPLICIT;
  *status = each->capture ? 1 + each->capture->invalidated : 0;
  if (each->capture) *id = each->capture->id;
  return SIM_SUCCESS;
}

static int synchronize(intptr_t handle) {
  int result;
  const stream *each = find_stream(handle, &result);
  if (!each) return result;
  if (is_implicit(each, true)) return SIM_CAPTURE_IMPLICIT;
  if (!each->capture) return unsafe();
  each->capture->invalidated = true;
  return SIM_CAPTURE_UNSUPPORTED;
}

/* The legacy stream answers for all blocking ones, as events on it do. */
static bool is_busy(const stream *each, bool legacy) {
  if (each->busy) return true;
  for (int i = 2 * MAX_DEVICES; legacy && i < stream_count; i++) {
    if (streams[i].busy && streams[i].device == each->device && !streams[i].non_blocking)
      return true;
  }
  return false;
}

static int query_stream(intptr_t handle) {
  int result = synchronize(handle);
  if (result != SIM_SUCCESS) return result;
  bool legacy = handle == 0 || handle == 1;
  return is_busy(find_stream(handle, &result), legacy) ? SIM_NOT_READY : SIM_SUCCESS;
}

SIMULATED(cuStreamGetCtx, (intptr_t handle, void **context), handle, 0,
          get_stream_context(handle, context))
SIMULATED(cuStreamGetFlags, (intptr_t handle, unsigned *flags), handle, 0, get_flags(handle, flags))
SIMULATED(cuStreamGetCaptureInfo_v2,
          (intptr_t handle, int *status, uint64_t *id, void *graph, void *dependencies,
           size_t *count),
          handle, 0,
          ((void)graph, (void)dependencies, (void)count, get_capture(handle, status, id)))
SIMULATED(cuStreamSynchronize, (intptr_t handle), handle, 0, synchronize(handle))
SIMULATED(cuStreamQuery, (intptr_t handle), handle, 0, query_stream(handle))

/* --- what comes before what: a vector clock for each stream */

static void merge(int *clock, const int *other) {
  for (int i = 0; i < MAX_STREAMS; i++) {
    if (other[i] > clock[i]) clock[i] = other[i];
  }
}

static bool follows(const stream *each, const stream *legacy) {
  return each->device == legacy->device && !each->non_blocking;
}

/* The legacy stream's next work comes after that of all blocking streams. */
static void gather(stream *legacy) {
  for (int i = 2 * MAX_DEVICES; i < stream_count; i++) {
    if (follows(&streams[i], legacy)) merge(legacy->clock, streams[i].clock);
  }
}

/* And theirs after what the legacy stream has done now. */
static void hold_up(const stream *legacy) {
  for (int i = 2 * MAX_DEVICES; i < stream_count; i++) {
    if (follows(&streams[i], legacy)) merge(streams[i].clock, legacy->clock);
  }
}

/* --- events */

static int create_event(event **out) {
  if (current() < 0) return SIM_INVALID_CONTEXT;
  event *made = calloc(1, sizeof *made);
  if (!made) return SIM_OUT_OF_MEMORY;
  made->device = current();
  made->next = events;
  events = made;
  events_alive++;
  *out = made;
  return SIM_SUCCESS;
}

static int destroy_event(event *each) {
  if (each->destroyed) return broken("an event is destroyed twice", SIM_INVALID_HANDLE);
  each->destroyed = true;
  events_alive--;
  return SIM_SUCCESS;
}

static int record(event *each, intptr_t handle) {
  int result;
  stream *target = find_stream(handle, &result);
  if (each->destroyed) return broken("a destroyed event is recorded", SIM_INVALID_HANDLE);
  if (!target) return result;
  if (each->device != target->device) {
    return broken("an event is recorded on another context's stream", SIM_INVALID_HANDLE);
  }
  if (is_implicit(target, true)) return SIM_CAPTURE_IMPLICIT;
  if (target->capture && target->capture->invalidated) return SIM_CAPTURE_INVALIDATED;
  each->recorded = target;
  each->epoch = target->epoch;
  each->capture = target->capture ? target->capture->id : 0;
  if (is_legacy(target)) gather(target);
  memcpy(each->clock, target->clock, sizeof each->clock);
  return SIM_SUCCESS;
}

static capture *find_capture(uint64_t id) {
  for (int i = 0; id && i < MAX_CAPTURES; i++) {
    if (captures[i].active && captures[i].id == id) return &captures[i];
  }
  return NULL;
}

static int end_both(capture *one, capture *other, int result) {
  if (one) one->invalidated = true;
  if (other) other->invalidated = true;
  return result;
}

/* A stream that waits for a captured event is drawn into that capture. */
static int wait_for(intptr_t handle, const event *each) {
  int result;
  stream *waiting = find_stream(handle, &result);
  if (each->destroyed) return broken("a destroyed event is waited for", SIM_INVALID_HANDLE);
  if (!waiting) return result;
  if (is_implicit(waiting, true)) return SIM_CAPTURE_IMPLICIT;
  if (!each->recorded) return SIM_SUCCESS;
  capture *from = find_capture(each->capture);
  if (waiting->capture && !each->capture) {
    return end_both(waiting->capture, NULL, SIM_CAPTURE_ISOLATION);
  }
  if (waiting->capture && from != waiting->capture) {
    return end_both(from, waiting->capture, SIM_CAPTURE_MERGE);
  }
  if (each->capture && !from) return SIM_CAPTURED_EVENT;
  waiting->capture = from;
  if (is_legacy(waiting)) gather(waiting);
  merge(waiting->clock, each->clock);
  if (is_legacy(waiting)) hold_up(waiting);
  return SIM_SUCCESS;
}

static int query(const event *each) {
  if (each->destroyed) return broken("a destroyed event is queried", SIM_INVALID_HANDLE);
  int result = unsafe();
  if (result != SIM_SUCCESS) return result;
  if (each->capture) return end_both(find_capture(each->capture), NULL, SIM_CAPTURED_EVENT);
  const stream *on = each->recorded;
  return on && on->busy && on->epoch == each->epoch ? SIM_NOT_READY : SIM_SUCCESS;
}

SIMULATED(cuEventCreate, (event * *out, unsigned flags), 0, 0,
          flags == 2 ? create_event(out) : broken("an event takes times", SIM_INVALID_VALUE))
SIMULATED(cuEventDestroy_v2, (event * each), 0, each, destroy_event(each))
SIMULATED(cuEventRecord, (event * each, intptr_t handle), handle, each, record(each, handle))
SIMULATED(cuStreamWaitEvent, (intptr_t handle, const event *each, unsigned flags), handle, each,
          flags ? SIM_INVALID_VALUE : wait_for(handle, each))
SIMULATED(cuEventQuery, (const event *each), 0, each, query(each))

/* --- memory */

static range *find_range(uintptr_t address) {
  for (int i = 0; i < MAX_RANGES; i++) {
    range *each = &ranges[i];
    if (each->bytes && address >= each->address && address - each->address < each->bytes) {
      return each;
    }
  }
  return NULL;
}

static void add_range(range added) {
  int i = 0;
  while (i < MAX_RANGES && ranges[i].bytes) i++;
  if (i == MAX_RANGES) abort();
  ranges[i] = added;
}

static bool has_context(const range *found) {
  return found && !found->in_order && found->context >= 0;
}

/* Context, memory type, managed, ordinal and memory pool; nothing of unknown memory. */
static int get_pointer_attribute(int attribute, void *value, const range *found) {
  switch (attribute) {
    case 1: *(void **)value = has_context(found) ? &contexts[found->context] : NULL; break;
    case 2: *(unsigned *)value = !found ? 0 : found->kind == SIM_PINNED ? 1 : 2; break;
    case 8: *(unsigned *)value = found && found->kind == SIM_MANAGED; break;
    case 9: *(int *)value = found ? found->device : -2; break;
    case 17: *(const void **)value = found && found->in_order ? found : NULL; break;
    default: return broken("an attribute that is not simulated", SIM_INVALID_VALUE);
  }
  return SIM_SUCCESS;
}

static int get_pointer_attributes(unsigned count, const int *attributes, void **values,
                                  uintptr_t address) {
  const range *found = find_range(address);
  int result = SIM_SUCCESS;
  for (unsigned i = 0; result == SIM_SUCCESS && i < count; i++) {
    result = get_pointer_attribute(attributes[i], values[i], found);
  }
  return result;
}

static int allocate(uintptr_t *address, size_t bytes, bool in_order) {
  if (current() < 0) return SIM_INVALID_CONTEXT;
  size_t rounded = (bytes + 511) / 512 * 512;
  void *memory = bytes ? aligned_alloc(512, rounded) : NULL;
  if (!memory) return bytes ? SIM_OUT_OF_MEMORY : SIM_INVALID_VALUE;
  add_range((range){(uintptr_t)memory, rounded, SIM_DEVICE, current(), true, in_order, current()});
  *address = (uintptr_t)memory;
  return SIM_SUCCESS;
}

static int free_memory(uintptr_t address, bool in_order) {
  range *found = find_range(address);
  bool so = found && found->owned && found->address == address;
  /* cuMemFree takes what cuMemAllocAsync gave, too; not the other way round. */
  if (!so || (in_order && !found->in_order)) {
    return broken("memory is freed that was not allocated so", SIM_INVALID_VALUE);
  }
  if (current() < 0) return SIM_INVALID_CONTEXT;
  free((void *)found->address);
  *found = (range){0};
  return SIM_SUCCESS;
}

/* What goes in a stream's order is part of its capture: not simulated. */
static int enqueue(intptr_t handle) {
  int result;
  const stream *each = find_stream(handle, &result);
  if (!each) return result;
  if (is_implicit(each, true)) return SIM_CAPTURE_IMPLICIT;
  return each->capture ? broken("memory is allocated in a capture", SIM_CAPTURE_UNSUPPORTED)
                       : SIM_SUCCESS;
}

static int allocate_now(uintptr_t *address, size_t bytes) {
  int result = unsafe();
  return result == SIM_SUCCESS ? allocate(address, bytes, false) : result;
}

static int allocate_in_order(uintptr_t *address, size_t bytes, intptr_t handle) {
  int result = enqueue(handle);
  return result == SIM_SUCCESS ? allocate(address, bytes, true) : result;
}

static int free_now(uintptr_t address) {
  int result = unsafe();
  return result == SIM_SUCCESS ? free_memory(address, false) : result;
}

static int free_in_order(uintptr_t address, intptr_t handle) {
  int result = enqueue(handle);
  return result == SIM_SUCCESS ? free_memory(address, true) : result;
}

SIMULATED(cuPointerGetAttributes,
          (unsigned count, int *attributes, void **values, uintptr_t address), 0, address,
          get_pointer_attributes(count, attributes, values, address))
SIMULATED(cuMemAlloc_v2, (uintptr_t *address, size_t bytes), 0, 0, allocate_now(address, bytes))
SIMULATED(cuMemAllocAsync, (uintptr_t *address, size_t bytes, intptr_t handle), handle, 0,
          allocate_in_order(address, bytes, handle))
SIMULATED(cuMemFree_v2, (uintptr_t address), 0, address, free_now(address))
SIMULATED(cuMemFreeAsync, (uintptr_t address, intptr_t handle), handle, address,
          free_in_order(address, handle))

/* CUDA_MEMCPY2D: rows of bytes from one place to another. */
typedef struct {
  size_t from_x, from_y;
  int from_type;
  const void *from_host;
  uintptr_t from_device;
  const void *from_array;
  size_t from_pitch;
  size_t to_x, to_y;
  int to_type;
  void *to_host;
  uintptr_t to_device;
  void *to_array;
  size_t to_pitch;
  size_t width, height;
} copy_2d;

/* Copied at once, but in a capture, where it is only noted. */
static int copy_rows(const copy_2d *copy, intptr_t handle) {
  int result;
  const stream *each = find_stream(handle, &result);
  if (!each) return result;
  if (is_implicit(each, true)) return SIM_CAPTURE_IMPLICIT;
  if (copy->width > copy->from_pitch || copy->width > copy->to_pitch) return SIM_INVALID_VALUE;
  const char *from = copy->from_type == 1 ? copy->from_host : (const void *)copy->from_device;
  char *to = copy->to_type == 1 ? copy->to_host : (void *)copy->to_device;
  for (size_t row = 0; !each->capture && row < copy->height; row++) {
    memcpy(to + row * copy->to_pitch, from + row * copy->from_pitch, copy->width);
  }
  return SIM_SUCCESS;
}

SIMULATED(cuMemcpy2DAsync_v2, (const copy_2d *copy, intptr_t handle), handle, 0,
          copy_rows(copy, handle))

static int upload(uintptr_t to, const void *from, size_t bytes, intptr_t handle) {
  int result = enqueue(handle);
  const range *found = find_range(to);
  if (result != SIM_SUCCESS) return result;
  if (!found || to + bytes > found->address + found->bytes) {
    return broken("bytes are uploaded to no memory", SIM_INVALID_VALUE);
  }
  memcpy((void *)to, from, bytes);
  return SIM_SUCCESS;
}

SIMULATED(cuMemcpyHtoDAsync_v2, (uintptr_t to, const void *from, size_t bytes, intptr_t handle),
          handle, to, upload(to, from, bytes, handle))

/* --- kernels: any name but "missing" is one */

typedef struct library {
  const void *code;
  struct library *next;
} library;

typedef struct kernel {
  char *name;
  const void *code;
  struct kernel *next;
} kernel;

static kernel *kernels;
static library *loaded;
static sim_runner runner;
static const char *last_kernel = "none";
static const void *last_code;
static unsigned last_sizes[6];

static int load_library(library **out, const void *code, unsigned options) {
  int result = unsafe();
  if (result != SIM_SUCCESS) return result;
  if (!code || options) return broken("a library is loaded of nothing", SIM_INVALID_VALUE);
  library *made = malloc(sizeof *made);
  if (!made) return SIM_OUT_OF_MEMORY;
  *made = (library){code, loaded};
  *out = loaded = made;
  return SIM_SUCCESS;
}

static bool is_library(const library *each) {
  const library *known = loaded;
  while (known && known != each) known = known->next;
  return known != NULL;
}

static int get_kernel(kernel **out, const library *from, const char *name) {
  int result = unsafe();
  if (result != SIM_SUCCESS) return result;
  if (!is_library(from)) return broken("a handle is no library", SIM_INVALID_HANDLE);
  if (strcmp(name, "missing") == 0) return SIM_NOT_FOUND;
  kernel *made = malloc(sizeof *made);
  if (!made) return SIM_OUT_OF_MEMORY;
  *made = (kernel){strdup(name), from->code, kernels};
  *out = kernels = made;
  return SIM_SUCCESS;
}

static bool is_kernel(const kernel *each) {
  const kernel *known = kernels;
  while (known && known != each) known = known->next;
  return known != NULL;
}

static bool is_launchable(const unsigned sizes[6]) {
  for (int i = 0; i < 6; i++) {
    if (sizes[i] == 0 || sizes[i] > (i ? 65535u : 2147483647u)) return false;
  }
  return sizes[3] * sizes[4] * sizes[5] <= 1024;
}

static int launch(const kernel *each, const unsigned sizes[6], intptr_t handle, void **parameters) {
  int result;
  stream *on = find_stream(handle, &result);
  if (!is_kernel(each)) return broken("a handle is no kernel", SIM_INVALID_HANDLE);
  if (!on) return result;
  if (on->device != current()) {
    return broken("a kernel is launched on another context's stream", SIM_INVALID_HANDLE);
  }
  if (!is_launchable(sizes)) return broken("a launch is too large or empty", SIM_INVALID_VALUE);
  if (is_implicit(on, true)) return SIM_CAPTURE_IMPLICIT;
  last_kernel = each->name;
  last_code = each->code;
  memcpy(last_sizes, sizes, sizeof last_sizes);
  return runner && !on->capture ? runner(each->name, sizes, parameters) : SIM_SUCCESS;
}

SIMULATED(cuLibraryLoadData,
          (library * *out, const void *code, int *jit_options, void **jit_values,
           unsigned jit_count, int *options, void **values, unsigned count),
          0, code,
          ((void)jit_options, (void)jit_values, (void)options, (void)values,
           load_library(out, code, jit_count + count)))
SIMULATED(cuLibraryGetKernel, (kernel * *out, const library *from, const char *name), 0, 0,
          get_kernel(out, from, name))
SIMULATED(cuLaunchKernel,
          (const kernel *each, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
           unsigned block_y, unsigned block_z, unsigned shared, intptr_t handle, void **parameters,
           void **extra),
          handle, each,
          shared || extra
              ? broken("a launch asks for what is not simulated", SIM_INVALID_VALUE)
              : launch(each, (unsigned[6]){grid_x, grid_y, grid_z, block_x, block_y, block_z},
                       handle, parameters))

static const struct {
  int result;
  const char *name;
} names[] = {
    {SIM_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
    {SIM_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
    {SIM_DEINITIALIZED, "CUDA_ERROR_DEINITIALIZED"},
    {SIM_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
    {SIM_NO_BINARY, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
    {SIM_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
    {SIM_NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
    {SIM_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"},
    {SIM_UNKNOWN, "CUDA_ERROR_UNKNOWN"},
};

static int get_name(int result, const char **name) {
  *name = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i].result == result) *name = names[i].name;
  }
  return *name ? SIM_SUCCESS : SIM_INVALID_VALUE;
}

SIMULATED(cuGetErrorName, (int code, const char **name), 0, 0, get_name(code, name))

/* --- what tests call */

#define DECLARE(type, name, parameters) ENTRY type name parameters;
SIM_FUNCTIONS(DECLARE)

#define LOCKED(statement)     \
  pthread_mutex_lock(&mutex); \
  statement;                  \
  pthread_mutex_unlock(&mutex)

void sim_set_devices(int count) { LOCKED(devices = count); }
void sim_set_capability(int device, int value) { LOCKED(capabilities[device] = value); }
void sim_set_current(int device) { LOCKED(stack[depth] = device); }
int sim_current(void) { return current(); }
int sim_depth(void) { return depth; }
int sim_mode(void) { return mode; }

intptr_t sim_stream_create(int device, int non_blocking) {
  pthread_mutex_lock(&mutex);
  if (stream_count == MAX_STREAMS) abort();
  stream *made = &streams[stream_count++];
  *made = (stream){.device = device, .non_blocking = non_blocking != 0};
  retained[device] = true; /* whoever makes a stream has made its context */
  pthread_mutex_unlock(&mutex);
  return (intptr_t)made;
}

void sim_stream_destroy(intptr_t handle) { LOCKED(((stream *)handle)->destroyed = true); }

void sim_busy(intptr_t handle, int device, int busy) {
  pthread_mutex_lock(&mutex);
  stream *each = handle <= PER_THREAD ? default_stream(device, handle) : (stream *)handle;
  if (busy && !each->busy) each->epoch++;
  each->busy = busy != 0;
  pthread_mutex_unlock(&mutex);
}

uint64_t sim_begin_capture(intptr_t handle, int begun) {
  pthread_mutex_lock(&mutex);
  int i = 0;
  while (i < MAX_CAPTURES && captures[i].active) i++;
  if (i == MAX_CAPTURES) abort();
  captures[i] = (capture){++capture_ids, begun, pthread_self(), true, false};
  ((stream *)handle)->capture = &captures[i];
  uint64_t id = captures[i].id;
  pthread_mutex_unlock(&mutex);
  return id;
}

void sim_join_capture(intptr_t handle, intptr_t capturing) {
  LOCKED(((stream *)handle)->capture = ((stream *)capturing)->capture);
}

int sim_end_capture(intptr_t handle) {
  pthread_mutex_lock(&mutex);
  capture *ended = ((stream *)handle)->capture;
  for (int i = 0; i < stream_count; i++) {
    if (streams[i].capture == ended) streams[i].capture = NULL;
  }
  int result = ended->invalidated ? SIM_CAPTURE_INVALIDATED : SIM_SUCCESS;
  ended->active = false;
  pthread_mutex_unlock(&mutex);
  return result;
}

void sim_register(const void *address, size_t bytes, int kind, int device) {
  LOCKED(add_range((range){(uintptr_t)address, bytes, kind, device, false, false, device}));
}

void sim_set_context(const void *address, int device) {
  LOCKED(find_range((uintptr_t)address)->context = device);
}

void sim_unregister(const void *address) {
  pthread_mutex_lock(&mutex);
  range *found = find_range((uintptr_t)address);
  if (found) *found = (range){0};
  pthread_mutex_unlock(&mutex);
}

void sim_fail(const char *name, int calls_before, int result) {
  pthread_mutex_lock(&mutex);
  symbol *failing = symbol_of(name);
  failing->fail_in = calls_before + 1;
  failing->failure = result;
  pthread_mutex_unlock(&mutex);
}

static stream *stream_at(intptr_t handle) {
  int device = current() < 0 ? 0 : current();
  return handle <= PER_THREAD ? default_stream(device, handle) : (stream *)handle;
}

int sim_work(intptr_t handle) {
  pthread_mutex_lock(&mutex);
  stream *each = stream_at(handle);
  if (is_legacy(each)) gather(each);
  int work = ++each->clock[each - streams];
  if (is_legacy(each)) hold_up(each);
  pthread_mutex_unlock(&mutex);
  return work;
}

int sim_is_after(intptr_t later, intptr_t earlier, int work) {
  pthread_mutex_lock(&mutex);
  bool after = stream_at(later)->clock[stream_at(earlier) - streams] >= work;
  pthread_mutex_unlock(&mutex);
  return after;
}

size_t sim_used(int device) {
  size_t bytes = 0;
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < MAX_RANGES; i++) {
    if (ranges[i].owned && ranges[i].device == device) bytes += ranges[i].bytes;
  }
  pthread_mutex_unlock(&mutex);
  return bytes;
}

void sim_set_runner(sim_runner run) { LOCKED(runner = run); }
const char *sim_last_kernel(void) { return last_kernel; }
const void *sim_last_code(void) { return last_code; }
const unsigned *sim_last_sizes(void) { return last_sizes; }

void sim_shut_down(int value) { LOCKED(down = value != 0); }

int sim_calls(const char *name) {
  pthread_mutex_lock(&mutex);
  int count = symbol_of(name)->calls;
  pthread_mutex_unlock(&mutex);
  return count;
}

int sim_log_length(void) {
  pthread_mutex_lock(&mutex);
  int length = call_count;
  pthread_mutex_unlock(&mutex);
  return length;
}

int sim_log_read(int index, sim_call *out) {
  pthread_mutex_lock(&mutex);
  bool known = index >= 0 && index < call_count;
  if (known) *out = calls[index];
  pthread_mutex_unlock(&mutex);
  return known;
}

void sim_log_clear(void) { LOCKED(call_count = 0); }

int sim_events(void) {
  pthread_mutex_lock(&mutex);
  int count = events_alive;
  pthread_mutex_unlock(&mutex);
  return count;
}

int sim_errors(void) {
  pthread_mutex_lock(&mutex);
  int count = errors;
  pthread_mutex_unlock(&mutex);
  return count;
}

const char *sim_last_error(void) { return last_error; }
