/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: GpuMats whose memory comes out of a cache, against a stand-in for the
 * class and backends that count. In host mode: no GPU and no OpenCV is needed. */
#include "gpumat_standin.hpp"

#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "check.h"

using standin::DefaultAllocator;
using standin::GpuMat;
using standin::library;
using standin::standard_allocator;

namespace {

vc_error error;
vc_gpumat_abi abi;

enum { CV_8U = 0, CV_32F = 5 };

// -------------------------------------------------------------------- helpers

int type_of(int depth, int channels) { return standin::make_type(depth, channels); }

vc_gpumat *header(GpuMat &mat) { return reinterpret_cast<vc_gpumat *>(&mat); }

GpuMat::Allocator *pooled_allocator() {
  return static_cast<GpuMat::Allocator *>(vc_pool_allocator());
}

// As GpuMat::create does.
STANDIN_CALLS_ALLOCATOR bool allocate_by(GpuMat::Allocator *allocator, GpuMat &mat, int rows,
                                         int cols, size_t elem_size) {
  return allocator->allocate(&mat, rows, cols, elem_size);
}

// A backend over the heap that notes what it was asked for, up to a limit.
struct Backend {
  explicit Backend(size_t limit_ = SIZE_MAX) : limit(limit_) {
    const vc_pool_backend functions = {sizeof functions, this, allocate, free};
    CHECK_OK(vc_pool_new(&functions, &pool, &error));
  }

  // The library keeps pools for ever, and these tests do not outlive them.
  ~Backend() {
    vc_pool_trim(pool);
    vc_pool_close(pool);
    CHECK_INT(live.size(), 0);
  }

  static void *allocate(void *context, int32_t device, size_t bytes) {
    auto *self = static_cast<Backend *>(context);
    std::lock_guard<std::mutex> guard(self->mutex);
    CHECK_INT(device, 0);
    self->asked.push_back(bytes);
    if (self->used + bytes > self->limit) return nullptr;
    self->used += bytes;
    void *memory = std::aligned_alloc(512, bytes);
    self->live.insert(memory);
    return memory;
  }

  static void free(void *context, int32_t device, void *memory, size_t bytes) {
    auto *self = static_cast<Backend *>(context);
    std::lock_guard<std::mutex> guard(self->mutex);
    CHECK_INT(device, 0);
    CHECK_INT(self->live.erase(memory), 1);
    self->used -= bytes;
    std::free(memory);
  }

