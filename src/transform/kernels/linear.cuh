/* SPDX-License-Identifier: Apache-2.0 */
/* VC_LINEAR and VC_NEAREST of interleaved 8-bit pixels. A thread makes a few pixels of some
 * consecutive rows: it keeps the last two source rows that it has filtered horizontally, which
 * the next row needs again where an image is enlarged. */
#ifndef VIEWCAST_KERNELS_LINEAR_CUH
#define VIEWCAST_KERNELS_LINEAR_CUH

#include "kernels/fast.cuh"
#include "kernels/resize.cuh"

/* --- two neighbouring pixels of a row of samples */

/* The channels of both: byte c of the first and of the second as the lower and upper byte of
 * pairs[c / 2], from bit 16 * (c % 2) on. */
template <int In>
struct pixel_pair {
  uint32_t pairs[(In + 1) / 2];
};

template <int In>
VC_DEVICE pixel_pair<In> pair_of_bytes(const uint8_t *first, const uint8_t *second) {
  uint64_t all = 0;
#pragma unroll 1
  for (int c = 0; c < In; c++) {
    uint32_t pair = (uint32_t)load_word(first + c) | (uint32_t)load_word(second + c) << 8;
    all |= (uint64_t)pair << (16 * c);
  }
  pixel_pair<In> out;
  out.pairs[0] = (uint32_t)all;
  if constexpr (In > 2) out.pairs[1] = (uint32_t)(all >> 32);
  return out;
}

/* Load both pixels from `offset` bytes after an aligned address, in those aligned words that hold
 * a byte of them. A funnel shift takes the shift modulo 32. */
VC_DEVICE const uint32_t *word_at(const char *aligned, uint32_t offset) {
  return (const uint32_t *)(aligned + (offset & ~3u));
}

VC_DEVICE pixel_pair<1> pair_of_words(const char *aligned, uint32_t offset, pixel_pair<1> *) {
  const uint32_t *words = word_at(aligned, offset);
  uint32_t low = load_word(words), high = (offset & 3) > 2 ? load_word(words + 1) : 0;
  return {{__funnelshift_r(low, high, offset * 8)}};
}

VC_DEVICE pixel_pair<3> pair_of_words(const char *aligned, uint32_t offset, pixel_pair<3> *) {
  const uint32_t *words = word_at(aligned, offset);
  uint32_t a = load_word(words), b = load_word(words + 1),
           c = (offset & 3) > 2 ? load_word(words + 2) : 0;
  uint32_t low = __funnelshift_r(a, b, offset * 8), high = __funnelshift_r(b, c, offset * 8);
  return {{__byte_perm(low, high, 0x4130), __byte_perm(low, high, 0x0052)}};
}

VC_DEVICE pixel_pair<4> pair_of_words(const char *aligned, uint32_t offset, pixel_pair<4> *) {
  const uint32_t *words = word_at(aligned, offset);
  uint32_t a = load_word(words), b = load_word(words + 1),
           c = (offset & 3) > 0 ? load_word(words + 2) : 0;
  uint32_t low = __funnelshift_r(a, b, offset * 8), high = __funnelshift_r(b, c, offset * 8);
  return {{__byte_perm(low, high, 0x5140), __byte_perm(low, high, 0x7362)}};
}

/* The sum p0 * w0 + p1 * w1 of channel c, less its last four bits, which have no weight, plus 2^23:
 * as the bits of a float these are the integer's own behind an exponent, so that no conversion is
 * needed. */
#define VC_LINEAR_OFFSET 8388608.0f
template <int In>
VC_DEVICE float weigh_pair(const pixel_pair<In> &pair, uint32_t weights, int c) {
  const uint32_t offset = 0x4b000000u; /* its bits */
  uint32_t sum = c % 2 ? __dp2a_hi(weights, pair.pairs[c / 2], offset)
                       : __dp2a_lo(weights, pair.pairs[c / 2], offset);
  return __uint_as_float(sum & ~15u);
}

/* --- the axes */

/* Both 11-bit weights of a pair as 16-bit halves. VC_NEAREST gives all weight to the first
 * sample, which the arithmetic then returns unchanged. */
VC_DEVICE uint32_t weights_of(const vc_axis_pair &pair) {
  return (uint32_t)vc_axis_weight_of_first(pair.weight) |
         (uint32_t)vc_axis_weight_of_next(pair.weight) << 16;
}

