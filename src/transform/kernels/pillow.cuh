/* SPDX-License-Identifier: Apache-2.0 */
/* Pillow's filters of 8-bit images. A block makes VC_TILE_COLS columns and VC_PILLOW_ROWS rows of
 * an image of the result. It goes through the source rows that these need, a chunk of rows at a
 * time: the first pass filters them horizontally into shared memory, with results of 8 bits as
 * Pillow has them, the second pass adds them to the sums of the rows of the result. */
#ifndef VIEWCAST_KERNELS_PILLOW_CUH
#define VIEWCAST_KERNELS_PILLOW_CUH

#include "kernels/packed.cuh"

/* The half that rounds a 22-bit sum. */
#define VC_PILLOW_HALF (1 << (VC_PILLOW_BITS - 1))

/* Words: of weights. Chunk: the most source rows of a round. */
template <int Words, int Chunk>
struct pillow_memory {
  enum { WORDS = Words, CHUNK = Chunk };
  shown at;
  vc_axis_pillow cols, rows; /* the rules of both axes */
  /* The samples of each column of the tile, then of each row; none outside of the image. */
  vc_axis_taps taps[VC_TILE_COLS + VC_PILLOW_ROWS];
  int32_t most_taps, row_taps;  /* of a column and of a row: most_taps() */
  int32_t starts[VC_TILE_COLS]; /* of each column: the sample to which its first weight belongs */
  int32_t first_row, end_row;   /* of the source: those that the tile needs */
  bool has_weights;             /* `weights` holds them; otherwise they are too many */
  /* Four weights of column i, from weight 4 * k on, in three words that VC_TILE_COLS words lie
   * between: their lowest bytes, at (3 * k) * VC_TILE_COLS + i, the next ones, and the highest
   * ones, which have the sign. Behind them tap k of row i, at k * VC_PILLOW_ROWS + i. Weights of
   * no sample are 0. Without has_weights: the weight that row i gives to row k of a round, at
   * k * VC_PILLOW_ROWS + i. */
  alignas(8) uint32_t weights[Words];
  /* Pixels of the source rows of a round, filtered horizontally: byte c is channel c. */
  uint32_t filtered[Chunk][VC_TILE_COLS];
};

typedef pillow_memory<VC_PILLOW_WEIGHTS, VC_PILLOW_CHUNK> pillow_shared;

VC_DEVICE uint32_t byte_of(uint32_t word, int32_t i) { return word >> (8 * i) & 255; }

template <class Shared>
VC_DEVICE const vc_axis_taps &row_taps(const Shared &s, int32_t row) {
  return s.taps[VC_TILE_COLS + row];
}

/* --- the taps and weights of a tile */

VC_DEVICE int32_t compute_weight(const vc_axis_pillow &rule, const vc_axis_taps &taps,
                                 int32_t tap) {
  return tap >= 0 && tap < taps.count ? vc_axis_pillow_weight(&rule, &taps, tap) : 0;
}

template <class Shared>
VC_DEVICE int32_t words_of_cols(const Shared &s) {
  return s.has_weights ? s.most_taps / 4 * 3 * VC_TILE_COLS : 0;
}

/* Returns the most taps of a result and `more`, rounded up to a multiple of 4. */
VC_DEVICE int32_t most_taps(const vc_axis_pillow &rule, int32_t more) {
  double most = 2 * rule.support + 2;
  return most < VC_PILLOW_WEIGHTS ? ((int32_t)most + more + 3) / 4 * 4 : VC_PILLOW_WEIGHTS;
}

/* Finds the rules of both axes, and whether shared memory holds all weights. The weights of a
 * column may begin up to `before` samples before its taps. */
template <class Shared>
VC_DEVICE void find_rules(const vc_resizing &p, Shared &s, int32_t before) {
  const vc_resized &image = s.at.image;
  int32_t filter = p.interpolation - VC_PILLOW_BOX;
  s.cols = vc_axis_pillow_make(filter, image.cols, max(image.placed_cols, 1));
  s.rows = vc_axis_pillow_make(filter, image.rows, max(image.placed_rows, 1));
  s.most_taps = most_taps(s.cols, before);
  s.row_taps = most_taps(s.rows, 0);
  s.has_weights = s.most_taps / 4 * 3 * VC_TILE_COLS + s.row_taps * VC_PILLOW_ROWS <= Shared::WORDS;
}

/* Finds the sample of each column's first weight: it is not that of its first tap where the
 * weights would reach beyond the row. */
