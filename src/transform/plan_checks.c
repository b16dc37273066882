/* SPDX-License-Identifier: Apache-2.0 */
/* The checks that refuse the images of a plan. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/overlap.h"
#include "cuda/device.h"
#include "internal.h"
#include "transform/colour/colour.h"
#include "transform/plan_parts.h"

static const char *axes_of(const vc_view *view, vc_layout layout) {
  static const char *const names[2][3] = {{"(H, W)", "(H, W, C)", "(N, H, W, C)"},
                                          {"(H, W)", "(C, H, W)", "(N, C, H, W)"}};
  return names[layout == VC_PLANAR][view->ndim - 2];
}

static vc_status check_view(const vc_view *view, const char *name, vc_error *error) {
  VC_TRY(vc_view_check(view, error));
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

vc_status vc_plan_check_place(const vc_view *to, const vc_view *from, vc_error *error) {
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
                 "copy one of them first (%s)",
                 names[0], names[1], vc_advice_text(VC_ADVICE_TO_DEVICE));
}

vc_status vc_plan_check_device(const vc_view *view, vc_error *error) {
  if (!vc_device_is_gpu(view->device)) return VC_OK;
  if (vc_cuda_device_count() == 0) {
    vc_mode mode; /* a driver that can't be used says why */
    VC_TRY(vc_cuda_mode(&mode, error));
    return vc_fail(error, VC_ERROR_DEVICE,
                   "an image is in GPU memory and there is no CUDA device (%s); pass memory of the "
                   "host",
                   vc_cuda_reason());
  }
  return vc_device_check(view->device.id, error);
}

/* Names the sizes of two sources that differ in nothing else, and both ways out. */
static vc_status refuse_size(size_t index, const vc_images *first, const vc_images *other,
                             vc_error *error) {
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "source %zu differs from source 0 in size, H = %" PRId64 ", W = %" PRId64
                 " from H = %" PRId64 ", W = %" PRId64
                 ": a batch needs images of one size; resize them in the same call (%s), or "
                 "transform each of them by itself",
                 index, other->rows, other->cols, first->rows, first->cols,
                 vc_advice_text(VC_ADVICE_RESIZE));
}

static vc_status check_shape(const vc_call *call, size_t index, vc_error *error) {
  const vc_view *view = &call->from[index];
  if (vc_dtype_same(view->dtype, call->from->dtype) && view->ndim == call->from->ndim) {
    const vc_images *first = &call->read, other = vc_plan_read_images(view, call->params.from);
    bool same_size = other.rows == first->rows && other.cols == first->cols;
    bool same_pixels = other.count == first->count && other.channels == first->channels;
    if (same_pixels && (same_size || call->params.resize)) return VC_OK;
    if (same_pixels) return refuse_size(index, first, &other, error);
  }
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "source %zu differs from source 0 in shape or dtype (%s): a batch needs images "
                 "of one size and type; resize or convert them first",
                 index, vc_dtype_name(view->dtype));
}

vc_status vc_plan_check_alike(const vc_call *call, vc_error *error) {
  const vc_view *from = call->from;
  for (size_t i = 1; i < call->count; i++) {
    VC_TRY(check_view(&from[i], "a source", error));
    VC_TRY(check_shape(call, i, error));
    if (!is_same_place(from[i].device, from[0].device)) {
      return vc_fail(error, VC_ERROR_DEVICE,
                     "source %zu is on another device than source 0: a batch needs images of one "
                     "device; copy it there first (%s)",
                     i, vc_advice_text(VC_ADVICE_TO_DEVICE));
    }
  }
  return VC_OK;
}

vc_status vc_plan_check_ends(const vc_call *call, vc_error *error) {
  if (call->count == 0) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "no source was given, needs an image or a list of them");
  }
  VC_TRY(check_view(call->to, "the destination", error));
  VC_TRY(check_view(call->from, "the source", error));
  return vc_plan_check_place(call->to, call->from, error);
}

/* Counts the images of the sources: a list of images, or one batch. */
static vc_status count_sources(const vc_call *call, int64_t *out, vc_error *error) {
  *out = call->count > 1 ? (int64_t)call->count : call->read.count;
  if (call->count == 1 || call->read.count == 1) return VC_OK;
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "%zu batches were given, needs one batch or a list of images; join them first",
                 call->count);
}

