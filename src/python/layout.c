/* SPDX-License-Identifier: Apache-2.0 */
/* layout=, from_layout=, and the rule about shapes that look planar. */
#include "layout.h"

#include <string.h>

#include "adapters/adapter.h"
#include "arguments.h"
#include "errors.h"

/* --- names */

static const struct named_layout {
  const char *name;
  const char *needs; /* the ranks that it reads */
  ext_layout layout;
} layouts[] = {
    {"HWC", "2 or 3 (H, W, C)", {.given = true}},
    {"CHW", "2 or 3 (C, H, W)", {.given = true, .planar = true}},
    {"NHWC", "4 (N, H, W, C)", {.given = true, .batch = true}},
    {"NCHW", "4 (N, C, H, W)", {.given = true, .batch = true, .planar = true}},
    {"HW", "2 (H, W)", {.given = true, .flat = true}},
    {"NHW", "3 (N, H, W)", {.given = true, .batch = true, .flat = true}},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

/* The index of a name in the table; -1 for any other object. */
static int index_of(PyObject *value) {
  Py_ssize_t size;
  const char *text = PyUnicode_Check(value) ? PyUnicode_AsUTF8AndSize(value, &size) : NULL;
  if (!text) {
    PyErr_Clear();
    return -1;
  }
  for (int i = 0; i < LAYOUTS; i++) {
    if ((size_t)size == strlen(layouts[i].name) && PyOS_stricmp(text, layouts[i].name) == 0) {
      return i;
    }
  }
  return -1;
}

int ext_layout_read(PyObject *value, const char *name, const char *one_image, ext_layout *out) {
  if (!ext_is_given(value)) return 0;
  int index = index_of(value);
  if (index >= 0 && !(one_image && layouts[index].layout.batch)) {
    *out = layouts[index].layout;
    return 0;
  }
  if (!one_image) {
    PyErr_Format(PyExc_ValueError,
                 "%s is %R, needs \"HWC\", \"CHW\", \"HW\", \"NHWC\", \"NCHW\" or \"NHW\"", name,
                 value);
  } else if (index < 0) {
    PyErr_Format(PyExc_ValueError, "%s is %R, needs \"HWC\", \"CHW\" or \"HW\"", name, value);
  } else {
    bool has_plural = strncmp(one_image, "as_", 3) == 0; /* as_gpumats() */
    PyErr_Format(PyExc_ValueError,
                 "%s is %R and %s() takes one image, needs \"HWC\", \"CHW\" or \"HW\"; %s%s%s",
                 name, value, one_image,
                 has_plural ? "a batch is for " : "call it for each of a batch",
                 has_plural ? one_image : "", has_plural ? "s()" : "");
  }
  return -1;
}

static const struct named_layout *row_of(const ext_layout *layout) {
  const struct named_layout *row = layouts;
  while (row->layout.batch != layout->batch || row->layout.planar != layout->planar ||
         row->layout.flat != layout->flat) {
    row++;
  }
  return row;
}

const char *ext_layout_name(const ext_layout *layout) { return row_of(layout)->name; }

/* --- an image's axes, checked against from_layout= */

static int refuse_planar(const vc_view *view, ext_place place) {
  bool batch = view->ndim == 4;
  const long long first = view->shape[batch], second = view->shape[batch + 1],
                  last = view->shape[batch + 2];
  const char *n = batch ? "N" : "";
  const char *masks = batch || place != EXT_OR_BATCH
                          ? ""
                          : ", from_layout=\"NHW\" of a batch of one-channel images";
  return ext_fail(VC_ERROR_LAYOUT,
                  "the %s shape (%s%lld, %lld, %lld) looks planar (%sCHW): read as %sHWC, it has "
                  "%lld channels; say from_layout=\"%sCHW\"%s, or from_layout=\"%sHWC\" if it has "
                  "%lld channels",
                  batch ? "batch's" : "image's", batch ? "N, " : "", first, second, last, n, n,
                  last, n, masks, n, last);
}

static int refuse_batch(const ext_layout *layout) {
  return ext_fail(VC_ERROR_LAYOUT,
                  "the image has rank 4, needs 2 (H, W) or 3 (H, W, C)%s; a batch is for "
                  "vc.as_gpumats(x), or vc.to_gpumat(x) for one fused copy, both with from_layout= "
                  "where it is not NHWC",
                  layout->planar ? " or (C, H, W)" : "");
}

static int refuse_rank(const ext_layout *layout, const vc_view *view) {
  static const char *const fits[] = {
      "\"HW\" is an image of rank 2",
      "\"HWC\" and \"CHW\" are one image of rank 3, \"NHW\" a batch",
      "\"NHWC\" and \"NCHW\" are a batch of rank 4",
  };
  const struct named_layout *row = row_of(layout);
  return ext_fail(VC_ERROR_LAYOUT, "from_layout is \"%s\" and the image has rank %d, needs %s; %s",
                  row->name, (int)view->ndim, row->needs, fits[view->ndim - 2]);
}

/* Whether a view has the rank of a layout. Layouts with C take (H, W) for one channel; in a list,
 * the list itself may be the N. */
static bool fits_rank(const ext_layout *layout, const vc_view *view, ext_place place) {
  int32_t rank = (layout->flat ? 2 : 3) + layout->batch;
  bool is_list = place == EXT_IN_LIST && layout->batch;
  if (view->ndim == rank || (is_list && view->ndim == rank - 1)) return true;
  return view->ndim == 2 && !layout->flat && (is_list || !layout->batch);
}

/* Whether an image that is always (H, W) or (H, W, C) can be read by a layout. */
static bool fits_interleaved(const ext_layout *layout, const vc_view *view, ext_place place) {
  if (layout->batch && place != EXT_IN_LIST) return false;
  return view->ndim == 2 || !(layout->planar || (layout->flat && view->shape[2] != 1));
}

int ext_layout_check(const ext_layout *layout, const ext_adapter *from, const vc_view *view,
                     ext_place place) {
  if (view->ndim < 2) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "the image has rank %d, needs 2 (H, W) or 3 (H, W, C) or (C, H, W)%s; reshape "
                    "it first, or decode it if these are the bytes of a file (cv2.imdecode)",
                    (int)view->ndim, place == EXT_OR_BATCH ? ", or 4 (a batch)" : "");
  }
  if (place == EXT_ALONE && view->ndim == 4) return refuse_batch(layout);
  if (!layout->given) {
    return from->interleaved || !vc_view_looks_planar(view) ? 0 : refuse_planar(view, place);
  }
  if (!from->interleaved) return fits_rank(layout, view, place) ? 0 : refuse_rank(layout, view);
  if (fits_interleaved(layout, view, place)) return 0;
  return ext_fail(
      VC_ERROR_LAYOUT,
      "from_layout is \"%s\" and the image is a %s, whose pixels are always interleaved "
      "(HWC); leave from_layout out",
      ext_layout_name(layout), from->name);
}

