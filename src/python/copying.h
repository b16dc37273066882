/* SPDX-License-Identifier: Apache-2.0 */
/* copy= and device=: a conversion that moves pixels to memory of its own. */
#ifndef VIEWCAST_PYTHON_COPYING_H
#define VIEWCAST_PYTHON_COPYING_H

#include "adapters/adapter.h"

/* 1 if the options ask for a copy of this source, 0 if not; -1 with DeviceError
 * where only a copy would do and none is allowed. */
int ext_copying_needed(const ext_options *options, const ext_source *source);

/* A fresh object of the target library with the source's pixels, whatever their
 * layout, ready on the consumer's stream. New reference. */
PyObject *ext_copying_make(const ext_adapter *from, const ext_options *options, ext_source *source);

#endif
