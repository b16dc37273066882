/* SPDX-License-Identifier: Apache-2.0 */
/* GpuMat headers lent, shared and probed, against a stand-in for the class. In
 * host mode: no GPU and no OpenCV is needed. */
#include "gpumat_standin.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "check.h"
#include "internal.h"

using standin::Build;
using standin::DefaultAllocator;
using standin::GpuMat;
using standin::library;
using standin::Rect;
using standin::standard_allocator;

namespace {

vc_error error;
vc_gpumat_abi abi; // of the library that is "loaded"

alignas(64) uint8_t memory[4096]; // for headers that nobody owns

const vc_device cpu = {VC_CPU, 0};
const vc_dtype u8 = {VC_UINT, 8};
const vc_dtype f32 = {VC_FLOAT, 32};
enum { CV_8U = 0, CV_32F = 5 };

// -------------------------------------------------------------------- helpers

// "Loads" an OpenCV: how it packs channels and what it does with counters.
void load(Build build, int channel_shift) {
  library.build = build;
  library.channel_shift = channel_shift;
  vc_refcounting counting = build == Build::cuda     ? VC_REFCOUNT_FULL
                            : build == Build::stock5 ? VC_REFCOUNT_NO_FREE
                                                     : VC_REFCOUNT_UP_ONLY;
  CHECK_OK(vc_gpumat_abi_init(channel_shift, counting, GpuMat::defaultAllocator(), &abi, &error));
}

vc_gpumat *header(GpuMat &mat) { return reinterpret_cast<vc_gpumat *>(&mat); }

vc_gpumat copy_of(const GpuMat &mat) {
  vc_gpumat fields;
  static_assert(sizeof fields == sizeof mat, "same size");
  std::memcpy(&fields, static_cast<const void *>(&mat), sizeof fields);
  return fields;
}

// Memory with an owner that counts its releases.
struct Source {
  explicit Source(size_t size = 1 << 16) : bytes(size + 64) {
    size_t off = reinterpret_cast<uintptr_t>(bytes.data()) % 64;
    data = bytes.data() + (off != 0 ? 64 - off : 0);
  }

  vc_owner owner(bool any_thread) { return {this, count, any_thread}; }

  static void count(void *context) { static_cast<Source *>(context)->released++; }

  std::vector<uint8_t> bytes;
  uint8_t *data;
  std::atomic<int> released{0};
};

// An image in host memory; step 0 is packed.
vc_view image_of(void *data, vc_dtype dtype, std::vector<int64_t> shape, int64_t step = 0) {
  vc_view view = {};
  CHECK_OK(vc_view_packed(data, cpu, dtype, static_cast<int32_t>(shape.size()), shape.data(), &view,
                          &error));
  if (step != 0) view.strides[0] = step;
  return view;
}

// A lent GpuMat of 6 x 10 pixels of 3 bytes, 64 bytes from row to row.
void lend_sample(Source &source, bool any_thread, GpuMat &mat) {
  vc_owner owner = source.owner(any_thread);
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(mat), &error));
  CHECK(owner.release == nullptr && owner.context == nullptr);
}

// What is released only when collected is not released before.
void check_released(Source &source, bool any_thread, int needed = 1) {
  CHECK_INT(source.released, any_thread ? needed : needed - 1);
  CHECK_INT(vc_collect(false), any_thread ? 0 : 1);
  CHECK_INT(source.released, needed);
}

void check_fields(const vc_gpumat &found, const vc_gpumat &needed) {
  CHECK_INT(found.flags, needed.flags);
  CHECK_INT(found.rows, needed.rows);
  CHECK_INT(found.cols, needed.cols);
  CHECK_INT(found.step, needed.step);
  CHECK(found.data == needed.data);
  CHECK(found.refcount == needed.refcount);
  CHECK(found.datastart == needed.datastart);
  CHECK(found.dataend == needed.dataend);
  CHECK(found.allocator == needed.allocator);
}

// ----------------------------------------------- the stand-in does as OpenCV

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

// ------------------------------------------------------------------------ abi

