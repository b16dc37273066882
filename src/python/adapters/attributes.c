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

/* A method of a class (METH_NOARGS), or a function of a module (METH_O). */
int ext_function_prepare(PyObject *callable, ext_function *out) {
  if (!callable) return -1;
  Py_XSETREF(out->callable, callable);
  out->direct = NULL;
  out->module = NULL;
  if (Py_IS_TYPE(callable, &PyMethodDescr_Type)) {
    const PyMethodDef *method = ((PyMethodDescrObject *)callable)->d_method;
    if (method->ml_flags == METH_NOARGS) out->direct = method->ml_meth;
  } else if (PyCFunction_CheckExact(callable) && PyCFunction_GET_FLAGS(callable) == METH_O) {
    out->direct = PyCFunction_GET_FUNCTION(callable);
    out->module = PyCFunction_GET_SELF(callable);
    if (!out->module) out->direct = NULL;
  }
  return 0;
}

int ext_read_size(PyObject *answer, uintptr_t *out) {
  *out = answer ? (uintptr_t)PyLong_AsUnsignedLongLong(answer) : 0;
  Py_XDECREF(answer);
  return PyErr_Occurred() ? -1 : 0;
}

bool ext_lies_within(const vc_view *view, uintptr_t start, uintptr_t bytes) {
  int64_t low, high;
  if (vc_view_is_empty(view)) return true;
  vc_view_span(view, &low, &high);
  uintptr_t first = (uintptr_t)view->data + (uintptr_t)low;
  uintptr_t end = (uintptr_t)view->data + (uintptr_t)high;
  return first >= start && first <= end && end - start <= bytes;
}
