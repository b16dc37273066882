/* SPDX-License-Identifier: Apache-2.0 */
/* from_pointer: memory that only the caller can describe. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_POINTER_H
#define VIEWCAST_PYTHON_ADAPTERS_POINTER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Methods of the module, NULL-terminated. */
extern PyMethodDef ext_pointer_methods[];

#endif
