/* SPDX-License-Identifier: Apache-2.0 */
/* Other libraries' modules. */
#include "imports.h"

#include "errors.h"

#include <stdlib.h>
#include <string.h>

#include "free_threading.h"

PyObject *ext_imported(const char *module) {
  PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
  PyObject *found = modules ? ext_dict_value(modules, module) : NULL;
  if (!found) PyErr_Clear();
  return found;
}

const char *ext_install(const char *module) {
  static const char *const known[][2] = {
      {"numpy", "pip install numpy"},
      {"torch", "pip install torch"},
      {"cupy", "pip install cupy-cuda13x (or the package for your CUDA)"},
      {"cv2",
       "pip install opencv-python-headless (headers only), or an OpenCV built with CUDA to "
       "compute on a GPU"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(module, known[i][0]) == 0) return known[i][1];
  }
  return "install it";
}

PyObject *ext_import(const char *module) {
  PyObject *imported = PyImport_ImportModule(module);
  if (imported || !PyErr_ExceptionMatches(PyExc_ImportError)) return imported;
  PyObject *raised = ext_exception_take();
  PyErr_Format(PyExc_ImportError, "viewcast needs %s for this conversion: %s (%S)", module,
               ext_install(module), raised);
  Py_DECREF(raised);
  return NULL;
}

PyObject *ext_find(const char *module, const char *holder, const char *name) {
  PyObject *found = PyImport_ImportModule(module);
  if (found && holder) Py_SETREF(found, PyObject_GetAttrString(found, holder));
  if (found) Py_SETREF(found, PyObject_GetAttrString(found, name));
  return found;
}

int ext_load(const char *module, bool *loaded, int (*find)(PyObject *module)) {
  PyObject *imported = ext_import(module);
  if (!imported) return -1;
  ext_loading_begin();
  int result = *loaded ? 0 : find(imported);
  if (result == 0) EXT_WRITE(*loaded, true);
  ext_loading_end();
  Py_DECREF(imported);
  return result;
}

PyObject *ext_import_attribute(const char *module, const char *name, PyObject **cache) {
  PyObject *known = EXT_READ(*cache);
  if (known) return known;
  PyObject *imported = ext_import(module);
  PyObject *found = imported ? PyObject_GetAttrString(imported, name) : NULL;
  Py_XDECREF(imported);
  return ext_keep_first(cache, found);
}

bool ext_is_slow(void) {
  static int known = -1;
  int slow = EXT_READ(known);
  if (slow < 0) {
    const char *value = getenv("VIEWCAST_SLOW");
    slow = value && strcmp(value, "1") == 0;
    EXT_WRITE(known, slow);
  }
  return slow;
}
