/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of the kernels, and the lists of the kernels that exist. C and CUDA C include
 * this file. */
#ifndef VIEWCAST_TRANSFORM_KERNELS_LIST_H
#define VIEWCAST_TRANSFORM_KERNELS_LIST_H

#include <viewcast/viewcast.h>

#include "transform/colour/encode.h"
#include "transform/colour/rule.h"
#include "transform/geometry/placement.h"
#include "transform/plan.h"

/* Number of threads of a block, for every kernel. */
#define VC_BLOCK 128

/* Divides n < 2^31 by a constant divisor with a multiplication and a shift. */
typedef struct vc_divider {
  uint32_t divisor, multiplier, shift;
} vc_divider;

/* The cache hint with which a kernel loads words. */
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

/* An image of a list whose images may have different strides. */
typedef struct vc_listed {
  const char *data;
  int64_t row, col, channel;
} vc_listed;

/* The number of images that fit into the parameters of a launch; longer lists lie in device
 * memory. All parameters together stay below 4 KB, the limit of every GPU. */
#define VC_TABLE_IMAGES 448
#define VC_TABLE_LISTED (VC_TABLE_IMAGES * (int)sizeof(void *) / (int)sizeof(vc_listed))

typedef union vc_table {
  const char *images[VC_TABLE_IMAGES];
  vc_listed listed[VC_TABLE_LISTED];
} vc_table;

/* Where a kernel finds the address of an image. */
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

/* The second parameter of generic kernels, for lists and for more than 4 channels with different
 * coefficients. */
typedef struct vc_generic_more {
  vc_table table;
  double a[VC_TRANSFORM_CHANNELS], b[VC_TRANSFORM_CHANNELS];
} vc_generic_more;

/* --- the fast kernels: interleaved pixels and planes */

/* A thread converts `unit` pixels of a row; `by.divisor` threads convert a row. An image has
 * fewer than 2^31 threads. Threads first_whole to whole - 1 of a row may use words, the others
 * load and store element by element. */
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

/* --- the resizing kernels */

/* A block of threads makes a tile of an image of the result: VC_TILE_COLS columns of threads, the
 * threads of a warp, each with one or a few pixels, and VC_TILE_ROWS rows of threads. */
#define VC_TILE_COLS 32
#define VC_TILE_ROWS (VC_BLOCK / VC_TILE_COLS)

/* An image of the result; where there are boxes in GPU memory, an image of the source. */
typedef struct vc_resized {
  const char *data;                            /* the first pixel that is shown */
  int64_t row, col, channel;                   /* strides in bytes */
  int32_t rows, cols;                          /* that are shown */
  int32_t placed_rows, placed_cols, top, left; /* vc_placement */
  int32_t readable; /* pixels from the first one shown to the end of the source's row */
} vc_resized;

/* Threads that neither enlarge nor reduce YUV images work on units: a few columns of the rows that
 * share a row of chroma. This says how a thread loads or stores the samples of a whole unit. */
typedef enum vc_unit {
  VC_UNIT_ELEMENTS, /* one by one */
  VC_UNIT_PACKED,   /* words of interleaved samples */
  VC_UNIT_PLANES    /* words of samples of one kind */
} vc_unit;

/* The samples of YUV images. */
typedef struct vc_yuv_samples {
  bool exist; /* the sources are YUV images; the fields that follow are theirs */
  bool aligned;
  bool uses_sums;                             /* the launch has vc_yuv_sums */
  uint32_t chroma_col;                        /* linear kernels: vc_chroma.col of all images */
  vc_unit luma_unit, chroma_unit;             /* VC_READ_KERNELS, vc_resize_pillow_yuv */
  int32_t bits, unused, col_shift, row_shift; /* vc_yuv_source */
} vc_yuv_samples;

/* U and V of a YUV image, whose Y is its vc_resized. */
typedef struct vc_chroma {
  const char *data[2];
  int64_t row[2], col[2]; /* strides in bytes */
  int32_t top, left;      /* the first pixel that is shown */
  int32_t rule;           /* its index in the launch's rules */
} vc_chroma;

/* The values of a box with the index of its image. */
#define VC_BOX_VALUES 5

typedef struct vc_resized_yuv {
  vc_resized image;
  vc_chroma chroma;
} vc_resized_yuv;

