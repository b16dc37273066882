/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing as a part of a transform. A block makes a tile of one image of the result. */
#ifndef VIEWCAST_KERNELS_RESIZE_CUH
#define VIEWCAST_KERNELS_RESIZE_CUH

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

/* An image, and the scales of both axes. A box without a pixel is an image that is placed
 * nowhere, so that nothing but pad shows. Of a YUV image `image` is Y. */
struct shown {
  vc_resized image;
  vc_chroma chroma;
  double row_scale, col_scale;
  double box[VC_BOX_VALUES]; /* where there are boxes: the index of the image, x0, y0, x1, y1 */
};

VC_DEVICE void take_yuv_source(const vc_resizing &p, int64_t index, shown &s) {
  if (p.generic.source == VC_SOURCE_STRIDES) {
    s.image = p.image;
    s.chroma = p.chroma;
    s.image.data += index * p.from_image;
    for (int i = 0; i < 2; i++) s.chroma.data[i] += index * p.from_image;
  } else {
    const vc_resized_yuv *list =
        p.generic.source == VC_SOURCE_TABLE ? p.yuv_table.images : p.yuv_list;
    s.image = list[index].image;
    s.chroma = list[index].chroma;
  }
}

VC_DEVICE void take_source(const vc_resizing &p, int64_t index, shown &s) {
  if (p.yuv.exist) {
    take_yuv_source(p, index, s);
  } else if (p.generic.source == VC_SOURCE_TABLE) {
    s.image = p.table[index];
  } else if (p.generic.source == VC_SOURCE_MEMORY) {
    s.image = p.list[index];
  } else {
    s.image = p.image;
    s.image.data += index * p.from_image;
  }
}

/* Loads the box of the block, a thread each value, so that the values wait for memory together. */
VC_DEVICE void load_box(const vc_resizing &p, shown &s) {
  int32_t i = (int32_t)threadIdx.x;
  if (!p.boxes || i >= VC_BOX_VALUES) return;
  int32_t value = p.box_names ? i : i - 1;
  double number = 0;
  if (value >= 0) {
    const char *at = p.boxes + locate_tile(p).image * p.box_row + value * p.box_col;
    number = double_from_bits(p.box_type, load_bits(at, p.box_size, p.boxes_aligned));
  }
  s.box[i] = number;
}

/* Reduces the image to the part within `crop` and places that in the result. */
VC_DEVICE bool crop_image(const vc_resizing &p, const vc_crop &crop, shown &s) {
  vc_resized *image = &s.image;
  if (p.yuv.exist) {
    s.chroma.top += (int32_t)crop.top;
    s.chroma.left += (int32_t)crop.left;
  }
  image->data += crop.top * image->row + crop.left * image->col;
  image->rows = (int32_t)(crop.bottom - crop.top);
  image->cols = (int32_t)(crop.right - crop.left);
  image->readable -= (int32_t)crop.left;
  vc_placement placed = vc_fit_place(&p.fit, image->rows, image->cols);
  if (placed.rows > INT32_MAX || placed.cols > INT32_MAX) return false;
  image->placed_rows = (int32_t)placed.rows;
  image->placed_cols = (int32_t)placed.cols;
  image->top = (int32_t)placed.top;
  image->left = (int32_t)placed.left;
  return true;
}

/* Reduces the image to the part that its box covers. Returns false if that has no pixel. */
VC_DEVICE bool crop_to_box(const vc_resizing &p, shown &s) {
  vc_crop crop;
  return vc_crop_from_box(s.box[1], s.box[2], s.box[3], s.box[4], s.image.rows, s.image.cols,
                          &crop) &&
         crop_image(p, crop, s);
}

/* Finds the image of the block, after load_box. One thread does this; the others need what it
 * found. */
VC_DEVICE void find_image(const vc_resizing &p, shown &s) {
  int64_t index = locate_tile(p).image;
  bool found = true;
  if (p.boxes) {
    found = s.box[0] > -1 && s.box[0] < (double)p.sources;
    index = found ? (int64_t)s.box[0] : 0;
  }
  take_source(p, index, s);
  if (p.is_regular) {
    s.row_scale = p.row_scale;
    s.col_scale = p.col_scale;
    return;
  }
  if (p.boxes) found = found && crop_to_box(p, s);
  if (!found) {
    s.image = vc_resized{};
    s.image.rows = s.image.cols = 1;
  }
  s.row_scale = found ? vc_axis_scale(s.image.rows, s.image.placed_rows) : 1;
  s.col_scale = found ? vc_axis_scale(s.image.cols, s.image.placed_cols) : 1;
}

/* --- the rule of the block's image */

