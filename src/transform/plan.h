/* SPDX-License-Identifier: Apache-2.0 */
/* A transform that was checked, in the terms of a loop: which element goes
 * where, and what happens to it. The same for CPU and GPU. */
#ifndef VIEWCAST_TRANSFORM_PLAN_H
#define VIEWCAST_TRANSFORM_PLAN_H

#include <viewcast/viewcast.h>

typedef enum vc_work {
  VC_WORK_MOVE,    /* one dtype, bits as they are */
  VC_WORK_INTEGER, /* between integers and bool, saturated; to bool: is not 0 */
  VC_WORK_FLOAT,   /* fmaf(x, a, b) */
  VC_WORK_DOUBLE   /* fma(x, a, b) */
} vc_work;

/* Bytes from one image, row, column and channel to the next. 0 along an axis
 * of length 1. */
typedef struct vc_strides {
  int64_t image, row, col, channel;
} vc_strides;

/* What a channel of the destination holds instead of a channel of the source. */
#define VC_CHANNEL_FILL (-1)
/* Up to here the plan has a map; beyond, channels are as they are or reversed. */
#define VC_CHANNELS_MAPPED 4

typedef struct vc_plan {
  int64_t images, rows, cols; /* all > 0 */
  int32_t channels;           /* of the destination */
  int32_t from_channels;
  vc_dtype from, to;
  vc_work work;

  char *to_data;
  vc_strides to_strides;
  /* One source: from_data with from_strides.image between its images. Several:
   * from[i].data is the i-th image. Their steps may differ: from_strides is the
   * first's, and `alike` says whether it is everyone's. */
  const char *from_data;
  vc_strides from_strides;
  const vc_view *sources; /* NULL for one source */
  vc_layout layout;       /* how to read sources[i] (vc_plan_strides) */
  bool alike;

  int32_t map[VC_CHANNELS_MAPPED]; /* channels <= VC_CHANNELS_MAPPED only */
  bool reversed;                   /* channels > VC_CHANNELS_MAPPED only */
  uint64_t fill;                   /* bits of one destination element, in its low bytes */

  /* Coefficients, for VC_WORK_FLOAT and VC_WORK_DOUBLE: of destination channel c
   * a[c * stride], b[c * stride]. Rounded to float already for VC_WORK_FLOAT.
   * stride is 0 where all channels have the same. */
  const double *a, *b;
  int32_t stride;
  bool neutral;    /* every a is 1 and every b is -0: nothing but a conversion */
  int32_t threads; /* vc_transform_params.threads */
  double storage[2 * VC_TRANSFORM_CHANNELS];
} vc_plan;

/* Checks everything and fills *out, which points into itself and into `from`,
 * so that neither may move. Rows and columns, and channels of interleaved images
 * that keep theirs, are joined to longer ones where both sides allow it. Sets
 * *empty, and nothing else, if there is no element to write. */
vc_status vc_plan_make(const vc_view *to, const vc_view *from, size_t count,
                       const vc_transform_params *params, vc_plan *out, bool *empty,
                       vc_error *error);

/* Steps of a source in the plan's terms, for sources that are not alike (those
 * are never joined). */
vc_strides vc_plan_strides(const vc_view *view, vc_layout layout);

/* The two that carry it out. Host memory: done on return. GPU memory: enqueued;
 * the device's context is made current and restored inside. */
vc_status vc_plan_run_cpu(const vc_plan *plan, vc_error *error);
vc_status vc_plan_run_gpu(const vc_plan *plan, int32_t device, vc_stream stream, vc_error *error);

/* Whether vc_plan_run_gpu can enqueue the plan: what it checks before that. */
vc_status vc_plan_check_gpu(const vc_plan *plan, int32_t device, vc_stream stream, vc_error *error);

#endif
