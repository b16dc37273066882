/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of other libraries' objects: shapes and strides as tuples; the answer of a library's
 * own class, even if a subclass overrides it; and checks of what a subclass answers. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_ATTRIBUTES_H
#define VIEWCAST_PYTHON_ADAPTERS_ATTRIBUTES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "internal.h"

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

/* A function of one object. One that is implemented in C and takes no other argument is called
 * directly, without the cost of a call through Python. */
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

/* True for a view that is empty or lies within these bytes. */
bool ext_lies_within(const vc_view *view, uintptr_t start, uintptr_t bytes);

#endif
