/* SPDX-License-Identifier: Apache-2.0 */
/* Pillow's filters of YUV images of samples of 8 or 10 bits. In each round, the block first makes
 * RGB of the part of the source rows that its tile needs, once, and keeps it in shared memory; then
 * both passes work as those of RGB images do. */
#ifndef VIEWCAST_KERNELS_PILLOW_YUV_CUH
#define VIEWCAST_KERNELS_PILLOW_YUV_CUH

#include "kernels/pillow.cuh"
#include "kernels/read_yuv.cuh"

/* The part of the source rows of which a round makes RGB. Shared memory has a row as three planes,
 * whose bytes are the pixels' R, G and B. */
struct pillow_part {
  /* Of the source: the first column of the first unit. It is up to VC_READ_COLS - 1 columns before
   * the first one that is needed, which may be before the image, but not before its plane. */
  int32_t first_col;
  int32_t units; /* of a row; 0: the tile shows no column */
  int32_t pitch; /* bytes of a row's plane, a multiple of VC_READ_COLS */
  int32_t rows;  /* of a round, an even number; 0: no two rows fit */
};

/* Rows lie behind the weights, in the same memory. */
struct pillow_yuv_shared : pillow_memory<VC_PILLOW_YUV_WORDS, VC_PILLOW_YUV_CHUNK> {
  pillow_part part;
};

/* Sums the products of the pixels of Rows rows, `apart` words from each other, and the weights of a
 * column. Planes of a row are `pitch` words apart. */
template <int Rows>
VC_DEVICE void filter_planes(const uint32_t *at, int32_t apart, int32_t pitch,
                             const uint32_t *weights, int32_t taps, uint32_t (&out)[Rows]) {
  byte_sums sums[Rows][3] = {};
#pragma unroll 2
  for (int32_t tap = 0; tap < taps; tap += 4, at++, weights += 3 * VC_TILE_COLS) {
    const uint32_t low = weights[0], middle = weights[VC_TILE_COLS];
    const uint32_t high = weights[2 * VC_TILE_COLS];
#pragma unroll
    for (int i = 0; i < 3 * Rows; i++) {
      uint32_t pixels = at[i / 3 * apart + i % 3 * pitch];
      byte_sums &sum = sums[i / 3][i % 3];
      sum.low = sum_products(pixels, low, sum.low);
      sum.middle = sum_products(pixels, middle, sum.middle);
      sum.high = sum_signed_products(pixels, high, sum.high);
    }
  }
#pragma unroll
  for (int i = 0; i < Rows; i++) {
    out[i] = 0;
#pragma unroll
    for (int c = 0; c < 3; c++) out[i] |= byte_of_sums(sums[i][c]) << (8 * c);
  }
}

struct resize_pillow_yuv : pillow_kernel<pillow_yuv_shared, 3> {
  typedef read_yuv<1> reader;
  typedef reader::unit unit;
  static const int UNIT = VC_READ_COLS;
  static_assert(VC_PILLOW_YUV_CHUNK % 2 == 0, "rows that share chroma are made together");

  struct own : sums_of_rows {
    int32_t offset; /* bytes from the start of a plane to the pixel of the first weight */
  };

  /* The weights of a column begin with a word of its row. */
  VC_DEVICE_MEMBER void begin(const vc_resizing &p, pillow_yuv_shared &s, own &o) {
    begin_sums(p, s, o, 3);
    if (threadIdx.x == 0) s.part.units = 0;
  }

  /* --- the part */

  /* Finds the part, except for the number of its rows, after the taps of all columns. */
  VC_DEVICE_MEMBER pillow_part find_part(const vc_resizing &p, const pillow_yuv_shared &s) {
    const vc_resized &image = s.at.image;
    const int64_t left = image.left - (int64_t)locate_tile(p).col * VC_TILE_COLS;
    const int64_t first = max(left, (int64_t)0);
    const int64_t last = min(left + image.placed_cols, (int64_t)VC_TILE_COLS) - 1;
    pillow_part out = {};
    if (first > last) return out;
    const int32_t start = (int32_t)s.taps[first].first;
    const int32_t end = (int32_t)(s.taps[last].first + s.taps[last].count);
    out.first_col = start - (s.at.chroma.left + start) % UNIT;
    out.units = (end - out.first_col + UNIT - 1) / UNIT;
    out.pitch = max(out.units * UNIT, (s.most_taps + UNIT - 1) / UNIT * UNIT);
    return out;
  }

