/* SPDX-License-Identifier: Apache-2.0 */
/* RGB to the planes of a YUV image. A thread writes the samples of a unit: up to VC_WRITTEN_COLS
 * columns of one row, or of two rows that share chroma. */
#ifndef VIEWCAST_KERNELS_WRITE_YUV_CUH
#define VIEWCAST_KERNELS_WRITE_YUV_CUH

#include "kernels/generic.cuh"
#include "kernels/pillow.cuh"

/* The pixels of a unit: byte x of pixels[y][c] is channel c of column x. */
struct rgb_unit {
  int64_t row, col;
  int32_t rows, cols;
  uint32_t pixels[2][3];
};

VC_DEVICE void load_row(const vc_yuv_writing &p, int64_t row, int64_t col, int32_t cols,
                        uint32_t (&out)[3]) {
  int64_t offset = row * p.from_row + col * p.from_col;
  vc_unit reads = cols == VC_WRITTEN_COLS ? p.reads : VC_UNIT_ELEMENTS;
  if (reads == VC_UNIT_PACKED) {
    bool reversed = p.from[0] > p.from[2];
    const uint32_t *words = (const uint32_t *)((reversed ? p.from[2] : p.from[0]) + offset);
    uint32_t packed[3], channels[3];
#pragma unroll
    for (int i = 0; i < 3; i++) packed[i] = load_word(words + i);
    split_channels(packed, channels);
    out[0] = reversed ? channels[2] : channels[0];
    out[1] = channels[1];
    out[2] = reversed ? channels[0] : channels[2];
    return;
  }
#pragma unroll
  for (int c = 0; c < 3; c++) {
    const char *at = p.from[c] + offset;
    out[c] = 0;
    if (reads == VC_UNIT_PLANES) {
      out[c] = load_word((const uint32_t *)at);
      continue;
    }
    for (int32_t x = 0; x < cols; x++, at += p.from_col) {
      out[c] |= (uint32_t)load_word((const uint8_t *)at) << (8 * x);
    }
  }
}

/* Returns the address of a sample. */
VC_DEVICE char *written_at(const vc_yuv_writing &p, int which, int64_t row, int64_t col) {
  return p.to[which] + row * p.to_row[which] + col * p.to_col[which];
}

VC_DEVICE void write_sample(const vc_yuv_writing &p, int which, int64_t row, int64_t col,
                            uint32_t value) {
  store_bits(written_at(p, which, row, col), p.to_size, p.to_aligned, value << p.unused);
}

VC_DEVICE void write_luma(const vc_yuv_writing &p, const rgb_unit &unit, int y) {
  uint32_t samples[VC_WRITTEN_COLS];
#pragma unroll
  for (int x = 0; x < VC_WRITTEN_COLS; x++) {
    int32_t pixel[3];
#pragma unroll
    for (int c = 0; c < 3; c++) pixel[c] = (int32_t)byte_of(unit.pixels[y][c], x);
    samples[x] = (uint32_t)vc_rgb_to_sample(&p.rule, 0, pixel, 0);
  }
  if (unit.cols == VC_WRITTEN_COLS && p.writes_luma == VC_UNIT_PLANES) {
    uint32_t word = samples[0] | samples[1] << 8 | samples[2] << 16 | samples[3] << 24;
    store_word((uint32_t *)written_at(p, 0, unit.row + y, unit.col), word);
    return;
  }
#pragma unroll
  for (int x = 0; x < VC_WRITTEN_COLS; x++) {
    if (x < unit.cols) write_sample(p, 0, unit.row + y, unit.col + x, samples[x]);
  }
}

/* Fills U and V of the pixels from column x on that share them. */
VC_DEVICE void make_chroma(const vc_yuv_writing &p, const rgb_unit &unit, int x,
                           uint32_t (&out)[2]) {
  int32_t sums[3], across = min(1 << p.col_shift, unit.cols - x), down = unit.rows;
  if (p.rule.first_only) across = down = 1;
#pragma unroll
  for (int c = 0; c < 3; c++) {
    sums[c] = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (i / 2 < down && i % 2 < across) {
        sums[c] += (int32_t)byte_of(unit.pixels[i / 2][c], x + i % 2);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    out[i] = (uint32_t)vc_rgb_to_sample(&p.rule, 1 + i, sums, (down == 2) + (across == 2));
  }
}

/* Stores the chroma of a whole unit: one sample of each kind for 2 columns, or for each. */
VC_DEVICE void store_chroma(const vc_yuv_writing &p, int64_t row, int64_t col,
                            const uint32_t (&samples)[VC_WRITTEN_COLS][2]) {
  if (p.writes_chroma == VC_UNIT_PACKED) {
    bool swapped = p.to[1] > p.to[2];
    uint32_t word = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      word |= samples[i / 2][swapped ? 1 - i % 2 : i % 2] << (8 * i);
    }
    store_word((uint32_t *)written_at(p, swapped ? 2 : 1, row, col), word);
    return;
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
    uint32_t word = samples[0][i] | samples[1][i] << 8;
    char *to = written_at(p, 1 + i, row, col);
    if (p.col_shift) {
      store_word((uint16_t *)to, (uint16_t)word);
    } else {
      store_word((uint32_t *)to, word | samples[2][i] << 16 | samples[3][i] << 24);
    }
  }
}

VC_DEVICE void write_chroma(const vc_yuv_writing &p, const rgb_unit &unit) {
  uint32_t samples[VC_WRITTEN_COLS][2] = {};
  int64_t row = unit.row >> p.row_shift, col = unit.col >> p.col_shift;
#pragma unroll
  for (int i = 0; i < VC_WRITTEN_COLS; i++) {
    int x = i << p.col_shift;
    if (x < unit.cols) make_chroma(p, unit, x, samples[i]);
  }
  if (unit.cols == VC_WRITTEN_COLS && p.writes_chroma != VC_UNIT_ELEMENTS) {
    store_chroma(p, row, col, samples);
    return;
  }
#pragma unroll
  for (int i = 0; i < VC_WRITTEN_COLS; i++) {
    if (i << p.col_shift >= unit.cols) break;
    write_sample(p, 1, row, col + i, samples[i][0]);
    write_sample(p, 2, row, col + i, samples[i][1]);
  }
}

VC_DEVICE void write_yuv(const vc_yuv_writing &p) {
  int64_t index = (int64_t)blockIdx.x * VC_BLOCK + threadIdx.x;
  if (index >= p.total) return;
  rgb_unit unit = {};
  int64_t row = divide((uint32_t)index, p.by_units);
  unit.row = row << p.row_shift;
  unit.col = (index - row * p.units) * VC_WRITTEN_COLS;
  unit.rows = (int32_t)min((int64_t)1 << p.row_shift, p.rows - unit.row);
  unit.cols = (int32_t)min((int64_t)VC_WRITTEN_COLS, p.cols - unit.col);
#pragma unroll
  for (int y = 0; y < 2; y++) {
    if (y >= unit.rows) break;
    load_row(p, unit.row + y, unit.col, unit.cols, unit.pixels[y]);
    write_luma(p, unit, y);
  }
  write_chroma(p, unit);
}

#endif
