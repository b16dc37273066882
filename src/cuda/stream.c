/* SPDX-License-Identifier: Apache-2.0 */
/* Order between two streams: one event, recorded on the one and waited for by
 * the other. */
#include <stdatomic.h>

#include "core/error.h"
#include "cuda/device.h"
#include "cuda/driver.h"
#include "internal.h"

/* CUstreamCaptureStatus */
enum { CAPTURE_NONE = 0 };

bool vc_stream_same(vc_stream a, vc_stream b) {
  if (a == 0) a = VC_STREAM_LEGACY;
  if (b == 0) b = VC_STREAM_LEGACY;
  return a == b || a == VC_STREAM_NONE || b == VC_STREAM_NONE;
}

/* --- pooled events. A slot holds an event that nobody uses, or NULL, or LENT:
 * its event orders two streams just now, and comes back to this very slot. An
 * order owns its event until the wait is enqueued, after which it may be recorded
 * anew (cuStreamWaitEvent remembers what was recorded before it). */

#define POOL_SIZE 16
static _Atomic(CUevent) pool[VC_MAX_DEVICES][POOL_SIZE];
static char lent_marker;
#define LENT ((CUevent)(void *)&lent_marker)

static bool is_event(CUevent event) { return event && event != LENT; }

/* Takes an event out of the pool, for good or until it is released. */
static CUresult take_event(int32_t device, CUevent *out) {
  for (int i = 0; i < POOL_SIZE; i++) {
    CUevent found = atomic_load_explicit(&pool[device][i], memory_order_relaxed);
    if (!is_event(found)) continue;
    if (atomic_compare_exchange_strong(&pool[device][i], &found, NULL)) {
      *out = found;
      return VC_CUDA_SUCCESS;
    }
  }
  return vc_cuda_create_event(out);
}

static void give_event_back(int32_t device, CUevent event) {
  for (int i = 0; i < POOL_SIZE; i++) {
    CUevent empty = NULL;
    if (atomic_compare_exchange_strong(&pool[device][i], &empty, event)) return;
  }
  vc_cuda_destroy_event(event);
}

static void drop_event(int32_t device, CUevent event, bool pooled) {
  if (pooled && device >= 0 && device < VC_MAX_DEVICES) {
    give_event_back(device, event);
  } else {
    vc_cuda_destroy_event(event);
  }
}

typedef struct {
  CUevent event;
  _Atomic(CUevent) *slot; /* that it comes back to; NULL: a new one */
} loan;

/* One locked instruction to borrow, a plain store to return. */
static CUresult borrow_event(int32_t device, loan *out) {
  for (int i = 0; i < POOL_SIZE; i++) {
    CUevent found = atomic_load_explicit(&pool[device][i], memory_order_relaxed);
    if (!is_event(found)) continue;
    if (atomic_compare_exchange_strong(&pool[device][i], &found, LENT)) {
      *out = (loan){found, &pool[device][i]};
      return VC_CUDA_SUCCESS;
    }
  }
  out->slot = NULL;
  return vc_cuda_create_event(&out->event);
}

static void return_event(int32_t device, loan borrowed) {
  if (borrowed.slot) {
    atomic_store_explicit(borrowed.slot, borrowed.event, memory_order_release);
  } else {
    give_event_back(device, borrowed.event);
  }
}

/* --- graph capture */

typedef struct {
  bool active;
  bool implicit; /* a default stream, and a blocking stream captures */
  uint64_t id;
} capture;

static CUresult find_capture(const vc_driver *driver, vc_stream stream, capture *out) {
  int status = CAPTURE_NONE;
  *out = (capture){0};
  CUresult result = driver->cuStreamIsCapturing(vc_driver_stream(stream), &status);
  out->implicit = result == VC_CUDA_CAPTURE_IMPLICIT;
  out->active = result == VC_CUDA_SUCCESS && status != CAPTURE_NONE;
  if (!out->active) return out->implicit ? VC_CUDA_SUCCESS : result;
  return driver->cuStreamGetCaptureInfo(vc_driver_stream(stream), &status, &out->id, NULL, NULL,
                                        NULL);
}

static bool is_in_capture(const vc_driver *driver, vc_stream stream) {
  capture found;
  if (find_capture(driver, stream, &found) != VC_CUDA_SUCCESS) return false;
  return found.active || found.implicit;
}