struct resize_shared {
  shown at;
  vc_resample_rule rule;
  vc_axis_rule rows, cols;
};

VC_DEVICE_CALL void find_rule(const vc_resizing &p, resize_shared &s) {
  find_image(p, s.at);
  const vc_resized &image = s.at.image;
  if (image.placed_rows == 0) return;
  s.rule = vc_rule_make(p.interpolation, p.is_u8, p.from_channels, image.rows, image.placed_rows,
                        image.cols, image.placed_cols);
  s.rows = vc_axis_rule_make(&s.rule, image.rows, image.placed_rows, false);
  s.cols = vc_axis_rule_make(&s.rule, image.cols, image.placed_cols, true);
}

/* --- images of any type and strides, by any rule except Pillow's for 8 bits: a thread makes a
 * pixel */

VC_DEVICE const char *sample_at(const vc_resized &image, int64_t row, int64_t col) {
  return image.data + row * image.row + col * image.col;
}

/* Returns a sample of YUV of 10 or 16 bits, whose unused bits are dropped. */
VC_DEVICE uint32_t yuv_sample(const vc_yuv_samples &of, uint32_t bits) {
  return min(bits >> of.unused, (1u << of.bits) - 1);
}

VC_DEVICE uint32_t load_yuv_sample(const vc_yuv_samples &of, const char *at) {
  if (of.bits == 8) return load_number((const uint8_t *)at);
  return yuv_sample(of, (uint32_t)load_bits(at, 2, of.aligned));
}

/* Makes R, G and B of samples of 8 bits, or of 10 (Wide). */
template <bool Wide>
VC_DEVICE void rgb_from_sums(const vc_yuv_sums &sums, uint32_t y, uint32_t u, uint32_t v,
                             int32_t (&rgb)[3]) {
  const int scale = VC_YUV_SCALE_BITS(Wide);
  y = max(y << scale, sums.least);
#pragma unroll
  for (int c = 0; c < 3; c++) {
    uint64_t sum = vc_yuv_chroma_sum(&sums, c, u << scale, v << scale, Wide);
    rgb[c] = (int32_t)pack_saturated(0, vc_yuv_from_sums(&sums, c, y, sum, Wide));
  }
}

/* Returns R, G and B of a pixel of a YUV image, 16 bits each from the lowest on. */
VC_DEVICE uint64_t yuv_pixel(const vc_resizing &p, const shown &s, int64_t row, int64_t col) {
  const vc_chroma &chroma = s.chroma;
  int64_t chroma_row = (chroma.top + row) >> p.yuv.row_shift;
  int64_t chroma_col = (chroma.left + col) >> p.yuv.col_shift;
  uint32_t of[2], y = load_yuv_sample(p.yuv, sample_at(s.image, row, col));
  int32_t rgb[3];
  for (int i = 0; i < 2; i++) {
    of[i] = load_yuv_sample(
        p.yuv, chroma.data[i] + chroma_row * chroma.row[i] + chroma_col * chroma.col[i]);
  }
  if (p.yuv.uses_sums && p.yuv.bits == 8) {
    rgb_from_sums<false>(p.yuv_table.sums[chroma.rule], y, of[0], of[1], rgb);
  } else if (p.yuv.uses_sums) {
    rgb_from_sums<true>(p.yuv_table.sums[chroma.rule], y, of[0], of[1], rgb);
  } else {
    vc_yuv_to_rgb(&p.yuv_table.rules[chroma.rule], (int32_t)y, (int32_t)of[0], (int32_t)of[1], rgb);
  }
  return (uint64_t)rgb[0] | (uint64_t)rgb[1] << 16 | (uint64_t)rgb[2] << 32;
}

VC_DEVICE uint32_t yuv_channel(uint64_t pixel, int32_t channel) {
  return (uint32_t)(pixel >> (16 * channel)) & 0xffff;
}

/* A pixel of a source, of which element_of returns the channels' bits. */
struct source_pixel {
  uint64_t yuv;   /* of a YUV image, or … */
  const char *at; /* … where it lies */
};

/* Rows and columns beyond the image are those at its edge. */
VC_DEVICE source_pixel pixel_of(const vc_resizing &p, const shown &s, int64_t row, int64_t col) {
  row = vc_axis_clamp(row, s.image.rows);
  col = vc_axis_clamp(col, s.image.cols);
  if (p.yuv.exist) return source_pixel{yuv_pixel(p, s, row, col), nullptr};
  return source_pixel{0, sample_at(s.image, row, col)};
}

VC_DEVICE uint64_t element_of(const vc_resizing &p, const shown &s, const source_pixel &pixel,
                              int32_t channel) {
  const vc_generic &g = p.generic;
  if (p.yuv.exist) return yuv_channel(pixel.yuv, channel);
  const char *at = pixel.at + channel * s.image.channel;
  return p.is_u8 ? load_word((const uint8_t *)at) : load_bits(at, g.from_size, g.from_aligned);
}

