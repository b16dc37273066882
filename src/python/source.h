/* SPDX-License-Identifier: Apache-2.0 */
/* What every adapter imports to and exports from: a view with its owner. */
#ifndef VP_SOURCE_H
#define VP_SOURCE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "layout.h"
#include "streams.h"
#include "viewcast/viewcast.h"

/* A function as CPython's slot tables want it: ISO C converts function pointers
 * to integers, not to void *. */
#define VP_SLOT(function) ((void *)(uintptr_t)(function))

struct vp_adapter;
struct vp_orders;

/* The Array API's three values of copy=. */
typedef enum vp_copy { VP_COPY_NEVER = 0, VP_COPY_IF_NEEDED, VP_COPY_ALWAYS } vp_copy;

/* What the caller of a conversion asked for. */
typedef struct vp_options {
  const struct vp_adapter *target;
  vp_stream consumer; /* stream= */
  vp_stream producer; /* producer_stream= */
  vp_copy copy;
  bool has_device;          /* device= was given */
  vc_device device;         /* VC_CPU or VC_CUDA */
  PyObject *owner;          /* borrowed: what really owns an unowned GpuMat; or NULL */
  bool keepdim;             /* one channel as (H, W, 1) */
  vp_layout from;           /* from_layout= */
  struct vp_orders *orders; /* of a batch (hand_over.h); or NULL */
} vp_options;

typedef struct vp_source {
  vc_view view;
  vc_owner owner;
  /* The stream on which the pixels were written, where the image itself tells
   * (has_producer); else it is the current one of its library. */
  bool has_producer;
  vc_stream producer;
  /* The producer ordered itself for the consumer's stream; on which one its memory
   * will be used next, nobody knows. */
  bool orders_itself;
  /* The memory is freed by cudaFree, which waits for all its users. */
  bool freed_in_order;
} vp_source;

/* True where the process decided for host mode; no exception where it can't. */
bool vp_is_host_mode(void);

/* An owner that holds a strong reference to a Python object. It is released in
 * vc_collect, on a thread that Python is on. */
vc_owner vp_own(PyObject *object);

/* The object behind an owner of vp_own (borrowed); NULL for another owner. */
PyObject *vp_owned_object(const vc_owner *owner);

/* vc_owner_release for any place where an exception may be on its way, as in a
 * dealloc: a producer's deleter may run Python code, which must not see it. */
void vp_release(vc_owner *owner);

/* Asks for releases that were put off to be run soon by the main thread. */
int vp_source_init(PyObject *module);

/* Takes the GIL where that cannot wait: on a Python thread that let go of it, and that
 * is the only one. Else does nothing. What it returns is for vp_gil_leave. */
typedef enum vp_gil { VP_GIL_NOT_TAKEN, VP_GIL_TAKEN } vp_gil;
vp_gil vp_gil_take_if_free(void);
void vp_gil_leave(vp_gil taken);

/* Runs releases that were put off, if there are any. Needs the GIL, or without one a
 * thread that Python is on. */
void vp_drain(void);

#endif
