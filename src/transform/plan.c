/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "transform/number.h"

void vc_transform_params_init(vc_transform_params *out) {
  *out = (vc_transform_params){.scale = 1, .fill = NAN};
}

/* --- a view, read as images */

typedef struct images {
  int64_t count, rows, cols, channels;
  vc_steps steps;
} images;

static int64_t step_of(const vc_view *view, int32_t axis) {
  return view->shape[axis] > 1 ? view->strides[axis] : 0;
}

static images read_images(const vc_view *view, vc_layout layout) {
  images out = {1, 1, 1, 1, {0, 0, 0, 0}};
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

vc_steps vc_plan_steps(const vc_view *view, vc_layout layout) {
  return read_images(view, layout).steps;
}

/* --- checks */

static const char *axes_of(const vc_view *view, vc_layout layout) {
  static const char *const names[2][3] = {{"(H, W)", "(H, W, C)", "(N, H, W, C)"},
                                          {"(H, W)", "(C, H, W)", "(N, C, H, W)"}};
  return names[layout == VC_PLANAR][view->ndim - 2];
}

static vc_status check_view(const vc_view *view, const char *name, vc_error *error) {
  vc_status status = vc_view_check(view, error);
  if (status != VC_OK) return status;
  if (view->ndim >= 2) return VC_OK;
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "%s has rank 1, needs (H, W), (H, W, C) or (C, H, W), or a batch of these; "
                 "reshape it first",
                 name);
}

static bool is_same_place(vc_device a, vc_device b) {
  bool gpu = vc_device_is_gpu(a);
  return gpu == vc_device_is_gpu(b) && (!gpu || a.id == b.id);
}

static vc_status check_place(const vc_view *to, const vc_view *from, vc_error *error) {
  char names[2][24];
  if (is_same_place(to->device, from->device)) return VC_OK;
  const vc_device devices[2] = {from->device, to->device};
  for (int i = 0; i < 2; i++) {
    if (vc_device_is_gpu(devices[i])) {
      snprintf(names[i], sizeof names[i], "cuda:%" PRId32, devices[i].id);
    } else {
      snprintf(names[i], sizeof names[i], "host memory");
    }
  }
  return vc_fail(error, VC_ERROR_DEVICE,
                 "the source is in %s and the destination in %s: a transform works on one device; "
                 "copy one of them first (device=)",
                 names[0], names[1]);
}

static vc_status check_alike(const vc_view *from, size_t count, vc_error *error) {
  for (size_t i = 1; i < count; i++) {
    vc_status status = check_view(&from[i], "a source", error);
    if (status != VC_OK) return status;
    if (from[i].ndim != from[0].ndim ||
        memcmp(from[i].shape, from[0].shape, (size_t)from[0].ndim * sizeof from[0].shape[0]) ||
        from[i].dtype.code != from[0].dtype.code || from[i].dtype.bits != from[0].dtype.bits) {
      return vc_fail(error, VC_ERROR_LAYOUT,
                     "source %zu differs from source 0 in shape or dtype (%s): a batch needs images "
                     "of one size and type; resize or convert them first",
                     i, vc_dtype_name(from[i].dtype));
    }
    if (!is_same_place(from[i].device, from[0].device)) {
      return vc_fail(error, VC_ERROR_DEVICE,
                     "source %zu is on another device than source 0: a batch needs images of one "
                     "device; copy it there first (device=)",
                     i);
    }
  }
  return VC_OK;
}

static vc_status check_sizes(const vc_view *to, const images *out, const vc_view *from,
                             const images *in, size_t count, const vc_transform_params *params,
                             vc_error *error) {
  int64_t sources = count > 1 ? (int64_t)count : in->count;
  if (count > 1 && from->ndim == 4 && in->count != 1) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "%zu batches were given, needs one batch or a list of images; join them first",
                   count);
  }
  if (sources != out->count) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "%" PRId64 " images go into a destination of %" PRId64 "; needs as many", sources,
                   out->count);
  }
  if (in->rows == out->rows && in->cols == out->cols) return VC_OK;
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "the source %s has H = %" PRId64 ", W = %" PRId64 " and the destination %s has H = "
                 "%" PRId64 ", W = %" PRId64 "; needs the same size: say which layout each has, or "
                 "resize first",
                 axes_of(from, params->from), in->rows, in->cols, axes_of(to, params->to),
                 out->rows, out->cols);
}

/* Sources that overlap with the destination would be read after they were
 * written. By the range of bytes: interleaved fields of one array count too. */
static bool overlaps(const vc_view *a, const vc_view *b) {
  int64_t low[2], high[2];
  vc_view_span(a, &low[0], &high[0]);
  vc_view_span(b, &low[1], &high[1]);
  const char *first = a->data, *second = b->data;
  return first + low[0] < second + high[1] && second + low[1] < first + high[0];
}

