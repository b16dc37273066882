/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a call: whether a view will do or a copy is needed, and where; what a copy or a
 * transform writes: the images of out=, or a new object of the target library. */
#ifndef VIEWCAST_PYTHON_PLAN_H
#define VIEWCAST_PYTHON_PLAN_H

#include "images.h"

/* --- a view or a copy */

/* Whether the options ask for a copy of this source, or need one: 1 or 0; -1 with DeviceError
 * where only a copy would do and none is allowed. */
int ext_plan_copy_where_asked(const ext_options *options, const ext_source *source);
static inline int ext_plan_copy(const ext_options *options, const ext_source *source) {
  bool asked = options->copy != EXT_COPY_NEVER || options->has_device;
  return asked ? ext_plan_copy_where_asked(options, source) : 0;
}

/* The same for the images of a batch. */
int ext_plan_copy_of_batch(const ext_options *options, const ext_source *batch);

/* The device of such a copy. */
vc_device ext_plan_copy_device(const ext_options *options, const ext_source *source);

/* DeviceError where device= names a GPU and the target's objects lie in host memory. */
int ext_plan_check_device(const ext_options *options);

/* --- the result of a copy or a transform */

typedef struct ext_result {
  /* The new object: shape, dtype and device. A list of GpuMats is planned as one batch. */
  vc_view wanted;
  ext_images outs;  /* the images of out=; count is 0 without out= */
  ext_source fresh; /* the new memory and its owner */
  /* The destination of the pixels: one view, or one for each image of out= if these are not evenly
   * spaced. */
  vc_view one;
  const vc_view *views;
  size_t count;
  bool stack;       /* (N, H, W) is returned: `views` have an axis of channels, `object` has none */
  PyObject *object; /* strong: the result of the call */
  PyObject *written; /* strong: a tuple of the objects of out=; NULL: none */
} ext_result;

/* Makes an empty result, which must be released in any case. */
void ext_result_begin(ext_result *result);

/* Decides on shape, dtype, layout and device of the new object, where there is no out=, and checks
 * the call's numbers for each channel. Sets the layouts of request->params. */
int ext_result_plan(ext_request *request, const ext_geometry *read, const ext_images *from,
                    ext_result *result);

/* Makes the new object, for work on `stream`. */
int ext_result_make(const ext_request *request, vc_stream stream, ext_result *result);

/* The dtype of the result of a source, and its device. */
int ext_result_dtype(const ext_request *request, vc_dtype source, vc_dtype *out);
int ext_result_device(const ext_request *request, vc_device source, vc_device *out);

/* Changes a view of shape (N) to (1, N). */
void ext_result_lift_line(vc_view *view);

void ext_result_release(ext_result *result);

#endif
