/* SPDX-License-Identifier: Apache-2.0 */
/* Owners of memory and how they end: Python objects, releases in the order of a stream, and
 * pending releases. */
#include "owner.h"

#include <stdatomic.h>

#include "errors.h"
#include "free_threading.h"

bool ext_is_host_mode(void) {
  vc_mode mode;
  return vc_cuda_mode(&mode, NULL) == VC_OK && mode == VC_MODE_HOST;
}

/* --- Python objects as owners */

void ext_release_object(void *object) { Py_DECREF((PyObject *)object); }

void ext_release(vc_owner *owner) {
  if (!owner->release) return;
  PyObject *raised = ext_exception_take();
  vc_owner_release(owner);
  ext_exception_set(raised);
}

/* --- releases that wait for a consumer's stream */

/* The release of an owner that waits for a consumer's stream. Made when the view begins;
 * enqueued when it ends while the consumer is still at work. */
typedef struct pending_release {
  vc_owner inner; /* the owner that is released in the end */
  int32_t device;
  vc_stream consumer;
  PyObject *kept;               /* the consumer's stream object (strong), or NULL */
  bool recorded;                /* `event` was recorded */
  vc_event event;               /* recorded on the consumer's stream when the view ended */
  struct pending_release *next; /* in its queue */
  /* Used in the first release of a queue only: */
  struct pending_release *last, *next_queue;
  size_t length; /* releases in the queue */
} pending_release;

/* A video pipeline makes and ends views at a steady rate. */
static ext_spares unused;

static pending_release *new_release(void) {
  pending_release *made = ext_spares_take(&unused);
  return made ? made : PyMem_RawMalloc(sizeof *made);
}

static void free_release(pending_release *done) {
  enum { MOST_UNUSED = 1024 };
  if (!ext_spares_add(&unused, done, MOST_UNUSED)) PyMem_RawFree(done);
}

/* --- queues of releases whose consumers are still at work
 *
 * There is one queue per stream, in the order in which its events were recorded. Work on a
 * stream finishes in order. If the last event of a queue is done, all earlier ones are, so
 * even a long queue needs only a few queries of the driver. */

static ext_lock lock;           /* guards the queues and all releases in them */
static pending_release *queues; /* a list of queues; the first release represents its queue */

static pending_release *queue_of(const pending_release *ended) {
  pending_release *queue = queues;
  while (queue && (queue->consumer != ended->consumer || queue->device != ended->device)) {
    queue = queue->next_queue;
  }
  return queue;
}

static void add_queue(pending_release *first) {
  pending_release **end = &queues;
  while (*end) end = &(*end)->next_queue;
  first->next_queue = NULL;
  EXT_WRITE(*end, first);
}

static void remove_queue(const pending_release *queue) {
  pending_release **link = &queues;
  while (*link != queue) link = &(*link)->next_queue;
  EXT_WRITE(*link, queue->next_queue);
}

static void start_queue(pending_release *ended) {
  ended->next = NULL;
  ended->last = ended;
  ended->length = 1;
  add_queue(ended);
}

static void append(pending_release *queue, pending_release *ended) {
  ended->next = NULL;
  queue->last->next = ended;
  queue->last = ended;
  queue->length++;
}

/* --- events */

/* Records the release's event on the consumer's stream. Returns false while that stream is
 * capturing a graph: the event is recorded after the capture. If the stream can't record
 * because its owner destroyed it, the host waits for the whole device instead, so that no
 * memory is released while it is in use. */
static bool record_event(pending_release *ended) {
  if (ended->recorded) return true;
  if (vc_event_record(ended->device, ended->consumer, &ended->event, NULL) != VC_OK) {
    if (vc_stream_is_capturing(ended->device, ended->consumer)) return false;
    vc_ignore(vc_stream_synchronize(ended->device, VC_STREAM_LEGACY, NULL));
    ended->event.event = NULL;
  }
  ended->recorded = true;
  return true;
}

static bool is_done(pending_release *ended) {
  return record_event(ended) && vc_event_done(&ended->event);
}

/* Returns the first release of a queue whose event is not done, or NULL. Queries the first
 * event, then the last, and those between only if the last is not done. */
static pending_release *skip_done(pending_release *queue) {
  pending_release *last = queue->last;
  if (!is_done(queue)) return queue;
  pending_release *each = queue->next;
  if (each && last->recorded && vc_event_done(&last->event)) {
    for (; each != last; each = each->next) {
      if (each->recorded) vc_event_release(&each->event);
    }
    return NULL;
  }
  while (each && is_done(each)) each = each->next;
  return each;
}

/* --- releasing */

static void release_one(pending_release *done) {
  vc_owner inner = done->inner;
  PyObject *kept = done->kept;
  free_release(done);
  Py_XDECREF(kept);
  vc_owner_release(&inner);
}

