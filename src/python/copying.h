/* SPDX-License-Identifier: Apache-2.0 */
/* copy= and device=: a conversion that moves pixels to memory of its own. */
#ifndef VP_COPYING_H
#define VP_COPYING_H

#include "adapters/adapter.h"

/* 1 if the options ask for a copy of this source, 0 if not; -1 with DeviceError
 * where only a copy would do and none is allowed. */
int vp_copying_needed(const vp_options *options, const vp_source *source);

/* A fresh object of the target library with the source's pixels, whatever their
 * layout, ready on the consumer's stream. New reference. */
PyObject *vp_copying_make(const vp_adapter *from, const vp_options *options, vp_source *source);

#endif
