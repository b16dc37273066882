/* SPDX-License-Identifier: Apache-2.0 */
/* What a transform writes: images of out=, or new ones of the target library. */
#ifndef VP_TRANSFORM_RESULT_H
#define VP_TRANSFORM_RESULT_H

#include "transform/images.h"

typedef struct vp_result {
  /* What is to be made: shape, dtype and device. Of a list of GpuMats, all of
   * them as one batch. */
  vc_view wanted;
  vp_images outs; /* out=; none: count 0 */
  vp_source fresh; /* owner of new memory */
  /* Where the pixels go: one view, or one for each image of out= where these are
   * not evenly spaced. */
  vc_view one;
  const vc_view *views;
  size_t count;
  bool stack; /* (N, H, W): what is written has an axis of channels, what is returned not */
  PyObject *object; /* strong: what the call returns */
} vp_result;

/* Imports out=, if it was given: its library is then the target. To be released
 * in any case. */
int vp_result_begin(vp_request *request, vp_result *result);

/* Decides on shape, dtype, layout and device; checks out= against what was
 * asked. Fills the layouts of request->params. */
int vp_result_plan(vp_request *request, const vp_geometry *read, const vp_images *from,
                   vp_result *result);

/* Makes what is not there yet, for work on `stream`. */
int vp_result_make(const vp_request *request, vc_stream stream, vp_result *result);

/* (N) as (1, N). */
void vp_result_lift_line(vc_view *view);

void vp_result_release(vp_result *result);

#endif
