/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the parameters of a resize, and makes the geometry of each image of its result. */
#include "transform/geometry/geometry.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/allocate.h"
#include "core/dtype.h"
#include "core/error.h"
#include "internal.h"
#include "transform/fp_environment.h"

/* --- vc_resize */

static vc_status check_side(const char *name, int64_t value, int64_t least, vc_error *error) {
  if (value >= least && value <= INT_MAX) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT, "resize->%s is %" PRId64 ", needs %" PRId64 " to %d",
                 name, value, least, INT_MAX);
}

static vc_status check_enumerators(const vc_resize *resize, vc_error *error) {
  if (resize->interpolation < VC_LINEAR || resize->interpolation > VC_PILLOW_LANCZOS) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "resize->interpolation is %d, needs VC_LINEAR (0) to VC_PILLOW_LANCZOS (%d)",
                   (int)resize->interpolation, VC_PILLOW_LANCZOS);
  }
  if (resize->fit >= VC_STRETCH && resize->fit <= VC_CENTER_CROP) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "resize->fit is %d, needs VC_STRETCH (0), VC_LETTERBOX (1) or VC_CENTER_CROP (2)",
                 (int)resize->fit);
}

vc_status vc_resize_read(const vc_resize *given, vc_resize *out, vc_error *error) {
  VC_TRY(vc_read_sized(given, "vc_resize", sizeof *out, sizeof *out, out, error));
  VC_TRY(check_enumerators(out, error));
  VC_TRY(check_side("rows", out->rows, 1, error));
  VC_TRY(check_side("cols", out->cols, 1, error));
  VC_TRY(check_side("shorter", out->shorter, 0, error));
  if (out->shorter && out->fit != VC_CENTER_CROP) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "resize->shorter is %" PRId64
                   " without VC_CENTER_CROP, the only fit that uses it; leave it 0",
                   out->shorter);
  }
  if (out->pad_count >= 0 && (out->pad == NULL || out->pad_count > 0)) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "resize->pad_count is %" PRId32
                 ", needs 1, or one value for each channel of the "
                 "source",
                 out->pad_count);
}

static vc_fitting fitting_of(const vc_resize *resize) {
  return (vc_fitting){resize->fit, resize->rows, resize->cols, resize->shorter};
}

/* Places an image of rows x cols. Its resized sides must be countable, and cover a centre crop.
 * Messages begin with `name`: "image 2: ". */
static vc_status place(const vc_resize *resize, const char *name, int64_t rows, int64_t cols,
                       vc_placement *out, vc_error *error) {
  vc_fitting fit = fitting_of(resize);
  *out = vc_fit_place(&fit, rows, cols);
  if (out->rows > INT_MAX || out->cols > INT_MAX) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "%san image of H = %" PRId64 ", W = %" PRId64 " would be resized to H = %" PRId64
                   ", W = %" PRId64 " before it is cropped, needs sides up to %d: resize less",
                   name, rows, cols, out->rows, out->cols, INT_MAX);
  }
  if (resize->fit != VC_CENTER_CROP || (out->rows >= resize->rows && out->cols >= resize->cols)) {
    return VC_OK;
  }
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "%sa centre crop of H = %" PRId64 ", W = %" PRId64
                 " is larger than the resized image, H = %" PRId64 ", W = %" PRId64
                 "; resize to a longer edge, or crop less",
                 name, resize->rows, resize->cols, out->rows, out->cols);
}

vc_status vc_resize_placement(const vc_resize *resize, int64_t rows, int64_t cols,
                              vc_placement *out, vc_error *error) {
  vc_resize known;
  vc_placement placed;
  VC_NEED(resize);
  VC_NEED(out);
  VC_TRY(vc_resize_read(resize, &known, error));
  if (rows < 1 || cols < 1 || rows > INT_MAX || cols > INT_MAX) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "the image has H = %" PRId64 ", W = %" PRId64 ", needs sides of 1 to %d", rows,
                   cols, INT_MAX);
  }
  vc_fp_environment mode = vc_fp_environment_default(); /* which transforms place images in */
  vc_status status = place(&known, "", rows, cols, &placed, error);
  vc_fp_environment_restore(mode);
  if (status == VC_OK) *out = placed;
  return status;
}

/* --- the pad, as elements of the source */

static vc_status make_pad(const vc_resize *resize, vc_dtype dtype, int64_t channels,
                          vc_geometry *out, vc_error *error) {
  size_t size = vc_dtype_size(dtype);
  int32_t count = resize->pad ? resize->pad_count : 1;
  if (count != 1 && count != channels) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "resize->pad has %" PRId32 " values and the image %" PRId64
                   " channels, needs one value or one for each channel",
                   count, channels);
  }
  for (int32_t c = 0; c < channels; c++) {
    double value = resize->pad ? resize->pad[count > 1 ? c : 0] : 0;
    if (value != value) {
      return vc_fail(error, VC_ERROR_ARGUMENT, "resize->pad[%" PRId32 "] is NaN, needs a number",
                     count > 1 ? c : 0);
    }
    vc_store_bits(out->pad + (size_t)c * size, size, vc_number_bits(dtype, value));
  }
  return VC_OK;
}

