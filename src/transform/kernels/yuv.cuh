/* SPDX-License-Identifier: Apache-2.0 */
/* VC_LINEAR and VC_NEAREST of YUV images, to RGB: samples of 8 bits (Sample is uint8_t), or of 10
 * bits. The type of the result is known at run time only: its code is little beside that of the
 * conversion. */
#ifndef VIEWCAST_KERNELS_YUV_CUH
#define VIEWCAST_KERNELS_YUV_CUH

#include "kernels/linear.cuh"
#include "kernels/rgb.cuh"

/* --- samples and their sums */

template <class Sample>
struct yuv_source {
  static const bool WIDE = sizeof(Sample) > 1;

  /* A row of an image: where its Y, U and V begin. */
  struct row {
    const char *y, *u, *v;
  };

  /* U and V of a pixel. */
  struct chroma {
    uint32_t u, v;
  };

  /* What the chroma of a pixel adds to R, G and B. */
  struct colour {
    uint64_t sums[3];
  };

  VC_DEVICE_MEMBER row find_row(const vc_resizing &p, const shown &s, int32_t index) {
    const vc_chroma &at = s.chroma;
    row out;
    index = min(max(index, 0), s.image.rows - 1);
    int64_t chroma_row = (at.top + index) >> p.yuv.row_shift;
    out.y = s.image.data + index * s.image.row;
    out.u = at.data[0] + chroma_row * at.row[0];
    out.v = at.data[1] + chroma_row * at.row[1];
    return out;
  }

  /* Returns a sample from its bits, as vc_yuv_sums takes it. */
  VC_DEVICE_MEMBER uint32_t scaled(const vc_resizing &p, uint32_t bits) {
    return WIDE ? yuv_sample(p.yuv, bits) : bits << VC_YUV_SCALE_BITS(false);
  }

  VC_DEVICE_MEMBER uint32_t load_sample(const vc_resizing &p, const char *from, uint32_t offset) {
    return scaled(p, load_number((const Sample *)(from + offset)));
  }

  VC_DEVICE_MEMBER uint32_t load_luma(const vc_resizing &p, const row &from, uint32_t col) {
    return load_sample(p, from.y, col * (uint32_t)sizeof(Sample));
  }

  VC_DEVICE_MEMBER chroma load_chroma(const vc_resizing &p, const row &from, uint32_t col) {
    uint32_t offset = col * p.yuv.chroma_col;
    return {load_sample(p, from.u, offset), load_sample(p, from.v, offset)};
  }

  VC_DEVICE_MEMBER colour colour_of(const vc_yuv_sums &sums, const chroma &of) {
    colour out;
#pragma unroll
    for (int c = 0; c < 3; c++) out.sums[c] = vc_yuv_chroma_sum(&sums, c, of.u, of.v, WIDE);
    return out;
  }

  VC_DEVICE_MEMBER int32_t channel_of(const vc_yuv_sums &sums, uint32_t y, const colour &of,
                                      int c) {
    return vc_yuv_from_sums(&sums, c, max(y, sums.least), of.sums[c], WIDE);
  }
};

/* --- the kernel. A thread makes four pixels of some consecutive rows, as threads of resize_linear
 * do: pairs that are adjacent, or half a tile apart. */

/* What the threads of a block share: the image, and both axes of the tile. */
template <class Sample>
struct yuv_shared {
  enum { COLS = 4 * VC_TILE_COLS };
  struct tile_row {
    linear_pair pair;
    typename yuv_source<Sample>::row from[2];
  };
  shown at;
  tile_row rows[VC_TILE_ROWS * VC_LINEAR_ROWS];
  linear_pair cols[COLS];
};

template <class Sample>
struct resize_yuv {
  typedef yuv_source<Sample> source;
  typedef vc_resizing parameters;
  typedef yuv_shared<Sample> shared;
  typedef typename shared::tile_row tile_row;
  static const int COLS = shared::COLS;
  struct own {};

  /* The thread's columns in the tile: `first`, the next one, and those `apart` columns further.
   * Byte x of `inside` is set if column x shows the image. */
  struct columns {
    int32_t first, apart;
    uint32_t inside, weights; /* of all columns, joined by or */
  };

  VC_DEVICE_MEMBER void prepare(const vc_resizing &p, shared &s, own &) { load_box(p, s.at); }

  VC_DEVICE_MEMBER void begin(const vc_resizing &p, shared &s, own &) {
    if (threadIdx.x == 0) find_image(p, s.at);
  }

