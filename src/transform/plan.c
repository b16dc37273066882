/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a plan of a transform: which element goes where, which channel of the source each
 * channel of the destination comes from, and what happens to values. The checks that refuse
 * images are in plan_checks.c. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/dtype.h"
#include "core/error.h"
#include "internal.h"
#include "transform/element.h"
#include "transform/geometry/geometry.h"
#include "transform/geometry/rule.h"
#include "transform/plan_parts.h"

/* --- a view, read as images */

static int64_t step_of(const vc_view *view, int32_t axis) {
  return view->shape[axis] > 1 ? view->strides[axis] : 0;
}

vc_images vc_plan_read_images(const vc_view *view, vc_layout layout) {
  vc_images out = {1, 1, 1, 1, {0, 0, 0, 0}};
  int32_t first = 0;
  if (view->ndim == 4) {
    out.count = view->shape[0];
    out.strides.image = step_of(view, 0);
    first = 1;
  }
  int32_t row = first, channel = -1;
  if (view->ndim > 2) {
    channel = layout == VC_PLANAR ? first : first + 2;
    row = layout == VC_PLANAR ? first + 1 : first;
  }
  out.rows = view->shape[row];
  out.cols = view->shape[row + 1];
  out.strides.row = step_of(view, row);
  out.strides.col = step_of(view, row + 1);
  if (channel < 0) return out;
  out.channels = view->shape[channel];
  out.strides.channel = step_of(view, channel);
  return out;
}

/* --- channels: which of the source each of the destination comes from */

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

static vc_status plan_channels(int64_t from_count, int64_t to_count, bool reverse, vc_plan *plan,
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

static bool keeps_channels(const vc_plan *plan) {
  if (plan->channels != plan->from_channels) return false;
  if (plan->channels > VC_CHANNELS_MAPPED) return !plan->reversed;
  for (int32_t c = 0; c < plan->channels; c++) {
    if (plan->map[c] != c) return false;
  }
  return true;
}

/* --- values: the kind of work, and its coefficients */

static vc_status check_count(const char *name, const double *values, int32_t count,
                             int32_t channels, vc_error *error) {
  bool right = count == 1 || (count > 0 && count == channels);
  if (!values && count >= 0) return VC_OK;
  if (right && count <= VC_TRANSFORM_CHANNELS) return VC_OK;
  if (right) {
    return vc_fail(error, VC_ERROR_ARGUMENT, "%s has %" PRId32 " values, needs 1 or up to %d", name,
                   count, VC_TRANSFORM_CHANNELS);
  }
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "%s has %" PRId32 " values, needs 1 or one for each of the destination's %" PRId32
                 " channels",
                 name, count, channels);
}

static double value_of(const double *values, int32_t count, int32_t channel, double none) {
  if (!values) return none;
  return values[count == 1 ? 0 : channel];
}

/* Returns `value` rounded to the working type. */
static double working(const vc_plan *plan, double value) {
  return plan->work == VC_WORK_FLOAT ? (double)(float)value : value;
}

static vc_status form_one(const vc_transform_params *params, int32_t channel, vc_plan *plan,
                          vc_error *error) {
  double mean = value_of(params->mean, params->mean_count, channel, 0);
  double std = value_of(params->std, params->std_count, channel, 1);
  /* Adding -0 keeps the sign of zeros. */
  double a = working(plan, params->scale / std);
  double b = mean != 0 ? working(plan, -mean / std) : -0.0;
  double *stored = plan->storage;
  stored[channel] = a;
  stored[VC_TRANSFORM_CHANNELS + channel] = b;
  if (a != 1 || b != 0) plan->neutral = false;
  if (isfinite(a) && isfinite(b) && std != 0) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "channel %" PRId32
                 ": scale %g, mean %g and std %g give the factors %g and %g, needs "
                 "finite ones (std not 0) within %s",
                 channel, params->scale, mean, std, a, b,
                 plan->work == VC_WORK_FLOAT ? "float32" : "float64");
}

