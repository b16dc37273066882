/* SPDX-License-Identifier: Apache-2.0 */
/* The fast kernels. Each thread converts one unit, a fixed number of pixels of a row, which it
 * loads and stores in words of up to 16 bytes. Where the addresses do not allow that, a unit is
 * one pixel, which is loaded and stored element by element. */
#ifndef VIEWCAST_KERNELS_FAST_CUH
#define VIEWCAST_KERNELS_FAST_CUH

#include "kernels/vector_io.cuh"

/* --- element types: the bits in memory, and their conversion from and to float */

template <class Stored>
struct raw {
  typedef Stored bits;
};
typedef raw<uint8_t> raw1;
typedef raw<uint16_t> raw2;
typedef raw<uint32_t> raw4;
typedef raw<uint64_t> raw8;

/* NAN_FREE is true where no finite coefficients make a NaN of an element. */
struct u8 {
  typedef uint8_t bits;
  static const bool NAN_FREE = true;
  VC_DEVICE_MEMBER float load(bits x) { return (float)x; }
  VC_DEVICE_MEMBER bits store(float y) { return u8_bits(y); }
};

struct f16 {
  typedef uint16_t bits;
  static const bool NAN_FREE = false;
  VC_DEVICE_MEMBER float load(bits x) { return f32_from_f16(x); }
  VC_DEVICE_MEMBER bits store(float y) { return f16_from_f32(y); }
};

struct bf16 {
  typedef uint16_t bits;
  static const bool NAN_FREE = false;
  VC_DEVICE_MEMBER float load(bits x) { return f32_from_bf16(x); }
  VC_DEVICE_MEMBER bits store(float y) { return bf16_from_f32(y); }
};

struct f32 {
  typedef uint32_t bits;
  static const bool NAN_FREE = false;
  VC_DEVICE_MEMBER float load(bits x) { return __uint_as_float(x); }
  VC_DEVICE_MEMBER bits store(float y) { return __float_as_uint(y); }
};

/* Converts an element x to the bits of an element of the destination. */
template <class From, class To>
struct conversion {
  VC_DEVICE_MEMBER typename To::bits run(typename From::bits x, float a, float b) {
    float y = fmaf(From::load(x), a, b);
    if (From::NAN_FREE || y == y) return To::store(y);
    return not_a_number((To *)nullptr);
  }
  VC_DEVICE_MEMBER uint8_t not_a_number(u8 *) { return 0; }
  VC_DEVICE_MEMBER uint16_t not_a_number(f16 *) { return 0x7e00; }
  VC_DEVICE_MEMBER uint16_t not_a_number(bf16 *) { return 0x7fc0; }
  VC_DEVICE_MEMBER uint32_t not_a_number(f32 *) { return 0x7fc00000; }
};

template <class Stored>
struct conversion<raw<Stored>, raw<Stored>> {
  VC_DEVICE_MEMBER Stored run(Stored x, float, float) { return x; }
};

/* The type as which 8-bit elements are read that become To: moved, or converted. */
template <class To>
struct source_type {
  typedef u8 type;
};
template <class Stored>
struct source_type<raw<Stored>> {
  typedef raw<Stored> type;
};

/* --- families: how a unit of Count pixels is loaded, converted and stored. `from` and `to` point
 * at the image's row. */

template <class From, class To, int Channels, int Count>
struct deinterleave {
  typedef typename From::bits in;
  typedef typename To::bits out;
  static const int PIXELS = Count;
  static const bool SHIFTS = sizeof(in) == 1;
  static const vc_reading READING =
      sizeof(in) == 1 && sizeof(out) == 2 ? VC_READ_LAST : VC_READ_CACHED;

  template <int Pixels, vc_access Access>
  VC_DEVICE_MEMBER void run(const vc_fast &p, const char *from, char *to, int64_t col, int) {
    in x[Pixels * Channels];
    load<Access, READING>(x, from + col * (int64_t)sizeof x[0] * Channels);
    to += col * (int64_t)sizeof(out);
#pragma unroll
    for (int c = 0; c < VC_CHANNELS_MAPPED; c++) {
      if (c >= p.channels) break;
      out y[Pixels];
      bool filled = c > 0 && c >= p.filled; /* the same for all threads */
#pragma unroll
      for (int i = 0; filled && i < Pixels; i++) y[i] = (out)p.fill;
#pragma unroll
      for (int i = 0; !filled && i < Pixels; i++) {
        y[i] = conversion<From, To>::run(x[i * Channels + c % Channels], p.a[c], p.b[c]);
      }
      store<Access>(to + p.plane[c], y);
    }
  }
};

template <class From, class To, int Channels, int Count>
struct interleave {
  typedef typename From::bits in;
  typedef typename To::bits out;
  static const int PIXELS = Count;
  static const bool SHIFTS = false;

