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

/* _placement(resize, height, width): the size and place of an image in the result, as
 * (height, width, top, left). */
PyObject *ext_resize_placement(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
