/* SPDX-License-Identifier: Apache-2.0 */
/* viewcast.View: an image in memory that every protocol's consumer takes. */
#ifndef VIEWCAST_PYTHON_VIEW_OBJECT_H
#define VIEWCAST_PYTHON_VIEW_OBJECT_H

#include "owner.h"

extern PyTypeObject ext_view_type;

int ext_view_init(PyObject *module);

/* New reference; takes source->owner. */
PyObject *ext_view_new(ext_source *source);

#endif
