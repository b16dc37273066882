/* SPDX-License-Identifier: Apache-2.0 */
/* Which adapter an object gets: by exact type for OpenCV, before any protocol
 * (its own DLPack is wrong), by class for the others. */
#include <string.h>

#include "adapters/adapter.h"
#include "adapters/opencv.h"
#include "free_threading.h"
#include "imports.h"
#include "view_object.h"

/* A class that the object may be an instance of, once its module is there. */
typedef struct {
  const char *module, *attribute;
  const vp_adapter *adapter;
  PyObject *type; /* strong, once seen */
} known_class;

static known_class known_classes[] = {
    {"torch", "Tensor", &vp_torch_adapter, NULL},
    {"cupy", "ndarray", &vp_cupy_adapter, NULL},
    {"numpy", "ndarray", &vp_numpy_adapter, NULL},
    {"PIL.Image", "Image", &vp_pil_adapter, NULL},
};

static PyTypeObject *class_of(known_class *known) {
  PyObject *seen = VP_READ(known->type);
  if (seen) return (PyTypeObject *)seen;
  PyObject *module = vp_imported(known->module);
  if (!module) return NULL;
  PyObject *type = PyObject_GetAttrString(module, known->attribute);
  Py_DECREF(module);
  if (!type || !PyType_Check(type)) { /* a module still being imported */
    PyErr_Clear();
    Py_XDECREF(type);
    return NULL;
  }
  return (PyTypeObject *)vp_keep_first(&known->type, type);
}

static const vp_adapter *look_up(PyTypeObject *type) {
  if (vp_opencv_is_image_type(type)) return &vp_opencv_adapter;
  if (type == &vp_view_type) return &vp_view_adapter;
  for (size_t i = 0; i < sizeof known_classes / sizeof *known_classes; i++) {
    PyTypeObject *known = class_of(&known_classes[i]);
    if (known && PyType_IsSubtype(type, known)) return known_classes[i].adapter;
  }
  return &vp_generic_adapter;
}

/* Type to adapter, by address: a word that is read and replaced as one, the type with
 * its adapter's index in the bits that alignment leaves free. A cached type is kept
 * alive, so that its address can't become another's. */
#define CACHE_SIZE 64
static uintptr_t cache[CACHE_SIZE];

static const vp_adapter *const cacheable[] = {&vp_opencv_adapter, &vp_torch_adapter,
                                              &vp_cupy_adapter,   &vp_numpy_adapter,
                                              &vp_pil_adapter,    &vp_view_adapter};
enum { MASK = _Alignof(PyTypeObject) - 1 };
_Static_assert(sizeof cacheable / sizeof *cacheable <= MASK + 1, "an index fits into the bits");

static void remember(size_t slot, PyTypeObject *type, const vp_adapter *adapter) {
  uintptr_t index = 0;
  while (cacheable[index] != adapter) index++;
  uintptr_t before = vp_swap(&cache[slot], (uintptr_t)Py_NewRef(type) | index);
  Py_XDECREF((PyObject *)(before & ~(uintptr_t)MASK));
}

const vp_adapter *vp_adapter_of(PyObject *image) {
  PyTypeObject *type = Py_TYPE(image);
  size_t slot = ((uintptr_t)type >> 4) % CACHE_SIZE;
  uintptr_t index = VP_READ(cache[slot]) ^ (uintptr_t)type;
  if (index <= MASK) return cacheable[index];
  const vp_adapter *adapter = look_up(type);
  /* A library may yet come that knows it. */
  if (adapter != &vp_generic_adapter) remember(slot, type, adapter);
  return adapter;
}
