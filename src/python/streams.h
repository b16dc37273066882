/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that a caller names in Python, and the current stream of each library. */
#ifndef VIEWCAST_PYTHON_STREAMS_H
#define VIEWCAST_PYTHON_STREAMS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "internal.h"

/* A stream that was named by the caller. */
typedef struct ext_stream {
  bool given;       /* false: None, the library's current stream */
  vc_stream handle; /* normalised: never 0 */
  PyObject *object; /* borrowed; NULL for an int: the caller keeps its stream alive */
} ext_stream;

/* A handle as vc_stream: 0, which almost always means the legacy default stream, becomes 1. */
vc_stream ext_stream_normalised(long long handle);

/* Reads an int handle (-1: no ordering, 0 and 1: legacy, 2: per-thread), a
 * torch, CuPy or cv2 stream, or an object with __cuda_stream__. TypeError or
 * ValueError for anything else. */
int ext_stream_read(PyObject *value, const char *argument, ext_stream *out);

/* The stream of `use_stream` on this thread, if any. */
const ext_stream *ext_stream_in_use(void);

/* OpenCV has no current stream. Returns that of use_stream, or the legacy default stream. */
vc_stream ext_opencv_stream(int32_t device);
/* torch's current stream on a device (-1: the current device), by its Python API; the legacy
 * default stream where torch has none. */
vc_stream ext_torch_stream(int32_t device);
/* CuPy's current stream on a device, on this thread. */
vc_stream ext_cupy_stream(int32_t device);

/* The object of CuPy's current stream, whose handle is `stream`; NULL without an
 * exception for a default stream. New reference. */
PyObject *ext_cupy_stream_object(int32_t device, vc_stream stream);

#endif