  vc_pool *pool = nullptr;
  std::mutex mutex;
  std::vector<size_t> asked;
  std::set<void *> live;
  size_t used = 0;
  size_t limit;
};

// OpenCV's default allocator is ours, and serves from this pool, for a while.
struct InUse {
  explicit InUse(vc_pool *pool) {
    CHECK_OK(vc_pool_use(pool, &abi, nullptr, 0, nullptr, &error));
    GpuMat::setDefaultAllocator(pooled_allocator());
  }
  ~InUse() {
    GpuMat::setDefaultAllocator(&standard_allocator);
    CHECK_OK(vc_pool_use(nullptr, nullptr, nullptr, 0, nullptr, &error));
  }
};

void fill(GpuMat &mat, int value) {
  for (int row = 0; row < mat.rows; row++)
    std::memset(mat.data + mat.step * static_cast<size_t>(row), value,
                mat.elemSize() * static_cast<size_t>(mat.cols));
}

bool is_filled(const GpuMat &mat, int value) {
  size_t row_bytes = mat.elemSize() * static_cast<size_t>(mat.cols);
  for (int row = 0; row < mat.rows; row++) {
    const uint8_t *start = mat.data + mat.step * static_cast<size_t>(row);
    for (size_t i = 0; i < row_bytes; i++)
      if (start[i] != static_cast<uint8_t>(value)) return false;
  }
  return true;
}

// ---------------------------------------------------------------------- sizes

void test_rows_are_pitched() {
  Backend backend;
  InUse use(backend.pool);
  struct {
    int rows, cols, type;
    size_t step;
  } cases[] = {
      {1080, 1920, type_of(CV_8U, 3), 6144}, {2, 1, type_of(CV_8U, 1), 1},
      {2, 2, type_of(CV_8U, 1), 512},        {1, 700, type_of(CV_8U, 3), 2100},
      {700, 1, type_of(CV_32F, 4), 16},      {4, 128, type_of(CV_32F, 1), 512},
      {4, 129, type_of(CV_32F, 1), 1024},    {1, 1, type_of(CV_8U, 1), 1},
  };
  for (const auto &each : cases) {
    GpuMat mat(each.rows, each.cols, each.type);
    CHECK_INT(mat.step, each.step);
    CHECK_INT(reinterpret_cast<uintptr_t>(mat.data) % 256, 0);
    CHECK(mat.allocator == pooled_allocator());
    CHECK(mat.datastart == mat.data);
    bool packed = each.step == mat.elemSize() * static_cast<size_t>(each.cols);
    CHECK_INT(mat.isContinuous(), packed);
    CHECK_INT(*mat.refcount, 1);
    fill(mat, 7);
  }
}

// Of any size: rounded up to 512 bytes and by an eighth at most, the larger
// never below the smaller.
void test_size_classes() {
  Backend backend(0);
  InUse use(backend.pool);
  std::vector<size_t> sizes;
  for (size_t size = 1; size < 20000; size += 7) sizes.push_back(size);
  for (int shift = 9; shift < 31; shift++)
    for (int delta = -1; delta <= 1; delta++)
      sizes.push_back((size_t{1} << shift) + static_cast<size_t>(delta));
  sizes.push_back(INT_MAX);
  size_t before = 0, before_size = 0;
  std::sort(sizes.begin(), sizes.end());
  for (size_t size : sizes) {
    GpuMat mat;
    vc_gpumat *fields = header(mat);
    backend.asked.clear();
    vc_status status = vc_pool_gpumat(backend.pool, &abi, 1, static_cast<int32_t>(size), CV_8U,
                                      VC_STREAM_LEGACY, nullptr, fields, &error);
    CHECK_INT(status, VC_ERROR_MEMORY);
    CHECK_INT(backend.asked.size(), 1);
    size_t given = backend.asked.at(0);
    CHECK_INT(given % 512, 0);
    CHECK(given >= size && given - size <= size / 8 + 511);
    CHECK(given >= before || size < before_size);
    before = given;
    before_size = size;
  }
}

void test_impossible_sizes() {
  Backend backend;
  InUse use(backend.pool);
  struct Refusing : GpuMat::Allocator {
    bool allocate(GpuMat *, int, int, size_t) override {
      calls++;
      return false;
    }
    void free(GpuMat *) override {}
    int calls = 0;
  } refusing;
  vc_gpumat_abi other = abi;
  other.standard_allocator = &refusing;
  CHECK_OK(vc_pool_use(backend.pool, &other, nullptr, 0, nullptr, &error));
  struct {
    int rows, cols;
    size_t elem_size;
  } cases[] = {
      {INT_MAX, INT_MAX, SIZE_MAX / 8},
      {INT_MAX, INT_MAX, 64},
      {INT_MAX, 2, SIZE_MAX / 4},
      {1, 1, SIZE_MAX},
      {0, 5, 1},
      {5, 0, 1},
      {-1, 5, 1},
      {5, 5, 0},
      {2, 2, SIZE_MAX / 2},
  };
  for (const auto &each : cases) {
    GpuMat mat;
    int calls = refusing.calls;
    CHECK(!allocate_by(pooled_allocator(), mat, each.rows, each.cols, each.elem_size));
    CHECK_INT(refusing.calls, calls + 1);
    CHECK(mat.data == nullptr && mat.refcount == nullptr && mat.allocator == &refusing);
  }
  CHECK_INT(backend.asked.size(), 0);
}

// ---------------------------------------------------------------------- reuse

void test_blocks_are_reused() {
  Backend backend;
  InUse use(backend.pool);
  vc_statistics before = read_statistics();
  const uint8_t *first;
  {
    GpuMat mat(100, 100, type_of(CV_8U, 3));
    first = mat.data;
    CHECK_INT(read_statistics().pool_live - before.pool_live, 1);
  }
  CHECK_INT(read_statistics().pool_live, before.pool_live);
  for (int i = 0; i < 10; i++) {
    GpuMat mat(100, 100, type_of(CV_8U, 3));
    CHECK(mat.data == first);
    GpuMat other(100, 101, type_of(CV_8U, 3)); // of the same class
    CHECK(other.data != first);
  }
  vc_statistics after = read_statistics();
  CHECK_INT(after.pool_misses - before.pool_misses, 2);
  CHECK_INT(after.pool_hits - before.pool_hits, 19);
  CHECK_INT(after.pool_blocks - before.pool_blocks, 2);
  CHECK_INT(after.pool_bytes - before.pool_bytes, backend.used);
  CHECK_INT(vc_pool_trim(backend.pool), after.pool_bytes - before.pool_bytes);
  CHECK_INT(backend.live.size(), 0);
  CHECK_INT(read_statistics().pool_blocks, before.pool_blocks);
  CHECK_INT(read_statistics().pool_bytes, before.pool_bytes);
  CHECK_INT(vc_pool_trim(backend.pool), 0);
}

void test_trim_leaves_what_is_used() {
  Backend backend;
  InUse use(backend.pool);
  GpuMat mat(64, 64, CV_8U);
  {
    GpuMat other(64, 64, CV_8U);
  }
  fill(mat, 3);
  CHECK(vc_pool_trim(nullptr) >= 64 * 512);
  CHECK_INT(backend.live.size(), 1);
  CHECK(is_filled(mat, 3));
}

// Everything that a program does to a GpuMat, once with each allocator.
void test_gpumats_behave_as_ever() {
  Backend backend;
  InUse use(backend.pool);
  std::vector<uint8_t> pixels(64 * 64 * 3, 9);
  vc_statistics before = read_statistics();
  {
    GpuMat mat;
    mat.upload(pixels.data(), 64 * 3, 64, 64, type_of(CV_8U, 3));
    const uint8_t *data = mat.data;
    GpuMat copy(mat), moved(std::move(copy)), region = mat({8, 8, 16, 16}), clone = mat.clone();
    CHECK_INT(*mat.refcount, 3);
    CHECK_INT(*clone.refcount, 1);
    CHECK(is_filled(clone, 9) && is_filled(region, 9));
    mat.upload(pixels.data(), 64 * 3, 64, 64, type_of(CV_8U, 3)); // the same size: in place
    CHECK(mat.data == data);
    mat.create(32, 16, CV_8U);
    CHECK(mat.data != data && mat.allocator == pooled_allocator());
    moved.release();
    CHECK(moved.allocator == pooled_allocator());
    CHECK(is_filled(region, 9));
    CHECK_INT(*region.refcount, 1);
    CHECK_INT(read_statistics().pool_live - before.pool_live, 3);
  }
  CHECK_INT(read_statistics().pool_live, before.pool_live);
}

// --------------------------------------------------------------- out of memory

void test_standard_allocator_takes_over() {
  Backend backend(64 * 512);
  InUse use(backend.pool);
  int standard = standard_allocator.live();
  {
    GpuMat fits(64, 64, CV_8U);
    CHECK(fits.allocator == pooled_allocator());
    GpuMat exceeds(64, 64, CV_8U);
    CHECK(exceeds.allocator == &standard_allocator);
    CHECK_INT(vc_gpumat_ownership(&abi, header(exceeds)), VC_OWNERSHIP_STANDARD);
    CHECK_INT(exceeds.step, 512);
    CHECK_INT(*exceeds.refcount, 1);
    CHECK_INT(standard_allocator.live(), standard + 1);
    fill(exceeds, 1);
    // The header has left the pool: what it creates next is OpenCV's own.
    exceeds.create(32, 32, CV_8U);
    CHECK(exceeds.allocator == &standard_allocator);
  }
  CHECK_INT(standard_allocator.live(), standard);
}

void test_unused_blocks_are_freed_for_others() {
  Backend backend(1 << 20);
  Backend neighbour;
  {
    InUse use(neighbour.pool);
    GpuMat mat(64, 64, CV_8U);
  }
  CHECK_INT(neighbour.live.size(), 1);
  InUse use(backend.pool);
  {
    GpuMat small(1000, 500, CV_8U);
  }
  GpuMat large(2000, 500, CV_8U);
  CHECK(large.allocator == pooled_allocator());
  CHECK_INT(backend.live.size(), 1);
  CHECK_INT(neighbour.live.size(), 0);
  CHECK_INT(backend.asked.size(), 3);
}

// Through our frame, which is C.
void test_exceptions_pass_through() {
  Backend backend(0);
  struct Throwing : GpuMat::Allocator {
    bool allocate(GpuMat *, int, int, size_t) override { throw std::runtime_error("no memory"); }
    void free(GpuMat *) override {}
  } throwing;
  vc_gpumat_abi other = abi;
  other.standard_allocator = &throwing;
  InUse use(backend.pool);
  CHECK_OK(vc_pool_use(backend.pool, &other, nullptr, 0, nullptr, &error));
  bool caught = false;
  try {
    GpuMat mat(64, 64, CV_8U);
  } catch (const std::runtime_error &exception) {
    caught = std::strcmp(exception.what(), "no memory") == 0;
  }
  CHECK(caught);
}

// ------------------------------------------------------------------- switching

void test_gpumats_return_to_where_they_came_from() {
  Backend first, second;
  vc_statistics before = read_statistics();
  auto old = [&] {
    InUse use(first.pool);
    return GpuMat(64, 64, CV_8U);
  }();
  const uint8_t *data = old.data;
  {
    InUse use(second.pool);
    GpuMat other(64, 64, CV_8U);
    CHECK(other.data != data);
    old.release();
    CHECK(GpuMat(64, 64, CV_8U).data != data); // not out of the second pool
    // A header that the first pool's GpuMat left is served by the one in use.
    old.create(64, 64, CV_8U);
    CHECK(old.allocator == pooled_allocator() && second.live.count(old.data) == 1);
  }
  InUse use(first.pool);
  CHECK(GpuMat(64, 64, CV_8U).data == data);
  old.release();
  CHECK_INT(read_statistics().pool_live, before.pool_live);
}

void test_no_pool_in_use() {
  Backend backend;
  GpuMat mat(&standard_allocator);
  {
    InUse use(backend.pool);
    GpuMat pooled(64, 64, CV_8U);
    mat = pooled;
  }
  fill(mat, 5);
  CHECK(mat.allocator == pooled_allocator() && is_filled(mat, 5));
  int standard = standard_allocator.live();
  mat.create(32, 32, CV_8U); // ours answers false, OpenCV takes its default
  CHECK(mat.allocator == &standard_allocator);
  CHECK_INT(standard_allocator.live(), standard + 1);
}

void test_a_closed_pool() {
  Backend backend;
  GpuMat kept;
  {
    InUse use(backend.pool);
    kept = GpuMat(64, 64, CV_8U);
    vc_pool_close(backend.pool);
    GpuMat other(64, 64, CV_8U);
    CHECK(other.allocator == &standard_allocator);
    CHECK_FAILS(vc_pool_use(backend.pool, &abi, nullptr, 0, nullptr, &error), VC_ERROR_VALUE,
                "closed");
  }
  size_t asked = backend.asked.size();
  CHECK(is_filled((fill(kept, 8), kept), 8));
  kept.release();
  CHECK_INT(vc_pool_trim(backend.pool), 0); // what comes back is kept
  CHECK_INT(backend.live.size(), 1);
  CHECK_INT(backend.asked.size(), asked);
  std::free(*backend.live.begin()); // for the leak checker
  backend.live.clear();
}

// ---------------------------------------------------------------------- shares

void test_a_share_outlives_its_gpumat() {
  Backend backend;
  InUse use(backend.pool);
  vc_statistics before = read_statistics();
  GpuMat mat(48, 64, type_of(CV_8U, 3));
  fill(mat, 4);
  CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_POOLED);
  vc_view view;
  vc_owner owner;
  CHECK_OK(vc_view_from_gpumat(&abi, header(mat), false, &view, &error));
  CHECK_INT(view.device.type, VC_CPU);
  CHECK_INT(view.strides[0], 512);
  CHECK_OK(vc_gpumat_share(&abi, header(mat), &owner, &error));
  CHECK(owner.any_thread);
  CHECK_INT(*mat.refcount, 2);
  const uint8_t *data = mat.data;
  mat.release();
  GpuMat other(48, 64, type_of(CV_8U, 3));
  CHECK(other.data != data);
  fill(other, 5);
  CHECK_INT(data[512 * 47 + 100], 4);
  CHECK_INT(read_statistics().pool_live - before.pool_live, 2);
  vc_owner_release(&owner);
  CHECK_INT(read_statistics().pool_live - before.pool_live, 1);
  CHECK(GpuMat(48, 64, type_of(CV_8U, 3)).data == data);
  vc_statistics after = read_statistics();
  CHECK_INT(after.shares - before.shares, 1);
  CHECK_INT(after.shares_released - before.shares_released, 1);
}