  /* The words that weights take. */
  VC_DEVICE_MEMBER int32_t words_of_weights(const pillow_yuv_shared &s) {
    return words_of_cols(s) + s.row_taps * VC_PILLOW_ROWS;
  }

  VC_DEVICE_MEMBER int32_t rows_that_fit(const pillow_yuv_shared &s, int32_t pitch) {
    int32_t bytes = s.has_weights ? 4 * (s.WORDS - words_of_weights(s)) : 0;
    return min(bytes / (3 * pitch), (int32_t)s.CHUNK) / 2 * 2;
  }

  /* The part, and where the weights of the thread's column begin: at a word that has a pixel of its
   * first tap, or before that where they would reach beyond the row. */
  VC_DEVICE_MEMBER void begin_columns(const vc_resizing &p, pillow_yuv_shared &s, own &o) {
    const pillow_part part = find_part(p, s);
    const int32_t col = thread_col();
    int32_t word = ((int32_t)s.taps[col].first - part.first_col) / 4 * 4;
    o.shows = s.taps[col].count > 0;
    o.offset = min(word, part.pitch - s.most_taps);
    const int32_t start = part.first_col + o.offset;
    if (thread_row() == 0) s.starts[col] = start;
    if (s.has_weights) fill_col_weights(s, start);
    if (threadIdx.x != 0 || part.units == 0) return;
    s.part = part;
    s.part.rows = rows_that_fit(s, part.pitch);
  }

  /* --- the rounds. Round 0 finds the taps, then the part and the columns' weights. Each other
   * round makes RGB of a chunk of rows, while it adds the filtered rows of the round before, then
   * filters it. */

  VC_DEVICE_MEMBER int32_t rows_of_round(const pillow_yuv_shared &s) {
    return s.part.rows ? s.part.rows : s.CHUNK;
  }

  /* The first source row: one that begins a row of chroma, which may be the one before the
   * image. */
  VC_DEVICE_MEMBER int32_t first_row(const vc_resizing &p, const pillow_yuv_shared &s) {
    return s.first_row - ((s.at.chroma.top + s.first_row) & p.yuv.row_shift);
  }

  VC_DEVICE_MEMBER int32_t rounds(const vc_resizing &p, const pillow_yuv_shared &s) {
    if (s.part.units == 0 || s.end_row == 0) return 1;
    return 1 + (s.end_row - first_row(p, s) - 1) / rows_of_round(s) + 1;
  }

  VC_DEVICE_MEMBER int32_t chunk_start(const vc_resizing &p, const pillow_yuv_shared &s,
                                       int32_t round) {
    return first_row(p, s) + (round - 1) * rows_of_round(s);
  }

  VC_DEVICE_MEMBER int32_t chunk_end(const vc_resizing &p, const pillow_yuv_shared &s,
                                     int32_t round) {
    return min(chunk_start(p, s, round) + rows_of_round(s), s.end_row);
  }

  VC_DEVICE_MEMBER void load(const vc_resizing &p, pillow_yuv_shared &s, own &o, int32_t round) {
    if (round == 0) {
      find_tile_taps(p, s);
      return;
    }
    add_round(p, s, o, round - 1);
    if (s.part.rows == 0) return;
    int32_t start = chunk_start(p, s, round), end = chunk_end(p, s, round);
    if (p.yuv.bits == 8) {
      make_rows<uint8_t>(p, s, start, end);
    } else {
      make_rows<uint16_t>(p, s, start, end);
    }
  }

  VC_DEVICE_MEMBER void use(const vc_resizing &p, pillow_yuv_shared &s, own &o, int32_t round) {
    if (round == 0) {
      begin_columns(p, s, o);
      find_source_rows(p, s);
      return;
    }
    int32_t start = chunk_start(p, s, round), end = chunk_end(p, s, round);
    if (round == 1 || !s.has_weights) fill_row_weights(s, start);
    if (!o.shows) return;
    if (s.part.rows > 0) {
      filter_rows(s, o, start, end);
    } else {
      filter_each(p, s, start, end);
    }
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const pillow_yuv_shared &s, own &o) {
    add_round(p, s, o, rounds(p, s) - 1);
    write_rows(p, s, o);
  }

