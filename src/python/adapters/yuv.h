/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIEWCAST_PYTHON_ADAPTERS_YUV_H
#define VIEWCAST_PYTHON_ADAPTERS_YUV_H

#include <Python.h>

/* The images of a batch of YUV images, as a list; any other object itself. New reference, or NULL
 * with an exception. */
PyObject *ext_yuv_images(PyObject *image);

#endif
