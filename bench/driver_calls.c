/* SPDX-License-Identifier: Apache-2.0 */
/* Single calls of the CUDA driver in C loops, with the current context: their cost without
 * Python and viewcast. Built by driver_calls.py. Each function returns nanoseconds per
 * iteration, negative if a call failed. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#include "timed.h"

typedef void *handle;
typedef int (*event_create)(handle *event, unsigned flags);
typedef int (*event_record)(handle event, handle stream);
typedef int (*stream_wait)(handle stream, handle event, unsigned flags);
typedef int (*of_handle)(handle event);
typedef int (*to_pointer)(void *out);
typedef int (*of_stream)(handle stream, int *status);
typedef int (*of_pointer)(unsigned count, int *attributes, void **data, uintptr_t pointer);

enum { NO_TIMING = 2, RELAXED = 2 };
enum { MEMORY_TYPE = 2, IS_MANAGED = 8, ORDINAL = 9 };

static void *entry(const char *name) {
  static void *driver;
  if (!driver) driver = dlopen("libcuda.so.1", RTLD_NOW);
  return driver ? dlsym(driver, name) : NULL;
}

static handle new_event(void) {
  event_create create = (event_create)entry("cuEventCreate");
  handle event = NULL;
  if (create) create(&event, NO_TIMING);
  return event;
}

double record_and_wait(uintptr_t producer, uintptr_t consumer, int calls) {
  event_record record = (event_record)entry("cuEventRecord");
  stream_wait wait = (stream_wait)entry("cuStreamWaitEvent");
  handle event = new_event();
  if (!record || !wait || !event) return -1;
  TIMED(record(event, (handle)producer) | wait((handle)consumer, event, 0));
}

double record(uintptr_t stream, uintptr_t unused, int calls) {
  event_record record = (event_record)entry("cuEventRecord");
  handle event = new_event();
  (void)unused;
  if (!record || !event) return -1;
  TIMED(record(event, (handle)stream));
}

double wait_for(uintptr_t producer, uintptr_t consumer, int calls) {
  event_record record = (event_record)entry("cuEventRecord");
  stream_wait wait = (stream_wait)entry("cuStreamWaitEvent");
  handle event = new_event();
  if (!record || !wait || !event || record(event, (handle)producer)) return -1;
  TIMED(wait((handle)consumer, event, 0));
}

/* The event is done: the stream is idle. */
double query(uintptr_t stream, uintptr_t unused, int calls) {
  event_record record = (event_record)entry("cuEventRecord");
  of_handle ask = (of_handle)entry("cuEventQuery");
  of_handle synchronize = (of_handle)entry("cuEventSynchronize");
  handle event = new_event();
  (void)unused;
  if (!record || !ask || !synchronize || !event) return -1;
  if (record(event, (handle)stream) || synchronize(event)) return -1;
  TIMED(ask(event));
}

/* The stream is idle. */
double stream_query(uintptr_t stream, uintptr_t unused, int calls) {
  of_handle ask = (of_handle)entry("cuStreamQuery");
  of_handle synchronize = (of_handle)entry("cuStreamSynchronize");
  (void)unused;
  if (!ask || !synchronize || synchronize((handle)stream)) return -1;
  TIMED(ask((handle)stream));
}

double is_capturing(uintptr_t stream, uintptr_t unused, int calls) {
  of_stream ask = (of_stream)entry("cuStreamIsCapturing");
  int status = 0;
  (void)unused;
  if (!ask) return -1;
  TIMED(ask((handle)stream, &status));
}

double current_context(uintptr_t unused, uintptr_t unused_too, int calls) {
  to_pointer ask = (to_pointer)entry("cuCtxGetCurrent");
  handle context = NULL;
  (void)unused, (void)unused_too;
  if (!ask) return -1;
  TIMED(ask(&context));
}

double exchange_mode(uintptr_t unused, uintptr_t unused_too, int calls) {
  to_pointer exchange = (to_pointer)entry("cuThreadExchangeStreamCaptureMode");
  int mode = RELAXED;
  (void)unused, (void)unused_too;
  if (!exchange) return -1;
  TIMED(exchange(&mode));
}

double pointer_attributes(uintptr_t pointer, uintptr_t count, int calls) {
  of_pointer ask = (of_pointer)entry("cuPointerGetAttributes");
  int attributes[] = {ORDINAL, MEMORY_TYPE, IS_MANAGED};
  int ordinal = 0, managed = 0;
  unsigned type = 0;
  void *data[] = {&ordinal, &type, &managed};
  if (!ask || count > 3) return -1;
  TIMED(ask((unsigned)count, attributes, data, pointer));
}
