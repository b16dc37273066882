/* SPDX-License-Identifier: Apache-2.0 */
/* The backend over the CUDA driver alone; host memory in host mode. */
#include <stdlib.h>

#include "core/allocate.h"
#include "core/error.h"
#include "cuda/driver.h"

/* CUdevice_attribute and CUpointer_attribute. */
enum { ATTRIBUTE_MEMORY_POOLS_SUPPORTED = 115 };
enum { ATTRIBUTE_MEMPOOL_HANDLE = 17 };

#define LEGACY ((CUstream)VC_STREAM_LEGACY)
#define HOST_ALIGNMENT 512

static bool has_memory_pools(const vc_driver *driver, int32_t device) {
  int supported = 0;
  return driver->cuDeviceGetAttribute(&supported, ATTRIBUTE_MEMORY_POOLS_SUPPORTED, device) ==
             VC_CUDA_SUCCESS &&
         supported;
}

static void *allocate(void *context, int32_t device, size_t bytes) {
  (void)context;
  const vc_driver *driver = vc_driver_get();
  if (!driver) return vc_aligned_alloc(HOST_ALIGNMENT, bytes);
  CUdeviceptr address = 0;
  /* While a blocking stream captures, anything on the legacy one would end it. */
  bool in_order =
      has_memory_pools(driver, device) && !vc_stream_is_capturing(device, VC_STREAM_LEGACY);
  CUresult result = in_order ? driver->cuMemAllocAsync(&address, bytes, LEGACY)
                             : driver->cuMemAlloc(&address, bytes);
  return result == VC_CUDA_SUCCESS ? (void *)address : NULL;
}

/* cuMemFreeAsync takes only what cuMemAllocAsync gave. */
static bool is_of_a_memory_pool(const vc_driver *driver, const void *memory) {
  void *pool = NULL;
  int attribute = ATTRIBUTE_MEMPOOL_HANDLE;
  void *values[] = {&pool};
  return driver->cuPointerGetAttributes(1, &attribute, values, (CUdeviceptr)memory) ==
             VC_CUDA_SUCCESS &&
         pool;
}

static void give_back(void *context, int32_t device, void *memory, size_t bytes) {
  (void)context, (void)device, (void)bytes;
  const vc_driver *driver = vc_driver_get();
  if (!driver) {
    free(memory);
  } else if (is_of_a_memory_pool(driver, memory)) {
    driver->cuMemFreeAsync((CUdeviceptr)memory, LEGACY);
  } else {
    driver->cuMemFree((CUdeviceptr)memory);
  }
}

vc_status vc_pool_driver(vc_pool **out, vc_error *error) {
  VC_NEED(out);
  static const vc_pool_backend backend = {sizeof backend, NULL, allocate, give_back};
  static vc_pool *pool;
  vc_pool *made = __atomic_load_n(&pool, __ATOMIC_ACQUIRE);
  vc_mode mode;
  if (!made) {
    VC_TRY(vc_cuda_mode(&mode, error));
    VC_TRY(vc_pool_new(&backend, &made, error));
    /* Of two threads that come first one loses: its pool stays empty. */
    vc_pool *none = NULL;
    if (!__atomic_compare_exchange_n(&pool, &none, made, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
      made = none;
    }
  }
  *out = made;
  return VC_OK;
}