void test_layout() {
  static_assert(offsetof(GpuMat, flags) == offsetof(vc_gpumat, flags), "flags");
  static_assert(offsetof(GpuMat, rows) == offsetof(vc_gpumat, rows), "rows");
  static_assert(offsetof(GpuMat, cols) == offsetof(vc_gpumat, cols), "cols");
  static_assert(offsetof(GpuMat, step) == offsetof(vc_gpumat, step), "step");
  static_assert(offsetof(GpuMat, data) == offsetof(vc_gpumat, data), "data");
  static_assert(offsetof(GpuMat, refcount) == offsetof(vc_gpumat, refcount), "refcount");
  static_assert(offsetof(GpuMat, datastart) == offsetof(vc_gpumat, datastart), "datastart");
  static_assert(offsetof(GpuMat, dataend) == offsetof(vc_gpumat, dataend), "dataend");
  static_assert(offsetof(GpuMat, allocator) == offsetof(vc_gpumat, allocator), "allocator");
}

void test_abi() {
  vc_gpumat_abi made;
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard_allocator, &made, &error));
  CHECK_INT(made.channel_shift, 3);
  CHECK_INT(made.channels_max, 512);
  CHECK_INT(made.counting, VC_REFCOUNT_FULL);
  CHECK(made.standard_allocator == &standard_allocator);
  CHECK_INT(made.depths[7].code, VC_FLOAT);
  CHECK_INT(made.depths[7].bits, 16);
  CHECK_INT(made.depths[8].bits, 0);

  CHECK_OK(vc_gpumat_abi_init(5, VC_REFCOUNT_NO_FREE, nullptr, &made, &error));
  CHECK_INT(made.channels_max, 128);
  CHECK_INT(made.depths[8].code, VC_BFLOAT);
  CHECK_INT(made.depths[12].bits, 32);
  CHECK_INT(made.depths[13].bits, 0);

  for (int shift : {-1, 0, 4, 6, 32})
    CHECK_FAILS(vc_gpumat_abi_init(shift, VC_REFCOUNT_NO_FREE, nullptr, &made, &error),
                VC_ERROR_ABI, "viewcast knows 3 (4.x) and 5 (5.x)");
  CHECK_FAILS(vc_gpumat_abi_init(3, static_cast<vc_refcounting>(0), nullptr, &made, &error),
              VC_ERROR_ARGUMENT, "counting");
  CHECK_INT(made.channel_shift, 5); // written on success only
}

struct Depth {
  vc_dtype dtype;
  int in_4, in_5; // -1: none
};

const Depth depths[] = {
    {{VC_UINT, 8}, 0, 0},     {{VC_INT, 8}, 1, 1},     {{VC_UINT, 16}, 2, 2},
    {{VC_INT, 16}, 3, 3},     {{VC_INT, 32}, 4, 4},    {{VC_FLOAT, 32}, 5, 5},
    {{VC_FLOAT, 64}, 6, 6},   {{VC_FLOAT, 16}, 7, 7},  {{VC_BOOL, 8}, 0, 0},
    {{VC_BFLOAT, 16}, -1, 8}, {{VC_UINT, 64}, -1, 10}, {{VC_INT, 64}, -1, 11},
    {{VC_UINT, 32}, -1, 12},
};

void test_types() {
  for (const Depth &depth : depths) {
    int needed = library.channel_shift == 3 ? depth.in_4 : depth.in_5;
    int32_t type = 77;
    if (needed < 0) {
      CHECK_FAILS(vc_gpumat_type(&abi, depth.dtype, 1, &type, &error), VC_ERROR_DTYPE,
                  vc_dtype_name(depth.dtype));
      CHECK_INT(type, 77);
      continue;
    }
    for (int channels : {1, 2, 3, 4, 5, abi.channels_max}) {
      CHECK_OK(vc_gpumat_type(&abi, depth.dtype, channels, &type, &error));
      CHECK_INT(type, standin::make_type(needed, channels));
    }
  }
}

