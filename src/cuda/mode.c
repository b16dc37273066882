/* SPDX-License-Identifier: Apache-2.0 */
/* Decides once per process between CUDA and host mode. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "cuda/driver.h"
#include "internal.h"

/* The result of the decision. Written under `deciding` only. */
static struct {
  const vc_driver *driver; /* in CUDA mode */
  int32_t devices;
  char reason[160];
} cuda = {.reason = "not asked for yet"};

static pthread_mutex_t deciding = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int decided; /* a vc_mode; 0: not yet */
const vc_driver *_Atomic vc_driver_ready;

/* --- fork(). A child can't use the driver that its parent started: that is CUDA's rule, and
 * the driver's own errors do not explain it. */

static bool forked; /* from a process that used CUDA */

/* Runs in a child, which has one thread: unlocks the mutex, and drops a decision for CUDA. The
 * mutex is not a vc_lock (core/lock.h), which fork() takes beforehand: cuInit runs under the mutex
 * and may itself fork, to load a kernel module, and that fork() would wait for ever. */
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

/* Host mode, unless the environment forbids it. */
static vc_status decide_for_host(const char *reason, vc_mode *out, vc_error *error) {
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
  const char *missing;
  const vc_driver *driver = vc_driver_open(&missing);
  if (missing) {
    return vc_fail(error, VC_ERROR_CUDA, "libcuda.so.1 has no %s; install a newer NVIDIA driver",
                   missing);
  }
  if (!driver) return decide_for_host("libcuda.so.1 is not installed", out, error);

  CUresult result = driver->cuInit(0);
  if (result == VC_CUDA_NO_DEVICE) return decide_for_host("cuInit finds no device", out, error);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuInit", result);

  int count = 0;
  result = driver->cuDeviceGetCount(&count);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuDeviceGetCount", result);
  if (count == 0) return decide_for_host("the driver lists 0 devices", out, error);

  cuda.driver = driver;
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
    if (status == VC_OK && mode == VC_MODE_CUDA) atomic_store(&vc_driver_ready, cuda.driver);
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
  return cuda.driver;
}
