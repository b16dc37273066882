/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of pooled memory, their size classes, and the lists of free blocks. */
#ifndef VIEWCAST_GPUMAT_FREE_LIST_H
#define VIEWCAST_GPUMAT_FREE_LIST_H

#include "cuda/driver.h"
#include "gpumat/stream_set.h"

#define VC_BLOCK_CLASSES 296

typedef struct vc_block {
  int32_t count; /* GpuMat::refcount points here: first, so that it finds us */
  vc_device device;
  int32_t size_class;
  vc_pool *pool;
  void *memory;
  size_t bytes;
  /* Of a block in use: the streams that its memory may be used on. Of a free
   * one: those that the legacy stream has yet to wait for. */
  vc_stream_set *streams;
  struct vc_block *next; /* in a list */
} vc_block;

/* Free blocks of one pool. */
typedef struct vc_block_lists vc_block_lists;
typedef struct vc_block_cache {
  vc_block_lists *devices[VC_MAX_DEVICES];
} vc_block_cache;

/* The smallest class that holds `bytes`; -1 if none does. Classes are 512 bytes apart up to
 * 4 KiB, then there are 8 for each doubling: an eighth is wasted at most. */
int32_t vc_block_class(size_t bytes);

/* Bytes of a block of that class, a multiple of 512. */
size_t vc_block_class_bytes(int32_t size_class);

/* Makes the lists of a device, so that vc_block_put can't fail. */
bool vc_block_reserve(vc_block_cache *cache, int32_t device);

/* The block that was put last; NULL if there is none. */
vc_block *vc_block_take(vc_block_cache *cache, int32_t device, int32_t size_class);

void vc_block_put(vc_block_cache *cache, vc_block *block);

/* All free blocks of a device, chained by `next`. */
vc_block *vc_block_take_all(vc_block_cache *cache, int32_t device);

/* The lock of all caches (core/lock.h), also for other state of pools. Held for a few
 * instructions only. */
void vc_block_lock(void);
void vc_block_unlock(void);

#endif
