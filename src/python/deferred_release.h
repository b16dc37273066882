/* SPDX-License-Identifier: Apache-2.0 */
/* Stream-ordered release: memory must not return to its library's pool while a consumer on
 * another stream is still at work on it.
 *
 * A pool can't be told this in general: torch's and CuPy's reuse a block on the stream on
 * which it was allocated, and no public attribute names that stream. So the reference that a
 * view holds is released only after the consumer's stream has finished the work that was
 * enqueued when the view ended. In a chain of libraries each view holds the one before it,
 * and so each waits for its own consumer in turn. */
#ifndef VIEWCAST_PYTHON_DEFERRED_RELEASE_H
#define VIEWCAST_PYTHON_DEFERRED_RELEASE_H

#include "owner.h"

/* Replaces source->owner by one whose release waits for the work on `consumer`. `kept` is the
 * stream's object, which is kept until then; it may be NULL. Returns -1 with MemoryError. */
int ext_release_after(ext_source *source, vc_stream consumer, PyObject *kept);

/* The owner that ext_release_after replaced; NULL if `owner` is none of its owners. And the
 * stream's object (borrowed, or NULL) of an owner that is. */
const vc_owner *ext_ordered_owner(const vc_owner *owner);
PyObject *ext_ordered_stream(const vc_owner *owner);

/* Keeps an object until the consumer's work for such an owner, not released yet, is done. */
void ext_keep_until_ordered(const vc_owner *owner, PyObject *object);

/* True if any release waits for a consumer. */
bool ext_releases_pending(void);

/* Performs the releases whose consumers are done. Stops after `most_busy` streams that are
 * not: a conversion must not query the driver about every frame in flight. Returns the number
 * of releases. The calling thread must be attached to Python. */
size_t ext_releases_retry(size_t most_busy);

#endif
