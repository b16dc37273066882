/* SPDX-License-Identifier: Apache-2.0 */
/* The floor of ordering two streams: an event recorded on the one and waited
 * for by the other, through the driver. Built by bench/ordering.py. */
#include <dlfcn.h>
#include <stdint.h>
#include <time.h>

typedef int (*event_call)(void *event, void *stream);
typedef int (*wait_call)(void *stream, void *event, unsigned flags);
typedef int (*create_call)(void **event, unsigned flags);

/* Of the Python that runs this. */
extern void *PyObject_CallNoArgs(void *callable);
extern void Py_DecRef(void *object);

static double nanoseconds(struct timespec start, struct timespec end, int calls) {
  return ((end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / calls;
}

/* Nanoseconds of one record and wait in a loop of nothing else, or, with a
 * callable, of its call and a record and wait after it (without them where
 * `orders` is 0). Between conversions, the driver's code and data are as far from
 * the core's caches as they are in use. Negative if a call failed. */
double record_and_wait(uintptr_t producer, uintptr_t consumer, int calls, void *callable,
                       int orders) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW);
  create_call create = (create_call)dlsym(driver, "cuEventCreate");
  event_call record = (event_call)dlsym(driver, "cuEventRecord");
  wait_call wait = (wait_call)dlsym(driver, "cuStreamWaitEvent");
  struct timespec start, end;
  void *event;
  int failed = create(&event, 2);
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int i = 0; i < calls; i++) {
    void *result = callable ? PyObject_CallNoArgs(callable) : 0;
    if (orders) failed |= record(event, (void *)producer) | wait((void *)consumer, event, 0);
    if (result) Py_DecRef(result);
    failed |= callable && !result;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  if (failed) return -1;
  return nanoseconds(start, end, calls);
}
