/* SPDX-License-Identifier: Apache-2.0 */
/* A plan: a transform that was checked, in the terms of a loop: where each element is read and
 * written, and how it is converted. CPU and GPU carry out the same plan. */
#ifndef VIEWCAST_TRANSFORM_PLAN_H
#define VIEWCAST_TRANSFORM_PLAN_H

#include <viewcast/viewcast.h>

typedef enum vc_work {
  VC_WORK_MOVE,    /* one dtype, bits as they are */
  VC_WORK_INTEGER, /* between integers and bool, saturated; to bool: is not 0 */
  VC_WORK_FLOAT,   /* fmaf(x, a, b) */
  VC_WORK_DOUBLE   /* fma(x, a, b) */
} vc_work;

/* Strides in bytes from one image, row, column and channel to the next; 0 along an axis of length
 * 1. */
typedef struct vc_strides {
  int64_t image, row, col, channel;
} vc_strides;

/* Entry of the channel map for a channel that holds the fill value. */
#define VC_CHANNEL_FILL (-1)
/* The most channels for which a plan has a channel map; with more, channels keep their order or
 * are reversed. */
#define VC_CHANNELS_MAPPED 4

/* A view, read as images of a layout. */
typedef struct vc_images {
  int64_t count, rows, cols, channels;
  vc_strides strides;
} vc_images;

/* A call of vc_transform: its arguments, and what vc_plan_make reads of them. */
typedef struct vc_call {
  const vc_view *to;
  const vc_view *from;
  size_t count;               /* of sources */
  vc_transform_params params; /* copied from the caller's */
  vc_images written;          /* `to` */
  vc_images read;             /* the first source */
  vc_resize resize;           /* params.resize, copied; without one, to the sources' own size */
} vc_call;

typedef struct vc_plan {
  int64_t images, rows, cols; /* all > 0 */
  int32_t channels;           /* of the destination */
  int32_t from_channels;
  vc_dtype from, to;
  vc_work work;

  char *to_data;
  vc_strides to_strides;
  /* One source: from_data, with from_strides.image between its images. Several: from[i].data is
   * the i-th image. Their strides may differ: from_strides are those of the first, and `alike`
   * says whether all images have them. */
  const char *from_data;
  vc_strides from_strides;
  const vc_view *sources; /* NULL for one source */
  vc_layout layout;       /* how to read sources[i] */
  bool alike;

  int32_t map[VC_CHANNELS_MAPPED]; /* channels <= VC_CHANNELS_MAPPED only */
  bool reversed;                   /* channels > VC_CHANNELS_MAPPED only */
  uint64_t fill; /* bits of one destination element, in its low bytes; 0: none is filled */

  /* Coefficients for VC_WORK_FLOAT and VC_WORK_DOUBLE: those of destination channel c are a[c *
   * stride] and b[c * stride], already rounded to float for VC_WORK_FLOAT. stride is 0 where all
   * channels have the same. */
  const double *a, *b;
  int32_t stride;
  bool neutral;    /* every a is 1 and every b is -0: nothing but a conversion */
  int32_t threads; /* vc_transform_params.threads */
  double storage[2 * VC_TRANSFORM_CHANNELS];
  /* Sources that are resized, or NULL. from_strides are then those of a packed row of source
   * elements, from_data and sources are NULL, and no axes are joined. */
  struct vc_geometry *geometry;
} vc_plan;

/* Checks everything and fills *out, which points into itself and into the views of `call`, so that
 * neither may move. The caller has set the arguments; this function sets the other fields. Rows, columns, and the channels of interleaved images that keep theirs are joined to
 * longer axes where both sides allow that. If there is no element to write, *empty is set to
 * true, and *out is not complete. vc_plan_end must follow, after a failure too. */
vc_status vc_plan_make(vc_call *call, vc_plan *out, bool *empty, vc_error *error);

/* Frees the memory of a plan. */
void vc_plan_end(vc_plan *plan);

/* Reads a view as images of a layout. The strides of sources that are not alike, which are never
 * joined, are read by this too. */
vc_images vc_plan_read_images(const vc_view *view, vc_layout layout);

/* Carries out a plan in host memory, which is written on return. */
vc_status vc_plan_run_cpu(const vc_plan *plan, vc_error *error);
vc_status vc_geometry_run_cpu(const vc_plan *plan, vc_error *error); /* called by the former */

/* Enqueues a plan of GPU memory, or makes the same checks only. The device's context is made current
 * and the previous one restored. */
vc_status vc_plan_run_gpu(const vc_plan *plan, int32_t device, vc_stream stream, bool enqueues,
                          vc_error *error);

#endif
