/* SPDX-License-Identifier: Apache-2.0 */
/* What free-threaded builds of CPython need (free_threading.h). */
#include "free_threading.h"

#include <pthread.h>

/* Not PyGILState_Check(), which gives up once there was a subinterpreter. */
bool ext_is_attached(void) {
#if PY_VERSION_HEX >= 0x030D0000
  return PyThreadState_GetUnchecked() != NULL;
#elif PY_VERSION_HEX >= 0x030C0000
  return _PyThreadState_UncheckedGet() != NULL;
#else /* the current state may be another thread's */
  PyThreadState *current = _PyThreadState_UncheckedGet();
  return current && current == PyGILState_GetThisThreadState();
#endif
}

PyObject *ext_dict_value(PyObject *dict, const char *key) {
#if PY_VERSION_HEX >= 0x030D0000
  PyObject *found;
  PyDict_GetItemStringRef(dict, key, &found);
  return found;
#else
  PyObject *name = PyUnicode_FromString(key);
  PyObject *found = name ? Py_XNewRef(PyDict_GetItemWithError(dict, name)) : NULL;
  Py_XDECREF(name);
  return found;
#endif
}

#ifdef Py_GIL_DISABLED

/* --- counts in two parts: the references of the thread that made the object, which
 * only that thread changes, and all others', changed by atomic operations. What is
 * said of the fields here is CPython's rule (PEP 703). */

/* `ob_ref_shared` keeps two flag bits. In the MERGED state it holds the full reference
 * count. Before that, a decrement of the shared count cannot destroy the object, unless the
 * count is 0: CPython then queues the object on its owning thread, or, if that thread has
 * exited, merges it on this one. */
static bool may_be_last(Py_ssize_t shared) {
  bool merged = (shared & _Py_REF_SHARED_FLAG_MASK) == _Py_REF_MERGED;
  if (merged) return shared >> _Py_REF_SHARED_SHIFT < 2;
  return shared == 0 || shared == _Py_REF_MAYBE_WEAKREF;
}

static bool give_back_shared(PyObject *object) {
  const Py_ssize_t one = 1 << _Py_REF_SHARED_SHIFT;
  Py_ssize_t shared = __atomic_load_n(&object->ob_ref_shared, __ATOMIC_RELAXED);
  do {
    if (may_be_last(shared)) return false;
  } while (!__atomic_compare_exchange_n(&object->ob_ref_shared, &shared, shared - one, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
  return true;
}

bool ext_decref_unless_last(PyObject *object) {
  if (!ext_is_attached()) return false;
  uint32_t local = __atomic_load_n(&object->ob_ref_local, __ATOMIC_RELAXED);
  bool counts = local != _Py_IMMORTAL_REFCNT_LOCAL;
  if (counts && !_Py_IsOwnedByCurrentThread(object)) return give_back_shared(object);
  if (counts && local < 2) return false;
  Py_DECREF(object);
  return true;
}

/* --- entries of caches. A version is odd while its entry is written. */

typedef uint64_t __attribute__((may_alias)) word;

const void *ext_entry_read(const ext_version *version, const void *entry, void *copy, size_t size) {
  ext_version before = __atomic_load_n(version, __ATOMIC_ACQUIRE);
  const word *from = entry;
  word *to = copy;
  for (size_t i = 0; i < size / sizeof(word); i++) {
    to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
  }
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  bool whole = before % 2 == 0 && __atomic_load_n(version, __ATOMIC_RELAXED) == before;
  return whole ? copy : NULL;
}

bool ext_entry_swap(ext_version *version, void *entry, void *other, size_t size) {
  ext_version before = __atomic_load_n(version, __ATOMIC_RELAXED);
  word *here = entry, *there = other;
  if (before % 2 || !__atomic_compare_exchange_n(version, &before, before + 1, false,
                                                 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
    return false;
  }
  __atomic_thread_fence(__ATOMIC_RELEASE);
  for (size_t i = 0; i < size / sizeof(word); i++) {
    word kept = here[i];
    __atomic_store_n(&here[i], there[i], __ATOMIC_RELAXED);
    there[i] = kept;
  }
  __atomic_store_n(version, before + 2, __ATOMIC_RELEASE);
  return true;
}

#else

bool ext_decref_unless_last(PyObject *object) {
  if (!ext_is_attached() || Py_REFCNT(object) < 2) return false;
  Py_DECREF(object);
  return true;
}

#endif

/* --- the locks of loading and of settings. They are needed with the GIL too: the code that they
 * protect calls the library that it examines, or OpenCV, and such a call may release the GIL. */

#ifdef Py_GIL_DISABLED
typedef PyMutex mutex;
#  define NEW_MUTEX {0}
static void lock(mutex *which) { PyMutex_Lock(which); }
static void unlock(mutex *which) { PyMutex_Unlock(which); }
#else
typedef pthread_mutex_t mutex;
#  define NEW_MUTEX PTHREAD_MUTEX_INITIALIZER

/* The holder of the lock may be waiting for the GIL. */
static void lock(mutex *which) {
  if (pthread_mutex_trylock(which) == 0) return;
  Py_BEGIN_ALLOW_THREADS pthread_mutex_lock(which);
  Py_END_ALLOW_THREADS
}

static void unlock(mutex *which) { pthread_mutex_unlock(which); }
#endif

/* A lock that the thread that holds it may take again. */
typedef struct {
  mutex mutex;
  unsigned long thread; /* that holds it; 0: none */
  int depth;
} turn;

static turn loading = {.mutex = NEW_MUTEX}, setting = {.mutex = NEW_MUTEX};

static void begin(turn *which) {
  unsigned long here = PyThread_get_thread_ident();
  if (__atomic_load_n(&which->thread, __ATOMIC_RELAXED) != here) {
    lock(&which->mutex);
    __atomic_store_n(&which->thread, here, __ATOMIC_RELAXED);
  }
  which->depth++;
}

static void end(turn *which) {
  if (--which->depth) return;
  __atomic_store_n(&which->thread, 0, __ATOMIC_RELAXED);
  unlock(&which->mutex);
}

void ext_loading_begin(void) { begin(&loading); }
void ext_loading_end(void) { end(&loading); }
void ext_setting_begin(void) { begin(&setting); }
void ext_setting_end(void) { end(&setting); }

/* Frees a lock in a child where another thread of the parent held it. These locks are not vc_locks
 * (core/lock.h), which fork() takes beforehand: a thread holds them while it runs Python code,
 * which may wait for the GIL, which the thread that forks holds, or may itself fork. An ext_lock
 * needs no handler, because no thread holds one where os.fork() can come. */
static void free_for_child(turn *which) {
  if (which->thread == PyThread_get_thread_ident()) return;
  which->mutex = (mutex)NEW_MUTEX;
  which->thread = 0;
  which->depth = 0;
}

static void begin_as_child(void) {
  free_for_child(&loading);
  free_for_child(&setting);
}

void ext_free_threading_init(void) { pthread_atfork(NULL, NULL, begin_as_child); }
