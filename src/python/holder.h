/* SPDX-License-Identifier: Apache-2.0 */
/* Python objects that hold an owner: View, and Hold behind other libraries' arrays.
 *
 * They never change. So a cycle of references through one also goes through another
 * object that does, and whose tp_clear ends the cycle: the garbage collector sees what
 * they keep alive (tp_traverse), and they need no tp_clear of their own, which would leave
 * their memory to dangle. */
#ifndef VP_HOLDER_H
#define VP_HOLDER_H

#include "source.h"

/* What such an object begins with. */
typedef struct vp_holder {
  PyObject_HEAD vc_owner owner;
  struct vp_holder *next; /* of those that wait for their end */
} vp_holder;

/* The slots of such a type, with or without Py_TPFLAGS_HAVE_GC. */
void vp_holder_dealloc(PyObject *self);
int vp_holder_traverse(PyObject *self, visitproc visit, void *arg);

/* The collector calls it before it takes a cycle apart, and so ends memory that a
 * consumer on another stream may be at work on: the cycle is kept until that is done. */
void vp_holder_finalize(PyObject *self);

/* A Python object that holds an owner (taken) and releases it when it dies;
 * for an owner of vp_own the object itself. New reference. */
PyObject *vp_hold(vc_owner *owner);

/* Prepares the types behind vp_hold. */
int vp_holder_init(void);

#endif
