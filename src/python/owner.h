/* SPDX-License-Identifier: Apache-2.0 */
/* A view with its owner, which every adapter imports to and exports from; and how owners end:
 * Python objects, releases in the order of a stream, and releases that are pending. */
#ifndef VIEWCAST_PYTHON_OWNER_H
#define VIEWCAST_PYTHON_OWNER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "internal.h"
#include "layout.h"
#include "streams.h"

/* A function as CPython's slot tables want it: ISO C converts function pointers
 * to integers, not to void *. */
#define EXT_SLOT(function) ((void *)(uintptr_t)(function))

struct ext_adapter;
struct ext_orders;

/* The Array API's three values of copy=. */
typedef enum ext_copy { EXT_COPY_NEVER = 0, EXT_COPY_IF_NEEDED, EXT_COPY_ALWAYS } ext_copy;

/* What the caller of a conversion asked for. */
typedef struct ext_options {
  const struct ext_adapter *target;
  ext_stream consumer; /* stream= */
  ext_stream producer; /* producer_stream= */
  ext_copy copy;
  bool has_device;           /* device= was given */
  vc_device device;          /* VC_CPU or VC_CUDA */
  PyObject *owner;           /* borrowed: what really owns an unowned GpuMat; or NULL */
  bool keepdim;              /* one channel as (H, W, 1) */
  ext_layout from;           /* from_layout= */
  struct ext_orders *orders; /* of a batch (stream_order.h); or NULL */
} ext_options;

typedef struct ext_source {
  vc_view view;
  vc_owner owner;
  /* The stream on which the pixels were written, if the image itself names it (has_producer);
   * otherwise it is the current stream of the image's library. */
  bool has_producer;
  vc_stream producer;
  /* The producer synchronised with the consumer's stream itself. On which stream it will use its
   * memory next is not known. */
  bool producer_synchronises;
  /* The memory is freed by cudaFree, which waits for all its users. */
  bool freed_by_cuda_free;
} ext_source;

/* True if the process is in host mode. Sets no exception. */
bool ext_is_host_mode(void);

/* The release function of an owner that holds a strong reference to a Python object. */
void ext_release_object(void *object);

/* An owner that holds a strong reference to a Python object. It is released in vc_collect, on a
 * thread that is attached to Python. */
static inline vc_owner ext_own(PyObject *object) {
  return (vc_owner){Py_NewRef(object), ext_release_object, false};
}

/* The object behind an owner of ext_own (borrowed); NULL for another owner. */
static inline PyObject *ext_owned_object(const vc_owner *owner) {
  return owner->release == ext_release_object ? owner->context : NULL;
}

/* vc_owner_release for any place where an exception may be set, as in a dealloc: a producer's
 * deleter may run Python code, which must not see it. */
void ext_release(vc_owner *owner);

/* Stream-ordered release: memory must not return to its library's pool while a consumer on
 * another stream is still at work on it.
 *
 * A pool can't be told this in general: torch's and CuPy's reuse a block on the stream on
 * which it was allocated, and no public attribute names that stream. So the reference that a
 * view holds is released only after the consumer's stream has finished the work that was
 * enqueued when the view ended. In a chain of libraries each view holds the one before it,
 * and so each waits for its own consumer in turn. */

/* Replaces source->owner by one whose release waits for the work on `consumer`. `kept` is the
 * stream's object, which is kept until then; it may be NULL. Returns -1 with MemoryError. */
int ext_release_after(ext_source *source, vc_stream consumer, PyObject *kept);

/* The owner that ext_release_after replaced; NULL if `owner` is none of its owners. And the
 * stream's object (borrowed, or NULL) of an owner that is. */
const vc_owner *ext_ordered_owner(const vc_owner *owner);
PyObject *ext_ordered_stream(const vc_owner *owner);

/* Keeps an object alive until the consumer of such an owner, which is not released yet, is done. */
void ext_keep_until_ordered(const vc_owner *owner, PyObject *object);

/* Performs the releases whose consumers are done. Stops after `most_busy` streams that are
 * not: a conversion must not query the driver about every frame in flight. Returns the number
 * of releases. The calling thread must be attached to Python. */
size_t ext_releases_retry(size_t most_busy);

/* --- pending releases */

/* Makes the main thread run pending releases soon after they were queued. */
void ext_owner_init(void);

/* Takes the GIL if that cannot wait: on a Python thread that released it and is the only thread.
 * Otherwise does nothing. The result is to be passed to ext_gil_leave. */
typedef enum ext_gil { EXT_GIL_NOT_TAKEN, EXT_GIL_TAKEN } ext_gil;
ext_gil ext_gil_take_if_free(void);
void ext_gil_leave(ext_gil taken);

/* Runs pending releases, if there are any. The calling thread must be attached to Python
 * (hold the GIL, where there is one). */
void ext_drain(void);

#endif
