/* SPDX-License-Identifier: Apache-2.0 */
/* A conversion: an import by one adapter, an export by another. */
#ifndef VIEWCAST_PYTHON_CONVERT_H
#define VIEWCAST_PYTHON_CONVERT_H

#include "adapters/adapter.h"

/* The image as options->target has it. New reference, or NULL with an
 * exception. An image that is of the target's kind already is returned as it
 * is, once a stream that was named is in order. */
PyObject *ext_convert(PyObject *image, const ext_options *options);

/* Methods of the module, NULL-terminated. */
extern PyMethodDef ext_convert_methods[];

#endif