void test_a_share_given_back_first() {
  Backend backend;
  InUse use(backend.pool);
  GpuMat mat(48, 64, CV_8U);
  GpuMat region = mat({4, 4, 8, 8});
  vc_owner owner;
  CHECK_OK(vc_gpumat_share(&abi, header(region), &owner, &error));
  CHECK_INT(*mat.refcount, 3);
  std::thread([&] { vc_owner_release(&owner); }).join();
  CHECK_INT(*mat.refcount, 2);
}

// ------------------------------------------------------------------ one GpuMat

void test_one_gpumat() {
  Backend backend;
  vc_statistics before = read_statistics();
  {
    GpuMat mat, expected;
    CHECK_OK(vc_pool_gpumat(backend.pool, &abi, 48, 64, type_of(CV_8U, 3), VC_STREAM_LEGACY,
                            nullptr, header(mat), &error));
    expected.create(48, 64, type_of(CV_8U, 3));
    CHECK_INT(mat.flags, expected.flags);
    CHECK_INT(mat.rows, expected.rows);
    CHECK_INT(mat.cols, expected.cols);
    CHECK_INT(mat.step, expected.step);
    CHECK_INT(mat.dataend - mat.datastart, expected.dataend - expected.datastart);
    CHECK(mat.data == mat.datastart && backend.live.count(mat.data) == 1);
    CHECK_INT(*mat.refcount, 1);
    GpuMat row;
    CHECK_OK(vc_pool_gpumat(backend.pool, &abi, 1, 5, type_of(CV_32F, 2), VC_STREAM_NONE, nullptr,
                            header(row), &error));
    CHECK(row.isContinuous());
    CHECK_INT(row.step, 40);
    CHECK(GpuMat(48, 64, CV_8U).allocator == &standard_allocator); // the default is as it was
  }
  CHECK_INT(read_statistics().pool_live, before.pool_live);
}

