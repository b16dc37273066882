/* SPDX-License-Identifier: Apache-2.0 */
/* out=: an object or a list of them that a transform writes into. Whatever is wrong with
 * one of them is found before any is written. An empty GpuMat is created by the call, as
 * OpenCV creates a dst. */
#ifndef VP_TRANSFORM_OUT_H
#define VP_TRANSFORM_OUT_H

#include "transform/result.h"

/* Imports request->out: its library is then the target. */
int vp_outs_import(vp_request *request, vp_result *result);

/* Checks each image against what was asked, and plans the empty GpuMats. Before
 * vp_result_plan. */
int vp_outs_plan(vp_request *request, const vp_geometry *read, const vp_images *from,
                 vp_result *result);

/* Allocates for the empty GpuMats, for work on `stream`, decides whether all are written as
 * one batch, and sees that no two share memory, nor with a source. */
int vp_outs_make(const vp_request *request, const vp_images *from, vc_stream stream,
                 vp_result *result);

/* After the work: gives the empty GpuMats their memory (not if `done` is negative: the
 * call failed, with an exception), and tells the libraries what was written. Returns
 * `done`, or -1. */
int vp_outs_finish(vp_result *result, int done);

#endif
