/* SPDX-License-Identifier: Apache-2.0 */
/* __cuda_array_interface__ dictionaries, read and made. */
#ifndef VP_CUDA_ARRAY_H
#define VP_CUDA_ARRAY_H

#include "source.h"

/* Describes an object by its dictionary; the object becomes the owner. */
int vp_import_cuda_array(PyObject *object, PyObject *dictionary, vp_source *out);

/* Version 3, for a view of device memory that is ready on a stream
 * (VC_STREAM_NONE: nothing to wait for). New reference. */
PyObject *vp_export_cuda_array(const vc_view *view, vc_stream stream);

#endif
