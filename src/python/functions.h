/* SPDX-License-Identifier: Apache-2.0 */
/* The conversions as functions of the module. */
#ifndef VIEWCAST_PYTHON_FUNCTIONS_H
#define VIEWCAST_PYTHON_FUNCTIONS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Methods of the module, NULL-terminated. */
extern PyMethodDef ext_function_methods[];

#endif
