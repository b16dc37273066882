/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/keep.h"

#include <string.h>

#include "hand_over.h"
#include "way_back.h"

static vc_owner *owners_of(vp_keep *keep) { return keep->owners ? keep->owners : keep->few; }

static int grow(vp_keep *keep) {
  size_t room = keep->owners ? 2 * keep->room : 4 * VP_KEEP_FEW;
  vc_owner *owners = PyMem_RawRealloc(keep->owners, room * sizeof *owners);
  if (!owners) {
    PyErr_NoMemory();
    return -1;
  }
  if (!keep->owners) memcpy(owners, keep->few, sizeof keep->few);
  keep->owners = owners;
  keep->room = room;
  return 0;
}

int vp_keep_add(vp_keep *keep, vc_owner *owner) {
  size_t room = keep->owners ? keep->room : VP_KEEP_FEW;
  if (!owner->release) return 0;
  if (keep->count == room && grow(keep) < 0) return -1;
  owners_of(keep)[keep->count++] = *owner;
  *owner = (vc_owner){0};
  return 0;
}

/* Releases run Python code, which may come here again: by value, back to front. */
void vp_keep_release(vp_keep *keep) {
  while (keep->count) {
    vc_owner owner = owners_of(keep)[--keep->count];
    vp_release(&owner);
  }
  PyMem_RawFree(keep->owners);
  keep->owners = NULL;
}

static void release_bundle(void *context) {
  vp_keep_release(context);
  PyMem_RawFree(context);
}

/* All of them as one owner. */
static int bundle(vp_keep *keep, vc_owner *out) {
  vp_keep *moved = PyMem_RawMalloc(sizeof *moved);
  if (!moved) {
    PyErr_NoMemory();
    return -1;
  }
  *moved = *keep;
  *keep = (vp_keep){0};
  *out = (vc_owner){moved, release_bundle, false};
  return 0;
}

int vp_keep_until(vp_keep *keep, const vp_options *options, int32_t device, vc_stream stream) {
  vp_source kept = {.view.device = {VC_CUDA, device}};
  if (keep->count == 0) return 0;
  if (bundle(keep, &kept.owner) < 0) { /* they are let go now */
    vc_stream_synchronize(device, stream, NULL);
    return -1;
  }
  PyObject *object = vp_consumer_object(options, device, stream);
  int result = vp_way_back(&kept, stream, object);
  Py_XDECREF(object);
  if (result < 0) vc_stream_synchronize(device, stream, NULL);
  vp_release(&kept.owner);
  return result;
}
