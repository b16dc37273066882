/* SPDX-License-Identifier: Apache-2.0 */
/* What every adapter imports to and exports from: a view with its owner. */
#ifndef VP_SOURCE_H
#define VP_SOURCE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "viewcast/viewcast.h"

/* A function as CPython's slot tables want it: ISO C converts function pointers
 * to integers, not to void *. */
#define VP_SLOT(function) ((void *)(uintptr_t)(function))

/* What the caller of a conversion asked for. */
typedef struct vp_options {
  PyObject *owner; /* borrowed: what really owns an unowned GpuMat; or NULL */
  bool keepdim;    /* one channel as (H, W, 1) */
  bool is_hwc;     /* the caller said layout="HWC" */
} vp_options;

typedef struct vp_source {
  vc_view view;
  vc_owner owner;
} vp_source;

/* An owner that holds a strong reference to a Python object. It is released in
 * vc_collect, where the GIL is held. */
vc_owner vp_own(PyObject *object);

/* The object behind an owner of vp_own (borrowed); NULL for another owner. */
PyObject *vp_owned_object(const vc_owner *owner);

/* A Python object that holds an owner (taken) and releases it when it dies;
 * for an owner of vp_own the object itself. New reference. */
PyObject *vp_hold(vc_owner *owner);

/* Prepares the type behind vp_hold, and asks for releases that were put off to
 * be run soon by the main thread. */
int vp_source_init(PyObject *module);

/* Runs releases that were put off, if there are any. Needs the GIL. */
void vp_drain(void);

#endif
