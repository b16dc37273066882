/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of src/transform/kernels, compiled for the host: what the simulated
 * driver runs. */
#include "cuda_on_host.hpp"

#include "kernels/kernels.cu"

#include "kernels_on_host.h"

typedef void (*step_function)(void **parameters);

struct entry {
  const char *name;
  step_function step; /* one thread; all threads of a block where the kernel has phases */
  bool has_phases;
};

#define GENERIC_STEPS(name, work)                                                                 \
  {"vc_generic_" #name, [](void **p) { vc_generic_##name(*(vc_generic *)p[0]); }, false},         \
      {"vc_generic_" #name "_more",                                                               \
       [](void **p) { vc_generic_##name##_more(*(vc_generic *)p[0], *(vc_generic_more *)p[1]); }, \
       false},

#define FAST_STEPS(family, from, to, channels)                                                 \
  {"vc_" #family "_" #from "_" #to "_" #channels,                                              \
   [](void **p) { vc_##family##_##from##_##to##_##channels(*(vc_fast *)p[0]); }, false},       \
      {"vc_" #family "_" #from "_" #to "_" #channels "_list",                                  \
       [](void **p) {                                                                          \
         vc_##family##_##from##_##to##_##channels##_list(*(vc_fast *)p[0], *(vc_table *)p[1]); \
       },                                                                                      \
       false},

#define RESIZE_STEPS(name) {#name, [](void **p) { name(*(vc_resizing *)p[0]); }, true},
#define LINEAR_STEPS(to, in, out) RESIZE_STEPS(vc_resize_linear_##to##_##in##_##out)
#define READ_STEPS(groups) RESIZE_STEPS(vc_read_yuv_##groups)
#define YUV_STEPS(sample) RESIZE_STEPS(vc_resize_yuv_##sample)
#define WRITE_STEPS \
  {"vc_write_yuv", [](void **p) { vc_write_yuv(*(vc_yuv_writing *)p[0]); }, false},

static const entry entries[] = {
    VC_GENERIC_KERNELS(GENERIC_STEPS) VC_FAST_KERNELS(FAST_STEPS) RESIZE_STEPS(vc_resize_any)
        RESIZE_STEPS(vc_resize_pillow) RESIZE_STEPS(vc_resize_pillow_yuv)
            RESIZE_STEPS(vc_resize_area) VC_LINEAR_KERNELS(LINEAR_STEPS) VC_YUV_KERNELS(YUV_STEPS)
                VC_READ_KERNELS(READ_STEPS) WRITE_STEPS};

static const entry *find(const char *name) {
  for (const entry &each : entries) {
    if (strcmp(each.name, name) == 0) return &each;
  }
  return nullptr;
}

extern "C" int run_kernel(const char *name, const unsigned sizes[6], void **parameters) {
  const entry *kernel = find(name);
  if (!kernel) return 500; /* CUDA_ERROR_NOT_FOUND */
  long before = misaligned;
  unsigned threads = kernel->has_phases ? 1 : sizes[3];
  blockDim = {sizes[3], sizes[4], sizes[5]};
  for (blockIdx.z = 0; blockIdx.z < sizes[2]; blockIdx.z++) {
    for (blockIdx.y = 0; blockIdx.y < sizes[1]; blockIdx.y++) {
      for (blockIdx.x = 0; blockIdx.x < sizes[0]; blockIdx.x++) {
        for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++) kernel->step(parameters);
      }
    }
  }
  return misaligned == before ? 0 : 716; /* CUDA_ERROR_MISALIGNED_ADDRESS */
}
