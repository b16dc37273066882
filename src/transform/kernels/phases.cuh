/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels whose threads share memory are written as phases, between which the threads of a block
 * wait for each other. The tests run them on the host too: each phase of all threads of a block,
 * then the next phase (tests/c/cuda_on_host.hpp has a run_phases of its own).
 *
 * A Kernel has the types
 *   parameters, shared (one for a block) and own (one for a thread),
 * and the functions
 *   prepare(parameters, shared, own) and begin(parameters, shared, own),
 *   rounds(parameters, shared): how often the next two follow, the same for all threads,
 *   load(parameters, shared, own, round) and use(parameters, shared, own, round),
 *   end(parameters, shared, own). */
#ifndef VIEWCAST_KERNELS_PHASES_CUH
#define VIEWCAST_KERNELS_PHASES_CUH

#include "kernels/vector_io.cuh"

#ifndef VC_PHASES_ON_HOST
template <class Kernel>
VC_DEVICE void run_phases(const typename Kernel::parameters &p) {
  __shared__ typename Kernel::shared shared;
  typename Kernel::own own;
  Kernel::prepare(p, shared, own);
  __syncthreads();
  Kernel::begin(p, shared, own);
  __syncthreads();
  for (int32_t round = 0; round < Kernel::rounds(p, shared); round++) {
    Kernel::load(p, shared, own, round);
    __syncthreads();
    Kernel::use(p, shared, own, round);
    __syncthreads();
  }
  Kernel::end(p, shared, own);
}
#endif

/* The functions of a kernel that has no rounds. */
template <class Shared>
struct no_rounds {
  typedef vc_resizing parameters;
  typedef Shared shared;
  struct own {};
  VC_DEVICE_MEMBER int32_t rounds(const vc_resizing &, const Shared &) { return 0; }
  VC_DEVICE_MEMBER void load(const vc_resizing &, Shared &, own &, int32_t) {}
  VC_DEVICE_MEMBER void use(const vc_resizing &, Shared &, own &, int32_t) {}
};

#endif