void count_release(void *context) { ++*static_cast<int *>(context); }

void test_one_gpumat_of_nothing() {
  Backend backend;
  int released = 0;
  vc_owner owner = {&released, count_release, true};
  GpuMat mat;
  CHECK_OK(vc_pool_gpumat(backend.pool, &abi, 0, 64, CV_8U, VC_STREAM_LEGACY, &owner, header(mat),
                          &error));
  CHECK_INT(released, 1);
  CHECK(mat.empty() && mat.refcount == nullptr && mat.allocator == &standard_allocator);
  CHECK_INT(mat.rows, 0);
  CHECK_INT(mat.cols, 64);
  CHECK_INT(mat.type(), CV_8U);
  CHECK_INT(backend.asked.size(), 0);
}

void test_one_gpumat_refused() {
  Backend backend(0);
  int released = 0;
  vc_owner owner = {&released, count_release, true};
  GpuMat mat, used(4, 4, CV_8U);
  auto make = [&](int rows, int cols, int type, vc_gpumat *into) {
    return vc_pool_gpumat(backend.pool, &abi, rows, cols, type, VC_STREAM_LEGACY, &owner, into,
                          &error);
  };
  CHECK_FAILS(make(-1, 4, CV_8U, header(mat)), VC_ERROR_ARGUMENT, "-1 rows");
  CHECK_FAILS(make(4, -2, CV_8U, header(mat)), VC_ERROR_ARGUMENT, "-2 cols");
  CHECK_FAILS(make(4, 4, -1, header(mat)), VC_ERROR_ARGUMENT, "type is -1");
  CHECK_FAILS(make(4, 4, 0x1000, header(mat)), VC_ERROR_ARGUMENT, "type is 4096");
  CHECK_FAILS(make(4, 4, CV_8U, header(used)), VC_ERROR_VALUE, "release() it first");
  CHECK_FAILS(make(4, 4, CV_8U, header(mat)), VC_ERROR_MEMORY, "gives none");
  CHECK_FAILS(make(INT_MAX, INT_MAX, type_of(CV_32F, 4), header(mat)), VC_ERROR_MEMORY, "bytes");
  vc_gpumat_abi stock = abi;
  stock.counting = VC_REFCOUNT_NO_FREE;
  CHECK_FAILS(vc_pool_gpumat(backend.pool, &stock, 4, 4, CV_8U, VC_STREAM_LEGACY, &owner,
                             header(mat), &error),
              VC_ERROR_ABI, "without CUDA");
  CHECK_FAILS(vc_pool_use(backend.pool, &stock, nullptr, 0, &owner, &error), VC_ERROR_ABI,
              "without CUDA");
  CHECK_FAILS(vc_pool_use(backend.pool, nullptr, nullptr, 0, &owner, &error), VC_ERROR_ARGUMENT,
              "\"abi\" is NULL");
  vc_gpumat_abi ours = abi;
  ours.standard_allocator = vc_pool_allocator();
  CHECK_FAILS(vc_pool_use(backend.pool, &ours, nullptr, 0, &owner, &error), VC_ERROR_VALUE,
              "before the default allocator is changed");
  CHECK_INT(released, 0); // a call that fails takes no owner
  CHECK(owner.release != nullptr && mat.empty());
}

