/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of other libraries' objects: shapes and strides as tuples, and the answer of a
 * library's own class, even if a subclass overrides it. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_ATTRIBUTES_H
#define VIEWCAST_PYTHON_ADAPTERS_ATTRIBUTES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

/* Reads a tuple of up to VC_MAX_NDIM integers. LayoutError for more, TypeError
 * or OverflowError for what is no integer. */
int ext_axes_read(PyObject *tuple, int64_t *out, int32_t *ndim);

/* New reference. */
PyObject *ext_axes_tuple(const int64_t *values, int32_t count);

/* Finds a property or field of a class, to be passed to ext_ask. *out is NULL or a strong
 * reference, which is replaced. -1 with an exception. */
int ext_find_attribute(PyObject *class, const char *name, PyObject **out);

/* The value of such an attribute for an object of the class or a subclass. New reference. */
PyObject *ext_ask(PyObject *attribute, PyObject *object);

#endif
