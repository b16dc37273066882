/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/device.h"

#include <stdatomic.h>

#include "cuda/driver.h"

#define MAX_DEVICES 64

/* CUpointer_attribute and CUmemorytype, as the driver API numbers them. */
enum { ATTRIBUTE_MEMORY_TYPE = 2, ATTRIBUTE_IS_MANAGED = 8, ATTRIBUTE_ORDINAL = 9 };
enum { MEMORY_HOST = 1, MEMORY_DEVICE = 2, MEMORY_UNIFIED = 4 };

static _Atomic(CUcontext) primary[MAX_DEVICES];

/* Retained once per device and kept: a release may come at any time. */
static CUcontext primary_context(const vc_driver *driver, int32_t device) {
  if (device < 0 || device >= MAX_DEVICES) return NULL;
  CUcontext context = atomic_load(&primary[device]);
  if (context) return context;
  if (driver->cuDevicePrimaryCtxRetain(&context, device) != VC_CUDA_SUCCESS) return NULL;
  atomic_store(&primary[device], context);
  return context;
}

vc_entered vc_cuda_enter(int32_t device) {
  const vc_driver *driver = vc_driver_get();
  if (!driver) return VC_ENTERED_AS_IT_WAS;
  CUcontext current = NULL;
  CUresult result = driver->cuCtxGetCurrent(&current);
  if (result == VC_CUDA_DEINITIALIZED) return VC_ENTERED_GONE;
  CUcontext wanted = primary_context(driver, device);
  if (result != VC_CUDA_SUCCESS || !wanted || wanted == current) return VC_ENTERED_AS_IT_WAS;
  if (driver->cuCtxPushCurrent(wanted) != VC_CUDA_SUCCESS) return VC_ENTERED_AS_IT_WAS;
  return VC_ENTERED_PUSHED;
}

void vc_cuda_leave(vc_entered entered) {
  if (entered != VC_ENTERED_PUSHED) return;
  CUcontext popped;
  vc_driver_get()->cuCtxPopCurrent(&popped);
}

static vc_device device_of(unsigned type, unsigned managed, int ordinal) {
  if (managed) return (vc_device){VC_CUDA_MANAGED, ordinal < 0 ? 0 : ordinal};
  if (type == MEMORY_DEVICE || type == MEMORY_UNIFIED) return (vc_device){VC_CUDA, ordinal};
  if (type == MEMORY_HOST) return (vc_device){VC_CUDA_HOST, 0};
  return (vc_device){VC_CPU, 0}; /* memory that the driver has never seen */
}

vc_status vc_cuda_pointer_device(const void *address, vc_device *out, vc_error *error) {
  vc_mode mode;
  vc_status status = vc_cuda_mode(&mode, error);
  if (status != VC_OK) return status;
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
  vc_device found;
  if (device.type == VC_CPU && vc_cuda_pointer_device(address, &found, NULL) == VC_OK) {
    device = found;
  }
  return device.type == VC_CUDA_HOST ? "pinned host" : "host";
}
