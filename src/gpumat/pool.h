/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator object of pooled GpuMats, for the rest of the library. */
#ifndef VIEWCAST_GPUMAT_POOL_H
#define VIEWCAST_GPUMAT_POOL_H

#include "gpumat/lend.h"

/* The object behind vc_pool_allocator. */
extern vc_allocator_object vc_pool_allocator_object;

/* Device of the memory behind a pooled header. */
vc_device vc_pool_device(const vc_gpumat *mat);

/* The block behind a pooled header. */
void *vc_pool_block_of(const vc_gpumat *mat);

/* Gives one reference to a block back; the owner of vc_gpumat_share calls it. */
void vc_pool_give_back(void *context);

#endif
