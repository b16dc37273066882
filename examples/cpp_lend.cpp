/* SPDX-License-Identifier: Apache-2.0 */
/* An image in a std::vector lent to a cv::cuda::GpuMat, which keeps the vector
 * alive through every copy and region, and gives it back once.
 *
 * Works with an OpenCV built with CUDA and with one built without, and finds out
 * which it is. Compiled with OpenCV's headers this uses the real class, else the
 * stand-in of the tests. Host memory in a GpuMat needs host mode: a machine
 * without a GPU. Where there is one, lend device memory in the same way. */
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <vector>

#include <viewcast/viewcast.h>

#if defined(VIEWCAST_EXAMPLE_OPENCV)
#  include <opencv2/core/cuda.hpp>
using cv::cuda::GpuMat;
static int channel_shift() { return CV_CN_SHIFT; }
#else
#  include "../tests/c/gpumat_standin.hpp"
using standin::GpuMat;
static int channel_shift() { return standin::library.channel_shift; }
#endif

using Pixels = std::shared_ptr<std::vector<float>>;
using Mat = std::shared_ptr<GpuMat>;

constexpr int rows = 4, cols = 6;
constexpr int skipped = 77; // the exit code that test runners know

static void check(vc_status status, const vc_error &error) {
  if (status != VC_OK) throw std::runtime_error(error.message);
}

static vc_gpumat *header_of(GpuMat &mat) { return reinterpret_cast<vc_gpumat *>(&mat); }

// What OpenCV does with the counter behind a GpuMat: a copy is made and destroyed, of a
// header whose counter is ours and far from zero, so that nothing is freed.
static vc_refcounting find_counting() {
  static vc_gpumat_probe probe; // must outlive every header that it is attached to
  constexpr int32_t start = 1000;
  vc_error error;
  GpuMat mat;
  vc_gpumat *header = header_of(mat);
  void *allocator = header->allocator;
  check(vc_gpumat_verify(header, header, nullptr, &error), error);
  vc_gpumat_probe_begin(&probe, start, header);
  {
    const GpuMat copy(mat);
  }
  const bool counts_down = probe.count == start;
  vc_gpumat_probe_end(header, allocator);
  if (!counts_down) return VC_REFCOUNT_UP_ONLY; // 4.x without CUDA
  return GpuMat::defaultAllocator() ? VC_REFCOUNT_FULL : VC_REFCOUNT_NO_FREE;
}

static vc_gpumat_abi find_opencv() {
  vc_gpumat_abi abi;
  vc_error error;
  check(vc_gpumat_abi_init(channel_shift(), find_counting(), GpuMat::defaultAllocator(), &abi,
                           &error),
        error);
  return abi;
}

// The owner of shared memory: one more shared_ptr, on the heap.
static vc_owner own(const Pixels &pixels) {
  auto release = [](void *context) { delete static_cast<Pixels *>(context); };
  return {new Pixels(pixels), release, /* any_thread */ true};
}

// Where OpenCV never counts down, the lend keeps the GpuMat too, and sees by its pointer
// whether somebody else still does.
static vc_holder hold(const Mat &mat) {
  auto is_last = [](void *object) { return static_cast<Mat *>(object)->use_count() == 1; };
  auto release = [](void *object) { delete static_cast<Mat *>(object); };
  return {sizeof(vc_holder), new Mat(mat), is_last, release};
}

static void lend(const vc_gpumat_abi &abi, const Pixels &pixels, const Mat &mat) {
  const vc_device cpu = {VC_CPU, 0};
  const vc_dtype float32 = {VC_FLOAT, 32};
  const int64_t shape[] = {rows, cols};
  vc_view view;
  vc_error error;
  check(vc_view_packed(pixels->data(), cpu, float32, 2, shape, &view, &error), error);

  vc_owner owner = own(pixels);
  vc_holder holder = {};
  if (abi.counting == VC_REFCOUNT_UP_ONLY) holder = hold(mat);
  const vc_status status = vc_gpumat_lend(&abi, &view, &owner, &holder, header_of(*mat), &error);
  if (status != VC_OK && holder.release) holder.release(holder.object);
  vc_owner_release(&owner); // only where it was not taken
  check(status, error);
}

// Lends, makes a region, lets everything but the region go, and the region last.
static bool show(const vc_gpumat_abi &abi) {
  auto pixels = std::make_shared<std::vector<float>>(rows * cols, 0.5F);
  std::weak_ptr<std::vector<float>> watch = pixels;
  GpuMat region;
  {
    const Mat mat = std::make_shared<GpuMat>();
    lend(abi, pixels, mat);
    region = mat->rowRange(1, 3);
  }
  const float *second_row = pixels->data() + cols;
  pixels.reset();
  vc_collect(false);

  bool same = reinterpret_cast<const float *>(region.data) == second_row;
  bool alive = !watch.expired();
  std::printf("region of %d x %d, same memory: %s, alive: %s\n", region.rows, region.cols,
              same ? "yes" : "no", alive ? "yes" : "no");

  region.release();
  // Without CUDA the end of a lend is not reported: vc_collect looks for it. Of an OpenCV that
  // never counts down it has to be told that no GpuMat looks at the pixels any more.
  vc_collect(/* force */ abi.counting == VC_REFCOUNT_UP_ONLY);
  bool freed = watch.expired();
  std::printf("after the region: %s\n", freed ? "freed" : "still there");
  return same && alive && freed;
}

static const char *name_of(vc_refcounting counting) {
  switch (counting) {
    case VC_REFCOUNT_FULL: return "counts copies and frees the last";
    case VC_REFCOUNT_NO_FREE: return "counts copies and frees nothing";
    default: return "counts copies up and never down";
  }
}

int main(int count, char **words) try {
#if !defined(VIEWCAST_EXAMPLE_OPENCV)
  if (count > 1) // "0", "1", "2": which build the stand-in stands in for
    standin::library.build = static_cast<standin::Build>(std::atoi(words[1]));
#else
  (void)count, (void)words;
#endif
  vc_mode mode;
  vc_error error;
  check(vc_cuda_mode(&mode, &error), error);
  if (mode != VC_MODE_HOST) {
    std::printf("skipped: %s\n", vc_cuda_reason());
    return skipped;
  }
  const vc_gpumat_abi abi = find_opencv();
  std::printf("this OpenCV %s\n", name_of(abi.counting));
  return show(abi) ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return EXIT_FAILURE;
}
