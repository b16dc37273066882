/* SPDX-License-Identifier: Apache-2.0 */
/* viewcast.View: an image in memory that every protocol's consumer takes. */
#ifndef VP_VIEW_OBJECT_H
#define VP_VIEW_OBJECT_H

#include "source.h"

extern PyTypeObject vp_view_type;

int vp_view_init(PyObject *module);

/* New reference; takes source->owner. */
PyObject *vp_view_new(vp_source *source);

#endif
