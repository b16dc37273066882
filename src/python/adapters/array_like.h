/* SPDX-License-Identifier: Apache-2.0 */
/* Objects whose pixels NumPy can copy or convert, where no view is asked for. */
#ifndef VP_ARRAY_LIKE_H
#define VP_ARRAY_LIKE_H

#include "source.h"

/* Whether the caller asked for no view of the image's own memory: to_*, copy=None or True. */
static inline bool vp_may_copy(const vp_options *options) { return options->copy != VP_COPY_NEVER; }

/* Whether the object says that NumPy can make an array of it (__array_interface__,
 * __array_struct__ or __array__): 1 or 0; -1 with an exception. */
int vp_is_array_like(PyObject *object);

/* Imports numpy.asarray(object), which may be a view of it or a copy. */
int vp_import_array_like(PyObject *object, const vp_options *options, vp_source *out);

#endif
