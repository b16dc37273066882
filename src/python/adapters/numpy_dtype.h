/* SPDX-License-Identifier: Apache-2.0 */
/* numpy.dtype objects, which CuPy uses too, and vc_dtype. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_NUMPY_DTYPE_H
#define VIEWCAST_PYTHON_ADAPTERS_NUMPY_DTYPE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "internal.h"

/* Reads a dtype object; DTypeError for what viewcast does not convert. */
int ext_dtype_from_numpy(PyObject *dtype, vc_dtype *out);

/* NumPy's dtype object of a type that viewcast converts. That of bfloat16 is ml_dtypes', without
 * which it is a DTypeError. Borrowed from a cache. */
PyObject *ext_dtype_to_numpy(vc_dtype dtype);

#endif
