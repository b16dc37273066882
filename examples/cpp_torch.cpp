/* SPDX-License-Identifier: Apache-2.0 */
/* A libtorch tensor lent to a cv::cuda::GpuMat, and a region of that as a tensor.
 *
 *   cpp_torch IN.ppm OUT.ppm
 *
 * torch inverts the colours of the region, and the file shows what that did to the picture,
 * whose memory never moved. Like cpp_lend it needs a machine without a GPU, for the picture
 * lies in host memory. */
#include <ATen/DLConvertor.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include <opencv2/core/cuda.hpp>
#include <viewcast/opencv.hpp>

using cv::cuda::GpuMat;
using viewcast::Release;
using viewcast::View;

constexpr int skipped = 77; // the exit code that test runners know

// The tensor's memory as a GpuMat, whose last copy lets go of the tensor. The deleters of
// libtorch wait for nothing.
static GpuMat as_gpumat(const at::Tensor &tensor) {
  return viewcast::lend(View::from_dlpack(at::toDLPack(tensor), Release::any_thread));
}

// The GpuMat's memory as a tensor, whose last copy gives OpenCV its reference back.
static at::Tensor as_tensor(const GpuMat &mat) {
  return at::fromDLPack(viewcast::share(mat).to_dlpack<DLManagedTensor>().release());
}

static at::Tensor read_ppm(const char *path) {
  std::ifstream file(path, std::ios::binary);
  std::string kind;
  int64_t width = 0, height = 0, most = 0;
  file >> kind >> width >> height >> most;
  file.get();
  if (!file || kind != "P6" || most != 255 || width < 4 || height < 4 || width > 1 << 15 ||
      height > 1 << 15)
    throw std::runtime_error(std::string(path) + " is no PPM of 8 bits a channel");
  at::Tensor image = at::empty({height, width, 3}, at::kByte);
  if (!file.read(reinterpret_cast<char *>(image.data_ptr()), image.numel()))
    throw std::runtime_error(std::string(path) + " ends too early");
  return image;
}

static void write_ppm(const char *path, const at::Tensor &image) {
  std::ofstream file(path, std::ios::binary);
  file << "P6\n" << image.size(1) << ' ' << image.size(0) << "\n255\n";
  if (!file.write(static_cast<const char *>(image.data_ptr()), image.numel()))
    throw std::runtime_error(std::string("could not write ") + path);
}

static void invert_the_middle(const at::Tensor &image) {
  const int rows = static_cast<int>(image.size(0)), cols = static_cast<int>(image.size(1));
  GpuMat region;
  {
    const GpuMat mat = as_gpumat(image);
    region = mat(cv::Rect{cols / 4, rows / 4, cols / 2, rows / 2});
  } // the region is all that is left of it
  at::Tensor middle = as_tensor(region);
  at::bitwise_not_out(middle, middle);
  std::printf("torch wrote to %d x %d pixels of a GpuMat, rows %d bytes apart\n", region.cols,
              region.rows, static_cast<int>(middle.stride(0)));
}

int main(int count, char **words) try {
  if (count != 3) throw std::runtime_error("usage: cpp_torch IN.ppm OUT.ppm");
  vc_mode mode;
  viewcast::call(vc_cuda_mode, &mode);
  if (mode != VC_MODE_HOST) {
    std::printf("skipped: %s\n", vc_cuda_reason());
    return skipped;
  }
  const at::Tensor image = read_ppm(words[1]);
  invert_the_middle(image);
  write_ppm(words[2], image);
  return EXIT_SUCCESS;
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return EXIT_FAILURE;
}
