/* SPDX-License-Identifier: Apache-2.0 */
/* Pools between streams, devices and graph captures, against a simulated CUDA
 * driver (on LD_LIBRARY_PATH) and a stand-in for GpuMat: no GPU is needed. */
#include "gpumat_standin.hpp"

#include <thread>
#include <vector>

#include "check.h"
#include "simulated_functions.h"

using standin::GpuMat;
using standin::standard_allocator;

namespace {

vc_error error;
vc_gpumat_abi abi;
vc_pool *pool;

enum { CV_8U = 0, DEVICES = 2 };
const vc_stream legacy = VC_STREAM_LEGACY;

// Of one device: a blocking stream, another, two non-blocking ones.
struct Streams {
  explicit Streams(int device)
      : blocking(sim_stream_create(device, 0)),
        other(sim_stream_create(device, 0)),
        side(sim_stream_create(device, 1)),
        aside(sim_stream_create(device, 1)) {}
  vc_stream blocking, other, side, aside;
};

Streams *on[DEVICES];

vc_gpumat *header(GpuMat &mat) { return reinterpret_cast<vc_gpumat *>(&mat); }

GpuMat::Allocator *pooled_allocator() {
  return static_cast<GpuMat::Allocator *>(vc_pool_allocator());
}

void count_release(void *context) { ++*static_cast<int *>(context); }

// The pool is in use, with these streams named.
struct InUse {
  explicit InUse(std::vector<vc_stream> streams = {}, vc_owner *owner = nullptr) {
    CHECK_OK(vc_pool_use(pool, &abi, streams.data(), streams.size(), owner, &error));
    GpuMat::setDefaultAllocator(pooled_allocator());
  }
  ~InUse() {
    GpuMat::setDefaultAllocator(&standard_allocator);
    CHECK_OK(vc_pool_use(nullptr, nullptr, nullptr, 0, nullptr, &error));
    vc_pool_trim(nullptr);
    CHECK_INT(sim_used(0), 0);
    CHECK_INT(sim_used(1), 0);
    CHECK_INT(sim_errors(), 0);
  }
};

GpuMat make() { return GpuMat(16, 16, CV_8U); }

// A GpuMat is used on one stream and dropped; the next, of the same memory, is
// used on another: does that use come after the first?
bool is_ordered(vc_stream first, vc_stream then) {
  int work;
  const uint8_t *data;
  {
    GpuMat mat = make();
    data = mat.data;
    work = sim_work(first);
  }
  GpuMat mat = make();
  CHECK(mat.data == data);
  return sim_is_after(then, first, work);
}

// --------------------------------------------------------------------- streams

void test_legacy_and_blocking_streams() {
  InUse use;
  vc_stream streams[] = {legacy, on[0]->blocking, on[0]->other};
  for (vc_stream first : streams)
    for (vc_stream then : streams) CHECK(is_ordered(first, then));
}

// Without a name nothing is promised: so the tests see what they test.
void test_unnamed_streams_race() {
  InUse use;
  CHECK(!is_ordered(on[0]->side, legacy));
  CHECK(!is_ordered(on[0]->side, on[0]->blocking));
  CHECK(!is_ordered(on[0]->blocking, on[0]->side));
}

void test_named_streams() {
  InUse use({on[0]->side, on[0]->aside, on[1]->side, on[0]->blocking, legacy, 0});
  vc_stream streams[] = {legacy, on[0]->blocking, on[0]->side, on[0]->aside};
  for (vc_stream first : streams)
    for (vc_stream then : streams) CHECK(is_ordered(first, then));
}

// A stream of another device has nothing to do with this one's memory.
void test_streams_of_other_devices() {
  InUse use({on[0]->side, on[1]->side});
  CHECK(is_ordered(on[0]->side, legacy));
  CHECK(!is_ordered(on[1]->side, on[0]->side));
  sim_set_current(1);
  CHECK(is_ordered(on[1]->side, legacy));
  CHECK(is_ordered(on[1]->blocking, on[1]->side));
  sim_set_current(0);
}

// Streams stay named for the GpuMats that were made meanwhile.
void test_streams_of_gpumats_that_outlive_the_switch() {
  int released = 0;
  vc_owner owner = {&released, count_release, false};
  InUse use({on[0]->side}, &owner);
  CHECK(owner.release == nullptr);
  GpuMat mat = make();
  const uint8_t *data = mat.data;
  CHECK_OK(vc_pool_use(pool, &abi, nullptr, 0, nullptr, &error));
  int work = sim_work(on[0]->side);
  vc_collect(false);
  CHECK_INT(released, 0);
  mat.release();
  CHECK_INT(released, 0);
  vc_collect(false);
  CHECK_INT(released, 1);
  mat = make();
  CHECK(mat.data == data);
  CHECK(sim_is_after(legacy, on[0]->side, work));
}

void test_the_stream_of_one_gpumat() {
  int released = 0, pools_released = 0;
  vc_owner owner = {&released, count_release, true};
  vc_owner pools_owner = {&pools_released, count_release, true};
  InUse use({on[0]->aside}, &pools_owner);
  int before = sim_work(on[0]->blocking);
  {
    GpuMat warm = make();
  }
  GpuMat mat;
  CHECK_OK(vc_pool_gpumat(pool, &abi, 16, 16, CV_8U, on[0]->side, &owner, header(mat), &error));
  CHECK(owner.release == nullptr);
  CHECK(sim_is_after(on[0]->side, on[0]->blocking, before));
  CHECK(sim_is_after(on[0]->aside, on[0]->blocking, before));
  int work = sim_work(on[0]->side), beside = sim_work(on[0]->aside);
  CHECK_INT(released, 0);
  mat.release();
  CHECK_INT(released, 1);
  mat = make();
  CHECK_OK(vc_pool_use(pool, &abi, nullptr, 0, nullptr, &error));
  CHECK_INT(pools_released, 0); // the GpuMat's memory may still be used there
  mat.release();
  CHECK_INT(pools_released, 1);
  CHECK(sim_is_after(legacy, on[0]->side, work));
  CHECK(sim_is_after(legacy, on[0]->aside, beside));
}

void test_a_share_is_ordered_as_its_gpumat() {
  InUse use({on[0]->side});
  vc_owner owner;
  GpuMat mat = make();
  CHECK_OK(vc_gpumat_share(&abi, header(mat), &owner, &error));
  mat.release();
  int work = sim_work(on[0]->side);
  std::thread([&] { vc_owner_release(&owner); }).join(); // a thread without a context
  mat = make();
  CHECK(sim_is_after(on[0]->blocking, on[0]->side, work));
}

// --------------------------------------------------------------------- capture

// A blocking stream captures: the legacy one must not be touched.
void test_a_blocking_capture() {
  InUse use;
  GpuMat before = make();
  const uint8_t *data = before.data;
  before.release();
  int work = sim_work(on[0]->other);
  sim_begin_capture(on[0]->blocking, SIM_GLOBAL);
  int plain = sim_calls("cuMemAlloc_v2");
  {
    GpuMat inside = make(); // what was used before can't be ordered now
    CHECK(inside.data != data && inside.allocator == pooled_allocator());
    CHECK_INT(sim_calls("cuMemAlloc_v2"), plain + 1);
  }
  CHECK_INT(vc_pool_trim(pool), 0);
  CHECK_INT(sim_errors(), 0);
  CHECK_INT(sim_end_capture(on[0]->blocking), SIM_SUCCESS);
  GpuMat after = make(), another = make();
  CHECK(after.data == data || another.data == data);
  CHECK(sim_is_after(legacy, on[0]->other, work));
}

// A named stream captures: what it did before is waited for once that is over.
void test_a_capture_on_a_named_stream() {
  int released = 0;
  vc_owner owner = {&released, count_release, true};
  InUse use({on[0]->side}, &owner);
  GpuMat mat = make();
  const uint8_t *data = mat.data;
  int work = sim_work(on[0]->side);
  sim_begin_capture(on[0]->side, SIM_GLOBAL);
  mat.release();
  CHECK_INT(vc_pool_trim(pool), 0);
  {
    GpuMat inside = make();
    CHECK(inside.data != data);
  }
  CHECK_OK(vc_pool_use(pool, &abi, nullptr, 0, nullptr, &error));
  GpuMat unrelated = make();
  CHECK(unrelated.data != data); // the stream is still to be waited for
  CHECK_INT(sim_errors(), 0);
  CHECK_INT(released, 0);
  CHECK_INT(sim_end_capture(on[0]->side), SIM_SUCCESS);
  std::vector<GpuMat> mats(3);
  bool found = false;
  for (GpuMat &each : mats) {
    each = make();
    found = found || each.data == data;
  }
  CHECK(found);
  CHECK(sim_is_after(legacy, on[0]->side, work));
  CHECK_INT(released, 1);
}

// An unnamed stream that is not blocking captures: nothing changes.
void test_a_capture_elsewhere() {
  InUse use;
  sim_begin_capture(on[0]->aside, SIM_GLOBAL);
  CHECK(is_ordered(on[0]->blocking, on[0]->other));
  vc_statistics before = read_statistics();
  CHECK(is_ordered(legacy, on[0]->other));
  CHECK_INT(read_statistics().pool_misses, before.pool_misses);
  CHECK(vc_pool_trim(pool) > 0);
  CHECK_INT(sim_end_capture(on[0]->aside), SIM_SUCCESS);
}

// --------------------------------------------------------------------- devices

void test_memory_of_the_current_device() {
  InUse use;
  GpuMat first = make();
  sim_set_current(1);
  GpuMat second = make();
  vc_view view;
  CHECK_OK(vc_view_from_gpumat(&abi, header(first), false, &view, &error));
  CHECK_INT(view.device.type, VC_CUDA);
  CHECK_INT(view.device.id, 0);
  CHECK_OK(vc_view_from_gpumat(&abi, header(second), false, &view, &error));
  CHECK_INT(view.device.id, 1);
  const uint8_t *data = second.data;
  CHECK(sim_used(0) > 0 && sim_used(1) > 0);
  first.release(); // with the other device current
  sim_set_current(0);
  second.release();
  CHECK(make().data != data);
  sim_set_current(1);
  CHECK(make().data == data);
  sim_set_current(0);
}

void test_one_gpumat_is_on_its_streams_device() {
  InUse use;
  GpuMat mat, other;
  vc_view view;
  CHECK_OK(vc_pool_gpumat(pool, &abi, 16, 16, CV_8U, on[1]->side, nullptr, header(mat), &error));
  CHECK_OK(vc_view_from_gpumat(&abi, header(mat), false, &view, &error));
  CHECK_INT(view.device.id, 1);
  std::thread([&] { // no device is current: 0, as CUDA has it
    vc_error mine;
    CHECK_INT(vc_pool_gpumat(pool, &abi, 16, 16, CV_8U, legacy, nullptr, header(other), &mine),
              VC_OK);
  })
      .join();
  CHECK_OK(vc_view_from_gpumat(&abi, header(other), false, &view, &error));
  CHECK_INT(view.device.id, 0);
}

// Of two devices, which would the runtime take? OpenCV's allocator knows.
void test_a_thread_without_a_device() {
  InUse use;
  std::thread([] {
    GpuMat mat = make();
    CHECK(mat.allocator == &standard_allocator);
  }).join();
}

// ---------------------------------------------------------------------- driver

void test_the_two_ways_to_allocate() {
  InUse use;
  int ordered = sim_calls("cuMemAllocAsync"), plain = sim_calls("cuMemAlloc_v2");
  {
    GpuMat mat = make();
  }
  CHECK_INT(sim_calls("cuMemAllocAsync"), ordered + 1);
  sim_set_current(1);
  sim_fail("cuDeviceGetAttribute", 0, SIM_INVALID_VALUE); // as one without memory pools
  {
    GpuMat mat = make();
  }
  CHECK_INT(sim_calls("cuMemAlloc_v2"), plain + 1);
  sim_set_current(0);
}

void test_a_device_without_memory() {
  InUse use;
  GpuMat mat = make();
  sim_fail("cuMemAllocAsync", 0, SIM_OUT_OF_MEMORY);
  GpuMat other = make();
  CHECK(other.allocator == &standard_allocator);
  other.release();
  sim_fail("cuMemAllocAsync", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_pool_gpumat(pool, &abi, 16, 16, CV_8U, legacy, nullptr, header(other), &error),
              VC_ERROR_MEMORY, "on device 0");
}

void *never_called(void *, int32_t, size_t) {
  CHECK(false);
  return nullptr;
}

void never_freed(void *, int32_t, void *, size_t) { CHECK(false); }

void test_a_driver_that_shuts_down() {
  const vc_pool_backend functions = {sizeof functions, nullptr, never_called, never_freed};
  vc_pool *other_pool;
  CHECK_OK(vc_pool_new(&functions, &other_pool, &error));
  InUse use({on[0]->side});
  GpuMat mat = make(), other = make();
  sim_shut_down(true);
  mat.release();
  GpuMat late = make();
  CHECK(late.allocator == &standard_allocator);
  late.release();
  CHECK_FAILS(
      vc_pool_gpumat(other_pool, &abi, 16, 16, CV_8U, legacy, nullptr, header(late), &error),
      VC_ERROR_MEMORY, "gives none");
  CHECK_INT(vc_pool_trim(pool), 0);
  sim_shut_down(false);
}

} // namespace

int main() {
  load_simulation();
  sim_set_devices(DEVICES);
  sim_set_current(0);
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard_allocator, &abi, &error));
  CHECK_INT(vc_cuda_device_count(), DEVICES);
  CHECK_OK(vc_pool_driver(&pool, &error));
  Streams first(0), second(1);
  on[0] = &first;
  on[1] = &second;
  test_legacy_and_blocking_streams();
  test_unnamed_streams_race();
  test_named_streams();
  test_streams_of_other_devices();
  test_streams_of_gpumats_that_outlive_the_switch();
  test_the_stream_of_one_gpumat();
  test_a_share_is_ordered_as_its_gpumat();
  test_a_blocking_capture();
  test_a_capture_on_a_named_stream();
  test_a_capture_elsewhere();
  test_memory_of_the_current_device();
  test_one_gpumat_is_on_its_streams_device();
  test_a_thread_without_a_device();
  test_the_two_ways_to_allocate();
  test_a_device_without_memory();
  test_a_driver_that_shuts_down();
  return check_report();
}
