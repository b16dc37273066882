/* SPDX-License-Identifier: Apache-2.0 */
/* YUV images as sources of a transform: what was checked of them, and their rows as RGB. */
#ifndef VIEWCAST_TRANSFORM_COLOUR_COLOUR_H
#define VIEWCAST_TRANSFORM_COLOUR_COLOUR_H

#include <viewcast/viewcast.h>

#include "transform/colour/encode.h"
#include "transform/colour/rule.h"

/* The samples of a format. */
typedef struct vc_yuv_layout {
  const char *name;
  int32_t planes;               /* 2: U and V alternate in the second one */
  int32_t col_shift, row_shift; /* a sample of chroma is for 1 << shift columns and rows */
  int32_t bits;                 /* of a sample … */
  int32_t unused;               /* … which lie above so many unused bits */
  bool swapped;                 /* V comes before U */
} vc_yuv_layout;

/* Returns the layout of a vc_yuv_format, NULL for a number that is none. */
const vc_yuv_layout *vc_yuv_layout_of(int32_t format);

/* An image, ready to be read. Arrays are for Y, U and V. */
typedef struct vc_yuv_source {
  const char *data[3];
  int64_t row[3], col[3]; /* strides in bytes */
  int32_t col_shift, row_shift, bits, unused;
  bool deep; /* RGB is uint16 */
  vc_yuv_rule rule;
} vc_yuv_source;

/* Checks a vc_yuv whose size field was set, and fills *out and *image, the view for
 * vc_transform; either may be NULL. */
vc_status vc_yuv_read(const vc_yuv *given, vc_yuv_source *out, vc_view *image, vc_error *error);

/* Returns element `index` of an array of descriptions, which may be shorter than this library's:
 * all have the size of the first. */
static inline const vc_yuv *vc_yuv_at(const vc_yuv *array, size_t index) {
  return (const vc_yuv *)(const void *)((const char *)array + index * array->size);
}

/* Forms the rule of a matrix, range, depth of samples (8, 10 or 16 bits) and depth of RGB (8 or
 * 16). */
void vc_yuv_rule_make(int32_t matrix, int32_t range, int32_t bits, int32_t depth, vc_yuv_rule *out);

/* Forms the sums of a rule that has a shift. */
void vc_yuv_sums_make(const vc_yuv_rule *rule, vc_yuv_sums *out);

/* Forms the rule of 8-bit RGB to a format. */
void vc_rgb_rule_make(const vc_yuv_layout *layout, int32_t matrix, int32_t range, vc_rgb_rule *out);

/* Writes columns left … left + count - 1 of a row as packed RGB. */
void vc_yuv_read_row(const vc_yuv_source *source, int64_t row, int64_t left, int64_t count,
                     void *out);

#endif
