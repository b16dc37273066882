/* SPDX-License-Identifier: Apache-2.0 */
/* VC_AREA of interleaved 8-bit pixels, where both axes shrink. A block makes VC_TILE_COLS columns
 * and some rows of an image of the result. It copies the source rows that these need into shared
 * memory, as many at a time as fit, in whole words that follow each other; sums the samples of
 * each column, a source row at a time, into shared memory; and adds these sums, weighted, to those
 * of the rows of the result. */
#ifndef VIEWCAST_KERNELS_AREA_CUH
#define VIEWCAST_KERNELS_AREA_CUH

#include "kernels/resize.cuh"
#include "kernels/staged.cuh"

/* The rules of INTER_AREA that this kernel has; others go pixel by pixel, as in resize_any. */
typedef enum area_means {
  AREA_OTHER,
  AREA_CELLS,  /* floating-point sums, of any scale */
  AREA_BLOCKS, /* means of whole blocks, rounded to even */
  AREA_HALVES  /* of 2 x 2 pixels, rounded half up */
} area_means;

/* Samples of a row or column of the tile. The first one weighs `head`, the last one `tail`, one
 * that is both `head`. */
struct area_span {
  int32_t first, count; /* no samples: the image does not show */
  float head, middle, tail;
};

struct area_shared {
  resize_shared of;
  area_means means;
  int32_t taps; /* weights of a column: the most samples of one, rounded up to a multiple of 4 */
  area_span cols[VC_TILE_COLS], rows[VC_AREA_ROWS];
  int32_t first_row, end_row; /* of the source: those that the tile needs */
  staged_rows staged;         /* no rows: nothing shows, or a row does not fit */
  /* Weight k of column i, at k * VC_TILE_COLS + i; for blocks four weights of 8 bits in a word,
   * those of samples 4 * k and the next. Weights of no sample are 0. The staged rows follow. */
  uint32_t memory[VC_AREA_WORDS];
  /* Sums of the channels of pixels of a source row. */
  float sums[VC_AREA_CHUNK][VC_CHANNELS_MAPPED][VC_TILE_COLS];
};

/* Returns the rule of the block's image. Blocks whose sum may not be exact in float, and columns of
 * more samples than there are weights for, are for AREA_OTHER. */
VC_DEVICE area_means find_means(const resize_shared &of) {
  const vc_resample_rule &rule = of.rule;
  bool blocks = rule.kind == VC_RESAMPLE_BLOCKS;
  bool halves = rule.kind == VC_RESAMPLE_LINEAR && rule.interpolation == VC_LINEAR;
  if (of.at.image.placed_rows == 0 || of.cols.scale > VC_AREA_TAPS - 2) return AREA_OTHER;
  if (blocks && (int64_t)rule.block_rows * rule.block_cols > (1 << 16)) return AREA_OTHER;
  if (rule.kind == VC_RESAMPLE_TAPS) return AREA_CELLS;
  return blocks ? AREA_BLOCKS : halves ? AREA_HALVES : AREA_OTHER;
}

