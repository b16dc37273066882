/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/default_stream.h"

#include <stdatomic.h>

#include "cuda/device.h"
#include "cuda/driver.h"

/* CUstream_flags */
enum { STREAM_NON_BLOCKING = 1 };

/* One event per device suffices. If two threads race, one of them may wait for the other's
 * later record; that is more ordering than needed, never less. */
static bool find_event(const vc_driver *driver, int32_t device, CUevent *out) {
  static _Atomic(CUevent) events[VC_MAX_DEVICES];
  if (device < 0 || device >= VC_MAX_DEVICES) return false;
  *out = atomic_load(&events[device]);
  if (*out) return true;
  CUevent made, none = NULL;
  if (driver->cuEventCreate(&made, VC_EVENT_DISABLE_TIMING) != VC_CUDA_SUCCESS) return false;
  *out = made;
  if (atomic_compare_exchange_strong(&events[device], &none, made)) return true;
  driver->cuEventDestroy(made);
  *out = none;
  return true;
}

/* The record waits for every blocking stream, and they wait for the wait. */
static bool record_and_wait(const vc_driver *driver, int32_t device) {
  CUevent event;
  CUstream legacy = (CUstream)VC_STREAM_LEGACY;
  int status = 0;
  uint64_t id;
  return driver->cuStreamGetCaptureInfo(legacy, &status, &id, NULL, NULL, NULL) ==
             VC_CUDA_SUCCESS &&
         find_event(driver, device, &event) &&
         driver->cuEventRecord(event, legacy) == VC_CUDA_SUCCESS &&
         driver->cuStreamWaitEvent(legacy, event, 0) == VC_CUDA_SUCCESS;
}

bool vc_legacy_barrier(int32_t device) {
  const vc_driver *driver = vc_driver_get();
  if (!driver) return true; /* host mode: there are no streams */
  vc_entered entered = vc_cuda_enter(device);
  bool done = entered.entry < VC_ENTRY_GONE && record_and_wait(driver, device);
  vc_cuda_leave(entered);
  return done;
}

bool vc_legacy_reaches(vc_stream stream) {
  const vc_driver *driver = vc_driver_get();
  unsigned flags = 0;
  if (!driver || vc_stream_is_default(stream)) return true;
  vc_entered entered = vc_cuda_enter_stream(0, stream);
  CUresult result = driver->cuStreamGetFlags((CUstream)stream, &flags);
  vc_cuda_leave(entered);
  return result == VC_CUDA_SUCCESS && !(flags & STREAM_NON_BLOCKING);
}