void test_types_refused() {
  int32_t type = 77;
  for (int channels : {0, -1, INT_MIN, abi.channels_max + 1, 600, INT_MAX})
    CHECK_FAILS(vc_gpumat_type(&abi, u8, channels, &type, &error), VC_ERROR_LAYOUT, "channels");
  CHECK_FAILS(vc_gpumat_type(&abi, {VC_COMPLEX, 64}, 1, &type, &error), VC_ERROR_DTYPE, "depth");
  CHECK_FAILS(vc_gpumat_type(&abi, {0, 0}, 1, &type, &error), VC_ERROR_DTYPE, "depth");
  CHECK_INT(type, 77);
}

// -------------------------------------------------------------------- headers

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

// ---------------------------------------------------------------------- lends

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

// ---------------------------------------------------------------------- views

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

// --------------------------------------------------------------------- shares

vc_owner share(GpuMat &mat) {
  vc_owner owner = {};
  CHECK_OK(vc_gpumat_share(&abi, header(mat), &owner, &error));
  return owner;
}

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
  back.release(); // a foreign deleter is put off
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

// -------------------------------------------------------------------- threads

constexpr int threads = 4, rounds = 3000;

template <typename Work>
void run_threads(Work work) {
  std::vector<std::thread> all;
  for (int i = 0; i < threads; i++) all.emplace_back(work, i);
  for (std::thread &thread : all) thread.join();
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

// ---------------------------------------------------------- verify and probe

void test_verify() {
  Source source;
  GpuMat mat(6, 10, standin::make_type(CV_8U, 3), source.data, 64);
  vc_gpumat good = copy_of(mat), found = {};
  CHECK_OK(vc_gpumat_verify(&mat, &good, &found, &error));
  check_fields(found, good);
  CHECK_OK(vc_gpumat_verify(&mat, &good, nullptr, &error));

  vc_gpumat other = good;
  other.allocator = &other; // the one field that is not compared
  CHECK_OK(vc_gpumat_verify(&mat, &other, nullptr, &error));

  int32_t count = 1;
  found = {};
  auto refuse = [&](const char *field, auto change) {
    vc_gpumat expected = good;
    change(expected);
    CHECK_FAILS(vc_gpumat_verify(&mat, &expected, &found, &error), VC_ERROR_ABI, field);
  };
  refuse("field flags", [](vc_gpumat &m) { m.flags++; });
  refuse("field rows", [](vc_gpumat &m) { m.rows++; });
  refuse("field cols", [](vc_gpumat &m) { m.cols++; });
  refuse("field step", [](vc_gpumat &m) { m.step++; });
  refuse("field data ", [](vc_gpumat &m) { m.data++; });
  refuse("field refcount", [&](vc_gpumat &m) { m.refcount = &count; });
  refuse("field datastart", [](vc_gpumat &m) { m.datastart++; });
  refuse("field dataend", [](vc_gpumat &m) { m.dataend++; });
  CHECK(found.data == nullptr); // written on success only
}

void test_memory_read() {
  uint8_t bytes[] = {1, 2, 3, 4}, read[4] = {};
  CHECK_OK(vc_memory_read(bytes, read, 4, &error));
  CHECK_INT(read[3], 4);

  vc_gpumat expected = {};
  CHECK_FAILS(vc_memory_read(nullptr, read, 4, &error), VC_ERROR_ABI, "can't be read");
  CHECK_FAILS(vc_memory_read(reinterpret_cast<void *>(8), read, 4, &error), VC_ERROR_ABI, "");
  CHECK_FAILS(vc_gpumat_verify(nullptr, &expected, nullptr, &error), VC_ERROR_ABI, "");

  // The last bytes before a page that may not be read.
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *pages = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!CHECK(pages != MAP_FAILED)) return;
  uint8_t *end = static_cast<uint8_t *>(pages) + page;
  mprotect(end, page, PROT_NONE);
  CHECK_OK(vc_memory_read(end - 4, read, 4, &error));
  CHECK_FAILS(vc_memory_read(end - 3, read, 4, &error), VC_ERROR_ABI, "");
  CHECK_FAILS(vc_memory_read(end, read, 4, &error), VC_ERROR_ABI, "");
  CHECK_FAILS(vc_gpumat_verify(end - 8, &expected, nullptr, &error), VC_ERROR_ABI, "");
  munmap(pages, 2 * page);
}

