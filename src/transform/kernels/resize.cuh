/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing as a part of a transform. A block makes a tile of one image of the result. */
#ifndef VIEWCAST_KERNELS_RESIZE_CUH
#define VIEWCAST_KERNELS_RESIZE_CUH

#include "kernels/fast.cuh"
#include "kernels/generic.cuh"
#include "kernels/phases.cuh"
#include "transform/geometry/placement.h"
#include "transform/geometry/rule.h"

/* --- the tile of a block */

struct tile {
  int64_t image;
  int32_t row, col; /* of the tile, counted in tiles */
};

VC_DEVICE tile locate_tile(const vc_resizing &p) {
  uint32_t index = blockIdx.x, rest = divide(index, p.by_col_tiles);
  tile out;
  out.col = (int32_t)(index - rest * p.by_col_tiles.divisor);
  uint32_t image = divide(rest, p.by_row_tiles);
  out.row = (int32_t)(rest - image * p.by_row_tiles.divisor);
  out.image = image;
  return out;
}

/* --- the image of a block */

VC_DEVICE vc_resized source_at(const vc_resizing &p, int64_t index) {
  if (p.generic.source == VC_SOURCE_TABLE) return p.table[index];
  if (p.generic.source == VC_SOURCE_MEMORY) return p.list[index];
  vc_resized out = p.image;
  out.data += index * p.from_image;
  return out;
}

VC_DEVICE double box_value(const vc_resizing &p, int64_t box, int32_t value) {
  const char *at = p.boxes + box * p.box_row + value * p.box_col;
  return double_from_bits(p.box_type, load_bits(at, p.box_size, p.boxes_aligned));
}

/* Fills *out with the part of an image that a box covers. Returns false if it has no pixel. */
VC_DEVICE bool take_box(const vc_resizing &p, int64_t box, vc_resized *out) {
  double index = p.box_names ? box_value(p, box, 0) : 0, xy[4];
  if (!(index > -1 && index < (double)p.sources)) return false;
  *out = source_at(p, (int64_t)index);
  for (int i = 0; i < 4; i++) xy[i] = box_value(p, box, i + (p.box_names ? 1 : 0));
  vc_crop crop;
  if (!vc_crop_from_box(xy[0], xy[1], xy[2], xy[3], out->rows, out->cols, &crop)) return false;
  out->data += crop.top * out->row + crop.left * out->col;
  out->rows = (int32_t)(crop.bottom - crop.top);
  out->cols = (int32_t)(crop.right - crop.left);
  vc_placement placed = vc_fit_place(&p.fit, out->rows, out->cols);
  if (placed.rows > INT32_MAX || placed.cols > INT32_MAX) return false;
  out->placed_rows = (int32_t)placed.rows;
  out->placed_cols = (int32_t)placed.cols;
  out->top = (int32_t)placed.top;
  out->left = (int32_t)placed.left;
  out->row_scale = vc_axis_scale(out->rows, out->placed_rows);
  out->col_scale = vc_axis_scale(out->cols, out->placed_cols);
  return true;
}

/* The image, and whether it is a box without a pixel, which shows nothing but pad. */
struct shown {
  vc_resized image;
  bool is_empty;
};

/* Finds the image of the block. One thread does this; the others need what it found. */
VC_DEVICE_CALL void find_image(const vc_resizing &p, shown &s) {
  int64_t index = locate_tile(p).image;
  s.is_empty = p.boxes && !take_box(p, index, &s.image);
  if (!p.boxes) s.image = source_at(p, index);
  if (!s.is_empty) return;
  s.image = vc_resized{};
  s.image.rows = s.image.cols = 1;
}

/* --- the rule of the block's image */

struct resize_shared {
  shown at;
  vc_resample_rule rule;
  vc_axis_rule rows, cols;
};

VC_DEVICE_CALL void find_rule(const vc_resizing &p, resize_shared &s) {
  if (threadIdx.x != 0) return;
  find_image(p, s.at);
  if (s.at.is_empty) return;
  const vc_resized &image = s.at.image;
  s.rule = vc_rule_make(p.interpolation, p.is_u8, p.from_channels, image.rows, image.placed_rows,
                        image.cols, image.placed_cols);
  s.rows = vc_axis_rule_make(&s.rule, image.rows, image.placed_rows, false);
  s.cols = vc_axis_rule_make(&s.rule, image.cols, image.placed_cols, true);
}

/* --- images of any kind, type and strides: a thread makes a pixel */

