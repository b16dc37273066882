/* SPDX-License-Identifier: Apache-2.0 */
/* A row of a YUV image as RGB: pixel by pixel for any format, strides and depth; 8-bit samples that
 * are adjacent in vectors. */
#include "transform/colour/read_row.h"

#include <string.h>

#include "transform/row.h"

/* Returns a sample, whose unused bits are dropped. Samples of 10 bits in the lower ones end at
 * 1023. */
static int32_t sample(const vc_yuv_source *of, int32_t which, const char *row, int64_t index) {
  const char *at = row + index * of->col[which];
  if (of->bits == 8) return *(const uint8_t *)at;
  uint16_t word;
  memcpy(&word, at, sizeof word);
  int32_t value = word >> of->unused, most = (1 << of->bits) - 1;
  return value > most ? most : value;
}

/* Writes pixels left … end - 1. */
static void read_each(const vc_yuv_source *source, const char *const rows[3], int64_t left,
                      int64_t end, void *out) {
  uint8_t *bytes = out;
  uint16_t *words = out;
  for (int64_t x = left; x < end; x++) {
    int32_t rgb[3];
    int64_t chroma = x >> source->col_shift;
    vc_yuv_to_rgb(&source->rule, sample(source, 0, rows[0], x), sample(source, 1, rows[1], chroma),
                  sample(source, 2, rows[2], chroma), rgb);
    for (int32_t c = 0; c < 3; c++) {
      if (source->deep) {
        *words++ = (uint16_t)rgb[c];
      } else {
        *bytes++ = (uint8_t)rgb[c];
      }
    }
  }
}

#if defined(__x86_64__)
/* Fills the kind of row and returns true if vectors can be loaded from it. */
static bool find_kind(const vc_yuv_source *source, const char *const rows[3], vc_yuv_row *out) {
  int64_t apart = rows[2] - rows[1];
  const int64_t *col = source->col;
  if (source->bits != 8 || source->deep || col[0] != 1 || col[1] != col[2]) return false;
  out->kind = col[1] == 2 ? VC_CHROMA_PAIRS : source->col_shift ? VC_CHROMA_HALVED : VC_CHROMA_EACH;
  if (col[1] == 2) return source->col_shift && (apart == 1 || apart == -1);
  return col[1] == 1;
}

/* Returns the first of the pixels from `left`, which is even where chroma is halved, that were
 * not converted. */
static int64_t read_vectors(const vc_yuv_source *source, const char *const rows[3], int64_t left,
                            int64_t end, uint8_t *out) {
  vc_yuv_row row;
  if (vc_row_kernels_best() != &vc_row_kernels_avx2 || !find_kind(source, rows, &row)) return left;
  for (int32_t i = 0; i < 3; i++) {
    row.samples[i] = rows[i] + (i == 0 ? left : left >> source->col_shift) * source->col[i];
  }
  return left + vc_yuv_read_avx2(&source->rule, &row, end - left, out);
}
#else
static int64_t read_vectors(const vc_yuv_source *source, const char *const rows[3], int64_t left,
                            int64_t end, uint8_t *out) {
  (void)source, (void)rows, (void)end, (void)out;
  return left;
}
#endif

void vc_yuv_read_row(const vc_yuv_source *source, int64_t row, int64_t left, int64_t count,
                     void *out) {
  const char *rows[3];
  char *to = out;
  int64_t pixel = source->deep ? 6 : 3, end = left + count;
  int64_t even = left + (left & source->col_shift), first = even < end ? even : end;
  for (int32_t i = 0; i < 3; i++) {
    rows[i] = source->data[i] + (i == 0 ? row : row >> source->row_shift) * source->row[i];
  }
  read_each(source, rows, left, first, to);
  to += (first - left) * pixel;
  int64_t done = read_vectors(source, rows, first, end, (uint8_t *)to);
  read_each(source, rows, done, end, to + (done - first) * pixel);
}
