/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of vectorcall functions: some positional, the rest by keyword. */
#ifndef VP_ARGUMENTS_H
#define VP_ARGUMENTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#define VP_MAX_PARAMETERS 20

/* A row of a method table, for a vectorcall function of the same name. */
#define VP_METHOD(name, doc) \
  {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL | METH_KEYWORDS, doc}

typedef struct vp_signature {
  const char *function;
  int positional; /* these may be given by position, and must be given */
  const char *names[VP_MAX_PARAMETERS + 1]; /* NULL-terminated */
} vp_signature;

/* The usual call: one positional argument, and nothing else to look at. */
static inline bool vp_is_one_argument(Py_ssize_t count, PyObject *kwnames) {
  return count == 1 && !kwnames;
}

/* Sorts the arguments into values[], one borrowed reference a name, NULL where
 * one was not given. TypeError as a Python function raises it; returns -1. */
int vp_arguments(const vp_signature *signature, PyObject *const *args, Py_ssize_t count,
                 PyObject *kwnames, PyObject **values);

/* A truth value; `fallback` if it was not given; -1 with an exception. */
int vp_argument_bool(PyObject *value, int fallback);

#endif
