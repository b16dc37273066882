/* SPDX-License-Identifier: Apache-2.0 */
/* Memory lent to GpuMat headers, the reference count that they share, and the allocator
 * object that they point at. */
#ifndef VIEWCAST_GPUMAT_LEND_H
#define VIEWCAST_GPUMAT_LEND_H

#include "viewcast/viewcast.h"

/* OpenCV's operations on GpuMat::refcount, atomic as its CV_XADD is. */
bool vc_counter_take(int32_t *counter);      /* +1 unless it is 0; false if 0 */
bool vc_counter_give_back(int32_t *counter); /* -1; true if that made it 0 */
int32_t vc_counter_read(const int32_t *counter);

/* Slots of cv::cuda::GpuMat::Allocator's virtual table (Itanium C++ ABI). */
typedef struct vc_allocator_table {
  ptrdiff_t offset_to_top;
  const void *type_info;
  void (*complete_destructor)(void *self); /* the address point */
  void (*deleting_destructor)(void *self);
  bool (*allocate)(void *self, vc_gpumat *mat, int rows, int cols, size_t elem_size);
  void (*free)(void *self, vc_gpumat *mat);
} vc_allocator_table;

/* The table of an allocator: an object with virtual functions begins with the address point
 * of its table. */
static inline const vc_allocator_table *vc_allocator_table_of(const void *allocator) {
  const char *address_point = *(const char *const *)allocator;
  return (const void *)(address_point - offsetof(vc_allocator_table, complete_destructor));
}

/* An object of the class, without members. */
typedef struct vc_allocator_object {
  const void *table;
} vc_allocator_object;

/* Slots of std::_Sp_counted_base's virtual table (Itanium C++ ABI). */
typedef struct vc_control_table {
  ptrdiff_t offset_to_top;
  const void *type_info;
  void (*complete_destructor)(void *self); /* the address point */
  void (*deleting_destructor)(void *self);
  void (*dispose)(void *self); /* the last shared_ptr is gone */
  void (*destroy)(void *self); /* and the last weak_ptr */
  void *(*get_deleter)(void *self, const void *type_info);
} vc_control_table;

/* The allocator object of all lent headers. It is never destroyed. */
extern vc_allocator_object vc_lender;

/* Device of the memory behind a lent header. */
vc_device vc_lend_device(const vc_gpumat *mat);

/* Gives one reference to a lend back; the owner of vc_gpumat_share calls it. */
void vc_lend_give_back(void *context);

/* The lend behind a lent header. */
void *vc_lend_of(const vc_gpumat *mat);

#endif
