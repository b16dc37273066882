/* SPDX-License-Identifier: Apache-2.0 */
/* The meaning of an image's axes: layout= and from_layout=, the refusal of shapes that look
 * planar, and the images of a batch. */
#ifndef VIEWCAST_PYTHON_LAYOUT_H
#define VIEWCAST_PYTHON_LAYOUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "internal.h"

struct ext_adapter;

/* "HWC", "CHW", "NHWC", "NCHW", "HW" or "NHW". */
typedef struct ext_layout {
  bool given;
  bool batch;  /* N is the first axis */
  bool planar; /* C comes before H and W */
  bool flat;   /* there is no C: one channel */
} ext_layout;

/* The position of an image in a call, which decides on the axes that it may have. */
typedef enum ext_place {
  EXT_ALONE,    /* one image */
  EXT_IN_LIST,  /* one of a list, which is the N of a layout */
  EXT_OR_BATCH, /* one image or one batch */
} ext_place;

/* Reads the argument `name` (layout or from_layout), a name in either case; None and NULL
 * leave *out as it is. ValueError for everything else; where `one_image` is the function
 * that takes no batch (else NULL), for names with N too. */
int ext_layout_read(PyObject *value, const char *name, const char *one_image, ext_layout *out);

/* "HWC", ... */
const char *ext_layout_name(const ext_layout *layout);

/* Checks the axes of an image against from_layout=; without it, refuses a shape that looks
 * planar unless the adapter's objects are interleaved. LayoutError. */
int ext_layout_check(const ext_layout *layout, const struct ext_adapter *from, const vc_view *view,
                     ext_place place);

/* Puts the axes of a view that ext_layout_check accepted in the order (H, W), (H, W, C) or (N, H,
 * W, C). */
void ext_layout_interleave(const ext_layout *layout, vc_view *view);

/* Adds an axis of one channel: (H, W) becomes (H, W, 1), or (1, H, W) if planar. A batch of these
 * likewise. */
void ext_layout_add_channel(vc_view *view, bool planar);

/* Checks the source of one GpuMat and puts its axes in order. A rank below 2 is refused where the
 * GpuMat is made. */
int ext_layout_image(const ext_layout *layout, const struct ext_adapter *from, vc_view *view);

/* Checks the axes of a batch, and puts them in order (N, H, W, C) for a target whose images are
 * interleaved; for others a batch keeps its axes. LayoutError. */
int ext_layout_batch(const ext_layout *layout, const struct ext_adapter *from,
                     const struct ext_adapter *target, vc_view *view);

/* An image of a batch: the view without its first axis. */
vc_view ext_batch_image(const vc_view *batch, int64_t index);

#endif
