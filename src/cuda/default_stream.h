/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the legacy default stream, in which pooled memory comes and
 * goes: a barrier in it, and which streams it reaches. */
#ifndef VIEWCAST_CUDA_DEFAULT_STREAM_H
#define VIEWCAST_CUDA_DEFAULT_STREAM_H

#include "viewcast/viewcast.h"

/* Work enqueued from now on, on the legacy stream or a blocking stream of the
 * device, runs after all work enqueued there before. False, and nothing is
 * enqueued, where a blocking stream captures a graph or the driver fails. */
bool vc_legacy_barrier(int32_t device);

/* True if the barrier reaches the stream: a default or a blocking one. */
bool vc_legacy_reaches(vc_stream stream);

#endif
