/* SPDX-License-Identifier: Apache-2.0 */
/* to_tensor, to_cupy, to_numpy and to_gpumat: conversions that move pixels. */
#ifndef VP_TRANSFORM_H
#define VP_TRANSFORM_H

#include "transform/request.h"

/* A new object of options->target with the source's pixels as they are, whatever
 * their layout, on `device`; ready on the consumer's stream. New reference. */
PyObject *vp_transform_copy(const struct vp_adapter *from, const vp_options *options,
                            vp_source *source, vc_device device);

/* Methods of the module, NULL-terminated. */
extern PyMethodDef vp_transform_methods[];

#endif
