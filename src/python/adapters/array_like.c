/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/array_like.h"

#include "adapters/adapter.h"
#include "errors.h"
#include "imports.h"

int ext_is_array_like(PyObject *object) {
  static const char *const names[] = {"__array_interface__", "__array_struct__", "__array__"};
  for (int i = 0; i < 3; i++) {
    PyObject *found = PyObject_GetAttrString(object, names[i]);
    Py_XDECREF(found);
    if (found) return 1;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
  }
  return 0;
}

int ext_import_array_like(PyObject *object, const ext_options *options, ext_source *out) {
  PyObject *numpy = ext_import("numpy");
  PyObject *array = numpy ? PyObject_CallMethod(numpy, "asarray", "O", object) : NULL;
  Py_XDECREF(numpy);
  if (!array) {
    return ext_raise_from("numpy.asarray() makes no array of this %.200s",
                          Py_TYPE(object)->tp_name);
  }
  int result = ext_numpy_adapter.import(array, options, out);
  Py_DECREF(array);
  return result;
}
