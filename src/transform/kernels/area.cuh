/* SPDX-License-Identifier: Apache-2.0 */
/* VC_AREA of packed 8-bit pixels, where both axes shrink. A thread makes a column of some
 * consecutive rows of the result, whose samples it reads four at a time. */
#ifndef VIEWCAST_KERNELS_AREA_CUH
#define VIEWCAST_KERNELS_AREA_CUH

#include "kernels/packed.cuh"

/* The rules of INTER_AREA. An image that keeps its size consists of blocks of one pixel. */
typedef enum area_means {
  AREA_LINEAR, /* an axis grows: pairs of samples, pixel by pixel as in resize_any */
  AREA_CELLS,  /* floating-point sums, of any scale */
  AREA_BLOCKS, /* means of whole blocks, rounded to even */
  AREA_HALVES  /* of 2 x 2 pixels, rounded half up */
} area_means;

/* The samples of a row or column of the tile. The first one weighs `head`, the last one `tail`. */
struct area_span {
  int32_t first, count; /* no samples: the image does not show */
  float head, middle, tail;
};

struct area_shared {
  resize_shared of;
  area_means means;
  int32_t taps; /* weights of a column: the most samples of one, rounded up to a multiple of 4 */
  bool has_weights; /* there are not too many, and the sum of a block fits into 32 bits */
  area_span cols[VC_TILE_COLS], rows[VC_AREA_ROWS];
  int32_t starts[VC_TILE_COLS]; /* of each column: the sample to which its first weight belongs */
  /* Weight k of column i, at k * VC_TILE_COLS + i; for blocks four weights of 8 bits in a word,
   * those of samples 4 * k and the next. Weights of no sample are 0. */
  uint32_t weights[VC_AREA_TAPS * VC_TILE_COLS];
};

VC_DEVICE area_means find_means(const vc_resample_rule &rule) {
  if (rule.kind == VC_RESAMPLE_TAPS) return AREA_CELLS;
  if (rule.kind != VC_RESAMPLE_LINEAR) return AREA_BLOCKS;
  return rule.interpolation == VC_LINEAR ? AREA_HALVES : AREA_LINEAR;
}

/* Finds the samples of result d of an axis of n samples and m results, whose blocks have `block`
 * samples. */
VC_DEVICE_CALL area_span find_span(int32_t n, int32_t m, double scale, area_means means,
                                   int32_t block, int64_t d) {
  area_span out = {0, 0, 1, 1, 1};
  if (d < 0 || d >= m) return out;
  if (means == AREA_CELLS) {
    vc_axis_cell cell = vc_axis_area(n, scale, d);
    out.first = (int32_t)cell.first;
    out.count = (int32_t)cell.count;
    out.head = vc_axis_area_weight(&cell, 0);
    out.middle = cell.middle;
    out.tail = vc_axis_area_weight(&cell, cell.count - 1);
  } else {
    out.first = (int32_t)d * block;
    out.count = block;
  }
  return out;
}

VC_DEVICE float weight_in(const area_span &span, int32_t i) {
  if (i < 0 || i >= span.count) return 0;
  return i == 0 ? span.head : i == span.count - 1 ? span.tail : span.middle;
}

/* --- the samples of a column of the tile in a row of the source */

/* Adds the products of the bytes of four pixels and their weights to `sums`, in their order. With
 * x in the lowest byte, 2^23 + x is a float, and the fused product with w, less 2^23 * w, is
 * x * w, rounded once. */
template <int In>
VC_DEVICE void add_four(const uint32_t (&packed)[In], const float (&weights)[4],
                        const float (&offsets)[4], float (&sums)[In]) {
#pragma unroll
  for (int k = 0; k < 4; k++) {
#pragma unroll
    for (int c = 0; c < In; c++) {
      const int i = k * In + c;
      uint32_t bits = __byte_perm(packed[i / 4], 0x4b000000u, 0x7650 + i % 4);
      sums[c] += fmaf(__uint_as_float(bits), weights[k], offsets[k]);
    }
  }
}

/* Sums the weighted samples of the column in Rows rows that are `pitch` bytes apart. */
template <int In, int Rows>
VC_DEVICE void sum_cells(const char *at, int64_t pitch, const uint32_t *weights, int32_t taps,
                         float (&sums)[Rows][In]) {
  packed_pixels<In> pixels[Rows];
#pragma unroll
  for (int i = 0; i < Rows; i++) {
    pixels[i] = packed_at<In>(at + i * pitch);
#pragma unroll
    for (int c = 0; c < In; c++) sums[i][c] = 0;
  }
#pragma unroll 1
  for (int32_t tap = 4; tap <= taps; tap += 4, weights += 4 * VC_TILE_COLS) {
    float four[4], offsets[4];
    uint32_t packed[Rows][In];
#pragma unroll
    for (int i = 0; i < Rows; i++) take_four<In>(pixels[i], tap < taps, packed[i]);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      four[k] = __uint_as_float(weights[k * VC_TILE_COLS]);
      offsets[k] = four[k] * -8388608.0f;
    }
#pragma unroll
    for (int i = 0; i < Rows; i++) add_four<In>(packed[i], four, offsets, sums[i]);
  }
}