VC_DEVICE const char *sample_at(const vc_resized &image, int64_t row, int64_t col) {
  return image.data + vc_axis_clamp(row, image.rows) * image.row +
         vc_axis_clamp(col, image.cols) * image.col;
}

VC_DEVICE int32_t byte_at(const vc_resized &image, int64_t row, int64_t col) {
  return *(const uint8_t *)sample_at(image, row, col);
}

/* These return a resized element of 8 bits; `image` begins at its channel. */
VC_DEVICE uint8_t linear_byte(const vc_resized &image, const vc_axis_result &y,
                              const vc_axis_result &x) {
  int32_t sums[2];
  for (int i = 0; i < 2; i++) {
    sums[i] = (byte_at(image, y.first + i, x.first) * x.a +
               byte_at(image, y.first + i, x.first + 1) * x.b) >>
              4;
  }
  return (uint8_t)((((y.a * sums[0]) >> 16) + ((y.b * sums[1]) >> 16) + 2) >> 2);
}

VC_DEVICE uint8_t block_byte(const vc_resized &image, const vc_resample_rule &rule,
                             int32_t channels, const vc_axis_result &y, const vc_axis_result &x) {
  int32_t sum = 0;
  for (int32_t i = 0; i < rule.block_rows; i++) {
    for (int32_t k = 0; k < rule.block_cols; k++) sum += byte_at(image, y.first + i, x.first + k);
  }
  return vc_rule_mean(&rule, channels, sum);
}

VC_DEVICE_CALL uint8_t pillow_byte(const vc_resized &image, const resize_shared &s,
                                   const vc_axis_result &y, const vc_axis_result &x) {
  int32_t sum = 1 << (VC_PILLOW_BITS - 1);
  for (int64_t i = 0; i < y.count; i++) {
    int32_t row = 1 << (VC_PILLOW_BITS - 1);
    for (int64_t k = 0; k < x.count; k++) {
      row += byte_at(image, y.first + i, x.first + k) *
             vc_axis_pillow_weight(&s.cols.pillow, &x.taps, k);
    }
    sum += vc_pillow_byte(row) * vc_axis_pillow_weight(&s.rows.pillow, &y.taps, i);
  }
  return vc_pillow_byte(sum);
}

/* Load an element as a number of the type of the sums. */
VC_DEVICE void number_at(const vc_generic &g, const char *at, float *out) {
  *out = float_from_bits(g.from_type, load_bits(at, g.from_size, g.from_aligned));
}

VC_DEVICE void number_at(const vc_generic &g, const char *at, double *out) {
  *out = double_from_bits(g.from_type, load_bits(at, g.from_size, g.from_aligned));
}

template <class Number>
VC_DEVICE_CALL Number taps_number(const vc_generic &g, const vc_resized &image,
                                  const resize_shared &s, const vc_axis_result &y,
                                  const vc_axis_result &x) {
  Number sum = 0;
  for (int64_t i = 0; i < y.count; i++) {
    Number row = 0;
    for (int64_t k = 0; k < x.count; k++) {
      Number number;
      number_at(g, sample_at(image, y.first + i, x.first + k), &number);
      row += number * (Number)vc_axis_weight(&s.cols, &x, k);
    }
    sum += row * (Number)vc_axis_weight(&s.rows, &y, i);
  }
  return sum;
}

/* Returns the resized element of a channel, as bits of the source's type. */
VC_DEVICE_CALL uint64_t resized_bits(const vc_resizing &p, const resize_shared &s, int32_t channel,
                                     const vc_axis_result &y, const vc_axis_result &x) {
  const vc_generic &g = p.generic;
  vc_resized image = s.at.image;
  image.data += channel * image.channel;
  switch (s.rule.kind) {
    case VC_RESAMPLE_NEAREST:
      return load_bits(sample_at(image, y.first, x.first), g.from_size, g.from_aligned);
    case VC_RESAMPLE_LINEAR: return linear_byte(image, y, x);
    case VC_RESAMPLE_BLOCKS: return block_byte(image, s.rule, p.from_channels, y, x);
    case VC_RESAMPLE_PILLOW: return pillow_byte(image, s, y, x);
    default: break;
  }
  if (p.wide) return bits_from_double(g.from_type, taps_number<double>(g, image, s, y, x));
  return bits_from_float(g.from_type, taps_number<float>(g, image, s, y, x));
}

