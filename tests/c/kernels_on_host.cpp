/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of src/transform/kernels, compiled for the host: what the simulated
 * driver runs. */
#include "cuda_on_host.hpp"

#include "kernels/kernels.cu"

#include "kernels_on_host.h"

typedef void (*step_function)(void **parameters);

struct entry {
  const char *name;
  step_function step; /* one thread */
};

#define GENERIC_STEPS(name, work)                                                  \
  {"vc_generic_" #name, [](void **p) { vc_generic_##name(*(vc_generic *)p[0]); }}, \
      {"vc_generic_" #name "_more",                                                \
       [](void **p) { vc_generic_##name##_more(*(vc_generic *)p[0], *(vc_generic_more *)p[1]); }},

#define FAST_STEPS(family, from, to, channels)                                                 \
  {"vc_" #family "_" #from "_" #to "_" #channels,                                              \
   [](void **p) { vc_##family##_##from##_##to##_##channels(*(vc_fast *)p[0]); }},              \
      {"vc_" #family "_" #from "_" #to "_" #channels "_list", [](void **p) {                   \
         vc_##family##_##from##_##to##_##channels##_list(*(vc_fast *)p[0], *(vc_table *)p[1]); \
       }},

static const entry entries[] = {VC_GENERIC_KERNELS(GENERIC_STEPS) VC_FAST_KERNELS(FAST_STEPS)};

static step_function find(const char *name) {
  for (const entry &each : entries) {
    if (strcmp(each.name, name) == 0) return each.step;
  }
  return nullptr;
}

extern "C" int run_kernel(const char *name, const unsigned sizes[6], void **parameters) {
  step_function step = find(name);
  if (!step) return 500; /* CUDA_ERROR_NOT_FOUND */
  long before = misaligned;
  blockDim = {sizes[3], sizes[4], sizes[5]};
  for (blockIdx.z = 0; blockIdx.z < sizes[2]; blockIdx.z++) {
    for (blockIdx.y = 0; blockIdx.y < sizes[1]; blockIdx.y++) {
      for (blockIdx.x = 0; blockIdx.x < sizes[0]; blockIdx.x++) {
        for (threadIdx.x = 0; threadIdx.x < sizes[3]; threadIdx.x++) step(parameters);
      }
    }
  }
  return misaligned == before ? 0 : 716; /* CUDA_ERROR_MISALIGNED_ADDRESS */
}
