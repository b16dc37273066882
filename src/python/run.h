/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a transform: orders the streams, copies pixels to the device that works on them, does the
 * work, and keeps memory alive until it is done. */
#ifndef VIEWCAST_PYTHON_RUN_H
#define VIEWCAST_PYTHON_RUN_H

#include "plan.h"

typedef struct ext_run {
  const ext_request *request;
  ext_images *from;
  ext_images *boxes; /* none: its count is 0 */
  ext_result *result;
  vc_device source; /* the device of the sources */
  vc_device target; /* the device of the result */
  vc_stream stream; /* all work of the GPU is enqueued on it */
  bool ordered;     /* false for stream=-1 */
  bool has_written; /* some of the result was written, even if the call then failed */
} ext_run;

/* Decides on the devices and the stream, which ext_result_make needs. */
int ext_run_begin(const ext_request *request, ext_images *from, ext_images *boxes,
                  ext_result *result, ext_run *out);

/* Does all of it. A result in host memory is complete on return; on a GPU the work is enqueued,
 * and the memory that it reads is kept until it is done. */
int ext_run_all(ext_run *run);

#endif
