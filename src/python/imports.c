/* SPDX-License-Identifier: Apache-2.0 */
#include "imports.h"

PyObject *vp_imported(const char *module) {
  PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
  if (!modules) return NULL;
#if PY_VERSION_HEX >= 0x030D0000
  PyObject *found;
  if (PyDict_GetItemStringRef(modules, module, &found) < 0) PyErr_Clear();
  return found;
#else
  return Py_XNewRef(PyDict_GetItemString(modules, module));
#endif
}

PyObject *vp_import(const char *module, const char *install) {
  PyObject *imported = PyImport_ImportModule(module);
  if (imported || !PyErr_ExceptionMatches(PyExc_ImportError)) return imported;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  PyErr_Format(PyExc_ImportError, "viewcast needs %s for this conversion: %s (%S)", module, install,
               value);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(traceback);
  return NULL;
}
