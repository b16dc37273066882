/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/keep.h"

#include <string.h>

#include "deferred_release.h"
#include "stream_order.h"

static vc_owner *owners_of(ext_keep *keep) { return keep->owners ? keep->owners : keep->few; }

static int grow(ext_keep *keep) {
  size_t room = keep->owners ? 2 * keep->room : 4 * EXT_KEEP_FEW;
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

int ext_keep_add(ext_keep *keep, vc_owner *owner) {
  size_t room = keep->owners ? keep->room : EXT_KEEP_FEW;
  if (!owner->release) return 0;
  if (keep->count == room && grow(keep) < 0) return -1;
  owners_of(keep)[keep->count++] = *owner;
  *owner = (vc_owner){0};
  return 0;
}

/* Releases run Python code, which may come here again: by value, back to front. */
void ext_keep_release(ext_keep *keep) {
  while (keep->count) {
    vc_owner owner = owners_of(keep)[--keep->count];
    ext_release(&owner);
  }
  PyMem_RawFree(keep->owners);
  keep->owners = NULL;
}

static void release_bundle(void *context) {
  ext_keep_release(context);
  PyMem_RawFree(context);
}

/* All of them as one owner. */
static int bundle(ext_keep *keep, vc_owner *out) {
  ext_keep *moved = PyMem_RawMalloc(sizeof *moved);
  if (!moved) {
    PyErr_NoMemory();
    return -1;
  }
  *moved = *keep;
  *keep = (ext_keep){0};
  *out = (vc_owner){moved, release_bundle, false};
  return 0;
}

int ext_keep_until(ext_keep *keep, const ext_options *options, int32_t device, vc_stream stream) {
  ext_source kept = {.view.device = {VC_CUDA, device}};
  if (keep->count == 0) return 0;
  if (bundle(keep, &kept.owner) < 0) { /* they are let go now */
    vc_stream_synchronize(device, stream, NULL);
    return -1;
  }
  PyObject *object = ext_consumer_object(options, device, stream);
  int result = ext_release_after(&kept, stream, object);
  Py_XDECREF(object);
  if (result < 0) vc_stream_synchronize(device, stream, NULL);
  ext_release(&kept.owner);
  return result;
}
