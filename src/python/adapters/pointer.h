/* SPDX-License-Identifier: Apache-2.0 */
/* from_pointer: memory of which nothing is known but what the caller says. */
#ifndef VP_POINTER_H
#define VP_POINTER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Methods of the module, NULL-terminated. */
extern PyMethodDef vp_pointer_methods[];

#endif
