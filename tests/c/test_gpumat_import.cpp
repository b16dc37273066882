/* SPDX-License-Identifier: Apache-2.0 */
/* GpuMat headers read as views. */
#include "gpumat_depths.hpp"
#include "gpumat_samples.hpp"

namespace {

void check_view(GpuMat &mat, bool keepdim, std::vector<int64_t> shape, int64_t step) {
  vc_view view = {};
  CHECK_OK(vc_view_from_gpumat(&abi, header(mat), keepdim, &view, &error));
  CHECK(view.data == mat.data);
  CHECK_INT(view.readonly, 0);
  CHECK_INT(view.device.type, VC_CPU);
  CHECK_INT(view.device.id, 0);
  if (CHECK_INT(view.ndim, shape.size()))
    for (int32_t axis = 0; axis < view.ndim; axis++)
      CHECK_INT(view.shape[axis], shape[static_cast<size_t>(axis)]);
  CHECK_INT(view.strides[0], step);
  CHECK_INT(view.strides[1], mat.elemSize());
  if (view.ndim == 3) CHECK_INT(view.strides[2], mat.elemSize1());
}

void test_view() {
  Source source;
  GpuMat lent;
  lend_sample(source, true, lent);
  check_view(lent, false, {6, 10, 3}, 64);
  GpuMat region(lent, Rect{2, 1, 6, 4});
  check_view(region, false, {4, 6, 3}, 64);
  GpuMat row(lent, Rect{2, 1, 6, 1});
  check_view(row, false, {1, 6, 3}, 64);

  GpuMat standard(20, 30, CV_32F);
  CHECK_INT(standard.step, 512);
  check_view(standard, false, {20, 30}, 512);
  check_view(standard, true, {20, 30, 1}, 512);
  GpuMat unowned(4, 5, standin::make_type(CV_8U, 4), source.data);
  check_view(unowned, false, {4, 5, 4}, 20);
  GpuMat column(4, 1, standin::make_type(CV_8U, 3), source.data, 32);
  check_view(column, false, {4, 1, 3}, 32);
}

// Types there and back again.
void test_view_types() {
  Source source;
  for (const Depth &depth : depths) {
    int in_this = library.channel_shift == 3 ? depth.in_4 : depth.in_5;
    if (in_this < 0 || depth.dtype.code == VC_BOOL) continue;
    GpuMat mat(2, 3, standin::make_type(in_this, 3), source.data);
    vc_view view = {};
    CHECK_OK(vc_view_from_gpumat(&abi, header(mat), false, &view, &error));
    CHECK_INT(view.dtype.code, depth.dtype.code);
    CHECK_INT(view.dtype.bits, depth.dtype.bits);
  }
}

void check_empty_view(GpuMat &mat, int64_t rows, int64_t cols) {
  vc_view view = {};
  CHECK_OK(vc_view_from_gpumat(&abi, header(mat), false, &view, &error));
  CHECK(vc_view_is_empty(&view));
  CHECK_INT(view.shape[0], rows);
  CHECK_INT(view.shape[1], cols);
}

void test_view_empty() {
  GpuMat mat;
  check_empty_view(mat, 0, 0); // never had a type: flags are 0
  Source source;
  GpuMat lent;
  lend_sample(source, true, lent);
  GpuMat region = lent({2, 1, 0, 3}); // keeps an address
  check_empty_view(region, 0, 0);
  lent.release();
  check_empty_view(lent, 0, 0);
  region.release();
  CHECK_INT(source.released, 1);

  void *null = nullptr;
  GpuMat flat(0, 5, standin::make_type(CV_8U, 3), null);
  check_empty_view(flat, 0, 5);
  GpuMat thin(5, 0, standin::make_type(CV_8U, 3), null);
  check_empty_view(thin, 5, 0);
  GpuMat nothing(5, 7, standin::make_type(CV_8U, 3), null); // NULL is empty
  check_empty_view(nothing, 0, 7);
}

// Headers that no OpenCV writes.
void test_view_damaged() {
  Source source;
  vc_view view = {};
  GpuMat mat(6, 10, standin::make_type(CV_8U, 3), source.data, 64);
  vc_gpumat good = copy_of(mat), bad = good;
  bad.flags ^= 0x01000000; // magic
  CHECK_FAILS(vc_view_from_gpumat(&abi, &bad, false, &view, &error), VC_ERROR_VALUE, "damaged");
  bad = good;
  bad.rows = -1;
  CHECK_FAILS(vc_view_from_gpumat(&abi, &bad, false, &view, &error), VC_ERROR_VALUE, "rows");
  bad = good;
  bad.cols = -1;
  CHECK_FAILS(vc_view_from_gpumat(&abi, &bad, false, &view, &error), VC_ERROR_VALUE, "cols");
  bad = good;
  bad.step = 29;
  CHECK_FAILS(vc_view_from_gpumat(&abi, &bad, false, &view, &error), VC_ERROR_VALUE,
              "needs at least 30");
  bad.step = SIZE_MAX;
  CHECK_FAILS(vc_view_from_gpumat(&abi, &bad, false, &view, &error), VC_ERROR_VALUE, "step");
  bad = good;
  bad.step = SIZE_MAX / 2;
  CHECK_FAILS(vc_view_from_gpumat(&abi, &bad, false, &view, &error), VC_ERROR_VALUE, "");
  if (library.channel_shift == 5) {
    bad = good;
    bad.flags = standin::magic | 13; // a depth that 5.x does not have
    CHECK_FAILS(vc_view_from_gpumat(&abi, &bad, false, &view, &error), VC_ERROR_DTYPE,
                "depth number 13");
  }
  CHECK_INT(view.ndim, 0); // written on success only
}

void run() {
  for_all_builds([] {
    test_view_types();
    test_view_damaged();
  });
  for_cuda_builds([] {
    test_view();
    test_view_empty();
  });
}

} // namespace

int main() { return run_in_host_mode(run); }