/* Removes the releases from a queue whose events are done. Returns them, linked by `next`;
 * NULL if there are none. */
static pending_release *remove_done(pending_release *queue) {
  pending_release *rest = skip_done(queue), *last = queue->last, **end = &queue;
  size_t length = queue->length;
  remove_queue(queue);
  for (; *end != rest; end = &(*end)->next) length--;
  *end = NULL;
  if (rest) {
    rest->last = last;
    rest->length = length;
    add_queue(rest);
  }
  return queue;
}

/* Releases all of a list and returns how many. A release may run Python code that enters this
 * file again: the lock is free and the queues are consistent when that happens. */
static size_t release_all(pending_release *done) {
  size_t released = 0;
  for (; done; released++) {
    pending_release *next = done->next;
    release_one(done);
    done = next;
  }
  return released;
}

/* The release function of such an owner, called when its view ends. If the stream is idle,
 * the memory is released at once and no event is needed. If other releases on this stream
 * are already pending, this one is appended to that queue; the queue is polled every 8th
 * append and at the next conversion. */
static void end_view(void *context) {
  enum { POLL_EVERY = 8 };
  pending_release *ended = context, *done = NULL;
  ext_lock_take(&lock);
  pending_release *queue = queue_of(ended);
  if (queue) {
    record_event(ended);
    append(queue, ended);
    if (queue->length % POLL_EVERY == 0) done = remove_done(queue);
  } else if (vc_stream_is_idle(ended->device, ended->consumer) || is_done(ended)) {
    ended->next = NULL;
    done = ended;
  } else {
    start_queue(ended);
  }
  ext_lock_give(&lock);
  release_all(done);
}

const vc_owner *ext_ordered_owner(const vc_owner *owner) {
  return owner->release == end_view ? &((const pending_release *)owner->context)->inner : NULL;
}

PyObject *ext_ordered_stream(const vc_owner *owner) {
  return ((const pending_release *)owner->context)->kept;
}

static size_t count_queues(void) {
  size_t count = 0;
  ext_lock_take(&lock);
  for (const pending_release *queue = queues; queue; queue = queue->next_queue) count++;
  ext_lock_give(&lock);
  return count;
}

size_t ext_releases_retry(size_t most_busy) {
  size_t released = 0, busy = 0, turns = count_queues();
  while (turns-- && busy < most_busy) {
    ext_lock_take(&lock);
    pending_release *done = queues ? remove_done(queues) : NULL;
    ext_lock_give(&lock);
    size_t ended = release_all(done);
    released += ended;
    busy += ended == 0;
  }
  return released;
}

int ext_release_after(ext_source *source, vc_stream consumer, PyObject *kept) {
  pending_release *begun = new_release();
  if (!begun) return ext_no_memory();
  begun->inner = source->owner;
  begun->device = source->view.device.id;
  /* The view may end on another thread, where the per-thread stream is a different one. The
   * legacy stream waits for all of them. */
  begun->consumer = consumer == VC_STREAM_PER_THREAD ? VC_STREAM_LEGACY : consumer;
  begun->kept = Py_XNewRef(kept);
  begun->recorded = false;
  source->owner = (vc_owner){begun, end_view, false};
  return 0;
}

void ext_keep_until_ordered(const vc_owner *owner, PyObject *object) {
  const pending_release *begun = owner->context;
  ext_source kept = {.view.device = {VC_CUDA, begun->device}, .owner = ext_own(object)};
  if (ext_release_after(&kept, begun->consumer, begun->kept) < 0) {
    PyErr_Clear();
    vc_ignore(vc_stream_synchronize(begun->device, begun->consumer, NULL));
  }
  ext_release(&kept.owner);
}

/* --- pending releases */

static bool is_finalizing(void) {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

/* Where something else still holds the object, the end of a view only decrements its reference
 * count, which need not wait. */
static bool count_down(const vc_owner *owner) {
  return owner->release == ext_release_object && ext_decref_unless_last(owner->context);
}

#if defined(Py_GIL_DISABLED)

ext_gil ext_gil_take_if_free(void) { return EXT_GIL_NOT_TAKEN; }
void ext_gil_leave(ext_gil taken) { (void)taken; }

#else

/* The newest thread is the first of the list, so only the first entry has to be read. */
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

static _Atomic bool asked; /* a pending call was requested and has not run yet */

static int run_pending(void *nothing) {
  (void)nothing;
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
  if ((!pending && !EXT_READ(queues)) || is_finalizing()) return;
  if (pending) vc_collect(false);
  ext_releases_retry(2);
}

void ext_owner_init(void) {
  vc_collect_notify(ask_for_drain);
  vc_collect_here(count_down);
}
