/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of vectorcall functions: some positional, the rest by keyword; and the readers
 * of the arguments that several functions take: each has one reader and one message,
 * wherever it occurs. Streams are read by streams.h, devices by device.h, scale=, mean=, std=,
 * normalize= and fill= by values.h.
 *
 * A reader takes the value as ext_arguments sorted it: for NULL, an argument that was not
 * given, it leaves *out as it is. It returns 0, or -1 with an exception: TypeError for a
 * type that the argument can't have, ValueError for a value. */
#ifndef VIEWCAST_PYTHON_ARGUMENTS_H
#define VIEWCAST_PYTHON_ARGUMENTS_H

#include "owner.h"

#define EXT_MAX_PARAMETERS 20

/* A row of a method table, for a vectorcall function of the same name. */
#define EXT_METHOD(name, doc) \
  {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL | METH_KEYWORDS, doc}
/* A function of viewcast/__init__.pyi, which has its docstring: docstrings.h is made of it. */
#define EXT_PUBLIC_METHOD(name) EXT_METHOD(name, DOC_##name)

typedef struct ext_signature {
  const char *function;
  int positional;                            /* these may be given by position, and must be given */
  const char *names[EXT_MAX_PARAMETERS + 1]; /* NULL-terminated */
} ext_signature;

/* Stands in a signature for a parameter that the function does not take: no keyword is empty. */
#define EXT_ABSENT ""

/* The parameter of that name, -1 if there is none. */
int ext_signature_index(const ext_signature *signature, PyObject *name);

/* The function that takes the keywords that another one refuses, for the message. */
typedef struct ext_more {
  const char *function; /* "to_cupy()" */
  const ext_signature *signature;
} ext_more;

/* Sorts the arguments into values[]: one borrowed reference per name, NULL for an argument that
 * was not given. Returns -1 with the TypeError that a Python function would raise. */
int ext_arguments(const ext_signature *signature, PyObject *const *args, Py_ssize_t count,
                  PyObject *kwnames, PyObject **values);

/* The same; a keyword that only `more` takes is refused with its name. */
int ext_arguments_or_more(const ext_signature *signature, const ext_more *more,
                          PyObject *const *args, Py_ssize_t count, PyObject *kwnames,
                          PyObject **values);

/* Whether a value was given: NULL and None stand for one that was not. */
static inline bool ext_is_given(PyObject *value) { return value && value != Py_None; }

/* True for Python's bool and NumPy's. */
bool ext_is_bool(PyObject *value);

/* The int that a value is, or that its __index__ returns (NumPy's ints). New reference; NULL for a
 * bool and for anything else, with an exception only if __index__ raised another one than
 * TypeError. */
PyObject *ext_integer_of(PyObject *value);

/* TypeError: `value` is of another type than the argument `name` needs. Returns -1. */
int ext_refuse_type(PyObject *value, const char *name, const char *needed);

/* UTF-8 of a text; NULL without an exception where a C string can't hold it. */
const char *ext_text_of(PyObject *text);

/* True or False, Python's or NumPy's. */
int ext_argument_bool(PyObject *value, const char *name, bool *out);

/* An int of `least` or more, or what has __index__ (NumPy's); no bool. */
int ext_argument_int(PyObject *value, const char *name, int32_t least, int32_t *out);

/* copy=: False, None or True. */
int ext_argument_copy(PyObject *value, ext_copy *out);

/* owner= of an image, or of a list of which at least one image owns nothing. *out is borrowed, and
 * NULL for None. ValueError if the memory is owned. */
int ext_argument_owner(PyObject *value, PyObject *image, PyObject **out);

/* dtype=: a name ("float16"; "half", "float" and "double" as in torch and C), a torch,
 * NumPy or CuPy dtype, a NumPy scalar type, or Python's bool, int and float (64 bits, as in
 * NumPy and torch). DTypeError for a type that viewcast has no counterpart of. `value` may
 * not be NULL. */
int ext_argument_dtype(PyObject *value, const char *name, vc_dtype *out);

#endif