/* Nothing may be enqueued that ends a capture, or draws a stream into one that
 * does not know of it. */
static vc_status check_captures(const vc_driver *driver, vc_stream producer, vc_stream consumer,
                                vc_error *error) {
  capture from, to;
  CUresult result = find_capture(driver, producer, &from);
  if (result == VC_CUDA_SUCCESS) result = find_capture(driver, consumer, &to);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuStreamIsCapturing", result);
  if (from.implicit || to.implicit) {
    return vc_fail(error, VC_ERROR_CUDA,
                   "a stream is capturing a graph, and the default stream (%s side) can't take "
                   "part; name the capturing stream on both sides (%s)",
                   from.implicit ? "producer's" : "consumer's",
                   vc_advice_text(VC_ADVICE_BOTH_STREAMS));
  }
  if (from.active != to.active || (from.active && from.id != to.id)) {
    return vc_fail(error, VC_ERROR_CUDA,
                   "the %s stream is capturing a graph and the %s stream is not part of that "
                   "capture; name the capturing stream on both sides (%s), or order them outside "
                   "of the capture",
                   from.active ? "producer's" : "consumer's",
                   from.active ? "consumer's" : "producer's",
                   vc_advice_text(VC_ADVICE_BOTH_STREAMS));
  }
  return VC_OK;
}

/* --- whose context a stream is */

static bool belongs_to(const vc_driver *driver, vc_stream stream, CUcontext context) {
  CUcontext found = NULL;
  if (vc_stream_is_default(stream)) return true; /* the current context's */
  return driver->cuStreamGetCtx((CUstream)stream, &found) == VC_CUDA_SUCCESS && found == context;
}

/* True if both streams are the current context's. */
static bool on_one_device(const vc_driver *driver, vc_stream producer, vc_stream consumer) {
  CUcontext current = NULL;
  if (vc_cuda_device_count() == 1) return true;
  if (driver->cuCtxGetCurrent(&current) != VC_CUDA_SUCCESS) return true;
  return belongs_to(driver, producer, current) && belongs_to(driver, consumer, current);
}

/* Pooled events are of the device's own context. */
static bool is_current(const vc_driver *driver, int32_t device) {
  CUdevice found;
  if (vc_cuda_device_count() == 1) return true;
  return driver->cuCtxGetDevice(&found) == VC_CUDA_SUCCESS && found == device;
}

/* --- the calls */

static vc_status record_and_wait(const vc_driver *driver, int32_t device, vc_stream producer,
                                 vc_stream consumer, vc_error *error) {
  VC_TRY(check_captures(driver, producer, consumer, error));
  loan borrowed;
  CUresult result = borrow_event(device, &borrowed);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuEventCreate", result);
  const char *call = "cuEventRecord (producer's stream)";
  result = driver->cuEventRecord(borrowed.event, vc_driver_stream(producer));
  if (result == VC_CUDA_SUCCESS) {
    call = "cuStreamWaitEvent (consumer's stream)";
    result = driver->cuStreamWaitEvent(vc_driver_stream(consumer), borrowed.event, 0);
  }
  return_event(device, borrowed);
  return result == VC_CUDA_SUCCESS ? VC_OK : vc_driver_fail(error, call, result);
}

/* In the context that was entered, which it leaves: a new event, recorded on a stream of it. */
static vc_status record_new(const vc_driver *driver, int32_t device, vc_entered entered,
                            vc_stream producer, CUevent *out, vc_error *error) {
  vc_status status = vc_cuda_check_entry(entered, device, error);
  if (status == VC_OK) {
    const char *call = "cuEventCreate";
    CUresult result = driver->cuEventCreate(out, VC_EVENT_DISABLE_TIMING);
    if (result == VC_CUDA_SUCCESS) {
      call = "cuEventRecord (producer's stream)";
      result = driver->cuEventRecord(*out, vc_driver_stream(producer));
    }
    if (result != VC_CUDA_SUCCESS) status = vc_driver_fail(error, call, result);
  }
  vc_cuda_leave(entered);
  return status;
}

