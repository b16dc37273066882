/* SPDX-License-Identifier: Apache-2.0 */
/* Pillow's filters on 8-bit images. A block makes a tile of an image of the result: it computes
 * the weights of the tile's columns and rows once, filters the source's rows that the tile needs
 * horizontally into shared memory, some at a time, and adds them up vertically. */
#ifndef VIEWCAST_KERNELS_PILLOW_CUH
#define VIEWCAST_KERNELS_PILLOW_CUH

#include "kernels/resize.cuh"

/* The columns and rows of a tile, in which a thread has VC_PILLOW_PIXELS pixels of a column, and
 * the rows of the source that are filtered at a time. */
#define VC_PILLOW_PIXELS (VC_PILLOW_COLS * VC_PILLOW_ROWS / VC_BLOCK)
#define VC_PILLOW_BAND 16
/* Weights that are kept in shared memory. Tiles that need more take the way of resize_any. */
#define VC_PILLOW_WEIGHTS 2048

/* Some results of an axis: the samples of each, and its weights, which begin at `at`. */
template <int Count>
struct pillow_axis {
  int32_t first[Count], count[Count], at[Count];
  int32_t weights[VC_PILLOW_WEIGHTS];
};

struct pillow_shared {
  resize_shared of;
  bool fits;        /* the weights fit into shared memory */
  int32_t rounds;   /* 1, and one for each band of source rows */
  int32_t top, end; /* the source rows that the tile needs */
  pillow_axis<VC_PILLOW_COLS> cols;
  pillow_axis<VC_PILLOW_ROWS> rows;
  uint8_t band[VC_PILLOW_BAND][VC_PILLOW_COLS][VC_CHANNELS_MAPPED];
};

/* Computes the weights of result `index` of the tile, which is result `d` of the axis. Each has
 * the same share of the array; results beyond it, and those outside of the image, have count
 * 0 or, where the share is too small, -1. */
template <int Count>
VC_DEVICE void weigh(const vc_axis_pillow &axis, int64_t d, int64_t results, int32_t index,
                     pillow_axis<Count> &out) {
  const int32_t share = VC_PILLOW_WEIGHTS / Count;
  out.count[index] = 0;
  if (d < 0 || d >= results) return;
  vc_axis_taps taps = vc_axis_pillow_taps(&axis, d);
  out.first[index] = (int32_t)taps.first;
  out.at[index] = index * share;
  out.count[index] = taps.count > share ? -1 : (int32_t)taps.count;
  if (taps.count > share) return;
  for (int32_t i = 0; i < (int32_t)taps.count; i++) {
    out.weights[index * share + i] = vc_axis_pillow_weight(&axis, &taps, i);
  }
}

struct resize_pillow {
  typedef vc_resizing parameters;
  typedef pillow_shared shared;
  struct own {
    int32_t sums[VC_PILLOW_PIXELS][VC_CHANNELS_MAPPED];
  };

  VC_DEVICE_MEMBER int32_t column() { return (int32_t)(threadIdx.x % VC_PILLOW_COLS); }

  /* The thread's i-th row in the tile. */
  VC_DEVICE_MEMBER int32_t row(int32_t i) {
    return (int32_t)(threadIdx.x / VC_PILLOW_COLS) + i * (VC_BLOCK / VC_PILLOW_COLS);
  }

  VC_DEVICE_MEMBER void begin(const vc_resizing &p, pillow_shared &s, own &mine) {
    find_rule(p, s.of);
    if (threadIdx.x == 0) {
      s.fits = !s.of.at.is_empty && s.of.rule.kind == VC_RESAMPLE_PILLOW;
      s.rounds = s.fits ? 1 : 0;
    }
    for (int32_t i = 0; i < VC_PILLOW_PIXELS; i++) {
      for (int32_t c = 0; c < VC_CHANNELS_MAPPED; c++) {
        mine.sums[i][c] = 1 << (VC_PILLOW_BITS - 1);
      }
    }
  }

  VC_DEVICE_MEMBER int32_t rounds(const vc_resizing &, const pillow_shared &s) { return s.rounds; }

