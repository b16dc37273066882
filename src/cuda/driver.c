/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/driver.h"

#include <dlfcn.h>
#include <string.h>

#include "core/error.h"

/* The functions of libcuda, from vc_driver_open on. */
static vc_driver functions;

static bool find(void *library, const char *name, void *slot) {
  void *symbol = dlsym(library, name);
  /* POSIX lets a function pointer travel as a data pointer; ISO C wants bytes. */
  memcpy(slot, &symbol, sizeof symbol);
  return symbol != NULL;
}

/* Looks up every function. Returns the name of the first one that the library does not have,
 * or NULL. */
static const char *load_symbols(void *library, vc_driver *driver) {
  const struct {
    const char *name;
    void *slot;
  } symbols[] = {
      {"cuInit", &driver->cuInit},
      {"cuDeviceGetCount", &driver->cuDeviceGetCount},
      {"cuDevicePrimaryCtxRetain", &driver->cuDevicePrimaryCtxRetain},
      {"cuCtxGetCurrent", &driver->cuCtxGetCurrent},
      {"cuCtxPushCurrent_v2", &driver->cuCtxPushCurrent},
      {"cuCtxPopCurrent_v2", &driver->cuCtxPopCurrent},
      {"cuPointerGetAttributes", &driver->cuPointerGetAttributes},
      {"cuEventCreate", &driver->cuEventCreate},
      {"cuEventDestroy_v2", &driver->cuEventDestroy},
      {"cuEventRecord", &driver->cuEventRecord},
      {"cuStreamWaitEvent", &driver->cuStreamWaitEvent},
      {"cuEventQuery", &driver->cuEventQuery},
      {"cuStreamSynchronize", &driver->cuStreamSynchronize},
      {"cuStreamQuery", &driver->cuStreamQuery},
      {"cuStreamGetCtx", &driver->cuStreamGetCtx},
      {"cuStreamIsCapturing", &driver->cuStreamIsCapturing},
      {"cuStreamGetCaptureInfo_v2", &driver->cuStreamGetCaptureInfo},
      {"cuThreadExchangeStreamCaptureMode", &driver->cuThreadExchangeStreamCaptureMode},
      {"cuStreamGetFlags", &driver->cuStreamGetFlags},
      {"cuCtxGetDevice", &driver->cuCtxGetDevice},
      {"cuDeviceGetAttribute", &driver->cuDeviceGetAttribute},
      {"cuMemAlloc_v2", &driver->cuMemAlloc},
      {"cuMemAllocAsync", &driver->cuMemAllocAsync},
      {"cuMemFree_v2", &driver->cuMemFree},
      {"cuMemFreeAsync", &driver->cuMemFreeAsync},
      {"cuMemcpy2DAsync_v2", &driver->cuMemcpy2DAsync},
      {"cuMemcpyHtoDAsync_v2", &driver->cuMemcpyHtoDAsync},
      {"cuLaunchKernel", &driver->cuLaunchKernel},
      {"cuGetErrorName", &driver->cuGetErrorName},
  };
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    if (!find(library, symbols[i].name, symbols[i].slot)) return symbols[i].name;
  }
  find(library, "cuLibraryLoadData", &driver->cuLibraryLoadData);
  find(library, "cuLibraryGetKernel", &driver->cuLibraryGetKernel);
  return NULL;
}

const vc_driver *vc_driver_open(const char **missing) {
  vc_driver found;
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  *missing = library ? load_symbols(library, &found) : NULL;
  if (!library || *missing) return NULL;
  functions = found;
  return &functions;
}

static const char *result_name(const vc_driver *driver, CUresult result) {
  const char *name = NULL;
  if (driver->cuGetErrorName(result, &name) != VC_CUDA_SUCCESS || !name) {
    return "unknown error";
  }
  return name;
}

vc_status vc_driver_fail(vc_error *error, const char *call, CUresult result) {
  return vc_fail(error, VC_ERROR_CUDA, "%s failed with CUDA error %d (%s)", call, result,
                 result_name(&functions, result));
}