static vc_status form_coefficients(const vc_transform_params *params, vc_plan *plan,
                                   vc_error *error) {
  bool each = (params->mean && params->mean_count > 1) || (params->std && params->std_count > 1);
  VC_TRY(check_count("mean", params->mean, params->mean_count, plan->channels, error));
  VC_TRY(check_count("std", params->std, params->std_count, plan->channels, error));
  plan->stride = each ? 1 : 0;
  plan->neutral = true;
  plan->a = plan->storage;
  plan->b = plan->storage + VC_TRANSFORM_CHANNELS;
  for (int32_t c = 0; c < (each ? plan->channels : 1); c++) {
    VC_TRY(form_one(params, c, plan, error));
  }
  return VC_OK;
}

static vc_status plan_work(const vc_transform_params *params, vc_plan *plan, vc_error *error) {
  bool wide = vc_rule_is_wide(plan->from) || vc_rule_is_wide(plan->to);
  plan->work = wide ? VC_WORK_DOUBLE : VC_WORK_FLOAT;
  VC_TRY(form_coefficients(params, plan, error));
  if (!plan->neutral) return VC_OK;
  plan->stride = 0;
  if (vc_dtype_same(plan->from, plan->to)) {
    plan->work = VC_WORK_MOVE;
  } else if (vc_dtype_is_integer(plan->from) && vc_dtype_is_integer(plan->to)) {
    plan->work = VC_WORK_INTEGER;
  }
  return VC_OK;
}

/* --- fill: one number as the bits of an element */

static uint64_t opaque(vc_type type) {
  if (type == VC_TYPE_U64) return UINT64_MAX;
  if (type < VC_TYPE_F16) return (uint64_t)vc_highest(type);
  return vc_bits_from_double(type, 1);
}

uint64_t vc_number_bits(vc_dtype dtype, double value) {
  vc_type type = vc_type_of(dtype);
  return value != value ? opaque(type) : vc_bits_from_double(type, value);
}

/* --- joining axes */

static void join_channels(vc_plan *plan) {
  int64_t from = plan->from_strides.channel, to = plan->to_strides.channel;
  if (plan->channels == 1 || !keeps_channels(plan) || plan->stride != 0) return;
  if (plan->cols > 1 && (plan->from_strides.col != from * plan->channels ||
                         plan->to_strides.col != to * plan->channels)) {
    return;
  }
  plan->cols *= plan->channels;
  plan->from_strides.col = from;
  plan->to_strides.col = to;
  plan->from_strides.channel = plan->to_strides.channel = 0;
  plan->channels = plan->from_channels = 1;
  plan->map[0] = 0;
  plan->reversed = false;
}

/* Joins all rows to one long row where neither side has a gap between them. */
static void join_rows(vc_plan *plan) {
  if (plan->cols == 1) {
    plan->from_strides.col = plan->from_strides.row;
    plan->to_strides.col = plan->to_strides.row;
  } else if (plan->rows > 1 && (plan->from_strides.row != plan->from_strides.col * plan->cols ||
                                plan->to_strides.row != plan->to_strides.col * plan->cols)) {
    return;
  }
  plan->cols *= plan->rows;
  plan->rows = 1;
  plan->from_strides.row = plan->to_strides.row = 0;
}

/* Joins all images to one long row where they are single rows of one source without a gap. */
static void join_images(vc_plan *plan) {
  if (plan->rows > 1 || plan->sources || plan->images == 1 ||
      plan->from_strides.image != plan->from_strides.col * plan->cols ||
      plan->to_strides.image != plan->to_strides.col * plan->cols) {
    return;
  }
  plan->cols *= plan->images;
  plan->images = 1;
  plan->from_strides.image = plan->to_strides.image = 0;
}

