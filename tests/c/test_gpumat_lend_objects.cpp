/* SPDX-License-Identifier: Apache-2.0 */
/* GpuMats in memory of the library, owned by the compiler's std::shared_ptr. */
#include "gpumat_samples.hpp"

namespace {

std::shared_ptr<GpuMat> adopt(void *mat, vc_gpumat_control *control) {
  std::shared_ptr<GpuMat> made;
  void *words[] = {mat, control};
  static_assert(sizeof made == sizeof words, "two words");
  std::memcpy(static_cast<void *>(&made), words, sizeof words);
  return made;
}

std::shared_ptr<GpuMat> new_object() {
  vc_gpumat *mat = nullptr;
  vc_gpumat_control *control = nullptr;
  CHECK_OK(vc_gpumat_new(&abi, &mat, &control, &error));
  return adopt(mat, control);
}

void test_object_ends_with_its_last_pointer() {
  Source source;
  std::shared_ptr<GpuMat> mat = new_object(), copy = mat;
  std::weak_ptr<GpuMat> watcher = mat;
  CHECK(mat->empty());
  CHECK_INT(mat.use_count(), 2);
  lend_sample(source, true, *mat);
  CHECK_INT(mat->rows, 6);
  mat.reset();
  CHECK_INT(source.released, 0);
  CHECK(watcher.lock() == copy);
  copy.reset();
  CHECK_INT(source.released, library.build == Build::stock5 ? 0 : 1);
  CHECK(watcher.expired());
  vc_collect(false);
  CHECK_INT(source.released, 1);
}

void test_object_ends_before_its_copies() {
  Source source;
  GpuMat copy;
  {
    std::shared_ptr<GpuMat> mat = new_object();
    lend_sample(source, true, *mat);
    copy = *mat;
  }
  vc_collect(false);
  CHECK_INT(source.released, 0);
  CHECK(copy.data == source.data);
  copy.release();
  vc_collect(false);
  CHECK_INT(source.released, 1);
}

// A later create() goes to the allocator that is OpenCV's default.
void test_object_is_created_anew() {
  Source source;
  std::shared_ptr<GpuMat> mat = new_object();
  lend_sample(source, true, *mat);
  mat->create(4, 5, CV_8U);
  CHECK_INT(source.released, 1);
  CHECK(mat->allocator == &standard_allocator);
  CHECK_INT(standard_allocator.live(), 1);
  mat.reset();
  CHECK_INT(standard_allocator.live(), 0);
  mat = new_object();
  mat->create(4, 5, CV_8U); /* one that was empty */
  CHECK(mat->allocator == &standard_allocator);
}

void test_object_dropped() {
  vc_gpumat *mat = nullptr;
  vc_gpumat_control *control = nullptr;
  if (!CHECK_OK(vc_gpumat_new(&abi, &mat, &control, &error))) return;
  CHECK(static_cast<void *>(mat) != nullptr && control->uses == 1 && control->weak_uses == 1);
  vc_gpumat_drop(control);
}

void test_object_between_threads() {
  Source source;
  for (int round = 0; round < 200; round++) {
    std::shared_ptr<GpuMat> mat = new_object();
    lend_sample(source, true, *mat);
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) threads.emplace_back([copy = mat]() { CHECK_INT(copy->cols, 10); });
    mat.reset();
    for (std::thread &thread : threads) thread.join();
  }
  vc_collect(false);
  CHECK_INT(source.released, 200);
}

struct Nothing {
  void operator()(GpuMat *) const {}
};

void test_control_probe() {
  static vc_gpumat_control_probe probe;
  GpuMat mat;
  vc_gpumat_control_probe_begin(&probe);
  std::shared_ptr<GpuMat> one = adopt(&mat, &probe.control), other = one;
  CHECK_INT(probe.control.uses, 2);
  one.reset();
  CHECK(!vc_gpumat_control_probe_ended(&probe));
  other.reset();
  CHECK(vc_gpumat_control_probe_ended(&probe));
  vc_gpumat_control_probe_begin(&probe);
  one = adopt(&mat, &probe.control);
  CHECK(std::get_deleter<Nothing>(one) == nullptr);
  one.reset();
  CHECK(!vc_gpumat_control_probe_ended(&probe)); /* something else was called */
}

void run() {
  auto objects = [] {
    test_object_ends_with_its_last_pointer();
    test_object_ends_before_its_copies();
    test_object_dropped();
    test_object_between_threads();
    test_control_probe();
  };
  for_cuda_builds(objects);
  for_cuda_builds(test_object_is_created_anew);
  for_stock_5(objects);
}

} // namespace

int main() { return run_in_host_mode(run); }
