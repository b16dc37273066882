/* SPDX-License-Identifier: Apache-2.0 */
/* copy= and device=, the arguments. */
#ifndef VP_COPY_OPTIONS_H
#define VP_COPY_OPTIONS_H

#include "source.h"

/* Reads copy= (False, None, True) and device= (None, an ordinal, "cpu", "cuda",
 * "cuda:1", a torch or CuPy device). */
int vp_copy_options_read(PyObject *copy, PyObject *device, vp_options *options);

#endif
