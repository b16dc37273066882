/* SPDX-License-Identifier: Apache-2.0 */
/* Making a device's context current, and putting back what was. */
#ifndef VC_CUDA_DEVICE_H
#define VC_CUDA_DEVICE_H

#include "viewcast/viewcast.h"

typedef enum vc_entry {
  VC_ENTRY_AS_IT_WAS = 0, /* already current, or host mode */
  VC_ENTRY_PUSHED = 1,
  VC_ENTRY_GONE = 2 /* the driver is shutting down: touch no memory */
} vc_entry;

typedef struct vc_entered {
  vc_entry entry;
  bool relaxed; /* the capture mode was exchanged: `mode` is what it was */
  int mode;
} vc_entered;

/* Makes the primary context of a CUDA device current on this thread, and lets
 * the thread's calls pass beside graph captures that it knows nothing of
 * (CU_STREAM_CAPTURE_MODE_RELAXED). */
vc_entered vc_cuda_enter(int32_t device);

/* The same for the context that an explicit stream belongs to, which may be
 * another device's. */
vc_entered vc_cuda_enter_stream(int32_t device, vc_stream stream);

/* Undoes vc_cuda_enter. */
void vc_cuda_leave(vc_entered entered);

#endif
