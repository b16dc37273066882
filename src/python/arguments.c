/* SPDX-License-Identifier: Apache-2.0 */
#include "arguments.h"

static int index_of(const vp_signature *signature, PyObject *name) {
  for (int i = 0; signature->names[i]; i++) {
    if (PyUnicode_CompareWithASCIIString(name, signature->names[i]) == 0) return i;
  }
  return -1;
}

static int take_keyword(const vp_signature *signature, PyObject *name, PyObject *value,
                        PyObject **values) {
  int index = index_of(signature, name);
  if (index < 0) {
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                 signature->function, name);
    return -1;
  }
  if (values[index]) {
    PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'",
                 signature->function, name);
    return -1;
  }
  values[index] = value;
  return 0;
}

int vp_arguments(const vp_signature *signature, PyObject *const *args, Py_ssize_t count,
                 PyObject *kwnames, PyObject **values) {
  if (count > signature->positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd were given",
                 signature->function, signature->positional,
                 signature->positional == 1 ? "" : "s", count);
    return -1;
  }
  for (int i = 0; signature->names[i]; i++) values[i] = i < count ? args[i] : NULL;
  Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; i++) {
    PyObject *name = PyTuple_GET_ITEM(kwnames, i);
    if (take_keyword(signature, name, args[count + i], values) < 0) return -1;
  }
  for (int i = 0; i < signature->positional; i++) {
    if (values[i]) continue;
    PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", signature->function,
                 signature->names[i]);
    return -1;
  }
  return 0;
}

int vp_argument_bool(PyObject *value, int fallback) {
  return value ? PyObject_IsTrue(value) : fallback;
}
