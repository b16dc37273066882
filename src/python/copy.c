/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of unchanged pixels between devices. */
#include "copy.h"

#include <stdlib.h>

#include "adapters/memory.h"
#include "errors.h"

/* --- the order of the axes in memory */

/* The axes of a view from the longest stride to the shortest. Axes of length 1 keep their place:
 * their strides do not matter. */
typedef struct {
  int axes[VC_MAX_NDIM];
} axis_order;

static axis_order order_of(const vc_view *view) {
  axis_order order = {{0}};
  for (int i = 0; i < view->ndim; i++) {
    int at = i;
    while (at > 0 && view->shape[i] > 1 && view->shape[order.axes[at - 1]] > 1 &&
           llabs(view->strides[order.axes[at - 1]]) < llabs(view->strides[i])) {
      order.axes[at] = order.axes[at - 1];
      at--;
    }
    order.axes[at] = i;
  }
  return order;
}

static vc_view sorted(const vc_view *view, axis_order order) {
  vc_view out = *view;
  for (int i = 0; i < view->ndim; i++) {
    out.shape[i] = view->shape[order.axes[i]];
    out.strides[i] = view->strides[order.axes[i]];
  }
  return out;
}

/* vc_copy between views of one shape whose axes lie in the same order. */
static vc_status copy_sorted(const vc_view *to, const vc_view *from, axis_order order,
                             vc_stream stream, vc_error *error) {
  vc_view target = sorted(to, order), source = sorted(from, order);
  return vc_copy(&target, &source, stream, error);
}

/* A packed view with the shape, dtype and order of axes of `like`, over other memory. */
static vc_view packed_like(const vc_view *like, void *data, vc_device device) {
  vc_view out = *like;
  axis_order order = order_of(like);
  int64_t stride = (int64_t)vc_dtype_size(like->dtype);
  out.data = data;
  out.device = device;
  out.readonly = 0;
  for (int i = like->ndim; i-- > 0;) {
    out.strides[order.axes[i]] = stride;
    stride *= like->shape[order.axes[i]];
  }
  return out;
}

static size_t bytes_of(const vc_view *view) {
  return view->ndim == 0 ? 0 : (vc_view_nbytes(view) + 63) / 64 * 64;
}

static size_t bytes_of_all(const vc_view *views, size_t count) {
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += bytes_of(&views[i]);
  return bytes;
}

int ext_copy_reserve(vc_view *views, size_t count, vc_device device, vc_stream stream,
                     ext_source *block) {
  size_t bytes = bytes_of_all(views, count);
  if (bytes > 0 && ext_memory_block(bytes, device, stream, block) < 0) return -1;
  char *place = block->view.data;
  for (size_t i = 0; i < count; i++) {
    if (views[i].ndim == 0) continue;
    views[i] = packed_like(&views[i], place, device);
    place += bytes_of(&views[i]);
  }
  return 0;
}

/* --- views that are packed into one block */

/* Packs the pixels of a view that does not consist of rows, on its own device. */
static int close_up(const vc_view *to, const vc_view *from) {
  vc_error error;
  vc_transform_params params;
  vc_transform_params_init(&params);
  return vc_transform(to, from, 1, &params, VC_STREAM_LEGACY, &error) == VC_OK ? 0
                                                                               : ext_raise(&error);
}

static int move_closed_up(const vc_view *to, const vc_view *from, vc_stream stream) {
  vc_error error;
  ext_source block = {0};
  vc_view closed = *to;
  int result = ext_copy_reserve(&closed, 1, ext_device_of(from), stream, &block);
  if (result == 0) result = close_up(&closed, from);
  if (result == 0 && copy_sorted(to, &closed, order_of(to), stream, &error) != VC_OK) {
    result = ext_raise(&error);
  }
  /* A copy from pageable memory has read all of it when it returns: the block may go. */
  ext_release(&block.owner);
  return result;
}

