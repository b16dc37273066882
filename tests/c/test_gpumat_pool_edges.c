/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: refusals, values at the edge, and a driver that shuts down. */
#include <limits.h>

#include "allocator_slots.h"

static void *no_memory(void *context, int32_t device, size_t bytes) {
  (void)context, (void)device, (void)bytes;
  return NULL;
}
static void never_freed(void *context, int32_t device, void *memory, size_t bytes) {
  (void)context, (void)device, (void)memory, (void)bytes;
}

static void test_pool_arguments(void) {
  static const vc_pool_backend backend = {sizeof backend, NULL, no_memory, never_freed};
  vc_gpumat_abi bare = cuda;
  vc_pool *pool;
  vc_gpumat mat = {0};
  bare.standard_allocator = NULL;
  CHECK_OK(vc_pool_new(&backend, &pool, &error));
  CHECK_OK(vc_pool_gpumat(pool, &cuda, 0, 3, CV_8UC1, 0, NULL, &mat, &error));
  CHECK(!mat.data && mat.rows == 0 && mat.cols == 3);
  CHECK_OK(vc_pool_gpumat(pool, &cuda, 3, 0, CV_8UC1, 0, NULL, &mat, &error));
  CHECK_FAILS(vc_pool_gpumat(pool, &cuda, INT_MAX, INT_MAX, CV_8UC1, 0, NULL, &mat, &error),
              VC_ERROR_MEMORY, "the pool has no");
  vc_gpumat_abi five;
  CHECK_OK(vc_gpumat_abi_init(5, VC_REFCOUNT_FULL, &standard, &five, &error));
  CHECK_FAILS(vc_pool_gpumat(pool, &five, 2, 2, 31, 0, NULL, &mat, &error), VC_ERROR_DTYPE,
              "depth number 31");
  CHECK_FAILS(vc_pool_use(pool, &cuda, (vc_stream[]){1}, SIZE_MAX / 2, NULL, &error),
              VC_ERROR_VALUE, "too many to name");
  /* Without an allocator of OpenCV's own there is nothing to fall back to. */
  CHECK_OK(vc_pool_use(pool, &bare, NULL, 0, NULL, &error));
  CHECK(!call_slot(vc_pool_allocator(), 2, &mat, 2, 2, 1));
  CHECK_OK(vc_pool_use(pool, &cuda, NULL, 0, NULL, &error));
  CHECK(!call_slot(vc_pool_allocator(), 2, &mat, 2, 2, 1) && standard_calls == 1);
  CHECK(!call_slot(vc_pool_allocator(), 2, &mat, 2, 0, 1) && standard_calls == 2);
  vc_pool_close(pool);
  CHECK(!call_slot(vc_pool_allocator(), 2, &mat, 2, 2, 1) && standard_calls == 3);
  CHECK_OK(vc_pool_use(NULL, NULL, NULL, 0, NULL, &error));
}

/* Nothing is served, and nothing called, once the driver goes. */
static void test_pool_without_a_driver(void) {
  vc_pool *pool;
  vc_gpumat mat = {0};
  intptr_t side = sim_stream_create(0, 1);
  CHECK_OK(vc_pool_driver(&pool, &error));
  CHECK_OK(vc_pool_use(pool, &cuda, &side, 1, NULL, &error));
  CHECK(call_slot(vc_pool_allocator(), 2, &mat, 4, 4, 1));
  sim_shut_down(1);
  *mat.refcount = 0;
  call_slot(vc_pool_allocator(), 3, &mat, 0, 0, 0);
  vc_gpumat later = {0};
  CHECK(!call_slot(vc_pool_allocator(), 2, &later, 4, 4, 1));
  CHECK_FAILS(vc_pool_gpumat(pool, &cuda, 4, 4, CV_8UC1, side, NULL, &later, &error),
              VC_ERROR_MEMORY, "no");
  CHECK_INT(vc_pool_trim(pool), 0);
  sim_shut_down(0);
  CHECK(vc_pool_trim(pool) > 0);
  sim_set_current(-1); /* no context: which device is meant? */
  CHECK(call_slot(vc_pool_allocator(), 2, &later, 4, 4, 1) == (vc_cuda_device_count() == 1));
  if (later.refcount) {
    *later.refcount = 0;
    call_slot(vc_pool_allocator(), 3, &later, 0, 0, 0);
  }
  CHECK_OK(vc_pool_use(NULL, NULL, NULL, 0, NULL, &error));
  vc_pool_trim(NULL);
  sim_set_current(0);
}

int main(void) {
  bool simulated;
  if (!set_up(&simulated, NULL)) return 0;
  test_pool_arguments();
  if (simulated) test_pool_without_a_driver();
  return check_report();
}
