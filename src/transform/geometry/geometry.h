/* SPDX-License-Identifier: Apache-2.0 */
/* The geometry of a transform that resizes: for each image of the result, the part of a source
 * that it shows, and where that lies in it. */
#ifndef VIEWCAST_TRANSFORM_GEOMETRY_GEOMETRY_H
#define VIEWCAST_TRANSFORM_GEOMETRY_GEOMETRY_H

#include <viewcast/viewcast.h>

#include "transform/geometry/placement.h"
#include "transform/geometry/resample.h"
#include "transform/plan_parts.h"

/* An image of the result. */
typedef struct vc_geometry_item {
  vc_resample_image image; /* begins at the first pixel of the crop */
  int64_t rows, cols;      /* of the crop */
  vc_placement placement;
} vc_geometry_item;

typedef struct vc_geometry {
  vc_fitting fit;
  int32_t interpolation;
  bool alike;                       /* all items have one size and so one placement */
  char pad[VC_CHANNELS_MAPPED * 8]; /* an element of the source's type for each source channel */
  const vc_view *boxes;             /* in GPU memory, where the kernel reads them; or NULL */
  vc_yuv_source *yuv;               /* of each source, behind the items; NULL: none is YUV */
  int64_t count;                    /* of items */
  vc_geometry_item items[];         /* of each image of the result; with `boxes` of each source */
} vc_geometry;

/* Copies the parameters of a resize and checks their ranges. */
vc_status vc_resize_read(const vc_resize *given, vc_resize *out, vc_error *error);

/* Makes the geometry of a call whose images were checked: they have one dtype, device and number of
 * channels. Boxes in host memory are read here. *out is to be freed with free(). VC_ERROR_ARGUMENT
 * names a box that holds no pixel of an image, VC_ERROR_LAYOUT an image to which the resize can't be
 * applied. */
vc_status vc_geometry_make(const vc_call *call, vc_geometry **out, vc_error *error);

/* Returns the results of an axis of n samples and m results that are visible in `shown` pixels
 * if the axis begins at `offset` in them. */
vc_resample_range vc_geometry_range(int64_t n, int64_t m, int64_t offset, int64_t shown);

#endif
