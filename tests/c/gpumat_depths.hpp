/* SPDX-License-Identifier: Apache-2.0 */
/* The depth numbers of OpenCV 4.x and 5.x, as a table of their own. */
#ifndef VIEWCAST_TESTS_GPUMAT_DEPTHS_HPP
#define VIEWCAST_TESTS_GPUMAT_DEPTHS_HPP

#include <viewcast/viewcast.h>

struct Depth {
  vc_dtype dtype;
  int in_4, in_5; // -1: none
};

inline const Depth depths[] = {
    {{VC_UINT, 8}, 0, 0},     {{VC_INT, 8}, 1, 1},     {{VC_UINT, 16}, 2, 2},
    {{VC_INT, 16}, 3, 3},     {{VC_INT, 32}, 4, 4},    {{VC_FLOAT, 32}, 5, 5},
    {{VC_FLOAT, 64}, 6, 6},   {{VC_FLOAT, 16}, 7, 7},  {{VC_BOOL, 8}, 0, 0},
    {{VC_BFLOAT, 16}, -1, 8}, {{VC_UINT, 64}, -1, 10}, {{VC_INT, 64}, -1, 11},
    {{VC_UINT, 32}, -1, 12},
};

#endif
