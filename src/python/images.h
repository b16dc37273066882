/* SPDX-License-Identifier: Apache-2.0 */
/* The images of a call, imported: sources, or images of out=; one, or a list. */
#ifndef VIEWCAST_PYTHON_IMAGES_H
#define VIEWCAST_PYTHON_IMAGES_H

#include "adapters/adapter.h"
#include "device.h"
#include "request.h"

typedef struct ext_images {
  size_t count;
  bool is_list;   /* the caller gave a list or a tuple */
  bool takes_yuv; /* YUV images may be among them */
  const char *of; /* in messages, after an image's number: "" or " of out" */
  ext_image *items;
  vc_view *views; /* of the items; those copied to another device are over the copies */
  vc_yuv *yuv;    /* of the items, where they are YUV images; else NULL */
  /* EXT_YUV_PLANES objects for each YUV image, which own its memory. Its item has the view that
   * stands for it, the facts of its luma, and no owner. */
  ext_image *planes;
  ext_image one; /* storage for one image, the usual case */
  vc_view one_view;
} ext_images;

/* Imports an image, or each of a list or tuple of them, to *out, whose fields were 0 except
 * `takes_yuv`: where it is set, all images may be YUV images, or none. `of` sets the field. -1 with
 * an exception; *out must be released in any case. */
int ext_images_import(PyObject *image, const ext_options *options, const char *of, ext_images *out);

/* Makes *out, whose fields were 0, of one image that was imported already. Takes the source's
 * owner. */
void ext_images_take(const ext_adapter *from, ext_source *source, ext_images *out);

void ext_images_release(ext_images *images);

/* The imported objects whose memory the images lie in, of which there are *count: the items, or
 * the planes of YUV images, some of which may have no memory (from is NULL). */
ext_image *ext_images_memory(const ext_images *images, size_t *count);

/* The device that all of them are on: {VC_CUDA, id} or {VC_CPU, 0}. DeviceError
 * names two that differ. */
int ext_images_device(const ext_images *images, vc_device *out);

/* The meaning of the axes of images. */
typedef struct ext_geometry {
  int64_t images, rows, cols, channels;
  bool batch; /* a list, or four axes */
  bool planar;
  bool channel_axis; /* the source has one */
  bool boxes;        /* the images are boxes of the sources */
} ext_geometry;

/* Reads the first image's axes, as from_layout= says or as they look; sees that
 * all can be read so, and adds an axis of channels to views (N, H, W). LayoutError. */
int ext_images_read(const ext_images *images, const ext_layout *layout, ext_geometry *out);

/* The number of channels of a view that is read as planar or interleaved. */
int64_t ext_channels_of(const vc_view *view, bool planar);

/* The i-th image of the sources: of a list, or of a batch. */
vc_view ext_images_at(const ext_images *images, size_t index);

/* True if all have one dtype and one shape, or are resized to one: one transform can read them. */
bool ext_images_are_alike(const ext_images *images, const ext_request *request);

/* LayoutError for a list of images of different shapes or dtypes, which are no batch. */
int ext_images_check_alike(const ext_images *images, const ext_request *request);

#endif