vc_status vc_plan_check_sizes(const vc_call *call, vc_error *error) {
  const vc_images *out = &call->written, *in = &call->read;
  int64_t sources;
  VC_TRY(count_sources(call, &sources, error));
  if (sources != out->count) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "%" PRId64 " images go into a destination of %" PRId64 "; needs as many",
                   sources, out->count);
  }
  if (in->rows == out->rows && in->cols == out->cols) return VC_OK;
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "the source %s has H = %" PRId64 ", W = %" PRId64
                 " and the destination %s has H = "
                 "%" PRId64 ", W = %" PRId64
                 "; needs the same size: say which layout each has, or "
                 "resize first",
                 axes_of(call->from, call->params.from), in->rows, in->cols,
                 axes_of(call->to, call->params.to), out->rows, out->cols);
}

/* --- resizing */

static vc_status check_boxes(const vc_view *boxes, const vc_view *from, int64_t sources,
                             vc_error *error) {
  VC_TRY(vc_view_check(boxes, error));
  if (boxes->ndim != 2 || (boxes->shape[1] != 4 && boxes->shape[1] != 5)) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "boxes have rank %" PRId32 " and %" PRId64
                   " values in a row, needs (N, 4) boxes "
                   "x0, y0, x1, y1, or (N, 5) with the index of the image before them",
                   boxes->ndim, boxes->shape[boxes->ndim - 1]);
  }
  if (boxes->dtype.code == VC_BOOL) {
    return vc_fail(error, VC_ERROR_DTYPE, "boxes are bool, needs numbers: pixels");
  }
  if (boxes->shape[1] == 4 && sources != 1) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "boxes are (N, 4) and there are %" PRId64
                   " images, needs (N, 5): the index of the image before x0, y0, x1, y1",
                   sources);
  }
  if (!vc_device_is_gpu(boxes->device) || is_same_place(boxes->device, from->device)) return VC_OK;
  return vc_fail(error, VC_ERROR_DEVICE,
                 "boxes are in memory of cuda:%" PRId32
                 " and the images are not, needs boxes on the images' device or on the host",
                 boxes->device.id);
}

vc_status vc_plan_check_resize(const vc_call *call, vc_error *error) {
  const vc_images *out = &call->written, *in = &call->read;
  const vc_view *boxes = call->params.boxes;
  const vc_resize *resize = &call->resize;
  int64_t sources;
  VC_TRY(count_sources(call, &sources, error));
  if (boxes) VC_TRY(check_boxes(boxes, call->from, sources, error));
  int64_t images = boxes ? boxes->shape[0] : sources;
  if (images != out->count) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "%" PRId64 " %s go into a destination of %" PRId64 " images; needs as many",
                   images, boxes ? "boxes" : "images", out->count);
  }
  if (out->rows != resize->rows || out->cols != resize->cols) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "images are resized to H = %" PRId64 ", W = %" PRId64
                   " and the destination has H = %" PRId64 ", W = %" PRId64
                   "; needs that size, or say which layout it has",
                   resize->rows, resize->cols, out->rows, out->cols);
  }
  if (in->channels >= 1 && in->channels <= VC_CHANNELS_MAPPED) return VC_OK;
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "an image of %" PRId64
                 " channels can't be resized, needs 1 to %d; say which layout "
                 "it has, or resize its channels in groups",
                 in->channels, VC_CHANNELS_MAPPED);
}

/* The axis with the shortest stride of those that `seen` does not have; -1: none. */
static int32_t shortest_axis(const vc_view *view, const bool *seen) {
  int32_t best = -1;
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    if (seen[axis] || view->shape[axis] == 1) continue;
    if (best < 0 || llabs(view->strides[axis]) < llabs(view->strides[best])) best = axis;
  }
  return best;
}

/* Fails with the name of the axis whose stride is too short for the elements within it. */
static vc_status refuse_destination(const vc_view *to, vc_error *error) {
  int64_t reach = (int64_t)vc_dtype_size(to->dtype);
  bool seen[VC_MAX_NDIM] = {false};
  int32_t axis = shortest_axis(to, seen);
  while (llabs(to->strides[axis]) >= reach) {
    seen[axis] = true;
    reach += llabs(to->strides[axis]) * (to->shape[axis] - 1);
    int32_t next = shortest_axis(to, seen);
    if (next < 0) break;
    axis = next;
  }
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "axis %" PRId32 " of the destination has stride %" PRId64 " bytes, needs %" PRId64
                 " or more: its elements overlap (an expanded or sliding view); write into "
                 "memory of its own",
                 axis, to->strides[axis], reach);
}