/* Adds the samples of the column in Rows rows that are `pitch` bytes apart to `sums`. */
template <int In, int Rows>
VC_DEVICE void add_blocks(const char *at, int64_t pitch, const uint32_t *weights, int32_t taps,
                          uint32_t (&sums)[In]) {
  packed_pixels<In> pixels[Rows];
#pragma unroll
  for (int i = 0; i < Rows; i++) pixels[i] = packed_at<In>(at + i * pitch);
#pragma unroll 1
  for (int32_t tap = 4; tap <= taps; tap += 4, weights += VC_TILE_COLS) {
    uint32_t packed[Rows][In], channels[In];
#pragma unroll
    for (int i = 0; i < Rows; i++) take_four<In>(pixels[i], tap < taps, packed[i]);
#pragma unroll
    for (int i = 0; i < Rows; i++) {
      split_channels(packed[i], channels);
#pragma unroll
      for (int c = 0; c < In; c++) sums[c] = sum_products(channels[c], *weights, sums[c]);
    }
  }
}

/* --- the kernel */

struct resize_area {
  typedef vc_resizing parameters;
  typedef area_shared shared;
  struct own {};

  /* The sums of the last row of a result, which the next result needs again where cells share a
   * row. */
  template <int In>
  struct held_row {
    int32_t row;
    float sums[In];
  };

  VC_DEVICE_MEMBER int32_t thread_col() { return (int32_t)(threadIdx.x % VC_TILE_COLS); }
  VC_DEVICE_MEMBER int32_t tile_rows(const vc_resizing &p) { return VC_TILE_ROWS * p.thread_rows; }

  /* The place of the tile in the resized image. */
  VC_DEVICE_MEMBER int64_t first_row(const vc_resizing &p, const area_shared &s) {
    return (int64_t)locate_tile(p).row * tile_rows(p) - s.of.at.image.top;
  }
  VC_DEVICE_MEMBER int64_t first_col(const vc_resizing &p, const area_shared &s) {
    return (int64_t)locate_tile(p).col * VC_TILE_COLS - s.of.at.image.left;
  }

  VC_DEVICE_MEMBER void prepare(const vc_resizing &p, area_shared &s, own &) {
    load_box(p, s.of.at);
  }

  VC_DEVICE_MEMBER void begin(const vc_resizing &p, area_shared &s, own &) {
    if (threadIdx.x != 0) return;
    find_image(p, s.of.at);
    const shown &at = s.of.at;
    const vc_resized &image = at.image;
    bool same_size = image.rows == image.placed_rows && image.cols == image.placed_cols;
    s.of.rule = vc_rule_of_scales(p.interpolation, p.is_u8, p.from_channels, at.row_scale,
                                  at.col_scale, same_size);
    s.means = find_means(s.of.rule);
    if (s.means == AREA_LINEAR) {
      s.of.rows = vc_axis_rule_make(&s.of.rule, image.rows, image.placed_rows, false);
      s.of.cols = vc_axis_rule_make(&s.of.rule, image.cols, image.placed_cols, true);
      return;
    }
    int64_t pixels = (int64_t)s.of.rule.block_rows * s.of.rule.block_cols;
    int32_t most = s.means == AREA_CELLS ? (int32_t)at.col_scale + 2 : s.of.rule.block_cols;
    s.has_weights = most <= VC_AREA_TAPS && (s.means == AREA_CELLS || pixels <= 1 << 24);
    s.taps = (most + 3) / 4 * 4;
  }

  VC_DEVICE_MEMBER int32_t rounds(const vc_resizing &, const area_shared &s) {
    return s.means == AREA_LINEAR ? 0 : 1;
  }

  /* A thread each for a column or a row of the tile. */
  VC_DEVICE_MEMBER void load(const vc_resizing &p, area_shared &s, own &, int32_t) {
    int32_t i = (int32_t)threadIdx.x, row = i - VC_TILE_COLS;
    const vc_resample_rule &rule = s.of.rule;
    const shown &at = s.of.at;
    const vc_resized &image = at.image;
    if (i < VC_TILE_COLS) {
      s.cols[i] = find_span(image.cols, image.placed_cols, at.col_scale, s.means, rule.block_cols,
                            first_col(p, s) + i);
      /* Not that of its first sample where the weights would reach beyond the row. */
      int32_t last = image.cols - s.taps;
      s.starts[i] = last < 0 ? s.cols[i].first : min(s.cols[i].first, last);
    } else if (row < tile_rows(p)) {
      s.rows[row] = find_span(image.rows, image.placed_rows, at.row_scale, s.means, rule.block_rows,
                              first_row(p, s) + row);
    }
  }