static vc_status check_overlap(const vc_view *to, const vc_view *from, size_t count,
                               vc_error *error) {
  for (size_t i = 0; i < count; i++) {
    if (!overlaps(to, &from[i])) continue;
    return vc_fail(error, VC_ERROR_VALUE,
                   "the destination shares memory with source %zu: it would be read after it was "
                   "written; write into other memory (no out=)",
                   i);
  }
  return VC_OK;
}

/* The axes of the destination, from the shortest step to the longest, must not
 * reach into each other. (Some rare layouts that would be right are refused.) */
static vc_status check_destination(const vc_view *to, vc_error *error) {
  int64_t reach = (int64_t)vc_dtype_size(to->dtype);
  bool seen[VC_MAX_NDIM] = {false};
  if (to->readonly) {
    return vc_fail(error, VC_ERROR_VALUE,
                   "the destination is read-only, needs memory that may be written");
  }
  for (int32_t n = 0; n < to->ndim; n++) {
    int32_t best = -1;
    for (int32_t axis = 0; axis < to->ndim; axis++) {
      if (seen[axis] || to->shape[axis] == 1) continue;
      if (best < 0 || llabs(to->strides[axis]) < llabs(to->strides[best])) best = axis;
    }
    if (best < 0) break;
    seen[best] = true;
    int64_t step = llabs(to->strides[best]);
    if (step < reach) {
      return vc_fail(error, VC_ERROR_LAYOUT,
                     "axis %" PRId32 " of the destination has stride %" PRId64 " bytes, needs %" PRId64
                     " or more: its elements overlap (an expanded or sliding view); write into "
                     "memory of its own",
                     best, to->strides[best], reach);
    }
    reach += step * (to->shape[best] - 1);
  }
  return VC_OK;
}

/* --- channels */

static int32_t colours(int32_t channels) {
  return channels == 2 || channels == 4 ? channels - 1 : channels;
}

