/* SPDX-License-Identifier: Apache-2.0 */
/* An image in a std::vector lent to a cv::cuda::GpuMat, which keeps the vector
 * alive through every copy and region, and gives it back once.
 *
 * Compiled with OpenCV's CUDA headers this uses the real class, else the
 * stand-in of the tests. Host memory in a GpuMat needs host mode: a machine
 * without a GPU. Where there is one, lend device memory in the same way. */
#include <cstdio>
#include <cstdlib>
#include <memory>
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

constexpr int rows = 4, cols = 6;
constexpr int skipped = 77; // the exit code that test runners know

// The owner of shared memory: one more shared_ptr, on the heap.
static vc_owner own(const Pixels &pixels) {
  auto release = [](void *context) { delete static_cast<Pixels *>(context); };
  return {new Pixels(pixels), release, /* any_thread */ true};
}

static bool lend(const vc_gpumat_abi &abi, const Pixels &pixels, GpuMat &mat) {
  const vc_device cpu = {VC_CPU, 0};
  const vc_dtype float32 = {VC_FLOAT, 32};
  const int64_t shape[] = {rows, cols};
  vc_view view;
  vc_error error;
  vc_owner owner = own(pixels);
  auto *header = reinterpret_cast<vc_gpumat *>(&mat);
  if (vc_view_packed(pixels->data(), cpu, float32, 2, shape, &view, &error) == VC_OK &&
      vc_gpumat_lend(&abi, &view, &owner, nullptr, header, &error) == VC_OK)
    return true;
  std::fprintf(stderr, "could not lend: %s\n", error.message);
  vc_owner_release(&owner); // not taken
  return false;
}

// Lends, makes a region, lets everything but the region go, and the region last.
static bool show(const vc_gpumat_abi &abi) {
  auto pixels = std::make_shared<std::vector<float>>(rows * cols, 0.5F);
  std::weak_ptr<std::vector<float>> watch = pixels;
  GpuMat region;
  {
    GpuMat mat;
    if (!lend(abi, pixels, mat))
      return false;
    region = mat.rowRange(1, 3);
  }
  const float *second_row = pixels->data() + cols;
  pixels.reset();

  bool same = reinterpret_cast<const float *>(region.data) == second_row;
  bool alive = !watch.expired();
  std::printf("region of %d x %d, same memory: %s, alive: %s\n", region.rows, region.cols,
              same ? "yes" : "no", alive ? "yes" : "no");

  region.release();
  bool freed = watch.expired();
  std::printf("after the region: %s\n", freed ? "freed" : "still there");
  return same && alive && freed;
}

int main() {
  vc_mode mode;
  vc_error error;
  vc_gpumat_abi abi;
  if (vc_cuda_mode(&mode, &error) != VC_OK ||
      vc_gpumat_abi_init(channel_shift(), VC_COUNTS_AND_FREES, GpuMat::defaultAllocator(), &abi,
                         &error) != VC_OK) {
    std::fprintf(stderr, "%s\n", error.message);
    return EXIT_FAILURE;
  }
  if (mode != VC_MODE_HOST) {
    std::printf("skipped: %s\n", vc_cuda_reason());
    return skipped;
  }
  return show(abi) ? EXIT_SUCCESS : EXIT_FAILURE;
}