/* convert() for work that is known at run time only: a conversion is little beside a resize. */
VC_DEVICE uint64_t convert_any(const vc_resizing &p, uint64_t bits, int32_t channel) {
  const vc_generic &g = p.generic;
  const double *a = g.a + channel * g.stride, *b = g.b + channel * g.stride;
  switch (p.work) {
    case VC_WORK_MOVE: return bits;
    case VC_WORK_INTEGER: return convert<VC_WORK_INTEGER>(g, bits, a, b);
    case VC_WORK_FLOAT: return convert<VC_WORK_FLOAT>(g, bits, a, b);
    default: return convert<VC_WORK_DOUBLE>(g, bits, a, b);
  }
}

/* Writes a pixel of the result, if there is one at this place. `bytes` are its resized 8-bit
 * elements, or NULL: they are then computed here. */
VC_DEVICE void write_pixel(const vc_resizing &p, const resize_shared &s, int64_t index, int64_t row,
                           int64_t col, const uint8_t *bytes) {
  const vc_generic &g = p.generic;
  const vc_resized &image = s.at.image;
  if (col >= g.cols || row >= g.rows) return;
  int64_t y = row - image.top, x = col - image.left;
  bool inside = y >= 0 && y < image.placed_rows && x >= 0 && x < image.placed_cols;
  vc_axis_result rows, cols;
  if (inside && !bytes) {
    vc_axis_take(&s.rows, y, &rows);
    vc_axis_take(&s.cols, x, &cols);
  }
  const vc_strides &strides = g.to_strides;
  char *to = g.to + index * strides.image + row * strides.row + col * strides.col;
  for (int32_t c = 0; c < g.channels; c++) {
    int32_t source = g.map[c];
    uint64_t bits = g.fill;
    if (source != VC_CHANNEL_FILL) {
      if (!inside) {
        bits = p.pad[source];
      } else {
        bits = bytes ? bytes[source] : resized_bits(p, s, source, rows, cols);
      }
      bits = convert_any(p, bits, c);
    }
    store_bits(to + c * strides.channel, g.to_size, g.to_aligned, bits);
  }
}

struct resize_any : no_rounds<resize_shared> {
  VC_DEVICE_MEMBER void begin(const vc_resizing &p, resize_shared &s, own &) { find_rule(p, s); }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const resize_shared &s, own &) {
    tile at = locate_tile(p);
    int64_t col = (int64_t)at.col * VC_TILE_COLS + threadIdx.x % VC_TILE_COLS;
    int64_t row = (int64_t)at.row * VC_TILE_ROWS + threadIdx.x / VC_TILE_COLS;
    write_pixel(p, s, at.image, row, col, nullptr);
  }
};

/* --- VC_LINEAR and VC_NEAREST of interleaved 8-bit pixels: a thread makes some pixels of some
 * rows */

/* The channels of two neighbouring pixels: byte c of the first and of the second as the
 * lower and upper byte of pairs[c / 2], from bit 16 * (c % 2) on. */
template <int In>
struct pixel_pair {
  uint32_t pairs[(In + 1) / 2];
};

/* At the end of a row, which words would reach beyond. */
template <int In>
VC_DEVICE_CALL pixel_pair<In> pair_of_bytes(const uint8_t *first, const uint8_t *second) {
  pixel_pair<In> out = {};
#pragma unroll
  for (int c = 0; c < In; c++) {
    uint32_t pair = (uint32_t)load_word(first + c) | (uint32_t)load_word(second + c) << 8;
    out.pairs[c / 2] |= pair << (c % 2 * 16);
  }
  return out;
}

/* Load both pixels from any address, in those aligned words that hold a byte of them. */
VC_DEVICE pixel_pair<1> pair_of_words(const uint8_t *at, pixel_pair<1> *) {
  uint32_t shift = (uint32_t)((uintptr_t)at & 3);
  const uint32_t *words = (const uint32_t *)(at - shift);
  uint32_t low = load_word(words), high = shift > 2 ? load_word(words + 1) : 0;
  return {{__funnelshift_r(low, high, shift * 8)}};
}

VC_DEVICE pixel_pair<3> pair_of_words(const uint8_t *at, pixel_pair<3> *) {
  uint32_t shift = (uint32_t)((uintptr_t)at & 3);
  const uint32_t *words = (const uint32_t *)(at - shift);
  uint32_t a = load_word(words), b = load_word(words + 1), c = shift > 2 ? load_word(words + 2) : 0;
  uint32_t low = __funnelshift_r(a, b, shift * 8), high = __funnelshift_r(b, c, shift * 8);
  return {{__byte_perm(low, high, 0x4130), __byte_perm(low, high, 0x0052)}};
}