static int move_one(const vc_view *to, const vc_view *from, vc_stream stream) {
  vc_error error;
  vc_status status = copy_sorted(to, from, order_of(from), stream, &error);
  if (status == VC_OK) return 0;
  if (status != VC_ERROR_LAYOUT) return ext_raise(&error);
  if (!vc_device_is_gpu(from->device)) return move_closed_up(to, from, stream);
  return ext_raise_prefixed("the image can't be copied to another GPU as it is:", &error);
}

/* Copies views to `place` and behind it, and replaces them by views of the copies. Returns the end
 * of these; NULL with an exception. */
static char *move_up(vc_view *views, size_t count, vc_device device, vc_stream stream,
                     char *place) {
  for (size_t i = 0; i < count; i++) {
    vc_view there = packed_like(&views[i], place, device);
    if (views[i].ndim == 0) continue; /* a plane that a YUV image does not have */
    if (move_one(&there, &views[i], stream) < 0) return NULL;
    place += bytes_of(&there);
    views[i] = there;
  }
  return place;
}

/* The same for YUV images, whose planes are copied. */
static int move_up_yuv(ext_images *images, vc_device device, vc_stream stream, char *place) {
  vc_error error;
  for (size_t i = 0; i < images->count; i++) {
    vc_yuv *yuv = &images->yuv[i];
    place = move_up(yuv->planes, EXT_YUV_PLANES, device, stream, place);
    if (!place) return -1;
    if (vc_yuv_image(yuv, &images->views[i], &error) != VC_OK) return ext_raise(&error);
  }
  return 0;
}

static size_t bytes_of_images(const ext_images *images) {
  if (!images->yuv) return bytes_of_all(images->views, images->count);
  size_t bytes = 0;
  for (size_t i = 0; i < images->count; i++) {
    bytes += bytes_of_all(images->yuv[i].planes, EXT_YUV_PLANES);
  }
  return bytes;
}

int ext_copy_up(ext_images *images, vc_device device, vc_stream stream, ext_source *block) {
  if (ext_memory_block(bytes_of_images(images), device, stream, block) < 0) return -1;
  if (images->yuv) return move_up_yuv(images, device, stream, block->view.data);
  return move_up(images->views, images->count, device, stream, block->view.data) ? 0 : -1;
}

/* --- copies in one piece */

static int copy_and_wait(const vc_view *to, const vc_view *from, vc_stream stream) {
  vc_error error;
  vc_status status;
  Py_BEGIN_ALLOW_THREADS status = copy_sorted(to, from, order_of(to), stream, &error);
  if (status == VC_OK) status = vc_stream_synchronize(from->device.id, stream, &error);
  Py_END_ALLOW_THREADS return status == VC_OK ? 0 : ext_raise(&error);
}

static bool is_rows(const vc_view *view, axis_order order) {
  vc_image image;
  vc_view ordered = sorted(view, order);
  return vc_view_is_packed(&ordered) || vc_image_from_view(&ordered, &image, NULL) == VC_OK;
}

bool ext_copy_fits(const vc_view *to, const vc_view *from) {
  axis_order order = order_of(to);
  return is_rows(to, order) && is_rows(from, order);
}

int ext_copy_fitting(const vc_view *to, const vc_view *from, vc_stream stream) {
  vc_error error;
  if (!vc_device_is_gpu(to->device)) return copy_and_wait(to, from, stream);
  vc_status status = copy_sorted(to, from, order_of(to), stream, &error);
  return status == VC_OK ? 0 : ext_raise(&error);
}

/* --- to the host */

int ext_copy_down(const vc_view *to, const vc_view *from, vc_stream stream) {
  ext_source block = {0};
  vc_view closed = *to;
  if (is_rows(to, order_of(to))) return copy_and_wait(to, from, stream);
  int result = ext_copy_reserve(&closed, 1, ext_device_of(to), stream, &block);
  if (result == 0) result = copy_and_wait(&closed, from, stream);
  if (result == 0) result = close_up(to, &closed);
  ext_release(&block.owner);
  return result;
}
