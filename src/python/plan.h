/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a call: whether a view will do or a copy is needed, and where; what a copy or a
 * transform writes: the images of out=, or a new object of the target library. */
#ifndef VIEWCAST_PYTHON_PLAN_H
#define VIEWCAST_PYTHON_PLAN_H

#include "images.h"

/* --- a view or a copy */

/* Whether the options ask for a copy of this source, or need one: 1 or 0; -1 with DeviceError
 * where only a copy would do and none is allowed. */
int ext_plan_copy(const ext_options *options, const ext_source *source);

/* The same for the images of a batch. */
int ext_plan_copy_of_batch(const ext_options *options, const ext_source *batch);

/* The device of such a copy. */
vc_device ext_plan_copy_device(const ext_options *options, const ext_source *source);

/* DeviceError where device= names a GPU and the target's objects lie in host memory. */
int ext_plan_check_device(const ext_options *options);

/* --- the result of a copy or a transform */

/* A call that moves pixels. Each part of the pipeline (call.c) fills some of it. */
typedef struct ext_job {
  ext_request *request;
  /* Writes the result, between the order of streams and the keeping of memory. NULL: the transform
   * that the request asks for. -1 with an exception. */
  int (*work)(struct ext_job *job);

  /* The images, imported. */
  ext_images from;   /* the sources */
  ext_images boxes;  /* boxes=; its count is 0 without */
  ext_images outs;   /* out=; its count is 0 without */
  PyObject *written; /* strong: a tuple of the objects of out=; NULL: none */

  /* The plan. */
  ext_geometry read; /* the axes of the sources; with resize= those of the images written */
  vc_device source;  /* the device of the sources */
  vc_device target;  /* the device of the result */
  vc_view wanted;    /* the new object. A list of GpuMats is planned as one batch */
  bool stack;       /* (N, H, W) is returned: `views` have an axis of channels, `object` has none */
  vc_stream stream; /* all work of the GPU is enqueued on it */
  bool ordered;     /* false for stream=-1 */

  /* The result. */
  ext_source fresh; /* new memory and its owner */
  /* The destination of the pixels: one view, or one for each image of out= if these are not evenly
   * spaced. */
  vc_view one;
  const vc_view *views;
  size_t count;
  bool has_written; /* some of the result was written, even if the call then failed */
  PyObject *object; /* strong: the result of the call */
} ext_job;

/* Decides on shape, dtype, layout and device of the new object, where there is no out=, and checks
 * the call's numbers for each channel. Sets the layouts of request->params. */
int ext_plan_result(ext_job *job);

/* Sets job->target to the device of a new result. */
int ext_plan_target(ext_job *job);

/* Makes the new object, for work on job->stream. */
int ext_result_make(ext_job *job);

/* Changes a view of shape (N) to (1, N). */
void ext_result_lift_line(vc_view *view);

#endif
