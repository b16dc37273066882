/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of torch's DLPack exchange table in C loops: torch's own part of a conversion.
 * Called with the GIL. Each returns nanoseconds per iteration, negative if a call failed.
 * Built by driver_calls.py. */
#include <dlfcn.h>
#include <dlpack/dlpack.h>

#include "timed.h"

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

/* --- a tensor over static memory, made and ended. Its deleter runs without the GIL, and does
 * nothing, or what releasing a Python object takes there. */

static void (*drop)(void *);
static int (*add_pending)(int (*function)(void *), void *);
static int (*run_pending)(void);
static int (*take_gil)(void);
static void (*leave_gil)(int);

static int find_python(void) {
  *(void **)&drop = dlsym(RTLD_DEFAULT, "Py_DecRef");
  *(void **)&add_pending = dlsym(RTLD_DEFAULT, "Py_AddPendingCall");
  *(void **)&run_pending = dlsym(RTLD_DEFAULT, "Py_MakePendingCalls");
  *(void **)&take_gil = dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
  *(void **)&leave_gil = dlsym(RTLD_DEFAULT, "PyGILState_Release");
  return drop && add_pending && run_pending && take_gil && leave_gil;
}

static int nothing(void *unused) {
  (void)unused;
  return 0;
}

static void keep(DLManagedTensorVersioned *managed) { (void)managed; }

static void ask_for_call(DLManagedTensorVersioned *managed) {
  (void)managed;
  add_pending(nothing, 0);
}

static void wait_for_gil(DLManagedTensorVersioned *managed) {
  (void)managed;
  leave_gil(take_gil());
}

static int make_and_drop(const DLPackExchangeAPI *api, DLManagedTensorVersioned *managed,
                         int pending) {
  void *made = NULL;
  if (api->managed_tensor_to_py_object_no_sync(managed, &made)) return 1;
  drop(made);
  return pending ? run_pending() : 0;
}

static double made_and_ended(const DLPackExchangeAPI *api, void *tensor, int calls,
                             void (*deleter)(DLManagedTensorVersioned *)) {
  DLManagedTensorVersioned *owned = NULL;
  if (!find_python() || api->managed_tensor_from_py_object_no_sync(tensor, &owned)) return -1;
  DLManagedTensorVersioned managed = *owned;
  managed.deleter = deleter;
  TIMED(make_and_drop(api, &managed, deleter == ask_for_call));
}

double make(const DLPackExchangeAPI *api, void *tensor, int calls) {
  return made_and_ended(api, tensor, calls, keep);
}

double make_pending(const DLPackExchangeAPI *api, void *tensor, int calls) {
  return made_and_ended(api, tensor, calls, ask_for_call);
}

double make_with_gil(const DLPackExchangeAPI *api, void *tensor, int calls) {
  return made_and_ended(api, tensor, calls, wait_for_gil);
}

double stream(const DLPackExchangeAPI *api, void *unused, int calls) {
  void *current = 0;
  (void)unused;
  if (!api->current_work_stream) return -1;
  TIMED(api->current_work_stream(kDLCUDA, 0, &current));
}