// The table that a C++ compiler made has free in slot 3 and allocate in slot 2.
void test_probe_slots() {
  vc_gpumat_probe probe;
  GpuMat mat;
  void *allocator = mat.allocator;
  vc_gpumat_probe_begin(&probe, 1, header(mat));
  CHECK_INT(probe.slot, -1);
  CHECK_INT(probe.calls, 0);
  CHECK_INT(probe.count, 1);
  CHECK(mat.refcount == &probe.count);
  CHECK(static_cast<void *>(mat.allocator) == &probe);
  mat.release();
  CHECK_INT(probe.slot, 3);
  CHECK_INT(probe.calls, 1);
  CHECK_INT(probe.count, 0);
  CHECK(probe.header == &mat);

  mat.create(2, 3, CV_8U); // the allocator stayed in the header
  CHECK_INT(probe.slot, 2);
  CHECK_INT(probe.calls, 2);
  CHECK(probe.header == &mat);
  vc_gpumat_probe_end(header(mat), allocator);
  CHECK(mat.refcount == nullptr && mat.data == nullptr);
  CHECK(mat.allocator == allocator);
}

// An allocation that is not the attached header's own falls back.
void test_probe_other_header() {
  vc_gpumat_probe probe;
  GpuMat mat, other;
  void *allocator = mat.allocator;
  vc_gpumat_probe_begin(&probe, 2, header(mat));
  {
    GpuMat copy(mat);
    CHECK_INT(probe.count, 3);
    copy.create(2, 3, CV_8U);
    CHECK_INT(probe.slot, 2);
    CHECK(probe.header == &copy);
    CHECK(copy.allocator == &standard_allocator || copy.refcount != &probe.count);
  }
  vc_gpumat_probe_end(header(mat), allocator);
}

// What each build does with a counter, as a probe sees it.
void test_probe_counting() {
  vc_gpumat_probe probe;
  GpuMat mat;
  void *allocator = mat.allocator;
  vc_gpumat_probe_begin(&probe, 2, header(mat));
  {
    GpuMat copy(mat);
    CHECK_INT(probe.count, 3);
    copy.release();
    CHECK_INT(probe.count, library.build == Build::stock4 ? 3 : 2);
  }
  CHECK_INT(probe.calls, 0); // never at zero
  vc_gpumat_probe_end(header(mat), allocator);
  CHECK_INT(library.deaths, 0);
}

// --------------------------------------------------------- OpenCV as on PyPI

// Stock 5.x counts but cannot free: swept once only our own count is left.
void test_counts_only(bool any_thread) {
  Source source;
  vc_statistics before = read_statistics();
  {
    GpuMat mat;
    lend_sample(source, any_thread, mat);
    GpuMat copy(mat), region(mat, Rect{1, 1, 2, 2});
    vc_owner owner = share(region);
    mat.release();
    copy.release();
    CHECK_INT(vc_collect(true), 0); // a region and a share are left
    region.release();
    CHECK_INT(vc_collect(false), 0);
    CHECK_INT(source.released, 0);
    vc_owner_release(&owner);
    CHECK_INT(source.released, 0);
  }
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(source.released, 1);
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(library.deaths, 0);
  CHECK_INT(read_statistics().lends_released - before.lends_released, 1);
}

// A GpuMat object with a reference count of its own, as Python's.
struct Object {
  GpuMat mat;
  int references = 2; // the test's and the holder's

  static bool is_last(void *object) { return static_cast<Object *>(object)->references == 1; }
  static void release(void *object) { static_cast<Object *>(object)->references--; }
  vc_holder holder() { return {sizeof(vc_holder), this, is_last, release}; }
};

void lend_object(Source &source, Object &object) {
  vc_owner owner = source.owner(false);
  vc_holder holder = object.holder();
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, &holder, header(object.mat), &error));
}

// Stock 4.x never counts down: swept once nobody else has the object.
void test_counts_up() {
  Source source;
  Object object;
  lend_object(source, object);
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(vc_collect(true), 0); // somebody still has it, forced or not
  object.references--;
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(source.released, 1);
  CHECK_INT(object.references, 0);
  CHECK_INT(vc_collect(false), 0);
}

