/* SPDX-License-Identifier: Apache-2.0 */
/* Synchronisation that the GIL provides on default builds and that free-threaded builds need
 * explicitly. On default builds these locks and atomics compile to nothing.
 *
 * State of the process is one of these:
 *  - set while the module is made, and never changed again: needs nothing;
 *  - found out at its first use: by ext_keep_first (one object), or between
 *    ext_loading_begin and _end, with a flag that is EXT_WRITE-n last and EXT_READ first;
 *  - a cache whose entries are replaced: of one word by EXT_READ and ext_swap, of more
 *    by ext_entry_read and _swap;
 *  - guarded by a ext_lock, under which no Python code runs and nothing waits;
 *  - a setting of the process: between ext_setting_begin and _end, which one thread at a
 *    time is in, also while it waits, runs Python code or calls a library without the GIL. */
#ifndef VIEWCAST_PYTHON_FREE_THREADING_H
#define VIEWCAST_PYTHON_FREE_THREADING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A counter by which a reader of an entry detects that it was written meanwhile. */
typedef uint32_t ext_version;

#ifdef Py_GIL_DISABLED

typedef PyMutex ext_lock;

static inline void ext_lock_take(ext_lock *lock) { PyMutex_Lock(lock); }
static inline void ext_lock_give(ext_lock *lock) { PyMutex_Unlock(lock); }

#  define EXT_READ(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#  define EXT_WRITE(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)

static inline uintptr_t ext_swap(uintptr_t *place, uintptr_t value) {
  return __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL);
}

/* Copies an entry and returns `copy`, or NULL where another thread writes the entry meanwhile.
 * `size` is a multiple of 8, here and below. */
const void *ext_entry_read(const ext_version *version, const void *entry, void *copy, size_t size);

/* Exchanges an entry and `other`. Returns false, with both unchanged, where another thread writes
 * the entry. */
bool ext_entry_swap(ext_version *version, void *entry, void *other, size_t size);

#else

typedef char ext_lock;

static inline void ext_lock_take(ext_lock *lock) { (void)lock; }
static inline void ext_lock_give(ext_lock *lock) { (void)lock; }

#  define EXT_READ(place) (place)
#  define EXT_WRITE(place, value) ((place) = (value))

static inline uintptr_t ext_swap(uintptr_t *place, uintptr_t value) {
  uintptr_t before = *place;
  *place = value;
  return before;
}

static inline const void *ext_entry_read(const ext_version *version, const void *entry, void *copy,
                                         size_t size) {
  (void)version, (void)copy, (void)size;
  return entry;
}

static inline bool ext_entry_swap(ext_version *version, void *entry, void *other, size_t size) {
  char kept[64];
  (void)version;
  memcpy(kept, entry, size);
  memcpy(entry, other, size);
  memcpy(other, kept, size);
  return true;
}

#endif

/* A free list of objects that come and go at a steady rate, linked by their first words. Without
 * the GIL there is none: CPython's allocator keeps free lists per thread. */
typedef struct ext_spares {
  void *first;
  size_t count;
} ext_spares;

/* An object that ext_spares_add took; NULL if there is none. */
static inline void *ext_spares_take(ext_spares *spares) {
  void **taken = spares->first;
  if (!taken) return NULL;
  spares->first = *taken;
  spares->count--;
  return taken;
}

/* Adds an object. Returns false, and the caller frees the object, where the list has `most`
 * objects already or there is no GIL. */
static inline bool ext_spares_add(ext_spares *spares, void *spare, size_t most) {
#ifdef Py_GIL_DISABLED
  most = 0;
#endif
  if (spares->count == most) return false;
  *(void **)spare = spares->first;
  spares->first = spare;
  spares->count++;
  return true;
}

/* The code between these examines a library, on one thread at a time. It may enter again, because
 * the library's code that it runs may convert images. Modules are imported before it: imports have
 * locks of their own. */
void ext_loading_begin(void);
void ext_loading_end(void);

/* The code between these reads or changes a setting of the process (the memory pool), on one thread
 * at a time. It too may enter again, and has imported all modules before. */
void ext_setting_begin(void);
void ext_setting_end(void);

/* Stores an object (taken; NULL with an exception) in a slot permanently, unless another thread
 * stored one first. Returns the object in the slot, borrowed. */
static inline PyObject *ext_keep_first(PyObject **slot, PyObject *made) {
  PyObject *kept = NULL;
  if (!made) return NULL;
#ifdef Py_GIL_DISABLED
  bool first =
      __atomic_compare_exchange_n(slot, &kept, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
#else
  kept = *slot;
  bool first = !kept;
  if (first) *slot = made;
#endif
  if (first) return made;
  Py_DECREF(made);
  return kept;
}

/* An item (new reference), or NULL without an exception: a list may have become shorter
 * while it is read. */
static inline PyObject *ext_item(PyObject *list_or_tuple, Py_ssize_t index) {
#ifdef Py_GIL_DISABLED
  if (PyList_Check(list_or_tuple)) {
    PyObject *item = PyList_GetItemRef(list_or_tuple, index);
    if (!item) PyErr_Clear();
    return item;
  }
#endif
  if (index >= PySequence_Fast_GET_SIZE(list_or_tuple)) return NULL;
  return Py_NewRef(PySequence_Fast_GET_ITEM(list_or_tuple, index));
}

/* A dict's value (new reference), or NULL, without an exception unless memory ran out. */
PyObject *ext_dict_value(PyObject *dict, const char *key);

/* True if this thread may use Python now: it holds the GIL, where there is one. */
bool ext_is_attached(void);

/* Decrements a reference count if that can run no code: not if it is the last reference, nor on a
 * thread that is not attached to Python. True if it was decremented. */
bool ext_decref_unless_last(PyObject *object);

/* Prepares for fork(). */
void ext_free_threading_init(void);

#endif
