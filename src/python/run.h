/* SPDX-License-Identifier: Apache-2.0 */
/* A transform on its way: streams in order, pixels to the device that works on
 * them, the work itself, and what must live until it is done. */
#ifndef VIEWCAST_PYTHON_RUN_H
#define VIEWCAST_PYTHON_RUN_H

#include "plan.h"

typedef struct ext_run {
  const ext_request *request;
  ext_images *from;
  ext_result *result;
  vc_device source; /* where the pixels are */
  vc_device target; /* where they are to be */
  vc_stream stream; /* what the GPU does for it runs here */
  bool ordered;     /* false: stream=-1 */
  bool has_written; /* some of it, even if the call then failed */
} ext_run;

/* Decides on the stream. Before ext_result_make, which needs it. */
int ext_run_begin(const ext_request *request, ext_images *from, ext_result *result, ext_run *out);

/* All of it. On the host the result is then there; on a GPU the work is
 * enqueued, and what it reads lives until it is done. */
int ext_run_all(ext_run *run);

#endif
