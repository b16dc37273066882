/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a transform: orders the streams, copies pixels to the device that works on them, does the
 * work, and keeps memory alive until it is done. */
#ifndef VIEWCAST_PYTHON_RUN_H
#define VIEWCAST_PYTHON_RUN_H

#include "plan.h"

/* Decides on the stream of the work. Comes before the result is made: its memory is allocated for
 * that stream. */
int ext_run_begin(ext_job *job);

/* Orders the streams and runs the copy or the transform. A result in host memory is complete on
 * return; on a GPU the work is enqueued, and the memory that it reads is kept until it is done. */
int ext_run_all(ext_job *job);

#endif
