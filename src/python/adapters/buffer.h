/* SPDX-License-Identifier: Apache-2.0 */
/* Host memory through Python's buffer protocol. */
#ifndef VP_BUFFER_H
#define VP_BUFFER_H

#include "source.h"

/* Describes an object that exports a buffer; a memoryview becomes its owner. */
int vp_import_buffer(PyObject *object, vp_source *out);

/* The struct-module format of a dtype ("B", "e", …); NULL for bfloat16. */
const char *vp_buffer_format(vc_dtype dtype);

#endif
