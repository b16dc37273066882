/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and strides as Python tuples. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_AXES_H
#define VIEWCAST_PYTHON_ADAPTERS_AXES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "viewcast/viewcast.h"

/* Reads a tuple of up to VC_MAX_NDIM integers. LayoutError for more, TypeError
 * or OverflowError for what is no integer. */
int ext_axes_read(PyObject *tuple, int64_t *out, int32_t *ndim);

/* New reference. */
PyObject *ext_axes_tuple(const int64_t *values, int32_t count);

#endif
