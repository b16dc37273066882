/* SPDX-License-Identifier: Apache-2.0 */
#include "gpumat/free_list.h"

#include <pthread.h>

#include "core/allocate.h"
#include "core/lock.h"

struct vc_block_lists {
  vc_block *first[VC_BLOCK_CLASSES];
};

/* --- size classes */

enum { GRAIN = 512, STEPS = 8, LINEAR_UP_TO = GRAIN * STEPS, FIRST_DOUBLING = 12 };

int32_t vc_block_class(size_t bytes) {
  size_t last = bytes ? bytes - 1 : 0;
  if (last < LINEAR_UP_TO) return (int32_t)(last / GRAIN);
  int32_t doubling = 63 - __builtin_clzll((unsigned long long)last);
  int32_t step = (int32_t)(last >> (doubling - 3)) - STEPS;
  int32_t size_class = STEPS + (doubling - FIRST_DOUBLING) * STEPS + step;
  return size_class < VC_BLOCK_CLASSES ? size_class : -1;
}

size_t vc_block_class_bytes(int32_t size_class) {
  if (size_class < STEPS) return (size_t)(size_class + 1) * GRAIN;
  int32_t doubling = FIRST_DOUBLING + (size_class - STEPS) / STEPS;
  return (size_t)(STEPS + size_class % STEPS + 1) << (doubling - 3);
}

/* --- the lock */

static vc_lock lock = VC_LOCK_INITIALIZER;

void vc_block_lock(void) { vc_lock_take(&lock); }
void vc_block_unlock(void) { vc_lock_give(&lock); }

static void keep_lock(void) { vc_lock_keep(&lock); }

/* --- the lists */

bool vc_block_reserve(vc_block_cache *cache, int32_t device) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, keep_lock);
  if (device < 0 || device >= VC_MAX_DEVICES) return false;
  vc_block_lock();
  if (!cache->devices[device]) cache->devices[device] = vc_calloc(sizeof(vc_block_lists));
  bool there = cache->devices[device] != NULL;
  vc_block_unlock();
  return there;
}

vc_block *vc_block_take(vc_block_cache *cache, int32_t device, int32_t size_class) {
  if (device < 0 || device >= VC_MAX_DEVICES) return NULL;
  vc_block *block = NULL;
  vc_block_lock();
  if (cache->devices[device]) {
    vc_block **first = &cache->devices[device]->first[size_class];
    block = *first;
    if (block) *first = block->next;
  }
  vc_block_unlock();
  return block;
}

void vc_block_put(vc_block_cache *cache, vc_block *block) {
  vc_block_lock();
  vc_block **first = &cache->devices[block->device.id]->first[block->size_class];
  block->next = *first;
  *first = block;
  vc_block_unlock();
}

vc_block *vc_block_take_all(vc_block_cache *cache, int32_t device) {
  vc_block *all = NULL;
  vc_block_lock();
  for (int32_t i = 0; cache->devices[device] && i < VC_BLOCK_CLASSES; i++) {
    vc_block **first = &cache->devices[device]->first[i];
    while (*first) {
      vc_block *block = *first;
      *first = block->next;
      block->next = all;
      all = block;
    }
  }
  vc_block_unlock();
  return all;
}
