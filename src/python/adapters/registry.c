/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the adapter of an object: the first of the list that takes its type. An adapter comes
 * before any protocol that the object has (OpenCV's own DLPack is wrong). */
#include "adapters/list.h"
#include "free_threading.h"
#include "imports.h"

/* The generic adapter is the last. */
#define ADDRESS(adapter, ...) &ext_##adapter##_adapter,
static const ext_adapter *const adapters[] = {
    EXT_IMAGE_ADAPTERS(ADDRESS) EXT_ARRAY_ADAPTERS(ADDRESS) EXT_OTHER_ADAPTERS(ADDRESS)};
enum { GENERIC = sizeof adapters / sizeof *adapters - 1 };

static PyObject *classes[GENERIC]; /* strong, once the module was seen */

/* The adapter's class, borrowed; NULL while its module is not imported. */
static PyTypeObject *class_of(size_t index) {
  const ext_adapter *adapter = adapters[index];
  PyObject *seen = EXT_READ(classes[index]);
  if (seen || !adapter->module) return (PyTypeObject *)seen;
  PyObject *module = ext_imported(adapter->module);
  if (!module) return NULL;
  PyObject *type = PyObject_GetAttrString(module, adapter->class_name);
  Py_DECREF(module);
  if (!type || !PyType_Check(type)) { /* a module still being imported */
    PyErr_Clear();
    Py_XDECREF(type);
    return NULL;
  }
  return (PyTypeObject *)ext_keep_first(&classes[index], type);
}

static bool takes(size_t index, PyTypeObject *type) {
  if (adapters[index]->is_type) return adapters[index]->is_type(type);
  PyTypeObject *class = class_of(index);
  return class && PyType_IsSubtype(type, class);
}

static size_t look_up(PyTypeObject *type) {
  size_t index = 0;
  while (index < GENERIC && !takes(index, type)) index++;
  return index;
}

/* Cache from a type to its adapter, by address. An entry is a word that is read and replaced as
 * one: the type, with its adapter's index in the bits that alignment leaves free. A cached type
 * is kept alive, so that its address is not reused. */
#define CACHE_SIZE 64
static uintptr_t cache[CACHE_SIZE];
enum { MASK = _Alignof(PyTypeObject) - 1 };

static void remember(size_t slot, PyTypeObject *type, size_t index) {
  uintptr_t before = ext_swap(&cache[slot], (uintptr_t)Py_NewRef(type) | index);
  Py_XDECREF((PyObject *)(before & ~(uintptr_t)MASK));
}

const ext_adapter *ext_adapter_of_host(void) { return &ext_numpy_adapter; }

const ext_adapter *ext_adapter_of(PyObject *image) {
  PyTypeObject *type = Py_TYPE(image);
  size_t slot = ((uintptr_t)type >> 4) % CACHE_SIZE;
  uintptr_t cached = EXT_READ(cache[slot]) ^ (uintptr_t)type;
  if (cached <= MASK) return adapters[cached];
  size_t index = look_up(type);
  /* The generic adapter is not cached: a library that is imported later may take the type. Nor is
   * an adapter whose index does not fit into the bits. */
  if (index < GENERIC && index <= MASK) remember(slot, type, index);
  return adapters[index];
}

int ext_adapters_add_paths(PyObject *paths) {
  for (size_t i = 0; i <= GENERIC; i++) {
    if (adapters[i]->add_paths && adapters[i]->add_paths(paths) < 0) return -1;
  }
  return 0;
}

int ext_path_add(PyObject *paths, const char *name, const char *word) {
  PyObject *value = word ? PyUnicode_FromString(word) : Py_NewRef(Py_None);
  int result = value ? PyDict_SetItemString(paths, name, value) : -1;
  Py_XDECREF(value);
  return result;
}
