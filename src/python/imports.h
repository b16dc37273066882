/* SPDX-License-Identifier: Apache-2.0 */
/* Other libraries' modules, which are looked for only when a conversion needs them. */
#ifndef VIEWCAST_PYTHON_IMPORTS_H
#define VIEWCAST_PYTHON_IMPORTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* A module that is already imported (new reference), or NULL without an exception.
 * An object of a library whose module is not imported cannot exist. */
PyObject *ext_imported(const char *module);

/* The command that installs a library, for error messages. Static text. */
const char *ext_install(const char *module);

/* Imports a module; ImportError says what to install. New reference. */
PyObject *ext_import(const char *module);

/* An attribute of a module, which is imported, or of an object in it (`holder`, or NULL). New
 * reference; NULL with an exception. */
PyObject *ext_find(const char *module, const char *holder, const char *name);

/* Imports a module as above and calls `find` for it once, on one thread at a time; *loaded, read
 * by EXT_READ, says that this succeeded. 0, or -1 with an exception. */
int ext_load(const char *module, bool *loaded, int (*find)(PyObject *module));

/* An attribute of a module, found once and kept in *cache permanently. Borrowed; NULL with an
 * exception. */
PyObject *ext_import_attribute(const char *module, const char *name, PyObject **cache);

/* True with VIEWCAST_SLOW=1 in the environment, which is read once: every library is then read
 * and made the public way. For tests, and for a library that a fast path does not suit. */
bool ext_is_slow(void);

#endif