/* A linear result of 8 bits. The samples are two of a row, then two of the next row. */
VC_DEVICE uint8_t linear_byte(const int32_t (&samples)[4], const vc_axis_result &y,
                              const vc_axis_result &x) {
  int32_t sums[2];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    sums[i] = (samples[2 * i] * x.a + samples[2 * i + 1] * x.b) >> 4;
  }
  return (uint8_t)((((y.a * sums[0]) >> 16) + ((y.b * sums[1]) >> 16) + 2) >> 2);
}

/* These make a resized pixel of 8 bits. */
VC_DEVICE void linear_pixel(const vc_resizing &p, const shown &s, const vc_axis_result &y,
                            const vc_axis_result &x, uint64_t *out) {
  source_pixel pixels[4];
#pragma unroll
  for (int i = 0; i < 4; i++) pixels[i] = pixel_of(p, s, y.first + i / 2, x.first + i % 2);
#pragma unroll 1
  for (int32_t c = 0; c < p.from_channels; c++) {
    int32_t samples[4];
#pragma unroll
    for (int i = 0; i < 4; i++) samples[i] = (int32_t)element_of(p, s, pixels[i], c);
    out[c] = linear_byte(samples, y, x);
  }
}

VC_DEVICE void block_pixel(const vc_resizing &p, const resize_shared &s, const vc_axis_result &y,
                           const vc_axis_result &x, uint64_t *out) {
  int64_t sums[VC_CHANNELS_MAPPED] = {};
  for (int32_t i = 0; i < s.rule.block_rows; i++) {
    for (int32_t k = 0; k < s.rule.block_cols; k++) {
      const source_pixel pixel = pixel_of(p, s.at, y.first + i, x.first + k);
#pragma unroll
      for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
        if (c < p.from_channels) sums[c] += (int64_t)element_of(p, s.at, pixel, c);
      }
    }
  }
#pragma unroll
  for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
    if (c < p.from_channels) out[c] = vc_rule_mean(&s.rule, sums[c]);
  }
}

/* Convert the bits of an element to a number of the type of the sums. */
VC_DEVICE void number_of(const vc_resizing &p, uint64_t bits, float *out) {
  *out = p.is_u8 ? (float)(uint8_t)bits : float_from_bits(p.generic.from_type, bits);
}

VC_DEVICE void number_of(const vc_resizing &p, uint64_t bits, double *out) {
  *out = double_from_bits(p.generic.from_type, bits);
}

VC_DEVICE uint64_t bits_of(int32_t type, float number) { return bits_from_float(type, number); }
VC_DEVICE uint64_t bits_of(int32_t type, double number) { return bits_from_double(type, number); }

/* The weight of a sample, rounded to the type of the sums. */
template <class Number>
VC_DEVICE Number weight_of(const vc_axis_rule &rule, const vc_axis_result &of, int64_t i) {
  if (of.form == VC_FORM_CELL) return (Number)vc_axis_area_weight(&of.cell, i);
  return (Number)vc_axis_weight(&rule, &of, i);
}

/* Makes all channels of a pixel, so that each weight is computed once, as bits of the source's
 * type. */
template <class Number>
VC_DEVICE_CALL void sum_taps(const vc_resizing &p, const resize_shared &s, const vc_axis_result &y,
                             const vc_axis_result &x, uint64_t *out) {
  Number sums[VC_CHANNELS_MAPPED] = {};
  for (int64_t i = 0; i < y.count; i++) {
    Number row[VC_CHANNELS_MAPPED] = {}, weight;
    for (int64_t k = 0; k < x.count; k++) {
      weight = weight_of<Number>(s.cols, x, k);
      const source_pixel pixel = pixel_of(p, s.at, y.first + i, x.first + k);
#pragma unroll
      for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
        if (c >= p.from_channels) break;
        Number number;
        number_of(p, element_of(p, s.at, pixel, c), &number);
        row[c] += number * weight;
      }
    }
    weight = weight_of<Number>(s.rows, y, i);
#pragma unroll
    for (int c = 0; c < VC_CHANNELS_MAPPED; c++) sums[c] += row[c] * weight;
  }
#pragma unroll
  for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
    if (c < p.from_channels) out[c] = bits_of(p.generic.from_type, sums[c]);
  }
}

