/* SPDX-License-Identifier: Apache-2.0 */
/* CuPy's arrays read and put together in place: where their fields lie is found
 * out, and proved, on arrays with known values. */
#ifndef VP_CUPY_LAYOUT_H
#define VP_CUPY_LAYOUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "viewcast/viewcast.h"

typedef struct vp_cupy_classes {
  PyObject *ndarray, *memory, *pointer; /* strong: cupy.ndarray, UnownedMemory, MemoryPointer */
} vp_cupy_classes;

/* What could be proved of the CuPy that is loaded. */
typedef struct vp_cupy_layout {
  bool reads, makes;
} vp_cupy_layout;

/* Finds the fields. Leaves no exception: what can't be proved is not used. */
vp_cupy_layout vp_cupy_find_layout(const vp_cupy_classes *classes);

/* Fills `view` but for the dtype, which is *dtype (borrowed). False: this array is
 * for the public way. Only after `reads`. */
bool vp_cupy_read(PyObject *array, vc_view *view, PyObject **dtype);

/* True for views whose arrays can be put together. Only after `makes`. */
bool vp_cupy_can_make(const vc_view *view);

/* A cupy.ndarray over memory that `owner` keeps alive. New reference. */
PyObject *vp_cupy_make(const vc_view *view, PyObject *dtype, PyObject *owner);

#endif
