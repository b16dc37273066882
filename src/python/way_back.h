/* SPDX-License-Identifier: Apache-2.0 */
/* The way back: memory must not return to its library's pool while a consumer
 * on another stream is still at work on it.
 *
 * No pool can be told so in general: torch's and CuPy's hand a block out again
 * on the stream that it was allocated on, which nobody else knows. So the
 * reference that a view holds is given back only once the consumer's stream has
 * done what was on it when the view ended. In a chain of libraries each hop
 * holds the one before it, and so waits for its own consumer in turn. */
#ifndef VP_WAY_BACK_H
#define VP_WAY_BACK_H

#include "source.h"

/* Puts a wait for the stream before the release of source->owner. `kept` (may
 * be NULL) is the stream's object, kept that long. A failure is MemoryError. */
int vp_way_back(vp_source *source, vc_stream consumer, PyObject *kept);

/* What vp_way_back put behind such a wait: the owner that was there, and the stream's
 * object (borrowed, or NULL). The first is NULL for any other owner. */
const vc_owner *vp_ordered_owner(const vc_owner *owner);
PyObject *vp_ordered_stream(const vc_owner *owner);

/* Keeps an object until the consumer of such an owner is done, which still is one. */
void vp_keep_until_ordered(const vc_owner *owner, PyObject *object);

/* True if anything waits for a consumer. */
bool vp_way_back_waits(void);

/* Gives back what waited for consumers that are now done, and stops after so
 * many that are not: a drain between conversions must not ask for every frame
 * in flight. Returns how many were given back. Needs a thread that
 * Python is on. */
size_t vp_way_back_retry(size_t most_busy);

#endif
