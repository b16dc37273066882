/* SPDX-License-Identifier: Apache-2.0 */
/* Which adapter an object gets: by exact type for OpenCV, before any protocol
 * (its own DLPack is wrong), by class for the others. */
#include <string.h>

#include "adapters/adapter.h"
#include "adapters/opencv.h"
#include "imports.h"
#include "view_object.h"

/* A class that the object may be an instance of, once its module is there. */
typedef struct {
  const char *module, *attribute;
  const vp_adapter *adapter;
  PyTypeObject *type; /* strong, once seen */
} known_class;

static known_class known_classes[] = {
    {"torch", "Tensor", &vp_torch_adapter, NULL},
    {"cupy", "ndarray", &vp_cupy_adapter, NULL},
    {"numpy", "ndarray", &vp_numpy_adapter, NULL},
};

static PyTypeObject *class_of(known_class *known) {
  if (known->type) return known->type;
  PyObject *module = vp_imported(known->module);
  if (!module) return NULL;
  PyObject *type = PyObject_GetAttrString(module, known->attribute);
  if (!type || !PyType_Check(type)) { /* a module still being imported */
    PyErr_Clear();
    Py_XDECREF(type);
    return NULL;
  }
  known->type = (PyTypeObject *)type;
  return known->type;
}

static const vp_adapter *look_up(PyTypeObject *type) {
  if (vp_opencv_is_image_type(type)) {
    bool is_nd = (PyObject *)type == vp_opencv_gpumatnd();
    return is_nd ? &vp_gpumatnd_adapter : &vp_opencv_adapter;
  }
  if (type == vp_view_type) return &vp_view_adapter;
  for (size_t i = 0; i < sizeof known_classes / sizeof *known_classes; i++) {
    PyTypeObject *known = class_of(&known_classes[i]);
    if (known && PyType_IsSubtype(type, known)) return known_classes[i].adapter;
  }
  return &vp_generic_adapter;
}

/* Type to adapter, by address. A cached type is kept alive, so that its
 * address can't become another's. */
#define CACHE_SIZE 64
static struct {
  PyTypeObject *type;
  const vp_adapter *adapter;
} cache[CACHE_SIZE];

const vp_adapter *vp_adapter_of(PyObject *image) {
  PyTypeObject *type = Py_TYPE(image);
  size_t slot = ((uintptr_t)type >> 4) % CACHE_SIZE;
  if (cache[slot].type == type) return cache[slot].adapter;
  const vp_adapter *adapter = look_up(type);
  if (adapter == &vp_generic_adapter) return adapter; /* its library may yet come */
  Py_XSETREF(cache[slot].type, (PyTypeObject *)Py_NewRef(type));
  cache[slot].adapter = adapter;
  return adapter;
}
