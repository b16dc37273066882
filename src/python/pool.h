/* SPDX-License-Identifier: Apache-2.0 */
/* use_pool, pool, empty_gpumat and pool_trim. */
#ifndef VP_POOL_H
#define VP_POOL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Methods of the module, NULL-terminated. */
extern PyMethodDef vp_pool_methods[];

#endif