  VC_DEVICE_MEMBER void use(const vc_resizing &, area_shared &s, own &, int32_t) {
    if (!s.has_weights) return;
    bool cells = s.means == AREA_CELLS;
    int32_t count = s.taps * VC_TILE_COLS / (cells ? 1 : 4);
#pragma unroll 1
    for (int32_t i = (int32_t)threadIdx.x; i < count; i += VC_BLOCK) {
      int32_t col = i % VC_TILE_COLS, k = i / VC_TILE_COLS * (cells ? 1 : 4);
      int32_t sample = k + s.starts[col] - s.cols[col].first;
      uint32_t weights = 0;
      if (cells) {
        weights = __float_as_uint(weight_in(s.cols[col], sample));
      } else {
        for (int32_t b = 0; b < 4; b++) {
          weights |= (uint32_t)(weight_in(s.cols[col], sample + b) > 0) << (8 * b);
        }
      }
      s.weights[i] = weights;
    }
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const area_shared &s, own &) {
    if (s.means == AREA_LINEAR) {
      make_rows<-1>(p, s);
      return;
    }
    switch (can_read_words(p, s) ? p.from_channels : 0) {
      case 1: make_rows<1>(p, s); break;
      case 2: make_rows<2>(p, s); break;
      case 3: make_rows<3>(p, s); break;
      case 4: make_rows<4>(p, s); break;
      default: make_rows<0>(p, s); break;
    }
  }

  /* Words may reach 3 bytes beyond the samples. */
  VC_DEVICE_MEMBER bool can_read_words(const vc_resizing &p, const area_shared &s) {
    const vc_resized &image = s.of.at.image;
    if (!s.has_weights) return false;
    int32_t end = s.starts[thread_col()] + s.taps + pixels_beyond(image, p.from_channels, 4);
    return end <= image.readable;
  }

  /* In: the channels of pixels that may be read in words, or 0; -1 for AREA_LINEAR. */
  template <int In>
  VC_DEVICE_MEMBER void make_rows(const vc_resizing &p, const area_shared &s) {
    const vc_generic &g = p.generic;
    tile at = locate_tile(p);
    int64_t col = (int64_t)at.col * VC_TILE_COLS + thread_col();
    int32_t start = (int32_t)(threadIdx.x / VC_TILE_COLS) * p.thread_rows;
    int64_t row = (int64_t)at.row * tile_rows(p) + start;
    if (col >= g.cols) return;
    held_row<(In > 0 ? In : 1)> held = {-1, {}};
#pragma unroll 1
    for (int32_t i = start; i < start + p.thread_rows && row < g.rows; i++, row++) {
      const area_span &cols = s.cols[thread_col()];
      bool inside = cols.count > 0 && s.rows[i].count > 0;
      uint32_t pixel = 0;
      if constexpr (In < 0) {
        inside = make_linear(p, s, row, col, &pixel);
      } else if constexpr (In == 0) {
        if (inside) pixel = make_bytes(p, s, s.rows[i], cols);
      } else {
        if (inside) pixel = make_area<In>(s, s.rows[i], held);
      }
      write_bytes(p, pixel, inside, pixel_at(g, at.image, row, col));
    }
  }

  /* --- byte by byte, in little code */

  VC_DEVICE_MEMBER int32_t sample(const vc_resizing &p, const area_shared &s, int32_t row,
                                  int32_t col, int32_t channel) {
    const vc_resized &image = s.of.at.image;
    int64_t offset = (int64_t)col * p.from_channels + channel;
    return load_word((const uint8_t *)image.data + row * image.row + offset);
  }

  VC_DEVICE_MEMBER float cell_sum(const vc_resizing &p, const area_shared &s, const area_span &rows,
                                  const area_span &cols, int32_t c) {
    float sum = 0;
#pragma unroll 1
    for (int32_t i = 0; i < rows.count; i++) {
      float row = 0;
#pragma unroll 1
      for (int32_t k = 0; k < cols.count; k++) {
        row += (float)sample(p, s, rows.first + i, cols.first + k, c) * weight_in(cols, k);
      }
      sum += row * weight_in(rows, i);
    }
    return sum;
  }

  VC_DEVICE_MEMBER int64_t block_sum(const vc_resizing &p, const area_shared &s,
                                     const area_span &rows, const area_span &cols, int32_t c) {
    int64_t sum = 0;
#pragma unroll 1
    for (int32_t i = 0; i < rows.count; i++) {
#pragma unroll 1
      for (int32_t k = 0; k < cols.count; k++) {
        sum += sample(p, s, rows.first + i, cols.first + k, c);
      }
    }
    return sum;
  }

