/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: which one is current or a stream's, and calls with a device's context current. */
#ifndef VIEWCAST_CUDA_DEVICE_H
#define VIEWCAST_CUDA_DEVICE_H

#include "cuda/driver.h"

/* What pinned memory is on, where an ordinal is asked for. */
#define VC_NO_DEVICE (-1)

/* VC_ERROR_DEVICE unless `device` is the ordinal of a CUDA device; in host mode, which has
 * none, unless it could be one. */
vc_status vc_device_check(int32_t device, vc_error *error);

/* VC_ERROR_ARGUMENT for a negative handle other than VC_STREAM_NONE. */
vc_status vc_stream_check(vc_stream stream, vc_error *error);

/* The device that an explicit stream belongs to; `otherwise` for a default one. */
int32_t vc_stream_device(vc_stream stream, int32_t otherwise);

/* The device that is current on this thread; 0 in host mode. False where none
 * is current and there are several, or where the driver fails. */
bool vc_current_device(int32_t *out);

typedef enum vc_entry {
  VC_ENTRY_AS_IT_WAS = 0, /* already current, or host mode */
  VC_ENTRY_PUSHED = 1,
  VC_ENTRY_GONE = 2, /* the driver is shutting down: touch no memory */
  /* The context is not current: what goes to a default stream now would go to that of
   * another device. */
  VC_ENTRY_REFUSED = 3
} vc_entry;

typedef struct vc_entered {
  vc_entry entry;
  bool relaxed; /* the capture mode was exchanged: `mode` is what it was */
  int mode;
  CUresult result; /* why it was refused */
} vc_entered;

/* Makes the primary context of a CUDA device current on this thread, and lets
 * the thread's calls pass beside graph captures that it knows nothing of
 * (CU_STREAM_CAPTURE_MODE_RELAXED). VC_NO_DEVICE: pinned memory, which is no device's; the
 * context stays as it is. */
vc_entered vc_cuda_enter(int32_t device);

/* The same for the context that an explicit stream belongs to, which may be
 * another device's. */
vc_entered vc_cuda_enter_stream(int32_t device, vc_stream stream);

/* The same for calls that no capture minds: recording and waiting for events,
 * and asking whether a stream captures. The capture mode stays as it is. */
vc_entered vc_cuda_push_context_strict(int32_t device, vc_stream stream);

/* The same for the context in which memory was allocated, where that is another one than the
 * primary context of its device, as that of a decoder may be. False, with nothing to undo, where
 * it is the primary one or not known, and in host mode. */
bool vc_cuda_enter_foreign(int32_t device, const void *address, vc_entered *out);

/* cuEventCreate in the current context and cuEventDestroy, relaxed. */
CUresult vc_cuda_create_event(CUevent *out);
void vc_cuda_destroy_event(CUevent event);

/* VC_OK where the context is current; else why nothing may be enqueued. */
vc_status vc_cuda_check_entry(vc_entered entered, int32_t device, vc_error *error);

/* Undoes any of them. */
void vc_cuda_leave(vc_entered entered);

#endif
