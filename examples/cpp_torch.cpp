/* SPDX-License-Identifier: Apache-2.0 */
/* A libtorch tensor lent to a cv::cuda::GpuMat, and a region of that as a tensor.
 *
 *   cpp_torch IN.ppm OUT.ppm
 *
 * torch inverts the colours of the region, and the file shows what that did to the
 * picture, whose memory never moved. Compiled with OpenCV's CUDA headers this uses the
 * real class, else the stand-in of the tests; like cpp_lend it needs a machine without
 * a GPU, for the picture lies in host memory. */
#include <ATen/DLConvertor.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include <viewcast/viewcast.h>

#if defined(VIEWCAST_EXAMPLE_OPENCV)
#  include <opencv2/core/cuda.hpp>
using cv::Rect;
using cv::cuda::GpuMat;
static int channel_shift() { return CV_CN_SHIFT; }
#else
#  include "../tests/c/gpumat_standin.hpp"
using standin::GpuMat;
using standin::Rect;
static int channel_shift() { return standin::library.channel_shift; }
#endif

constexpr int skipped = 77; // the exit code that test runners know

static void check(vc_status status, const vc_error &error) {
  if (status != VC_OK) throw std::runtime_error(error.message);
}

// The OpenCV of this program, verified once.
static const vc_gpumat_abi &opencv() {
  static const vc_gpumat_abi abi = [] {
    vc_gpumat_abi found;
    vc_error error;
    check(vc_gpumat_abi_init(channel_shift(), VC_REFCOUNT_FULL, GpuMat::defaultAllocator(), &found,
                             &error),
          error);
    return found;
  }();
  return abi;
}

// The tensor's memory as a GpuMat, whose last copy lets go of the tensor.
static GpuMat as_gpumat(const at::Tensor &tensor) {
  vc_error error;
  vc_view view;
  vc_owner owner;
  DLManagedTensor *managed = at::toDLPack(tensor);
  vc_status status = vc_view_from_dlpack(managed, &view, &owner, &error);
  if (status != VC_OK) managed->deleter(managed); // what was not taken stays ours
  check(status, error);
  owner.any_thread = true; // libtorch's deleters wait for nothing
  GpuMat mat;
  auto *header = reinterpret_cast<vc_gpumat *>(&mat);
  status = vc_gpumat_lend(&opencv(), &view, &owner, nullptr, header, &error);
  vc_owner_release(&owner); // only where it was not taken
  check(status, error);
  return mat;
}

// The GpuMat's memory as a tensor, whose last copy gives OpenCV its reference back.
static at::Tensor as_tensor(const GpuMat &mat) {
  const auto *header = reinterpret_cast<const vc_gpumat *>(&mat);
  vc_error error;
  vc_view view;
  vc_owner owner;
  DLManagedTensor *managed;
  check(vc_view_from_gpumat(&opencv(), header, false, &view, &error), error);
  check(vc_gpumat_share(&opencv(), header, &owner, &error), error);
  vc_status status = vc_dlpack_from_view(&view, &owner, &managed, &error);
  vc_owner_release(&owner); // only where it was not taken
  check(status, error);
  return at::fromDLPack(managed);
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
    region = mat(Rect{cols / 4, rows / 4, cols / 2, rows / 2});
  } // the region is all that is left of it
  at::Tensor middle = as_tensor(region);
  at::bitwise_not_out(middle, middle);
  std::printf("torch wrote to %d x %d pixels of a GpuMat, rows %d bytes apart\n", region.cols,
              region.rows, static_cast<int>(middle.stride(0)));
}

int main(int count, char **words) try {
  if (count != 3) throw std::runtime_error("usage: cpp_torch IN.ppm OUT.ppm");
  vc_mode mode;
  vc_error error;
  check(vc_cuda_mode(&mode, &error), error);
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