  template <int Pixels, vc_access Access>
  VC_DEVICE_MEMBER void run(const vc_fast &p, const char *from, char *to, int64_t col, int) {
    out y[Pixels * Channels];
    from += col * (int64_t)sizeof(in);
#pragma unroll
    for (int c = 0; c < Channels; c++) {
      in x[Pixels] = {};
      bool filled = c == 3 && c >= p.filled;
      if (!filled) load<Access>(x, from + p.plane[c]);
#pragma unroll
      for (int i = 0; i < Pixels; i++) {
        out number = conversion<From, To>::run(x[i], p.a[c], p.b[c]);
        y[i * Channels + c] = filled ? (out)p.fill : number;
      }
    }
    store<Access>(to + col * (int64_t)sizeof y[0] * Channels, y);
  }
};

/* Code has three digits: the channels of the source, the channels of the destination, and whether
 * the first three channels are reversed. */
template <class From, class To, int Code, int Count>
struct shuffle {
  typedef typename From::bits bits;
  static const bool SHIFTS = sizeof(bits) == 1;
  static const int PIXELS = Count, IN = Code / 100, OUT = Code / 10 % 10;

  VC_DEVICE_MEMBER constexpr int source(int c) {
    return IN == 1 ? 0 : c < 3 && Code % 10 ? 2 - c : c % IN;
  }

  template <int Pixels, vc_access Access>
  VC_DEVICE_MEMBER void run(const vc_fast &p, const char *from, char *to, int64_t col, int) {
    bits x[Pixels * IN], y[Pixels * OUT];
    load<Access>(x, from + col * (int64_t)sizeof x[0] * IN);
#pragma unroll
    for (int i = 0; i < Pixels * OUT; i++) {
      int c = i % OUT;
      bool filled = c == 3 && IN < 4;
      y[i] = filled ? (bits)p.fill : x[i / OUT * IN + source(c)];
    }
    store<Access>(to + col * (int64_t)sizeof y[0] * OUT, y);
  }
};

/* Copies and converts plane by plane. A block works on plane `c`. */
template <class From, class To, int, int Count>
struct copy {
  typedef typename From::bits in;
  typedef typename To::bits out;
  static const int PIXELS = Count;
  static const bool SHIFTS = sizeof(in) == 1;

  template <int Pixels, vc_access Access>
  VC_DEVICE_MEMBER void run(const vc_fast &p, const char *from, char *to, int64_t col, int c) {
    in x[Pixels] = {};
    out y[Pixels];
    if (c < p.filled) load<Access>(x, from + p.from_plane[c] + col * (int64_t)sizeof x[0]);
#pragma unroll
    for (int i = 0; i < Pixels; i++) {
      out number = conversion<From, To>::run(x[i], p.a[c], p.b[c]);
      y[i] = c < p.filled ? number : (out)p.fill;
    }
    store<Access>(to + p.plane[c] + col * (int64_t)sizeof y[0], y);
  }
};

/* --- the unit of a thread */

/* The two ways of finding an image: by the stride of one source, or in a list. */
struct at_strides {
  VC_DEVICE_MEMBER const char *find(const vc_fast &p, const vc_table *, uint32_t image) {
    return p.from + (int64_t)image * p.from_image;
  }
};

struct listed {
  VC_DEVICE_MEMBER const char *find(const vc_fast &p, const vc_table *table, uint32_t image) {
    return p.images ? p.images[image] : table->images[image];
  }
};

template <class Family>
VC_DEVICE void run_words(const vc_fast &p, const char *from, char *to, uint32_t unit, int c) {
  const int count = Family::PIXELS;
  if constexpr (Family::SHIFTS) {
    if (p.shifted) {
      Family::template run<count, VC_ACCESS_SHIFTED>(p, from, to, (int64_t)unit * count, c);
      return;
    }
  }
  Family::template run<count, VC_ACCESS_WORDS>(p, from, to, (int64_t)unit * count, c);
}

template <class Family>
VC_DEVICE void run_elements(const vc_fast &p, const char *from, char *to, uint32_t unit, int c) {
  int64_t first = (int64_t)unit * p.unit;
  int count = (int)min((int64_t)p.unit, p.cols - first);
#pragma unroll 1
  for (int i = 0; i < count; i++) {
    Family::template run<1, VC_ACCESS_ELEMENTS>(p, from, to, first + i, c);
  }
}

template <class Family, class Source>
VC_DEVICE void run_unit(const vc_fast &p, const vc_table *table, uint32_t index) {
  uint32_t image = blockIdx.y;
  uint32_t row = divide(index, p.by), unit = index - row * p.by.divisor;
  if (row >= p.rows) return;
  const char *from = Source::find(p, table, image) + row * p.from_row;
  char *to = p.to + (int64_t)image * p.to_image + row * p.to_row;
  if (unit >= p.first_whole && unit < p.whole) {
    run_words<Family>(p, from, to, unit, (int)blockIdx.z);
  } else {
    run_elements<Family>(p, from, to, unit, (int)blockIdx.z);
  }
}

template <class Family, class Source>
VC_DEVICE void run_fast(const vc_fast &p, const vc_table *table) {
  run_unit<Family, Source>(p, table, blockIdx.x * blockDim.x + threadIdx.x);
}

#endif
