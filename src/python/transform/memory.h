/* SPDX-License-Identifier: Apache-2.0 */
/* New memory: objects of a library, and blocks of bytes. */
#ifndef VIEWCAST_PYTHON_TRANSFORM_MEMORY_H
#define VIEWCAST_PYTHON_TRANSFORM_MEMORY_H

#include "adapters/adapter.h"

/* An uninitialised array of torch, CuPy or NumPy, with the view's shape and
 * dtype (packed), from the library's own allocator; on a GPU as if `stream` were
 * the library's current one. Fills *out with where it is and what owns it. New
 * reference. */
PyObject *ext_memory_array(const ext_adapter *library, const vc_view *wanted, vc_device device,
                           vc_stream stream, ext_source *out);

/* Uninitialised bytes whose address is a multiple of 64: of the host, or of a
 * GPU out of the caching pool that this process uses (torch's, CuPy's, else
 * viewcast's), as if `stream` were current there. Packed, rank 1. */
int ext_memory_block(size_t bytes, vc_device device, vc_stream stream, ext_source *out);

#endif
