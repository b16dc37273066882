/* SPDX-License-Identifier: Apache-2.0 */
/* New memory: blocks of bytes, and arrays that viewcast.allocation makes. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_MEMORY_H
#define VIEWCAST_PYTHON_ADAPTERS_MEMORY_H

#include "adapters/adapter.h"

/* A block of bytes, uninitialised, whose address is a multiple of 64: of the host, or of a GPU
 * out of the caching pool that this process uses (torch's, CuPy's, else viewcast's), as if
 * `stream` were current there. *out is a packed view of rank 1 with its owner. */
int ext_memory_block(size_t bytes, vc_device device, vc_stream stream, ext_source *out);

/* The same; *kept is a new reference to an object that keeps the block alive, as out->owner
 * does. */
int ext_memory_shared_block(size_t bytes, vc_device device, vc_stream stream, ext_source *out,
                            PyObject **kept);

/* Sets the strides of `count` images with the axes (H, W, C), or of one batch (N, H, W, C), whose
 * rows are aligned as OpenCV's kernels want them, and *bytes to what all of it takes. Rows whose
 * stride is that of packed ones already stay packed. False if that is more than there can be. */
bool ext_memory_lay_out(vc_view *view, int64_t count, int64_t *bytes);

/* A packed array like `wanted` of the library's own allocator; on a GPU as if `stream` were the
 * library's current stream. viewcast.allocation makes it, by the adapter's name. *out says where
 * it is and what owns it. New reference. */
PyObject *ext_memory_array(const ext_adapter *library, const vc_view *wanted, vc_stream stream,
                           ext_source *out);

/* Calls function(shape, dtype=dtype[, device=device]), as numpy.empty and torch.empty are, and
 * imports the array by its adapter. `dtype` and `device` are borrowed; NULL for a dtype that
 * could not be found (with an exception), and for no device. New reference. */
PyObject *ext_memory_call(PyObject *function, const ext_adapter *library, const vc_view *wanted,
                          PyObject *dtype, PyObject *device, ext_source *out);

#endif