/* Checks that a destination can be written, without a look at the sources. */
static vc_status check_writable(const vc_view *to, vc_error *error) {
  if (!to->readonly) return VC_OK;
  return vc_fail(error, VC_ERROR_VALUE,
                 "the destination is read-only, needs memory that may be written");
}

static vc_status refuse_shared(size_t source, vc_error *error) {
  return vc_fail(error, VC_ERROR_VALUE,
                 "the destination shares memory with source %zu: it would be read after it was "
                 "written; %s",
                 source, vc_advice_text(VC_ADVICE_OTHER_MEMORY));
}

/* An element that is written twice would depend on the order of threads, and sources that overlap
 * with the destination would be read after they were written. */
vc_status vc_plan_check_memory(const vc_view *to, const vc_view *from, size_t count,
                               vc_error *error) {
  vc_overlap found;
  VC_TRY(check_writable(to, error));
  VC_TRY(vc_overlap_find(to, 1, from, count, &found, error));
  if (found.kind == VC_OVERLAPS_NOTHING) return VC_OK;
  if (found.kind == VC_OVERLAPS_ITSELF) return refuse_destination(to, error);
  return refuse_shared(found.other, error);
}

vc_status vc_plan_check_boxes_memory(const vc_view *to, const vc_view *boxes, vc_error *error) {
  vc_overlap found;
  VC_TRY(vc_overlap_find(to, 1, boxes, 1, &found, error));
  if (found.kind == VC_OVERLAPS_NOTHING) return VC_OK;
  return vc_fail(error, VC_ERROR_VALUE,
                 "the destination shares memory with the boxes: they would be read after it was "
                 "written; %s",
                 vc_advice_text(VC_ADVICE_OTHER_MEMORY));
}

/* --- YUV */

static vc_status check_one_yuv(const vc_view *from, const vc_yuv *yuv, vc_error *error) {
  vc_view image;
  VC_TRY(vc_yuv_read(yuv, NULL, &image, error));
  bool fits = from->ndim == 3 && from->data == image.data &&
              vc_dtype_same(from->dtype, image.dtype) && is_same_place(from->device, image.device);
  for (int32_t axis = 0; fits && axis < 3; axis++) fits = from->shape[axis] == image.shape[axis];
  if (!fits) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "a source is not the view of its YUV image, needs what vc_yuv_image makes");
  }
  return VC_OK;
}

vc_status vc_plan_check_yuv(const vc_call *call, vc_error *error) {
  const vc_yuv *yuv = call->params.yuv;
  if (call->params.from == VC_PLANAR) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "params->from is VC_PLANAR and the sources are YUV images, which are read as "
                   "VC_INTERLEAVED");
  }
  for (size_t i = 0; i < call->count; i++) {
    const vc_yuv *each = vc_yuv_at(yuv, i);
    VC_TRY(check_one_yuv(&call->from[i], each, error));
    if (each->format == yuv->format) continue;
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "source %zu has format %s and source 0 has %s, needs one format in a list; "
                   "transform them one by one",
                   i, vc_yuv_layout_of(each->format)->name, vc_yuv_layout_of(yuv->format)->name);
  }
  return VC_OK;
}

vc_status vc_plan_check_yuv_memory(const vc_call *call, vc_error *error) {
  vc_overlap found;
  VC_TRY(check_writable(call->to, error));
  for (size_t i = 0; i < call->count; i++) {
    const vc_yuv *each = vc_yuv_at(call->params.yuv, i);
    size_t planes = (size_t)vc_yuv_layout_of(each->format)->planes;
    VC_TRY(vc_overlap_find(call->to, 1, each->planes, planes, &found, error));
    if (found.kind == VC_OVERLAPS_ITSELF) return refuse_destination(call->to, error);
    if (found.kind != VC_OVERLAPS_NOTHING) return refuse_shared(i, error);
  }
  return VC_OK;
}
