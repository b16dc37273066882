/* SPDX-License-Identifier: Apache-2.0 */
/* opencv.hpp: the OpenCV that is loaded is recognised; memory lent and shared, whole and in
 * regions. Compiled against the stand-in and, by tests/packaging, against the OpenCV of the
 * system; in host mode.
 *
 *   test_opencv_hpp [COUNTING SHIFT]     full, no-free or up-only; 3 or 5: what is to be found */
#include <opencv2/core/cuda.hpp>

#include <viewcast/opencv.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.h"

using cv::cuda::GpuMat;
using viewcast::Owner;
using viewcast::Release;
using viewcast::View;

namespace {

const vc_device cpu = {VC_CPU, 0};
const vc_dtype u8 = {VC_UINT, 8};
const int cv_8uc1 = 0;
alignas(64) uint8_t pixels[64 * 40];

vc_refcounting counting() { return viewcast::opencv().counting; }

/* An image of 40 x 20 pixels of 3 bytes in rows of 64, and whether it is still owned. */
struct Source {
  std::shared_ptr<int> object = std::make_shared<int>(1);

  View view(Release where = Release::any_thread) const {
    const vc_image image = {pixels, 40, 20, 64, 3, u8};
    return View::of_image(image, cpu, Owner::keep(object, where));
  }
  bool owned() const { return object.use_count() > 1; }
};

/* What a program does where the last GpuMat is gone; under 4.x without CUDA it promises so. */
void collect() { vc_collect(counting() == VC_REFCOUNT_UP_ONLY); }

void test_detection(const char *name, const char *shift) {
  const std::string needed(name);
  CHECK_INT(counting(), needed == "full"      ? VC_REFCOUNT_FULL
                        : needed == "no-free" ? VC_REFCOUNT_NO_FREE
                                              : VC_REFCOUNT_UP_ONLY);
  CHECK_INT(viewcast::opencv().channel_shift, std::atoi(shift));
}

void test_abi() {
  CHECK_INT(viewcast::opencv().channel_shift, CV_CN_SHIFT);
  CHECK((counting() == VC_REFCOUNT_FULL) == (GpuMat::defaultAllocator() != nullptr));
  CHECK(viewcast::opencv().standard_allocator == GpuMat::defaultAllocator());
  CHECK(&viewcast::opencv() == &viewcast::opencv());
}

void test_lend(Release where) {
  const Source source;
  {
    View view = source.view(where);
    const GpuMat mat = viewcast::lend(std::move(view));
    CHECK(view.ndim() == 0 && !view.owner());
    CHECK(mat.data == pixels && mat.rows == 40 && mat.cols == 20 && mat.step == 64);
    CHECK_INT(mat.channels(), 3);
    CHECK_INT(mat.type(), 2 << viewcast::opencv().channel_shift);
    vc_collect(false);
    CHECK(source.owned());
  }
  const bool at_once = counting() == VC_REFCOUNT_FULL && where == Release::any_thread;
  CHECK(source.owned() != at_once);
  collect();
  CHECK(!source.owned());
}

/* A copy or a region outlives the GpuMat that it was made of. */
void test_lent_region() {
  const Source source;
  GpuMat region;
  {
    const GpuMat mat = viewcast::lend(source.view());
    const GpuMat copy(mat);
    region = copy(cv::Rect{2, 3, 5, 4});
  }
  vc_collect(false);
  CHECK(source.owned());
  CHECK(region.data == pixels + 3 * 64 + 2 * 3);
  region.release();
  region = GpuMat();
  collect();
  CHECK(!source.owned());
}

void test_nothing_lent() {
  const Source source;
  const vc_image none = {nullptr, 0, 20, 60, 3, u8};
  const GpuMat empty = viewcast::lend(View::of_image(none, cpu, Owner::keep(source.object)));
  CHECK(empty.empty() && empty.refcount == nullptr);
  CHECK_INT(empty.cols, 20);
  CHECK(!source.owned());
  const GpuMat unowned = viewcast::lend(View::packed(pixels, cpu, u8, {4, 6}));
  CHECK(unowned.data == pixels && unowned.refcount == nullptr);
}

/* What is refused stays the caller's. */
void test_refused_lend() {
  const Source source;
  View planar = View::packed(pixels, cpu, u8, {3, 4, 6}, Owner::keep(source.object));
  vc_view turned = planar.fields();
  std::swap(turned.strides[0], turned.strides[2]);
  std::swap(turned.shape[0], turned.shape[2]);
  View view(turned, std::move(planar.owner()));
  bool thrown = false;
  try {
    viewcast::lend(std::move(view));
  } catch (const viewcast::Error &error) {
    thrown = error.status() == VC_ERROR_LAYOUT;
  }
  CHECK(thrown && view.owner() && view.data() == pixels);
  CHECK(source.owned());
}

/* A view of a lent region keeps the memory after all GpuMats, and can be lent again. */
void test_share() {
  const Source source;
  View part;
  {
    const GpuMat mat = viewcast::lend(source.view());
    part = viewcast::share(mat(cv::Rect{2, 3, 5, 4}));
  }
  vc_collect(false);
  CHECK(source.owned() && part.owner());
  CHECK(part.data() == pixels + 3 * 64 + 2 * 3);
  CHECK_INT(part.ndim(), 3);
  CHECK_INT(part.shape(0), 4);
  CHECK_INT(part.shape(1), 5);
  CHECK_INT(part.stride(0), 64);
  {
    const GpuMat again = viewcast::lend(std::move(part));
    vc_collect(false);
    CHECK(source.owned() && again.step == 64);
  }
  collect();
  collect(); /* a lend of a share: the one ends within the other's end */
  CHECK(!source.owned());
}

void test_share_what_is_not_owned() {
  const GpuMat mat(40, 20, cv_8uc1, pixels, 64);
  CHECK(!viewcast::share(mat).owner());
  CHECK_INT(viewcast::share(mat).ndim(), 2);
  CHECK_INT(viewcast::describe(mat, true).ndim, 3);
  const Source source;
  const View named(viewcast::describe(mat), Owner::keep(source.object));
  CHECK(source.owned() && named.stride(0) == 64);
  CHECK(viewcast::share(GpuMat()).is_empty());
}

/* Memory that OpenCV itself allocated: only the stand-in has some without a GPU. */
void test_share_opencvs_own() {
  if (counting() != VC_REFCOUNT_FULL) return;
  View view;
  {
    GpuMat mat(4, 6, cv_8uc1);
    mat.data[0] = 42;
    view = viewcast::share(mat);
    CHECK_INT(*mat.refcount, 2);
  }
  CHECK_INT(*static_cast<uint8_t *>(view.data()), 42);
}

} // namespace

int main(int count, char **words) {
  vc_mode mode;
  viewcast::call(vc_cuda_mode, &mode);
  if (mode != VC_MODE_HOST) return 77;
  if (count == 3) test_detection(words[1], words[2]);
  test_abi();
  test_lend(Release::any_thread);
  test_lend(Release::collect);
  test_lent_region();
  test_nothing_lent();
  test_refused_lend();
  test_share();
  test_share_what_is_not_owned();
  test_share_opencvs_own();
  vc_collect(true);
  vc_statistics now = read_statistics();
  CHECK_INT(now.lends, now.lends_released);
  CHECK_INT(now.shares, now.shares_released);
  return check_report();
}
