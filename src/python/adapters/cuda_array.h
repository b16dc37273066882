/* SPDX-License-Identifier: Apache-2.0 */
/* __cuda_array_interface__ dictionaries, read and made. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_CUDA_ARRAY_H
#define VIEWCAST_PYTHON_ADAPTERS_CUDA_ARRAY_H

#include "owner.h"

/* Describes an object by its dictionary; the object becomes the owner. */
int ext_import_cuda_array(PyObject *object, PyObject *dictionary, ext_source *out);

/* Version 3, for a view of device memory that is ready on a stream
 * (VC_STREAM_NONE: nothing to wait for). New reference. */
PyObject *ext_export_cuda_array(const vc_view *view, vc_stream stream);

#endif
