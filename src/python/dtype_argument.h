/* SPDX-License-Identifier: Apache-2.0 */
/* dtype=, of whatever library. */
#ifndef VP_DTYPE_ARGUMENT_H
#define VP_DTYPE_ARGUMENT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "viewcast/viewcast.h"

/* A name ("float16"), a torch, NumPy or CuPy dtype, a NumPy scalar type or
 * Python's bool, int and float (64 bits, as in NumPy and torch). */
int vp_dtype_read(PyObject *object, vc_dtype *out);

#endif
