/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of Savant's savant.utils.memory_repr and memory_repr_pytorch. */
#ifndef VIEWCAST_PYTHON_SAVANT_H
#define VIEWCAST_PYTHON_SAVANT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Methods of the module, NULL-terminated. */
extern PyMethodDef ext_savant_methods[];

#endif
