/* SPDX-License-Identifier: Apache-2.0 */
/* to_yuv(): RGB to the planes of a YUV image, for an encoder. */
#ifndef VIEWCAST_PYTHON_TO_YUV_H
#define VIEWCAST_PYTHON_TO_YUV_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* _to_yuv(image, format, matrix, range, reverse_channels, from_layout, out, device, stream,
 * producer_stream): viewcast.colour has read the names, whose numbers these are. */
PyObject *ext_to_yuv(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *kwnames);

#endif