/* The number of images that fit into the parameters of a launch; and the number of rules of YUV
 * images of one format, all pairs of a matrix and a range. */
#define VC_TABLE_RESIZED 48
#define VC_TABLE_YUV 16
#define VC_YUV_RULES 6

typedef struct vc_yuv_table {
  union {
    vc_yuv_rule rules[VC_YUV_RULES];
    vc_yuv_sums sums[VC_YUV_RULES]; /* vc_yuv_samples.uses_sums */
  };
  vc_resized_yuv images[VC_TABLE_YUV];
} vc_yuv_table;

typedef struct vc_resizing {
  vc_generic generic; /* types, coefficients, channels and the destination */
  /* generic.source says where images are found. VC_SOURCE_STRIDES: `image`, the others
   * from_image bytes apart; VC_SOURCE_TABLE: `table`; VC_SOURCE_MEMORY: `list`, in device
   * memory. */
  vc_resized image;
  double row_scale, col_scale; /* vc_axis_scale of `image` */
  union {
    const vc_resized *list;
    const vc_resized_yuv *yuv_list;
  };
  int64_t from_image;
  int64_t sources;   /* the number of images that boxes may name */
  const char *boxes; /* in device memory: one for each image of the result; or NULL */
  int64_t box_row, box_col;
  int32_t box_type, box_size; /* vc_element, bytes */
  bool box_names;             /* boxes have five values, the first of which is the image */
  bool boxes_aligned;
  bool is_regular; /* `image` describes all images: no boxes, no list */
  vc_work work;
  vc_fitting fit;
  int32_t interpolation;
  int32_t from_channels;
  bool is_u8, wide;    /* the source's dtype is u8; sums are formed in double */
  bool is_packed;      /* all sources have adjacent channels and adjacent pixels */
  bool swaps;          /* the first three channels are reversed */
  bool words;          /* linear kernels may store words */
  bool to_floats;      /* Pillow, area: every element is a float of up to 32 bits, by a and b */
  int32_t thread_rows; /* linear kernels, area: rows that a thread makes */
  uint64_t pad[VC_CHANNELS_MAPPED]; /* the bits of a source element for each source channel */
  /* Coefficients; for linear kernels `a` divided by 4. For these and VC_READ_KERNELS, the bytes to
   * each plane of the result. Planes made of several channels are counted in the order of the
   * source's. */
  float a[VC_CHANNELS_MAPPED], b[VC_CHANNELS_MAPPED];
  int64_t plane[VC_CHANNELS_MAPPED];
  vc_divider by_col_tiles, by_row_tiles;
  vc_yuv_samples yuv;
  vc_chroma chroma; /* of `image` */
  union {
    vc_resized table[VC_TABLE_RESIZED];
    vc_yuv_table yuv_table;
  };
} vc_resizing;

/* --- the kernel that writes YUV */

#define VC_WRITTEN_COLS 4 /* of a unit */

typedef struct vc_yuv_writing {
  const char *from[3];          /* R, G and B of the first pixel */
  int64_t from_row, from_col;   /* strides in bytes */
  char *to[3];                  /* Y, U and V */
  int64_t to_row[3], to_col[3]; /* strides in bytes */
  int64_t rows, cols, units;    /* units of a row */
  int64_t total;                /* of units, which is less than 2^31 */
  vc_divider by_units;
  int32_t col_shift, row_shift, unused; /* vc_yuv_source */
  int32_t to_size;                      /* bytes of a sample */
  bool to_aligned;
  vc_unit reads, writes_luma, writes_chroma;
  vc_rgb_rule rule;
} vc_yuv_writing;

/* --- the kernels that exist */

/* X(family, from, to, channels) for each kernel vc_<family>_<from>_<to>_<channels>, which also
 * exists as ..._list. raw1 to raw8 are elements of 1 to 8 bytes that are moved as they are. */

/* clang-format would put each kernel on a line of its own. */
/* clang-format off */

