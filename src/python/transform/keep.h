/* SPDX-License-Identifier: Apache-2.0 */
/* Owners that are kept until a stream has done what is on it: of many, with one
 * mark on the stream. */
#ifndef VP_TRANSFORM_KEEP_H
#define VP_TRANSFORM_KEEP_H

#include "source.h"

#define VP_KEEP_FEW 4

typedef struct vp_keep {
  size_t count, room;
  vc_owner *owners; /* NULL: few */
  vc_owner few[VP_KEEP_FEW];
} vp_keep;

/* Takes an owner. On MemoryError it stays with the caller. */
int vp_keep_add(vp_keep *keep, vc_owner *owner);

/* Releases all of them once what is on the stream now is done. */
int vp_keep_until(vp_keep *keep, const vp_options *options, int32_t device, vc_stream stream);

/* Releases what is left, now. */
void vp_keep_release(vp_keep *keep);

#endif