  VC_DEVICE_MEMBER int32_t rounds(const vc_resizing &, const shared &) { return 1; }

  /* The axes of the tile: each is computed once. */
  VC_DEVICE_MEMBER void load(const vc_resizing &p, shared &s, own &, int32_t) {
    const tile at = locate_tile(p);
    int32_t rows = VC_TILE_ROWS * p.thread_rows, i = (int32_t)threadIdx.x;
    if (i < rows) {
      tile_row &row = s.rows[i];
      row.pair = row_at(p, s.at, at.row * rows + i - s.at.image.top);
      if (row.pair.first != NO_ROW) { /* a box without a pixel has no chroma */
        row.from[0] = source::find_row(p, s.at, row.pair.first);
        row.from[1] = source::find_row(p, s.at, row.pair.first + (row.pair.weights >> 16 != 0));
      }
    }
#pragma unroll 1
    for (; i < COLS; i += VC_BLOCK) {
      int32_t x = at.col * COLS + i - s.at.image.left;
      bool inside = x >= 0 && x < s.at.image.placed_cols;
      s.cols[i] = column_at(p, s.at, inside ? x : 0);
    }
  }

  VC_DEVICE_MEMBER columns find_columns(const vc_resizing &p, const tile &at, const shared &s) {
    const int32_t thread = (int32_t)(threadIdx.x % VC_TILE_COLS);
    const bool bytes = p.work == VC_WORK_MOVE;
    columns out = {bytes ? 4 * thread : 2 * thread, bytes ? 2 : COLS / 2, 0, 0};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int32_t col = out.first + i / 2 * out.apart + i % 2;
      int32_t x = at.col * COLS + col - s.at.image.left;
      if (x >= 0 && x < s.at.image.placed_cols) out.inside |= 255u << (8 * i);
      out.weights |= s.cols[col].weights;
    }
    return out;
  }

  /* The thread's pixels where each is one sample. */
  VC_DEVICE_MEMBER rgb_pixels<1> make_samples(const vc_resizing &p, const shared &s,
                                              const tile_row &row, const columns &cols) {
    const vc_yuv_sums &sums = p.yuv_table.sums[s.at.chroma.rule];
    uint32_t y[4], left = (uint32_t)s.at.chroma.left;
    typename source::chroma uv[4];
    rgb_pixels<1> out;
#pragma unroll
    for (int i = 0; i < 4; i++) { /* all loads come first, so that they wait once */
      uint32_t col = (uint32_t)s.cols[cols.first + i / 2 * cols.apart + i % 2].first;
      y[i] = source::load_luma(p, row.from[0], col);
      uv[i] = source::load_chroma(p, row.from[0], (left + col) >> p.yuv.col_shift);
    }
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const typename source::colour first = source::colour_of(sums, uv[i]);
      const typename source::colour second = source::colour_of(sums, uv[i + 1]);
#pragma unroll
      for (int c = 0; c < 3; c++) {
        uint32_t both = pack_saturated(source::channel_of(sums, y[i + 1], second, c),
                                       source::channel_of(sums, y[i], first, c));
        out.channels[c][0] = i ? __byte_perm(out.channels[c][0], both, 0x5410) : both;
      }
    }
    return out;
  }

  /* Adds two pixels that are made of 2 x 2 samples each, from column `col` of the tile on, behind
   * two others. OneChroma: both rows have the same row of chroma. */
  template <bool OneChroma>
  VC_DEVICE_MEMBER void add_two(const vc_resizing &p, const shared &s, const tile_row &rows,
                                int32_t col, rgb_pixels<1> &out) {
    const vc_yuv_sums &sums = p.yuv_table.sums[s.at.chroma.rule];
    const linear_pair cols[2] = {s.cols[col], s.cols[col + 1]};
    uint32_t y[2][4], next = s.at.image.cols > 1, left = (uint32_t)s.at.chroma.left;
    typename source::chroma uv[2][4];
#pragma unroll
    for (int k = 0; k < 8; k++) { /* sample k % 2 of row k / 2 % 2 of pixel k / 4 */
      uint32_t at = (uint32_t)cols[k / 4].first + (k % 2 ? next : 0);
      const typename source::row &row = rows.from[k / 2 % 2];
      y[k / 4][k % 4] = source::load_luma(p, row, at);
      if (OneChroma && k / 2 % 2) continue;
      uv[k / 4][k % 4] = source::load_chroma(p, row, (left + at) >> p.yuv.col_shift);
    }
    uint32_t made[2][3];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      uint32_t filtered[2][3];
      typename source::colour of[2];
#pragma unroll
      for (int row = 0; row < 2; row++) {
        if (row == 0 || !OneChroma) {
          of[0] = source::colour_of(sums, uv[i][2 * row]);
          of[1] = source::colour_of(sums, uv[i][2 * row + 1]);
        }
#pragma unroll
        for (int c = 0; c < 3; c++) {
          uint32_t both = pack_saturated(source::channel_of(sums, y[i][2 * row + 1], of[1], c),
                                         source::channel_of(sums, y[i][2 * row], of[0], c));
          filtered[row][c] = __dp2a_lo(cols[i].weights, both, 0u) >> 4;
        }
      }
#pragma unroll
      for (int c = 0; c < 3; c++) {
        made[i][c] = weigh_rows(filtered[0][c], filtered[1][c], rows.pair.weights);
      }
    }
