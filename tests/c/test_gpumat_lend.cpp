/* SPDX-License-Identifier: Apache-2.0 */
/* Memory lent to GpuMats of OpenCVs that report the end of a lend. */
#include "gpumat_samples.hpp"

namespace {

void check_header(const GpuMat &mat, int flags, int rows, int cols, size_t step, ptrdiff_t data,
                  ptrdiff_t end) {
  CHECK_INT(mat.flags, standin::magic | flags);
  CHECK_INT(mat.rows, rows);
  CHECK_INT(mat.cols, cols);
  CHECK_INT(mat.step, step);
  CHECK_INT(mat.data - mat.datastart, data);
  CHECK_INT(mat.dataend - mat.datastart, end);
}

// Headers read off OpenCV 4.14.
void test_standin() {
  load(Build::cuda, 3);
  const int c3 = 0x10, continuous = 0x4000;
  uint8_t *m = memory;
  check_header(GpuMat(4, 5, c3, m, 15), c3 | continuous, 4, 5, 15, 0, 60);
  check_header(GpuMat(4, 5, c3, m, 32), c3, 4, 5, 32, 0, 111);
  check_header(GpuMat(1, 5, c3, m, 32), c3 | continuous, 1, 5, 15, 0, 15);
  check_header(GpuMat(4, 1, c3, m, 32), c3, 4, 1, 32, 0, 99);
  check_header(GpuMat(4, 1, c3, m, 3), c3 | continuous, 4, 1, 3, 0, 12);
  check_header(GpuMat(1, 1, 0, m, 7), continuous, 1, 1, 1, 0, 1);
  check_header(GpuMat(65536, 65536, 0, m), 0, 65536, 65536, 65536, 0, 4294967296);
  check_header(GpuMat(32767, 65536, 0, m), continuous, 32767, 65536, 65536, 0, 2147418112);

  GpuMat pitched(10, 20, c3, m, 64), packed(10, 20, c3, m);
  check_header(pitched({2, 3, 5, 4}), c3, 4, 5, 64, 198, 636);
  check_header(pitched({2, 3, 5, 1}), c3 | continuous, 1, 5, 64, 198, 636);
  check_header(pitched({2, 3, 0, 1}), c3 | continuous, 0, 0, 64, 198, 636);
  check_header(pitched.rowRange(2, 5), c3, 3, 20, 64, 128, 636);
  check_header(pitched.colRange(2, 5), c3, 10, 3, 64, 6, 636);
  check_header(packed.rowRange(2, 5), c3 | continuous, 3, 20, 60, 120, 600);
  check_header(packed.reshape(1), continuous, 10, 60, 60, 0, 600);
  check_header(packed.reshape(1, 1), continuous, 1, 600, 600, 0, 600);
  check_header(pitched.reshape(6), 0x28, 10, 10, 64, 0, 636);
}

void test_lend(bool any_thread) {
  Source source;
  vc_statistics before = read_statistics();
  {
    GpuMat mat;
    lend_sample(source, any_thread, mat);
    GpuMat made(6, 10, standin::make_type(CV_8U, 3), source.data, 64);
    vc_gpumat needed = copy_of(made);
    needed.refcount = mat.refcount;
    needed.allocator = mat.allocator;
    check_fields(copy_of(mat), needed);
    CHECK(mat.refcount != nullptr);
    CHECK_INT(*mat.refcount, 1);
    CHECK(mat.allocator != nullptr && mat.allocator != &standard_allocator);
    CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_LENT);
    CHECK_INT(read_statistics().lends - before.lends, 1);
    CHECK_INT(source.released, 0);
  }
  check_released(source, any_thread);
  CHECK_INT(read_statistics().lends_released - before.lends_released, 1);
  CHECK_INT(read_statistics().pending, 0);
}

// A lent mat, its copy, a region and a region of that, dropped in every order.
void test_drop_orders(bool any_thread) {
  int order[] = {0, 1, 2, 3};
  do {
    Source source;
    std::unique_ptr<GpuMat> mats[4];
    mats[0] = std::make_unique<GpuMat>();
    lend_sample(source, any_thread, *mats[0]);
    mats[1] = std::make_unique<GpuMat>(*mats[0]);
    mats[2] = std::make_unique<GpuMat>(*mats[1], Rect{2, 1, 6, 4});
    mats[3] = std::make_unique<GpuMat>(mats[2]->rowRange(1, 3));
    CHECK_INT(*mats[0]->refcount, 4);
    for (int i = 0; i < 4; i++) {
      CHECK_INT(source.released, 0);
      CHECK(!vc_collect_pending());
      mats[order[i]].reset();
    }
    check_released(source, any_thread);
  } while (std::next_permutation(order, order + 4));
}

