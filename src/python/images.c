/* SPDX-License-Identifier: Apache-2.0 */
/* Imports the images of a call, reads their axes, and checks whether they make one batch. */
#include "images.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/attributes.h"
#include "errors.h"
#include "free_threading.h"

/* --- import */

static int refuse_mixture(bool yuv) {
  return ext_refuse(
      PyExc_TypeError,
      "it is %s YUV image and image 0 is %s, needs a list of YUV images or one without",
      yuv ? "a" : "no", yuv ? "none" : "one");
}

/* Takes memory for the planes of `count` YUV images. */
static int take_planes(size_t count, ext_images *out) {
  out->planes = calloc(count, EXT_YUV_PLANES * sizeof *out->planes + sizeof *out->yuv);
  if (!out->planes) return ext_no_memory();
  out->yuv = (vc_yuv *)(out->planes + count * EXT_YUV_PLANES);
  return 0;
}

/* Imports YUV image `index` of the call, and makes the view that stands for it. */
static int import_yuv(PyObject *image, const ext_options *options, size_t index, ext_images *out) {
  ext_image *item = &out->items[index], *planes = &out->planes[index * EXT_YUV_PLANES];
  if (item->from->import_yuv(image, options, planes, &out->yuv[index]) < 0) return -1;
  item->from = planes->from;
  item->source = planes->source;
  item->source.owner = (vc_owner){0};
  EXT_TRY(vc_yuv_image(&out->yuv[index], &item->source.view, &error));
  return 0;
}

/* Imports image `index` of `count`. The first one decides whether all of them are YUV images. */
static int import_one(PyObject *image, const ext_options *options, size_t index, size_t count,
                      ext_images *out) {
  ext_image *each = &out->items[index];
  each->from = ext_adapter_of(image);
  if (PyErr_Occurred()) return -1;
  bool yuv = out->takes_yuv && each->from->import_yuv;
  if (yuv && index == 0 && take_planes(count, out) < 0) return -1;
  if (yuv != (out->yuv != NULL)) return refuse_mixture(yuv);
  int result = yuv ? import_yuv(image, options, index, out)
                   : each->from->import(image, options, &each->source);
  out->views[index] = each->source.view;
  return result;
}

/* Importing may run Python code, which may change the list. */
static int import_list(PyObject *list, const ext_options *options, ext_images *out) {
  size_t count = (size_t)PySequence_Fast_GET_SIZE(list);
  if (count == 0) {
    return ext_refuse(PyExc_ValueError, "%sthe list is empty, needs at least one image",
                      *out->of ? "out: " : "");
  }
  out->items = calloc(count, sizeof *out->items + sizeof *out->views);
  if (!out->items) return ext_no_memory();
  out->views = (vc_view *)(out->items + count);
  while (out->count < count) {
    size_t index = out->count;
    PyObject *image = ext_item(list, (Py_ssize_t)index);
    if (!image) {
      return ext_refuse(PyExc_RuntimeError, "the list of images became shorter while it was read");
    }
    out->count++; /* one that fails is released too */
    int result = import_one(image, options, index, count, out);
    Py_DECREF(image);
    if (result < 0) return ext_raise_at((Py_ssize_t)index, out->of);
  }
  return 0;
}

/* The images of an object that is no list: a list if it is a batch of YUV images, else itself. */
static PyObject *images_of(PyObject *image) {
  const ext_adapter *from = ext_adapter_of(image);
  if (PyErr_Occurred()) return NULL;
  return from->images ? from->images(image) : Py_NewRef(image);
}

/* Makes *out, which is empty, the storage of one image. */
static void hold_one(ext_images *out) {
  out->count = 1;
  out->items = &out->one;
  out->views = &out->one_view;
}

int ext_images_import(PyObject *image, const ext_options *options, const char *of,
                      ext_images *out) {
  bool is_list = PyList_Check(image) || PyTuple_Check(image);
  PyObject *images = is_list || !out->takes_yuv ? Py_NewRef(image) : images_of(image);
  int result = -1;
  out->of = of;
  out->is_list = is_list || (images && PyList_Check(images));
  if (images && out->is_list) {
    result = import_list(images, options, out);
  } else if (images) {
    hold_one(out);
    result = import_one(images, options, 0, 1, out);
  }
  Py_XDECREF(images);
  return result;
}

