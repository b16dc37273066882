/* SPDX-License-Identifier: Apache-2.0 */
/* YUV images to RGB of the same size. A thread makes a unit: the rows that share a row of chroma,
 * in one group of eight columns, or two of four whose elements of 32 bits then fill whole lines:
 * the groups of a warp lie side by side. Words are loaded and stored where addresses allow that. */
#ifndef VIEWCAST_KERNELS_READ_YUV_CUH
#define VIEWCAST_KERNELS_READ_YUV_CUH

#include "kernels/yuv.cuh"

template <int Groups>
struct read_yuv : no_rounds<shown> {
  static const int GROUPS = Groups, ALL = VC_READ_COLS, COLS = ALL / GROUPS;
  static const int WORDS = COLS / 4; /* of a channel of a group */
  typedef typename no_rounds<shown>::own own;

  /* Where a unit lies in the image, and its pixels: pixels[y] has all groups, one after the
   * other. Of a group that lies outside, cols is 0. */
  struct unit {
    int64_t row, col[GROUPS];
    int32_t rows, cols[GROUPS];
    rgb_pixels<ALL / 4> pixels[2];
  };

  /* The samples of a unit as they lie in memory, not yet taken apart, so that all loads are on
   * their way before one is waited for. u and v have a sample for each column or, with col_shift,
   * for two. */
  template <class Sample>
  struct samples {
    static const int BYTES = COLS * (int)sizeof(Sample), WORDS = BYTES / 4; /* of a group */
    uint32_t luma[2][GROUPS * WORDS], u[GROUPS * WORDS], v[GROUPS * WORDS];
  };

  /* Fills samples `first` to first + count - 1 of `out`, `apart` bytes apart. */
  template <class Sample, int Words>
  VC_DEVICE_MEMBER void load_each(const char *at, int64_t apart, int first, int32_t count,
                                  uint32_t (&out)[Words]) {
#pragma unroll
    for (int x = 0; x < COLS; x++) {
      if (x < count) put(out, first + x, (Sample)load_number((const Sample *)(at + x * apart)));
    }
  }

  /* Loads the samples of a group that has one for two columns. */
  template <class Sample>
  VC_DEVICE_MEMBER void load_half(const char *at, int group,
                                  uint32_t (&out)[GROUPS * samples<Sample>::WORDS]) {
    const int bytes = samples<Sample>::BYTES / 2;
    if constexpr (bytes < 4) {
      out[0] |= load_number((const uint16_t *)at) << (16 * group);
    } else {
      load_words<bytes, VC_READ_CACHED>(out + group * bytes / 4, at);
    }
  }

  template <class Sample>
  VC_DEVICE_MEMBER void load_luma(const vc_resizing &p, const shown &s, const unit &of,
                                  samples<Sample> &out) {
    const int words = samples<Sample>::WORDS;
    const char *row = s.image.data + of.row * s.image.row;
#pragma unroll
    for (int i = 0; i < GROUPS; i++) {
      const char *at = row + of.col[i] * (int64_t)sizeof(Sample);
      const char *next = of.rows > 1 ? at + s.image.row : at;
      if (of.cols[i] == COLS && p.yuv.luma_unit == VC_UNIT_PLANES) {
        load_words<samples<Sample>::BYTES, VC_READ_CACHED>(out.luma[0] + i * words, at);
        load_words<samples<Sample>::BYTES, VC_READ_CACHED>(out.luma[1] + i * words, next);
      } else {
        load_each<Sample>(at, sizeof(Sample), i * COLS, of.cols[i], out.luma[0]);
        load_each<Sample>(next, sizeof(Sample), i * COLS, of.cols[i], out.luma[1]);
      }
    }
  }

  /* Separate U from V, which alternate from the first one on. */
  VC_DEVICE_MEMBER void separate(uint32_t (&u)[2], uint32_t (&v)[2]) {
    v[0] = __byte_perm(u[0], u[1], 0x7531);
    u[0] = __byte_perm(u[0], u[1], 0x6420);
  }