  /* Round 0: the weights. */
  VC_DEVICE_MEMBER void find_weights(const vc_resizing &p, pillow_shared &s) {
    const vc_resized &image = s.of.at.image;
    tile at = locate_tile(p);
    int32_t index = (int32_t)threadIdx.x;
    if (index < VC_PILLOW_COLS) {
      int64_t d = (int64_t)at.col * VC_PILLOW_COLS + index - image.left;
      weigh(s.of.cols.pillow, d, image.placed_cols, index, s.cols);
    } else if (index < VC_PILLOW_COLS + VC_PILLOW_ROWS) {
      index -= VC_PILLOW_COLS;
      int64_t d = (int64_t)at.row * VC_PILLOW_ROWS + index - image.top;
      weigh(s.of.rows.pillow, d, image.placed_rows, index, s.rows);
    }
  }

  VC_DEVICE_MEMBER void plan_bands(pillow_shared &s) {
    if (threadIdx.x != 0) return;
    s.top = INT32_MAX;
    s.end = 0;
    for (int32_t i = 0; i < VC_PILLOW_COLS; i++) s.fits = s.fits && s.cols.count[i] >= 0;
    for (int32_t i = 0; i < VC_PILLOW_ROWS; i++) {
      s.fits = s.fits && s.rows.count[i] >= 0;
      if (s.rows.count[i] <= 0) continue;
      s.top = min(s.top, s.rows.first[i]);
      s.end = max(s.end, s.rows.first[i] + s.rows.count[i]);
    }
    if (s.fits && s.end > s.top) s.rounds += (s.end - s.top - 1) / VC_PILLOW_BAND + 1;
  }

  /* The row of the source with which a band begins. */
  VC_DEVICE_MEMBER int32_t band_top(const pillow_shared &s, int32_t round) {
    return s.top + (round - 1) * VC_PILLOW_BAND;
  }

  VC_DEVICE_MEMBER void load(const vc_resizing &p, pillow_shared &s, own &, int32_t round) {
    if (round == 0) {
      find_weights(p, s);
      return;
    }
    const vc_resized &image = s.of.at.image;
    int32_t col = column(), top = band_top(s, round), count = s.cols.count[col];
    const int32_t *weights = s.cols.weights + s.cols.at[col];
    for (int32_t i = 0; count > 0 && i < VC_PILLOW_BAND; i += VC_BLOCK / VC_PILLOW_COLS) {
      int32_t line = i + (int32_t)(threadIdx.x / VC_PILLOW_COLS);
      if (top + line >= s.end) break;
      const char *from =
          image.data + (int64_t)(top + line) * image.row + (int64_t)s.cols.first[col] * image.col;
#pragma unroll
      for (int32_t c = 0; c < VC_CHANNELS_MAPPED; c++) {
        if (c >= p.from_channels) break;
        const char *sample = from + c * image.channel;
        int32_t sum = 1 << (VC_PILLOW_BITS - 1);
        for (int32_t k = 0; k < count; k++, sample += image.col) {
          sum += (int32_t)load_word((const uint8_t *)sample) * weights[k];
        }
        s.band[line][col][c] = vc_pillow_byte(sum);
      }
    }
  }

  VC_DEVICE_MEMBER void use(const vc_resizing &p, pillow_shared &s, own &mine, int32_t round) {
    if (round == 0) {
      plan_bands(s);
      return;
    }
    int32_t top = band_top(s, round), end = min(top + VC_PILLOW_BAND, s.end), col = column();
#pragma unroll
    for (int32_t i = 0; i < VC_PILLOW_PIXELS; i++) {
      int32_t at = row(i), first = s.rows.first[at];
      int32_t from = max(first, top), to = min(first + s.rows.count[at], end);
      if (s.rows.count[at] <= 0 || s.cols.count[col] <= 0) continue;
      for (int32_t y = from; y < to; y++) {
        int32_t weight = s.rows.weights[s.rows.at[at] + y - first];
#pragma unroll
        for (int32_t c = 0; c < VC_CHANNELS_MAPPED; c++) {
          if (c < p.from_channels) mine.sums[i][c] += (int32_t)s.band[y - top][col][c] * weight;
        }
      }
    }
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const pillow_shared &s, own &mine) {
    tile at = locate_tile(p);
    int64_t col = (int64_t)at.col * VC_PILLOW_COLS + column();
#pragma unroll
    for (int32_t i = 0; i < VC_PILLOW_PIXELS; i++) {
      int64_t line = (int64_t)at.row * VC_PILLOW_ROWS + row(i);
      uint8_t bytes[VC_CHANNELS_MAPPED];
#pragma unroll
      for (int32_t c = 0; c < VC_CHANNELS_MAPPED; c++) bytes[c] = vc_pillow_byte(mine.sums[i][c]);
      write_pixel(p, s.of, at.image, line, col, s.fits ? bytes : nullptr);
    }
  }
};

#endif