static vc_status refuse_channels(int64_t from, int64_t to, vc_error *error) {
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "%" PRId64 " channels can't become %" PRId64 ": alpha (the last of 2 or 4) can be "
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

static vc_status plan_channels(const images *out, const images *in, bool reverse, vc_plan *plan,
                               vc_error *error) {
  if (in->channels > INT32_MAX || out->channels > INT32_MAX) {
    return refuse_channels(in->channels, out->channels, error);
  }
  plan->channels = (int32_t)out->channels;
  plan->from_channels = (int32_t)in->channels;
  plan->reversed = reverse;
  bool mapped = plan->channels <= VC_CHANNELS_MAPPED && plan->from_channels <= VC_CHANNELS_MAPPED;
  int32_t from = colours(plan->from_channels), to = colours(plan->channels);
  if (plan->channels != plan->from_channels && (!mapped || (from != to && from != 1))) {
    return refuse_channels(in->channels, out->channels, error);
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

/* --- arithmetic */

static bool is_integer(vc_dtype dtype) {
  return dtype.code == VC_INT || dtype.code == VC_UINT || dtype.code == VC_BOOL;
}

static bool needs_double(vc_dtype dtype) {
  return dtype.bits == 64 || (dtype.bits == 32 && is_integer(dtype));
}

static vc_status check_count(const char *name, const double *values, int32_t count,
                             int32_t channels, vc_error *error) {
  bool right = count == 1 || (count > 0 && count == channels);
  if (!values || (right && count <= VC_TRANSFORM_CHANNELS)) return VC_OK;
  if (right) {
    return vc_fail(error, VC_ERROR_VALUE, "%s has %" PRId32 " values, needs 1 or up to %d", name,
                   count, VC_TRANSFORM_CHANNELS);
  }
  return vc_fail(error, VC_ERROR_VALUE,
                 "%s has %" PRId32 " values, needs 1 or one for each of the destination's %" PRId32
                 " channels",
                 name, count, channels);
}

static double value_of(const double *values, int32_t count, int32_t channel, double none) {
  if (!values) return none;
  return values[count == 1 ? 0 : channel];
}

/* Rounded to the working type. */
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
  return vc_fail(error, VC_ERROR_VALUE,
                 "channel %" PRId32 ": scale %g, mean %g and std %g give the factors %g and %g, needs "
                 "finite ones (std not 0) within %s",
                 channel, params->scale, mean, std, a, b,
                 plan->work == VC_WORK_FLOAT ? "float32" : "float64");
}

static vc_status form_coefficients(const vc_transform_params *params, vc_plan *plan,
                                   vc_error *error) {
  bool each = (params->mean && params->mean_count > 1) || (params->std && params->std_count > 1);
  vc_status status =
      check_count("mean", params->mean, params->mean_count, plan->channels, error);
  if (status == VC_OK) {
    status = check_count("std", params->std, params->std_count, plan->channels, error);
  }
  plan->stride = each ? 1 : 0;
  plan->neutral = true;
  plan->a = plan->storage;
  plan->b = plan->storage + VC_TRANSFORM_CHANNELS;
  for (int32_t c = 0; status == VC_OK && c < (each ? plan->channels : 1); c++) {
    status = form_one(params, c, plan, error);
  }
  return status;
}

static vc_status plan_work(const vc_transform_params *params, vc_plan *plan, vc_error *error) {
  plan->work =
      needs_double(plan->from) || needs_double(plan->to) ? VC_WORK_DOUBLE : VC_WORK_FLOAT;
  vc_status status = form_coefficients(params, plan, error);
  if (status != VC_OK || !plan->neutral) return status;
  plan->stride = 0;
  if (plan->from.code == plan->to.code && plan->from.bits == plan->to.bits) {
    plan->work = VC_WORK_MOVE;
  } else if (is_integer(plan->from) && is_integer(plan->to)) {
    plan->work = VC_WORK_INTEGER;
  }
  return VC_OK;
}

/* --- joining axes */

static void join_channels(vc_plan *plan) {
  int64_t from = plan->from_steps.channel, to = plan->to_steps.channel;
  if (plan->channels == 1 || !keeps_channels(plan) || plan->stride != 0) return;
  if (plan->cols > 1 && (plan->from_steps.col != from * plan->channels ||
                         plan->to_steps.col != to * plan->channels)) {
    return;
  }
  plan->cols *= plan->channels;
  plan->from_steps.col = from;
  plan->to_steps.col = to;
  plan->from_steps.channel = plan->to_steps.channel = 0;
  plan->channels = plan->from_channels = 1;
  plan->map[0] = 0;
  plan->reversed = false;
}

/* Row after row without a gap on both sides: one long row. */
static void join_rows(vc_plan *plan) {
  if (plan->cols == 1) {
    plan->from_steps.col = plan->from_steps.row;
    plan->to_steps.col = plan->to_steps.row;
  } else if (plan->rows > 1 && (plan->from_steps.row != plan->from_steps.col * plan->cols ||
                                plan->to_steps.row != plan->to_steps.col * plan->cols)) {
    return;
  }
  plan->cols *= plan->rows;
  plan->rows = 1;
  plan->from_steps.row = plan->to_steps.row = 0;
}

/* Image after image too, where they are single long rows of one source. */
static void join_images(vc_plan *plan) {
  if (plan->rows > 1 || plan->sources || plan->images == 1 ||
      plan->from_steps.image != plan->from_steps.col * plan->cols ||
      plan->to_steps.image != plan->to_steps.col * plan->cols) {
    return;
  }
  plan->cols *= plan->images;
  plan->images = 1;
  plan->from_steps.image = plan->to_steps.image = 0;
}

static bool have_the_same_steps(const vc_view *from, size_t count, const vc_steps *steps,
                                vc_layout layout) {
  for (size_t i = 1; i < count; i++) {
    vc_steps other = vc_plan_steps(&from[i], layout);
    if (other.row != steps->row || other.col != steps->col || other.channel != steps->channel) {
      return false;
    }
  }
  return true;
}

static void plan_axes(const images *out, const images *in, const vc_view *from, size_t count,
                      vc_layout layout, vc_plan *plan) {
  plan->images = out->count;
  plan->rows = out->rows;
  plan->cols = out->cols;
  plan->to_steps = out->steps;
  plan->from_steps = in->steps;
  plan->from_data = from->data;
  plan->sources = count > 1 ? from : NULL;
  plan->layout = layout;
  plan->alike = have_the_same_steps(from, count, &in->steps, layout);
  if (!plan->alike) return;
  join_channels(plan);
  join_rows(plan);
  join_images(plan);
}

/* --- all of it */

static vc_status check_views(const vc_view *to, const vc_view *from, size_t count,
                             vc_error *error) {
  if (count == 0) {
    return vc_fail(error, VC_ERROR_VALUE, "no source was given, needs an image or a list of them");
  }
  vc_status status = check_view(to, "the destination", error);
  if (status == VC_OK) status = check_view(&from[0], "the source", error);
  if (status == VC_OK) status = check_alike(from, count, error);
  if (status == VC_OK) status = check_place(to, &from[0], error);
  return status;
}

vc_status vc_plan_make(const vc_view *to, const vc_view *from, size_t count,
                       const vc_transform_params *params, vc_plan *out, bool *empty,
                       vc_error *error) {
  vc_status status = check_views(to, from, count, error);
  if (status != VC_OK) return status;
  images written = read_images(to, params->to), read = read_images(&from[0], params->from);
  status = check_sizes(to, &written, from, &read, count, params, error);
  if (status != VC_OK) return status;
  out->from = from->dtype;
  out->to = to->dtype;
  out->to_data = to->data;
  out->threads = params->threads;
  out->fill = vc_number_bits(to->dtype, params->fill);
  status = plan_channels(&written, &read, params->reverse_channels, out, error);
  if (status == VC_OK) status = plan_work(params, out, error);
  *empty = vc_view_is_empty(to);
  if (status != VC_OK || *empty) return status;
  status = check_destination(to, error);
  if (status == VC_OK) status = check_overlap(to, from, count, error);
  if (status == VC_OK) plan_axes(&written, &read, from, count, params->from, out);
  return status;
}
