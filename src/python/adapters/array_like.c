/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/array_like.h"

#include "adapters/adapter.h"
#include "errors.h"
#include "imports.h"

bool vp_is_array_like(PyObject *object) {
  bool is = PyObject_HasAttrString(object, "__array_interface__") ||
            PyObject_HasAttrString(object, "__array_struct__") ||
            PyObject_HasAttrString(object, "__array__");
  PyErr_Clear();
  return is;
}

int vp_import_array_like(PyObject *object, const vp_options *options, vp_source *out) {
  PyObject *numpy = vp_import("numpy", "pip install numpy");
  PyObject *array = numpy ? PyObject_CallMethod(numpy, "asarray", "O", object) : NULL;
  Py_XDECREF(numpy);
  if (!array) {
    return vp_raise_from("numpy.asarray() makes no array of this %.200s", Py_TYPE(object)->tp_name);
  }
  int result = vp_numpy_adapter.import(array, options, out);
  Py_DECREF(array);
  return result;
}
