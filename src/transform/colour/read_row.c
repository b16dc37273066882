/* SPDX-License-Identifier: Apache-2.0 */
/* A row of a YUV image as RGB, one pixel at a time: any format, strides and depth. */
#include <string.h>

#include "transform/colour/colour.h"

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

void vc_yuv_read_row(const vc_yuv_source *source, int64_t row, int64_t left, int64_t count,
                     void *out) {
  const char *rows[3];
  uint8_t *bytes = out;
  uint16_t *words = out;
  for (int32_t i = 0; i < 3; i++) {
    rows[i] = source->data[i] + (i == 0 ? row : row >> source->row_shift) * source->row[i];
  }
  for (int64_t x = left; x < left + count; x++) {
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
