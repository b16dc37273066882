/* SPDX-License-Identifier: Apache-2.0 */
/* Host memory through Python's buffer protocol. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_BUFFER_H
#define VIEWCAST_PYTHON_ADAPTERS_BUFFER_H

#include "owner.h"

/* Describes an object that exports a buffer; a memoryview becomes its owner. */
int ext_import_buffer(PyObject *object, ext_source *out);

/* The struct-module format of a dtype ("B", "e", …); NULL for bfloat16. */
const char *ext_buffer_format(vc_dtype dtype);

#endif
