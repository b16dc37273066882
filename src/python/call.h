/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline of every conversion:
 *
 *   import images -> plan (view, copy or transform) -> order streams -> run -> export -> keep
 *
 * images.h imports, plan.h plans, stream_order.h orders and keeps, run.h runs; adapters import
 * and export. functions.h reads the arguments before. */
#ifndef VIEWCAST_PYTHON_CALL_H
#define VIEWCAST_PYTHON_CALL_H

#include "request.h"

/* One image as an object of options->target: a view, or a copy where the options allow one. New
 * reference. */
PyObject *ext_convert(PyObject *image, const ext_options *options);

/* A batch, or each image of a list, tuple or iterator, as a list of such objects. Streams are
 * looked up and ordered once. */
PyObject *ext_convert_all(PyObject *images, ext_options *options);

/* An image, a batch or a list as request->options.target with memory of its own, or written to
 * request->out. New reference. */
PyObject *ext_transform(PyObject *image, ext_request *request);

#endif
