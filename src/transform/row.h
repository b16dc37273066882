/* SPDX-License-Identifier: Apache-2.0 */
/* Loops over short rows that lie in the first cache: one step of a transform
 * each. A table for each kind of processor holds the same loops. */
#ifndef VIEWCAST_TRANSFORM_ROW_H
#define VIEWCAST_TRANSFORM_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "transform/element.h"

/* Sizes of elements: 1, 2, 4 and 8 bytes are 0 to 3. */
#define VC_SIZES 4
/* Interleaved pixels of 2, 3 and 4 channels are 0 to 2. */
#define VC_INTERLEAVES 3

#define VC_NEAR 96

/* What one pixel of the destination is made of, for loops->shuffle. */
typedef struct vc_shuffle {
  size_t from_bytes, to_bytes; /* of a pixel, 16 at most */
  uint8_t source[16];          /* byte of the source's pixel; 0x80: none */
  uint8_t fill[16];            /* what it is then, else 0 */
  /* Pixels of one size whose bytes come from at most 8 away: where from, for 96
   * bytes, which hold whole vectors and whole pixels. */
  bool is_near;
  int8_t from_here[VC_NEAR];
} vc_shuffle;

/* Rows are packed unless a step (in bytes) is given, need no alignment and don't
 * overlap. NULL where a type has no such loop. */
typedef struct vc_row_kernels {
  const char *name;
  /* fma(x, a, b), every NaN canonical: to a row of the working type. */
  void (*float_from[VC_TYPES])(const void *from, float *to, size_t n, float a, float b);
  void (*double_from[VC_TYPES])(const void *from, double *to, size_t n, double a, double b);
  /* Rounded and saturated: from a row of the working type. */
  void (*from_float[VC_TYPES])(const float *from, void *to, size_t n);
  void (*from_double[VC_TYPES])(const double *from, void *to, size_t n);
  /* Integers by way of an int32_t, where both types fit one, or an int64_t. */
  void (*int_from[VC_TYPES])(const void *from, int32_t *to, size_t n);
  void (*from_int[VC_TYPES])(const int32_t *from, void *to, size_t n);
  void (*long_from[VC_TYPES])(const void *from, int64_t *to, size_t n);
  void (*from_long[VC_TYPES])(const int64_t *from, void *to, size_t n);

  /* Interleaved pixels to planes and back. */
  void (*split[VC_SIZES][VC_INTERLEAVES])(const void *from, void *const *to, size_t n);
  void (*merge[VC_SIZES][VC_INTERLEAVES])(const void *const *from, void *to, size_t n);
  void (*gather[VC_SIZES])(const void *from, int64_t step, void *to, size_t n);
  void (*scatter[VC_SIZES])(const void *from, void *to, int64_t step, size_t n);
  /* Interleaved pixels to interleaved ones. */
  void (*shuffle)(const vc_shuffle *shuffle, const void *from, void *to, size_t n);

  /* Several of these at once, NULL where there is none: for pixels of three
   * channels, packed planes, u8 on the interleaved side and fma(x, a[c], b[c]) for
   * plane c. Past the caches, if asked, as far as addresses allow. */
  void (*split_to[VC_TYPES])(const void *from, void *const *to, size_t n, const float *a,
                             const float *b, bool past);
  void (*merge_from[VC_TYPES])(const void *const *from, void *to, size_t n, const float *a,
                               const float *b, bool past);

  /* A copy that leaves no trace in the caches. NULL, as the next three: there is none. */
  void (*stream)(const void *from, void *to, size_t bytes);
  /* split and merge for u8 and three channels, and shuffle, in the same way; false
   * where addresses or the shuffle forbid it. */
  bool (*split_stream)(const void *from, void *const *to, size_t n);
  void (*merge_stream)(const void *const *from, void *to, size_t n);
  bool (*shuffle_stream)(const vc_shuffle *shuffle, const void *from, void *to, size_t n);
  /* After the last of them. */
  void (*stream_end)(void);
} vc_row_kernels;

extern const vc_row_kernels vc_row_kernels_scalar;
#if defined(__x86_64__)
extern const vc_row_kernels vc_row_kernels_avx2;
#elif defined(__aarch64__)
extern const vc_row_kernels vc_row_kernels_neon;
#endif

/* The fastest that this processor runs; VIEWCAST_SIMD=scalar asks for the plain
 * ones. Decided once. */
const vc_row_kernels *vc_row_kernels_best(void);

#endif
