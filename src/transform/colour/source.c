/* SPDX-License-Identifier: Apache-2.0 */
/* Checks YUV images: their parameters, and the planes that their format needs. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/view.h"
#include "internal.h"
#include "transform/colour/colour.h"

/* --- formats */

const vc_yuv_layout *vc_yuv_layout_of(int32_t format) {
  static const vc_yuv_layout layouts[] = {
      [VC_NV12] = {"nv12", 2, 1, 1, 8, 0, false},
      [VC_NV21] = {"nv21", 2, 1, 1, 8, 0, true},
      [VC_I420] = {"i420", 3, 1, 1, 8, 0, false},
      [VC_YV12] = {"yv12", 3, 1, 1, 8, 0, true},
      [VC_YUV422P] = {"yuv422p", 3, 1, 0, 8, 0, false},
      [VC_YUV444P] = {"yuv444p", 3, 0, 0, 8, 0, false},
      [VC_P010] = {"p010", 2, 1, 1, 10, 6, false},
      [VC_P016] = {"p016", 2, 1, 1, 16, 0, false},
      [VC_YUV420P10] = {"yuv420p10", 3, 1, 1, 10, 0, false},
      [VC_YUV422P10] = {"yuv422p10", 3, 1, 0, 10, 0, false},
      [VC_YUV444P10] = {"yuv444p10", 3, 0, 0, 10, 0, false},
      [VC_YUV444P10MSB] = {"yuv444p10msb", 3, 0, 0, 10, 6, false},
      [VC_YUV444P16] = {"yuv444p16", 3, 0, 0, 16, 0, false},
  };
  if (format < VC_NV12 || format > VC_YUV444P16) return NULL;
  return &layouts[format];
}

bool vc_yuv_shape_of(int32_t format, vc_yuv_shape *out) {
  const vc_yuv_layout *layout = vc_yuv_layout_of(format);
  if (!layout) return false;
  *out =
      (vc_yuv_shape){layout->planes, layout->bits, 1 << layout->col_shift, 1 << layout->row_shift};
  return true;
}

static vc_dtype dtype_of(const vc_yuv_layout *layout) {
  return (vc_dtype){VC_UINT, layout->bits > 8 ? 16 : 8};
}

static vc_status check_format(int32_t format, vc_error *error) {
  if (vc_yuv_layout_of(format)) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "yuv->format is %" PRId32 ", needs VC_NV12 (%d) to VC_YUV444P16 (%d)", format,
                 VC_NV12, VC_YUV444P16);
}

/* --- parameters */

static vc_status read_parameters(const vc_yuv *given, vc_yuv *out, vc_error *error) {
  VC_TRY(vc_read_sized(given, "vc_yuv", sizeof *out, sizeof *out, out, error));
  VC_TRY(check_format(out->format, error));
  if (out->matrix < VC_BT601 || out->matrix > VC_BT2020) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "yuv->matrix is %" PRId32
                   ", needs VC_BT601 (%d), VC_BT709 (%d) or VC_BT2020 (%d), as the video says",
                   out->matrix, VC_BT601, VC_BT709, VC_BT2020);
  }
  if (out->range != VC_LIMITED_RANGE && out->range != VC_FULL_RANGE) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "yuv->range is %" PRId32
                   ", needs VC_LIMITED_RANGE (%d) or VC_FULL_RANGE (%d), as the video says",
                   out->range, VC_LIMITED_RANGE, VC_FULL_RANGE);
  }
  if (out->depth == 8 || out->depth == 16) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT, "yuv->depth is %" PRId32 ", needs 8 or 16 (of RGB)",
                 out->depth);
}

/* --- planes */

/* A plane that an image has, and what its format needs: rows x cols samples, or pairs of them. */
typedef struct {
  const vc_yuv_layout *layout;
  int32_t index; /* 0: luma */
  const vc_view *view;
  int64_t rows, cols;
} plane;

static const char *name_of(const plane *of) {
  static const char *const names[] = {"Y", "U", "V"};
  const bool swapped = of->layout->swapped;
  if (of->index > 0 && of->layout->planes == 2) return swapped ? "V and U" : "U and V";
  return names[of->index == 0 || !swapped ? of->index : 3 - of->index];
}

static int64_t halved(int64_t side, int32_t shift) { return (side + (1 << shift) - 1) >> shift; }

