/* SPDX-License-Identifier: Apache-2.0 */
/* What objects of other libraries say of themselves: shapes and strides as tuples; what a
 * library's class says of an object, whatever a subclass overrides it with; and whether what a
 * subclass says can be so. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_ATTRIBUTES_H
#define VIEWCAST_PYTHON_ADAPTERS_ATTRIBUTES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "viewcast/viewcast.h"

/* Reads a tuple of up to VC_MAX_NDIM integers. LayoutError for more, TypeError
 * or OverflowError for what is no integer. */
int ext_axes_read(PyObject *tuple, int64_t *out, int32_t *ndim);

/* New reference. */
PyObject *ext_axes_tuple(const int64_t *values, int32_t count);

/* Finds a class's attribute of its objects (a property, a field), to be given to ext_ask.
 * It goes into *out, which is NULL or strong. -1 with an exception. */
int ext_find_attribute(PyObject *class, const char *name, PyObject **out);

/* What such an attribute says of an object of the class or a subclass. New reference. */
PyObject *ext_ask(PyObject *attribute, PyObject *object);

/* A function of one object, ready to be called: where it is one of C's that takes no
 * other argument, without what a call from Python costs. */
typedef struct ext_function {
  PyObject *callable; /* strong */
  PyCFunction direct; /* or NULL */
  PyObject *module;   /* of a function of a module (borrowed); NULL for a method */
} ext_function;

/* Takes the callable (NULL with an exception). */
int ext_function_prepare(PyObject *callable, ext_function *out);

static inline PyObject *ext_call(const ext_function *function, PyObject *object) {
  if (!function->direct) return PyObject_CallOneArg(function->callable, object);
  return function->module ? function->direct(function->module, object)
                          : function->direct(object, NULL);
}

/* Takes an answer (NULL with an exception). 1 or 0; -1 with an exception. */
static inline int ext_read_truth(PyObject *answer) {
  int truth = answer ? PyObject_IsTrue(answer) : -1;
  Py_XDECREF(answer);
  return truth;
}

/* Takes an answer (NULL with an exception) that is an address or a count of bytes. */
int ext_read_size(PyObject *answer, uintptr_t *out);

/* True for a view that is empty, or lies in these bytes altogether. */
bool ext_lies_within(const vc_view *view, uintptr_t start, uintptr_t bytes);

#endif
