/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that can fail is made to fail: each allocation of each operation,
 * once alone and once with all that come after it, and each call of the driver.
 * Whatever fails, the operation says so or does without, nothing is half made,
 * and nothing is lost: not a byte, an event, an owner or a count.
 *
 * The library is built with -DVC_FAULTS here, and this program is its source of
 * memory. Without a simulated libcuda.so.1 on LD_LIBRARY_PATH it tests host
 * mode; with one, a machine of SIMULATED_CUDA_DEVICES devices. */
#include "gpumat_standin.hpp"

#include <dlfcn.h>
#include <dlpack/dlpack.h>

#include <set>
#include <string>

#include "check.h"
#include "simulated_cuda.h"

using standin::GpuMat;
using standin::standard_allocator;

// ------------------------------------------------------- memory that may fail

// What the library has asked for and not freed. Never destroyed: free() is called
// until the very end of the process.
static std::set<void *> &live = *new std::set<void *>;
static long asked, fail_at;   // the call that fails; 0: none
static bool fail_later;       // and all calls after it

static void *give(void *memory) {
  if (memory != nullptr)
    live.insert(memory);
  return memory;
}

static bool fails() {
  asked++;
  return fail_at > 0 && (fail_later ? asked >= fail_at : asked == fail_at);
}

extern "C" {
void *vc_malloc(size_t bytes);
void *vc_calloc(size_t bytes);
void *vc_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *memory);
void __wrap_free(void *memory); // the linker sends every free() here

void *vc_malloc(size_t bytes) { return fails() ? nullptr : give(std::malloc(bytes)); }
void *vc_calloc(size_t bytes) { return fails() ? nullptr : give(std::calloc(1, bytes)); }
void *vc_aligned_alloc(size_t alignment, size_t bytes) {
  return fails() ? nullptr : give(std::aligned_alloc(alignment, bytes));
}
void __wrap_free(void *memory) {
  live.erase(memory);
  __real_free(memory);
}
}

