/* SPDX-License-Identifier: Apache-2.0 */
/* CuPy's arrays read and put together in place: where their fields lie is found
 * out, and proved, on arrays with known values. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_CUPY_LAYOUT_H
#define VIEWCAST_PYTHON_ADAPTERS_CUPY_LAYOUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "viewcast/viewcast.h"

typedef struct ext_cupy_classes {
  PyObject *ndarray, *memory, *pointer; /* strong: cupy.ndarray, UnownedMemory, MemoryPointer */
} ext_cupy_classes;

/* What could be proved of the CuPy that is loaded. */
typedef struct ext_cupy_layout {
  bool reads, makes;
} ext_cupy_layout;

/* Finds the fields. Leaves no exception: what can't be proved is not used. */
ext_cupy_layout ext_cupy_find_layout(const ext_cupy_classes *classes);

/* Fills `view` except for the dtype, which is *dtype (borrowed). False: this array is
 * for the public way. Only after `reads`. */
bool ext_cupy_read(PyObject *array, vc_view *view, PyObject **dtype);

/* True for views whose arrays can be put together. Only after `makes`. */
bool ext_cupy_can_make(const vc_view *view);

/* A cupy.ndarray over memory that `owner` keeps alive. New reference. */
PyObject *ext_cupy_make(const vc_view *view, PyObject *dtype, PyObject *owner);

/* An array of the view made by CuPy's own classes, the public way; `owner` lives as long. New
 * reference. */
PyObject *ext_cupy_call(const ext_cupy_classes *classes, const vc_view *view, PyObject *dtype,
                        PyObject *owner);

#endif
