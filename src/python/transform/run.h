/* SPDX-License-Identifier: Apache-2.0 */
/* A transform on its way: streams in order, pixels to the device that works on
 * them, the work itself, and what must live until it is done. */
#ifndef VP_TRANSFORM_RUN_H
#define VP_TRANSFORM_RUN_H

#include "transform/result.h"

typedef struct vp_run {
  const vp_request *request;
  vp_images *from;
  vp_result *result;
  vc_device source; /* where the pixels are */
  vc_device target; /* where they are to be */
  vc_stream stream; /* what the GPU does for it runs here */
  bool ordered;     /* false: stream=-1 */
  bool has_written; /* some of it, even if the call then failed */
} vp_run;

/* Decides on the stream. Before vp_result_make, which needs it. */
int vp_run_begin(const vp_request *request, vp_images *from, vp_result *result, vp_run *out);

/* All of it. On the host the result is then there; on a GPU the work is
 * enqueued, and what it reads lives until it is done. */
int vp_run_all(vp_run *run);

#endif