  VC_DEVICE_MEMBER void separate(uint32_t (&u)[4], uint32_t (&v)[4]) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      v[i] = __byte_perm(u[2 * i], u[2 * i + 1], 0x7632);
      u[i] = __byte_perm(u[2 * i], u[2 * i + 1], 0x5410);
    }
  }

  template <class Sample>
  VC_DEVICE_MEMBER void load_group(const vc_resizing &p, const char *u, const char *v, int group,
                                   int32_t cols, samples<Sample> &out) {
    const int words = samples<Sample>::WORDS, shift = p.yuv.col_shift;
    vc_unit loads = cols == COLS ? p.yuv.chroma_unit : VC_UNIT_ELEMENTS;
    if (loads == VC_UNIT_PACKED) {
      load_words<samples<Sample>::BYTES, VC_READ_CACHED>(out.u + group * words, u < v ? u : v);
    } else if (loads == VC_UNIT_PLANES && shift) {
      load_half<Sample>(u, group, out.u);
      load_half<Sample>(v, group, out.v);
    } else if (loads == VC_UNIT_PLANES) {
      load_words<samples<Sample>::BYTES, VC_READ_CACHED>(out.u + group * words, u);
      load_words<samples<Sample>::BYTES, VC_READ_CACHED>(out.v + group * words, v);
    } else {
      int32_t count = (cols + shift) >> shift, first = group * COLS;
      if (p.yuv.chroma_unit == VC_UNIT_PACKED) {
        const char *pairs = u < v ? u : v; /* as the other groups have them */
        load_each<Sample>(pairs, sizeof(Sample), first, 2 * count, out.u);
      } else if (shift) {
        load_each<Sample>(u, p.yuv.chroma_col, first / 2, count, out.u);
        load_each<Sample>(v, p.yuv.chroma_col, first / 2, count, out.v);
      } else {
        load_each<Sample>(u, p.yuv.chroma_col, first, count, out.u);
        load_each<Sample>(v, p.yuv.chroma_col, first, count, out.v);
      }
    }
  }

  template <class Sample>
  VC_DEVICE_MEMBER void load_chroma(const vc_resizing &p, const shown &s, const unit &of,
                                    samples<Sample> &out) {
    const vc_chroma &from = s.chroma;
    int64_t row = (from.top + of.row) >> p.yuv.row_shift;
    const char *u = from.data[0] + row * from.row[0], *v = from.data[1] + row * from.row[1];
#pragma unroll
    for (int i = 0; i < GROUPS; i++) {
      int64_t offset = ((from.left + of.col[i]) >> p.yuv.col_shift) * p.yuv.chroma_col;
      load_group(p, u + offset, v + offset, i, of.cols[i], out);
    }
    if (p.yuv.chroma_unit != VC_UNIT_PACKED) return;
    separate(out.u, out.v);
#pragma unroll
    for (int i = 0; i < GROUPS * samples<Sample>::WORDS / 2; i++) {
      uint32_t first = out.u[i], second = out.v[i];
      out.u[i] = u < v ? first : second;
      out.v[i] = u < v ? second : first;
    }
  }

  template <class Sample, int Words>
  VC_DEVICE_MEMBER uint32_t sample_of(const vc_resizing &p, const uint32_t (&words)[Words], int x) {
    Sample sample;
    get(words, x, &sample);
    return yuv_source<Sample>::scaled(p, sample);
  }

  /* Makes the pixels of columns x and x + 1. */
  template <class Sample>
  VC_DEVICE_MEMBER void make_two(const vc_resizing &p, const vc_yuv_sums &sums,
                                 const samples<Sample> &from, int x, unit &of) {
    typedef yuv_source<Sample> source;
    typename source::colour left, right;
    if (p.yuv.col_shift) {
      left = right = source::colour_of(
          sums, {sample_of<Sample>(p, from.u, x / 2), sample_of<Sample>(p, from.v, x / 2)});
    } else {
      left = source::colour_of(sums,
                               {sample_of<Sample>(p, from.u, x), sample_of<Sample>(p, from.v, x)});
      right = source::colour_of(
          sums, {sample_of<Sample>(p, from.u, x + 1), sample_of<Sample>(p, from.v, x + 1)});
    }
#pragma unroll
    for (int y = 0; y < 2; y++) {
      const uint32_t first = sample_of<Sample>(p, from.luma[y], x);
      const uint32_t second = sample_of<Sample>(p, from.luma[y], x + 1);
#pragma unroll
      for (int c = 0; c < 3; c++) {
        uint32_t both = pack_saturated(source::channel_of(sums, second, right, c),
                                       source::channel_of(sums, first, left, c));
        uint32_t &word = of.pixels[y].channels[c][x / 4];
        word = x % 4 ? __byte_perm(word, both, 0x5410) : both;
      }
    }
  }

  template <class Sample>
  VC_DEVICE_MEMBER void make_pixels(const vc_resizing &p, const shown &s, unit &of) {
    samples<Sample> from = {};
    load_luma(p, s, of, from);
    load_chroma(p, s, of, from);
    const vc_yuv_sums &sums = p.yuv_table.sums[s.chroma.rule];
#pragma unroll
    for (int x = 0; x < ALL; x += 2) make_two(p, sums, from, x, of);
  }

  /* --- the result */

  /* Returns row y of group i. */
  VC_DEVICE_MEMBER rgb_pixels<WORDS> pixels_of(const unit &of, int y, int i) {
    rgb_pixels<WORDS> out;
#pragma unroll
    for (int k = 0; k < 3 * WORDS; k++) {
      int c = k / WORDS, word = k % WORDS, last = (GROUPS - 1) * WORDS + word;
      uint32_t first = y ? of.pixels[1].channels[c][word] : of.pixels[0].channels[c][word];
      uint32_t second = y ? of.pixels[1].channels[c][last] : of.pixels[0].channels[c][last];
      out.channels[c][word] = i ? second : first;
    }
    return out;
  }

  /* Elements of 32 bits are written in two groups, all others in one. */
  VC_DEVICE_MEMBER void write_group(const vc_resizing &p, char *to, int32_t cols,
                                    const rgb_pixels<WORDS> &pixels) {
    if constexpr (GROUPS > 1) {
      write_pixels<f32, COLS>(p, to, cols, pixels);
    } else if (p.work == VC_WORK_MOVE) {
      write_pixels<raw1, COLS>(p, to, cols, pixels);
    } else {
      write_halves<COLS>(p, to, cols, pixels);
    }
  }

  /* Writes a unit, of whose first row `to` is the first pixel. */
  VC_DEVICE_MEMBER void write_unit(const vc_resizing &p, const unit &of, char *to) {
    const vc_strides &strides = p.generic.to_strides;
#pragma unroll 1
    for (int k = 0; k < 2 * GROUPS; k++) {
      int y = k / GROUPS, i = k % GROUPS;
      int32_t cols = i ? of.cols[GROUPS - 1] : of.cols[0];
      if (y >= of.rows || cols <= 0) continue;
      char *at = to + y * strides.row + (i ? of.col[GROUPS - 1] : of.col[0]) * strides.col;
      write_group(p, at, cols, pixels_of(of, y, i));
    }
  }

  VC_DEVICE_MEMBER void prepare(const vc_resizing &, shown &, own &) {}

  VC_DEVICE_MEMBER void begin(const vc_resizing &p, shown &s, own &) {
    if (threadIdx.x == 0) take_yuv_source(p, locate_tile(p).image, s);
  }

  VC_DEVICE_MEMBER void end(const vc_resizing &p, const shown &s, own &) {
    const vc_generic &g = p.generic;
    const tile at = locate_tile(p);
    unit of;
    of.row = ((int64_t)at.row * VC_TILE_ROWS + threadIdx.x / VC_TILE_COLS) << p.yuv.row_shift;
    if (of.row >= g.rows) return;
    of.rows = (int32_t)min((int64_t)1 << p.yuv.row_shift, g.rows - of.row);
#pragma unroll
    for (int i = 0; i < GROUPS; i++) {
      int64_t group = ((int64_t)at.col * GROUPS + i) * VC_TILE_COLS + threadIdx.x % VC_TILE_COLS;
      of.col[i] = group * COLS;
      of.cols[i] = (int32_t)max(min((int64_t)COLS, g.cols - of.col[i]), (int64_t)0);
    }
    if (of.cols[0] == 0) return;
    if (p.yuv.bits == 8) {
      make_pixels<uint8_t>(p, s, of);
    } else {
      make_pixels<uint16_t>(p, s, of);
    }
    write_unit(p, of, g.to + at.image * g.to_strides.image + of.row * g.to_strides.row);
  }
};

#endif
