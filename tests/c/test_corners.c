/* SPDX-License-Identifier: Apache-2.0 */
/* Branches that no ordinary use takes: refusals, values at the edge, system
 * calls that are forbidden, a driver that goes away. In host mode, or against
 * the simulated driver where LD_LIBRARY_PATH names it. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "internal.h"
#include "simulated_cuda.h"

#define DEFINE(type, name, parameters) static type(*name) parameters;
SIM_FUNCTIONS(DEFINE)

static vc_error error;
static vc_gpumat_abi cuda, counts_up;
static int standard_calls;
static _Alignas(512) uint8_t pixels[4096], other_pixels[4096];

enum { CV_8UC1 = 0, ROWS = 4, COLS = 5 };
static const vc_device host = {VC_CPU, 0}, gpu = {VC_CUDA, 0};
static const vc_dtype u8 = {VC_UINT, 8};

/* --- helpers */

/* A virtual function by its slot; C knows no such call. */
typedef bool slot_function(void *self, void *mat, int rows, int cols, size_t elem_size);
static bool call_slot(void *object, int slot, void *mat, int rows, int cols, size_t elem_size) {
  slot_function *function;
  const char *const *table = *(const char *const *const *)object;
  memcpy(&function, &table[slot], sizeof function);
  return function(object, mat, rows, cols, elem_size);
}

/* OpenCV's own allocator, which has nothing to give. */
static bool standard_allocate(void *self, void *mat, int rows, int cols, size_t elem_size) {
  (void)self, (void)mat, (void)rows, (void)cols, (void)elem_size;
  standard_calls++;
  return false;
}
static struct {
  ptrdiff_t offset;
  const void *type;
  slot_function *slots[4];
} table = {.slots = {NULL, NULL, standard_allocate, NULL}};
static struct {
  const void *table;
} standard = {&table.slots};

static vc_view view_of(void *data, vc_device device, int64_t rows, int64_t row_step) {
  vc_view view = {.data = data, .device = device, .dtype = u8, .ndim = 2};
  view.shape[0] = rows;
  view.shape[1] = COLS;
  view.strides[0] = row_step;
  view.strides[1] = 1;
  return view;
}

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

/* --- anywhere */

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

/* --- copies */

static void test_copies_that_do_not_fit(void) {
  vc_view from = view_of(pixels, host, ROWS, COLS), to = view_of(other_pixels, host, ROWS, COLS);
  vc_view wrong = to;
  const char *needed = "source's shape and dtype";
  wrong.ndim = 1;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, needed);
  wrong = to, wrong.dtype = (vc_dtype){VC_INT, 8};
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, needed);
  wrong = to, wrong.dtype.bits = 16;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, needed);
  wrong = to, wrong.readonly = 1;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_VALUE, "destination is read-only");
  wrong = to, wrong.shape[1] = 4;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, needed);
  wrong = to, wrong.strides[1] = 2, wrong.strides[0] = 10;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, "image axis 1");
  CHECK_FAILS(vc_copy(&from, &wrong, 0, &error), VC_ERROR_LAYOUT, "image axis 1");
}

static void test_copies_on_the_host(void) {
  vc_view from = view_of(pixels, host, ROWS, 16), to = view_of(other_pixels, host, ROWS, COLS);
  for (int i = 0; i < 64; i++) pixels[i] = (uint8_t)i;
  CHECK_OK(vc_copy(&to, &from, VC_STREAM_NONE, &error));
  CHECK_INT(other_pixels[COLS], 16);
  CHECK_OK(vc_copy(&from, &to, 0, &error)); /* and back: gaps stay */
  CHECK_INT(pixels[5], 5);
  from.shape[0] = to.shape[0] = 0;
  CHECK_OK(vc_copy(&to, &from, 0, &error));
}

static void test_copy_without_a_gpu(void) {
  vc_view from = view_of(pixels, gpu, ROWS, COLS), to = view_of(other_pixels, host, ROWS, COLS);
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_DEVICE, "no CUDA device");
  vc_event mark;
  CHECK_OK(vc_event_record(0, VC_STREAM_LEGACY, &mark, &error));
  mark.event = pixels; /* whatever it is: there is no driver to ask */
  CHECK(vc_event_done(&mark));
}

/* --- with a driver */

static void test_copies_on_default_streams(void) {
  vc_view from = view_of(pixels, gpu, ROWS, COLS), to = view_of(other_pixels, gpu, ROWS, COLS);
  sim_register(pixels, sizeof pixels, SIM_DEVICE, 0);
  sim_register(other_pixels, sizeof other_pixels, SIM_DEVICE, 0);
  CHECK_OK(vc_copy(&to, &from, VC_STREAM_NONE, &error));
  intptr_t stream = sim_stream_create(0, 0);
  sim_begin_capture(stream, 0);
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_CUDA, "capturing");
  CHECK_INT(sim_end_capture(stream), 0);
  from.device.id = to.device.id = -1;
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_DEVICE, "device id is -1");
  from.device.id = to.device.id = 1000;
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_DEVICE, "no CUDA device 1000");
  to.device.id = 0;
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_DEVICE, "no CUDA device 1000");
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

static bool load_simulation(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  void *symbol = library ? dlsym(library, "sim_depth") : NULL;
  if (!symbol) return false;
#define FIND(type, name, parameters) \
  symbol = dlsym(library, #name);    \
  memcpy(&name, &symbol, sizeof name);
  SIM_FUNCTIONS(FIND)
  return true;
}

int main(void) {
  bool simulated = load_simulation();
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard, &cuda, &error));
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_UP_ONLY, NULL, &counts_up, &error));
  if (simulated) test_failing_start();
  vc_mode mode;
  CHECK_OK(vc_cuda_mode(&mode, &error));
  if (!simulated && mode == VC_MODE_CUDA) {
    printf("skipped: there is a real GPU\n");
    return 0;
  }
  if (simulated) sim_set_current(0);
  test_unreadable_memory();
  test_abi();
  test_lend_without_an_error();
  test_damaged_step();
  test_destructors();
  test_recorders();
  test_pool_arguments();
  test_share_of_what_is_released();
  test_copies_that_do_not_fit();
  test_copies_on_the_host();
  if (simulated) {
    test_copies_on_default_streams();
    test_host_memory_is_refused();
    test_pool_without_a_driver();
  } else {
    test_copy_without_a_gpu();
  }
  return check_report();
}
