/* SPDX-License-Identifier: Apache-2.0 */
/* Objects whose pixels NumPy can copy or convert, where no view is asked for. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_ARRAY_LIKE_H
#define VIEWCAST_PYTHON_ADAPTERS_ARRAY_LIKE_H

#include "owner.h"

/* Whether the caller asked for no view of the image's own memory: to_*, copy=None or True. */
static inline bool ext_may_copy(const ext_options *options) {
  return options->copy != EXT_COPY_NEVER;
}

/* Whether the object says that NumPy can make an array of it (__array_interface__,
 * __array_struct__ or __array__): 1 or 0; -1 with an exception. */
int ext_is_array_like(PyObject *object);

/* Imports numpy.asarray(object), which may be a view of it or a copy. */
int ext_import_array_like(PyObject *object, const ext_options *options, ext_source *out);

#endif