VC_DEVICE void find_start(pillow_shared &s, int32_t col) {
  int32_t first = (int32_t)s.taps[col].first, last = s.at.image.cols - s.most_taps;
  s.starts[col] = last < 0 ? first : min(first, last);
}

/* Fills the weights of the thread's column, the first of which belongs to sample `start`. */
template <class Shared>
VC_DEVICE void fill_col_weights(Shared &s, int32_t start) {
  int32_t col = (int32_t)threadIdx.x % VC_TILE_COLS, k = (int32_t)threadIdx.x / VC_TILE_COLS;
  const vc_axis_taps taps = s.taps[col];
  const vc_axis_pillow rule = s.cols;
#pragma unroll 1
  for (; k < s.most_taps / 4; k += VC_TILE_ROWS) {
    int32_t tap = 4 * k + start - (int32_t)taps.first;
    uint32_t bytes[3] = {};
#pragma unroll 1
    for (int32_t shift = 0; shift < 32; shift += 8, tap++) {
      uint32_t weight = (uint32_t)compute_weight(rule, taps, tap);
#pragma unroll
      for (int b = 0; b < 3; b++) bytes[b] |= (weight >> (8 * b) & 255) << shift;
    }
#pragma unroll
    for (int b = 0; b < 3; b++) s.weights[(3 * k + b) * VC_TILE_COLS + col] = bytes[b];
  }
}

/* The first tap of a row whose weight is held, in a round that begins with source row `start`. */
template <class Shared>
VC_DEVICE int32_t first_held_tap(const Shared &s, const vc_axis_taps &taps, int32_t start) {
  return s.has_weights ? 0 : start - (int32_t)taps.first;
}

template <class Shared>
VC_DEVICE void fill_row_weights(Shared &s, int32_t start) {
  int32_t result = (int32_t)threadIdx.x % VC_PILLOW_ROWS;
  const vc_axis_taps taps = row_taps(s, result);
  const vc_axis_pillow rule = s.rows;
  int32_t first = first_held_tap(s, taps, start), count = s.row_taps;
  uint32_t *weights = s.weights + words_of_cols(s) + result;
  if (!s.has_weights) count = Shared::CHUNK;
#pragma unroll 1
  for (int32_t k = (int32_t)threadIdx.x / VC_PILLOW_ROWS; k < count;
       k += VC_BLOCK / VC_PILLOW_ROWS) {
    weights[k * VC_PILLOW_ROWS] = (uint32_t)compute_weight(rule, taps, first + k);
  }
}

/* The weight of a tap of column i of the tile. */
template <class Shared>
VC_DEVICE int32_t col_weight(const Shared &s, int32_t i, int32_t tap) {
  if (!s.has_weights) return compute_weight(s.cols, s.taps[i], tap);
  int32_t index = tap + (int32_t)s.taps[i].first - s.starts[i];
  const uint32_t *words = s.weights + index / 4 * 3 * VC_TILE_COLS + i;
  uint32_t low = byte_of(words[0], index % 4), middle = byte_of(words[VC_TILE_COLS], index % 4);
  int32_t high = (int8_t)byte_of(words[2 * VC_TILE_COLS], index % 4);
  return (int32_t)((uint32_t)high << 16 | middle << 8 | low);
}

/* --- the first pass: a pixel, from the samples of a column */

/* Any image, and weights that may have to be computed. */
template <class Shared>
VC_DEVICE uint32_t filter_samples(const vc_resizing &p, const Shared &s, int32_t row, int32_t col) {
  int32_t sums[VC_CHANNELS_MAPPED], count = (int32_t)s.taps[col].count;
  int64_t x = s.taps[col].first;
  const uint8_t *at = (const uint8_t *)sample_at(s.at.image, row, x);
  uint32_t out = 0;
#pragma unroll
  for (int c = 0; c < VC_CHANNELS_MAPPED; c++) sums[c] = VC_PILLOW_HALF;
#pragma unroll 1
  for (int32_t tap = 0; tap < count; tap++, at += s.at.image.col) {
    int32_t weight = col_weight(s, col, tap);
    uint64_t pixel = p.yuv.exist ? yuv_pixel(p, s.at, row, x + tap) : 0;
#pragma unroll
    for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
      if (c >= p.from_channels) break;
      uint32_t value = p.yuv.exist ? yuv_channel(pixel, c) : load_word(at + c * s.at.image.channel);
      sums[c] += (int32_t)value * weight;
    }
  }