/* --- the sources */

/* An image of a source, or a crop of one. */
typedef struct {
  vc_resample_image image;
  int64_t rows, cols;
} source;

static int64_t count_images(const vc_call *call) {
  return call->count > 1 ? (int64_t)call->count : call->read.count;
}

/* Returns a source; `yuv` has those of all views, or is NULL. */
static source source_of(const vc_call *call, const vc_yuv_source *yuv, int64_t index) {
  vc_images read = call->read;
  const vc_view *view = call->from;
  source out = {.image.yuv = yuv ? &yuv[index] : NULL};
  if (call->count > 1) {
    view = &call->from[index];
    read = vc_plan_read_images(view, call->params.from);
    index = 0;
  }
  out.rows = read.rows;
  out.cols = read.cols;
  out.image.data = (const char *)view->data + index * read.strides.image;
  out.image.row = read.strides.row;
  out.image.col = read.strides.col;
  out.image.channel = read.strides.channel;
  return out;
}

/* Checks that the sides of all images can be counted. Those of an expanded view may be longer. */
static vc_status check_sides(const vc_call *call, vc_error *error) {
  for (int64_t i = 0; i < count_images(call); i++) {
    source of = source_of(call, NULL, i);
    if (of.rows <= INT_MAX && of.cols <= INT_MAX) continue;
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "image %" PRId64 " has H = %" PRId64 ", W = %" PRId64
                   " and can't be resized, needs sides up to %d",
                   i, of.rows, of.cols, INT_MAX);
  }
  return VC_OK;
}

static void add_item(const source *of, const vc_placement *placement, vc_geometry *out) {
  vc_geometry_item *item = &out->items[out->count++];
  item->image = of->image;
  item->rows = of->rows;
  item->cols = of->cols;
  item->placement = *placement;
  if (of->rows != out->items[0].rows || of->cols != out->items[0].cols) out->alike = false;
}

/* Places an image or a box, by whose kind and index messages name it. */
static vc_status place_item(const vc_resize *resize, const char *kind, int64_t index,
                            const source *of, vc_placement *out, vc_error *error) {
  char name[32];
  if (place(resize, "", of->rows, of->cols, out, error) == VC_OK) return VC_OK;
  snprintf(name, sizeof name, "%s %" PRId64 ": ", kind, index);
  return place(resize, name, of->rows, of->cols, out, error);
}

static vc_status add_images(const vc_call *call, vc_geometry *out, vc_error *error) {
  int64_t count = count_images(call);
  for (int64_t i = 0; i < count; i++) {
    vc_placement placement = {0, 0, 0, 0};
    source of = source_of(call, out->yuv, i);
    if (!out->boxes && (of.rows < 1 || of.cols < 1)) {
      return vc_fail(error, VC_ERROR_LAYOUT,
                     "image %" PRId64 " is empty (H = %" PRId64 ", W = %" PRId64
                     ") and can't be resized, needs pixels",
                     i, of.rows, of.cols);
    }
    if (!out->boxes) VC_TRY(place_item(&call->resize, "image", i, &of, &placement, error));
    add_item(&of, &placement, out);
  }
  return VC_OK;
}

/* --- boxes in host memory */

/* Reads x0, y0, x1, y1 into xy and returns the image that the box names, 0 if it has four
 * values. */
static double read_box(const vc_view *boxes, int64_t index, double *xy) {
  double values[5] = {0};
  int64_t first = boxes->shape[1] == 5 ? 0 : 1;
  const char *row = (const char *)boxes->data + index * boxes->strides[0];
  for (int64_t k = first; k < 5; k++) {
    values[k] = vc_load_double(vc_type_of(boxes->dtype), row + (k - first) * boxes->strides[1]);
  }
  memcpy(xy, values + 1, 4 * sizeof *xy);
  return values[0];
}

int64_t vc_box_image(const vc_view *boxes, int64_t index) {
  double xy[4];
  return (int64_t)read_box(boxes, index, xy);
}

