/* SPDX-License-Identifier: Apache-2.0 */
/* An event record and wait between calls of a Python function: the driver's code and data are
 * evicted from the caches as much as in real use, unlike in a loop of records and waits.
 * Built by driver_calls.py, called with the GIL held. Returns nanoseconds per iteration,
 * negative if a call failed. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#include "timed.h"

extern void *PyObject_CallNoArgs(void *callable);
extern void Py_DecRef(void *object);

typedef void *handle;
typedef int (*event_create)(handle *event, unsigned flags);
typedef int (*event_record)(handle event, handle stream);
typedef int (*stream_wait)(handle stream, handle event, unsigned flags);

enum { NO_TIMING = 2 };

static event_record record;
static stream_wait wait_for;
static handle event;

static int prepare(void) {
  if (event) return 0;
  void *driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (!driver) return -1;
  event_create create = (event_create)dlsym(driver, "cuEventCreate");
  record = (event_record)dlsym(driver, "cuEventRecord");
  wait_for = (stream_wait)dlsym(driver, "cuStreamWaitEvent");
  return create && record && wait_for ? create(&event, NO_TIMING) : -1;
}

/* Only the call where the streams are the same. */
double call_and_order(void *callable, uintptr_t producer, uintptr_t consumer, int calls) {
  int failed = prepare(), orders = producer != consumer;
  if (failed) return -1;
  double begin = now();
  for (int i = 0; i < calls; i++) {
    void *result = PyObject_CallNoArgs(callable);
    if (!result) return -1;
    if (orders) failed |= record(event, (handle)producer) | wait_for((handle)consumer, event, 0);
    Py_DecRef(result);
  }
  return failed ? -1 : (now() - begin) / calls;
}
