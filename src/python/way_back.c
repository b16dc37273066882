/* SPDX-License-Identifier: Apache-2.0 */
#include "way_back.h"

#include "free_threading.h"

typedef struct hop {
  vc_owner inner; /* what gives the memory back */
  int32_t device;
  vc_stream consumer;
  PyObject *kept; /* strong, or NULL */
  bool marked;
  vc_mark mark;     /* the consumer's work when the view ended */
  struct hop *next; /* in its lane, or among the unused */
  /* Of the first hop of a lane only: */
  struct hop *last, *next_lane;
  size_t length;
} hop;

#ifdef Py_GIL_DISABLED

/* The allocator has lists of its own, one a thread. */
static hop *new_hop(void) { return PyMem_RawMalloc(sizeof(hop)); }
static void free_hop(hop *done) { PyMem_RawFree(done); }

#else

/* --- hops that were used before: views come and go at a steady rate */

enum { MOST_UNUSED = 1024 };
static hop *unused;
static size_t unused_count;

static hop *new_hop(void) {
  hop *made = unused;
  if (!made) return PyMem_RawMalloc(sizeof *made);
  unused = made->next;
  unused_count--;
  return made;
}

static void free_hop(hop *done) {
  if (unused_count == MOST_UNUSED) {
    PyMem_RawFree(done);
    return;
  }
  done->next = unused;
  unused = done;
  unused_count++;
}

#endif

/* --- lanes: hops that have ended while their consumer was still at work, one lane
 * a stream, in the order of their marks. What is done on a stream, so is all before
 * it: a lane needs few questions, however long it is. */

static vp_lock lock; /* of the lanes, and of all hops in them */
static hop *lanes;   /* its first hop stands for a lane */

static hop *lane_of(const hop *ended) {
  hop *lane = lanes;
  while (lane && (lane->consumer != ended->consumer || lane->device != ended->device)) {
    lane = lane->next_lane;
  }
  return lane;
}

static void add_lane(hop *first) {
  hop **end = &lanes;
  while (*end) end = &(*end)->next_lane;
  first->next_lane = NULL;
  VP_WRITE(*end, first);
}

static void take_lane(const hop *lane) {
  hop **link = &lanes;
  while (*link != lane) link = &(*link)->next_lane;
  VP_WRITE(*link, lane->next_lane);
}

static void start_lane(hop *ended) {
  ended->next = NULL;
  ended->last = ended;
  ended->length = 1;
  add_lane(ended);
}

static void join_lane(hop *lane, hop *ended) {
  ended->next = NULL;
  lane->last->next = ended;
  lane->last = ended;
  lane->length++;
}

/* --- marks */

/* False while the consumer's stream is capturing: it is marked after the capture.
 * One that can't be marked (its owner destroyed it) leaves the host to wait for
 * the device: never memory that is still in use. */
static bool set_mark(hop *ended) {
  if (ended->marked) return true;
  if (vc_mark_set(ended->device, ended->consumer, &ended->mark, NULL) != VC_OK) {
    if (vc_stream_is_capturing(ended->device, ended->consumer)) return false;
    vc_stream_synchronize(ended->device, VC_STREAM_LEGACY, NULL);
    ended->mark.event = NULL;
  }
  ended->marked = true;
  return true;
}

static bool is_done(hop *ended) { return set_mark(ended) && vc_mark_done(&ended->mark); }

/* The first hop of a lane whose consumer is not done yet: asks for the first, then
 * for the last, then for those between. */
static hop *skip_done(hop *lane) {
  hop *last = lane->last;
  if (!is_done(lane)) return lane;
  hop *each = lane->next;
  if (each && last->marked && vc_mark_done(&last->mark)) {
    for (; each != last; each = each->next) {
      if (each->marked) vc_mark_drop(&each->mark);
    }
    return NULL;
  }
  while (each && is_done(each)) each = each->next;
  return each;
}

