/* SPDX-License-Identifier: Apache-2.0 */
/* Non-blocking streams that take part in a pool's order, for which the legacy
 * stream is no barrier. NULL is the empty set. */
#ifndef VIEWCAST_GPUMAT_STREAM_SET_H
#define VIEWCAST_GPUMAT_STREAM_SET_H

#include "core/owner.h"

typedef struct vc_stream_set vc_stream_set;

/* The streams that need to be named, together with those of `base`; if none
 * needs to be, *out is another reference to `base`. */
vc_status vc_stream_set_new(const vc_stream *streams, size_t count, vc_stream_set *base,
                            vc_stream_set **out, vc_error *error);

/* Takes *owner (may be NULL) until the last reference to a set that was just
 * made over `base` is gone. Where the set is `base` it is released at once, or by
 * vc_collect with what vc_retire_prepare made for it. */
void vc_stream_set_keep(vc_stream_set *set, const vc_stream_set *base, vc_owner *owner,
                        vc_record *prepared);

vc_stream_set *vc_stream_set_retain(vc_stream_set *set);
void vc_stream_set_drop(vc_stream_set *set);

/* The legacy stream of the device waits for what is on the set's streams.
 * False, and nothing relied on, where one can't be waited for now. */
bool vc_stream_set_join(const vc_stream_set *set, int32_t device);

/* A barrier on the legacy stream; then the set's streams of that device wait
 * for it. False as above. */
bool vc_stream_set_follow(const vc_stream_set *set, int32_t device);

#endif