static vc_status refuse_box(const double *xy, int64_t index, const source *of, vc_error *error) {
  bool reversed = xy[0] >= xy[2] || xy[1] >= xy[3], numbers = true;
  for (int k = 0; k < 4; k++) numbers = numbers && xy[k] == xy[k];
  const char *why = !numbers   ? "holds a NaN"
                    : reversed ? "is empty or reversed"
                               : "has no pixel in its image";
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "box %" PRId64 ", (%g, %g, %g, %g), %s (H = %" PRId64 ", W = %" PRId64
                 "): needs x0 < x1 and y0 < y1 and a pixel inside after truncation; leave it out",
                 index, xy[0], xy[1], xy[2], xy[3], why, of->rows, of->cols);
}

static vc_status refuse_index(double image, int64_t index, int64_t count, vc_error *error) {
  if (count == 0) {
    return vc_fail(error, VC_ERROR_ARGUMENT, "box %" PRId64 " names image %g and there is none",
                   index, image);
  }
  return vc_fail(error, VC_ERROR_ARGUMENT, "box %" PRId64 " names image %g, needs 0 to %" PRId64,
                 index, image, count - 1);
}

static vc_status add_box(const vc_call *call, int64_t index, vc_geometry *out, vc_error *error) {
  vc_crop crop;
  vc_placement placement;
  double xy[4], image = read_box(call->params.boxes, index, xy);
  if (!(image > -1 && image < (double)count_images(call))) {
    return refuse_index(image, index, count_images(call), error);
  }
  source of = source_of(call, out->yuv, (int64_t)image);
  if (!vc_crop_from_box(xy[0], xy[1], xy[2], xy[3], of.rows, of.cols, &crop)) {
    return refuse_box(xy, index, &of, error);
  }
  of.image.data += crop.top * of.image.row + crop.left * of.image.col;
  of.image.top = crop.top;
  of.image.left = crop.left;
  of.rows = crop.bottom - crop.top;
  of.cols = crop.right - crop.left;
  VC_TRY(place_item(&call->resize, "box", index, &of, &placement, error));
  add_item(&of, &placement, out);
  return VC_OK;
}

/* --- all of it */

/* Fills *out, which has memory for all items. */
static vc_status fill(const vc_call *call, vc_geometry *out, vc_error *error) {
  const vc_view *boxes = call->params.boxes;
  for (size_t i = 0; out->yuv && i < call->count; i++) {
    VC_TRY(vc_yuv_read(vc_yuv_at(call->params.yuv, i), &out->yuv[i], NULL, error));
  }
  VC_TRY(make_pad(&call->resize, call->from->dtype, call->read.channels, out, error));
  VC_TRY(check_sides(call, error));
  if (!boxes || out->boxes) return add_images(call, out, error);
  for (int64_t i = 0; i < boxes->shape[0]; i++) VC_TRY(add_box(call, i, out, error));
  return VC_OK;
}

/* Allocates a geometry with memory for so many items and descriptions of YUV images; NULL: there is
 * too little. The first item is there in any case: it is what a kernel is given that has boxes, and
 * no image that they could name. */
static vc_geometry *allocate(int64_t items, size_t yuvs) {
  size_t count = items > 0 ? (size_t)items : 1;
  ptrdiff_t bytes; /* no memory is larger than its type can say */
  if (__builtin_mul_overflow(count, sizeof(vc_geometry_item), &bytes) ||
      __builtin_add_overflow(bytes, sizeof(vc_geometry) + yuvs * sizeof(vc_yuv_source), &bytes)) {
    return NULL;
  }
  vc_geometry *out = vc_malloc((size_t)bytes);
  if (!out) return NULL;
  out->items[0] = (vc_geometry_item){0};
  out->yuv = yuvs > 0 ? (vc_yuv_source *)(void *)(out->items + count) : NULL;
  return out;
}

vc_status vc_geometry_make(const vc_call *call, vc_geometry **out, vc_error *error) {
  const vc_view *boxes = call->params.boxes;
  bool on_gpu = boxes && vc_device_is_gpu(boxes->device);
  int64_t items = boxes && !on_gpu ? boxes->shape[0] : count_images(call);
  vc_geometry *made = allocate(items, call->params.yuv ? call->count : 0);
  if (!made) {
    return vc_fail(error, VC_ERROR_MEMORY, "no memory for the geometry of %" PRId64 " images",
                   items);
  }
  made->fit = fitting_of(&call->resize);
  made->interpolation = call->resize.interpolation;
  made->alike = true;
  made->boxes = on_gpu ? boxes : NULL;
  made->count = 0;
  vc_status status = fill(call, made, error);
  if (status == VC_OK) {
    *out = made;
  } else {
    free(made);
  }
  return status;
}

vc_resample_range vc_geometry_range(int64_t n, int64_t m, int64_t offset, int64_t shown) {
  int64_t start = offset < 0 ? -offset : 0, left = shown - (offset > 0 ? offset : 0);
  int64_t count = m - start < left ? m - start : left;
  return (vc_resample_range){n, m, start, count > 0 ? count : 0};
}
