/* SPDX-License-Identifier: Apache-2.0 */
// OpenCV's names for the stand-in of GpuMat: sources that include this header compile without
// OpenCV. STANDIN_OPENCV in the environment says which build it stands in for: cuda4 (the
// default), cuda5, stock4 or stock5.
#ifndef VIEWCAST_TESTS_OPENCV_STANDIN_HPP
#define VIEWCAST_TESTS_OPENCV_STANDIN_HPP

#include <cstdlib>
#include <cstring>

#include "../../../gpumat_standin.hpp"

namespace standin {

inline bool load(const char *name) {
  if (name == nullptr || std::strlen(name) < 5) return false;
  library.build = std::strncmp(name, "stock", 5) != 0 ? Build::cuda
                  : name[5] == '5'                    ? Build::stock5
                                                      : Build::stock4;
  library.channel_shift = name[std::strlen(name) - 1] == '5' ? 5 : 3;
  return true;
}

inline const bool loaded = load(std::getenv("STANDIN_OPENCV"));

} // namespace standin

#ifndef CV_CN_SHIFT
#  define CV_CN_SHIFT standin::library.channel_shift
#endif

namespace cv {

using standin::Range;
using standin::Rect;

namespace cuda {
using standin::GpuMat;
}

} // namespace cv

#endif
