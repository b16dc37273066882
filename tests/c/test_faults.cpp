/* SPDX-License-Identifier: Apache-2.0 */
/* Conversions, lends, pools, streams and copies under failures (faults.hpp). */
#include "faults.hpp"

#include <dlpack/dlpack.h>

namespace {

// Of the first device, and two of the last.
vc_stream blocking, side, aside, far, farther;

vc_gpumat_abi abis[3]; // by counting
vc_gpumat_abi &cuda = abis[0];
vc_pool *pool; // over the driver
uint8_t *pixels, *more_pixels;

enum { ROWS = 8, COLS = 16, CHANNELS = 4, BYTES = ROWS * COLS * CHANNELS, CV_8U = 0 };

vc_device device() { return {simulated ? VC_CUDA : VC_CPU, 0}; }

vc_view image(uint8_t *data, vc_device where) {
  const int64_t shape[] = {ROWS, COLS, CHANNELS};
  vc_view view;
  CHECK_OK(vc_view_packed(data, where, {VC_UINT, 8}, 3, shape, &view, &error));
  return view;
}

vc_view image() { return image(pixels, device()); }

vc_gpumat *header(GpuMat &mat) { return reinterpret_cast<vc_gpumat *>(&mat); }

// ----------------------------------------------------------------- operations

vc_status make_export() {
  vc_view view = image();
  vc_owner owner = new_owner();
  DLManagedTensor *tensor = nullptr;
  vc_status status = vc_dlpack_from_view(&view, &owner, &tensor, &error);
  CHECK((status == VC_OK) == (tensor != nullptr));
  if (status != VC_OK) return give_up(status, owner);
  tensor->deleter(tensor);
  return status;
}

vc_status make_versioned_export() {
  vc_view view = image();
  vc_owner owner = new_owner(true);
  DLManagedTensorVersioned *tensor = nullptr;
  vc_status status = vc_dlpack_versioned_from_view(&view, &owner, 0, &tensor, &error);
  CHECK((status == VC_OK) == (tensor != nullptr));
  if (status != VC_OK) return give_up(status, owner);
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

// Of an empty view: its owner is put on the list of vc_collect, in memory of its own.
vc_status lend_empty() {
  const int64_t shape[] = {0, COLS};
  vc_view view;
  vc_owner owner = new_owner();
  vc_gpumat mat = {};
  CHECK_OK(vc_view_packed(nullptr, device(), {VC_UINT, 8}, 2, shape, &view, &error));
  vc_status status = vc_gpumat_lend(&cuda, &view, &owner, nullptr, &mat, &error);
  if (status != VC_OK) {
    CHECK_INT(mat.cols, 0);
    return give_up(status, owner);
  }
  CHECK(owner.release == nullptr && mat.cols == COLS);
  return status;
}

bool is_last(void *) { return true; }
void drop_holder(void *) {}

// The two kinds of lends that are swept.
vc_status lend_swept(vc_gpumat_abi &abi) {
  vc_view view = image();
  vc_owner owner = new_owner();
  vc_holder holder = {sizeof holder, &abi, is_last, drop_holder};
  vc_gpumat mat = {};
  vc_status status = vc_gpumat_lend(&abi, &view, &owner, &holder, &mat, &error);
  if (status != VC_OK) {
    CHECK(mat.data == nullptr && mat.refcount == nullptr && mat.allocator == nullptr);
    return give_up(status, owner);
  }
  if (abi.counting == VC_REFCOUNT_NO_FREE) --*mat.refcount; // as OpenCV's release() does
  return status;
}
vc_status lend_counts_only() { return lend_swept(abis[1]); }
vc_status lend_counts_up() { return lend_swept(abis[2]); }

// OpenCV's own memory, of which the last reference is ours.
vc_status share_standard() {
  GpuMat mat(ROWS, COLS, CV_8U);
  if (simulated) sim_register(mat.data, BYTES, SIM_DEVICE, 0);
  uint8_t *data = mat.data;
  vc_owner shared = {};
  vc_view view;
  vc_status status = vc_view_from_gpumat(&cuda, header(mat), false, &view, &error);
  if (status == VC_OK) status = vc_gpumat_share(&cuda, header(mat), &shared, &error);
  CHECK((status == VC_OK) == (shared.release != nullptr));
  mat.release();
  CHECK_INT(standard_allocator.live(), status == VC_OK);
  vc_owner_release(&shared);
  if (simulated) sim_unregister(data);
  return status;
}

vc_status make_pool() {
  static const vc_pool_backend backend = {sizeof backend, nullptr,
                                          [](void *, int32_t, size_t) -> void * { return nullptr; },
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
  if (status != VC_OK) return give_up(status, owner);
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

vc_status record(vc_stream stream) {
  vc_event event = {};
  vc_status status = vc_event_record(0, stream, &event, &error);
  if (status != VC_OK) {
    CHECK(event.event == nullptr);
    return status;
  }
  while (!vc_event_done(&event)) {
  }
  return status;
}
vc_status record_stream() { return record(side); }
vc_status record_legacy() { return record(VC_STREAM_LEGACY); }
vc_status mark_other() {
  vc_event event = {};
  vc_status status = vc_event_record(devices - 1, far, &event, &error);
  while (status == VC_OK && !vc_event_done(&event)) {
  }
  return status;
}
vc_status record_far() { return record(far); }

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
  if (status == VC_OK) CHECK(std::memcmp(host, pixels, BYTES) == 0);
  return status;
}

vc_status view_unowned() {
  vc_view view = image(), found;
  vc_gpumat mat = {};
  vc_status status = vc_gpumat_over(&cuda, &view, &mat, &error);
  if (status == VC_OK) status = vc_view_from_gpumat(&cuda, &mat, false, &found, &error);
  if (status == VC_OK) CHECK(found.data == pixels && found.device.type == device().type);
  return status;
}

vc_status split_owner() {
  vc_owner owner = new_owner(), part = {};
  vc_status status = vc_owner_split(&owner, 3, &part, &error);
  CHECK((status == VC_OK) == (part.release != nullptr));
  if (status != VC_OK) return give_up(status, owner);
  for (vc_owner copy : {part, part, part}) vc_owner_release(&copy);
  return status;
}

const operation operations[] = {
    {"vc_owner_split", split_owner, HOST_ONLY, 0},
    {"vc_dlpack_from_view", make_export, ANYWHERE, 0},
    {"vc_dlpack_versioned_from_view", make_versioned_export, ANYWHERE, 0},
    {"vc_gpumat_over, vc_view_from_gpumat", view_unowned, ANYWHERE, 0},
    {"vc_gpumat_lend", lend, ANYWHERE, 0},
    {"vc_gpumat_lend (empty)", lend_empty, ANYWHERE, 0},
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
    {"vc_event_record, vc_event_done", record_stream, WITH_DRIVER, 0},
    {"vc_event_record (legacy)", record_legacy, WITH_DRIVER, 0},
    {"vc_event_record (the other device)", mark_other, WITH_TWO, 0},
    {"vc_event_record (two devices)", record_far, WITH_TWO, 0},
    {"vc_stream_synchronize", synchronize, WITH_DRIVER, 0},
    {"vc_stream_is_capturing", ask_capture, WITH_DRIVER, 0},
    {"vc_cuda_warmup", warm_up, WITH_DRIVER, 0},
    {"vc_cuda_pointer_device", find_device, WITH_DRIVER, 0},
    {"vc_copy", copy_on_stream, WITH_DRIVER, 0},
    {"vc_copy (legacy)", copy_on_legacy, WITH_DRIVER, 0},
    {"vc_copy (to the host)", copy_to_host, WITH_DRIVER, 0},
};

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

bool prepare() {
  if (!find_mode()) return false;
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
  const vc_refcounting countings[] = {VC_REFCOUNT_FULL, VC_REFCOUNT_NO_FREE, VC_REFCOUNT_UP_ONLY};
  for (int i = 0; i < 3; i++)
    CHECK_OK(vc_gpumat_abi_init(3, countings[i], &standard_allocator, &abis[i], &error));
  return true;
}

} // namespace

int main() {
  if (!prepare()) return check_report();
  if (devices > 6) check_first_use();
  // The pool of the operations below is itself made under failures.
  for (const operation &each : operations) {
    if (each.run == find_driver_pool) fail_each_allocation(each, true);
  }
  CHECK_OK(vc_pool_driver(&pool, &error));
  for (const operation &each : operations) fail_everything(each);
  std::free(pixels);
  std::free(more_pixels);
  std::printf("%ld faults injected\n", faults);
  return check_report();
}
