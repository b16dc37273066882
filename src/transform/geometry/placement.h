/* SPDX-License-Identifier: Apache-2.0 */
/* The placement of a resized image in the result, and the part of an image that a box covers.
 *
 * C and CUDA C both include this file (axis.h). Letterboxes follow Ultralytics'
 * LetterBox(auto=False), centre crops torchvision's Resize and CenterCrop on PIL images. */
#ifndef VIEWCAST_TRANSFORM_GEOMETRY_PLACEMENT_H
#define VIEWCAST_TRANSFORM_GEOMETRY_PLACEMENT_H

#include <viewcast/viewcast.h>

#include "transform/geometry/axis.h"

/* The fields of a vc_resize that determine placements. */
typedef struct vc_fitting {
  int32_t fit; /* vc_fit */
  int64_t rows, cols, shorter;
} vc_fitting;

/* Returns the number of rows or columns that a centre crop cuts off at the start: half of all
 * that it cuts off, rounded to even. */
VC_AXIS int64_t vc_fit_cut(int64_t rest) { return (rest + ((rest >> 1) & 1)) >> 1; }

VC_AXIS int64_t vc_fit_letterbox_side(int64_t side, double ratio) {
  double exact = rint((double)side * ratio);
  return exact < 1 ? 1 : (int64_t)exact;
}

VC_AXIS vc_placement vc_fit_letterbox(const vc_fitting *fit, int64_t rows, int64_t cols) {
  double by_rows = (double)fit->rows / (double)rows, by_cols = (double)fit->cols / (double)cols;
  double ratio = by_rows < by_cols ? by_rows : by_cols;
  vc_placement out;
  out.rows = vc_fit_letterbox_side(rows, ratio);
  out.cols = vc_fit_letterbox_side(cols, ratio);
  out.top = (fit->rows - out.rows) / 2; /* round(half - 0.1) */
  out.left = (fit->cols - out.cols) / 2;
  return out;
}

/* The shorter edge becomes `shorter`, the longer one floor(shorter * long / short). */
VC_AXIS void vc_fit_shorter_edge(int64_t shorter, int64_t rows, int64_t cols, vc_placement *out) {
  bool rows_are = rows <= cols;
  out->rows = rows_are ? shorter : shorter * rows / cols;
  out->cols = rows_are ? shorter * cols / rows : shorter;
}

/* Resizes by the smallest scale at which the image covers the result. */
VC_AXIS void vc_fit_cover(const vc_fitting *fit, int64_t rows, int64_t cols, vc_placement *out) {
  if (fit->rows * cols >= fit->cols * rows) {
    int64_t wide = fit->rows * cols / rows;
    out->rows = fit->rows;
    out->cols = wide > fit->cols ? wide : fit->cols;
  } else {
    int64_t high = fit->cols * rows / cols;
    out->rows = high > fit->rows ? high : fit->rows;
    out->cols = fit->cols;
  }
}

/* Returns the placement of an image of rows x cols, both at least 1. Where a centre crop is
 * larger than the resized image, top or left is positive, and pad surrounds the image. */
VC_AXIS vc_placement vc_fit_place(const vc_fitting *fit, int64_t rows, int64_t cols) {
  vc_placement out = {fit->rows, fit->cols, 0, 0};
  if (fit->fit == VC_LETTERBOX) return vc_fit_letterbox(fit, rows, cols);
  if (fit->fit == VC_STRETCH) return out;
  if (fit->shorter > 0) {
    vc_fit_shorter_edge(fit->shorter, rows, cols, &out);
  } else {
    vc_fit_cover(fit, rows, cols, &out);
  }
  int64_t above = out.rows - fit->rows, before = out.cols - fit->cols;
  out.top = above >= 0 ? -vc_fit_cut(above) : -above / 2;
  out.left = before >= 0 ? -vc_fit_cut(before) : -before / 2;
  return out;
}

/* --- boxes */

/* Rows [top, bottom) and columns [left, right) of an image. */
typedef struct vc_crop {
  int64_t top, left, bottom, right;
} vc_crop;

/* Returns `value` truncated toward zero and clipped to 0 … size, or -1 for NaN. */
VC_AXIS int64_t vc_crop_coordinate(double value, int64_t size) {
  if (value != value) return -1;
  return value <= 0 ? 0 : value >= (double)size ? size : (int64_t)value;
}

/* Fills *out and returns true if the box has a pixel in the image of rows x cols. */
VC_AXIS bool vc_crop_from_box(double x0, double y0, double x1, double y1, int64_t rows,
                              int64_t cols, vc_crop *out) {
  out->left = vc_crop_coordinate(x0, cols);
  out->top = vc_crop_coordinate(y0, rows);
  out->right = vc_crop_coordinate(x1, cols);
  out->bottom = vc_crop_coordinate(y1, rows);
  return out->left >= 0 && out->top >= 0 && out->left < out->right && out->top < out->bottom;
}

#endif
