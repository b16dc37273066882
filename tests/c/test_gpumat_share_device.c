/* SPDX-License-Identifier: Apache-2.0 */
/* The last reference to a GpuMat in device memory: the context in which it is freed. */
#include "simulated_process.h"

static char device_memory[64], plain_memory[64];

typedef struct {
  ptrdiff_t offset_to_top;
  const void *type_info;
  void (*destructors[2])(void *self);
  bool (*allocate)(void *self, vc_gpumat *mat, int rows, int cols, size_t elem_size);
  void (*free)(void *self, vc_gpumat *mat);
} allocator_table;

/* What was so when the memory went back to OpenCV's allocator. */
static struct {
  int calls, device, mode;
  void *data;
} freed;

static void note_free(void *self, vc_gpumat *mat) {
  (void)self;
  freed.calls++;
  freed.device = sim_current();
  freed.mode = sim_mode();
  freed.data = mat->data;
}

static const allocator_table table = {.free = note_free};
static const struct {
  const void *address_point;
} standard_allocator = {table.destructors};

static int32_t references;

static vc_gpumat standard_mat(void *memory) {
  references = 1;
  return (vc_gpumat){.flags = 0x42FF0000 | 1 << 14,
                     .rows = 4,
                     .cols = 4,
                     .step = 4,
                     .data = memory,
                     .refcount = &references,
                     .datastart = memory,
                     .dataend = (const uint8_t *)memory + 16,
                     .allocator = (void *)(uintptr_t)&standard_allocator};
}

/* OpenCV lets its own reference go first: ours is the last. */
static vc_owner share_last(void *memory) {
  vc_gpumat_abi abi;
  vc_owner owner = {0};
  vc_gpumat mat = standard_mat(memory);
  memset(&freed, 0, sizeof freed);
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard_allocator, &abi, &error));
  CHECK_OK(vc_gpumat_share(&abi, &mat, &owner, &error));
  CHECK_INT(references, 2);
  references = 1;
  return owner;
}

static vc_owner shared;
static void release_shared(void) { vc_owner_release(&shared); }

static void release_on_new_thread(void) {
  release_shared();
  check_undisturbed(-1);
}

static void check_freed(const void *memory, int device, int mode) {
  CHECK_INT(freed.calls, 1);
  CHECK_INT(freed.device, device);
  CHECK_INT(freed.mode, mode);
  CHECK(freed.data == memory);
}

static void test_shared_memory(void) {
  sim_register(device_memory, sizeof device_memory, SIM_DEVICE, 1);
  sim_set_current(0);
  shared = share_last(device_memory);
  on_new_thread(release_on_new_thread);
  check_freed(device_memory, 1, SIM_RELAXED);
  shared = share_last(device_memory);
  release_shared();
  check_freed(device_memory, 1, SIM_RELAXED);
  shared = share_last(plain_memory); /* of no device: no context */
  on_new_thread(release_on_new_thread);
  check_freed(plain_memory, -1, SIM_GLOBAL);
  shared = share_last(device_memory);
  references = 2; /* OpenCV's again: nothing is freed */
  release_shared();
  CHECK_INT(freed.calls, 0);
  CHECK_INT(references, 1);
  check_undisturbed(0);
}

static void test_share_fails(void) {
  vc_gpumat_abi abi;
  vc_owner owner = {0};
  vc_gpumat mat = standard_mat(device_memory);
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard_allocator, &abi, &error));
  sim_fail("cuPointerGetAttributes", 0, SIM_INVALID_VALUE);
  CHECK_FAILS(vc_gpumat_share(&abi, &mat, &owner, &error), VC_ERROR_CUDA, "cuPointerGetAttributes");
  CHECK_INT(references, 1);
  CHECK(!owner.release);
}

/* The process is ending: the driver is gone, and device memory with it. */
static void test_driver_gone(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, false);
  vc_event recorded;
  vc_device device;
  sim_register(device_memory, sizeof device_memory, SIM_DEVICE, 0);
  shared = share_last(device_memory);
  CHECK_OK(vc_event_record(0, a, &recorded, &error));
  sim_busy(a, 0, 1);
  sim_shut_down(1);
  sim_log_clear();
  release_shared();
  CHECK_INT(freed.calls, 0);
  CHECK(vc_event_done(&recorded));
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK(!vc_stream_is_capturing(0, a));
  CHECK_WORK("");
  CHECK_INT(vc_cuda_pointer_device(device_memory, &device, &error), VC_ERROR_CUDA);
  CHECK_INT(vc_stream_synchronize(0, a, &error), VC_ERROR_CUDA);
  CHECK_INT(vc_event_record(0, a, &recorded, &error), VC_ERROR_CUDA);
  CHECK_INT(sim_errors(), 0);
}

static const simulated_case cases[] = {
    {"shared_memory", test_shared_memory, TWO_DEVICES},
    {"share_fails", test_share_fails, TWO_DEVICES},
    {"driver_gone", test_driver_gone, 0},
};

int main(int count, char **arguments) {
  return run_cases(count, arguments, cases, sizeof cases / sizeof *cases, NULL);
}
