/* SPDX-License-Identifier: Apache-2.0 */
/* Reads CuPy's arrays and makes them in place. The offsets of their fields are found, and proved,
 * on arrays with known values. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_CUPY_LAYOUT_H
#define VIEWCAST_PYTHON_ADAPTERS_CUPY_LAYOUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "internal.h"

typedef struct ext_cupy_classes {
  PyObject *ndarray, *memory, *pointer; /* strong: cupy.ndarray, UnownedMemory, MemoryPointer */
} ext_cupy_classes;

/* The parts that could be proved for the loaded CuPy. */
typedef struct ext_cupy_layout {
  bool reads, makes;
} ext_cupy_layout;

/* Finds the fields. Leaves no exception: what can't be proved is not used. */
ext_cupy_layout ext_cupy_find_layout(const ext_cupy_classes *classes);

/* Fills `view` except for the dtype, which is *dtype (borrowed). False for an array that has to be
 * read by its attributes. Requires `reads`. */
bool ext_cupy_read(PyObject *array, vc_view *view, PyObject **dtype);

/* True for views whose arrays can be made in place. Requires `makes`. */
bool ext_cupy_can_make(const vc_view *view);

/* A cupy.ndarray over memory that `owner` keeps alive. New reference. */
PyObject *ext_cupy_make(const vc_view *view, PyObject *dtype, PyObject *owner);

/* An array made by CuPy's own classes, over memory that `owner` keeps alive. New reference. */
PyObject *ext_cupy_call(const ext_cupy_classes *classes, const vc_view *view, PyObject *dtype,
                        PyObject *owner);

#endif
