/* SPDX-License-Identifier: Apache-2.0 */
/* Views read as interleaved images: the rules of vc_image_from_view. */
#include <viewcast/viewcast.h>

#include <inttypes.h>
#include <limits.h>

#include "core/error.h"
#include "core/view.h"
#include "internal.h"

/* Names of an image's axes. */
static const char *const axis_names[] = {"height", "width", "channels"};

/* --- reasons for which a view is no interleaved image */

static vc_status fail_rank(const vc_view *view, vc_error *error) {
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "image has rank %" PRId32 ", needs 2 (H, W) or 3 (H, W, C); %s", view->ndim,
                 view->ndim == 4 ? "take one image of the batch at a time"
                                 : vc_advice_text(VC_ADVICE_ADD_AXES));
}

static vc_status fail_length(const vc_view *view, int32_t axis, vc_error *error) {
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "image axis %" PRId32 " (%s) is %" PRId64
                 " long, needs at most %d: OpenCV "
                 "counts in 32 bits; slice the image into parts",
                 axis, axis_names[axis], view->shape[axis], INT_MAX);
}

static vc_status fail_channels(const vc_view *view, int64_t size, vc_error *error) {
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "image axis 2 (channels) has stride %" PRId64 " bytes, needs %" PRId64
                 ": the "
                 "channels of a pixel are not adjacent, as in planar (CHW) memory seen as "
                 "HWC; %s",
                 view->strides[2], size, vc_advice_text(VC_ADVICE_INTERLEAVE));
}

static vc_status fail_columns(const vc_view *view, int64_t pixel, vc_error *error) {
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "image axis 1 (width) has stride %" PRId64 " bytes, needs %" PRId64
                 ": the "
                 "pixels are not interleaved; %s",
                 view->strides[1], pixel, vc_advice_text(VC_ADVICE_PACK));
}

static vc_status fail_rows(const vc_view *view, int64_t size, int64_t row, vc_error *error) {
  int64_t stride = view->strides[0];
  if (stride >= row)
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "image axis 0 (height) has stride %" PRId64
                   " bytes, needs a multiple of the "
                   "itemsize %" PRId64 ": the rows are not aligned to their elements; %s",
                   stride, size, vc_advice_text(VC_ADVICE_PACK));
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "image axis 0 (height) has stride %" PRId64 " bytes, needs at least %" PRId64
                 ": the rows %s; %s",
                 stride, row,
                 stride < 0 ? "run backwards, as in a flipped image"
                            : "overlap, as in a broadcast or transposed array",
                 vc_advice_text(VC_ADVICE_PACK));
}

/* --- the rules */

static vc_status check_axes(const vc_view *view, vc_error *error) {
  if (view->ndim != 2 && view->ndim != 3) return fail_rank(view, error);
  for (int32_t axis = 0; axis < view->ndim; axis++)
    if (view->shape[axis] > INT_MAX) return fail_length(view, axis, error);
  if (view->ndim == 3 && view->shape[2] == 0)
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "image axis 2 (channels) is 0 long, needs at least 1: an image without "
                   "channels has no pixel type; give it one channel");
  return VC_OK;
}

/* Of an axis that is 1 long, no stride matters. */
static vc_status check_strides(const vc_view *view, int64_t size, int64_t pixel, int64_t row,
                               vc_error *error) {
  const int64_t *shape = view->shape, *strides = view->strides;
  bool adjacent = view->ndim == 2 || shape[2] == 1 || strides[2] == size;
  if (!adjacent) return fail_channels(view, size, error);
  if (shape[1] != 1 && strides[1] != pixel) return fail_columns(view, pixel, error);
  bool apart = strides[0] >= row && (strides[0] & (size - 1)) == 0; /* sizes are powers of two */
  return shape[0] == 1 || apart ? VC_OK : fail_rows(view, size, row, error);
}

vc_status vc_image_read(const vc_view *view, vc_image *out, vc_error *error) {
  bool plain = vc_view_is_plain(view);
  if (!plain) VC_TRY(vc_view_check(view, error));
  VC_TRY(check_axes(view, error));

  /* The row of an image with pixels fits 64 bits, because vc_view_check counted its bytes. */
  int64_t channels = view->ndim == 3 ? view->shape[2] : 1;
  int64_t size = (int64_t)vc_dtype_bytes(view->dtype);
  int64_t pixel = channels * size, row;
  if (__builtin_mul_overflow(view->shape[1], pixel, &row))
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "a row of %" PRId64 " pixels of %" PRId64
                   " bytes overflows 64 bits; slice "
                   "the image into parts",
                   view->shape[1], pixel);

  bool empty = !plain && vc_view_is_empty(view);
  if (!empty) VC_TRY(check_strides(view, size, pixel, row, error));

  *out = (vc_image){
      .data = view->data,
      .rows = view->shape[0],
      .cols = view->shape[1],
      .step = empty || view->shape[0] == 1 ? row : view->strides[0],
      .channels = (int32_t)channels,
      .dtype = view->dtype,
  };
  return VC_OK;
}

vc_status vc_image_from_view(const vc_view *view, vc_image *out, vc_error *error) {
  VC_NEED(view);
  VC_NEED(out);
  return vc_image_read(view, out, error);
}

void vc_view_from_image(const vc_image *image, vc_device device, bool keepdim, vc_view *out) {
  VC_NEED_OR(image, return);
  VC_NEED_OR(out, return);
  int64_t size = (int64_t)vc_dtype_bytes(image->dtype);
  bool flat = image->channels == 1 && !keepdim;
  *out = (vc_view){
      .data = image->data,
      .device = device,
      .dtype = image->dtype,
      .ndim = flat ? 2 : 3,
      .shape = {image->rows, image->cols, flat ? 0 : image->channels},
      .strides = {image->step, image->channels * size, flat ? 0 : size},
  };
}

bool vc_view_looks_planar(const vc_view *view) {
  VC_NEED_OR(view, return false);
  if (view->ndim != 3 && view->ndim != 4) return false;
  const int64_t *axes = &view->shape[view->ndim - 3];
  return axes[2] > 4 && (axes[0] == 1 || axes[0] == 3 || axes[0] == 4);
}
