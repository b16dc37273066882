/* SPDX-License-Identifier: Apache-2.0 */
/* GpuMat headers and lends: refusals, values at the edge, and system calls that are forbidden. */
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocator_slots.h"

static _Alignas(512) uint8_t pixels[4096];

/* Runs in a process of its own, which may not call process_vm_readv. */
static int without_process_vm_readv(void (*run)(void)) {
  int status = -1;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
      exit(77); /* a kernel or a sandbox that allows no filter */
    }
    long before = checks_failed;
    run();
    exit(checks_failed > before);
  }
  if (child > 0) waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_reading_without_the_system_call(void) {
  uint8_t found[16] = {0}, large[8192];
  memset(pixels, 9, 16);
  CHECK_OK(vc_memory_read(pixels, found, 16, &error));
  CHECK_INT(found[15], 9);
  CHECK_FAILS(vc_memory_read((void *)16, found, 16, &error), VC_ERROR_ABI, "can't be read");
  /* Through a pipe, which holds no more. */
  CHECK_FAILS(vc_memory_read(pixels, large, sizeof large, &error), VC_ERROR_ABI, "8192 bytes");
  for (int i = 0; i < 3000; i++) ignore(vc_memory_read(pixels, found, 16, NULL));
  CHECK_OK(vc_memory_read(pixels, found, 16, &error)); /* no pipe was left open */
}

static void test_unreadable_memory(void) {
  uint8_t found[16];
  CHECK_FAILS(vc_memory_read((void *)16, found, 16, &error), VC_ERROR_ABI, "can't be read");
  int status = without_process_vm_readv(test_reading_without_the_system_call);
  if (status == 77)
    printf("no seccomp here: reading through a pipe is not tested\n");
  else
    CHECK_INT(status, 0);
}

static void test_abi(void) {
  vc_gpumat_abi abi;
  CHECK_FAILS(vc_gpumat_abi_init(3, (vc_refcounting)0, NULL, &abi, &error), VC_ERROR_ARGUMENT,
              "counting is 0");
  CHECK_FAILS(vc_gpumat_abi_init(3, (vc_refcounting)4, NULL, &abi, &error), VC_ERROR_ARGUMENT,
              "counting is 4");
}

static void keep(void *context) { (void)context; }

static void test_lend_without_an_error(void) {
  vc_view view = view_of(pixels, host, ROWS, COLS);
  vc_owner owner = {&view, keep, true};
  vc_gpumat mat = {0};
  if (vc_cuda_device_count() > 0) view.device = gpu;
  CHECK_INT(vc_gpumat_lend(&counts_up, &view, &owner, NULL, &mat, NULL), VC_ERROR_ARGUMENT);
  CHECK(owner.release && !mat.data);
  mat.refcount = (int32_t *)pixels; /* a counter without data */
  CHECK_FAILS(vc_gpumat_lend(&cuda, &view, &owner, NULL, &mat, &error), VC_ERROR_VALUE,
              "already has memory");
}

static void test_damaged_step(void) {
  vc_view view;
  vc_gpumat mat = {.flags = 0x42FF0000, .rows = 2, .cols = 5, .step = SIZE_MAX, .data = pixels};
  CHECK_FAILS(vc_view_from_gpumat(&cuda, &mat, false, &view, &error), VC_ERROR_VALUE, "step");
  mat.step = (size_t)INT64_MAX + 6;
  CHECK_FAILS(vc_view_from_gpumat(&cuda, &mat, false, &view, &error), VC_ERROR_VALUE, "step");
}

/* OpenCV never destroys an allocator; if it did, ours would not care. */
static void test_destructors(void) {
  vc_view view = view_of(pixels, host, ROWS, COLS);
  vc_owner owner = {&view, keep, true};
  vc_gpumat mat = {0};
  if (vc_cuda_device_count() > 0) view.device = gpu;
  CHECK_OK(vc_gpumat_lend(&cuda, &view, &owner, NULL, &mat, &error));
  for (int slot = 0; slot < 2; slot++) {
    call_slot(mat.allocator, slot, NULL, 0, 0, 0);
    call_slot(vc_pool_allocator(), slot, NULL, 0, 0, 0);
  }
  CHECK(!call_slot(mat.allocator, 2, &mat, 1, 1, 1));
  CHECK_INT(*mat.refcount, 1);
  *mat.refcount = 0;
  call_slot(mat.allocator, 3, &mat, 0, 0, 0);
}