VC_DEVICE vc_axis_pair pair_at(const vc_resizing &p, int32_t n, double scale, int32_t d) {
  if (p.interpolation != VC_NEAREST) return vc_axis_linear(scale, d);
  vc_axis_pair pair = {vc_axis_nearest(n, scale, d), 0};
  return pair;
}

/* A row or a column of the result: its first sample, and both weights. */
struct linear_pair {
  int32_t first;
  uint32_t weights;
};

/* A row, where the two rows of the source begin (beyond the image are those at its edge), and
 * factors of a filtered row. Of a row outside of the image the first sample is NO_ROW. */
struct linear_row : linear_pair {
  const char *upper, *lower;
  float upper_factor, lower_factor, base;
};

enum { NO_ROW = INT32_MIN };

VC_DEVICE const char *row_of(const vc_resized &image, int32_t row) {
  return image.data + min(max(row, 0), image.rows - 1) * image.row;
}

/* In the last column the sample before it is the first one, with weight 0, so that both samples
 * lie in the image if it has two columns. */
VC_DEVICE linear_pair column_at(const vc_resizing &p, const shown &at, int32_t d) {
  int32_t n = at.image.cols;
  vc_axis_pair pair = vc_axis_at_edge(pair_at(p, n, at.col_scale, d), n);
  linear_pair out = {(int32_t)pair.first, weights_of(pair)};
  if (out.first < n - 1 || n < 2) return out;
  out.first--;
  out.weights <<= 16;
  return out;
}

/* Rows of sums are weighed in floats. A sum is 16 * s + 2^23, where s is what OpenCV has, and a
 * factor w / 2^20, so that their product is s * w / 2^16 + 8 * w. Added to a number of
 * 2^23 ... 2^24 and rounded down, it adds the integer part of s * w / 2^16, which counts, and
 * 8 * w, of which `base` is free. What remains are VC_LINEAR_BASE, the half that rounds, and the
 * result times 4. */
#define VC_LINEAR_BASE 12582912.0f

VC_DEVICE linear_row row_at(const vc_resizing &p, const shown &at, int32_t d) {
  linear_row out = {{NO_ROW, 0}, nullptr, nullptr, 0, 0, 0};
  if (d < 0 || d >= at.image.placed_rows) return out;
  vc_axis_pair pair = pair_at(p, at.image.rows, at.row_scale, d);
  out.first = (int32_t)pair.first;
  out.weights = weights_of(pair);
  out.upper = row_of(at.image, out.first);
  out.lower = row_of(at.image, out.first + 1);
  int32_t upper = (int32_t)(out.weights & 0xffff), lower = (int32_t)(out.weights >> 16);
  out.upper_factor = (float)upper * 0x1p-20f;
  out.lower_factor = (float)lower * 0x1p-20f;
  out.base = VC_LINEAR_BASE + (float)(2 - 8 * (upper + lower));
  return out;
}

/* Returns an element of the source times 4, whose last two bits have no meaning, from two rows that
 * were filtered horizontally. Both products have 27 bits at most, of which the upper halves count;
 * one instruction adds these and the half that rounds. */
VC_DEVICE uint32_t weigh_rows(uint32_t upper, uint32_t lower, uint32_t weights) {
  upper *= weights & 0xffff;
  lower *= weights >> 16;
  return __dp2a_lo(__byte_perm(upper, lower, 0x7632), 0x0101u, 2u);
}

/* --- the kinds of sources: each has a function that makes the pixels of a thread in a row of the
 * result. The thread's columns are
 *   offset[i]   the first sample of column i, from the start of a row,
 *   weights[i]  of both samples. */

/* Interleaved pixels of In channels. */
template <int In>
struct packed_rows {
  static const int CHANNELS = In;
  static const int PIXEL = In; /* bytes from one pixel to the next */

  /* A row of samples, filtered horizontally. */
  template <class Columns>
  struct filtered {
    float of[Columns::COUNT][In];
  };

  /* Two rows that follow each other, from `first` on; the upper one alone, unless it holds
   * `both`. */
  template <class Columns>
  struct held_rows {
    int32_t first;
    bool both;
    filtered<Columns> upper, lower;
  };

