/* SPDX-License-Identifier: Apache-2.0 */
/* An image in a std::vector lent to a cv::cuda::GpuMat, which keeps the vector alive through
 * every copy and region, and gives it back once.
 *
 * Works with an OpenCV built with CUDA and with one built without, and says which it is. Host
 * memory in a GpuMat needs host mode: a machine without a GPU. Where there is one, lend device
 * memory in the same way. */
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <opencv2/core/cuda.hpp>
#include <viewcast/opencv.hpp>

using Pixels = std::shared_ptr<std::vector<float>>;

constexpr int rows = 4, cols = 6;
constexpr int skipped = 77; // the exit code that test runners know

static cv::cuda::GpuMat lend(const Pixels &pixels) {
  const vc_device cpu = {VC_CPU, 0};
  const vc_dtype float32 = {VC_FLOAT, 32};
  return viewcast::lend(viewcast::View::packed(pixels->data(), cpu, float32, {rows, cols},
                                               viewcast::Owner::keep(pixels)));
}

// Lends, makes a region, lets everything but the region go, and the region last.
static bool show() {
  auto pixels = std::make_shared<std::vector<float>>(rows * cols, 0.5F);
  const std::weak_ptr<std::vector<float>> watch = pixels;
  const float *second_row = pixels->data() + cols;
  cv::cuda::GpuMat region = lend(pixels).rowRange(1, 3);
  pixels.reset();
  vc_collect(false);

  const bool same = reinterpret_cast<const float *>(region.data) == second_row;
  const bool alive = !watch.expired();
  std::printf("region of %d x %d, same memory: %s, alive: %s\n", region.rows, region.cols,
              same ? "yes" : "no", alive ? "yes" : "no");

  region.release();
  // Without CUDA the end of a lend is not reported: vc_collect looks for it. Of an OpenCV that
  // never counts down it has to be told that no GpuMat looks at the pixels any more.
  vc_collect(/* force */ viewcast::opencv().counting == VC_REFCOUNT_UP_ONLY);
  const bool freed = watch.expired();
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

int main() try {
  vc_mode mode;
  viewcast::call(vc_cuda_mode, &mode);
  if (mode != VC_MODE_HOST) {
    std::printf("skipped: %s\n", vc_cuda_reason());
    return skipped;
  }
  std::printf("this OpenCV %s\n", name_of(viewcast::opencv().counting));
  return show() ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return EXIT_FAILURE;
}
