/* SPDX-License-Identifier: Apache-2.0 */
/* Owners that are kept until a stream has done what is on it: of many, with one
 * mark on the stream. */
#ifndef VIEWCAST_PYTHON_TRANSFORM_KEEP_H
#define VIEWCAST_PYTHON_TRANSFORM_KEEP_H

#include "owner.h"

#define EXT_KEEP_FEW 4

typedef struct ext_keep {
  size_t count, room;
  vc_owner *owners; /* NULL: few */
  vc_owner few[EXT_KEEP_FEW];
} ext_keep;

/* Takes an owner. On MemoryError it stays with the caller. */
int ext_keep_add(ext_keep *keep, vc_owner *owner);

/* Releases all of them once what is on the stream now is done. */
int ext_keep_until(ext_keep *keep, const ext_options *options, int32_t device, vc_stream stream);

/* Releases what is left, now. */
void ext_keep_release(ext_keep *keep);

#endif
