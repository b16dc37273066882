/* SPDX-License-Identifier: Apache-2.0 */
/* Making a device's primary context current, and putting back what was. */
#ifndef VC_CUDA_DEVICE_H
#define VC_CUDA_DEVICE_H

#include "viewcast/viewcast.h"

typedef enum vc_entered {
  VC_ENTERED_AS_IT_WAS = 0, /* already current, or host mode: nothing to undo */
  VC_ENTERED_PUSHED = 1,
  VC_ENTERED_GONE = 2 /* the driver is shutting down: touch no memory */
} vc_entered;

/* Makes the primary context of a CUDA device current on this thread. */
vc_entered vc_cuda_enter(int32_t device);

/* Undoes vc_cuda_enter. */
void vc_cuda_leave(vc_entered entered);

#endif