void test_the_driver_pool_in_host_mode() {
  vc_pool *pool, *again;
  CHECK_OK(vc_pool_driver(&pool, &error));
  CHECK_OK(vc_pool_driver(&again, &error));
  CHECK(pool == again);
  InUse use(pool);
  {
    GpuMat mat(48, 64, CV_8U);
    CHECK(mat.allocator == pooled_allocator());
    fill(mat, 1);
  }
  CHECK(vc_pool_trim(pool) > 0);
}

// No stream needs to be named in host mode: the owner is let go at once.
void test_owners_of_streams() {
  Backend backend;
  int released = 0;
  vc_owner owner = {&released, count_release, true};
  vc_stream streams[] = {VC_STREAM_LEGACY, VC_STREAM_PER_THREAD, VC_STREAM_NONE, 0};
  CHECK_OK(vc_pool_use(backend.pool, &abi, streams, 4, &owner, &error));
  CHECK_INT(released, 1);
  owner = {&released, count_release, true};
  CHECK_OK(vc_pool_use(nullptr, nullptr, nullptr, 0, &owner, &error));
  CHECK_INT(released, 2);
}

// One that is not any_thread goes in vc_collect, wherever it is let go.
void test_owners_wait_for_collect() {
  Backend backend;
  int released = 0;
  const vc_owner fresh = {&released, count_release, false};
  vc_stream stream = VC_STREAM_LEGACY;
  auto is_released_later = [&](vc_status status, vc_owner &owner) {
    CHECK_OK(status);
    CHECK(owner.release == nullptr);
    CHECK_INT(released, 0);
    CHECK_INT(vc_collect(false), 1);
    CHECK_INT(released, 1);
    released = 0;
    owner = fresh;
  };
  vc_owner owner = fresh;
  GpuMat mat, none;
  is_released_later(
      vc_pool_gpumat(backend.pool, &abi, 4, 6, CV_8U, stream, &owner, header(mat), &error), owner);
  is_released_later(
      vc_pool_gpumat(backend.pool, &abi, 0, 6, CV_8U, stream, &owner, header(none), &error), owner);
  is_released_later(vc_pool_use(backend.pool, &abi, &stream, 1, &owner, &error), owner);
  is_released_later(vc_pool_use(nullptr, nullptr, nullptr, 0, &owner, &error), owner);
}