  template <class Columns>
  VC_DEVICE_MEMBER void filter(const char *from, const Columns &cols, filtered<Columns> &out) {
    uint32_t shift = (uint32_t)((uintptr_t)from & 3);
#pragma unroll
    for (int i = 0; i < Columns::COUNT; i++) {
      uint32_t offset = cols.offset[i] + shift;
      const pixel_pair<In> pair = pair_of_words(from - shift, offset, (pixel_pair<In> *)nullptr);
#pragma unroll
      for (int c = 0; c < In; c++) out.of[i][c] = weigh_pair(pair, cols.weights[i], c);
    }
  }

  template <class Columns>
  VC_DEVICE_MEMBER void filter_bytes(const vc_resized &image, const char *from, const Columns &cols,
                                     filtered<Columns> &out) {
    int next = image.cols > 1 ? In : 0;
#pragma unroll
    for (int i = 0; i < Columns::COUNT; i++) {
      const uint8_t *first = (const uint8_t *)from + cols.offset[i];
      const pixel_pair<In> pair = pair_of_bytes<In>(first, first + next);
#pragma unroll
      for (int c = 0; c < In; c++) out.of[i][c] = weigh_pair(pair, cols.weights[i], c);
    }
  }

  template <class Columns, int Count>
  VC_DEVICE_MEMBER void make(const vc_resizing &, const shown &s, const linear_row &row,
                             const Columns &cols, held_rows<Columns> &held,
                             uint32_t (&out)[Count][In]) {
    hold(s.image, row, cols, held);
#pragma unroll
    for (int i = 0; i < Count * In; i++) {
      float sum = __fmaf_rz(held.upper.of[i / In][i % In], row.upper_factor, row.base);
      sum = __fmaf_rz(held.lower.of[i / In][i % In], row.lower_factor, sum);
      out[i / In][i % In] = __float_as_uint(sum);
    }
  }

  /* Makes `held` the rows of the source that `row` is made of. Where the weight of the lower one
   * is 0, as with whole odd factors and VC_NEAREST, it is not read. */
  template <class Columns>
  VC_DEVICE_MEMBER void hold(const vc_resized &image, const linear_row &row, const Columns &cols,
                             held_rows<Columns> &held) {
    bool both = row.weights >> 16 != 0, has_upper = row.first == held.first;
    if (has_upper && (held.both || !both)) return;
    bool follows = held.both && row.first == held.first + 1;
    held.first = row.first;
    held.both = both;
    if (follows) held.upper = held.lower;
    if (cols.in_bytes) {
      if (!has_upper && !follows) filter_bytes(image, row.upper, cols, held.upper);
      if (both) filter_bytes(image, row.lower, cols, held.lower);
    } else if (!both) {
      if (!follows) filter(row.upper, cols, held.upper);
    } else if (has_upper || follows) {
      filter(row.lower, cols, held.lower);
    } else {
      filter(row.upper, cols, held.upper);
      filter(row.lower, cols, held.lower);
    }
  }
};

/* What the threads of a block share: the image, and both axes of the tile. */
template <int Cols>
struct linear_shared {
  shown at;
  linear_row rows[VC_TILE_ROWS * VC_LINEAR_ROWS];
  linear_pair cols[Cols];
};

/* --- the kernel. Out: channels of interleaved pixels; 0 for planes. */

template <class To, class Rows, int Out>
struct resize_linear {
  typedef typename To::bits bits;
  static const int In = Rows::CHANNELS;
  static const int PIXELS = VC_LINEAR_PIXELS((int)sizeof(bits));
  static const int GROUPS = VC_LINEAR_GROUPS((int)sizeof(bits));
  static const int ALL = PIXELS * GROUPS;
  static const int EACH = Out ? Out : 1; /* adjacent elements of a pixel */
  static const int COLS = VC_TILE_COLS * ALL;

  typedef vc_resizing parameters;
  typedef linear_shared<COLS> shared;
  struct own {};

  /* The columns of a thread: the bytes from the start of a row to the first sample of each, and
   * its weights. Bit i of `inside`: column i shows the image. in_bytes: one of them has samples so
   * near to the end of their row that words would reach beyond it. */
  struct columns {
    static const int COUNT = ALL;
    uint32_t offset[ALL], weights[ALL], inside;
    bool in_bytes;
  };

  typedef typename Rows::template held_rows<columns> held_rows;

