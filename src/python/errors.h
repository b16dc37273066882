/* SPDX-License-Identifier: Apache-2.0 */
/* vc_error and producers' exceptions as Python exceptions. */
#ifndef VIEWCAST_PYTHON_ERRORS_H
#define VIEWCAST_PYTHON_ERRORS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "internal.h"

/* Makes the exception types and adds them to the module. */
int ext_errors_init(PyObject *module);

/* Returns the exception that is set (new reference) and clears it. NULL if none is set. */
PyObject *ext_exception_take(void);

/* Sets an exception (takes the reference) in place of the one that is set. NULL clears that. */
void ext_exception_set(PyObject *exception);

/* Raises the exception of error->status. Always returns -1. */
int ext_raise(const vc_error *error);

/* Evaluates `call`, an expression of type vc_status that fills `error`, which is declared here.
 * Unless it is VC_OK, raises its exception and returns -1, or `result`, from the calling
 * function. */
#define EXT_TRY_OR(call, result) \
  do {                           \
    vc_error error;              \
    if ((call) != VC_OK) {       \
      ext_raise(&error);         \
      return result;             \
    }                            \
  } while (0)
#define EXT_TRY(call) EXT_TRY_OR(call, -1)

/* PyErr_Format, for an argument that is wrong in itself. Always returns -1. */
int ext_refuse(PyObject *type, const char *format, ...);

/* Raises MemoryError. Always returns -1. */
int ext_no_memory(void);

/* ext_raise with text before the message. */
int ext_raise_prefixed(const char *prefix, const vc_error *error);

/* Raises ViewError with the exception that is set, if one is, as its cause. Exceptions of ours,
 * MemoryError, ImportError and those that are no Exception (KeyboardInterrupt) pass unchanged.
 * Always returns -1. */
int ext_raise_from(const char *format, ...);

/* The same with the exception of a status. */
int ext_fail_from(vc_status status, const char *format, ...);

/* ext_raise_from where a library made no object over the memory of a view. `function` is the one
 * that makes an object with memory of its own. */
int ext_raise_no_object(const char *library, const char *function, const vc_view *view);

/* Raises the exception of a status with a formatted message. */
int ext_fail(vc_status status, const char *format, ...);

/* Puts "name: " before the message of the exception that is set, where it is one of ours, a
 * ValueError or a TypeError. Always returns -1. */
int ext_raise_named(const char *name);

/* The same with "image 3" as the name; `of` stands after the number: "", or " of out". */
int ext_raise_at(Py_ssize_t index, const char *of);

/* Replaces a LayoutError or DTypeError that is set by Savant's class for it, which is an
 * AssertionError too, and puts Savant's text ("" for none) before its message. Leaves any other
 * exception as it is. Always returns -1. */
int ext_raise_as_savant(const char *layout_text, const char *dtype_text);

/* Adds to the message of the exception that is set, where it is one of ours or a MemoryError, that
 * it concerns image `index` of out=, and that the images before it are written. Always returns
 * -1. */
int ext_raise_after(Py_ssize_t index);

/* Whether the exception that is set is a DTypeError. */
bool ext_is_dtype_error(void);

/* TypeError: `object` is no image at all. */
int ext_raise_no_image(PyObject *object, const char *needed);

#endif