/* --- the end */

static void give_back(hop *done) {
  vc_owner inner = done->inner;
  PyObject *kept = done->kept;
  free_hop(done);
  Py_XDECREF(kept);
  vc_owner_release(&inner);
}

/* Takes what is done off a lane: chained by `next`, NULL if nothing is. */
static hop *take_done(hop *lane) {
  hop *rest = skip_done(lane), *last = lane->last, **end = &lane;
  size_t length = lane->length;
  take_lane(lane);
  for (; *end != rest; end = &(*end)->next) length--;
  *end = NULL;
  if (rest) {
    rest->last = last;
    rest->length = length;
    add_lane(rest);
  }
  return lane;
}

/* Returns how many. A release may run Python code that comes here again: the lock is
 * free, and the rest of the lane back in its place, by then. */
static size_t give_back_all(hop *done) {
  size_t released = 0;
  for (; done; released++) {
    hop *next = done->next;
    give_back(done);
    done = next;
  }
  return released;
}

/* A stream that has nothing to do needs no event: one question instead of a record and
 * two more. Behind others of its stream that were not done, a hop is not asked for: the
 * lane is, now and then, and at the next conversion. */
static void hop_release(void *context) {
  enum { LOOK_EVERY = 8 };
  hop *ended = context, *done = NULL;
  vp_lock_take(&lock);
  hop *lane = lane_of(ended);
  if (lane) {
    set_mark(ended);
    join_lane(lane, ended);
    if (lane->length % LOOK_EVERY == 0) done = take_done(lane);
  } else if (vc_stream_is_idle(ended->device, ended->consumer) || is_done(ended)) {
    ended->next = NULL;
    done = ended;
  } else {
    start_lane(ended);
  }
  vp_lock_give(&lock);
  give_back_all(done);
}

const vc_owner *vp_ordered_owner(const vc_owner *owner) {
  return owner->release == hop_release ? &((const hop *)owner->context)->inner : NULL;
}

PyObject *vp_ordered_stream(const vc_owner *owner) { return ((const hop *)owner->context)->kept; }

bool vp_way_back_waits(void) { return VP_READ(lanes) != NULL; }

static size_t count_lanes(void) {
  size_t count = 0;
  vp_lock_take(&lock);
  for (const hop *lane = lanes; lane; lane = lane->next_lane) count++;
  vp_lock_give(&lock);
  return count;
}

size_t vp_way_back_retry(size_t most_busy) {
  size_t released = 0, busy = 0, turns = count_lanes();
  while (turns-- && busy < most_busy) {
    vp_lock_take(&lock);
    hop *done = lanes ? take_done(lanes) : NULL;
    vp_lock_give(&lock);
    size_t given_back = give_back_all(done);
    released += given_back;
    busy += given_back == 0;
  }
  return released;
}

int vp_way_back(vp_source *source, vc_stream consumer, PyObject *kept) {
  hop *begun = new_hop();
  if (!begun) {
    PyErr_NoMemory();
    return -1;
  }
  begun->inner = source->owner;
  begun->device = source->view.device.id;
  /* The end may come on another thread, whose per-thread stream is another: the
   * legacy stream waits for all of them. */
  begun->consumer = consumer == VC_STREAM_PER_THREAD ? VC_STREAM_LEGACY : consumer;
  begun->kept = Py_XNewRef(kept);
  begun->marked = false;
  source->owner = (vc_owner){begun, hop_release, false};
  return 0;
}

void vp_keep_until_ordered(const vc_owner *owner, PyObject *object) {
  const hop *begun = owner->context;
  vp_source kept = {.view.device = {VC_CUDA, begun->device}, .owner = vp_own(object)};
  if (vp_way_back(&kept, begun->consumer, begun->kept) < 0) {
    PyErr_Clear();
    vc_stream_synchronize(begun->device, begun->consumer, NULL);
  }
  vp_release(&kept.owner);
}