// --------------------------------------------------------------------- threads

// No block is ever with two at a time: each writes its own and finds it again.
void test_many_threads() {
  Backend backend;
  InUse use(backend.pool);
  vc_statistics before = read_statistics();
  std::atomic<int> wrong{0};
  auto work = [&](int number) {
    std::mt19937 random(static_cast<unsigned>(number));
    std::vector<GpuMat> mats(8);
    for (int i = 0; i < 500; i++) {
      GpuMat &mat = mats[random() % mats.size()];
      if (!mat.empty()) wrong += !is_filled(mat, number);
      mat =
          GpuMat(static_cast<int>(1 + random() % 5), static_cast<int>(1 + random() % 2000), CV_8U);
      fill(mat, number);
      if (random() % 50 == 0) vc_pool_trim(backend.pool);
    }
  };
  std::vector<std::thread> threads;
  for (int number = 1; number <= 8; number++) threads.emplace_back(work, number);
  for (auto &thread : threads) thread.join();
  CHECK_INT(wrong, 0);
  vc_statistics after = read_statistics();
  CHECK_INT(after.pool_live, before.pool_live);
  CHECK_INT(after.pool_hits + after.pool_misses - before.pool_hits - before.pool_misses, 4000);
  vc_pool_trim(backend.pool);
  CHECK_INT(read_statistics().pool_blocks, before.pool_blocks);
}

