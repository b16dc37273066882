/* SPDX-License-Identifier: Apache-2.0 */
/* Instantiates every kernel under the name by which the host looks it up (dispatch.c). */
#include "kernels/area.cuh"
#include "kernels/fast.cuh"
#include "kernels/generic.cuh"
#include "kernels/intrinsics.cuh"
#include "kernels/linear.cuh"
#include "kernels/pillow.cuh"
#include "kernels/resize.cuh"

#define KERNEL extern "C" __global__ void __launch_bounds__(VC_BLOCK)

#define GENERIC(name, work)                                                    \
  KERNEL vc_generic_##name(const __grid_constant__ vc_generic p) {             \
    run_generic<work>(p, nullptr, p.a, p.b);                                   \
  }                                                                            \
  KERNEL vc_generic_##name##_more(const __grid_constant__ vc_generic p,        \
                                  const __grid_constant__ vc_generic_more m) { \
    run_generic<work>(p, m.table.listed, m.a, m.b);                            \
  }
VC_GENERIC_KERNELS(GENERIC)

static_assert(sizeof(vc_fast) + sizeof(vc_table) < 4096, "more than every GPU's parameters");

#define FAST(family, from, to, channels)                                                       \
  typedef family<from, to, channels,                                                           \
                 VC_UNIT_##family((int)sizeof(from::bits), (int)sizeof(to::bits))>             \
      family##_##from##_##to##_##channels;                                                     \
  KERNEL vc_##family##_##from##_##to##_##channels(const __grid_constant__ vc_fast p) {         \
    run_fast<family##_##from##_##to##_##channels, at_strides>(p, nullptr);                     \
  }                                                                                            \
  KERNEL vc_##family##_##from##_##to##_##channels##_list(const __grid_constant__ vc_fast p,    \
                                                         const __grid_constant__ vc_table t) { \
    run_fast<family##_##from##_##to##_##channels, listed>(p, &t);                              \
  }
VC_FAST_KERNELS(FAST)

static_assert(sizeof(vc_resizing) < 4096, "more than every GPU's parameters");

/* `blocks`: for which a processor is to have registers. */
#define RESIZE(name, kernel, blocks)                             \
  extern "C" __global__ void __launch_bounds__(VC_BLOCK, blocks) \
      vc_resize_##name(const __grid_constant__ vc_resizing p) {  \
    run_phases<kernel>(p);                                       \
  }
RESIZE(any, resize_any, VC_ANY_BLOCKS)
RESIZE(pillow, resize_pillow, VC_PILLOW_BLOCKS)
RESIZE(area, resize_area, VC_AREA_BLOCKS)

#define LINEAR(to, in, out)                                      \
  typedef resize_linear<to, in, out> linear_##to##_##in##_##out; \
  RESIZE(linear_##to##_##in##_##out, linear_##to##_##in##_##out, VC_LINEAR_BLOCKS)
VC_LINEAR_KERNELS(LINEAR)
