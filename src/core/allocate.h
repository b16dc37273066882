/* SPDX-License-Identifier: Apache-2.0 */
/* The functions by which the library asks for memory; it uses no others. A build with
 * -DVC_FAULTS leaves them to a test, which decides which call fails. */
#ifndef VIEWCAST_CORE_ALLOCATE_H
#define VIEWCAST_CORE_ALLOCATE_H

#include <stdlib.h>

#ifdef VC_FAULTS
void *vc_malloc(size_t bytes);
void *vc_calloc(size_t bytes);
void *vc_aligned_alloc(size_t alignment, size_t bytes);
#else
#  define vc_malloc(bytes) malloc(bytes)
#  define vc_calloc(bytes) calloc(1, bytes)
#  define vc_aligned_alloc(alignment, bytes) aligned_alloc(alignment, bytes)
#endif

#endif