/* --- their order */

void ext_layout_add_channel(vc_view *view, bool planar) {
  int32_t axis = planar ? view->ndim - 2 : view->ndim;
  size_t behind = (size_t)(view->ndim - axis) * sizeof *view->shape;
  memmove(&view->shape[axis + 1], &view->shape[axis], behind);
  memmove(&view->strides[axis + 1], &view->strides[axis], behind);
  view->shape[axis] = 1;
  view->strides[axis] = (int64_t)vc_dtype_size(view->dtype);
  view->ndim++;
}

void ext_layout_interleave(const ext_layout *layout, vc_view *view) {
  if (layout->batch && layout->flat && view->ndim == 3) {
    ext_layout_add_channel(view, false);
  } else if (layout->planar && view->ndim > 2) {
    int64_t *shape = &view->shape[view->ndim - 3], *strides = &view->strides[view->ndim - 3];
    int64_t length = shape[0], stride = strides[0];
    memmove(shape, shape + 1, 2 * sizeof *shape);
    memmove(strides, strides + 1, 2 * sizeof *strides);
    shape[2] = length;
    strides[2] = stride;
  }
}

int ext_layout_image(const ext_layout *layout, const ext_adapter *from, vc_view *view) {
  if (ext_layout_check(layout, from, view, EXT_ALONE) < 0) return -1;
  ext_layout_interleave(layout, view);
  return 0;
}

/* --- batches */

static int refuse_one_image(const ext_adapter *from, const ext_adapter *target,
                            const vc_view *view) {
  bool mats = target->interleaved;
  const char *one = mats ? "as_gpumat" : "as_tensor";
  if (from->interleaved) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "a GpuMat is one image; %ss() needs a list of images or a batch, use %s() for "
                    "one image",
                    one, one);
  }
  bool pixels = view->ndim != 3 || view->shape[2] <= 4; /* probably (H, W, C), not (N, H, W) */
  const char *masks = pixels ? ""
                      : mats ? ", or say from_layout=\"NHW\" of a batch of one-channel images"
                             : ", or give a list of one-channel images (list(x))";
  return ext_fail(VC_ERROR_LAYOUT,
                  "the batch has rank %d, needs 4 (N, H, W, C): %ss() takes a batch or a list of "
                  "images; use %s() for one image%s",
                  (int)view->ndim, one, one, masks);
}

int ext_layout_batch(const ext_layout *layout, const ext_adapter *from, const ext_adapter *target,
                     vc_view *view) {
  bool stack = view->ndim == 3 && layout->batch && layout->flat;
  if (from->interleaved || (view->ndim != 4 && !stack)) return refuse_one_image(from, target, view);
  if (!target->interleaved) return 0;
  if (ext_layout_check(layout, from, view, EXT_OR_BATCH) < 0) return -1;
  ext_layout_interleave(layout, view);
  return 0;
}

vc_view ext_batch_image(const vc_view *batch, int64_t index) {
  vc_view image = *batch;
  image.ndim = batch->ndim - 1;
  for (int32_t axis = 0; axis < image.ndim; axis++) {
    image.shape[axis] = batch->shape[axis + 1];
    image.strides[axis] = batch->strides[axis + 1];
  }
  if (batch->data) image.data = (char *)batch->data + index * batch->strides[0];
  return image;
}
