/* SPDX-License-Identifier: Apache-2.0 */
/* GpuMat headers written over views. */
#include "gpumat_samples.hpp"

namespace {

// Our header and the one of the class's own constructor, field for field.
void check_over(const vc_view &view, int rows, int cols, int type, size_t step) {
  GpuMat mat, made(rows, cols, type, view.data, step);
  CHECK_OK(vc_gpumat_over(&abi, &view, header(mat), &error));
  check_fields(copy_of(mat), copy_of(made));
}

void test_over() {
  uint8_t *m = memory;
  int c3 = standin::make_type(CV_8U, 3), f2 = standin::make_type(CV_32F, 2);
  check_over(image_of(m, u8, {4, 5, 3}), 4, 5, c3, 15);
  check_over(image_of(m, u8, {4, 5, 3}, 32), 4, 5, c3, 32);
  check_over(image_of(m, u8, {1, 5, 3}, 32), 1, 5, c3, 32);
  check_over(image_of(m, u8, {4, 1, 3}, 32), 4, 1, c3, 32);
  check_over(image_of(m, u8, {4, 1, 3}), 4, 1, c3, 3);
  check_over(image_of(m, u8, {4, 1}), 4, 1, CV_8U, 1);
  check_over(image_of(m, u8, {1, 1}, 7), 1, 1, CV_8U, 7);
  check_over(image_of(m, u8, {4, 5}), 4, 5, CV_8U, 5);
  check_over(image_of(m, u8, {4, 5, 1}), 4, 5, CV_8U, 5);
  check_over(image_of(m, f32, {4, 5, 2}, 64), 4, 5, f2, 64);
  check_over(image_of(m, {VC_BOOL, 8}, {4, 5}), 4, 5, CV_8U, 5);
}

// Sizes at which 32 bits end; nothing reads the memory.
void test_over_huge() {
  uint8_t *m = memory;
  check_over(image_of(m, u8, {65536, 65536}), 65536, 65536, CV_8U, 65536);
  check_over(image_of(m, u8, {32768, 65536}), 32768, 65536, CV_8U, 65536);
  check_over(image_of(m, u8, {32767, 65536}), 32767, 65536, CV_8U, 65536);
  check_over(image_of(m, u8, {INT_MAX, 2}), INT_MAX, 2, CV_8U, 2);
  check_over(image_of(m, u8, {1, INT_MAX}), 1, INT_MAX, CV_8U, INT_MAX);
}

void test_over_channels() {
  uint8_t *m = memory;
  int most = abi.channels_max;
  check_over(image_of(m, u8, {2, 3, most}), 2, 3, standin::make_type(CV_8U, most),
             static_cast<size_t>(3 * most));
  vc_view view = image_of(m, u8, {2, 3, most + 1});
  GpuMat mat;
  vc_gpumat before = copy_of(mat);
  CHECK_FAILS(vc_gpumat_over(&abi, &view, header(mat), &error), VC_ERROR_LAYOUT, "channels");
  check_fields(copy_of(mat), before); // written on success only
}

void test_over_empty() {
  for (std::vector<int64_t> shape : {std::vector<int64_t>{0, 7, 3}, {7, 0, 3}, {0, 0, 3}}) {
    GpuMat mat;
    void *allocator = mat.allocator;
    vc_view view = image_of(nullptr, u8, shape);
    CHECK_OK(vc_gpumat_over(&abi, &view, header(mat), &error));
    CHECK_INT(mat.rows, shape[0]);
    CHECK_INT(mat.cols, shape[1]);
    CHECK_INT(mat.type(), standin::make_type(CV_8U, 3));
    CHECK(mat.data == nullptr && mat.datastart == nullptr && mat.dataend == nullptr);
    CHECK(mat.refcount == nullptr);
    CHECK(mat.allocator == allocator);
  }
  GpuMat mat;
  vc_view view = image_of(memory, u8, {4, 5, 0}); // no pixel type
  CHECK_FAILS(vc_gpumat_over(&abi, &view, header(mat), &error), VC_ERROR_LAYOUT, "channels");
}

void refuse_over(const vc_view &view, vc_status status, const char *part) {
  GpuMat mat;
  vc_gpumat before = copy_of(mat);
  CHECK_FAILS(vc_gpumat_over(&abi, &view, header(mat), &error), status, part);
  CHECK_INT(vc_gpumat_over(&abi, &view, header(mat), nullptr), status);
  check_fields(copy_of(mat), before);
}

// Address and step against the vector size of a pixel.
void test_alignment() {
  struct {
    vc_dtype dtype;
    int channels, needed;
  } cases[] = {
      {u8, 1, 1},
      {u8, 2, 2},
      {u8, 3, 1},
      {u8, 4, 4},
      {u8, 5, 1},
      {f32, 1, 4},
      {f32, 2, 8},
      {f32, 3, 4},
      {f32, 4, 16},
      {{VC_FLOAT, 64}, 4, 16},
      {{VC_FLOAT, 64}, 2, 16},
      {{VC_FLOAT, 64}, 1, 8},
      {{VC_INT, 16}, 2, 4},
      {{VC_INT, 16}, 4, 8},
  };
  Source source;
  for (const auto &c : cases) {
    GpuMat mat;
    int64_t itemsize = static_cast<int64_t>(vc_dtype_size(c.dtype));
    for (int off = 0; off < 16; off++) {
      vc_view view = image_of(source.data + off, c.dtype, {4, 4, c.channels}, 512);
      if (off % c.needed == 0)
        CHECK_OK(vc_gpumat_over(&abi, &view, header(mat), &error));
      else
        refuse_over(view, VC_ERROR_LAYOUT, "address");
    }
    for (int64_t more = 0; more < 16; more += itemsize) {
      vc_view view = image_of(source.data, c.dtype, {4, 4, c.channels}, 512 + more);
      if (more % c.needed == 0)
        CHECK_OK(vc_gpumat_over(&abi, &view, header(mat), &error));
      else
        refuse_over(view, VC_ERROR_LAYOUT, "image axis 0 (height) has stride");
    }
  }
}

void test_over_refused() {
  uint8_t *m = memory;
  vc_view view = image_of(m, u8, {4, 5, 3});
  view.readonly = 1;
  refuse_over(view, VC_ERROR_VALUE, "read-only");
  view.readonly = 0;
  view.strides[1] = 4;
  view.strides[0] = 32;
  refuse_over(view, VC_ERROR_LAYOUT, "axis 1 (width)");
  refuse_over(image_of(m, u8, {2, 4, 5, 3}), VC_ERROR_LAYOUT, "rank 4");
  view.data = nullptr;
  refuse_over(view, VC_ERROR_VALUE, "data is NULL");
  if (library.channel_shift == 3)
    refuse_over(image_of(m, {VC_INT, 64}, {4, 5}), VC_ERROR_DTYPE, "int64");
}

void run() {
  for_all_builds([] {
    test_over();
    test_over_huge();
    test_over_channels();
    test_over_empty();
    test_alignment();
    test_over_refused();
  });
}

} // namespace

int main() { return run_in_host_mode(run); }