// Made by one thread, shared by a second, the last reference dropped by a third,
// while pools are switched.
void test_threads_and_switches() {
  Backend backends[2];
  std::atomic<bool> stop{false};
  InUse use(backends[0].pool);
  vc_statistics before = read_statistics();
  std::thread switcher([&] {
    for (int i = 0; !stop; i++) {
      vc_error mine;
      vc_pool *pool = i % 3 == 2 ? nullptr : backends[i % 3].pool;
      CHECK_INT(vc_pool_use(pool, &abi, nullptr, 0, nullptr, &mine), VC_OK);
    }
  });
  auto work = [&] {
    for (int i = 0; i < 1000; i++) {
      // With no pool in use, ours answers false as the default does: OpenCV
      // throws. A header's own allocator is asked first.
      GpuMat mat(pooled_allocator());
      vc_owner owner = {};
      vc_error mine;
      try {
        mat.create(8, 64, CV_8U);
      } catch (const std::bad_alloc &) {
        continue;
      }
      CHECK_INT(vc_gpumat_share(&abi, header(mat), &owner, &mine), VC_OK);
      fill(mat, 1);
      mat.release();
      vc_owner_release(&owner);
    }
  };
  std::thread first(work), second(work);
  first.join();
  second.join();
  stop = true;
  switcher.join();
  CHECK_INT(read_statistics().pool_live, before.pool_live);
}

} // namespace

int main() {
  for (int shift : {3, 5}) {
    library.channel_shift = shift;
    CHECK_OK(vc_gpumat_abi_init(shift, VC_REFCOUNT_FULL, &standard_allocator, &abi, &error));
    test_rows_are_pitched();
    test_size_classes();
    test_impossible_sizes();
    test_blocks_are_reused();
    test_trim_leaves_what_is_used();
    test_gpumats_behave_as_ever();
    test_standard_allocator_takes_over();
    test_unused_blocks_are_freed_for_others();
    test_exceptions_pass_through();
    test_gpumats_return_to_where_they_came_from();
    test_no_pool_in_use();
    test_a_closed_pool();
    test_a_share_outlives_its_gpumat();
    test_a_share_given_back_first();
    test_one_gpumat();
    test_one_gpumat_of_nothing();
    test_one_gpumat_refused();
    test_the_driver_pool_in_host_mode();
    test_owners_of_streams();
    test_owners_wait_for_collect();
    test_many_threads();
    test_threads_and_switches();
  }
  CHECK_INT(standard_allocator.live(), 0);
  return check_report();
}