/* Finds the samples of result d of an axis whose blocks have `block` samples. */
VC_DEVICE_CALL area_span find_span(const vc_axis_rule &axis, area_means means, int32_t block,
                                   int64_t d) {
  area_span out = {0, 0, 1, 1, 1};
  if (d < 0 || d >= axis.m || means == AREA_OTHER) return out;
  if (means == AREA_CELLS) {
    vc_axis_cell cell = vc_axis_area(axis.n, axis.scale, d);
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

/* --- the sums of a column of the tile in a staged row */

/* Adds the products of the bytes of four pixels and their weights to `sums`, in their order. With
 * x in the lowest byte, 2^23 + x is a float, and the fused product with w, less 2^23 * w, is
 * x * w, rounded once. */
template <int In>
VC_DEVICE void add_cells(const uint32_t (&packed)[In], const uint32_t *weights, float (&sums)[In]) {
#pragma unroll
  for (int k = 0; k < 4; k++) {
    float weight = __uint_as_float(weights[k * VC_TILE_COLS]), offset = weight * -8388608.0f;
#pragma unroll
    for (int c = 0; c < In; c++) {
      const int i = k * In + c;
      uint32_t bits = __byte_perm(packed[i / 4], 0x4b000000u, 0x7650 + i % 4);
      sums[c] += fmaf(__uint_as_float(bits), weight, offset);
    }
  }
}

/* Sums the samples of column `col` in source row `row`, the `index`-th of those that are staged. */
template <int In, bool Cells>
VC_DEVICE void sum_column(area_shared &s, int32_t row, int32_t index, int32_t col) {
  staged_pixels<In> pixels =
      staged_at<In>(s.of.at.image, s.staged, s.memory, row, index, s.cols[col].first);
  const uint32_t *weights = s.memory + col;
  float sums[In] = {};
  uint32_t blocks[In] = {};
#pragma unroll 1
  for (int32_t tap = 0; tap < s.taps; tap += 4) {
    uint32_t packed[In], channels[In];
    take_four<In>(pixels, packed);
    if constexpr (Cells) {
      add_cells<In>(packed, weights, sums);
      weights += 4 * VC_TILE_COLS;
    } else {
      split_channels(packed, channels);
#pragma unroll
      for (int c = 0; c < In; c++) blocks[c] = sum_products(channels[c], *weights, blocks[c]);
      weights += VC_TILE_COLS;
    }
  }
#pragma unroll
  for (int c = 0; c < In; c++) {
    s.sums[index][c][col] = Cells ? sums[c] : (float)(int32_t)blocks[c];
  }
}

/* --- the kernel. Thread row i makes rows i, i + VC_TILE_ROWS, … of the tile, so that the threads
 * share the work of a few source rows. */

struct resize_area {
  typedef vc_resizing parameters;
  typedef area_shared shared;
  static const int ROWS = VC_AREA_ROWS / VC_TILE_ROWS;

  struct own {
    float sums[ROWS][VC_CHANNELS_MAPPED];
  };

  VC_DEVICE_MEMBER int32_t thread_col() { return (int32_t)(threadIdx.x % VC_TILE_COLS); }
  VC_DEVICE_MEMBER int32_t thread_row() { return (int32_t)(threadIdx.x / VC_TILE_COLS); }

  /* The first row and column of the tile, in the resized image. */
  VC_DEVICE_MEMBER int64_t first_row(const vc_resizing &p, const area_shared &s) {
    return (int64_t)locate_tile(p).row * VC_TILE_ROWS * p.thread_rows - s.of.at.image.top;
  }
  VC_DEVICE_MEMBER int64_t first_col(const vc_resizing &p, const area_shared &s) {
    return (int64_t)locate_tile(p).col * VC_TILE_COLS - s.of.at.image.left;
  }

  VC_DEVICE_MEMBER void begin(const vc_resizing &p, area_shared &s, own &o) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
#pragma unroll
      for (int c = 0; c < VC_CHANNELS_MAPPED; c++) o.sums[i][c] = 0;
    }
    if (threadIdx.x != 0) return;
    find_rule(p, s.of);
    s.means = find_means(s.of);
    s.staged.rows = 0;
    if (s.means == AREA_OTHER) return;
    int32_t most = s.means == AREA_CELLS ? (int32_t)s.of.cols.scale + 2 : s.of.rule.block_cols;
    s.taps = (most + 3) / 4 * 4;
  }

  /* Round 0 finds the samples of all columns and rows, then weights and the part of the source.
   * Chunk k of its rows is staged in round k + 1, and summed in round k + 2. */
  VC_DEVICE_MEMBER int32_t rounds(const vc_resizing &, const area_shared &s) {
    int32_t rows = s.end_row - s.first_row;
    if (s.means == AREA_OTHER) return 0;
    return s.staged.rows > 0 ? 2 + (rows - 1) / s.staged.rows + 1 : 1;
  }

  VC_DEVICE_MEMBER int32_t chunk_start(const area_shared &s, int32_t chunk) {
    return s.first_row + chunk * s.staged.rows;
  }
  VC_DEVICE_MEMBER int32_t chunk_end(const area_shared &s, int32_t chunk) {
    return min(chunk_start(s, chunk) + s.staged.rows, s.end_row);
  }

  VC_DEVICE_MEMBER void load(const vc_resizing &p, area_shared &s, own &, int32_t round) {
    if (round == 0) find_spans(p, s);
    if (round < 2) return;
    switch (p.from_channels) {
      case 1: sum_rows<1>(s, round - 2); break;
      case 2: sum_rows<2>(s, round - 2); break;
      case 3: sum_rows<3>(s, round - 2); break;
      default: sum_rows<4>(s, round - 2); break;
    }
  }

  VC_DEVICE_MEMBER void use(const vc_resizing &p, area_shared &s, own &o, int32_t round) {
    if (round == 0) {
      if (threadIdx.x == 0) find_part(p, s);
      fill_weights(s);
      return;
    }
    if (round > 1) add_rows(p, s, o, round - 2);
    stage_rows(s.of.at.image, s.staged, p.from_channels, chunk_start(s, round - 1),
               chunk_end(s, round - 1), s.memory);
  }

  /* A thread each for a column or a row of the tile. */
  VC_DEVICE_MEMBER void find_spans(const vc_resizing &p, area_shared &s) {
    int32_t i = (int32_t)threadIdx.x, row = i - VC_TILE_COLS;
    const vc_resample_rule &rule = s.of.rule;
    if (i < VC_TILE_COLS) {
      s.cols[i] = find_span(s.of.cols, s.means, rule.block_cols, first_col(p, s) + i);
    } else if (row < VC_TILE_ROWS * p.thread_rows) {
      s.rows[row] = find_span(s.of.rows, s.means, rule.block_rows, first_row(p, s) + row);
    }
  }

  /* Finds the part of the source that the tile needs: samples ascend with the results, so that the
   * first and the last column, and row, that show bound it. */
  VC_DEVICE_MEMBER void find_part(const vc_resizing &p, area_shared &s) {
    const vc_resized &image = s.of.at.image;
    const shown_part cols = shown_of(first_col(p, s), VC_TILE_COLS, image.placed_cols);
    const shown_part rows =
        shown_of(first_row(p, s), VC_TILE_ROWS * p.thread_rows, image.placed_rows);
    if (cols.first > cols.last || rows.first > rows.last) return;
    s.first_row = s.rows[rows.first].first;
    s.end_row = s.rows[rows.last].first + s.rows[rows.last].count;
    s.staged.first = s.cols[cols.first].first;
    s.staged.end = s.cols[cols.last].first + s.cols[cols.last].count;
    s.staged.offset = s.taps * VC_TILE_COLS;
    fit_rows(s.staged, p.from_channels, VC_AREA_WORDS, VC_AREA_CHUNK, s.taps);
  }

  VC_DEVICE_MEMBER void fill_weights(area_shared &s) {
    bool cells = s.means == AREA_CELLS;
    int32_t count = s.taps * VC_TILE_COLS / (cells ? 1 : 4);
#pragma unroll 1
    for (int32_t i = (int32_t)threadIdx.x; i < count; i += VC_BLOCK) {
      const area_span &span = s.cols[i % VC_TILE_COLS];
      int32_t k = i / VC_TILE_COLS, samples = min(max(span.count - 4 * k, 0), 4);
      s.memory[i] = cells ? __float_as_uint(weight_in(span, k))
                          : (uint32_t)(0x0101010101 >> (8 * (5 - samples)));
    }
  }

  template <int In>
  VC_DEVICE_MEMBER void sum_rows(area_shared &s, int32_t chunk) {
    int32_t start = chunk_start(s, chunk), end = chunk_end(s, chunk), col = thread_col();
    if (s.cols[col].count == 0) return;
#pragma unroll 1
    for (int32_t row = start + thread_row(); row < end; row += VC_TILE_ROWS) {
      if (s.means == AREA_CELLS) {
        sum_column<In, true>(s, row, row - start, col);
      } else {
        sum_column<In, false>(s, row, row - start, col);
      }
    }
  }

  /* Adds the sums of a chunk's rows to those of the thread's pixels. */
  VC_DEVICE_MEMBER void add_rows(const vc_resizing &p, const area_shared &s, own &o,
                                 int32_t chunk) {
    int32_t start = chunk_start(s, chunk), end = chunk_end(s, chunk);
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      if (i >= p.thread_rows) break;
      const area_span &span = s.rows[thread_row() + i * VC_TILE_ROWS];
      int32_t last = min(span.first + span.count, end);
#pragma unroll 1
      for (int32_t row = max(span.first, start); row < last; row++) {
        float weight = weight_in(span, row - span.first);
#pragma unroll
        for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
          if (c >= p.from_channels) break;
          o.sums[i][c] += s.sums[row - start][c][thread_col()] * weight;
        }
      }
    }
  }

  VC_DEVICE_MEMBER uint32_t byte_of_sum(const area_shared &s, float sum) {
    if (s.means == AREA_CELLS) return u8_bits(sum);
    if (s.means == AREA_HALVES) return (uint32_t)((int32_t)sum + 2) >> 2;
    return vc_rule_mean(&s.of.rule, (int64_t)(int32_t)sum);
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const area_shared &s, own &o) {
    const vc_generic &g = p.generic;
    tile at = locate_tile(p);
    int64_t col = (int64_t)at.col * VC_TILE_COLS + thread_col();
    bool other = s.means == AREA_OTHER || s.staged.rows == 0;
    if (col >= g.cols) return;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      int32_t result = thread_row() + i * VC_TILE_ROWS;
      int64_t row = (int64_t)at.row * VC_TILE_ROWS * p.thread_rows + result;
      if (i >= p.thread_rows || row >= g.rows) break;
      if (other) {
        write_any(p, s.of, at.image, row, col);
        continue;
      }
      uint32_t pixel = 0;
#pragma unroll
      for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
        pixel |= byte_of_sum(s, o.sums[i][c]) << (8 * c);
      }
      bool inside = s.cols[thread_col()].count > 0 && s.rows[result].count > 0;
      write_bytes(p, pixel, inside, pixel_at(g, at.image, row, col));
    }
  }
};

#endif
