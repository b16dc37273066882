/* SPDX-License-Identifier: Apache-2.0 */
/* The caching pools of torch and CuPy as backends of a vc_pool. */
#ifndef VIEWCAST_PYTHON_POOL_BACKENDS_H
#define VIEWCAST_PYTHON_POOL_BACKENDS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "internal.h"

/* Each imports its library and returns a pool over the library's allocator; NULL with an
 * ImportError, or a DeviceError where the library has no CUDA. In host mode the library is not
 * needed, and memory comes from the heap. */
vc_pool *ext_torch_pool(void);
vc_pool *ext_cupy_pool(void);

#endif
