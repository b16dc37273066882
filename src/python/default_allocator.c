/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <string.h>

#include "errors.h"
#include "free_threading.h"

#define MISMATCH(what)                                                         \
  ext_opencv_mismatch(what ", so viewcast can't change its default allocator", \
                      "use viewcast.empty_gpumat() for results (dst=)")

int ext_default_allocator_read(const ext_opencv *opencv, void **out) {
  PyObject *mat = PyObject_CallNoArgs((PyObject *)opencv->gpumat);
  vc_gpumat *header = mat ? ext_gpumat_header(mat) : NULL;
  if (header) *out = header->allocator;
  Py_XDECREF(mat);
  return header ? 0 : -1;
}

/* cv2's class of allocator objects: a Python head, then a cv::Ptr. */
static PyTypeObject *find_class(const ext_opencv *opencv) {
  PyObject *type = PyObject_GetAttrString((PyObject *)opencv->gpumat, "Allocator");
  if (type && PyType_Check(type) && ((PyTypeObject *)type)->tp_new &&
      ((PyTypeObject *)type)->tp_basicsize == (Py_ssize_t)(sizeof(PyObject) + 2 * sizeof(void *))) {
    return (PyTypeObject *)type;
  }
  Py_XDECREF(type);
  MISMATCH("GpuMat.Allocator is not the class that is expected");
  return NULL;
}

/* An object of that class whose cv::Ptr points at the allocator without owning
 * it: its control block stays null, so that no destructor would ever run. */
static PyObject *make_object(const ext_opencv *opencv, void *allocator) {
  vc_error error;
  void *pointers[2] = {NULL, NULL};
  PyTypeObject *type = find_class(opencv);
  PyObject *nothing = type ? PyTuple_New(0) : NULL;
  PyObject *object = nothing ? type->tp_new(type, nothing, NULL) : NULL;
  Py_XDECREF(nothing);
  Py_XDECREF(type);
  if (!object) return NULL;
  char *place = (char *)object + sizeof(PyObject);
  if (vc_memory_read(place, pointers, sizeof pointers, &error) != VC_OK || pointers[0] ||
      pointers[1]) {
    /* The object is not released: what its destructor does is not known. */
    MISMATCH("a new GpuMat.Allocator is not empty");
    return NULL;
  }
  memcpy(place, &allocator, sizeof allocator);
  return object;
}

/* Returns the object for an allocator. It is kept permanently: OpenCV stores the bare pointer, and
 * a later version may delete the allocator when the object is deallocated. */
static PyObject *object_for(const ext_opencv *opencv, void *allocator) {
  static PyObject *known; /* by address; nothing is ever taken out */
  PyObject *objects = EXT_READ(known);
  if (!objects) objects = ext_keep_first(&known, PyDict_New());
  PyObject *key = objects ? PyLong_FromVoidPtr(allocator) : NULL;
  if (!key) return NULL;
  PyObject *object = PyDict_GetItemWithError(objects, key); /* borrowed */
  if (!object && !PyErr_Occurred()) {
    object = make_object(opencv, allocator);
    if (object && PyDict_SetItem(objects, key, object) < 0) object = NULL;
  }
  Py_DECREF(key);
  return object;
}

int ext_default_allocator_set(const ext_opencv *opencv, void *allocator) {
  void *found = NULL;
  PyObject *object = object_for(opencv, allocator); /* borrowed */
  if (!object) return -1;
  PyObject *done =
      PyObject_CallMethod((PyObject *)opencv->gpumat, "setDefaultAllocator", "O", object);
  if (!done) return ext_raise_from("OpenCV does not take a default allocator");
  Py_DECREF(done);
  if (ext_default_allocator_read(opencv, &found) < 0) return -1;
  return found == allocator ? 0 : MISMATCH("new GpuMats do not carry the allocator that was set");
}
