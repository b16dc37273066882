/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/axes.h"

#include "errors.h"

int ext_axes_read(PyObject *tuple, int64_t *out, int32_t *ndim) {
  if (!PyTuple_Check(tuple)) {
    PyErr_Format(PyExc_TypeError, "axes are a %.100s, need a tuple", Py_TYPE(tuple)->tp_name);
    return -1;
  }
  Py_ssize_t count = PyTuple_GET_SIZE(tuple);
  if (count > VC_MAX_NDIM) {
    return ext_fail(VC_ERROR_LAYOUT, "the array has %zd axes, needs 1 to %d; index or reshape it",
                    count, VC_MAX_NDIM);
  }
  for (Py_ssize_t i = 0; i < count; i++) {
    out[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(tuple, i));
    if (out[i] == -1 && PyErr_Occurred()) return -1;
  }
  *ndim = (int32_t)count;
  return 0;
}

PyObject *ext_axes_tuple(const int64_t *values, int32_t count) {
  PyObject *tuple = PyTuple_New(count);
  for (int32_t i = 0; tuple && i < count; i++) {
    PyObject *value = PyLong_FromLongLong(values[i]);
    if (!value) {
      Py_CLEAR(tuple);
    } else {
      PyTuple_SET_ITEM(tuple, i, value);
    }
  }
  return tuple;
}