#pragma unroll
  for (int c = 0; c < VC_CHANNELS_MAPPED; c++) out |= (uint32_t)vc_pillow_byte(sums[c]) << (8 * c);
  return out;
}

/* The sums of a channel's products with the lowest, the next and the highest bytes of weights. */
struct byte_sums {
  uint32_t low, middle, high;
};

/* Returns the byte of a channel's sum. */
VC_DEVICE uint32_t byte_of_sums(const byte_sums &sums) {
  uint32_t sum = VC_PILLOW_HALF + sums.low + (sums.middle << 8) + (sums.high << 16);
  return vc_pillow_byte((int32_t)sum);
}

/* Adds the products of Groups times four pixels of each row and their weights; `more` follow. */
template <int Groups, int In, int Rows>
VC_DEVICE void add_groups(wide_pixels<In> (&pixels)[Rows], bool more, const uint32_t *weights,
                          byte_sums (&sums)[Rows][In]) {
  uint32_t packed[Rows][Groups][In], channels[In];
#pragma unroll
  for (int i = 0; i < Rows; i++) take_groups<In, Groups>(pixels[i], more, packed[i]);
#pragma unroll
  for (int i = 0; i < Groups * Rows; i++) {
    const int row = i % Rows, group = i / Rows;
    const uint32_t *bytes = weights + 3 * group * VC_TILE_COLS;
    split_channels(packed[row][group], channels);
#pragma unroll
    for (int c = 0; c < In; c++) {
      byte_sums &sum = sums[row][c];
      sum.low = sum_products(channels[c], bytes[0], sum.low);
      sum.middle = sum_products(channels[c], bytes[VC_TILE_COLS], sum.middle);
      sum.high = sum_signed_products(channels[c], bytes[2 * VC_TILE_COLS], sum.high);
    }
  }
}

/* Packed pixels of In channels in Rows rows that are `pitch` bytes apart, from any address, by the
 * weights in shared memory. */
template <int In, int Rows>
VC_DEVICE void filter_words(const char *at, int64_t pitch, const uint32_t *weights, int32_t taps,
                            uint32_t (&out)[Rows]) {
  wide_pixels<In> pixels[Rows];
  byte_sums sums[Rows][In] = {};
  int32_t tap = 8;
#pragma unroll
  for (int i = 0; i < Rows; i++) pixels[i] = wide_at<In>(at + i * pitch);
#pragma unroll 1
  for (; tap <= taps; tap += 8, weights += 6 * VC_TILE_COLS) {
    add_groups<2>(pixels, tap < taps, weights, sums);
  }
  if (tap == taps + 4) add_groups<1>(pixels, false, weights, sums);
#pragma unroll
  for (int i = 0; i < Rows; i++) {
    out[i] = 0;
#pragma unroll
    for (int c = 0; c < In; c++) out[i] |= byte_of_sums(sums[i][c]) << (8 * c);
  }
}

/* --- what the kernels share. Thread row i makes rows i, i + VC_TILE_ROWS, … of the tile, so that
 * the threads share the work of a few source rows. */

template <class Shared, int Channels>
struct pillow_kernel {
  typedef vc_resizing parameters;
  typedef Shared shared;
  static const int ROWS = VC_PILLOW_ROWS / VC_TILE_ROWS;

  struct sums_of_rows {
    int32_t sums[ROWS][Channels];
    bool shows; /* the thread's column shows the image */
  };

  VC_DEVICE_MEMBER int32_t thread_col() { return (int32_t)(threadIdx.x % VC_TILE_COLS); }
  VC_DEVICE_MEMBER int32_t thread_row() { return (int32_t)(threadIdx.x / VC_TILE_COLS); }

  VC_DEVICE_MEMBER void prepare(const vc_resizing &p, Shared &s, sums_of_rows &) {
    load_box(p, s.at);
  }

