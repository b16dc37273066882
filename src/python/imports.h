/* SPDX-License-Identifier: Apache-2.0 */
/* Other libraries' modules: looked for only when a conversion needs them. */
#ifndef VP_IMPORTS_H
#define VP_IMPORTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* A module that is already imported (new reference), or NULL without an exception.
 * An object of a library whose module is not imported cannot exist. */
PyObject *vp_imported(const char *module);

/* Imports a module; ImportError says what to install. New reference. */
PyObject *vp_import(const char *module, const char *install);

#endif
