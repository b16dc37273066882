/* SPDX-License-Identifier: Apache-2.0 */
/* Many images in one call: what a loop can't share is looked up, ordered and owned
 * once. */
#ifndef VIEWCAST_PYTHON_BATCHES_H
#define VIEWCAST_PYTHON_BATCHES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* METH_FASTCALL | METH_KEYWORDS. */
PyObject *ext_as_gpumats(PyObject *module, PyObject *const *args, Py_ssize_t count,
                         PyObject *kwnames);
PyObject *ext_as_tensors(PyObject *module, PyObject *const *args, Py_ssize_t count,
                         PyObject *kwnames);

#endif
