/* SPDX-License-Identifier: Apache-2.0 */
#include "gpumat/stream_set.h"

#include <stdlib.h>

#include "core/allocate.h"
#include "core/error.h"
#include "cuda/default_stream.h"
#include "cuda/device.h"

typedef struct {
  vc_stream stream;
  int32_t device;
} member;

struct vc_stream_set {
  vc_record record; /* what keeps the streams alive */
  _Atomic int64_t references;
  vc_stream_set *base;
  size_t count;
  member members[];
};

static void finish(vc_record *record) { free((char *)record - offsetof(vc_stream_set, record)); }

vc_stream_set *vc_stream_set_retain(vc_stream_set *set) {
  if (set) atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
  return set;
}

void vc_stream_set_drop(vc_stream_set *set) {
  while (set && atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) == 1) {
    vc_stream_set *base = set->base;
    vc_retire(&set->record);
    set = base;
  }
}

static vc_status check_members(const vc_stream *streams, size_t count, vc_error *error) {
  for (size_t i = 0; i < count; i++) VC_TRY(vc_stream_check(streams[i], error));
  return VC_OK;
}

static void add_members(const vc_stream *streams, size_t count, vc_stream_set *set) {
  for (size_t i = 0; i < count; i++) {
    if (vc_legacy_reaches(streams[i])) continue;
    set->members[set->count++] = (member){streams[i], vc_stream_device(streams[i], 0)};
  }
}

vc_status vc_stream_set_new(const vc_stream *streams, size_t count, vc_stream_set *base,
                            vc_stream_set **out, vc_error *error) {
  if (count > (SIZE_MAX - sizeof **out) / sizeof(member)) {
    return vc_fail(error, VC_ERROR_VALUE, "%zu streams are too many to name", count);
  }
  vc_stream_set *set = vc_calloc(sizeof *set + count * sizeof(member));
  if (!set) return vc_fail(error, VC_ERROR_MEMORY, "no memory for a list of %zu streams", count);
  vc_status status = check_members(streams, count, error);
  if (status != VC_OK) {
    free(set);
    return status;
  }
  atomic_init(&set->references, 1);
  set->record.finish = finish;
  add_members(streams, count, set);
  if (!set->count) {
    free(set);
    *out = vc_stream_set_retain(base);
    return VC_OK;
  }
  set->base = vc_stream_set_retain(base);
  *out = set;
  return VC_OK;
}

void vc_stream_set_keep(vc_stream_set *set, const vc_stream_set *base, vc_owner *owner,
                        vc_record *prepared) {
  if (set == base) {
    vc_retire_owner(owner, prepared);
    return;
  }
  free(prepared);
  if (owner) {
    set->record.owner = *owner;
    *owner = (vc_owner){0};
  }
}

bool vc_stream_set_join(const vc_stream_set *set, int32_t device) {
  for (; set; set = set->base) {
    for (size_t i = 0; i < set->count; i++) {
      const member *each = &set->members[i];
      if (each->device != device) continue;
      if (vc_stream_order(device, each->stream, VC_STREAM_LEGACY, NULL) != VC_OK) return false;
    }
  }
  return true;
}

bool vc_stream_set_follow(const vc_stream_set *set, int32_t device) {
  if (!vc_legacy_barrier(device)) return false;
  for (; set; set = set->base) {
    for (size_t i = 0; i < set->count; i++) {
      const member *each = &set->members[i];
      if (each->device != device) continue;
      if (vc_stream_order(device, VC_STREAM_LEGACY, each->stream, NULL) != VC_OK) return false;
    }
  }
  return true;
}