/* Interleaved pixels of `channels` elements to planes. */
#define VC_DEINTERLEAVE_KERNELS(X) \
  X(deinterleave, u8, f32, 1) X(deinterleave, u8, f32, 3) X(deinterleave, u8, f32, 4) \
  X(deinterleave, u8, f16, 1) X(deinterleave, u8, f16, 3) X(deinterleave, u8, f16, 4) \
  X(deinterleave, u8, bf16, 1) X(deinterleave, u8, bf16, 3) X(deinterleave, u8, bf16, 4) \
  X(deinterleave, u8, u8, 1) X(deinterleave, u8, u8, 3) X(deinterleave, u8, u8, 4) \
  X(deinterleave, raw1, raw1, 1) X(deinterleave, raw1, raw1, 3) X(deinterleave, raw1, raw1, 4) \
  X(deinterleave, raw2, raw2, 3) X(deinterleave, raw2, raw2, 4) \
  X(deinterleave, raw4, raw4, 3) X(deinterleave, raw4, raw4, 4) \
  X(deinterleave, raw8, raw8, 3) X(deinterleave, raw8, raw8, 4)

/* Planes to interleaved pixels of `channels` elements. */
#define VC_INTERLEAVE_KERNELS(X)                                                           \
  X(interleave, f32, u8, 3) X(interleave, f32, u8, 4) X(interleave, f16, u8, 3)                    \
  X(interleave, f16, u8, 4) X(interleave, bf16, u8, 3) X(interleave, bf16, u8, 4)                  \
  X(interleave, u8, u8, 3) X(interleave, u8, u8, 4)                                            \
  X(interleave, raw1, raw1, 3) X(interleave, raw1, raw1, 4) X(interleave, raw2, raw2, 3)           \
  X(interleave, raw2, raw2, 4) X(interleave, raw4, raw4, 3) X(interleave, raw4, raw4, 4)           \
  X(interleave, raw8, raw8, 3) X(interleave, raw8, raw8, 4)

/* Interleaved pixels to interleaved pixels. The last argument has three digits: the channels of
 * the source, the channels of the destination, and 1 if the first three channels are reversed. */
#define VC_SHUFFLE_KERNELS(X)                                                          \
  X(shuffle, raw1, raw1, 130) X(shuffle, raw1, raw1, 140) X(shuffle, raw1, raw1, 331)  \
  X(shuffle, raw1, raw1, 340) X(shuffle, raw1, raw1, 341) X(shuffle, raw1, raw1, 430)  \
  X(shuffle, raw1, raw1, 431) X(shuffle, raw1, raw1, 441)

/* Planes to planes. */
#define VC_COPY_KERNELS(X)                                                            \
  X(copy, u8, f32, 1) X(copy, u8, f16, 1) X(copy, u8, bf16, 1) X(copy, u8, u8, 1)  \
  X(copy, f32, u8, 1) X(copy, f16, u8, 1) X(copy, bf16, u8, 1)                      \
  X(copy, f32, f16, 1) X(copy, f32, bf16, 1) X(copy, f16, f32, 1)                   \
  X(copy, bf16, f32, 1) X(copy, f32, f32, 1)                                         \
  X(copy, raw1, raw1, 1) X(copy, raw2, raw2, 1) X(copy, raw4, raw4, 1)              \
  X(copy, raw8, raw8, 1)

/* clang-format on */

#define VC_FAST_KERNELS(X) \
  VC_DEINTERLEAVE_KERNELS(X) VC_INTERLEAVE_KERNELS(X) VC_SHUFFLE_KERNELS(X) VC_COPY_KERNELS(X)

/* X(name, work) for each generic kernel vc_generic_<name>, which also exists as ..._more with a
 * vc_generic_more as second parameter. */
#define VC_GENERIC_KERNELS(X) \
  X(move, VC_WORK_MOVE)       \
  X(integer, VC_WORK_INTEGER) \
  X(float, VC_WORK_FLOAT)     \
  X(double, VC_WORK_DOUBLE)

/* The kernel vc_resize_any resizes images of any kind. VC_..._BLOCKS is the number of blocks for
 * which a processor of the GPU is to have registers. */
#define VC_ANY_BLOCKS 8

/* The kernel vc_resize_pillow resizes 8-bit images by Pillow's filters. Its tile has VC_TILE_COLS
 * columns and VC_PILLOW_ROWS rows, which are made from VC_PILLOW_CHUNK rows of the source at a
 * time. VC_PILLOW_WEIGHTS words of weights fit into shared memory; where a tile needs more, each is
 * computed where it is used. */
#define VC_PILLOW_ROWS 16
#define VC_PILLOW_CHUNK 32
#define VC_PILLOW_WEIGHTS 4096
#define VC_PILLOW_BLOCKS 6