  VC_DEVICE_MEMBER void prepare(const vc_resizing &p, shared &s, own &) { load_box(p, s.at); }

  VC_DEVICE_MEMBER void begin(const vc_resizing &p, shared &s, own &) {
    if (threadIdx.x == 0) find_image(p, s.at);
  }

  VC_DEVICE_MEMBER int32_t rounds(const vc_resizing &, const shared &) { return 1; }

  /* The axes of the tile: each is computed once. */
  VC_DEVICE_MEMBER void load(const vc_resizing &p, shared &s, own &, int32_t) {
    tile at = locate_tile(p);
    int32_t rows = VC_TILE_ROWS * p.thread_rows, i = (int32_t)threadIdx.x;
    if (i < rows) s.rows[i] = row_at(p, s.at, at.row * rows + i - s.at.image.top);
#pragma unroll 1
    for (; i < COLS; i += VC_BLOCK) {
      int32_t x = at.col * COLS + i - s.at.image.left;
      bool inside = x >= 0 && x < s.at.image.placed_cols;
      s.cols[i] = column_at(p, s.at, inside ? x : 0);
    }
  }

  /* The place in the tile of column i of the thread. */
  VC_DEVICE_MEMBER int32_t place(int i) {
    int32_t first = i / PIXELS * VC_TILE_COLS + (int32_t)(threadIdx.x % VC_TILE_COLS);
    return first * PIXELS + i % PIXELS;
  }

  VC_DEVICE_MEMBER int32_t column(const tile &at, int i) { return at.col * COLS + place(i); }

  VC_DEVICE_MEMBER columns find_columns(const tile &at, const shared &s) {
    const vc_resized &image = s.at.image;
    columns out;
    uint64_t end = (uint64_t)(uintptr_t)image.data + (uint64_t)image.readable * In;
    int32_t beyond = (end | (uint64_t)image.row) % 4 == 0 ? 0 : (In + 2) / In;
    out.inside = 0;
    out.in_bytes = image.cols < 2;
#pragma unroll
    for (int i = 0; i < ALL; i++) {
      const linear_pair pair = s.cols[place(i)];
      int32_t x = column(at, i) - image.left;
      out.offset[i] = (uint32_t)pair.first * Rows::PIXEL;
      out.weights[i] = pair.weights;
      out.inside |= (uint32_t)(x >= 0 && x < image.placed_cols) << i;
      if (pair.first > image.readable - 2 - beyond) out.in_bytes = true;
    }
    return out;
  }

  /* --- rows of the result */

  /* Makes pixels of a row: elements of the source times 4, whose last two bits have no meaning.
   * Pad, unless the row shows the image. */
  VC_DEVICE_MEMBER void make_pixels(const vc_resizing &p, const shown &s, const linear_row &row,
                                    const columns &cols, held_rows &held,
                                    uint32_t (&out)[ALL][In]) {
    uint32_t inside = row.first != NO_ROW ? cols.inside : 0;
    if (inside) Rows::make(p, s, row, cols, held, out);
    if (inside == (1u << ALL) - 1) return;
#pragma unroll
    for (int i = 0; i < ALL * In; i++) {
      if (!(inside >> (i / In) & 1)) out[i / In][i % In] = (uint32_t)p.pad[i % In] * 4;
    }
  }

  /* Convert an element that make_pixels made. */
  template <class Stored>
  VC_DEVICE_MEMBER Stored converted(uint32_t x4, float, float, raw<Stored> *) {
    return (Stored)(x4 >> 2);
  }

  /* 2^23 + 4 * x is exact for a byte x, and this is faster than a conversion. */
  template <class Type>
  VC_DEVICE_MEMBER bits converted(uint32_t x4, float quarter_a, float b, Type *) {
    float x = __uint_as_float(select_bits(x4, 0x3fc, 0x4b000000u)) - 8388608.0f;
    return Type::store(fmaf(x, quarter_a, b));
  }

