/* SPDX-License-Identifier: Apache-2.0 */
/* use_pool, get_pool, empty_gpumat and trim_pool. */
#ifndef VIEWCAST_PYTHON_POOL_H
#define VIEWCAST_PYTHON_POOL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Methods of the module, NULL-terminated. */
extern PyMethodDef ext_pool_methods[];

#endif
