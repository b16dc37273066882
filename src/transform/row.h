/* SPDX-License-Identifier: Apache-2.0 */
/* Row kernels: loops over short rows that fit into the first-level cache, each of which does one
 * step of a transform. There is a table of the same kernels for each kind of processor. */
#ifndef VIEWCAST_TRANSFORM_ROW_H
#define VIEWCAST_TRANSFORM_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "transform/element.h"

/* Number of element sizes, and the index of one, its logarithm: 0 to 3 for 1, 2, 4 and 8 bytes. */
#define VC_SIZES 4
static inline int vc_size_index(size_t size) { return size == 8 ? 3 : size == 4 ? 2 : size == 2; }

/* Number of channel counts of interleaved pixels; the index is the channel count less 2. */
#define VC_INTERLEAVES 3

#define VC_NEAR 96

/* Where each byte of a pixel of the destination comes from, for the row kernel `shuffle`. */
typedef struct vc_shuffle {
  size_t from_bytes, to_bytes; /* of a pixel, 16 at most */
  uint8_t source[16];          /* byte of the source's pixel; 0x80: none */
  uint8_t fill[16];            /* what it is then, else 0 */
  /* is_near: both pixels have the same size and no byte moves by more than 8. from_here then
   * holds the distance to the source of each of 96 bytes, which are a whole number of both
   * vectors and pixels. */
  bool is_near;
  int8_t from_here[VC_NEAR];
} vc_shuffle;

/* Rows are packed unless a stride in bytes is given. They may have any alignment and do not
 * overlap. A kernel is NULL where a type has none. */
typedef struct vc_row_kernels {
  const char *name;
  /* Writes fma(x, a, b) to a row of the working type, with every NaN canonical. */
  void (*float_from[VC_TYPES])(const void *from, float *to, size_t n, float a, float b);
  void (*double_from[VC_TYPES])(const void *from, double *to, size_t n, double a, double b);
  /* Rounds and saturates a row of the working type. */
  void (*from_float[VC_TYPES])(const float *from, void *to, size_t n);
  void (*from_double[VC_TYPES])(const double *from, void *to, size_t n);
  /* Convert integers through int32_t where both types fit into it, else through int64_t. */
  void (*int_from[VC_TYPES])(const void *from, int32_t *to, size_t n);
  void (*from_int[VC_TYPES])(const int32_t *from, void *to, size_t n);
  void (*long_from[VC_TYPES])(const void *from, int64_t *to, size_t n);
  void (*from_long[VC_TYPES])(const int64_t *from, void *to, size_t n);

  /* Convert interleaved pixels to planes, and planes to interleaved pixels. */
  void (*split[VC_SIZES][VC_INTERLEAVES])(const void *from, void *const *to, size_t n);
  void (*merge[VC_SIZES][VC_INTERLEAVES])(const void *const *from, void *to, size_t n);
  void (*gather[VC_SIZES])(const void *from, int64_t step, void *to, size_t n);
  void (*scatter[VC_SIZES])(const void *from, void *to, int64_t step, size_t n);
  /* Moves bytes within interleaved pixels. */
  void (*shuffle)(const vc_shuffle *shuffle, const void *from, void *to, size_t n);

  /* Combinations of these in one loop, for pixels of three channels with u8 on the interleaved
   * side and packed planes: fma(x, a[c], b[c]) for plane c. NULL where there is none. With `past`
   * the stores are non-temporal as far as addresses allow. */
  void (*split_to[VC_TYPES])(const void *from, void *const *to, size_t n, const float *a,
                             const float *b, bool past);
  void (*merge_from[VC_TYPES])(const void *const *from, void *to, size_t n, const float *a,
                               const float *b, bool past);

  /* Copies with non-temporal stores. This and the following three are NULL where a processor has
   * none. */
  void (*stream)(const void *from, void *to, size_t bytes);
  /* split and merge for u8 and three channels, and shuffle, with non-temporal stores. They return
   * false where addresses or the shuffle do not allow that. */
  bool (*split_stream)(const void *from, void *const *to, size_t n);
  void (*merge_stream)(const void *const *from, void *to, size_t n);
  bool (*shuffle_stream)(const vc_shuffle *shuffle, const void *from, void *to, size_t n);
  /* Must be called after the last non-temporal store of a thread. */
  void (*stream_end)(void);

  /* The tables of the same processor for resizing, for reading YUV and for writing it. The scalar
   * table has none for YUV, which has loops of single pixels. */
  const struct vc_resample_kernels *resample;
  const struct vc_yuv_kernels *read_yuv;
  const struct vc_rgb_kernels *write_yuv;
} vc_row_kernels;

extern const vc_row_kernels vc_row_kernels_scalar;
extern const struct vc_resample_kernels vc_resample_kernels_scalar;
#if defined(__x86_64__)
extern const vc_row_kernels vc_row_kernels_avx2;
extern const struct vc_resample_kernels vc_resample_kernels_avx2;
extern const struct vc_yuv_kernels vc_yuv_kernels_avx2;
extern const struct vc_rgb_kernels vc_rgb_kernels_avx2;
#elif defined(__aarch64__)
extern const vc_row_kernels vc_row_kernels_neon;
extern const struct vc_resample_kernels vc_resample_kernels_neon;
extern const struct vc_yuv_kernels vc_yuv_kernels_neon;
extern const struct vc_rgb_kernels vc_rgb_kernels_neon;
#endif

/* Returns the fastest table that this processor runs, or vc_row_kernels_scalar if
 * VIEWCAST_SIMD=scalar asks for it. The decision is made once. */
const vc_row_kernels *vc_row_kernels_best(void);

#endif