  /* `before`: as find_rules() has it. */
  VC_DEVICE_MEMBER void begin_sums(const vc_resizing &p, Shared &s, sums_of_rows &o,
                                   int32_t before) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
#pragma unroll
      for (int c = 0; c < Channels; c++) o.sums[i][c] = VC_PILLOW_HALF;
    }
    if (threadIdx.x != 0) return;
    find_image(p, s.at);
    find_rules(p, s, before);
    s.first_row = INT32_MAX;
    s.end_row = 0;
  }

  /* The row of the tile that a thread of round 0 has; negative, or VC_PILLOW_ROWS and more, if it
   * has none. */
  VC_DEVICE_MEMBER int32_t row_of_thread() { return (int32_t)threadIdx.x - VC_TILE_COLS; }

  VC_DEVICE_MEMBER int64_t placed_row(const vc_resizing &p, const Shared &s, int32_t i) {
    return (int64_t)locate_tile(p).row * VC_PILLOW_ROWS - s.at.image.top + i;
  }

  /* A thread each for a column or a row of the tile. */
  VC_DEVICE_MEMBER void find_tile_taps(const vc_resizing &p, Shared &s) {
    const vc_resized &image = s.at.image;
    int32_t i = (int32_t)threadIdx.x, row = row_of_thread();
    bool is_col = row < 0;
    if (row >= VC_PILLOW_ROWS) return;
    int64_t col = (int64_t)locate_tile(p).col * VC_TILE_COLS + i - image.left;
    int64_t d = is_col ? col : placed_row(p, s, row);
    vc_axis_taps taps = {};
    if (d >= 0 && d < (is_col ? image.placed_cols : image.placed_rows)) {
      const vc_axis_pillow rule = is_col ? s.cols : s.rows;
      taps = vc_axis_pillow_taps(&rule, d);
    }
    s.taps[i] = taps;
  }

  /* Source rows ascend with those of the result, so that the first and the last row that shows
   * bound them. They are written after the phase before which rounds() reads them. */
  VC_DEVICE_MEMBER void find_source_rows(const vc_resizing &p, Shared &s) {
    int32_t i = row_of_thread();
    if (i < 0 || i >= VC_PILLOW_ROWS || row_taps(s, i).count == 0) return;
    const vc_axis_taps &taps = row_taps(s, i);
    int64_t y = placed_row(p, s, i);
    if (i == 0 || y == 0) s.first_row = (int32_t)taps.first;
    if (i == VC_PILLOW_ROWS - 1 || y == s.at.image.placed_rows - 1) {
      s.end_row = (int32_t)(taps.first + taps.count);
    }
  }

  /* The second pass: adds the filtered rows from source row `start` to `end` to the thread's
   * sums. */
  VC_DEVICE_MEMBER void add_rows(const Shared &s, sums_of_rows &o, int32_t start, int32_t end) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      int32_t result = thread_row() + i * VC_TILE_ROWS;
      const vc_axis_taps &taps = row_taps(s, result);
      int32_t first = (int32_t)taps.first, last = min(first + (int32_t)taps.count, end);
      int32_t held = first + first_held_tap(s, taps, start);
      const uint32_t *weights = s.weights + words_of_cols(s) + result;
#pragma unroll 1
      for (int32_t row = max(first, start); row < last; row++) {
        uint32_t pixel = s.filtered[row - start][thread_col()];
        int32_t weight = (int32_t)weights[(row - held) * VC_PILLOW_ROWS];
#pragma unroll
        for (int c = 0; c < Channels; c++) {
          o.sums[i][c] += (int32_t)byte_of(pixel, c) * weight;
        }
      }
    }
  }

  /* Writes the thread's pixels of the result. */
  VC_DEVICE_MEMBER void write_rows(const vc_resizing &p, const Shared &s, const sums_of_rows &o) {
    const vc_generic &g = p.generic;
    tile at = locate_tile(p);
    int64_t col = (int64_t)at.col * VC_TILE_COLS + thread_col();
    if (col >= g.cols) return;
    uint32_t pixels[ROWS] = {};
#pragma unroll
    for (int i = 0; i < ROWS * Channels; i++) {
      const int row = i / Channels, c = i % Channels;
      pixels[row] |= (uint32_t)vc_pillow_byte(o.sums[row][c]) << (8 * c);
    }
#pragma unroll 1
    for (int i = 0; i < ROWS; i++) {
      int32_t result = thread_row() + i * VC_TILE_ROWS;
      int64_t row = (int64_t)at.row * VC_PILLOW_ROWS + result;
      if (row >= g.rows) return;
      bool inside = o.shows && row_taps(s, result).count > 0;
      write_bytes(p, pixels[0], inside, pixel_at(g, at.image, row, col));
#pragma unroll
      for (int k = 0; k + 1 < ROWS; k++) pixels[k] = pixels[k + 1];
    }
  }
};

/* --- the kernel */

struct resize_pillow : pillow_kernel<pillow_shared, VC_CHANNELS_MAPPED> {
  struct own : sums_of_rows {
    int32_t words;  /* the channels of pixels that may be read in words, or 0 */
    int64_t offset; /* bytes from the start of a row to the sample of the first weight */
  };