static void test_recorders(void) {
  vc_gpumat mat = {0}, another = {0};
  vc_gpumat_probe probe;
  vc_gpumat_probe_begin(&probe, 7, &mat);
  for (int slot = 0; slot < 6; slot++) {
    if (slot != 2) call_slot(&probe, slot, &mat, 0, 0, 0);
    if (slot != 2) CHECK(probe.slot == slot && probe.header == &mat);
  }
  CHECK_INT(probe.calls, 5);
  CHECK(!call_slot(&probe, 2, &another, 2, 2, 1) && !another.data); /* not the one attached */
  CHECK(!call_slot(&probe, 2, &mat, 0, 2, 1));
  CHECK(!call_slot(&probe, 2, &mat, 9, 9, 1));
  CHECK(call_slot(&probe, 2, &mat, 2, 2, 1) && mat.data && mat.refcount == &probe.count);
  vc_gpumat_probe_end(&mat, NULL);
  CHECK(!mat.data && !mat.refcount);
}

static void test_share_of_what_is_released(void) {
  vc_pool *pool;
  vc_gpumat mat = {0};
  vc_owner owner = {0};
  CHECK_OK(vc_pool_driver(&pool, &error));
  CHECK_OK(vc_pool_gpumat(pool, &cuda, 2, 2, CV_8UC1, 0, NULL, &mat, &error));
  *mat.refcount = 0;
  CHECK_FAILS(vc_gpumat_share(&cuda, &mat, &owner, &error), VC_ERROR_VALUE, "being released");
  *mat.refcount = 1;
  CHECK_OK(vc_gpumat_share(&cuda, &mat, &owner, &error));
  vc_owner_release(&owner);
  *mat.refcount = 0;
  call_slot(mat.allocator, 3, &mat, 0, 0, 0);
  vc_pool_trim(pool);
}

static void test_host_memory_is_refused(void) {
  vc_view view = view_of(pixels + 2048, host, ROWS, COLS);
  vc_gpumat mat = {0};
  sim_unregister(pixels);
  CHECK_FAILS(vc_gpumat_over(&cuda, &view, &mat, &error), VC_ERROR_DEVICE, "in host memory");
  sim_register(pixels, sizeof pixels, SIM_PINNED, 0);
  CHECK_FAILS(vc_gpumat_over(&cuda, &view, &mat, &error), VC_ERROR_DEVICE, "pinned host");
  sim_unregister(pixels);
  vc_gpumat empty = {.flags = 0x42FF0000};
  CHECK_OK(vc_view_from_gpumat(&cuda, &empty, false, &view, &error));
  CHECK_INT(view.device.type, VC_CUDA);
}

/* The driver that can't start: no mode, no pool, no GpuMat over host memory. */
static void test_failing_start(void) {
  vc_view view = view_of(pixels, host, ROWS, COLS);
  vc_gpumat mat = {0};
  vc_pool *pool = NULL;
  vc_device device;
  for (int i = 0; i < 4; i++) {
    sim_fail("cuInit", 0, SIM_UNKNOWN);
    if (i == 0) CHECK_FAILS(vc_gpumat_over(&cuda, &view, &mat, &error), VC_ERROR_CUDA, "cuInit");
    if (i == 1) CHECK_FAILS(vc_pool_driver(&pool, &error), VC_ERROR_CUDA, "cuInit");
    if (i == 2) CHECK_FAILS(vc_cuda_pointer_device(pixels, &device, &error), VC_ERROR_CUDA, "");
    if (i == 3) CHECK(strstr(vc_cuda_reason(), "can't be used") != NULL);
  }
  CHECK(!mat.data && !pool);
}

int main(void) {
  bool simulated;
  if (!set_up(&simulated, test_failing_start)) return 0;
  test_unreadable_memory();
  test_abi();
  test_lend_without_an_error();
  test_damaged_step();
  test_destructors();
  test_recorders();
  test_share_of_what_is_released();
  if (simulated) test_host_memory_is_refused();
  return check_report();
}
