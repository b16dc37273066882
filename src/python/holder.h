/* SPDX-License-Identifier: Apache-2.0 */
/* Python objects that hold an owner: View, and Hold behind other libraries' arrays.
 *
 * They never change. So a cycle of references through one also goes through another
 * object that does, and whose tp_clear ends the cycle: the garbage collector sees what
 * they keep alive (tp_traverse), and they need no tp_clear of their own, which would leave
 * their memory to dangle. */
#ifndef VIEWCAST_PYTHON_HOLDER_H
#define VIEWCAST_PYTHON_HOLDER_H

#include "owner.h"

/* The head of such an object. */
typedef struct ext_holder {
  PyObject_HEAD vc_owner owner;
  struct ext_holder *next; /* in the list of holders that wait to be deallocated */
} ext_holder;

/* The slots of such a type, with or without Py_TPFLAGS_HAVE_GC. */
void ext_holder_dealloc(PyObject *object);
int ext_holder_traverse(PyObject *self, visitproc visit, void *arg);

/* tp_finalize: the collector calls it before it breaks a cycle. Memory that a consumer on another
 * stream may still use must not be released then: the cycle is kept until that stream is done. */
void ext_holder_finalize(PyObject *self);

/* A Python object that holds an owner (taken) and releases it when it dies;
 * for an owner of ext_own the object itself. New reference. */
PyObject *ext_keepalive(vc_owner *owner);

/* Prepares the types behind ext_keepalive. */
int ext_holder_init(void);

#endif