static bool have_same_strides(const vc_call *call) {
  const vc_strides *strides = &call->read.strides;
  for (size_t i = 1; i < call->count; i++) {
    vc_strides other = vc_plan_read_images(&call->from[i], call->params.from).strides;
    if (other.row != strides->row || other.col != strides->col ||
        other.channel != strides->channel) {
      return false;
    }
  }
  return true;
}

static void plan_axes(const vc_call *call, vc_plan *plan) {
  plan->from_strides = call->read.strides;
  plan->from_data = call->from->data;
  plan->sources = call->count > 1 ? call->from : NULL;
  plan->layout = call->params.from;
  plan->alike = have_same_strides(call);
  if (!plan->alike) return;
  join_channels(plan);
  join_rows(plan);
  join_images(plan);
}

/* The axes of a plan whose sources are resized: a source is one packed row at a time. */
static void plan_resized_axes(vc_plan *plan) {
  int64_t size = (int64_t)vc_dtype_size(plan->from);
  plan->from_strides = (vc_strides){0, 0, size * plan->from_channels, size};
  plan->from_data = NULL;
  plan->sources = NULL;
  plan->layout = VC_INTERLEAVED;
  plan->alike = true;
}

/* --- all of it */

/* Reads the images, and checks their sizes and that they are alike. */
static vc_status read_images(vc_call *call, vc_error *error) {
  const vc_transform_params *params = &call->params;
  VC_TRY(vc_plan_check_ends(call, error));
  call->written = vc_plan_read_images(call->to, params->to);
  call->read = vc_plan_read_images(call->from, params->from);
  if (params->yuv) VC_TRY(vc_plan_check_yuv(call, error));
  if (params->resize) {
    VC_TRY(vc_resize_read(params->resize, &call->resize, error));
    VC_TRY(vc_plan_check_resize(call, error));
  } else if (params->boxes) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "boxes were given without a size to resize them to; set params->resize");
  } else {
    VC_TRY(vc_plan_check_sizes(call, error));
    vc_resize_init(&call->resize, call->read.rows, call->read.cols, VC_NEAREST);
  }
  return vc_plan_check_alike(call, error);
}

/* Fills the axes of *out, or the geometry of sources that are resized. YUV images go through a
 * resize, which leaves their size as it is where none was asked for. */
static vc_status plan_sources(const vc_call *call, vc_plan *out, vc_error *error) {
  out->images = call->written.count;
  out->rows = call->written.rows;
  out->cols = call->written.cols;
  out->to_strides = call->written.strides;
  if (call->params.resize || call->params.yuv) {
    plan_resized_axes(out);
    return vc_geometry_make(call, &out->geometry, error);
  }
  plan_axes(call, out);
  return VC_OK;
}

vc_status vc_plan_make(vc_call *call, vc_plan *out, bool *empty, vc_error *error) {
  const vc_view *to = call->to;
  const vc_transform_params *params = &call->params;
  VC_TRY(read_images(call, error));
  int64_t channels = call->read.channels, wanted = call->written.channels;
  out->from = call->from->dtype;
  out->to = to->dtype;
  out->to_data = to->data;
  out->threads = params->threads;
  out->geometry = NULL;
  bool fills = vc_transform_adds_alpha(channels, wanted);
  out->fill = fills ? vc_number_bits(to->dtype, params->fill) : 0;
  VC_TRY(plan_channels(channels, wanted, params->reverse_channels, out, error));
  VC_TRY(plan_work(params, out, error));
  *empty = vc_view_is_empty(to);
  if (*empty) return VC_OK;
  VC_TRY(params->yuv ? vc_plan_check_yuv_memory(call, error)
                     : vc_plan_check_memory(to, call->from, call->count, error));
  if (params->boxes) VC_TRY(vc_plan_check_boxes_memory(to, params->boxes, error));
  return plan_sources(call, out, error);
}

void vc_plan_end(vc_plan *plan) {
  free(plan->geometry);
  plan->geometry = NULL;
}
