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
  const ext_adapter *adapter;
  PyObject *type; /* strong, once seen */
} known_class;

static known_class known_classes[] = {
    {"torch", "Tensor", &ext_torch_adapter, NULL},
    {"cupy", "ndarray", &ext_cupy_adapter, NULL},
    {"numpy", "ndarray", &ext_numpy_adapter, NULL},
    {"PIL.Image", "Image", &ext_pil_adapter, NULL},
};

static PyTypeObject *class_of(known_class *known) {
  PyObject *seen = EXT_READ(known->type);
  if (seen) return (PyTypeObject *)seen;
  PyObject *module = ext_imported(known->module);
  if (!module) return NULL;
  PyObject *type = PyObject_GetAttrString(module, known->attribute);
  Py_DECREF(module);
  if (!type || !PyType_Check(type)) { /* a module still being imported */
    PyErr_Clear();
    Py_XDECREF(type);
    return NULL;
  }
  return (PyTypeObject *)ext_keep_first(&known->type, type);
}

static const ext_adapter *look_up(PyTypeObject *type) {
  if (ext_opencv_is_image_type(type)) return &ext_opencv_adapter;
  if (type == &ext_view_type) return &ext_view_adapter;
  for (size_t i = 0; i < sizeof known_classes / sizeof *known_classes; i++) {
    PyTypeObject *known = class_of(&known_classes[i]);
    if (known && PyType_IsSubtype(type, known)) return known_classes[i].adapter;
  }
  return &ext_generic_adapter;
}

/* Type to adapter, by address: a word that is read and replaced as one, the type with
 * its adapter's index in the bits that alignment leaves free. A cached type is kept
 * alive, so that its address can't become another's. */
#define CACHE_SIZE 64
static uintptr_t cache[CACHE_SIZE];

static const ext_adapter *const cacheable[] = {&ext_opencv_adapter, &ext_torch_adapter,
                                               &ext_cupy_adapter,   &ext_numpy_adapter,
                                               &ext_pil_adapter,    &ext_view_adapter};
enum { MASK = _Alignof(PyTypeObject) - 1 };
_Static_assert(sizeof cacheable / sizeof *cacheable <= MASK + 1, "an index fits into the bits");

static void remember(size_t slot, PyTypeObject *type, const ext_adapter *adapter) {
  uintptr_t index = 0;
  while (cacheable[index] != adapter) index++;
  uintptr_t before = ext_swap(&cache[slot], (uintptr_t)Py_NewRef(type) | index);
  Py_XDECREF((PyObject *)(before & ~(uintptr_t)MASK));
}

const ext_adapter *ext_adapter_of(PyObject *image) {
  PyTypeObject *type = Py_TYPE(image);
  size_t slot = ((uintptr_t)type >> 4) % CACHE_SIZE;
  uintptr_t index = EXT_READ(cache[slot]) ^ (uintptr_t)type;
  if (index <= MASK) return cacheable[index];
  const ext_adapter *adapter = look_up(type);
  /* A library may yet come that knows it. */
  if (adapter != &ext_generic_adapter) remember(slot, type, adapter);
  return adapter;
}