VC_DEVICE pixel_pair<4> pair_of_words(const uint8_t *at, pixel_pair<4> *) {
  uint32_t shift = (uint32_t)((uintptr_t)at & 3);
  const uint32_t *words = (const uint32_t *)(at - shift);
  uint32_t a = load_word(words), b = load_word(words + 1), c = shift ? load_word(words + 2) : 0;
  uint32_t low = __funnelshift_r(a, b, shift * 8), high = __funnelshift_r(b, c, shift * 8);
  return {{__byte_perm(low, high, 0x5140), __byte_perm(low, high, 0x7362)}};
}

/* A column of the result: its first sample, and both 11-bit weights as 16-bit halves. VC_NEAREST
 * gives all weight to the first sample, which the arithmetic then returns unchanged. */
struct linear_column {
  int32_t first;
  uint32_t weights;
  bool is_near_end; /* words would reach beyond the row */
};

template <int In>
VC_DEVICE linear_column column_of(const vc_resizing &p, const vc_resized &image, int32_t d) {
  vc_axis_pair pair = {0, 0};
  if (p.interpolation == VC_NEAREST) {
    pair.first = vc_axis_nearest(image.cols, image.col_scale, d);
  } else {
    pair = vc_axis_at_edge(vc_axis_linear(image.col_scale, d), image.cols);
  }
  linear_column out;
  out.first = (int32_t)pair.first;
  out.weights = (uint32_t)vc_axis_weight_of_first(pair.weight) |
                (uint32_t)vc_axis_weight_of_next(pair.weight) << 16;
  out.is_near_end = out.first > image.cols - (In == 1 ? 8 : 4);
  return out;
}

template <int In>
VC_DEVICE pixel_pair<In> load_pair(const char *row, const linear_column &col, int64_t n) {
  const uint8_t *first = (const uint8_t *)row + (int64_t)col.first * In;
  if (!col.is_near_end) return pair_of_words(first, (pixel_pair<In> *)nullptr);
  return pair_of_bytes<In>(first, col.first + 1 < n ? first + In : first);
}

/* (p0 * w0 + p1 * w1) >> 4 of channel c. */
template <int In>
VC_DEVICE uint32_t weigh_pair(const pixel_pair<In> &pair, uint32_t weights, int c) {
  uint32_t sum =
      c % 2 ? __dp2a_hi(weights, pair.pairs[c / 2], 0u) : __dp2a_lo(weights, pair.pairs[c / 2], 0u);
  return sum >> 4;
}

/* A row of the result: two rows of samples, and their weights in the upper halves. */
struct linear_row {
  const char *upper, *lower;
  uint32_t a, b;
};

VC_DEVICE linear_row row_of(const vc_resizing &p, const vc_resized &image, int32_t d) {
  vc_axis_pair pair = {0, 0};
  if (p.interpolation == VC_NEAREST) {
    pair.first = vc_axis_nearest(image.rows, image.row_scale, d);
  } else {
    pair = vc_axis_linear(image.row_scale, d);
  }
  linear_row out;
  out.upper = image.data + vc_axis_clamp(pair.first, image.rows) * image.row;
  out.lower = image.data + vc_axis_clamp(pair.first + 1, image.rows) * image.row;
  out.a = (uint32_t)vc_axis_weight_of_first(pair.weight) << 16;
  out.b = (uint32_t)vc_axis_weight_of_next(pair.weight) << 16;
  return out;
}

template <int In>
VC_DEVICE void linear_pixel(const linear_row &row, const linear_column &col, int64_t n,
                            uint8_t *out) {
  pixel_pair<In> upper = load_pair<In>(row.upper, col, n), lower = load_pair<In>(row.lower, col, n);
#pragma unroll
  for (int c = 0; c < In; c++) {
    uint32_t first = __umulhi(weigh_pair(upper, col.weights, c), row.a);
    uint32_t second = __umulhi(weigh_pair(lower, col.weights, c), row.b);
    out[c] = (uint8_t)((first + second + 2) >> 2);
  }
}

/* Out: channels of interleaved pixels; 0 for planes. */
template <class To, int In, int Out>
struct resize_linear : no_rounds<shown> {
  typedef typename To::bits bits;
  static const int PIXELS = VC_LINEAR_PIXELS((int)sizeof(bits));