// Once its header was copied, such a lend ends only if forced.
void test_counts_up_copied() {
  static int32_t *counter; // what the copy points at is left where it is
  Source source;
  Object object;
  lend_object(source, object);
  counter = object.mat.refcount;
  {
    GpuMat copy(object.mat);
  }
  CHECK_INT(*counter, 2);
  object.references--;
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(source.released, 0);
  CHECK_INT(vc_collect(true), 1);
  CHECK_INT(source.released, 1);
  CHECK_INT(object.references, 0);
  CHECK_INT(vc_collect(true), 0);
}

void test_counts_up_refused() {
  Source source;
  Object object;
  vc_owner owner = source.owner(false);
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  CHECK_FAILS(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(object.mat), &error),
              VC_ERROR_ARGUMENT, "needs a holder");
  CHECK(object.mat.data == nullptr && object.mat.refcount == nullptr);
  CHECK(owner.release != nullptr);
  vc_owner_release(&owner);

  lend_object(source, object);
  CHECK_FAILS(vc_gpumat_share(&abi, header(object.mat), &owner, &error), VC_ERROR_ABI,
              "hold the GpuMat object instead");
  CHECK_INT(*object.mat.refcount, 1);
  object.references--;
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(source.released, 2);
}

// Many lends: those that are over go, the others stay; and a release may collect.
void test_sweep_many() {
  constexpr int count = 100;
  Source source;
  std::vector<std::unique_ptr<Object>> objects;
  for (int i = 0; i < count; i++) {
    objects.push_back(std::make_unique<Object>());
    lend_object(source, *objects.back());
  }
  CHECK(!vc_collect_pending()); // that is about the list: none is over yet
  for (size_t i = 0; i < count; i += 2) objects[i]->references--;
  CHECK_INT(vc_collect(false), count / 2);
  CHECK_INT(source.released, count / 2);
  for (size_t i = 1; i < count; i += 2) objects[i]->references--;
  CHECK_INT(vc_collect(false), count / 2);
  CHECK_INT(source.released, count);
}

// An owner that is not any_thread is released inside vc_collect and nowhere else: lends that
// are over are found by later ones, on threads that must not run its release.
std::thread::id collector;
std::atomic<int> elsewhere;

void note_thread(void *context) {
  if (std::this_thread::get_id() != collector) elsewhere++;
  Source::count(context);
}

template <class Lend>
void lend_on_another_thread(int count, Lend lend) {
  std::thread([&] {
    for (int i = 0; i < count; i++) lend(i);
  }).join();
}

void test_lends_release_nothing(bool any_thread) {
  constexpr int count = 100;
  Source source;
  std::vector<std::unique_ptr<Object>> objects;
  for (int i = 0; i < count; i++) objects.push_back(std::make_unique<Object>());
  collector = std::this_thread::get_id();
  elsewhere = 0;
  lend_on_another_thread(count, [&](int i) {
    vc_owner owner = {&source, note_thread, any_thread};
    vc_holder holder = objects[size_t(i)]->holder();
    vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
    GpuMat &mat = objects[size_t(i)]->mat;
    CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, &holder, header(mat), &error));
    if (abi.counting == VC_REFCOUNT_NO_FREE) mat.release();
    objects[size_t(i)]->references--;
  });
  CHECK((elsewhere > 0) == any_thread);
  CHECK_INT(source.released, elsewhere);
  CHECK_INT(vc_collect(false), count - elsewhere);
  CHECK_INT(source.released, count);
  for (auto &object : objects)
    CHECK_INT(object->references, abi.counting == VC_REFCOUNT_UP_ONLY ? 0 : 1);
}

// Put on the list, they are announced.
std::atomic<int> notified;

void test_lends_notify() {
  Source source;
  std::vector<std::unique_ptr<Object>> objects;
  notified = 0;
  vc_collect_notify([] { notified++; });
  for (int i = 0; i < 17; i++) {
    objects.push_back(std::make_unique<Object>());
    lend_object(source, *objects.back());
    objects.back()->references--;
  }
  vc_collect_notify(nullptr);
  CHECK_INT(source.released, 0);
  CHECK_INT(notified, 1);
  CHECK(vc_collect_pending());
  CHECK_INT(vc_collect(false), 17);
  CHECK_INT(source.released, 17);
}

