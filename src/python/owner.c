/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"

#include "deferred_release.h"
#include "free_threading.h"

#include <stdatomic.h>

bool ext_is_host_mode(void) {
  vc_mode mode;
  return vc_cuda_mode(&mode, NULL) == VC_OK && mode == VC_MODE_HOST;
}

/* --- Python objects as owners */

static void release_object(void *context) { Py_DECREF((PyObject *)context); }

vc_owner ext_own(PyObject *object) { return (vc_owner){Py_NewRef(object), release_object, false}; }

PyObject *ext_owned_object(const vc_owner *owner) {
  return owner->release == release_object ? owner->context : NULL;
}

void ext_release(vc_owner *owner) {
  PyObject *type, *value, *traceback;
  if (!owner->release) return;
  PyErr_Fetch(&type, &value, &traceback);
  vc_owner_release(owner);
  PyErr_Restore(type, value, traceback);
}

/* --- pending releases */

static bool is_finalizing(void) {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

/* Where somebody else still holds the object, the end of a view only counts down:
 * no reason to put that off. */
static bool count_down(const vc_owner *owner) {
  return owner->release == release_object && ext_decref_unless_last(owner->context);
}

#if defined(Py_GIL_DISABLED)

ext_gil ext_gil_take_if_free(void) { return EXT_GIL_NOT_TAKEN; }
void ext_gil_leave(ext_gil taken) { (void)taken; }

#else

/* The newest thread comes first, so that one look at the list is enough. */
static bool is_only_thread(PyThreadState *here) {
  PyInterpreterState *interpreter = PyThreadState_GetInterpreter(here);
  return PyInterpreterState_ThreadHead(interpreter) == here && !PyThreadState_Next(here);
}

ext_gil ext_gil_take_if_free(void) {
  if (!Py_IsInitialized() || is_finalizing() || ext_is_attached()) return EXT_GIL_NOT_TAKEN;
  PyThreadState *here = PyGILState_GetThisThreadState();
  if (!here || !is_only_thread(here)) return EXT_GIL_NOT_TAKEN;
  PyEval_RestoreThread(here);
  return EXT_GIL_TAKEN;
}

void ext_gil_leave(ext_gil taken) {
  if (taken == EXT_GIL_TAKEN) PyEval_SaveThread();
}

#endif

static _Atomic bool asked; /* a pending call is on its way */

static int run_pending(void *unused) {
  (void)unused;
  atomic_store(&asked, false);
  ext_drain();
  return 0;
}

/* Any thread, with or without the GIL. A full queue of pending calls is no
 * loss: the next conversion or collect() drains the list. */
static void ask_for_drain(void) {
  if (!Py_IsInitialized() || is_finalizing()) return;
  if (atomic_exchange(&asked, true)) return;
  if (Py_AddPendingCall(run_pending, NULL) < 0) atomic_store(&asked, false);
}

void ext_drain(void) {
  bool pending = vc_collect_pending();
  if ((!pending && !ext_releases_pending()) || is_finalizing()) return;
  if (pending) vc_collect(false);
  ext_releases_retry(2);
}

int ext_owner_init(PyObject *module) {
  (void)module;
  vc_collect_notify(ask_for_drain);
  vc_collect_here(count_down);
  return 0;
}
