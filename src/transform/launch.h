/* SPDX-License-Identifier: Apache-2.0 */
/* What the host hands to the kernels, and which kernels there are: C and CUDA C. */
#ifndef VIEWCAST_TRANSFORM_LAUNCH_H
#define VIEWCAST_TRANSFORM_LAUNCH_H

#include <viewcast/viewcast.h>

#include "transform/plan.h"

/* Threads of a block, of every kernel. */
#define VC_BLOCK 128

/* n / divisor for n < 2^31, without a division. */
typedef struct vc_divider {
  uint32_t divisor, multiplier, shift;
} vc_divider;

/* How a kernel reads words. */
typedef enum vc_reading {
  VC_READ_CACHED = 0,
  VC_READ_STREAMED = 1,
  VC_READ_LAST = 2 /* last use: best where few bytes become twice as many */
} vc_reading;

/* Element types as kernels number them. */
typedef enum vc_element {
  VC_ELEMENT_BOOL,
  VC_ELEMENT_I8,
  VC_ELEMENT_U8,
  VC_ELEMENT_I16,
  VC_ELEMENT_U16,
  VC_ELEMENT_I32,
  VC_ELEMENT_U32,
  VC_ELEMENT_I64,
  VC_ELEMENT_U64,
  VC_ELEMENT_F16,
  VC_ELEMENT_BF16,
  VC_ELEMENT_F32,
  VC_ELEMENT_F64
} vc_element;

/* --- lists of images */

/* An image of a list whose steps may be its own. */
typedef struct vc_listed {
  const char *data;
  int64_t row, col, channel;
} vc_listed;

/* As many as go with a launch; longer lists lie in device memory. Together with
 * the rest this stays below 4 KB, the kernel parameters of every GPU. */
#define VC_TABLE_IMAGES 448
#define VC_TABLE_LISTED (VC_TABLE_IMAGES * (int)sizeof(void *) / (int)sizeof(vc_listed))

typedef union vc_table {
  const char *images[VC_TABLE_IMAGES];
  vc_listed listed[VC_TABLE_LISTED];
} vc_table;

/* Where a kernel finds its images. */
typedef enum vc_source { VC_SOURCE_STRIDES, VC_SOURCE_TABLE, VC_SOURCE_MEMORY } vc_source;

/* --- the generic kernels: any strides, any dtypes, any number of channels */

typedef struct vc_generic {
  char *to;
  const char *from;
  const vc_listed *listed; /* of a list too long for the table: in device memory */
  vc_strides to_strides, from_strides;
  int64_t images, rows, cols, total;      /* total: threads that have something to do */
  int32_t channels, chunks;               /* a thread writes a chunk of up to 4 channels */
  vc_divider by_cols, by_rows, by_chunks; /* used if total < 2^31 */
  int32_t from_type, to_type;             /* vc_element */
  int32_t from_size, to_size;
  int32_t stride; /* 1: coefficients differ by channel */
  int32_t map[VC_CHANNELS_MAPPED];
  uint64_t fill;
  bool from_aligned, to_aligned; /* elements lie at multiples of their size */
  bool interleaved;              /* the destination: chunks before columns */
  bool mapped, reversed;         /* as in vc_plan */
  vc_source source;
  double a[VC_CHANNELS_MAPPED], b[VC_CHANNELS_MAPPED];
} vc_generic;

/* For lists, and for more than 4 channels that each have coefficients. */
typedef struct vc_generic_more {
  vc_table table;
  double a[VC_TRANSFORM_CHANNELS], b[VC_TRANSFORM_CHANNELS];
} vc_generic_more;

/* --- the fast kernels: pixels whose elements lie side by side, or in planes */

/* A thread has `unit` pixels of a row: `by.divisor` threads a row. Below 2^31
 * threads an image. Those from first_whole to whole (not included) may use
 * words; the others go element by element. */
typedef struct vc_fast {
  char *to;
  const char *from;
  const char *const *images; /* of a list too long for the table: in device memory */
  int64_t to_image, from_image, to_row, from_row;
  int64_t plane[VC_CHANNELS_MAPPED];      /* from the image to each plane, where there are planes */
  int64_t from_plane[VC_CHANNELS_MAPPED]; /* and where both sides have some */
  int64_t cols;
  vc_divider by;
  uint32_t rows, first_whole, whole;
  int32_t unit;
  int32_t channels; /* planes that are written, or read */
  int32_t filled;   /* the first channel that holds `fill`; `channels` for none */
  bool shifted;     /* the source's words lie at any byte */
  uint64_t fill;
  float a[VC_CHANNELS_MAPPED], b[VC_CHANNELS_MAPPED];
} vc_fast;

