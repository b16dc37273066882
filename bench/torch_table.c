/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of torch's DLPack exchange table in C loops: what torch itself takes of a
 * conversion. Called with the GIL. Each gives nanoseconds of one round, negative if a call
 * failed. Built by driver_calls.py. */
#include <dlfcn.h>
#include <dlpack/dlpack.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

#define TIMED(call)                                     \
  int failed = 0;                                       \
  double begin = now();                                 \
  for (int i = 0; i < calls; i++) failed |= (call);     \
  double end = now();                                   \
  return failed ? -1 : (end - begin) / calls

double see(const DLPackExchangeAPI *api, void *tensor, int calls) {
  DLTensor seen;
  if (!api->dltensor_from_py_object_no_sync) return -1;
  TIMED(api->dltensor_from_py_object_no_sync(tensor, &seen));
}

static int own_and_release(const DLPackExchangeAPI *api, void *tensor) {
  DLManagedTensorVersioned *managed = NULL;
  if (api->managed_tensor_from_py_object_no_sync(tensor, &managed)) return 1;
  managed->deleter(managed);
  return 0;
}

double own(const DLPackExchangeAPI *api, void *tensor, int calls) {
  TIMED(own_and_release(api, tensor));
}

static void keep(DLManagedTensorVersioned *managed) {
  (void)managed;
}

static int make_and_drop(const DLPackExchangeAPI *api, DLManagedTensorVersioned *managed,
                         void (*drop)(void *)) {
  void *made = NULL;
  if (api->managed_tensor_to_py_object_no_sync(managed, &made)) return 1;
  drop(made);
  return 0;
}

/* A tensor over memory that is not given back: its deleter does nothing. */
double make(const DLPackExchangeAPI *api, void *tensor, int calls) {
  void (*drop)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "Py_DecRef");
  DLManagedTensorVersioned *owned = NULL;
  if (!drop || api->managed_tensor_from_py_object_no_sync(tensor, &owned)) return -1;
  DLManagedTensorVersioned managed = *owned;
  managed.deleter = keep;
  TIMED(make_and_drop(api, &managed, drop));
}

double stream(const DLPackExchangeAPI *api, void *unused, int calls) {
  void *current = 0;
  (void)unused;
  if (!api->current_work_stream) return -1;
  TIMED(api->current_work_stream(kDLCUDA, 0, &current));
}