static vc_status check_type(const plane *of, const vc_view *luma, vc_error *error) {
  const vc_yuv_layout *layout = of->layout;
  if (of->view->ndim == 0) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "plane %s of format %s is missing (a view of rank 0), needs %" PRId32
                   " planes, or one array of all of them (vc_yuv_split)",
                   name_of(of), layout->name, layout->planes);
  }
  VC_TRY(vc_view_check(of->view, error));
  vc_dtype wanted = dtype_of(layout);
  if (!vc_dtype_same(of->view->dtype, wanted)) {
    return vc_fail(error, VC_ERROR_DTYPE, "plane %s of format %s is %s, needs %s", name_of(of),
                   layout->name, vc_dtype_name(of->view->dtype), vc_dtype_name(wanted));
  }
  if (of->view->device.type == luma->device.type && of->view->device.id == luma->device.id) {
    return VC_OK;
  }
  return vc_fail(error, VC_ERROR_DEVICE,
                 "plane %s of format %s is on another device than plane Y, needs all planes on "
                 "one device",
                 name_of(of), layout->name);
}

static vc_status refuse_shape(const plane *of, vc_error *error) {
  const vc_view *view = of->view;
  if (of->index == 0) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "plane Y of format %s has rank %" PRId32
                   ", needs a sample for each pixel: "
                   "(H, W) or (H, W, 1)",
                   of->layout->name, view->ndim);
  }
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "plane %s of format %s has rank %" PRId32 " and H = %" PRId64 ", W = %" PRId64
                 ", needs the shape (%" PRId64 ", %" PRId64
                 "%s): chroma has half of the sides of "
                 "luma, rounded up, where the format halves them",
                 name_of(of), of->layout->name, view->ndim, view->shape[0],
                 view->ndim > 1 ? view->shape[1] : 1, of->rows, of->cols,
                 of->layout->planes == 2 ? ", 2" : "");
}

/* Checks the shape of a plane, and writes where its samples are. (H, W, 1), and pairs as
 * (H, 2 W), are taken too. */
static vc_status read_plane(const plane *of, vc_yuv_source *out, vc_error *error) {
  const vc_view *view = of->view;
  const int64_t *shape = view->shape, *strides = view->strides;
  int64_t samples = of->index > 0 && of->layout->planes == 2 ? 2 : 1, apart = 0, col = 0;
  bool fits = view->ndim >= 2 && view->ndim <= 3 && shape[0] == of->rows;
  if (fits && view->ndim == 3) {
    fits = shape[1] == of->cols && shape[2] == samples;
    col = strides[1];
    apart = strides[2];
  } else if (fits) {
    fits = shape[1] == of->cols * samples;
    col = strides[1] * samples;
    apart = strides[1];
  }
  if (!fits) return refuse_shape(of, error);
  for (int32_t i = 0; i < samples; i++) {
    int32_t which = of->index + i; /* of Y, U and V */
    if (of->layout->swapped && which > 0) which = 3 - which;
    out->data[which] = (const char *)view->data + i * apart;
    out->row[which] = strides[0];
    out->col[which] = col;
  }
  return VC_OK;
}

static vc_status read_planes(const vc_yuv *yuv, const vc_yuv_layout *layout, vc_yuv_source *out,
                             vc_error *error) {
  const vc_view *view = &yuv->planes[0];
  plane luma = {.layout = layout, .view = view};
  VC_TRY(check_type(&luma, view, error));
  luma.rows = view->shape[0];
  luma.cols = view->ndim > 1 ? view->shape[1] : 1;
  if (luma.rows > INT_MAX || luma.cols > INT_MAX) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "a YUV image has H = %" PRId64 ", W = %" PRId64 ", needs sides up to %d",
                   luma.rows, luma.cols, INT_MAX);
  }
  VC_TRY(read_plane(&luma, out, error));
  for (int32_t i = 1; i < layout->planes; i++) {
    plane chroma = {layout, i, &yuv->planes[i], halved(luma.rows, layout->row_shift),
                    halved(luma.cols, layout->col_shift)};
    VC_TRY(check_type(&chroma, view, error));
    VC_TRY(read_plane(&chroma, out, error));
  }
  return VC_OK;
}

/* The view for vc_transform: RGB that lies where Y does, as far as devices and overlaps are
 * concerned. */
static vc_view image_of(const vc_yuv *yuv) {
  const vc_view *luma = &yuv->planes[0];
  vc_view out = {.data = luma->data, .device = luma->device, .ndim = 3, .readonly = 1};
  out.shape[0] = luma->shape[0];
  out.shape[1] = luma->shape[1];
  out.shape[2] = 3;
  out.strides[0] = luma->strides[0];
  out.strides[1] = luma->strides[1];
  out.dtype = (vc_dtype){VC_UINT, yuv->depth == 16 ? 16 : 8};
  return out;
}