/* X(family, from, to, channels): kernels vc_<family>_<from>_<to>_<channels> and
 * the same with _list. raw1 to raw8 are elements that are moved as they are. */

/* Several to a line. */
/* clang-format off */

/* Pixels of `channels` elements to planes. */
#define VC_PLANES_KERNELS(X)                                                           \
  X(planes, u8, f32, 1) X(planes, u8, f32, 3) X(planes, u8, f32, 4)                    \
  X(planes, u8, f16, 1) X(planes, u8, f16, 3) X(planes, u8, f16, 4)                    \
  X(planes, u8, bf16, 1) X(planes, u8, bf16, 3) X(planes, u8, bf16, 4)                 \
  X(planes, u8, u8, 1) X(planes, u8, u8, 3) X(planes, u8, u8, 4)                       \
  X(planes, raw1, raw1, 1) X(planes, raw1, raw1, 3) X(planes, raw1, raw1, 4)           \
  X(planes, raw2, raw2, 3) X(planes, raw2, raw2, 4)                                    \
  X(planes, raw4, raw4, 3) X(planes, raw4, raw4, 4)                                    \
  X(planes, raw8, raw8, 3) X(planes, raw8, raw8, 4)

/* Planes to pixels of `channels` elements. */
#define VC_PIXELS_KERNELS(X)                                                           \
  X(pixels, f32, u8, 3) X(pixels, f32, u8, 4) X(pixels, f16, u8, 3)                    \
  X(pixels, f16, u8, 4) X(pixels, bf16, u8, 3) X(pixels, bf16, u8, 4)                  \
  X(pixels, u8, u8, 3) X(pixels, u8, u8, 4)                                            \
  X(pixels, raw1, raw1, 3) X(pixels, raw1, raw1, 4) X(pixels, raw2, raw2, 3)           \
  X(pixels, raw2, raw2, 4) X(pixels, raw4, raw4, 3) X(pixels, raw4, raw4, 4)           \
  X(pixels, raw8, raw8, 3) X(pixels, raw8, raw8, 4)

/* Pixels to other pixels: channels of the source, of the destination, and 1 if
 * the first three change ends. */
#define VC_COLOURS_KERNELS(X)                                                          \
  X(colours, raw1, raw1, 130) X(colours, raw1, raw1, 140) X(colours, raw1, raw1, 331)  \
  X(colours, raw1, raw1, 340) X(colours, raw1, raw1, 341) X(colours, raw1, raw1, 430)  \
  X(colours, raw1, raw1, 431) X(colours, raw1, raw1, 441)

/* Plane by plane. */
#define VC_LINES_KERNELS(X)                                                            \
  X(lines, u8, f32, 1) X(lines, u8, f16, 1) X(lines, u8, bf16, 1) X(lines, u8, u8, 1)  \
  X(lines, f32, u8, 1) X(lines, f16, u8, 1) X(lines, bf16, u8, 1)                      \
  X(lines, f32, f16, 1) X(lines, f32, bf16, 1) X(lines, f16, f32, 1)                   \
  X(lines, bf16, f32, 1) X(lines, f32, f32, 1)                                         \
  X(lines, raw1, raw1, 1) X(lines, raw2, raw2, 1) X(lines, raw4, raw4, 1)              \
  X(lines, raw8, raw8, 1)

/* clang-format on */

#define VC_FAST_KERNELS(X) \
  VC_PLANES_KERNELS(X) VC_PIXELS_KERNELS(X) VC_COLOURS_KERNELS(X) VC_LINES_KERNELS(X)

/* X(name, work): the generic ones; _more takes a vc_generic_more too. */
#define VC_GENERIC_KERNELS(X) \
  X(move, VC_WORK_MOVE)       \
  X(integer, VC_WORK_INTEGER) \
  X(float, VC_WORK_FLOAT)     \
  X(double, VC_WORK_DOUBLE)

/* The widest word, in bytes, that fits a multiple of 4 bytes. */
#define VC_WIDEST(bytes) ((bytes) % 16 == 0 ? 16 : (bytes) % 8 == 0 ? 8 : 4)

/* Pixels that a thread of a fast kernel takes at once, by the bytes of elements:
 * as bench/tune_transform.cu measured it, 16 bytes of the widest plane or less. */
#define VC_UNIT_planes(from, to) ((to) == 1 ? 8 : 16 / (to))
#define VC_UNIT_pixels(from, to) ((from) > 4 ? 2 : (from) == 2 ? 8 : 4)
#define VC_UNIT_colours(from, to) 16
#define VC_UNIT_lines(from, to) (16 / ((from) < (to) ? (to) : (from)))

#endif