/* The kernel vc_resize_pillow_yuv resizes YUV images of 8 or 10 bits to the same tiles. Both the
 * weights and RGB of the source rows of a round, of which there are an even number, lie in
 * VC_PILLOW_YUV_WORDS words of shared memory: 24 rows of 1080p that becomes 224 x 224 by bilinear
 * weights. A thread filters VC_PILLOW_YUV_FILTERED rows at once. */
#define VC_PILLOW_YUV_CHUNK 24
#define VC_PILLOW_YUV_WORDS 6400
#define VC_PILLOW_YUV_FILTERED 2
#define VC_PILLOW_YUV_BLOCKS 6

/* The kernel vc_resize_area resizes packed 8-bit pixels by VC_AREA. Its tile has VC_TILE_COLS
 * columns, of up to VC_AREA_TAPS samples, and up to VC_AREA_ROWS rows. */
#define VC_AREA_ROWS 32
#define VC_AREA_TAPS 64
#define VC_AREA_BLOCKS 8

/* X(groups) for each kernel vc_read_yuv_<groups>, which makes RGB of YUV images of 8 or 10 bits,
 * without a resize: a thread makes VC_READ_COLS columns, in one group for elements of up to 16
 * bits, in two for those of 32. */
#define VC_READ_KERNELS(X) X(1) X(2)
#define VC_READ_COLS 8
#define VC_READ_BLOCKS 8

/* X(to, in, out) for each kernel vc_resize_linear_<to>_<in>_<out>, which resizes interleaved 8-bit
 * pixels of `in` channels by VC_LINEAR or VC_NEAREST to interleaved pixels of `out` channels, or
 * to planes (0). */
/* clang-format off */
#define VC_LINEAR_KERNELS(X)                                                      \
  X(raw1, 1, 0) X(raw1, 3, 0) X(raw1, 4, 0) X(raw1, 3, 3) X(raw1, 4, 3) X(raw1, 4, 4) \
  X(f16, 1, 0) X(f16, 3, 0) X(f16, 4, 0) X(f16, 3, 3)                             \
  X(bf16, 3, 0) X(bf16, 4, 0)                                                     \
  X(f32, 1, 0) X(f32, 3, 0) X(f32, 4, 0) X(f32, 3, 3)
/* clang-format on */

/* X(sample) for each kernel vc_resize_yuv_<sample>, which resizes YUV images of samples of 8 bits,
 * or of 10 in 16, by VC_LINEAR or VC_NEAREST to RGB of bytes or floats of up to 32 bits, in planes
 * or interleaved. */
#define VC_YUV_KERNELS(X) X(uint8_t) X(uint16_t)

/* A thread of linear kernels makes VC_LINEAR_GROUPS groups of VC_LINEAR_PIXELS adjacent pixels of a
 * row, by the size of an element. The groups of a warp lie side by side: few adjacent pixels per
 * thread let a warp's loads touch few cache lines. Several groups keep many loads in flight and
 * need fewer instructions. */
#define VC_LINEAR_PIXELS(to) ((to) == 1 ? 4 : 2)
#define VC_LINEAR_GROUPS(to) ((to) == 1 ? 1 : 2)
#define VC_LINEAR_BLOCKS 7
/* The same for VC_YUV_KERNELS, whose threads have more numbers to hold. */
#define VC_YUV_BLOCKS(sample) ((sample) == 1 ? 7 : 5)
/* The most rows of a thread. Consecutive rows of an enlarged image have source rows in common. */
#define VC_LINEAR_ROWS 8

/* The size in bytes of the widest word that divides `bytes`, a multiple of 4. */
#define VC_WIDEST(bytes) ((bytes) % 16 == 0 ? 16 : (bytes) % 8 == 0 ? 8 : 4)

/* Number of pixels of a unit, by the sizes of both elements. bench/tune_transform.cu measured
 * these: 16 bytes of the widest plane, or fewer. */
#define VC_UNIT_deinterleave(from, to) ((to) == 1 ? 8 : 16 / (to))
#define VC_UNIT_interleave(from, to) ((from) > 4 ? 2 : (from) == 2 ? 8 : 4)
#define VC_UNIT_shuffle(from, to) 16
#define VC_UNIT_copy(from, to) (16 / ((from) < (to) ? (to) : (from)))

#endif
