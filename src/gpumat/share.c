/* SPDX-License-Identifier: Apache-2.0 */
/* References to a GpuMat's memory, taken and released by OpenCV's rules. */
#include <stdlib.h>

#include "core/allocate.h"
#include "core/error.h"
#include "core/owner.h"
#include "cuda/device.h"
#include "gpumat/header.h"
#include "gpumat/lend.h"
#include "gpumat/pool.h"

/* A reference to memory of OpenCV's standard allocator. */
typedef struct {
  vc_gpumat header; /* what allocator->free is given: a copy with this memory */
  int32_t device;   /* CUDA ordinal; -1 for host memory */
} standard_share;

/* Frees the memory as GpuMat::release() does, in the memory's context. */
static void free_memory(standard_share *share) {
  void *allocator = share->header.allocator;
  vc_entered entered = {.entry = VC_ENTRY_AS_IT_WAS};
  if (share->device >= 0) entered = vc_cuda_enter(share->device);
  if (entered.entry != VC_ENTRY_GONE) {
    vc_allocator_table_of(allocator)->free(allocator, &share->header);
  }
  vc_cuda_leave(entered);
}

static void give_back_standard(void *context) {
  standard_share *share = context;
  if (vc_counter_give_back(share->header.refcount)) free_memory(share);
  free(share);
  VC_COUNT(shares_released, 1);
}

static vc_status fail_released(vc_error *error) {
  return vc_fail(error, VC_ERROR_VALUE,
                 "the GpuMat is being released by another thread; keep a GpuMat of its own "
                 "in each thread");
}

static vc_status share_standard(const vc_gpumat *mat, int32_t device, vc_owner *owner,
                                vc_error *error) {
  standard_share *share = vc_malloc(sizeof *share);
  if (!share) return vc_fail(error, VC_ERROR_MEMORY, "no memory to share a GpuMat");
  if (!vc_counter_take(mat->refcount)) {
    free(share);
    return fail_released(error);
  }
  share->header = *mat;
  share->device = device;
  *owner = (vc_owner){share, give_back_standard, true};
  VC_COUNT(shares, 1);
  return VC_OK;
}

static vc_status share_lent(const vc_gpumat_abi *abi, const vc_gpumat *mat, vc_owner *owner,
                            vc_error *error) {
  if (abi->counting == VC_REFCOUNT_UP_ONLY) {
    return vc_fail(error, VC_ERROR_ABI,
                   "this OpenCV (4.x without CUDA) can't take a reference back; keep the "
                   "GpuMat object alive instead");
  }
  if (!vc_counter_take(mat->refcount)) return fail_released(error);
  *owner = (vc_owner){vc_lend_of(mat), vc_lend_give_back, true};
  VC_COUNT(shares, 1);
  return VC_OK;
}

static vc_status share_pooled(const vc_gpumat *mat, vc_owner *owner, vc_error *error) {
  if (!vc_counter_take(mat->refcount)) return fail_released(error);
  *owner = (vc_owner){vc_pool_block_of(mat), vc_pool_give_back, true};
  VC_COUNT(shares, 1);
  return VC_OK;
}

/* CUDA ordinal of OpenCV's own memory, or -1; with one GPU there is nothing to ask. */
static vc_status find_device(const vc_gpumat *mat, int32_t *out, vc_error *error) {
  vc_device device = {VC_CUDA, 0};
  if (vc_cuda_device_count() != 1) VC_TRY(vc_cuda_pointer_device(mat->data, &device, error));
  *out = device.type == VC_CPU ? -1 : device.id;
  return VC_OK;
}

vc_status vc_gpumat_share(const vc_gpumat_abi *abi, const vc_gpumat *mat, vc_owner *owner,
                          vc_error *error) {
  VC_NEED(abi);
  VC_NEED(mat);
  VC_NEED(owner);
  int32_t device;
  switch (vc_gpumat_ownership(abi, mat)) {
    case VC_OWNERSHIP_LENT: return share_lent(abi, mat, owner, error);
    case VC_OWNERSHIP_STANDARD:
      VC_TRY(find_device(mat, &device, error));
      return share_standard(mat, device, owner, error);
    case VC_OWNERSHIP_POOLED: return share_pooled(mat, owner, error);
    case VC_OWNERSHIP_FOREIGN:
      return vc_fail(error, VC_ERROR_LAYOUT,
                     "the GpuMat's memory belongs to another allocator (a BufferPool or one set "
                     "with setDefaultAllocator) that may take it back; clone() the GpuMat "
                     "first");
    case VC_OWNERSHIP_EMPTY:
    case VC_OWNERSHIP_UNOWNED:
    default: *owner = (vc_owner){0}; return VC_OK;
  }
}
