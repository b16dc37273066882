/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "internal.h"

/* What is known about CUDA in this process. Written under `deciding` only. */
static struct {
  vc_driver driver;
  int32_t devices;
  char reason[160];
} cuda = {.reason = "not asked for yet"};

static pthread_mutex_t deciding = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int decided; /* a vc_mode; 0: not yet */
const vc_driver *_Atomic vc_driver_ready;

/* --- fork(). What a driver was started for, it can't be used for by a child: that
 * is CUDA's rule, and asking it anyway gives errors that explain nothing. */

static bool forked; /* from a process that used CUDA */

/* A child has one thread. Nothing is locked beforehand: starting a driver may
 * itself fork, to load a kernel module. */
static void begin_as_child(void) {
  static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
  memcpy(&deciding, &unlocked, sizeof deciding);
  if (atomic_load(&decided) != VC_MODE_CUDA) return;
  forked = true;
  atomic_store(&vc_driver_ready, NULL);
  atomic_store(&decided, 0);
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, begin_as_child); }

static vc_status fail_forked(vc_error *error) {
  return vc_fail(error, VC_ERROR_CUDA,
                 "this process was forked from one that used CUDA, and can't use it; start it "
                 "anew instead%s, or fork before the first conversion",
                 vc_advice_text(VC_ADVICE_SPAWN));
}

static bool find(void *library, const char *name, void *slot) {
  void *symbol = dlsym(library, name);
  /* POSIX lets a function pointer travel as a data pointer; ISO C wants bytes. */
  memcpy(slot, &symbol, sizeof symbol);
  return symbol != NULL;
}

/* The first symbol that the library lacks; NULL if it has them all. */
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

static const char *result_name(const vc_driver *driver, CUresult result) {
  const char *name = NULL;
  if (driver->cuGetErrorName(result, &name) != VC_CUDA_SUCCESS || !name) {
    return "unknown error";
  }
  return name;
}

vc_status vc_driver_fail(vc_error *error, const char *call, CUresult result) {
  return vc_fail(error, VC_ERROR_CUDA, "%s failed with CUDA error %d (%s)", call, result,
                 result_name(&cuda.driver, result));
}

/* Host mode, unless the environment forbids it. */
static vc_status choose_host(const char *reason, vc_mode *out, vc_error *error) {
  const char *allowed = getenv("VIEWCAST_HOST_MODE");
  if (allowed && strcmp(allowed, "0") == 0) {
    return vc_fail(error, VC_ERROR_DEVICE,
                   "no CUDA device (%s), and VIEWCAST_HOST_MODE=0 forbids a "
                   "GpuMat over host memory; unset it to allow host mode",
                   reason);
  }
  snprintf(cuda.reason, sizeof cuda.reason, "host mode: %s", reason);
  *out = VC_MODE_HOST;
  return VC_OK;
}

static vc_status decide(vc_mode *out, vc_error *error) {
  if (forked) return fail_forked(error);
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return choose_host("libcuda.so.1 is not installed", out, error);

  vc_driver driver;
  const char *missing = load_symbols(library, &driver);
  if (missing) {
    return vc_fail(error, VC_ERROR_CUDA, "libcuda.so.1 has no %s; install a newer NVIDIA driver",
                   missing);
  }
  cuda.driver = driver;
  CUresult result = driver.cuInit(0);
  if (result == VC_CUDA_NO_DEVICE) return choose_host("cuInit finds no device", out, error);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuInit", result);

  int count = 0;
  result = driver.cuDeviceGetCount(&count);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuDeviceGetCount", result);
  if (count == 0) return choose_host("the driver lists 0 devices", out, error);

  cuda.devices = count;
  snprintf(cuda.reason, sizeof cuda.reason, "CUDA: the driver lists %d device%s", count,
           count == 1 ? "" : "s");
  *out = VC_MODE_CUDA;
  return VC_OK;
}

/* Apart, so that the usual answer needs no registers saved. */
__attribute__((noinline)) static vc_status decide_once(vc_mode *out, vc_error *error) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  pthread_mutex_lock(&deciding);
  vc_status status = VC_OK;
  vc_mode mode = (vc_mode)atomic_load(&decided);
  if (!mode) {
    status = decide(&mode, error);
    if (status == VC_OK) atomic_store(&decided, (int)mode);
    if (status == VC_OK && mode == VC_MODE_CUDA) atomic_store(&vc_driver_ready, &cuda.driver);
  }
  pthread_mutex_unlock(&deciding);
  if (status == VC_OK) *out = mode;
  return status;
}

vc_status vc_cuda_mode(vc_mode *out, vc_error *error) {
  VC_NEED(out);
  int known = atomic_load_explicit(&decided, memory_order_acquire);
  if (known) {
    *out = (vc_mode)known;
    return VC_OK;
  }
  return decide_once(out, error);
}

int32_t vc_cuda_device_count(void) { return vc_driver_get() ? cuda.devices : 0; }

const char *vc_cuda_reason(void) {
  vc_mode mode;
  if (vc_cuda_mode(&mode, NULL) != VC_OK) return "CUDA can't be used, and host mode not either";
  return cuda.reason;
}

const vc_driver *vc_driver_decide(void) {
  vc_mode mode;
  if (vc_cuda_mode(&mode, NULL) != VC_OK || mode != VC_MODE_CUDA) return NULL;
  return &cuda.driver;
}
