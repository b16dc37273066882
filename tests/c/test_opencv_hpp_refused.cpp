/* SPDX-License-Identifier: Apache-2.0 */
/* opencv.hpp refuses an OpenCV whose headers are another version's (this program is compiled
 * for 4.x), one that a pool hides, and says so; a refusal is no last word. */
#define CV_CN_SHIFT 3
#include <opencv2/core/cuda.hpp>

#include <viewcast/opencv.hpp>

#include <cstring>

#include "check.h"

namespace {

void check_refused(const char *found) {
  bool thrown = false;
  try {
    viewcast::opencv();
  } catch (const viewcast::Error &error) {
    thrown = true;
    CHECK_INT(error.status(), VC_ERROR_ABI);
    CHECK(std::strstr(error.what(), found) != nullptr);
    CHECK(std::strstr(error.what(), "use OpenCV") != nullptr);
  }
  CHECK(thrown);
}

} // namespace

int main() {
  standin::library.channel_shift = 5;
  check_refused("in another way than its headers say");
  standin::library.channel_shift = 4;
  check_refused("packs channels in an unknown way");
  standin::library.channel_shift = 3;

  using Allocator = cv::cuda::GpuMat::Allocator;
  Allocator *const standard = cv::cuda::GpuMat::defaultAllocator();
  cv::cuda::GpuMat::setDefaultAllocator(static_cast<Allocator *>(vc_pool_allocator()));
  check_refused("call viewcast::opencv() before");
  cv::cuda::GpuMat::setDefaultAllocator(standard);

  CHECK_INT(viewcast::opencv().counting, VC_REFCOUNT_FULL);
  return check_report();
}
