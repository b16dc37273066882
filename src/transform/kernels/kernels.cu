/* SPDX-License-Identifier: Apache-2.0 */
/* Instantiates every kernel under the name by which the host looks it up (dispatch.c). */
#include "kernels/area.cuh"
#include "kernels/fast.cuh"
#include "kernels/generic.cuh"
#include "kernels/intrinsics.cuh"
#include "kernels/linear.cuh"
#include "kernels/pillow.cuh"
#include "kernels/pillow_yuv.cuh"
#include "kernels/read_yuv.cuh"
#include "kernels/resize.cuh"
#include "kernels/write_yuv.cuh"
#include "kernels/yuv.cuh"

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
RESIZE(pillow_yuv, resize_pillow_yuv, VC_PILLOW_YUV_BLOCKS)
RESIZE(area, resize_area, VC_AREA_BLOCKS)

#define LINEAR(name, to, rows, out, blocks)  \
  typedef resize_linear<to, rows, out> name; \
  RESIZE(name, name, blocks)
#define PACKED(to, in, out) \
  LINEAR(linear_##to##_##in##_##out, to, packed_rows<in>, out, VC_LINEAR_BLOCKS)
#define YUV(sample)                        \
  typedef resize_yuv<sample> yuv_##sample; \
  RESIZE(yuv_##sample, yuv_##sample, VC_YUV_BLOCKS((int)sizeof(sample)))
VC_LINEAR_KERNELS(PACKED)
VC_YUV_KERNELS(YUV)

#define READ(groups)                                                     \
  extern "C" __global__ void __launch_bounds__(VC_BLOCK, VC_READ_BLOCKS) \
      vc_read_yuv_##groups(const __grid_constant__ vc_resizing p) {      \
    run_phases<read_yuv<groups>>(p);                                     \
  }
VC_READ_KERNELS(READ)

static_assert(sizeof(vc_yuv_writing) < 4096, "more than every GPU's parameters");

KERNEL vc_write_yuv(const __grid_constant__ vc_yuv_writing p) { write_yuv(p); }
