/* SPDX-License-Identifier: Apache-2.0 */
/* resize= and boxes=: the geometry of a transform. */
#ifndef VIEWCAST_PYTHON_RESIZE_H
#define VIEWCAST_PYTHON_RESIZE_H

#include "plan.h"

/* Reads resize= and boxes= as ext_arguments sorted them. TypeError or ValueError for what they
 * can't be. */
int ext_resize_read(PyObject *resize, PyObject *boxes, ext_request *out);

/* Imports boxes= to job->boxes. */
int ext_resize_import_boxes(ext_job *job);

/* Completes the resize for the sources, and changes job->read, the axes of the sources, to those
 * of the images that are written. */
int ext_resize_apply(ext_job *job);

#endif