void release_and_collect(void *context) {
  Source::count(context);
  vc_collect(true);
}

void test_collect_inside_sweep() {
  Source source;
  Object objects[3];
  for (Object &object : objects) {
    vc_owner owner = {&source, release_and_collect, false};
    vc_holder holder = object.holder();
    vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
    CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, &holder, header(object.mat), &error));
    object.references--;
  }
  CHECK_INT(vc_collect(false), 3);
  CHECK_INT(source.released, 3);
}

// What the end of a swept lend puts on the list goes in the same collection.
void test_put_off_by_sweep() {
  Source source;
  Object object;
  vc_owner owner = source.owner(false);
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  DLManagedTensorVersioned *tensor;
  CHECK_OK(vc_dlpack_versioned_from_view(&view, &owner, 0, &tensor, &error));
  CHECK_OK(vc_view_from_dlpack_versioned(tensor, &view, &owner, nullptr, &error));
  vc_holder holder = object.holder();
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, &holder, header(object.mat), &error));
  object.references--;
  CHECK_INT(vc_collect(false), 2);
  CHECK_INT(source.released, 1);
}

// ----------------------------------------------------------------------- runs

void run_for_any_opencv() {
  test_types();
  test_types_refused();
  test_over();
  test_over_huge();
  test_over_channels();
  test_over_empty();
  test_alignment();
  test_over_refused();
  test_view_types();
  test_view_damaged();
  test_verify();
  test_probe_counting();
}

void run_for_cuda_builds() {
  for (bool any_thread : {true, false}) {
    test_lend(any_thread);
    test_drop_orders(any_thread);
    test_members(any_thread);
    test_create(any_thread);
    test_share_lent(any_thread);
    test_threads_copy(any_thread);
  }
  test_locate();
  test_clone();
  test_create_after_release();
  test_lend_empty();
  test_lend_nobodys();
  test_lend_refused();
  test_view();
  test_view_empty();
  test_share_standard();
  test_share_chain();
  test_share_through_dlpack();
  test_share_nothing();
  test_share_foreign();
  test_share_too_late();
  test_default_allocator();
  test_probe_slots();
  test_probe_other_header();
  test_threads_lend();
  test_threads_standard();
}

// ------------------------------------------ objects behind the compiler's shared_ptr

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

void run_for_objects() {
  test_object_ends_with_its_last_pointer();
  test_object_ends_before_its_copies();
  test_object_dropped();
  test_object_between_threads();
  test_control_probe();
}

void run_for_stock_builds() {
  load(Build::stock5, 5);
  run_for_any_opencv();
  run_for_objects();
  test_counts_only(true);
  test_counts_only(false);
  test_lends_release_nothing(true);
  test_lends_release_nothing(false);
  load(Build::stock4, 3);
  run_for_any_opencv();
  test_counts_up();
  test_counts_up_copied();
  test_counts_up_refused();
  test_lends_release_nothing(true);
  test_lends_release_nothing(false);
  test_lends_notify();
  test_sweep_many();
  test_collect_inside_sweep();
  test_put_off_by_sweep();
}

void check_balance() {
  vc_statistics now = read_statistics();
  CHECK_INT(now.lends, now.lends_released);
  CHECK_INT(now.shares, now.shares_released);
  CHECK_INT(now.exports, now.exports_released);
  CHECK_INT(now.pending, 0);
  CHECK_INT(standard_allocator.live(), 0);
  CHECK_INT(library.deaths, 0);
}

} // namespace

int main() {
  vc_mode mode;
  if (!CHECK_OK(vc_cuda_mode(&mode, &error))) return check_report();
  if (mode != VC_MODE_HOST) {
    std::printf("skipped: a GpuMat over host memory needs host mode (%s)\n", vc_cuda_reason());
    return 77;
  }
  test_layout();
  test_memory_read();
  test_abi();
  test_standin();
  for (int channel_shift : {3, 5}) {
    load(Build::cuda, channel_shift);
    run_for_any_opencv();
    run_for_cuda_builds();
    run_for_objects();
    test_object_is_created_anew();
  }
  run_for_stock_builds();
  check_balance();
  return check_report();
}
