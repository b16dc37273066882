/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that are no images, but from which an image can be made: by NumPy, where no view is
 * asked for, or by the caller. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_NO_IMAGE_H
#define VIEWCAST_PYTHON_ADAPTERS_NO_IMAGE_H

#include "owner.h"

/* What to do with an object that has no protocol ("read the file first: …"), as a text of
 * static storage; NULL where nothing is known. Asks the object for attributes, and leaves
 * no exception. */
const char *ext_no_image_advice(PyObject *object);

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
