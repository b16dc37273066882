/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/device.h"

#include <stdatomic.h>
#include <stdio.h>

#include "core/error.h"
#include "cuda/driver.h"
#include "internal.h"

/* CUpointer_attribute and CUmemorytype, as the driver API numbers them. */
enum {
  ATTRIBUTE_CONTEXT = 1,
  ATTRIBUTE_MEMORY_TYPE = 2,
  ATTRIBUTE_IS_MANAGED = 8,
  ATTRIBUTE_ORDINAL = 9
};
/* CUresult of a device that there is not, and of a thread without a context */
enum { INVALID_DEVICE = 101, NO_CONTEXT = 201 };
/* CUstreamCaptureMode */
enum { CAPTURE_MODE_RELAXED = 2 };
enum { MEMORY_HOST = 1, MEMORY_DEVICE = 2, MEMORY_UNIFIED = 4 };

static _Atomic(CUcontext) primary[VC_MAX_DEVICES];

static CUcontext known_context(int32_t device) {
  if (device < 0 || device >= VC_MAX_DEVICES) return NULL;
  return atomic_load_explicit(&primary[device], memory_order_acquire);
}

/* Retained once per device and kept: a release may come at any time. */
static CUresult primary_context(const vc_driver *driver, int32_t device, CUcontext *out) {
  *out = known_context(device);
  if (*out) return VC_CUDA_SUCCESS;
  if (device < 0 || device >= VC_MAX_DEVICES) return INVALID_DEVICE;
  CUresult result = driver->cuDevicePrimaryCtxRetain(out, device);
  if (result == VC_CUDA_SUCCESS) atomic_store(&primary[device], *out);
  return result;
}

static vc_entered refused(vc_entered entered, CUresult result) {
  entered.entry = result == VC_CUDA_DEINITIALIZED ? VC_ENTRY_GONE : VC_ENTRY_REFUSED;
  entered.result = result;
  return entered;
}

static vc_entered make_current(const vc_driver *driver, vc_entered entered, CUcontext wanted) {
  CUcontext current = NULL;
  CUresult result = driver->cuCtxGetCurrent(&current);
  if (result == VC_CUDA_SUCCESS && wanted == current) return entered;
  if (result == VC_CUDA_SUCCESS) result = driver->cuCtxPushCurrent(wanted);
  if (result != VC_CUDA_SUCCESS) return refused(entered, result);
  entered.entry = VC_ENTRY_PUSHED;
  return entered;
}

static vc_entered make_primary_current(const vc_driver *driver, vc_entered entered,
                                       int32_t device) {
  CUcontext context;
  if (device < 0) return entered;
  CUresult result = primary_context(driver, device, &context);
  if (result != VC_CUDA_SUCCESS) return refused(entered, result);
  return make_current(driver, entered, context);
}

/* Switches to relaxed capture mode first: creating a context would invalidate a capture
 * running on another thread. */
static vc_entered relax(const vc_driver *driver) {
  vc_entered entered = {.mode = CAPTURE_MODE_RELAXED};
  entered.relaxed = driver->cuThreadExchangeStreamCaptureMode(&entered.mode) == VC_CUDA_SUCCESS;
  return entered;
}

vc_entered vc_cuda_enter(int32_t device) {
  const vc_driver *driver = vc_driver_get();
  if (!driver) return (vc_entered){.entry = VC_ENTRY_AS_IT_WAS};
  return make_primary_current(driver, relax(driver), device);
}

/* The stream's own context; NULL where it is the device's. */
static CUcontext own_context(const vc_driver *driver, vc_stream stream) {
  CUcontext context = NULL;
  if (vc_stream_is_default(stream) || vc_cuda_device_count() == 1) return NULL;
  CUresult result = driver->cuStreamGetCtx((CUstream)stream, &context);
  return result == VC_CUDA_SUCCESS ? context : NULL;
}

vc_entered vc_cuda_enter_stream(int32_t device, vc_stream stream) {
  const vc_driver *driver = vc_driver_get();
  if (!driver) return (vc_entered){.entry = VC_ENTRY_AS_IT_WAS};
  vc_entered entered = relax(driver);
  CUcontext context = own_context(driver, stream);
  return context ? make_current(driver, entered, context)
                 : make_primary_current(driver, entered, device);
}

vc_entered vc_cuda_push_context_strict(int32_t device, vc_stream stream) {
  const vc_driver *driver = vc_driver_get();
  if (!driver) return (vc_entered){.entry = VC_ENTRY_AS_IT_WAS};
  CUcontext context = own_context(driver, stream);
  if (!context) context = known_context(device);
  if (!context) return vc_cuda_enter(device); /* makes it */
  return make_current(driver, (vc_entered){.entry = VC_ENTRY_AS_IT_WAS}, context);
}

/* The context that memory was allocated in; NULL where the driver names none, as for pools. */
static CUcontext memory_context(const vc_driver *driver, const void *address) {
  CUcontext context = NULL;
  int attribute = ATTRIBUTE_CONTEXT;
  void *value = &context;
  CUresult result = driver->cuPointerGetAttributes(1, &attribute, &value, (CUdeviceptr)address);
  return result == VC_CUDA_SUCCESS ? context : NULL;
}

