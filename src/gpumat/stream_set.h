/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of non-blocking streams that a pool's memory is used on, which the legacy stream does
 * not order. NULL is the empty set. */
#ifndef VIEWCAST_GPUMAT_STREAM_SET_H
#define VIEWCAST_GPUMAT_STREAM_SET_H

#include "core/owner.h"

typedef struct vc_stream_set vc_stream_set;

/* Makes a set of the non-blocking streams among `streams`, together with those of `base`; if
 * there are none, *out is another reference to `base`. */
vc_status vc_stream_set_new(const vc_stream *streams, size_t count, vc_stream_set *base,
                            vc_stream_set **out, vc_error *error);

/* Takes *owner (may be NULL) until the last reference to a set that was just
 * made over `base` is gone. Where the set is `base` it is released at once, or by
 * vc_collect with what vc_retire_prepare made for it. */
void vc_stream_set_keep(vc_stream_set *set, const vc_stream_set *base, vc_owner *owner,
                        vc_record *prepared);

vc_stream_set *vc_stream_set_retain(vc_stream_set *set);
void vc_stream_set_drop(vc_stream_set *set);

/* Makes the legacy stream of the device wait for what is on the set's streams. False, and
 * the order incomplete, where it can't wait for one of them now. */
bool vc_stream_set_join(const vc_stream_set *set, int32_t device);

/* Enqueues a barrier on the legacy stream, and makes the set's streams of that device wait
 * for it. False as above. */
bool vc_stream_set_follow(const vc_stream_set *set, int32_t device);

#endif
