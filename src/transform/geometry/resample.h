/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing on the CPU, one row of the result at a time.
 *
 * A vc_resample holds the samples and weights of each result along both axes, which all images
 * of one size share. A thread makes rows of an image with a vc_resample_rows of its own, which
 * keeps the filtered rows of the source that the next row of the result is likely to need. */
#ifndef VIEWCAST_TRANSFORM_GEOMETRY_RESAMPLE_H
#define VIEWCAST_TRANSFORM_GEOMETRY_RESAMPLE_H

#include <viewcast/viewcast.h>

#include "transform/colour/colour.h"
#include "transform/element.h"
#include "transform/geometry/rule.h"

/* Results [start, start + count) of an axis of n samples and m results. */
typedef struct vc_resample_range {
  int64_t n, m, start, count;
} vc_resample_range;

/* Result d has the samples first[d] … first[d] + taps[d] - 1, whose weights begin at
 * weights[at[d]]. NEAREST and BLOCKS have no weights; TAPS has floats or doubles, one for each
 * sample. The other kinds have integers of two 16-bit halves, as vector code multiplies them:
 * LINEAR both weights of a result in one integer, PILLOW four integers for four samples (see
 * VC_RESAMPLE_SPLIT). */
typedef struct vc_resample_axis {
  vc_resample_range range;
  int64_t most_taps; /* an upper bound of taps[d] */
  int32_t *first, *taps;
  int64_t *at;
  union {
    int32_t *integers;
    float *floats;
    double *doubles;
  } weights;
} vc_resample_axis;

/* Pillow's weights have up to 24 bits with their sign: weight = high * 2048 + low, low being 0
 * to 2047. The weights of four samples are stored as [high 0 and 1, high 2 and 3, low 0 and 1,
 * low 2 and 3], the first of each two in the lower half; those beyond the last sample are 0. */
#define VC_RESAMPLE_SPLIT 11

/* Returns the i-th 16-bit half of an array of integers. */
static inline int32_t vc_resample_half(const int32_t *integers, int32_t i) {
  return (int16_t)(uint32_t)(integers[i / 2] >> (i % 2 * 16));
}

/* Returns the i-th weight of a result of PILLOW. */
static inline int32_t vc_resample_weight(const int32_t *integers, int32_t i) {
  const int32_t *four = integers + i / 4 * 4;
  return vc_resample_half(four, i % 4) * (1 << VC_RESAMPLE_SPLIT) +
         vc_resample_half(four + 2, i % 4);
}

typedef struct vc_resample {
  vc_resample_rule rule;
  vc_type type;
  size_t size; /* bytes of an element */
  int32_t channels;
  bool wide; /* VC_RESAMPLE_TAPS: sums in double */
  vc_resample_axis rows, cols;
} vc_resample;

/* Returns the bytes of an array, rounded up so that the next one begins at a multiple of 64. */
static inline size_t vc_resample_rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Fills everything except for the arrays: the kind, and the bounds of their sizes. The source
 * has rows.n x cols.n pixels and is resized to rows.m x cols.m; of these the ranges are made. */
void vc_resample_plan(vc_dtype dtype, int32_t channels, int32_t interpolation,
                      vc_resample_range rows, vc_resample_range cols, vc_resample *out);

/* Returns an upper bound of the bytes that the arrays take; a multiple of 64. */
size_t vc_resample_bytes(const vc_resample *resample);

/* Computes the arrays in `memory`, which is aligned to 64 and stays the caller's. */
void vc_resample_tables(vc_resample *resample, void *memory);

/* An image of the source, or a crop of one. */
typedef struct vc_resample_image {
  const char *data;          /* of the crop's first pixel */
  int64_t row, col, channel; /* strides in bytes */
  const vc_yuv_source *yuv;  /* NULL unless the image is YUV, whose crop … */
  int64_t top, left;         /* … begins here */
} vc_resample_image;

/* A thread's rows of the image that it works on. */
typedef struct vc_resample_rows {
  const vc_resample *resample;
  vc_resample_image image;
  char *raw, *packed; /* scratch memory for a row of the source */
  char *filtered;     /* a ring of `capacity` horizontally filtered rows … */
  int64_t *held;      /* … and the source row that each of them holds, or -1 */
  int64_t row_bytes;  /* of one of them */
  int64_t capacity;
  const void **pointers; /* to the filtered rows of a result */
  char *sums;            /* of a row, in floating point */
} vc_resample_rows;

/* Returns the bytes of scratch memory, aligned to 64, that a thread needs. */
size_t vc_resample_scratch(const vc_resample *resample);

/* Begins an image in scratch memory. */
void vc_resample_begin(const vc_resample *resample, const vc_resample_image *image, void *scratch,
                       vc_resample_rows *out);

/* Writes result row `start + row`: cols.count pixels, interleaved and packed. */
void vc_resample_row(vc_resample_rows *rows, int64_t row, void *out);

/* Bytes beyond a filtered row that its kernel may write. */
#define VC_RESAMPLE_SPARE 32

#endif