  /* The common case: all pixels of the thread, in words, and all channels. The last of four may
   * be dropped. Planes are counted in the order of the source's channels. */
  VC_DEVICE_MEMBER void write_words(const vc_resizing &p, const tile &at, char *to,
                                    const uint32_t (&pixels)[ALL][In]) {
#pragma unroll
    for (int c = 0; c < In && Out == 0; c++) {
      if (c == 3 && p.generic.channels == 3) break;
#pragma unroll
      for (int group = 0; group < GROUPS; group++) {
        bits y[PIXELS];
#pragma unroll
        for (int i = 0; i < PIXELS; i++) {
          y[i] = converted(pixels[group * PIXELS + i][c], p.a[c], p.b[c], (To *)nullptr);
        }
        store<VC_ACCESS_WORDS>(to + p.plane[c] + column(at, group * PIXELS) * (int)sizeof(bits), y);
      }
    }
#pragma unroll
    for (int group = 0; group < GROUPS && Out > 0; group++) {
      bits y[PIXELS * (Out ? Out : 1)];
#pragma unroll
      for (int i = 0; i < PIXELS * Out; i++) {
        const uint32_t (&pixel)[In] = pixels[group * PIXELS + i / EACH];
        int c = i % EACH;
        uint32_t x = In > 2 && p.swaps ? pixel[(c < 3 ? 2 - c : c) % In] : pixel[c % In];
        y[i] = converted(x, p.a[c], p.b[c], (To *)nullptr);
      }
      int64_t col = column(at, group * PIXELS);
      store<VC_ACCESS_WORDS>(to + col * Out * (int64_t)sizeof(bits), y);
    }
  }

  /* Element by element, in little code. */
  VC_DEVICE_MEMBER void write_elements(const vc_resizing &p, const tile &at, char *to,
                                       const uint32_t (&pixels)[ALL][In]) {
    uint32_t packed[ALL] = {};
#pragma unroll
    for (int i = 0; i < ALL * In; i++)
      packed[i / In] |= (pixels[i / In][i % In] >> 2 & 255) << (8 * (i % In));
#pragma unroll 1
    for (int c = 0; c < p.generic.channels; c++) {
      int source = In == 1 ? 0 : Out > 0 && p.swaps && c < 3 ? 2 - c : c;
      char *first = to + (Out > 0 ? c * (int64_t)sizeof(bits) : p.plane[c]);
#pragma unroll
      for (int i = 0; i < ALL; i++) {
        int64_t col = column(at, i);
        if (col >= p.generic.cols) break;
        bits y = converted((packed[i] >> (8 * source) & 255) * 4, p.a[c], p.b[c], (To *)nullptr);
        store_word((bits *)first + col * EACH, y);
      }
    }
  }

  /* Where each row is made of one row of the source, as by whole odd factors, a thread has few
   * loads under way at a time: asks the L2 cache for all of its rows. */
  VC_DEVICE_MEMBER void fetch_rows(const linear_row *rows, int32_t count, const columns &cols) {
    if (rows[0].weights >> 16 != 0) return;
#pragma unroll 1
    for (int32_t i = 0; i < count; i++) {
      if (rows[i].first == NO_ROW) continue;
#pragma unroll
      for (int k = 0; k < ALL; k += PIXELS) fetch_line(rows[i].upper + cols.offset[k]);
    }
  }

  VC_DEVICE_MEMBER void use(const vc_resizing &p, shared &s, own &, int32_t) {
    const vc_generic &g = p.generic;
    tile at = locate_tile(p);
    const columns cols = find_columns(at, s);
    int32_t first = (int32_t)(threadIdx.x / VC_TILE_COLS) * p.thread_rows;
    int64_t row = (int64_t)at.row * VC_TILE_ROWS * p.thread_rows + first;
    int32_t count = (int32_t)min((int64_t)p.thread_rows, g.rows - row);
    bool all = g.channels == In || (In == 4 && g.channels == 3);
    bool words = p.words && all && column(at, ALL - 1) < g.cols;
    char *to = g.to + at.image * g.to_strides.image + row * g.to_strides.row;
    held_rows held = {};
    held.first = NO_ROW;
    if (Rows::PIXEL == In && cols.inside) fetch_rows(s.rows + first, count, cols);
#pragma unroll 1
    for (int32_t i = 0; i < count; i++, to += g.to_strides.row) {
      uint32_t pixels[ALL][In];
      make_pixels(p, s.at, s.rows[first + i], cols, held, pixels);
      if (words) {
        write_words(p, at, to, pixels);
      } else {
        write_elements(p, at, to, pixels);
      }
    }
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &, const shared &, own &) {}
};

#endif
