/* SPDX-License-Identifier: Apache-2.0 */
/* The only way in which the library asks for memory. Built with -DVC_FAULTS it
 * leaves these functions to a test, which says which call of them fails. */
#ifndef VIEWCAST_CORE_ALLOCATE_H
#define VIEWCAST_CORE_ALLOCATE_H

#include <stdlib.h>

#ifdef VC_FAULTS
void *vc_malloc(size_t bytes);
void *vc_calloc(size_t bytes);
void *vc_aligned_alloc(size_t alignment, size_t bytes);
#else
static inline void *vc_malloc(size_t bytes) { return malloc(bytes); }
static inline void *vc_calloc(size_t bytes) { return calloc(1, bytes); }
static inline void *vc_aligned_alloc(size_t alignment, size_t bytes) {
  return aligned_alloc(alignment, bytes);
}
#endif

#endif