  VC_DEVICE_MEMBER void begin(const vc_resizing &p, pillow_shared &s, own &o) {
    begin_sums(p, s, o, 0);
  }

  /* Round 0 finds the taps, then the columns' weights and the source rows; each other round makes a
   * chunk of source rows. */
  VC_DEVICE_MEMBER int32_t rounds(const vc_resizing &, const pillow_shared &s) {
    int32_t rows = s.end_row - s.first_row;
    return rows > 0 ? 1 + (rows - 1) / VC_PILLOW_CHUNK + 1 : 1;
  }

  VC_DEVICE_MEMBER int32_t chunk_start(const pillow_shared &s, int32_t round) {
    return s.first_row + (round - 1) * VC_PILLOW_CHUNK;
  }

  VC_DEVICE_MEMBER int32_t chunk_end(const pillow_shared &s, int32_t round) {
    return min(chunk_start(s, round) + VC_PILLOW_CHUNK, s.end_row);
  }

  VC_DEVICE_MEMBER void load(const vc_resizing &p, pillow_shared &s, own &o, int32_t round) {
    if (round == 0) {
      find_tile_taps(p, s);
      if (threadIdx.x < VC_TILE_COLS) find_start(s, thread_col());
      return;
    }
    if (round == 1 || !s.has_weights) fill_row_weights(s, chunk_start(s, round));
    switch (o.words) {
      case 1: filter_rows<1>(p, s, o, round); break;
      case 2: filter_rows<2>(p, s, o, round); break;
      case 3: filter_rows<3>(p, s, o, round); break;
      case 4: filter_rows<4>(p, s, o, round); break;
      default: filter_rows<0>(p, s, o, round); break;
    }
  }

  /* The first pass, of rows that each thread reads in words (In: own.words) or bytes (0). */
  template <int In>
  VC_DEVICE_MEMBER void filter_rows(const vc_resizing &p, pillow_shared &s, const own &o,
                                    int32_t round) {
    int32_t start = chunk_start(s, round), end = chunk_end(s, round);
    int32_t col = thread_col(), row = start + thread_row();
    if (!o.shows) return;
    if constexpr (In > 0) {
      if constexpr (In < 4) row = filter_all<In, 2>(s, o, row, start, end);
      filter_all<In, 1>(s, o, row, start, end);
    } else {
#pragma unroll 1
      for (; row < end; row += VC_TILE_ROWS) {
        s.filtered[row - start][col] = filter_samples(p, s, row, col);
      }
    }
  }

  /* Filters the thread's rows, Rows at a time; returns the first of those that are left. */
  template <int In, int Rows>
  VC_DEVICE_MEMBER int32_t filter_all(pillow_shared &s, const own &o, int32_t row, int32_t start,
                                      int32_t end) {
    const vc_resized &image = s.at.image;
    const uint32_t *weights = s.weights + thread_col();
#pragma unroll 1
    for (; row + (Rows - 1) * VC_TILE_ROWS < end; row += Rows * VC_TILE_ROWS) {
      uint32_t pixels[Rows];
      filter_words<In, Rows>(image.data + row * image.row + o.offset, VC_TILE_ROWS * image.row,
                             weights, s.most_taps, pixels);
#pragma unroll
      for (int i = 0; i < Rows; i++) {
        s.filtered[row - start + i * VC_TILE_ROWS][thread_col()] = pixels[i];
      }
    }
    return row;
  }

  /* Decides how the thread reads its column. Words may reach 7 bytes beyond its samples. */
  VC_DEVICE_MEMBER void begin_column(const vc_resizing &p, const pillow_shared &s, own &o) {
    const vc_resized &image = s.at.image;
    int32_t col = thread_col(), channels = p.from_channels, start = s.starts[col];
    int32_t beyond = pixels_beyond(image, channels, 8);
    bool fits = start + s.most_taps + beyond <= image.readable;
    o.shows = s.taps[col].count > 0;
    o.words = p.is_packed && s.has_weights && fits ? channels : 0;
    o.offset = (int64_t)start * channels;
  }

  VC_DEVICE_MEMBER void use(const vc_resizing &p, pillow_shared &s, own &o, int32_t round) {
    if (round > 0) {
      add_rows(s, o, chunk_start(s, round), chunk_end(s, round));
      return;
    }
    begin_column(p, s, o);
    find_source_rows(p, s);
    if (s.has_weights) fill_col_weights(s, s.starts[thread_col()]);
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const pillow_shared &s, own &o) {
    write_rows(p, s, o);
  }
};

#endif
