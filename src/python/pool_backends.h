/* SPDX-License-Identifier: Apache-2.0 */
/* The caching pools of torch and CuPy, as backends of ours. */
#ifndef VIEWCAST_PYTHON_POOL_BACKENDS_H
#define VIEWCAST_PYTHON_POOL_BACKENDS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "viewcast/viewcast.h"

/* Each imports its library and makes the pool over it. In host mode neither is
 * needed: memory then comes from the heap. ImportError, DeviceError where the
 * library has no CUDA. */
vc_pool *ext_torch_pool(void);
vc_pool *ext_cupy_pool(void);

#endif
