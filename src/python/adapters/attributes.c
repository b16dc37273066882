/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of other libraries' objects. */
#include "adapters/attributes.h"

#include "errors.h"

/* --- shapes and strides */

int ext_axes_read(PyObject *tuple, int64_t *out, int32_t *ndim) {
  if (!PyTuple_Check(tuple)) {
    return ext_refuse(PyExc_TypeError, "axes are a %.100s, need a tuple", Py_TYPE(tuple)->tp_name);
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

/* --- classes and their objects */

int ext_find_attribute(PyObject *class, const char *name, PyObject **out) {
  PyObject *found = PyObject_GetAttrString(class, name);
  if (found && !Py_TYPE(found)->tp_descr_get) {
    PyErr_Format(PyExc_AttributeError, "%R.%s is no attribute of its objects", class, name);
    Py_CLEAR(found);
  }
  Py_XSETREF(*out, found);
  return found ? 0 : -1;
}

PyObject *ext_ask(PyObject *attribute, PyObject *object) {
  return Py_TYPE(attribute)->tp_descr_get(attribute, object, (PyObject *)Py_TYPE(object));
}