void ext_images_take(const ext_adapter *from, ext_source *source, ext_images *out) {
  hold_one(out);
  out->of = "";
  out->one.from = from;
  out->one.source = *source;
  out->one_view = source->view;
  source->owner = (vc_owner){0};
}

ext_image *ext_images_memory(const ext_images *images, size_t *count) {
  *count = images->planes ? images->count * EXT_YUV_PLANES : images->count;
  return images->planes ? images->planes : images->items;
}

void ext_images_release(ext_images *images) {
  size_t count;
  ext_image *memory = ext_images_memory(images, &count);
  for (size_t i = 0; i < count; i++) ext_release(&memory[i].source.owner);
  if (images->items != &images->one) free(images->items);
  free(images->planes);
  images->yuv = NULL;
  images->planes = NULL;
  images->items = NULL;
  images->count = 0;
}

/* --- devices */

int ext_images_device(const ext_images *images, vc_device *out) {
  *out = ext_device_of(&images->views[0]);
  if (!ext_device_exists(*out)) {
    char whose[24];
    const char *one = images->is_list ? "image 0" : "the image";
    PyOS_snprintf(whose, sizeof whose, "%s%s", one, images->of);
    return ext_device_check(*out, whose);
  }
  for (size_t i = 1; i < images->count; i++) {
    vc_device other = ext_device_of(&images->views[i]);
    if (ext_device_same(*out, other)) continue;
    return ext_fail(VC_ERROR_DEVICE,
                    "image %zu%s is in %s and image 0%s in %s, needs images of one device; bring "
                    "them together first (vc.as_tensor(x, device=, copy=None))",
                    i, images->of, ext_device_name(other).text, images->of,
                    ext_device_name(*out).text);
  }
  return 0;
}

/* --- axes */

/* Adds an axis of one channel to the images (H, W) of a list that also holds images (H, W, 1). */
static void level_ranks(const ext_images *images, bool planar) {
  size_t i = 0;
  while (i < images->count && images->views[i].ndim != 3) i++;
  if (i == images->count || images->views[i].shape[planar ? 0 : 2] != 1) return;
  for (i = 0; i < images->count; i++) {
    if (images->views[i].ndim == 2) ext_layout_add_channel(&images->views[i], planar);
  }
}

/* Checks each image's axes. (N, H, W) gets an axis of channels, which a transform needs. */
static int read_axes(const ext_images *images, const ext_layout *layout) {
  ext_place place = images->is_list ? EXT_IN_LIST : EXT_OR_BATCH;
  for (size_t i = 0; i < images->count; i++) {
    const ext_adapter *from = images->items[i].from;
    vc_view *view = &images->views[i];
    if (ext_layout_check(layout, from, view, place) < 0) {
      return images->is_list ? ext_raise_at((Py_ssize_t)i, images->of) : -1;
    }
    bool stack = layout->batch && layout->flat && view->ndim == 3 && !from->interleaved;
    if (stack) ext_layout_add_channel(view, false);
  }
  if (images->is_list) level_ranks(images, layout->planar);
  return 0;
}

/* A YUV image is (H, W, 3). */
static int check_yuv_layout(const ext_images *images, const ext_layout *layout) {
  if (!layout->planar && !layout->flat && (!layout->batch || images->is_list)) return 0;
  return ext_fail(VC_ERROR_LAYOUT,
                  "from_layout is \"%s\" and the source is a YUV image, which is always \"HWC\"; "
                  "leave from_layout out",
                  ext_layout_name(layout));
}

int ext_images_read(const ext_images *images, const ext_layout *layout, ext_geometry *out) {
  if (images->yuv && layout->given && check_yuv_layout(images, layout) < 0) return -1;
  if (read_axes(images, layout) < 0) return -1;
  const vc_view *view = &images->views[0];
  bool four = view->ndim == 4, planar = layout->planar;
  const int64_t *shape = view->shape + four;
  bool axis = view->ndim > 2;
  *out = (ext_geometry){
      .images = images->is_list ? (int64_t)images->count * (four ? view->shape[0] : 1)
                : four          ? view->shape[0]
                                : 1,
      .rows = shape[axis && planar ? 1 : 0],
      .cols = shape[axis && planar ? 2 : 1],
      .channels = axis ? shape[planar ? 0 : 2] : 1,
      .batch = images->is_list || four,
      .planar = planar,
      .channel_axis = axis && !layout->flat,
  };
  return 0;
}

