/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCV's default allocator of GpuMats, read and changed.
 *
 * GpuMat.defaultAllocator() and getStdAllocator() are never called: what they
 * return deletes the allocator itself when it dies. */
#ifndef VP_DEFAULT_ALLOCATOR_H
#define VP_DEFAULT_ALLOCATOR_H

#include "adapters/opencv.h"

/* The address in a new GpuMat's header. */
int vp_default_allocator_read(const vp_opencv *opencv, void **out);

/* Makes the allocator object at an address OpenCV's default, which must live
 * for ever, and checks that new GpuMats carry it. ABIError. */
int vp_default_allocator_set(const vp_opencv *opencv, void *allocator);

#endif
