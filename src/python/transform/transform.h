/* SPDX-License-Identifier: Apache-2.0 */
/* to_tensor, to_cupy, to_numpy and to_gpumat: conversions that move pixels. */
#ifndef VIEWCAST_PYTHON_TRANSFORM_TRANSFORM_H
#define VIEWCAST_PYTHON_TRANSFORM_TRANSFORM_H

#include "transform/request.h"

/* A new object of options->target with the source's pixels as they are, whatever
 * their layout, on `device`; ready on the consumer's stream. New reference. */
PyObject *ext_transform_copy(const struct ext_adapter *from, const ext_options *options,
                             ext_source *source, vc_device device);

/* Methods of the module, NULL-terminated. */
extern PyMethodDef ext_transform_methods[];

#endif