int64_t ext_channels_of(const vc_view *view, bool planar) {
  return view->ndim == 2 ? 1 : view->shape[(view->ndim == 4) + (planar ? 0 : 2)];
}

vc_view ext_images_at(const ext_images *images, size_t index) {
  if (images->is_list && images->count > 1) return images->views[index];
  const vc_view *view = &images->views[0];
  return view->ndim == 4 ? ext_batch_image(view, (int64_t)index) : *view;
}

/* --- lists that make one batch */

static bool is_of_shape(const vc_view *a, const vc_view *b) {
  return a->ndim == b->ndim && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0;
}

/* True if images that are resized have the same axes, and as many channels. */
static bool may_be_resized(const vc_view *a, const vc_view *b, const ext_request *request) {
  bool planar = request->params.from == VC_PLANAR;
  return request->params.resize && a->ndim == b->ndim &&
         ext_channels_of(a, planar) == ext_channels_of(b, planar) &&
         (a->ndim < 4 || a->shape[0] == b->shape[0]);
}

/* True if both may be images of one batch, whatever their dtypes. */
static bool fit_together(const vc_view *a, const vc_view *b, const ext_request *request) {
  return is_of_shape(a, b) || may_be_resized(a, b, request);
}

bool ext_images_are_alike(const ext_images *images, const ext_request *request) {
  const vc_view *first = &images->views[0];
  for (size_t i = 1; i < images->count; i++) {
    const vc_view *view = &images->views[i];
    if (!fit_together(first, view, request) || !vc_dtype_same(first->dtype, view->dtype)) {
      return false;
    }
  }
  return true;
}

/* Returns the advice about two images that make no batch. Images of two sizes can be resized, or
 * written to parts of one batch. */
static const char *advice(const vc_view *a, const vc_view *b, const ext_request *request) {
  int channel = a->ndim - (request->options.from.planar ? 3 : 1);
  bool sizes = a->ndim == b->ndim && (a->ndim == 2 || a->shape[channel] == b->shape[channel]);
  if (!sizes) return "convert each by itself first (channels=)";
  if (request->is_mat) {
    return "resize them in this call (resize=(height, width)), or convert each by itself "
           "([vc.to_gpumat(x) for x in images])";
  }
  return request->params.to == VC_PLANAR
             ? "resize them in this call (resize=(height, width)), or pad them: out=[batch[i, :, "
               ":h, :w] for i, (h, w) in enumerate(sizes)] of a zeroed "
               "batch"
             : "resize them in this call (resize=(height, width)), or pad them: out=[batch[i, :h, "
               ":w] for i, (h, w) in enumerate(sizes)] of a zeroed "
               "batch";
}

static int refuse_shape(const ext_images *images, size_t index, const ext_request *request) {
  const vc_view *first = &images->views[0], *other = &images->views[index];
  PyObject *shapes[2] = {ext_axes_tuple(first->shape, first->ndim),
                         ext_axes_tuple(other->shape, other->ndim)};
  if (shapes[0] && shapes[1]) {
    ext_fail(VC_ERROR_LAYOUT,
             "image %zu has the shape %S and image 0 %S, needs one shape for a batch; %s", index,
             shapes[1], shapes[0], advice(first, other, request));
  }
  Py_XDECREF(shapes[0]);
  Py_XDECREF(shapes[1]);
  return -1;
}

int ext_images_check_alike(const ext_images *images, const ext_request *request) {
  const vc_view *first = &images->views[0];
  for (size_t i = 1; i < images->count; i++) {
    const vc_view *view = &images->views[i];
    if (!fit_together(first, view, request)) return refuse_shape(images, i, request);
    if (vc_dtype_same(first->dtype, view->dtype)) continue;
    return ext_fail(VC_ERROR_LAYOUT,
                    "image %zu is %s and image 0 %s, needs one dtype for a batch; convert each by "
                    "itself first (dtype=)",
                    i, vc_dtype_name(view->dtype), vc_dtype_name(first->dtype));
  }
  return 0;
}
