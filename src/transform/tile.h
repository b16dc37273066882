/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out a plan tile by tile. A tile is a part of one row of one image, short enough that
 * all its intermediate results stay in the first-level cache. */
#ifndef VIEWCAST_TRANSFORM_TILE_H
#define VIEWCAST_TRANSFORM_TILE_H

#include "transform/plan.h"
#include "transform/row.h"

/* How the tiles of a plan are converted. Prepared once, shared by all threads. */
typedef struct vc_tiles {
  const vc_plan *plan;
  const vc_row_kernels *row_kernels;
  vc_type from, to;
  size_t from_size, to_size;
  int from_log, to_log; /* sizes as the loops count them */
  int64_t length;       /* pixels of a tile at most */
  bool merges;          /* the destination's pixels are interleaved */
  bool shuffles;        /* both sides are, and values stay: one step */
  bool streams;         /* the destination is written past the caches */
  vc_shuffle shuffle;
  bool at_once; /* a[c] and b[c] may be given to kernels->split_to and merge_from */
  float a[3], b[3];
} vc_tiles;

/* Prepares *out. `streams` asks for non-temporal stores, which are used if there is a row kernel
 * for them. */
void vc_tiles_prepare(const vc_plan *plan, const vc_row_kernels *kernels, bool streams,
                      vc_tiles *out);

#define VC_MOST_PAST 63

/* Number of pixels between the preceding cache-line boundary and the first pixel of a
 * destination row (0 to VC_MOST_PAST). 0 if no pixel of the row starts on a boundary. */
int64_t vc_tiles_past_line(const vc_tiles *tiles, int64_t image, int64_t row);

/* Writes `n` pixels of one row, from `col` on. Floating point must be in its default mode. */
void vc_tiles_write(const vc_tiles *tiles, int64_t image, int64_t row, int64_t col, int64_t n);

/* Writes a whole row of an image from a row of source pixels at `from`, which has the plan's
 * from_strides. Floating point must be in its default mode. */
void vc_tiles_write_row(const vc_tiles *tiles, const char *from, int64_t image, int64_t row);

#endif
