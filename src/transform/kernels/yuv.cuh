/* SPDX-License-Identifier: Apache-2.0 */
/* YUV images of 8-bit samples as sources of linear kernels. */
#ifndef VIEWCAST_KERNELS_YUV_CUH
#define VIEWCAST_KERNELS_YUV_CUH

#include "kernels/linear.cuh"

/* Chroma is a plane of pairs (Planes is 2) or two planes (3). */
template <int Planes>
struct yuv_rows {
  static const int CHANNELS = 3;
  static const int PIXEL = 1;

  /* Rows are not held: they are converted where they are needed. */
  template <class Columns>
  struct held_rows {
    int32_t first;
  };

  /* A row of an image: where its Y, U and V begin, or Y and the pairs. */
  struct source_row {
    const uint8_t *y, *u, *v;
  };

  /* U and V of a pixel; where they lie in pairs, `u` is the pair. */
  struct chroma {
    uint32_t u, v;
  };

  /* What the chroma of a pixel adds to R, G and B. */
  struct colour {
    int64_t sums[3];
  };

  VC_DEVICE_MEMBER source_row find_row(const vc_resizing &p, const shown &s, int32_t row) {
    const vc_chroma &at = s.chroma;
    source_row out;
    row = min(max(row, 0), s.image.rows - 1);
    int64_t chroma_row = (at.top + row) >> p.yuv.row_shift;
    out.y = (const uint8_t *)s.image.data + row * s.image.row;
    out.u = (const uint8_t *)at.data[0] + chroma_row * at.row[0];
    out.v = (const uint8_t *)at.data[1] + chroma_row * at.row[1];
    if (Planes == 2 && p.yuv.pairs_swapped) out.u = out.v;
    return out;
  }

  VC_DEVICE_MEMBER chroma load_chroma(const source_row &row, uint32_t at) {
    chroma out = {0, 0};
    if constexpr (Planes == 2) {
      out.u = load_word((const uint16_t *)row.u + at);
    } else {
      out.u = load_word(row.u + at);
      out.v = load_word(row.v + at);
    }
    return out;
  }

  VC_DEVICE_MEMBER colour colour_of(const vc_resizing &p, const vc_yuv_sums &sums,
                                    const chroma &of) {
    uint32_t u = of.u, v = of.v;
    colour out;
    if constexpr (Planes == 2) {
      u = __byte_perm(of.u, 0, p.yuv.pairs_swapped ? 0x4441 : 0x4440);
      v = __byte_perm(of.u, 0, p.yuv.pairs_swapped ? 0x4440 : 0x4441);
    }
#pragma unroll
    for (int c = 0; c < 3; c++) out.sums[c] = vc_yuv_chroma_sum(&sums, c, u, v);
    return out;
  }

  /* The thread's pixels where each is one sample. */
  template <class Columns, int Count>
  VC_DEVICE_MEMBER void make_samples(const vc_resizing &p, const shown &s, int32_t row,
                                     const Columns &cols, uint32_t (&out)[Count][3]) {
    const vc_yuv_sums &sums = p.yuv_table.sums[s.chroma.rule];
    const source_row from = find_row(p, s, row);
    uint32_t y[Count], left = (uint32_t)s.chroma.left;
    chroma uv[Count];
#pragma unroll
    for (int i = 0; i < Count; i++) { /* all loads come first, so that they wait once */
      y[i] = load_word(from.y + cols.offset[i]);
      uv[i] = load_chroma(from, (left + cols.offset[i]) >> p.yuv.col_shift);
    }
#pragma unroll
    for (int i = 0; i < Count; i++) {
      const colour of = colour_of(p, sums, uv[i]);
#pragma unroll
      for (int c = 0; c < 3; c++) {
        int32_t value = vc_yuv_from_sums(&sums, max(y[i], sums.least), of.sums[c]);
        out[i][c] = pack_saturated(0, value) << 2;
      }
    }
  }

  /* Two pixels that are made of 2 x 2 samples each, from columns `at` on. */
  VC_DEVICE_MEMBER void make_two(const vc_resizing &p, const shown &s, const source_row (&rows)[2],
                                 uint32_t row_weights, const uint32_t (&at)[2],
                                 const uint32_t (&weights)[2], uint32_t (&out)[2][3]) {
    const vc_yuv_sums &sums = p.yuv_table.sums[s.chroma.rule];
    uint32_t y[2][4], next = s.image.cols > 1, left = (uint32_t)s.chroma.left;
    bool is_shared = rows[0].u == rows[1].u; /* the rows have one row of chroma */
    chroma uv[2][4];
#pragma unroll
    for (int k = 0; k < 8; k++) { /* sample k % 2 of row k / 2 % 2 of pixel k / 4 */
      uint32_t col = at[k / 4] + (k % 2 ? next : 0);
      const source_row &row = rows[k / 2 % 2];
      y[k / 4][k % 4] = load_word(row.y + col);
      uv[k / 4][k % 4] = load_chroma(row, (left + col) >> p.yuv.col_shift);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      uint32_t filtered[2][3];
      colour of[2];
#pragma unroll
      for (int row = 0; row < 2; row++) {
        if (row == 0 || !is_shared) {
          of[0] = colour_of(p, sums, uv[i][2 * row]);
          of[1] = colour_of(p, sums, uv[i][2 * row + 1]);
        }
        uint32_t a = max(y[i][2 * row], sums.least), b = max(y[i][2 * row + 1], sums.least);
#pragma unroll
        for (int c = 0; c < 3; c++) {
          uint32_t both = pack_saturated(vc_yuv_from_sums(&sums, b, of[1].sums[c]),
                                         vc_yuv_from_sums(&sums, a, of[0].sums[c]));
          filtered[row][c] = __dp2a_lo(weights[i], both, 0u) >> 4;
        }
      }
#pragma unroll
      for (int c = 0; c < 3; c++) {
        out[i][c] = weigh_rows(filtered[0][c], filtered[1][c], row_weights);
      }
    }
  }

  /* The thread's pixels, two at a time in one loop: more need too many registers. */
  template <class Columns, int Count>
  VC_DEVICE_MEMBER void make_means(const vc_resizing &p, const shown &s, const linear_pair &pair,
                                   const Columns &cols, uint32_t (&out)[Count][3]) {
    const source_row rows[2] = {find_row(p, s, pair.first), find_row(p, s, pair.first + 1)};
#pragma unroll 1
    for (int first = 0; first < Count; first += 2) {
      uint32_t at[2], weights[2], two[2][3];
#pragma unroll
      for (int i = 0; i < Count; i++) { /* an index that is not constant would cost memory */
        if (i / 2 * 2 != first) continue;
        at[i % 2] = cols.offset[i];
        weights[i % 2] = cols.weights[i];
      }
      make_two(p, s, rows, pair.weights, at, weights, two);
#pragma unroll
      for (int i = 0; i < 3 * Count; i++) {
        if (i / 6 * 2 == first) out[i / 3][i % 3] = two[i / 3 % 2][i % 3];
      }
    }
  }

  template <class Columns, int Count>
  VC_DEVICE_MEMBER void make(const vc_resizing &p, const shown &s, const linear_pair &pair,
                             const Columns &cols, held_rows<Columns> &, uint32_t (&out)[Count][3]) {
    uint32_t weights = pair.weights;
#pragma unroll
    for (int i = 0; i < Count; i++) weights |= cols.weights[i];
    if (weights >> 16 == 0) { /* the first samples then have all of it */
      make_samples(p, s, pair.first, cols, out);
    } else {
      make_means(p, s, pair, cols, out);
    }
  }
};

#endif
