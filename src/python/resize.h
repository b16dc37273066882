/* SPDX-License-Identifier: Apache-2.0 */
/* resize= and boxes=: the geometry of a transform. */
#ifndef VIEWCAST_PYTHON_RESIZE_H
#define VIEWCAST_PYTHON_RESIZE_H

#include "images.h"

/* Reads resize= and boxes= as ext_arguments sorted them. TypeError or ValueError for what they
 * can't be. */
int ext_resize_read(PyObject *resize, PyObject *boxes, ext_request *out);

/* Imports boxes=, if there are any; to be released in any case. */
int ext_resize_import_boxes(ext_request *request, ext_images *boxes);

/* Completes the resize for the sources, and changes *read, the geometry of the sources, to that
 * of the images that are written. Does nothing without resize=. */
int ext_resize_apply(ext_request *request, const ext_images *from, const ext_images *boxes,
                     ext_geometry *read);

/* _placement(resize, height, width): the size and place of an image in the result, as
 * (height, width, top, left). */
PyObject *ext_resize_placement(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