// Every member of GpuMat that touches the counter.
void test_members(bool any_thread) {
  Source source;
  GpuMat mat, other, third;
  lend_sample(source, any_thread, mat);
  mat = *&mat; // self-assignment
  CHECK_INT(*mat.refcount, 1);
  other = mat;
  CHECK_INT(*mat.refcount, 2);
  third = std::move(other);
  CHECK_INT(*mat.refcount, 2);
  CHECK(other.empty());
  other.swap(third);
  GpuMat moved(std::move(other));
  CHECK_INT(*mat.refcount, 2);
  third = moved.reshape(1);
  CHECK_INT(*mat.refcount, 3);
  CHECK_INT(third.cols, 30);
  third = moved.colRange(1, 4);
  CHECK_INT(*mat.refcount, 3);
  third.release();
  third.release();
  CHECK_INT(*mat.refcount, 2);
  mat.release();
  CHECK_INT(*moved.refcount, 1);
  CHECK_INT(source.released, 0);
  moved = GpuMat();
  check_released(source, any_thread);
}

void test_locate() {
  Source source;
  GpuMat mat;
  lend_sample(source, true, mat);
  standin::Size whole;
  standin::Point offset;
  mat.locateROI(whole, offset);
  CHECK_INT(whole.height, 6);
  CHECK_INT(whole.width, 10);
  CHECK_INT(offset.x + offset.y, 0);
  mat({2, 1, 6, 4}).rowRange(1, 3).locateROI(whole, offset);
  CHECK_INT(whole.height, 6);
  CHECK_INT(whole.width, 10);
  CHECK_INT(offset.x, 2);
  CHECK_INT(offset.y, 2);
}

void test_clone() {
  Source source;
  source.data[64] = 42;
  GpuMat copy;
  {
    GpuMat mat;
    lend_sample(source, true, mat);
    copy = mat.clone();
    CHECK_INT(vc_gpumat_ownership(&abi, header(copy)), VC_OWNERSHIP_STANDARD);
  }
  CHECK_INT(source.released, 1);
  CHECK_INT(copy.data[copy.step], 42);
}

// The same size is written in place; another is new memory of OpenCV's own,
// although the header still names our allocator.
void test_create(bool any_thread) {
  Source source;
  std::vector<uint8_t> pixels(6 * 30, 7);
  int c3 = standin::make_type(CV_8U, 3);
  int allocations = standard_allocator.allocations;
  GpuMat mat;
  lend_sample(source, any_thread, mat);
  mat.upload(pixels.data(), 30, 6, 10, c3);
  CHECK(mat.data == source.data);
  CHECK_INT(source.data[64 + 29], 7);
  CHECK_INT(source.released, 0);

  void *lender = mat.allocator;
  pixels.assign(20 * 60, 9);
  mat.upload(pixels.data(), 60, 20, 20, c3);
  check_released(source, any_thread);
  CHECK(mat.data != source.data);
  CHECK_INT(source.data[64 + 29], 7); // untouched
  CHECK(mat.allocator == &standard_allocator);
  CHECK(mat.allocator != lender);
  CHECK_INT(standard_allocator.allocations - allocations, 1);
  CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_STANDARD);
  CHECK_INT(source.released, 1);
}

// release() leaves the allocator in the header, and create() asks it first.
void test_create_after_release() {
  Source source;
  GpuMat mat;
  lend_sample(source, true, mat);
  void *lender = mat.allocator;
  mat.release();
  CHECK_INT(source.released, 1);
  CHECK(mat.allocator == lender);
  CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_EMPTY);
  mat.create(4, 4, CV_8U);
  CHECK(mat.allocator == &standard_allocator);
  mat.release();

  lend_sample(source, true, mat); // and lent again
  CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_LENT);
  mat.release();
  CHECK_INT(source.released, 2);

  lend_sample(source, true, mat); // and once more, straight after our own
  GpuMat copy(mat);
  mat.create(2, 2, CV_8U); // the copy still looks at the source
  CHECK_INT(source.released, 2);
  CHECK(copy.data == source.data);
  copy.release();
  CHECK_INT(source.released, 3);
}

void test_lend_empty() {
  Source source;
  vc_statistics before = read_statistics();
  GpuMat mat;
  void *allocator = mat.allocator;
  vc_owner owner = source.owner(false);
  vc_view view = image_of(nullptr, f32, {0, 7, 3});
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(mat), &error));
  CHECK(owner.release == nullptr);
  CHECK_INT(source.released, 0); // not any_thread: in vc_collect, as always
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(source.released, 1);
  owner = source.owner(true);
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(mat), &error));
  CHECK_INT(source.released, 2); // at once
  CHECK(mat.refcount == nullptr && mat.data == nullptr);
  CHECK(mat.allocator == allocator);
  CHECK_INT(mat.rows, 0);
  CHECK_INT(mat.cols, 7);
  CHECK_INT(mat.type(), standin::make_type(CV_32F, 3));
  CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_EMPTY);
  CHECK_INT(read_statistics().lends, before.lends);
  CHECK(!vc_collect_pending());
}

