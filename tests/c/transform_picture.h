/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays in memory of exactly their size, laid out in every way that strides can
 * say, with all kinds of values in them. */
#ifndef VIEWCAST_TESTS_TRANSFORM_PICTURE_H
#define VIEWCAST_TESTS_TRANSFORM_PICTURE_H

#include <stdlib.h>
#include <string.h>

#include "check.h"

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static inline uint64_t random_bits(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint64_t random_below(uint64_t end) { return (random_bits() >> 16) % end; }

typedef enum geometry {
  PACKED,
  PITCHED,    /* rows end in a few bytes of nothing */
  FLIPPED,    /* rows from the last to the first */
  MIRRORED,   /* columns too */
  SPACED,     /* every second column */
  UNALIGNED,  /* packed, one byte off */
  TRANSPOSED, /* columns after columns */
  LOOSE,      /* a gap around every element */
  GEOMETRIES
} geometry;

typedef struct picture {
  char *memory;
  size_t bytes;
  vc_view view;
  int64_t count, rows, cols, channels;
  int64_t steps[4]; /* image, row, column, channel */
} picture;

/* Axes of the view: 0 images, 1 rows, 2 columns, 3 channels. */
static inline int32_t axes_of_view(vc_layout layout, int32_t rank, bool flat, int *out) {
  static const int orders[2][4] = {{0, 1, 2, 3}, {0, 3, 1, 2}};
  int32_t n = 0;
  for (int i = 0; i < 4; i++) {
    int axis = orders[layout][i];
    if ((axis == 0 && rank < 4) || (axis == 3 && flat)) continue;
    out[n++] = axis;
  }
  return n;
}

static inline int64_t gap_after(geometry how, int axis, int64_t size) {
  if (how == LOOSE) return size * (1 + axis % 2) + (axis == 1 ? 3 : 0);
  if (how == SPACED && axis == 2) return -1; /* twice */
  return (how == PITCHED || how == FLIPPED) && axis == 1 ? 5 : 0;
}

static inline void lay_out(picture *p, vc_layout layout, geometry how) {
  static const int orders[3][4] = {{3, 2, 1, 0}, {2, 1, 3, 0}, {1, 3, 2, 0}};
  const int *order = orders[how == TRANSPOSED ? 2 : layout];
  const int64_t lengths[4] = {p->count, p->rows, p->cols, p->channels};
  int64_t size = (int64_t)vc_dtype_size(p->view.dtype), step = size, first = how == UNALIGNED;
  for (int i = 0; i < 4; i++) {
    int axis = order[i];
    int64_t gap = gap_after(how, axis, size);
    step = gap < 0 ? 2 * step : step + gap;
    p->steps[axis] = step;
    step *= lengths[axis];
  }
  p->bytes = (size_t)(first + size);
  for (int i = 0; i < 4; i++) p->bytes += (size_t)((lengths[i] - 1) * p->steps[i]);
  p->memory = malloc(p->bytes);
  p->view.data = p->memory + first;
  for (int axis = 1; axis <= 2; axis++) {
    if (how != MIRRORED && !(how == FLIPPED && axis == 1)) continue;
    p->view.data = (char *)p->view.data + (lengths[axis] - 1) * p->steps[axis];
    p->steps[axis] = -p->steps[axis];
  }
}

/* A rank of 2 for one channel if `flat`; of 4 for several images or if `batch`. */
static inline picture make_picture(vc_dtype dtype, vc_layout layout, const int64_t *lengths,
                                   bool batch, bool flat, geometry how) {
  picture p = {.count = lengths[0], .rows = lengths[1], .cols = lengths[2], .channels = lengths[3]};
  int axes[4];
  p.view.dtype = dtype;
  p.view.device = (vc_device){VC_CPU, 0};
  lay_out(&p, layout, how);
  p.view.ndim = axes_of_view(layout, batch ? 4 : 3, flat && lengths[3] == 1 && !batch, axes);
  for (int32_t i = 0; i < p.view.ndim; i++) {
    p.view.shape[i] = lengths[axes[i]];
    p.view.strides[i] = p.steps[axes[i]];
  }
  return p;
}

static inline char *element_of(const picture *p, int64_t n, int64_t row, int64_t col, int64_t c) {
  return (char *)p->view.data + n * p->steps[0] + row * p->steps[1] + col * p->steps[2] +
         c * p->steps[3];
}

static inline uint64_t read_bits(const char *at, vc_dtype dtype) {
  uint64_t bits = 0;
  memcpy(&bits, at, vc_dtype_size(dtype));
  return bits;
}

/* Bits of an element: any, or a number of the size that pixels have, or one that
 * is special to some dtype. */
static inline uint64_t random_element(vc_dtype dtype) {
  static const double special[] = {
      0.0,     -0.0,    0.5,       1.5,     2.5,      -0.5,     -1.5,   65504, 65519.99,
      65520,   0x1p-24, 0x1.8p-25, 0x1p-25, 0x1p-133, 0x1p-149, 127.5,  255.5, -128.5,
      32767.5, 0x1p31,  0x1p32,    0x1p53,  0x1p63,   -0x1p63,  0x1p64, 1e300, 1e-310};
  double number = (double)random_below(1 << 20) / 1024 - 256;
  uint64_t choice = random_below(4), bits = random_bits();
  float f;
  if (dtype.code == VC_BOOL && choice) return choice - 1;
  if (choice == 0 || dtype.bits < 32) return bits;
  if (choice == 1) number = special[random_below(sizeof special / sizeof special[0])];
  if (dtype.code != VC_FLOAT) return choice == 1 ? bits : (uint64_t)(int64_t)number;
  if (dtype.bits == 64) return memcpy(&bits, &number, sizeof bits), bits;
  f = (float)number;
  return memcpy(&bits, &f, sizeof f), bits;
}

static inline void fill_picture(picture *p) {
  for (size_t i = 0; i < p->bytes; i++) p->memory[i] = (char)random_bits();
  for (int64_t n = 0; n < p->count; n++)
    for (int64_t row = 0; row < p->rows; row++)
      for (int64_t col = 0; col < p->cols; col++)
        for (int64_t c = 0; c < p->channels; c++) {
          uint64_t bits = random_element(p->view.dtype);
          memcpy(element_of(p, n, row, col, c), &bits, vc_dtype_size(p->view.dtype));
        }
}

#endif