  /* The second pass of a round. */
  VC_DEVICE_MEMBER void add_round(const vc_resizing &p, const pillow_yuv_shared &s, own &o,
                                  int32_t round) {
    if (round > 0) add_rows(s, o, chunk_start(p, s, round), chunk_end(p, s, round));
  }

  /* --- RGB of a chunk */

  VC_DEVICE_MEMBER uint32_t *row_of(pillow_yuv_shared &s, int32_t row) {
    return s.weights + words_of_weights(s) + row * 3 * (s.part.pitch / 4);
  }

  /* Stores the pixels of a unit of row y. */
  VC_DEVICE_MEMBER void keep_row(uint32_t *at, int32_t pitch, const rgb_pixels<UNIT / 4> &pixels) {
#pragma unroll
    for (int c = 0; c < 3; c++) {
      store_pair(at + c * (pitch / 4), pixels.channels[c][0], pixels.channels[c][1]);
    }
  }

  /* Makes the pixels of rows `start` to `end`; threads take units in turn. */
  template <class Sample>
  VC_DEVICE_MEMBER void make_rows(const vc_resizing &p, pillow_yuv_shared &s, int32_t start,
                                  int32_t end) {
    const pillow_part part = s.part;
    const int32_t shift = p.yuv.row_shift, rows = (end - start + shift) >> shift;
    const int32_t thread = (int32_t)threadIdx.x, down = VC_BLOCK / part.units;
    int32_t row = thread / part.units, index = thread - row * part.units;
#pragma unroll 1
    while (row < rows) {
      unit of;
      of.row = start + (row << shift);
      of.rows = min(1 << shift, end - (int32_t)of.row);
      of.col[0] = part.first_col + index * UNIT;
      of.cols[0] = min((int32_t)UNIT, s.at.image.readable - (int32_t)of.col[0]);
      reader::make_pixels<Sample>(p, s.at, of);
      uint32_t *at = row_of(s, row << shift) + index * (UNIT / 4);
      keep_row(at, part.pitch, of.pixels[0]);
      if (of.rows > 1) keep_row(at + 3 * (part.pitch / 4), part.pitch, of.pixels[1]);
      row += down;
      index += VC_BLOCK - down * part.units;
      if (index >= part.units) index -= part.units, row++;
    }
  }

  /* --- the first pass */

  VC_DEVICE_MEMBER void filter_rows(pillow_yuv_shared &s, const own &o, int32_t start,
                                    int32_t end) {
    int32_t row = filter_all<VC_PILLOW_YUV_FILTERED>(s, o, thread_row(), end - start);
    filter_all<1>(s, o, row, end - start);
  }

  /* Filters the thread's rows of the chunk, Rows at a time; returns the first of those that are
   * left. */
  template <int Rows>
  VC_DEVICE_MEMBER int32_t filter_all(pillow_yuv_shared &s, const own &o, int32_t row,
                                      int32_t count) {
    const int32_t pitch = s.part.pitch / 4, apart = VC_TILE_ROWS * 3 * pitch;
#pragma unroll 1
    for (; row + (Rows - 1) * VC_TILE_ROWS < count; row += Rows * VC_TILE_ROWS) {
      uint32_t pixels[Rows];
      filter_planes<Rows>(row_of(s, row) + o.offset / 4, apart, pitch, s.weights + thread_col(),
                          s.most_taps, pixels);
#pragma unroll
      for (int i = 0; i < Rows; i++) {
        s.filtered[row + i * VC_TILE_ROWS][thread_col()] = pixels[i];
      }
    }
    return row;
  }

  /* Where shared memory has no space for the rows: a pixel is made for each tap. The row before the
   * image has no weight. */
  VC_DEVICE_MEMBER void filter_each(const vc_resizing &p, pillow_yuv_shared &s, int32_t start,
                                    int32_t end) {
#pragma unroll 1
    for (int32_t row = start + thread_row(); row < end; row += VC_TILE_ROWS) {
      s.filtered[row - start][thread_col()] = filter_samples(p, s, row, thread_col());
    }
  }
};

#endif