/* Makes all channels of the pixel in row y and column x of the resized image. */
VC_DEVICE void make_pixel(const vc_resizing &p, const resize_shared &s, int64_t y, int64_t x,
                          uint64_t (&out)[VC_CHANNELS_MAPPED]) {
  vc_axis_result row, col;
  vc_axis_take(&s.rows, y, &row);
  vc_axis_take(&s.cols, x, &col);
  if (s.rule.kind == VC_RESAMPLE_NEAREST) {
    const source_pixel pixel = pixel_of(p, s.at, row.first, col.first);
#pragma unroll 1
    for (int32_t c = 0; c < p.from_channels; c++) out[c] = element_of(p, s.at, pixel, c);
  } else if (s.rule.kind == VC_RESAMPLE_LINEAR) {
    linear_pixel(p, s.at, row, col, out);
  } else if (s.rule.kind != VC_RESAMPLE_TAPS) {
    block_pixel(p, s, row, col, out);
  } else if (p.wide) {
    sum_taps<double>(p, s, row, col, out);
  } else {
    sum_taps<float>(p, s, row, col, out);
  }
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

/* Returns the address of a pixel of the result. */
VC_DEVICE char *pixel_at(const vc_generic &g, int64_t image, int64_t row, int64_t col) {
  return g.to + image * g.to_strides.image + row * g.to_strides.row + col * g.to_strides.col;
}

VC_DEVICE void write_bytes_any(const vc_resizing &p, uint32_t pixel, bool inside, char *to) {
  const vc_generic &g = p.generic;
#pragma unroll 1
  for (int32_t c = 0; c < g.channels; c++) {
    int32_t source = g.map[c];
    uint64_t bits = g.fill;
    if (source != VC_CHANNEL_FILL) {
      bits = convert_any(p, inside ? pixel >> (8 * source) & 255 : p.pad[source], c);
    }
    store_bits(to + c * g.to_strides.channel, g.to_size, g.to_aligned, bits);
  }
}

/* Writes a pixel of an 8-bit source, whose byte c is channel c; pad if it is not `inside`. */
VC_DEVICE void write_bytes(const vc_resizing &p, uint32_t pixel, bool inside, char *to) {
  const vc_generic &g = p.generic;
  if (!p.to_floats) {
    write_bytes_any(p, pixel, inside, to);
    return;
  }
#pragma unroll
  for (int32_t c = 0; c < VC_CHANNELS_MAPPED; c++) {
    if (c >= g.channels) break;
    uint32_t byte = inside ? pixel >> (8 * g.map[c]) & 255 : (uint32_t)p.pad[g.map[c]];
    float y = fmaf((float)(int32_t)byte, p.a[c], p.b[c]);
    char *at = to + c * g.to_strides.channel;
    if (g.to_type == VC_ELEMENT_F32) {
      store_word((uint32_t *)at, f32_bits(y));
    } else {
      store_word((uint16_t *)at, g.to_type == VC_ELEMENT_F16 ? f16_bits(y) : bf16_bits(y));
    }
  }
}

/* Makes and writes a pixel of the result by the rule that was found. */
VC_DEVICE void write_any(const vc_resizing &p, const resize_shared &s, int64_t index, int64_t row,
                         int64_t col) {
  const vc_generic &g = p.generic;
  const vc_resized &image = s.at.image;
  int64_t y = row - image.top, x = col - image.left;
  uint64_t pixel[VC_CHANNELS_MAPPED];
  if (y >= 0 && y < image.placed_rows && x >= 0 && x < image.placed_cols) {
    make_pixel(p, s, y, x, pixel);
  } else {
    for (int c = 0; c < VC_CHANNELS_MAPPED; c++) pixel[c] = p.pad[c];
  }
  char *to = pixel_at(g, index, row, col);
  for (int32_t c = 0; c < g.channels; c++) {
    int32_t source = g.map[c];
    uint64_t bits = source == VC_CHANNEL_FILL ? g.fill : convert_any(p, pixel[source], c);
    store_bits(to + c * g.to_strides.channel, g.to_size, g.to_aligned, bits);
  }
}

struct resize_any : no_rounds<resize_shared> {
  VC_DEVICE_MEMBER void prepare(const vc_resizing &p, resize_shared &s, own &) {
    load_box(p, s.at);
  }

  VC_DEVICE_MEMBER void begin(const vc_resizing &p, resize_shared &s, own &) {
    if (threadIdx.x == 0) find_rule(p, s);
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const resize_shared &s, own &) {
    tile at = locate_tile(p);
    int64_t col = (int64_t)at.col * VC_TILE_COLS + threadIdx.x % VC_TILE_COLS;
    int64_t row = (int64_t)at.row * VC_TILE_ROWS + threadIdx.x / VC_TILE_COLS;
    if (col < p.generic.cols && row < p.generic.rows) write_any(p, s, at.image, row, col);
  }
};

#endif
