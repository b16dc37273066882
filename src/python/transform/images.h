/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of a transform, or the images of out=: one, or a list. */
#ifndef VP_TRANSFORM_IMAGES_H
#define VP_TRANSFORM_IMAGES_H

#include "adapters/adapter.h"
#include "transform/request.h"

typedef struct vp_image {
  const vp_adapter *from;
  vp_source source;
  bool is_unfilled; /* of out=: an object without memory, which the call creates */
} vp_image;

typedef struct vp_images {
  size_t count;
  bool is_list;   /* as the caller gave them */
  const char *of; /* in messages, after an image's number: "" or " of out" */
  vp_image *items;
  vc_view *views; /* of the items, side by side; staged ones are elsewhere */
  vp_image one;   /* room for the usual case */
  vc_view one_view;
} vp_images;

/* Imports an image, or each of a list or tuple of them. The options are those of
 * an import; `of` is the field. To be released in any case. */
int vp_images_import(PyObject *image, const vp_options *options, const char *of, vp_images *out);

/* One image that was imported already (taken). */
void vp_images_take(const vp_adapter *from, vp_source *source, vp_images *out);

void vp_images_release(vp_images *images);

/* The device that all of them are on: {VC_CUDA, id} or {VC_CPU, 0}. DeviceError
 * names two that differ. */
int vp_images_device(const vp_images *images, vc_device *out);

/* What kind of memory a transform takes it for. */
vc_device vp_device_of(const vc_view *view);
bool vp_device_same(vc_device a, vc_device b);

/* "cuda:1" or "host memory". */
typedef struct vp_device_text {
  char text[24];
} vp_device_text;
vp_device_text vp_device_name(vc_device device);

/* How their axes are read. */
typedef struct vp_geometry {
  int64_t images, rows, cols, channels;
  bool batch; /* a list, or four axes */
  bool planar;
  bool channel_axis; /* the source has one */
} vp_geometry;

/* Reads the first image's axes, as from_layout= says or as they look; sees that
 * all can be read so, and adds an axis of channels to views (N, H, W). LayoutError. */
int vp_images_read(const vp_images *images, const vp_layout *layout, vp_geometry *out);

/* The channels of a view, read as planar or not. */
int64_t vp_channels_of(const vc_view *view, bool planar);

/* The i-th image of the sources: of a list, or of a batch. */
vc_view vp_images_at(const vp_images *images, size_t index);

/* True if all have one shape and dtype. */
bool vp_images_are_alike(const vp_images *images);

/* LayoutError for a list of images of different shapes or dtypes, which are no batch. */
int vp_images_check_alike(const vp_images *images, const vp_request *request);

#endif
