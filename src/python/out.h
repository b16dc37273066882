/* SPDX-License-Identifier: Apache-2.0 */
/* out=: an object or a list of objects that a transform writes into. An error in any of them is
 * found before any is written. An empty GpuMat is created by the call, as OpenCV creates a dst. */
#ifndef VIEWCAST_PYTHON_OUT_H
#define VIEWCAST_PYTHON_OUT_H

#include "plan.h"

/* Imports `out`, an object or a list of objects that may be written, to *outs, whose fields were
 * 0. *written becomes a tuple of the objects (strong). A list is read once: the objects
 * that are imported are those that are told of the write. */
int ext_outs_read(PyObject *out, const ext_options *options, ext_images *outs, PyObject **written);

/* DeviceError where device= was given and is another one than that of out=. */
int ext_outs_check_device(const ext_options *options, vc_device device);

/* Tells the libraries of such objects that these were written. */
int ext_outs_tell(const ext_images *outs, PyObject *written);

/* Imports request->out, whose library becomes the target. */
int ext_outs_import(ext_job *job);

/* Checks each image against what was asked, and plans the empty GpuMats. Before
 * ext_plan_result. */
int ext_outs_plan(ext_job *job);

/* Allocates memory for the empty GpuMats, for work on job->stream; decides whether all are written
 * as one batch; and checks that none shares memory with another one or with a source. */
int ext_outs_make(ext_job *job);

/* Ends the call: gives the empty GpuMats their memory, and tells the libraries that their objects
 * were written. `done` is the result of the work: if it is negative the call failed, with an
 * exception, and no GpuMat is given memory. Returns `done`, or -1. */
int ext_outs_finish(const ext_job *job, int done);

#endif
