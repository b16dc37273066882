/* SPDX-License-Identifier: Apache-2.0 */
/* Python objects that hold an owner. */
#include "holder.h"

#include "errors.h"

int ext_holder_traverse(PyObject *self, visitproc visit, void *arg) {
  const vc_owner *owner = &((ext_holder *)self)->owner;
  const vc_owner *inner = ext_ordered_owner(owner);
  if (inner) Py_VISIT(ext_ordered_stream(owner));
  Py_VISIT(ext_owned_object(inner ? inner : owner));
  return 0;
}

void ext_holder_finalize(PyObject *self) {
  const vc_owner *owner = &((ext_holder *)self)->owner;
  if (!ext_ordered_owner(owner)) return;
  PyObject *raised = ext_exception_take();
  ext_keep_until_ordered(owner, self);
  ext_exception_set(raised);
}

static void end_holder(ext_holder *self) {
  ext_release(&self->owner);
  Py_TYPE(self)->tp_free(self);
}

/* Deallocating a holder may deallocate what it holds, and so, in a chain of views, the next
 * holder: the recursion is as deep as the chain is long. CPython's trashcan (Py_TRASHCAN_BEGIN)
 * allows a depth that suits CPython's own types; a level of views and arrays in turn takes several
 * times their stack. Beyond MOST_NESTED levels, holders wait in a list that the outermost level
 * empties. */
static void end_nested(ext_holder *self) {
  enum { MOST_NESTED = 20 };
  static _Thread_local struct ends {
    int depth;
    ext_holder *waiting;
  } ends;
  struct ends *here = &ends;
  if (here->depth == MOST_NESTED) {
    self->next = here->waiting;
    here->waiting = self;
    return;
  }
  here->depth++;
  end_holder(self);
  while (here->depth == 1 && here->waiting) {
    self = here->waiting;
    here->waiting = self->next;
    end_holder(self);
  }
  here->depth--;
}

/* Whether releasing an owner may deallocate other objects or run Python code. It does neither
 * where it only decrements a reference count. */
static bool may_end_others(const vc_owner *owner) {
  if (!owner->release || owner->any_thread) return false;
#ifdef Py_GIL_DISABLED
  return true;
#else
  return !ext_owned_object(owner) || Py_REFCNT(ext_owned_object(owner)) == 1;
#endif
}

void ext_holder_dealloc(PyObject *object) {
  ext_holder *self = (ext_holder *)object;
  if (PyType_IS_GC(Py_TYPE(object))) PyObject_GC_UnTrack(object);
  if (may_end_others(&self->owner)) {
    end_nested(self);
  } else {
    vc_owner_release(&self->owner);
    Py_TYPE(object)->tp_free(object);
  }
}

/* Static types, for the reason that View is one (view_object.c). */
#define HOLD_TYPE(flags, traverse, finalize)                                        \
  {                                                                                 \
      PyVarObject_HEAD_INIT(NULL, 0).tp_name = "viewcast._viewcast.Hold",           \
      .tp_basicsize = sizeof(ext_holder),                                           \
      .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | (flags), \
      .tp_doc = "Keeps the memory behind another library's array alive.",           \
      .tp_dealloc = ext_holder_dealloc,                                             \
      .tp_traverse = traverse,                                                      \
      .tp_finalize = finalize,                                                      \
  }
static PyTypeObject hold_type = HOLD_TYPE(0, NULL, NULL);
static PyTypeObject visible_hold_type =
    HOLD_TYPE(Py_TPFLAGS_HAVE_GC, ext_holder_traverse, ext_holder_finalize);

PyObject *ext_keepalive(vc_owner *owner) {
  PyObject *object = ext_owned_object(owner);
  if (object) {
    *owner = (vc_owner){0}; /* the caller takes the owner's reference */
    return object;
  }
  /* A cycle can go through the stream's object, so the collector must see it. */
  bool visible = ext_ordered_owner(owner) != NULL;
  ext_holder *hold = visible ? PyObject_GC_New(ext_holder, &visible_hold_type)
                             : PyObject_New(ext_holder, &hold_type);
  if (!hold) return NULL;
  hold->owner = *owner;
  *owner = (vc_owner){0};
  if (visible) PyObject_GC_Track(hold);
  return (PyObject *)hold;
}

int ext_holder_init(void) {
  return PyType_Ready(&hold_type) < 0 || PyType_Ready(&visible_hold_type) < 0 ? -1 : 0;
}