static vc_status wait_in(const vc_driver *driver, int32_t device, vc_stream consumer, CUevent event,
                         vc_error *error) {
  vc_entered entered = vc_cuda_enter_stream(device, consumer);
  vc_status status = vc_cuda_check_entry(entered, device, error);
  if (status == VC_OK) {
    CUresult result = driver->cuStreamWaitEvent(vc_driver_stream(consumer), event, 0);
    if (result != VC_CUDA_SUCCESS) {
      status = vc_driver_fail(error, "cuStreamWaitEvent (consumer's stream)", result);
    }
  }
  vc_cuda_leave(entered);
  return status;
}

/* On one GPU every stream is the primary context's. On several, an event must
 * be created and recorded in the context of the producer's stream. */
static vc_status order_across_devices(const vc_driver *driver, int32_t device, vc_stream producer,
                                      vc_stream consumer, vc_error *error) {
  CUevent event = NULL;
  vc_status status = check_captures(driver, producer, consumer, error);
  if (status == VC_OK) {
    vc_entered entered = vc_cuda_enter_stream(device, producer);
    status = record_new(driver, device, entered, producer, &event, error);
  }
  if (status == VC_OK) status = wait_in(driver, device, consumer, event, error);
  if (event) vc_cuda_destroy_event(event); /* freed once it has happened */
  return status;
}

vc_status vc_stream_order(int32_t device, vc_stream producer, vc_stream consumer, vc_error *error) {
  VC_TRY(vc_stream_check(producer, error));
  VC_TRY(vc_stream_check(consumer, error));
  if (vc_stream_same(producer, consumer)) return VC_OK;
  const vc_driver *driver = vc_driver_get();
  VC_TRY(vc_device_check(device, error));
  if (!driver) return VC_OK; /* host mode: there are no streams */
  vc_entered entered = vc_cuda_push_context_strict(device, VC_STREAM_LEGACY);
  if (entered.entry == VC_ENTRY_GONE) return VC_OK;
  vc_status status = vc_cuda_check_entry(entered, device, error);
  if (status == VC_OK) {
    status = on_one_device(driver, producer, consumer)
                 ? record_and_wait(driver, device, producer, consumer, error)
                 : order_across_devices(driver, device, producer, consumer, error);
  }
  vc_cuda_leave(entered);
  return status;
}

vc_status vc_stream_join_context(int32_t device, const void *address, vc_error *error) {
  const vc_driver *driver = vc_driver_get();
  vc_entered entered;
  CUevent event = NULL;
  if (!vc_cuda_enter_foreign(device, address, &entered)) return VC_OK;
  vc_status status = record_new(driver, device, entered, VC_STREAM_LEGACY, &event, error);
  if (status == VC_OK) status = wait_in(driver, device, VC_STREAM_LEGACY, event, error);
  if (event) vc_cuda_destroy_event(event); /* freed once it has happened */
  return status;
}

static vc_status synchronize(const vc_driver *driver, vc_stream stream, vc_error *error) {
  capture found;
  CUresult result = find_capture(driver, stream, &found);
  if (result == VC_CUDA_SUCCESS && (found.active || found.implicit)) {
    return vc_fail(error, VC_ERROR_CUDA,
                   "the host can't wait for a stream that is capturing a graph; take the image to "
                   "the host after the capture");
  }
  if (result == VC_CUDA_SUCCESS) result = driver->cuStreamSynchronize(vc_driver_stream(stream));
  return result == VC_CUDA_SUCCESS ? VC_OK : vc_driver_fail(error, "cuStreamSynchronize", result);
}

vc_status vc_stream_synchronize(int32_t device, vc_stream stream, vc_error *error) {
  const vc_driver *driver = vc_driver_get();
  VC_TRY(vc_stream_check(stream, error));
  if (device != VC_NO_DEVICE) VC_TRY(vc_device_check(device, error));
  if (!driver || stream == VC_STREAM_NONE) return VC_OK;
  vc_entered entered = vc_cuda_enter_stream(device, stream);
  vc_status status = vc_cuda_check_entry(entered, device, error);
  if (status == VC_OK) status = synchronize(driver, stream, error);
  vc_cuda_leave(entered);
  return status;
}