  VC_DEVICE_MEMBER uint32_t make_bytes(const vc_resizing &p, const area_shared &s,
                                       const area_span &rows, const area_span &cols) {
    uint32_t out = 0;
#pragma unroll 1
    for (int32_t c = 0; c < p.from_channels; c++) {
      uint32_t byte = s.means == AREA_CELLS ? u8_bits(cell_sum(p, s, rows, cols, c))
                                            : byte_of_block(s, block_sum(p, s, rows, cols, c));
      out |= byte << (8 * c);
    }
    return out;
  }

  /* Makes the pixel in this row and column of the result, of an image an axis of which grows.
   * Returns false if it is pad. */
  VC_DEVICE_MEMBER bool make_linear(const vc_resizing &p, const area_shared &s, int64_t row,
                                    int64_t col, uint32_t *out) {
    vc_resized image = s.of.at.image;
    int64_t y = row - image.top, x = col - image.left;
    vc_axis_result rows = {}, cols = {};
    if (y < 0 || y >= image.placed_rows || x < 0 || x >= image.placed_cols) return false;
    vc_axis_take_pair(&s.of.rows, y, &rows);
    vc_axis_take_pair(&s.of.cols, x, &cols);
#pragma unroll 1
    for (int32_t c = 0; c < p.from_channels; c++, image.data++) {
      int32_t samples[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        int64_t from_row = vc_axis_clamp(rows.first + i / 2, image.rows);
        int64_t from_col = vc_axis_clamp(cols.first + i % 2, image.cols);
        samples[i] = load_word((const uint8_t *)sample_at(image, from_row, from_col));
      }
      *out |= (uint32_t)linear_byte(samples, rows, cols) << (8 * c);
    }
    return true;
  }

  /* --- pixels in words */

  VC_DEVICE_MEMBER uint32_t byte_of_block(const area_shared &s, int64_t sum) {
    return s.means == AREA_HALVES ? (uint32_t)(sum + 2) >> 2 : vc_rule_mean(&s.of.rule, sum);
  }

  template <int In>
  VC_DEVICE_MEMBER uint32_t make_area(const area_shared &s, const area_span &rows,
                                      held_row<In> &held) {
    const vc_resized &image = s.of.at.image;
    int64_t offset = (int64_t)s.starts[thread_col()] * In;
    const char *at = image.data + rows.first * image.row + offset;
    const uint32_t *weights = s.weights + thread_col();
    if (s.means == AREA_CELLS) return make_cell<In>(s, rows, at, weights, held);
    uint32_t sums[In] = {}, out = 0;
    int32_t left = rows.count;
#pragma unroll 1
    for (; left >= 3; left -= 3, at += 3 * image.row) {
      add_blocks<In, 3>(at, image.row, weights, s.taps, sums);
    }
    if (left == 2) add_blocks<In, 2>(at, image.row, weights, s.taps, sums);
    if (left == 1) add_blocks<In, 1>(at, image.row, weights, s.taps, sums);
#pragma unroll
    for (int c = 0; c < In; c++) out |= byte_of_block(s, sums[c]) << (8 * c);
    return out;
  }

  template <int In>
  VC_DEVICE_MEMBER uint32_t make_cell(const area_shared &s, const area_span &rows, const char *at,
                                      const uint32_t *weights, held_row<In> &held) {
    int64_t pitch = s.of.at.image.row;
    float sums[In] = {}, some[2][In], one[1][In];
    int32_t i = 0;
    uint32_t out = 0;
    if (held.row == rows.first) add_row<In>(held.sums, rows.head, sums, held), i++;
#pragma unroll 1
    for (; i + 1 < rows.count; i += 2) {
      sum_cells<In, 2>(at + i * pitch, pitch, weights, s.taps, some);
      add_row<In>(some[0], i == 0 ? rows.head : rows.middle, sums, held);
      add_row<In>(some[1], i + 2 == rows.count ? rows.tail : rows.middle, sums, held);
    }
    if (i < rows.count) {
      sum_cells<In, 1>(at + i * pitch, pitch, weights, s.taps, one);
      add_row<In>(one[0], weight_in(rows, i), sums, held);
    }
    held.row = rows.first + rows.count - 1;
#pragma unroll
    for (int c = 0; c < In; c++) out |= (uint32_t)u8_bits(sums[c]) << (8 * c);
    return out;
  }

  /* Adds a row to the sums of a result, and holds it. */
  template <int In>
  VC_DEVICE_MEMBER void add_row(const float (&row)[In], float weight, float (&sums)[In],
                                held_row<In> &held) {
#pragma unroll
    for (int c = 0; c < In; c++) {
      sums[c] += row[c] * weight;
      held.sums[c] = row[c];
    }
  }
};

#endif
