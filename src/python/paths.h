/* SPDX-License-Identifier: Apache-2.0 */
/* Which way each library is read and made: the fast, verified one, or the one that
 * its documentation names. */
#ifndef VIEWCAST_PYTHON_PATHS_H
#define VIEWCAST_PYTHON_PATHS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Each adapter's words about its own; NULL as long as its library was not used. */
const char *ext_opencv_path(void);
const char *ext_torch_path(void);
const char *ext_cupy_read_path(void);
const char *ext_cupy_make_path(void);

/* _paths(): METH_NOARGS, a dict of what is in use. */
PyObject *ext_paths(PyObject *module, PyObject *unused);

#endif