static vc_status record_event(const vc_driver *driver, int32_t device, vc_stream stream,
                              vc_event *out, vc_error *error) {
  CUevent event;
  if (is_in_capture(driver, stream)) {
    return vc_fail(error, VC_ERROR_CUDA,
                   "the stream is capturing a graph, in which no event can be recorded that is "
                   "queried outside of it; record the event after the capture");
  }
  bool pooled = is_current(driver, device);
  CUresult result = pooled ? take_event(device, &event) : vc_cuda_create_event(&event);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuEventCreate", result);
  result = driver->cuEventRecord(event, vc_driver_stream(stream));
  if (result != VC_CUDA_SUCCESS) {
    drop_event(device, event, pooled);
    return vc_driver_fail(error, "cuEventRecord", result);
  }
  *out = (vc_event){event, device, pooled};
  return VC_OK;
}

vc_status vc_event_record(int32_t device, vc_stream stream, vc_event *out, vc_error *error) {
  VC_NEED(out);
  const vc_driver *driver = vc_driver_get();
  VC_TRY(vc_stream_check(stream, error));
  VC_TRY(vc_device_check(device, error));
  if (!driver || stream == VC_STREAM_NONE) {
    *out = (vc_event){NULL, device, false};
    return VC_OK;
  }
  vc_entered entered = vc_cuda_push_context_strict(device, stream);
  vc_status status = vc_cuda_check_entry(entered, device, error);
  if (status == VC_OK) status = record_event(driver, device, stream, out, error);
  vc_cuda_leave(entered);
  return status;
}

bool vc_event_done(vc_event *event) {
  VC_NEED_OR(event, return false);
  const vc_driver *driver = vc_driver_get();
  if (!event->event || !driver) return true;
  vc_entered entered = vc_cuda_enter(event->device);
  if (entered.entry == VC_ENTRY_GONE) return true;
  bool done = driver->cuEventQuery(event->event) != VC_CUDA_NOT_READY;
  if (done) {
    drop_event(event->device, event->event, event->pooled);
    event->event = NULL;
  }
  vc_cuda_leave(entered);
  return done;
}

void vc_event_release(vc_event *event) {
  VC_NEED_OR(event, return);
  if (event->event) drop_event(event->device, event->event, event->pooled);
  event->event = NULL;
}

/* Of what is no stream or no device nothing is known. */
static bool may_be_asked(int32_t device, vc_stream stream) {
  return stream > VC_STREAM_NONE && device >= 0 && device < vc_cuda_device_count();
}

bool vc_stream_is_capturing(int32_t device, vc_stream stream) {
  const vc_driver *driver = vc_driver_get();
  if (!driver || !may_be_asked(device, stream)) return false;
  vc_entered entered = vc_cuda_push_context_strict(device, stream);
  if (entered.entry == VC_ENTRY_GONE) return false;
  bool captures = is_in_capture(driver, stream);
  vc_cuda_leave(entered);
  return captures;
}

bool vc_stream_is_idle(int32_t device, vc_stream stream) {
  const vc_driver *driver = vc_driver_get();
  if (!driver || stream == VC_STREAM_NONE) return true;
  if (!may_be_asked(device, stream)) return false;
  vc_entered entered = vc_cuda_enter_stream(device, stream);
  capture found;
  bool idle = vc_cuda_check_entry(entered, device, NULL) == VC_OK &&
              find_capture(driver, stream, &found) == VC_CUDA_SUCCESS && !found.active &&
              !found.implicit && driver->cuStreamQuery(vc_driver_stream(stream)) == VC_CUDA_SUCCESS;
  vc_cuda_leave(entered);
  return idle;
}

vc_status vc_cuda_warmup(int32_t device, vc_error *error) {
  const vc_driver *driver = vc_driver_get();
  VC_TRY(vc_device_check(device, error));
  if (!driver) return VC_OK;
  CUevent events[POOL_SIZE];
  CUresult result = VC_CUDA_SUCCESS;
  int count = 0;
  vc_entered entered = vc_cuda_enter(device);
  vc_status status = vc_cuda_check_entry(entered, device, error);
  if (status != VC_OK) {
    vc_cuda_leave(entered);
    return status;
  }
  while (count < POOL_SIZE && result == VC_CUDA_SUCCESS) {
    result = take_event(device, &events[count]);
    if (result == VC_CUDA_SUCCESS) count++;
  }
  while (count) give_event_back(device, events[--count]);
  vc_cuda_leave(entered);
  return result == VC_CUDA_SUCCESS ? VC_OK : vc_driver_fail(error, "cuEventCreate", result);
}
