/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/number.h"
#include "transform/plan_parts.h"

/* --- a view, read as images */

static int64_t step_of(const vc_view *view, int32_t axis) {
  return view->shape[axis] > 1 ? view->strides[axis] : 0;
}

static vc_images read_images(const vc_view *view, vc_layout layout) {
  vc_images out = {1, 1, 1, 1, {0, 0, 0, 0}};
  int32_t first = 0;
  if (view->ndim == 4) {
    out.count = view->shape[0];
    out.steps.image = step_of(view, 0);
    first = 1;
  }
  int32_t row = first, channel = -1;
  if (view->ndim > 2) {
    channel = layout == VC_PLANAR ? first : first + 2;
    row = layout == VC_PLANAR ? first + 1 : first;
  }
  out.rows = view->shape[row];
  out.cols = view->shape[row + 1];
  out.steps.row = step_of(view, row);
  out.steps.col = step_of(view, row + 1);
  if (channel < 0) return out;
  out.channels = view->shape[channel];
  out.steps.channel = step_of(view, channel);
  return out;
}

vc_strides vc_plan_strides(const vc_view *view, vc_layout layout) {
  return read_images(view, layout).steps;
}

/* --- joining axes */

static void join_channels(vc_plan *plan) {
  int64_t from = plan->from_strides.channel, to = plan->to_strides.channel;
  if (plan->channels == 1 || !vc_plan_keeps_channels(plan) || plan->stride != 0) return;
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

/* Row after row without a gap on both sides: one long row. */
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

/* Image after image too, where they are single long rows of one source. */
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

static bool have_same_strides(const vc_view *from, size_t count, const vc_strides *steps,
                              vc_layout layout) {
  for (size_t i = 1; i < count; i++) {
    vc_strides other = vc_plan_strides(&from[i], layout);
    if (other.row != steps->row || other.col != steps->col || other.channel != steps->channel) {
      return false;
    }
  }
  return true;
}

static void plan_axes(const vc_images *out, const vc_images *in, const vc_view *from, size_t count,
                      vc_layout layout, vc_plan *plan) {
  plan->images = out->count;
  plan->rows = out->rows;
  plan->cols = out->cols;
  plan->to_strides = out->steps;
  plan->from_strides = in->steps;
  plan->from_data = from->data;
  plan->sources = count > 1 ? from : NULL;
  plan->layout = layout;
  plan->alike = have_same_strides(from, count, &in->steps, layout);
  if (!plan->alike) return;
  join_channels(plan);
  join_rows(plan);
  join_images(plan);
}

/* --- all of it */

vc_status vc_plan_make(const vc_view *to, const vc_view *from, size_t count,
                       const vc_transform_params *params, vc_plan *out, bool *empty,
                       vc_error *error) {
  vc_status status = vc_plan_check_ends(to, from, count, error);
  if (status != VC_OK) return status;
  vc_images written = read_images(to, params->to), read = read_images(&from[0], params->from);
  status = vc_plan_check_sizes(to, &written, from, &read, count, params, error);
  if (status == VC_OK) status = vc_plan_check_alike(from, count, error);
  if (status != VC_OK) return status;
  out->from = from->dtype;
  out->to = to->dtype;
  out->to_data = to->data;
  out->threads = params->threads;
  out->fill = vc_number_bits(to->dtype, params->fill);
  status = vc_plan_channels(read.channels, written.channels, params->reverse_channels, out, error);
  if (status == VC_OK) status = vc_plan_work(params, out, error);
  *empty = vc_view_is_empty(to);
  if (status != VC_OK || *empty) return status;
  status = vc_plan_check_memory(to, from, count, error);
  if (status == VC_OK) plan_axes(&written, &read, from, count, params->from, out);
  return status;
}