#pragma unroll
    for (int c = 0; c < 3; c++) {
      uint32_t both = (made[0][c] >> 2 & 255) | (made[1][c] << 6 & 0xff00);
      out.channels[c][0] = __byte_perm(out.channels[c][0], both, 0x5432);
    }
  }

  VC_DEVICE_MEMBER rgb_pixels<1> make_means(const vc_resizing &p, const shared &s,
                                            const tile_row &row, const columns &cols) {
    rgb_pixels<1> out = {};
    bool one_chroma = row.from[0].u == row.from[1].u;
#pragma unroll 1
    for (int32_t i = 0; i < 2; i++) { /* four pixels at once need too many registers */
      int32_t col = cols.first + i * cols.apart;
      if (one_chroma) {
        add_two<true>(p, s, row, col, out);
      } else {
        add_two<false>(p, s, row, col, out);
      }
    }
    return out;
  }

  /* Makes the thread's pixels of a row; pad where they do not show the image. */
  VC_DEVICE_MEMBER rgb_pixels<1> make_row(const vc_resizing &p, const shared &s,
                                          const tile_row &row, const columns &cols) {
    rgb_pixels<1> out = {};
    uint32_t inside = row.pair.first == NO_ROW ? 0 : cols.inside;
    if (inside && (row.pair.weights | cols.weights) >> 16 == 0) {
      out = make_samples(p, s, row, cols); /* the first samples have all weight */
    } else if (inside) {
      out = make_means(p, s, row, cols);
    }
#pragma unroll
    for (int c = 0; c < 3; c++) {
      uint32_t pad = (uint32_t)p.pad[c] * 0x01010101u;
      out.channels[c][0] = (out.channels[c][0] & inside) | (pad & ~inside);
    }
    return out;
  }

  /* Writes the thread's pixels of a row of the result. */
  VC_DEVICE_MEMBER void write_row(const vc_resizing &p, char *to, int64_t first, int32_t apart,
                                  rgb_pixels<1> pixels) {
    const vc_generic &g = p.generic;
    to += first * g.to_strides.col;
    int64_t left = g.cols - first;
    if (p.work == VC_WORK_MOVE) {
      write_pixels<raw1, 4>(p, to, (int32_t)min(left, (int64_t)4), pixels);
      return;
    }
#pragma unroll 1
    for (int i = 0; i < 2 && left > 0; i++, left -= apart, to += apart * g.to_strides.col) {
      write_floats<2>(p, to, (int32_t)min(left, (int64_t)2), pixels);
#pragma unroll
      for (int c = 0; c < 3; c++) pixels.channels[c][0] >>= 16;
    }
  }

  VC_DEVICE_MEMBER void use(const vc_resizing &p, shared &s, own &, int32_t) {
    const vc_generic &g = p.generic;
    const tile at = locate_tile(p);
    const columns cols = find_columns(p, at, s);
    int32_t first = (int32_t)(threadIdx.x / VC_TILE_COLS) * p.thread_rows;
    int64_t row = (int64_t)at.row * VC_TILE_ROWS * p.thread_rows + first;
    int64_t col = (int64_t)at.col * COLS + cols.first;
    int32_t count = col < g.cols ? (int32_t)min((int64_t)p.thread_rows, g.rows - row) : 0;
    char *to = g.to + at.image * g.to_strides.image + row * g.to_strides.row;
#pragma unroll 1
    for (int32_t i = 0; i < count; i++, to += g.to_strides.row) {
      write_row(p, to, col, cols.apart, make_row(p, s, s.rows[first + i], cols));
    }
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &, const shared &, own &) {}
};

#endif
