/* SPDX-License-Identifier: Apache-2.0 */
/* References to the memory of GpuMats. */
#include "gpumat_samples.hpp"

namespace {

// Memory of OpenCV's own that outlives its mats, and the other way round.
void test_share_standard() {
  int live = standard_allocator.live();
  vc_statistics before = read_statistics();
  vc_owner first, second;
  uint8_t *data;
  {
    GpuMat mat(20, 30, CV_8U);
    data = mat.data;
    data[512] = 42;
    first = share(mat);
    CHECK(first.any_thread && first.release != nullptr);
    CHECK_INT(*mat.refcount, 2);
    GpuMat region(mat, Rect{1, 1, 2, 2});
    second = share(region);
    CHECK_INT(*mat.refcount, 4);
    CHECK_INT(vc_gpumat_ownership(&abi, header(region)), VC_OWNERSHIP_STANDARD);
  }
  CHECK_INT(standard_allocator.live() - live, 1);
  CHECK_INT(data[512], 42);
  vc_owner_release(&first);
  CHECK_INT(standard_allocator.live() - live, 1);
  vc_owner_release(&second); // of a region: frees from the start of the whole
  CHECK_INT(standard_allocator.live(), live);

  {
    GpuMat mat(20, 30, CV_8U);
    first = share(mat);
    vc_owner_release(&first);
    CHECK_INT(*mat.refcount, 1);
    CHECK_INT(standard_allocator.live() - live, 1);
  }
  CHECK_INT(standard_allocator.live(), live);
  CHECK_INT(read_statistics().shares - before.shares, 3);
  CHECK_INT(read_statistics().shares_released - before.shares_released, 3);
}

void test_share_lent(bool any_thread) {
  Source source;
  vc_owner first, second;
  {
    GpuMat mat;
    lend_sample(source, any_thread, mat);
    first = share(mat);
    GpuMat region(mat, Rect{1, 1, 2, 2});
    second = share(region);
    CHECK_INT(*mat.refcount, 4);
  }
  CHECK_INT(source.released, 0);
  vc_owner_release(&first);
  CHECK_INT(source.released, 0);
  vc_owner_release(&second);
  check_released(source, any_thread);

  GpuMat mat;
  lend_sample(source, any_thread, mat);
  first = share(mat);
  vc_owner_release(&first);
  CHECK_INT(*mat.refcount, 1);
  CHECK_INT(source.released, 1);
  mat.release();
  check_released(source, any_thread, 2);
}

// Lent, shared, lent on with the share as its owner, and so on.
void test_share_chain() {
  Source source;
  std::vector<std::unique_ptr<GpuMat>> mats;
  mats.push_back(std::make_unique<GpuMat>());
  lend_sample(source, true, *mats[0]);
  for (size_t i = 1; i < 5; i++) {
    vc_owner owner = share(*mats[i - 1]);
    vc_view view;
    CHECK_OK(vc_view_from_gpumat(&abi, header(*mats[i - 1]), false, &view, &error));
    mats.push_back(std::make_unique<GpuMat>());
    CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(*mats[i]), &error));
  }
  for (auto &mat : mats) {
    CHECK_INT(source.released, 0);
    mat.reset();
  }
  CHECK_INT(source.released, 1);
}

// A GpuMat as a managed tensor, and back as another GpuMat.
void test_share_through_dlpack() {
  int live = standard_allocator.live();
  DLManagedTensorVersioned *tensor = nullptr;
  {
    GpuMat mat(20, 30, standin::make_type(CV_8U, 3));
    vc_owner owner = share(mat);
    vc_view view;
    CHECK_OK(vc_view_from_gpumat(&abi, header(mat), false, &view, &error));
    CHECK_OK(vc_dlpack_versioned_from_view(&view, &owner, 0, &tensor, &error));
  }
  GpuMat back;
  {
    vc_view view;
    vc_owner owner;
    CHECK_OK(vc_view_from_dlpack_versioned(tensor, &view, &owner, nullptr, &error));
    CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(back), &error));
  }
  CHECK_INT(back.rows, 20);
  CHECK_INT(back.step, 512);
  CHECK_INT(standard_allocator.live() - live, 1);
  back.release(); // a foreign deleter is pending
  CHECK_INT(standard_allocator.live() - live, 1);
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(standard_allocator.live(), live);
}

void test_share_nothing() {
  Source source;
  vc_statistics before = read_statistics();
  GpuMat empty, unowned(4, 5, CV_8U, source.data), released(4, 5, CV_8U);
  released.release();
  for (GpuMat *mat : {&empty, &unowned, &released}) {
    vc_owner owner = share(*mat);
    CHECK(owner.release == nullptr);
    vc_owner_release(&owner);
  }
  CHECK_INT(vc_gpumat_ownership(&abi, header(empty)), VC_OWNERSHIP_EMPTY);
  CHECK_INT(vc_gpumat_ownership(&abi, header(unowned)), VC_OWNERSHIP_UNOWNED);
  CHECK_INT(vc_gpumat_ownership(&abi, header(released)), VC_OWNERSHIP_EMPTY);
  CHECK_INT(read_statistics().shares, before.shares);
}

void test_share_foreign() {
  Source source;
  DefaultAllocator foreign;
  vc_owner owner = source.owner(true);
  {
    GpuMat mat(4, 5, CV_8U, &foreign);
    CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_FOREIGN);
    CHECK_FAILS(vc_gpumat_share(&abi, header(mat), &owner, &error), VC_ERROR_LAYOUT,
                "another allocator");
    CHECK_INT(*mat.refcount, 1);
    mat.allocator = nullptr; // not even ours where there is none
    CHECK_INT(vc_gpumat_ownership(&abi, header(mat)), VC_OWNERSHIP_FOREIGN);
    CHECK_FAILS(vc_gpumat_share(&abi, header(mat), &owner, &error), VC_ERROR_LAYOUT, "");
    mat.allocator = &foreign;
  }
  CHECK_INT(foreign.live(), 0);
  CHECK(owner.context == &source);
}

// A counter at zero is on its way out: another thread is in release().
void test_share_too_late() {
  Source source;
  vc_owner owner = source.owner(true);
  GpuMat standard(4, 5, CV_8U), lent;
  lend_sample(source, true, lent);
  for (GpuMat *mat : {&standard, &lent}) {
    *mat->refcount = 0;
    CHECK_FAILS(vc_gpumat_share(&abi, header(*mat), &owner, &error), VC_ERROR_VALUE, "thread");
    CHECK_INT(*mat->refcount, 0);
    *mat->refcount = 1;
  }
  CHECK(owner.context == &source);
}

// The last of a mat and of its shares may fall on any thread.
void test_threads_standard() {
  int live = standard_allocator.live();
  for (int repeat = 0; repeat < 200; repeat++) {
    auto mat = std::make_unique<GpuMat>(20, 30, CV_8U);
    vc_owner owners[threads];
    for (vc_owner &owner : owners) owner = share(*mat);
    run_threads([&](int i) {
      if (i == 0) mat.reset();
      vc_owner_release(&owners[i]);
    });
    CHECK_INT(standard_allocator.live(), live);
  }
}

void run() {
  for_cuda_builds([] {
    test_share_lent(true);
    test_share_lent(false);
    test_share_standard();
    test_share_chain();
    test_share_through_dlpack();
    test_share_nothing();
    test_share_foreign();
    test_share_too_late();
    test_threads_standard();
  });
}

} // namespace

int main() { return run_in_host_mode(run); }