vc_status vc_yuv_read(const vc_yuv *given, vc_yuv_source *out, vc_view *image, vc_error *error) {
  vc_yuv yuv;
  vc_yuv_source made;
  VC_TRY(read_parameters(given, &yuv, error));
  const vc_yuv_layout *layout = vc_yuv_layout_of(yuv.format);
  VC_TRY(read_planes(&yuv, layout, &made, error));
  if (image) *image = image_of(&yuv);
  if (!out) return VC_OK;
  made.col_shift = layout->col_shift;
  made.row_shift = layout->row_shift;
  made.bits = layout->bits;
  made.unused = layout->unused;
  made.deep = yuv.depth == 16;
  vc_yuv_rule_make(yuv.matrix, yuv.range, layout->bits, yuv.depth, &made.rule);
  *out = made;
  return VC_OK;
}

vc_status vc_yuv_image(const vc_yuv *yuv, vc_view *out, vc_error *error) {
  VC_NEED(yuv);
  VC_NEED(out);
  return vc_yuv_read(yuv, NULL, out, error);
}

/* --- one array with all planes */

static vc_status refuse_array(const vc_yuv_layout *layout, const vc_view *array, const char *why,
                              vc_error *error) {
  return vc_fail(error, VC_ERROR_LAYOUT,
                 "an image of format %s in one array of rank %" PRId32 " with H = %" PRId64
                 ", W = %" PRId64 " %s; pass its planes one by one",
                 layout->name, array->ndim, array->shape[0], array->ndim > 1 ? array->shape[1] : 1,
                 why);
}

static vc_status check_array(const vc_yuv_layout *layout, const vc_view *array, vc_error *error) {
  if (array->ndim != 2 && (array->ndim != 3 || array->shape[2] != 1)) {
    return refuse_array(layout, array, "has the wrong rank, needs (rows of all planes, W)", error);
  }
  int64_t rows = array->shape[0], cols = array->shape[1];
  int64_t step = (int64_t)vc_dtype_bytes(array->dtype);
  if (layout->row_shift && rows % 3 != 0) {
    return refuse_array(layout, array, "needs H * 3 / 2 rows, a multiple of 3", error);
  }
  if (layout->col_shift && cols % 2 != 0) {
    return refuse_array(layout, array, "needs an even width", error);
  }
  if (layout->planes == 2) return VC_OK;
  if (!layout->row_shift && rows % (layout->col_shift ? 2 : 3) != 0) {
    return refuse_array(layout, array, "needs as many rows for chroma as for luma", error);
  }
  if ((cols == 1 || array->strides[1] == step) && (rows == 1 || array->strides[0] == cols * step)) {
    return VC_OK;
  }
  return refuse_array(layout, array,
                      "has gaps between its rows, in which the rows of U and V would lie", error);
}

/* A plane that begins at `from`, with packed rows of `cols` samples. */
static vc_view packed_plane(const vc_view *array, int64_t from, int64_t rows, int64_t cols) {
  vc_view out = *array;
  int64_t step = (int64_t)vc_dtype_bytes(array->dtype);
  out.data = (char *)array->data + from;
  out.ndim = 2;
  out.shape[0] = rows;
  out.shape[1] = cols;
  out.strides[0] = cols * step;
  out.strides[1] = step;
  return out;
}

vc_status vc_yuv_split(const vc_view *array, int32_t format, vc_yuv *out, vc_error *error) {
  VC_NEED(array);
  VC_NEED(out);
  VC_TRY(check_format(format, error));
  const vc_yuv_layout *layout = vc_yuv_layout_of(format);
  VC_TRY(vc_view_check(array, error));
  VC_TRY(check_array(layout, array, error));
  int64_t all = array->shape[0], cols = array->shape[1];
  int64_t rows = layout->row_shift ? all / 3 * 2 : layout->col_shift ? all / 2 : all / 3;
  vc_yuv made = *out;
  made.format = format;
  made.planes[0] = *array;
  made.planes[0].ndim = 2;
  made.planes[0].shape[0] = rows;
  if (layout->planes == 2) {
    made.planes[1] = made.planes[0];
    made.planes[1].data = (char *)array->data + rows * array->strides[0];
    made.planes[1].shape[0] = all - rows;
  } else {
    int64_t of_rows = halved(rows, layout->row_shift), of_cols = halved(cols, layout->col_shift);
    int64_t step = (int64_t)vc_dtype_bytes(array->dtype), begin = rows * cols * step;
    made.planes[1] = packed_plane(array, begin, of_rows, of_cols);
    made.planes[2] = packed_plane(array, begin + of_rows * of_cols * step, of_rows, of_cols);
  }
  *out = made;
  return VC_OK;
}