void test_lend_nobodys() {
  Source source;
  vc_owner owner = {};
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  GpuMat mat;
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(mat), &error));
  CHECK(mat.data == source.data);
  CHECK(mat.refcount == nullptr);
  CHECK(mat.allocator == &standard_allocator);
  CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_UNOWNED);
}

void test_lend_refused() {
  Source source;
  vc_statistics before = read_statistics();
  vc_owner owner = source.owner(true);
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  GpuMat full(2, 2, CV_8U), lent, empty;
  lend_sample(source, true, lent);
  vc_gpumat was = copy_of(full);
  CHECK_FAILS(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(full), &error), VC_ERROR_VALUE,
              "release() it first");
  check_fields(copy_of(full), was);
  was = copy_of(lent);
  CHECK_FAILS(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(lent), &error), VC_ERROR_VALUE,
              "already has memory");
  check_fields(copy_of(lent), was);

  was = copy_of(empty);
  view.readonly = 1;
  CHECK_FAILS(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(empty), &error), VC_ERROR_VALUE,
              "read-only");
  view.readonly = 0;
  view.strides[0] = 3;
  CHECK_FAILS(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(empty), &error), VC_ERROR_LAYOUT,
              "overlap");
  CHECK_INT(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(empty), nullptr), VC_ERROR_LAYOUT);
  check_fields(copy_of(empty), was);
  CHECK(owner.context == &source && owner.release != nullptr); // the caller's
  CHECK_INT(source.released, 0);
  CHECK_INT(read_statistics().lends - before.lends, 1);
}

// A default allocator of the program's own is not the standard one.
void test_default_allocator() {
  DefaultAllocator own;
  GpuMat::setDefaultAllocator(&own);
  {
    GpuMat mat(4, 5, CV_8U);
    CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_FOREIGN);
    Source source;
    GpuMat lent;
    lend_sample(source, true, lent);
    lent.create(3, 3, CV_8U); // falls back to it
    CHECK(lent.allocator == &own);
  }
  GpuMat::setDefaultAllocator(&standard_allocator);
  CHECK_INT(own.allocations, 2);
  CHECK_INT(own.live(), 0);
}

// Copies and regions of one lend come and go on several threads.
void test_threads_copy(bool any_thread) {
  for (int repeat = 0; repeat < 20; repeat++) {
    Source source;
    {
      GpuMat mats[threads];
      lend_sample(source, any_thread, mats[0]);
      for (int i = 1; i < threads; i++) mats[i] = mats[0];
      run_threads([&](int i) {
        for (int k = 0; k < 200; k++) {
          GpuMat copy(mats[i]), region(copy, Rect{k % 5, 1, 2, 3});
          vc_owner owner = {};
          CHECK(vc_gpumat_share(&abi, header(region), &owner, nullptr) == VC_OK);
          copy.release();
          vc_owner_release(&owner);
        }
        mats[i].release();
      });
    }
    check_released(source, any_thread);
  }
}

// Every thread lends and shares its own, all give back through the list.
void test_threads_lend() {
  Source sources[threads];
  std::atomic<int> failed{0};
  run_threads([&](int i) {
    for (int k = 0; k < rounds; k++) {
      GpuMat mat;
      vc_view view;
      vc_owner owner = sources[i].owner(k % 2 == 0);
      const int64_t shape[] = {6, 10, 3};
      bool right = vc_view_packed(sources[i].data, cpu, u8, 3, shape, &view, nullptr) == VC_OK &&
                   vc_gpumat_lend(&abi, &view, &owner, nullptr, header(mat), nullptr) == VC_OK &&
                   vc_gpumat_share(&abi, header(mat), &owner, nullptr) == VC_OK;
      failed += !right;
      mat.release();
      vc_owner_release(&owner);
      if (k % 32 == 0) vc_collect(false);
    }
  });
  vc_collect(false);
  CHECK_INT(failed, 0);
  for (Source &source : sources) CHECK_INT(source.released, rounds);
}

void run() {
  test_standin();
  for_cuda_builds([] {
    for (bool any_thread : {true, false}) {
      test_lend(any_thread);
      test_drop_orders(any_thread);
      test_members(any_thread);
      test_create(any_thread);
      test_threads_copy(any_thread);
    }
    test_locate();
    test_clone();
    test_create_after_release();
    test_lend_empty();
    test_lend_nobodys();
    test_lend_refused();
    test_default_allocator();
    test_threads_lend();
  });
}

} // namespace

int main() { return run_in_host_mode(run); }
