/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCV's default allocator of GpuMats, read and changed.
 *
 * GpuMat.defaultAllocator() and getStdAllocator() are never called: what they
 * return deletes the allocator itself when it dies. */
#ifndef VIEWCAST_PYTHON_DEFAULT_ALLOCATOR_H
#define VIEWCAST_PYTHON_DEFAULT_ALLOCATOR_H

#include "adapters/opencv.h"

/* The address in a new GpuMat's header. */
int ext_default_allocator_read(const ext_opencv *opencv, void **out);

/* Makes the allocator object at an address OpenCV's default, which must live
 * for ever, and checks that new GpuMats carry it. ABIError. */
int ext_default_allocator_set(const ext_opencv *opencv, void *allocator);

#endif