  /* Without boxes each thread finds the image by itself, without waiting for the others. */
  VC_DEVICE_MEMBER void begin(const vc_resizing &p, shown &s, own &) {
    if (p.boxes && threadIdx.x == 0) find_image(p, s);
  }

  /* Returns channel c of the result of a pixel of the source. */
  VC_DEVICE_MEMBER bits value(const vc_resizing &p, const uint8_t *pixel, int c) {
    const vc_generic &g = p.generic;
    if (c >= p.filled) return (bits)g.fill;
    uint8_t x = In == 1 ? pixel[0] : p.swaps ? pixel[c < 3 ? 2 - c : c % In] : pixel[c % In];
    return conversion<typename source_type<To>::type, To>::run(x, (float)g.a[c * g.stride],
                                                               (float)g.b[c * g.stride]);
  }

  /* Writes the elements of `Each` adjacent ones per pixel; `count` is the number of pixels in the
   * row, PIXELS or fewer. */
  template <int Each>
  VC_DEVICE_MEMBER void write(const vc_resizing &p, const bits (&y)[PIXELS * Each], char *to,
                              int32_t count) {
    if (p.words && count == PIXELS) {
      store<VC_ACCESS_WORDS>(to, y);
      return;
    }
#pragma unroll
    for (int i = 0; i < PIXELS * Each; i++) {
      if (i / Each >= count) break;
      char *at = to + i / Each * p.generic.to_strides.col + i % Each * (int)sizeof(bits);
      store_word((bits *)at, y[i]);
    }
  }

  VC_DEVICE_MEMBER void write_row(const vc_resizing &p, int64_t image, int32_t row, int32_t col,
                                  const uint8_t (*pixels)[In]) {
    const vc_generic &g = p.generic;
    const vc_strides &strides = g.to_strides;
    char *to = g.to + image * strides.image + row * strides.row + col * strides.col;
    int32_t count = (int32_t)min((int64_t)PIXELS, g.cols - col);
    if constexpr (Out == 0) {
#pragma unroll
      for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
        if (c >= g.channels) break;
        bits y[PIXELS];
#pragma unroll
        for (int i = 0; i < PIXELS; i++) y[i] = value(p, pixels[i], c);
        write<1>(p, y, to + c * strides.channel, count);
      }
    } else {
      bits y[PIXELS * Out];
#pragma unroll
      for (int i = 0; i < PIXELS * Out; i++) y[i] = value(p, pixels[i / Out], i % Out);
      write<Out>(p, y, to, count);
    }
  }

  /* Makes the thread's pixels of a row; `inside` says which of its columns show the image. */
  VC_DEVICE_MEMBER void make_pixels(const vc_resizing &p, const vc_resized &image, int32_t row,
                                    const linear_column *cols, const bool *inside,
                                    uint8_t (*pixels)[In]) {
    int32_t y = row - image.top;
    bool is_row = y >= 0 && y < image.placed_rows;
    linear_row rows = {};
    if (is_row) rows = row_of(p, image, y);
#pragma unroll
    for (int i = 0; i < PIXELS; i++) {
      if (is_row && inside[i]) {
        linear_pixel<In>(rows, cols[i], image.cols, pixels[i]);
      } else {
#pragma unroll
        for (int c = 0; c < In; c++) pixels[i][c] = (uint8_t)p.pad[c];
      }
    }
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const shown &s, own &) {
    const vc_generic &g = p.generic;
    tile at = locate_tile(p);
    const vc_resized image = p.boxes ? s.image : source_at(p, at.image);
    int32_t col = (at.col * VC_TILE_COLS + (int32_t)(threadIdx.x % VC_TILE_COLS)) * PIXELS;
    int32_t row = at.row * VC_TILE_ROWS * VC_LINEAR_ROWS + (int32_t)(threadIdx.x / VC_TILE_COLS);
    if (col >= g.cols) return;
    linear_column cols[PIXELS];
    bool inside[PIXELS];
#pragma unroll
    for (int i = 0; i < PIXELS; i++) {
      int32_t x = col + i - image.left;
      inside[i] = x >= 0 && x < image.placed_cols;
      cols[i] = column_of<In>(p, image, inside[i] ? x : 0);
    }
#pragma unroll 1
    for (int k = 0; k < VC_LINEAR_ROWS && row < g.rows; k++, row += VC_TILE_ROWS) {
      uint8_t pixels[PIXELS][In];
      make_pixels(p, image, row, cols, inside, pixels);
      write_row(p, at.image, row, col, pixels);
    }
  }
};

#endif