namespace {

// ------------------------------------------------------------ the environment

#define DEFINE(type, name, parameters) type(*name) parameters;
SIM_FUNCTIONS(DEFINE)

int (*pop_context)(void **);
int (*exchange_mode)(int *);

vc_error error;
bool simulated; // a driver; else host mode
int devices;
long faults;    // how many were injected

// Of the first device, and two of the last.
vc_stream blocking, side, aside, far, farther;

vc_gpumat_abi abis[3]; // by counting
vc_gpumat_abi &cuda = abis[0];
vc_pool *pool;         // over the driver
uint8_t *pixels, *more_pixels;

enum { ROWS = 8, COLS = 16, CHANNELS = 4, BYTES = ROWS * COLS * CHANNELS, CV_8U = 0 };

void find_function(void *library, const char *name, void *slot) {
  void *symbol = dlsym(library, name);
  std::memcpy(slot, &symbol, sizeof symbol);
}

vc_device device() { return {simulated ? VC_CUDA : VC_CPU, 0}; }

vc_view image(uint8_t *data, vc_device where) {
  const int64_t shape[] = {ROWS, COLS, CHANNELS};
  vc_view view;
  CHECK_OK(vc_view_packed(data, where, {VC_UINT, 8}, 3, shape, &view, &error));
  return view;
}

vc_view image() { return image(pixels, device()); }

vc_gpumat *header(GpuMat &mat) { return reinterpret_cast<vc_gpumat *>(&mat); }

vc_statistics statistics() {
  vc_statistics now;
  vc_statistics_read(&now);
  return now;
}

// An owner that counts; not for any thread, so that the list is used too.
int taken, given_back;
void count_release(void *) { given_back++; }
vc_owner new_owner(bool any_thread = false) {
  taken++;
  return {&taken, count_release, any_thread};
}

// The call that failed left the owner to its caller.
vc_status give_up(vc_status status, vc_owner &owner) {
  CHECK(owner.release == count_release);
  vc_owner_release(&owner);
  return status;
}

// ----------------------------------------------------------------- operations

vc_status make_export() {
  vc_view view = image();
  vc_owner owner = new_owner();
  DLManagedTensor *tensor = nullptr;
  vc_status status = vc_dlpack_from_view(&view, &owner, &tensor, &error);
  CHECK((status == VC_OK) == (tensor != nullptr));
  if (status != VC_OK)
    return give_up(status, owner);
  tensor->deleter(tensor);
  return status;
}

vc_status make_versioned_export() {
  vc_view view = image();
  vc_owner owner = new_owner(true);
  DLManagedTensorVersioned *tensor = nullptr;
  vc_status status = vc_dlpack_versioned_from_view(&view, &owner, 0, &tensor, &error);
  CHECK((status == VC_OK) == (tensor != nullptr));
  if (status != VC_OK)
    return give_up(status, owner);
  tensor->deleter(tensor);
  return status;
}

// Lends, takes a region and a reference, and drops all of them.
vc_status lend() {
  vc_view view = image();
  vc_owner owner = new_owner(), shared = {};
  GpuMat mat;
  vc_status status = vc_gpumat_lend(&cuda, &view, &owner, nullptr, header(mat), &error);
  if (status != VC_OK) {
    CHECK(mat.data == nullptr && mat.refcount == nullptr);
    CHECK(mat.allocator == &standard_allocator);
    return give_up(status, owner);
  }
  GpuMat region = mat.rowRange(1, 3);
  mat.release();
  status = vc_gpumat_share(&cuda, header(region), &shared, &error);
  CHECK((status == VC_OK) == (shared.release != nullptr));
  vc_owner_release(&shared);
  return status;
}

bool is_last(void *) { return true; }
void drop_holder(void *) {}

// The two kinds of lends that are swept.
vc_status lend_swept(vc_gpumat_abi &abi) {
  vc_view view = image();
  vc_owner owner = new_owner();
  vc_holder holder = {&abi, is_last, drop_holder};
  vc_gpumat mat = {};
  vc_status status = vc_gpumat_lend(&abi, &view, &owner, &holder, &mat, &error);
  if (status != VC_OK) {
    CHECK(mat.data == nullptr && mat.refcount == nullptr && mat.allocator == nullptr);
    return give_up(status, owner);
  }
  if (abi.counting == VC_COUNTS_ONLY)
    --*mat.refcount; // as OpenCV's release() does
  return status;
}
vc_status lend_counts_only() { return lend_swept(abis[1]); }
vc_status lend_counts_up() { return lend_swept(abis[2]); }

// OpenCV's own memory, of which the last reference is ours.
vc_status share_standard() {
  GpuMat mat(ROWS, COLS, CV_8U);
  if (simulated)
    sim_register(mat.data, BYTES, SIM_DEVICE, 0);
  uint8_t *data = mat.data;
  vc_owner shared = {};
  vc_view view;
  vc_status status = vc_view_from_gpumat(&cuda, header(mat), false, &view, &error);
  if (status == VC_OK)
    status = vc_gpumat_share(&cuda, header(mat), &shared, &error);
  CHECK((status == VC_OK) == (shared.release != nullptr));
  mat.release();
  CHECK_INT(standard_allocator.live(), status == VC_OK);
  vc_owner_release(&shared);
  if (simulated)
    sim_unregister(data);
  return status;
}

vc_status make_pool() {
  static const vc_pool_backend backend = {
      nullptr, [](void *, int32_t, size_t) -> void * { return nullptr; },
      [](void *, int32_t, void *, size_t) {}};
  vc_pool *made = nullptr;
  vc_status status = vc_pool_new(&backend, &made, &error);
  CHECK((status == VC_OK) == (made != nullptr));
  return status;
}

vc_status find_driver_pool() {
  vc_pool *found = nullptr;
  vc_status status = vc_pool_driver(&found, &error);
  CHECK((status == VC_OK) == (found != nullptr));
  return status;
}

// One GpuMat of the pool, seen as a view and shared; then its memory again.
vc_status pool_gpumat() {
  vc_status status = VC_OK;
  for (int turn = 0; turn < 2 && status == VC_OK; turn++) {
    GpuMat mat;
    vc_owner owner = new_owner(), shared = {};
    status = vc_pool_gpumat(pool, &cuda, ROWS, COLS, CV_8U, simulated ? side : VC_STREAM_LEGACY,
                            &owner, header(mat), &error);
    if (status != VC_OK) {
      CHECK(mat.data == nullptr && mat.refcount == nullptr);
      return give_up(status, owner);
    }
    CHECK(owner.release == nullptr);
    status = vc_gpumat_share(&cuda, header(mat), &shared, &error);
    mat.release();
    vc_owner_release(&shared);
  }
  return status;
}

// OpenCV's create() with the pool as its default allocator. A pool that can't
// serve is no error: the standard allocator does.
vc_status pool_in_use() {
  vc_stream streams[] = {side, blocking, aside};
  vc_owner owner = new_owner();
  vc_status status = vc_pool_use(pool, &cuda, streams, 3, &owner, &error);
  if (status != VC_OK)
    return give_up(status, owner);
  GpuMat::setDefaultAllocator(static_cast<GpuMat::Allocator *>(vc_pool_allocator()));
  for (int turn = 0; turn < 2; turn++) {
    GpuMat mat(ROWS, COLS, CV_8U);
    CHECK(mat.data != nullptr && mat.refcount != nullptr && *mat.refcount == 1);
    GpuMat large(ROWS * 100, COLS * 100, CV_8U);
    CHECK(large.data != nullptr);
  }
  GpuMat::setDefaultAllocator(&standard_allocator);
  CHECK_OK(vc_pool_use(nullptr, nullptr, nullptr, 0, nullptr, &error));
  return status;
}

vc_status trim() {
  vc_pool_trim(nullptr);
  return VC_OK;
}

vc_status order(vc_stream producer, vc_stream consumer) {
  return vc_stream_order(0, producer, consumer, &error);
}
vc_status order_streams() { return order(side, blocking); }
vc_status order_legacy() { return order(VC_STREAM_LEGACY, side); }
vc_status order_per_thread() { return order(side, VC_STREAM_PER_THREAD); }
vc_status order_devices() { return order(side, far); }
vc_status order_far() { return vc_stream_order(devices - 1, far, farther, &error); }
vc_status order_back() { return order(far, VC_STREAM_LEGACY); }

vc_status mark(vc_stream stream) {
  vc_mark mark = {};
  vc_status status = vc_mark_set(0, stream, &mark, &error);
  if (status != VC_OK) {
    CHECK(mark.event == nullptr);
    return status;
  }
  while (!vc_mark_done(&mark)) {
  }
  return status;
}
vc_status mark_stream() { return mark(side); }
vc_status mark_legacy() { return mark(VC_STREAM_LEGACY); }
vc_status mark_other() {
  vc_mark mark = {};
  vc_status status = vc_mark_set(devices - 1, far, &mark, &error);
  while (status == VC_OK && !vc_mark_done(&mark)) {
  }
  return status;
}
vc_status mark_far() { return mark(far); }

vc_status synchronize() { return vc_stream_synchronize(0, side, &error); }

vc_status ask_capture() {
  CHECK(!vc_stream_is_capturing(0, side));
  return VC_OK;
}

vc_status warm_up() { return vc_cuda_warmup(devices - 1, &error); }

vc_status find_device() {
  vc_device found = {VC_CPU, -1};
  vc_status status = vc_cuda_pointer_device(pixels, &found, &error);
  CHECK_INT(found.id, status == VC_OK ? 0 : -1);
  return status;
}

vc_status copy(vc_stream stream) {
  vc_view from = image(), to = image(more_pixels, device());
  return vc_copy(&to, &from, stream, &error);
}
vc_status copy_on_stream() { return copy(side); }
vc_status copy_on_legacy() { return copy(VC_STREAM_LEGACY); }

vc_status copy_to_host() {
  uint8_t host[BYTES];
  vc_view from = image(), to = image(host, {VC_CPU, 0});
  vc_status status = vc_copy(&to, &from, side, &error);
  if (status == VC_OK)
    CHECK(std::memcmp(host, pixels, BYTES) == 0);
  return status;
}

vc_status view_unowned() {
  vc_view view = image(), found;
  vc_gpumat mat = {};
  vc_status status = vc_gpumat_over(&cuda, &view, &mat, &error);
  if (status == VC_OK)
    status = vc_view_from_gpumat(&cuda, &mat, false, &found, &error);
  if (status == VC_OK)
    CHECK(found.data == pixels && found.device.type == device().type);
  return status;
}

enum { ANYWHERE = 0, WITH_DRIVER = 1, WITH_TWO = 2 };

const struct operation {
  const char *name;
  vc_status (*run)();
  int needs;
  unsigned keeps; // allocations that a run may leave for the life of the process
} operations[] = {
    {"vc_dlpack_from_view", make_export, ANYWHERE, 0},
    {"vc_dlpack_versioned_from_view", make_versioned_export, ANYWHERE, 0},
    {"vc_gpumat_over, vc_view_from_gpumat", view_unowned, ANYWHERE, 0},
    {"vc_gpumat_lend", lend, ANYWHERE, 0},
    {"vc_gpumat_lend (counts only)", lend_counts_only, ANYWHERE, 0},
    {"vc_gpumat_lend (counts up)", lend_counts_up, ANYWHERE, 0},
    {"vc_gpumat_share (standard)", share_standard, ANYWHERE, 0},
    {"vc_pool_new", make_pool, ANYWHERE, 1},
    {"vc_pool_driver", find_driver_pool, ANYWHERE, 1},
    {"vc_pool_gpumat", pool_gpumat, ANYWHERE, 1}, // the lists of a device
    {"vc_pool_use, allocate, free", pool_in_use, ANYWHERE, 1},
    {"vc_pool_trim", trim, ANYWHERE, 0},
    {"vc_stream_order", order_streams, WITH_DRIVER, 0},
    {"vc_stream_order (legacy)", order_legacy, WITH_DRIVER, 0},
    {"vc_stream_order (per-thread)", order_per_thread, WITH_DRIVER, 0},
    {"vc_stream_order (two devices)", order_devices, WITH_TWO, 0},
    {"vc_stream_order (the other device)", order_far, WITH_TWO, 0},
    {"vc_stream_order (two devices, back)", order_back, WITH_TWO, 0},
    {"vc_mark_set, vc_mark_done", mark_stream, WITH_DRIVER, 0},
    {"vc_mark_set (legacy)", mark_legacy, WITH_DRIVER, 0},
    {"vc_mark_set (the other device)", mark_other, WITH_TWO, 0},
    {"vc_mark_set (two devices)", mark_far, WITH_TWO, 0},
    {"vc_stream_synchronize", synchronize, WITH_DRIVER, 0},
    {"vc_stream_is_capturing", ask_capture, WITH_DRIVER, 0},
    {"vc_cuda_warmup", warm_up, WITH_DRIVER, 0},
    {"vc_cuda_pointer_device", find_device, WITH_DRIVER, 0},
    {"vc_copy", copy_on_stream, WITH_DRIVER, 0},
    {"vc_copy (legacy)", copy_on_legacy, WITH_DRIVER, 0},
    {"vc_copy (to the host)", copy_to_host, WITH_DRIVER, 0},
};

// ------------------------------------------------------------------ the tests

bool applies(const operation &each) {
  return each.needs <= (devices > 1 ? WITH_TWO : simulated ? WITH_DRIVER : ANYWHERE);
}

// What must be as it was, whatever failed.
struct state {
  size_t live;
  int events;
};

state settle() {
  vc_pool_trim(nullptr); // which lets go of owners of streams
  vc_collect(true);
  return {live.size(), simulated ? sim_events() : 0};
}

bool is(const char *symbol, const char *name) { return std::strcmp(symbol, name) == 0; }

// Where these fail, the next call is made in the wrong context: the driver
// refuses it, and so does the operation.
bool switches_contexts(const char *symbol) {
  return is(symbol, "cuCtxGetCurrent") || is(symbol, "cuCtxPushCurrent_v2") ||
         is(symbol, "cuStreamGetCtx") || is(symbol, "cuDevicePrimaryCtxRetain");
}

void check_counts(const char *name, const char *what) {
  vc_statistics now = statistics();
  long before = checks_failed;
  CHECK_INT(taken, given_back);
  CHECK_INT(now.lends, now.lends_released);
  CHECK_INT(now.shares, now.shares_released);
  CHECK_INT(now.exports, now.exports_released);
  CHECK_INT(now.put_off, 0);
  CHECK_INT(now.pool_live, 0);
  CHECK_INT(standard_allocator.live(), 0);
  static int errors_before;
  if (simulated && !switches_contexts(what))
    CHECK_INT(sim_errors(), errors_before);
  errors_before = simulated ? sim_errors() : 0;
  if (checks_failed > before)
    std::fprintf(stderr, "  after %s of %s (%s)\n", what, name,
                 simulated ? sim_last_error() : "host mode");
  taken = given_back = 0;
}

void fail_each_allocation(const operation &each, bool and_later) {
  state before = settle();
  size_t kept = 0;
  for (long n = 1;; n++) {
    asked = 0;
    fail_at = n;
    fail_later = and_later;
    error = {};
    vc_status status = each.run();
    bool fired = asked >= n;
    fail_at = 0;
    state after = settle();
    kept = after.live - before.live;
    check_counts(each.name, "a failed allocation");
    if (!CHECK(after.live >= before.live && kept <= each.keeps))
      std::fprintf(stderr, "  %zu allocations left by %s\n", kept, each.name);
    if (!fired) {
      CHECK_OK(status);
      return;
    }
    faults++;
    if (status != VC_OK)
      CHECK(status == VC_ERROR_MEMORY && error.status == status && error.message[0]);
  }
}

const char *const symbols[] = {
    "cuDevicePrimaryCtxRetain", "cuCtxGetCurrent", "cuCtxPushCurrent_v2", "cuCtxPopCurrent_v2",
    "cuPointerGetAttributes", "cuEventCreate", "cuEventDestroy_v2", "cuEventRecord",
    "cuStreamWaitEvent", "cuEventQuery", "cuStreamSynchronize", "cuStreamQuery", "cuStreamGetCtx",
    "cuStreamIsCapturing", "cuStreamGetCaptureInfo_v2", "cuThreadExchangeStreamCaptureMode",
    "cuStreamGetFlags", "cuCtxGetDevice", "cuDeviceGetAttribute", "cuMemAlloc_v2",
    "cuMemAllocAsync", "cuMemFree_v2", "cuMemFreeAsync", "cuMemcpy2DAsync_v2", "cuGetErrorName",
};

// What the driver itself kept by failing: nobody could have given it back.
void check_thread(const char *symbol) {
  if (is(symbol, "cuCtxPopCurrent_v2")) {
    void *context;
    while (sim_depth() > 0)
      pop_context(&context);
  } else if (is(symbol, "cuThreadExchangeStreamCaptureMode")) {
    int mode = SIM_GLOBAL;
    exchange_mode(&mode);
  }
  CHECK_INT(sim_depth(), 0);
  CHECK_INT(sim_mode(), SIM_GLOBAL);
  CHECK_INT(sim_current(), 0);
}

// A failure of the driver may come back as any error but must say which call.
void check_answer(vc_status status) {
  if (status == VC_OK)
    return;
  CHECK_INT(error.status, status);
  CHECK(status == VC_ERROR_CUDA || status == VC_ERROR_MEMORY || status == VC_ERROR_DEVICE);
  CHECK(error.message[0] != '\0');
}

void fail_each_driver_call(const operation &each, const char *symbol, int result) {
  for (int after = 0;; after++) {
    settle();
    state before = settle();
    int calls = sim_calls(symbol);
    sim_fail(symbol, after, result);
    error = {};
    vc_status status = each.run();
    bool fired = sim_calls(symbol) - calls > after;
    sim_fail(symbol, 1 << 30, SIM_SUCCESS);
    check_thread(symbol);
    state now = settle();
    check_counts(each.name, symbol);
    if (!CHECK(now.live <= before.live + each.keeps))
      std::fprintf(stderr, "  after %s of %s\n", symbol, each.name);
    /* Events: a few stay in pools, or where their destruction itself failed. */
    CHECK(now.events <= before.events + 2 + 16);
    if (!fired) {
      CHECK_OK(status);
      return;
    }
    faults++;
    check_answer(status);
    if (!CHECK_OK(each.run()))
      std::fprintf(stderr, "  %s does not recover from %s\n", each.name, symbol);
    settle();
    check_counts(each.name, "none");
  }
}

// Any number of times, an operation whose driver fails keeps no event.
void check_events(const operation &each) {
  for (const char *symbol : {"cuEventRecord", "cuStreamWaitEvent", "cuEventCreate"}) {
    settle();
    int before = 0;
    for (int turn = 0; turn < 40; turn++) {
      sim_fail(symbol, 0, SIM_UNKNOWN);
      each.run();
      sim_fail(symbol, 1 << 30, SIM_SUCCESS);
      int now = settle().events;
      if (turn == 20)
        before = now;
      if (turn > 20)
        CHECK_INT(now, before);
      faults++;
    }
  }
  taken = given_back = 0;
}

// The first use of a device, while its context can't be made current: an event
// of another context must not stay in this device's pool.
void check_first_use() {
  const char *const symbols[] = {"cuDevicePrimaryCtxRetain", "cuCtxGetCurrent",
                                 "cuCtxPushCurrent_v2"};
  int32_t ordinal = devices - 1;
  for (const char *symbol : symbols) {
    for (bool warm : {false, true}) {
      vc_stream one = sim_stream_create(ordinal, 1), other = sim_stream_create(ordinal, 1);
      sim_fail(symbol, 0, SIM_UNKNOWN);
      error = {};
      check_answer(warm ? vc_cuda_warmup(ordinal, &error)
                        : vc_stream_order(ordinal, one, other, &error));
      sim_fail(symbol, 1 << 30, SIM_SUCCESS);
      faults++;
      CHECK_OK(vc_stream_order(ordinal, one, other, &error));
      CHECK_OK(vc_stream_order(ordinal, other, one, &error));
      ordinal--;
    }
  }
  check_counts("first use", "cuCtxPushCurrent_v2");
}

void load_simulation() {
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  find_function(library, "sim_depth", &sim_depth);
  if (library == nullptr || sim_depth == nullptr)
    return;
#define FIND(type, name, parameters) find_function(library, #name, &name);
  SIM_FUNCTIONS(FIND)
  find_function(library, "cuCtxPopCurrent_v2", &pop_context);
  find_function(library, "cuThreadExchangeStreamCaptureMode", &exchange_mode);
}

bool prepare() {
  vc_mode mode;
  load_simulation();
  if (!CHECK_OK(vc_cuda_mode(&mode, &error)))
    return false;
  simulated = mode == VC_MODE_CUDA;
  if (simulated && sim_depth == nullptr) {
    std::printf("skipped: there is a real GPU, whose driver can't be made to fail\n");
    return false;
  }
  devices = vc_cuda_device_count();
  pixels = static_cast<uint8_t *>(std::aligned_alloc(512, BYTES));
  more_pixels = static_cast<uint8_t *>(std::aligned_alloc(512, BYTES));
  std::memset(pixels, 7, BYTES);
  if (simulated) {
    sim_set_current(0);
    blocking = sim_stream_create(0, 0);
    side = sim_stream_create(0, 1);
    aside = sim_stream_create(0, 1);
    far = sim_stream_create(devices - 1, 1);
    farther = sim_stream_create(devices - 1, 1);
    sim_register(pixels, BYTES, SIM_DEVICE, 0);
    sim_register(more_pixels, BYTES, SIM_DEVICE, 0);
  }
  const vc_counting countings[] = {VC_COUNTS_AND_FREES, VC_COUNTS_ONLY, VC_COUNTS_UP};
  for (int i = 0; i < 3; i++)
    CHECK_OK(vc_gpumat_abi_init(3, countings[i], &standard_allocator, &abis[i], &error));
  return true;
}

} // namespace

int main() {
  if (!prepare())
    return check_report();
  if (devices > 6)
    check_first_use();
  // The pool of the operations below is itself made under failures.
  for (const operation &each : operations) {
    if (each.run == find_driver_pool)
      fail_each_allocation(each, true);
  }
  CHECK_OK(vc_pool_driver(&pool, &error));
  for (const operation &each : operations) {
    if (!applies(each))
      continue;
    fail_each_allocation(each, false);
    fail_each_allocation(each, true);
    for (int i = 0; simulated && i < 24; i++) {
      fail_each_driver_call(each, symbols[i], SIM_UNKNOWN);
      fail_each_driver_call(each, symbols[i], SIM_OUT_OF_MEMORY);
    }
    if (simulated)
      check_events(each);
  }
  std::free(pixels);
  std::free(more_pixels);
  std::printf("%ld faults injected\n", faults);
  return check_report();
}
