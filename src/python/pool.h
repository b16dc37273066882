/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of use_pool(): pools over other libraries' allocators, and OpenCV's default
 * allocator. */
#ifndef VIEWCAST_PYTHON_POOL_H
#define VIEWCAST_PYTHON_POOL_H

#include "adapters/opencv.h"

/* The caching pools of torch and CuPy as backends of a vc_pool. Each imports its library; NULL
 * with an ImportError, or a DeviceError where the library has no CUDA. In host mode the library
 * is not needed, and memory comes from the heap. */
vc_pool *ext_torch_pool(void);
vc_pool *ext_cupy_pool(void);

/* OpenCV's default allocator of GpuMats. GpuMat.defaultAllocator() and getStdAllocator() are never
 * called: the object that they return deletes the allocator when it is deallocated. */

/* The address in a new GpuMat's header. */
int ext_default_allocator_read(const ext_opencv *opencv, void **out);

/* Makes the allocator object at an address OpenCV's default, which must live
 * for ever, and checks that new GpuMats carry it. ABIError. */
int ext_default_allocator_set(const ext_opencv *opencv, void *allocator);

#endif
