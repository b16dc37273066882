/* SPDX-License-Identifier: Apache-2.0 */
/* Which channel of the source each channel of the destination comes from. */
#include <inttypes.h>

#include "core/error.h"
#include "transform/plan_parts.h"

static int32_t colours(int32_t channels) {
  return channels == 2 || channels == 4 ? channels - 1 : channels;
}

bool vc_transform_adds_alpha(int64_t from, int64_t to) {
  if (from < 1 || from > VC_CHANNELS_MAPPED || to < 1 || to > VC_CHANNELS_MAPPED) return false;
  return colours((int32_t)from) == from && colours((int32_t)to) != to;
}

static vc_status refuse_channels(int64_t from, int64_t to, vc_error *error) {
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "%" PRId64 " channels can't become %" PRId64
                 ": alpha (the last of 2 or 4) can be "
                 "added or dropped and one colour spread to three; for anything else convert the "
                 "colours first (cv2.cvtColor, cv2.cuda.cvtColor)",
                 from, to);
}

static void map_channels(vc_plan *plan, bool reverse) {
  int32_t from = colours(plan->from_channels), to = colours(plan->channels);
  for (int32_t c = 0; c < to; c++) {
    int32_t source = from == 1 ? 0 : c;
    plan->map[c] = reverse && from == 3 ? 2 - source : source;
  }
  if (to == plan->channels) return;
  plan->map[to] = from < plan->from_channels ? from : VC_CHANNEL_FILL;
}

vc_status vc_plan_channels(int64_t from_count, int64_t to_count, bool reverse, vc_plan *plan,
                           vc_error *error) {
  if (from_count > INT32_MAX || to_count > INT32_MAX) {
    return refuse_channels(from_count, to_count, error);
  }
  plan->channels = (int32_t)to_count;
  plan->from_channels = (int32_t)from_count;
  plan->reversed = reverse;
  bool mapped = plan->channels <= VC_CHANNELS_MAPPED && plan->from_channels <= VC_CHANNELS_MAPPED;
  int32_t from = colours(plan->from_channels), to = colours(plan->channels);
  if (plan->channels != plan->from_channels && (!mapped || (from != to && from != 1))) {
    return refuse_channels(from_count, to_count, error);
  }
  if (mapped) map_channels(plan, reverse);
  return VC_OK;
}

bool vc_plan_keeps_channels(const vc_plan *plan) {
  if (plan->channels != plan->from_channels) return false;
  if (plan->channels > VC_CHANNELS_MAPPED) return !plan->reversed;
  for (int32_t c = 0; c < plan->channels; c++) {
    if (plan->map[c] != c) return false;
  }
  return true;
}