bool vc_cuda_enter_foreign(int32_t device, const void *address, vc_entered *out) {
  const vc_driver *driver = vc_driver_get();
  CUcontext context = driver && address ? memory_context(driver, address) : NULL, own;
  if (!context) return false;
  *out = relax(driver);
  CUresult result = primary_context(driver, device, &own);
  if (result == VC_CUDA_SUCCESS && context != own) {
    *out = make_current(driver, *out, context);
    return true;
  }
  vc_cuda_leave(*out);
  return false;
}

vc_status vc_cuda_check_entry(vc_entered entered, int32_t device, vc_error *error) {
  char call[64];
  if (entered.entry < VC_ENTRY_GONE) return VC_OK;
  snprintf(call, sizeof call, "making the context of CUDA device %d current", (int)device);
  return vc_driver_fail(error, call, entered.result);
}

CUresult vc_cuda_create_event(CUevent *out) {
  const vc_driver *driver = vc_driver_get();
  vc_entered entered = relax(driver);
  CUresult result = driver->cuEventCreate(out, VC_EVENT_DISABLE_TIMING);
  vc_cuda_leave(entered);
  return result;
}

void vc_cuda_destroy_event(CUevent event) {
  const vc_driver *driver = vc_driver_get();
  vc_entered entered = relax(driver);
  driver->cuEventDestroy(event);
  vc_cuda_leave(entered);
}

void vc_cuda_leave(vc_entered entered) {
  if (entered.relaxed) vc_driver_get()->cuThreadExchangeStreamCaptureMode(&entered.mode);
  if (entered.entry != VC_ENTRY_PUSHED) return;
  CUcontext popped;
  vc_driver_get()->cuCtxPopCurrent(&popped);
}

vc_status vc_device_check(int32_t device, vc_error *error) {
  int32_t count = vc_cuda_device_count();
  if (device >= 0 && device < (count > 0 ? count : VC_MAX_DEVICES)) return VC_OK;
  return vc_fail(error, VC_ERROR_DEVICE, "there is no CUDA device %d: this machine has %d",
                 (int)device, (int)count);
}

vc_status vc_stream_check(vc_stream stream, vc_error *error) {
  if (stream >= VC_STREAM_NONE) return VC_OK;
  return vc_fail(
      error, VC_ERROR_ARGUMENT,
      "stream is %lld, needs the handle of a CUDA stream, 0, 1 or 2 for the default ones, "
      "or -1 for no ordering",
      (long long)stream);
}

static vc_device device_of(unsigned type, unsigned managed, int ordinal) {
  if (managed) return (vc_device){VC_CUDA_MANAGED, ordinal < 0 ? 0 : ordinal};
  if (type == MEMORY_DEVICE || type == MEMORY_UNIFIED) return (vc_device){VC_CUDA, ordinal};
  if (type == MEMORY_HOST) return (vc_device){VC_CUDA_HOST, 0};
  return (vc_device){VC_CPU, 0}; /* memory that the driver has never seen */
}

vc_status vc_cuda_pointer_device(const void *address, vc_device *out, vc_error *error) {
  VC_NEED(out);
  vc_mode mode;
  VC_TRY(vc_cuda_mode(&mode, error));
  if (mode == VC_MODE_HOST) {
    *out = (vc_device){VC_CPU, 0};
    return VC_OK;
  }
  unsigned type = 0, managed = 0;
  int ordinal = -1;
  int attributes[] = {ATTRIBUTE_MEMORY_TYPE, ATTRIBUTE_IS_MANAGED, ATTRIBUTE_ORDINAL};
  void *values[] = {&type, &managed, &ordinal};
  CUresult result =
      vc_driver_get()->cuPointerGetAttributes(3, attributes, values, (CUdeviceptr)address);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuPointerGetAttributes", result);
  *out = device_of(type, managed, ordinal);
  return VC_OK;
}

const char *vc_cuda_host_kind(const void *address, vc_device device) {
  vc_device found = {VC_CPU, 0};
  if (device.type == VC_CPU && vc_cuda_pointer_device(address, &found, NULL) == VC_OK) {
    device = found;
  }
  return device.type == VC_CUDA_HOST ? "pinned host" : "host";
}

int32_t vc_stream_device(vc_stream stream, int32_t otherwise) {
  const vc_driver *driver = vc_driver_get();
  CUdevice device = otherwise;
  if (!driver || vc_stream_is_default(stream)) return otherwise;
  vc_entered entered = vc_cuda_enter_stream(otherwise, stream);
  bool known = entered.entry < VC_ENTRY_GONE && driver->cuCtxGetDevice(&device) == VC_CUDA_SUCCESS;
  vc_cuda_leave(entered);
  return known ? device : otherwise;
}

bool vc_current_device(int32_t *out) {
  const vc_driver *driver = vc_driver_get();
  CUdevice device = 0;
  if (driver) {
    CUresult result = driver->cuCtxGetDevice(&device);
    bool only_one = result == NO_CONTEXT && vc_cuda_device_count() == 1;
    if (result != VC_CUDA_SUCCESS && !only_one) return false;
  }
  *out = device;
  return true;
}
