/* SPDX-License-Identifier: Apache-2.0 */
#include "way_back.h"

#include <stdlib.h>

/* Read and written with the GIL held. */
typedef struct hop {
  vc_owner inner; /* what gives the memory back */
  int32_t device;
  vc_stream consumer;
  PyObject *kept; /* strong, or NULL */
  bool marked;
  vc_mark mark;     /* the consumer's work when the view ended */
  struct hop *next; /* in the list of those that wait */
} hop;

/* Ended, but the consumer is still at work. Looked at from the front. */
static struct {
  hop *first, *last;
  size_t length;
} waiting;

static void wait_at_the_end(hop *ended) {
  ended->next = NULL;
  if (waiting.last) {
    waiting.last->next = ended;
  } else {
    waiting.first = ended;
  }
  waiting.last = ended;
  waiting.length++;
}

static hop *take_the_first(void) {
  hop *first = waiting.first;
  waiting.first = first->next;
  if (!waiting.first) waiting.last = NULL;
  waiting.length--;
  return first;
}

/* True if the consumer is done. A stream that is capturing is marked after the
 * capture. One that can't be marked (its owner destroyed it) leaves the host to
 * wait for the device: never memory that is still in use. */
static bool is_done(hop *ended) {
  if (!ended->marked) {
    if (vc_mark_set(ended->device, ended->consumer, &ended->mark, NULL) != VC_OK) {
      if (vc_stream_is_capturing(ended->device, ended->consumer)) return false;
      vc_stream_synchronize(ended->device, VC_STREAM_LEGACY, NULL);
    }
    ended->marked = true;
  }
  return vc_mark_done(&ended->mark);
}

static bool give_back_if_done(hop *ended) {
  if (!is_done(ended)) {
    wait_at_the_end(ended);
    return false;
  }
  Py_XDECREF(ended->kept);
  vc_owner_release(&ended->inner);
  free(ended);
  return true;
}

static void hop_release(void *context) { give_back_if_done(context); }

/* A release may run Python code that comes here again, so the queue is read
 * anew at each turn. */
size_t vp_way_back_retry(size_t most_busy) {
  size_t released = 0, busy = 0;
  for (size_t turns = waiting.length; turns && waiting.first && busy < most_busy; turns--) {
    if (give_back_if_done(take_the_first())) {
      released++;
    } else {
      busy++;
    }
  }
  return released;
}

int vp_way_back(vp_source *source, vc_stream consumer, PyObject *kept) {
  hop *begun = malloc(sizeof *begun);
  if (!begun) {
    PyErr_NoMemory();
    return -1;
  }
  *begun = (hop){
      .inner = source->owner,
      .device = source->view.device.id,
      /* The end may come on another thread, whose per-thread stream is another:
       * the legacy stream waits for all of them. */
      .consumer = consumer == VC_STREAM_PER_THREAD ? VC_STREAM_LEGACY : consumer,
      .kept = Py_XNewRef(kept),
  };
  source->owner = (vc_owner){begun, hop_release, false};
  return 0;
}
