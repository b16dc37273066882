/* SPDX-License-Identifier: Apache-2.0 */
/* RGB in registers, of which kernels for YUV write a few adjacent pixels at a time: words for each
 * channel, whose byte x is that of pixel x. */
#ifndef VIEWCAST_KERNELS_RGB_CUH
#define VIEWCAST_KERNELS_RGB_CUH

#include "kernels/fast.cuh"
#include "kernels/pillow.cuh"

template <int Words>
struct rgb_pixels {
  uint32_t channels[3][Words];
};

/* Convert byte x of a word to the bits of an element. */
template <class Stored>
VC_DEVICE Stored element_of_byte(uint32_t bytes, int x, float, float, raw<Stored> *) {
  return (Stored)byte_of(bytes, x);
}

/* 2^23 + a byte is exact, and made by one permutation. */
template <class To>
VC_DEVICE typename To::bits element_of_byte(uint32_t bytes, int x, float a, float b, To *) {
  uint32_t number = __byte_perm(bytes, 0x4b000000u, 0x7440u + (uint32_t)x);
  return To::store(fmaf(__uint_as_float(number) - 8388608.0f, a, b));
}

/* Store Count pixels in words. */
template <class To, int Count, int Words>
VC_DEVICE void write_planes(const vc_resizing &p, char *to, const rgb_pixels<Words> &pixels) {
#pragma unroll
  for (int c = 0; c < 3; c++) {
    typename To::bits plane[Count];
#pragma unroll
    for (int x = 0; x < Count; x++) {
      plane[x] = element_of_byte(pixels.channels[c][x / 4], x % 4, p.a[c], p.b[c], (To *)nullptr);
    }
    store<VC_ACCESS_WORDS>(to + p.plane[c], plane);
  }
}

template <class To, int Count, int Words>
VC_DEVICE void write_interleaved(const vc_resizing &p, char *to, const rgb_pixels<Words> &pixels) {
  typename To::bits all[3 * Count];
#pragma unroll
  for (int i = 0; i < 3 * Count; i++) {
    int c = i % 3, x = i / 3;
    all[i] = element_of_byte(pixels.channels[c][x / 4], x % 4, p.a[c], p.b[c], (To *)nullptr);
  }
  store<VC_ACCESS_WORDS>(to, all);
}

/* Stores `count` pixels element by element, in little code. */
template <class To, int Words>
VC_DEVICE void write_elements(const vc_resizing &p, bool planar, int32_t count, char *to,
                              const rgb_pixels<Words> &pixels) {
  typedef typename To::bits bits;
#pragma unroll
  for (int c = 0; c < 3; c++) {
    uint32_t bytes = pixels.channels[c][0], next = pixels.channels[c][Words - 1];
    char *first = to + (planar ? p.plane[c] : c * (int64_t)sizeof(bits));
#pragma unroll 1
    for (int32_t x = 0; x < count; x++) {
      bits element = element_of_byte(bytes, 0, p.a[c], p.b[c], (To *)nullptr);
      store_word((bits *)first + x * (planar ? 1 : 3), element);
      bytes = __funnelshift_r(bytes, next, 8);
      next >>= 8;
    }
  }
}

/* Writes the first `count` of Count pixels to the address of the first one. Planes are in the order
 * of the source's channels, interleaved elements in the result's. */
template <class To, int Count, int Words>
VC_DEVICE void write_pixels(const vc_resizing &p, char *to, int32_t count,
                            rgb_pixels<Words> pixels) {
  const vc_generic &g = p.generic;
  bool planar = g.cols == 1 || g.to_strides.col == sizeof(typename To::bits);
#pragma unroll
  for (int i = 0; i < Words && !planar && p.swaps; i++) {
    uint32_t first = pixels.channels[0][i];
    pixels.channels[0][i] = pixels.channels[2][i];
    pixels.channels[2][i] = first;
  }
  if (!p.words || count < Count) {
    write_elements<To>(p, planar, count, to, pixels);
  } else if (planar) {
    write_planes<To, Count>(p, to, pixels);
  } else {
    write_interleaved<To, Count>(p, to, pixels);
  }
}

/* The same for elements of 16 bits, and for those of 16 or 32. */
template <int Count, int Words>
VC_DEVICE void write_halves(const vc_resizing &p, char *to, int32_t count,
                            const rgb_pixels<Words> &pixels) {
  if (p.generic.to_type == VC_ELEMENT_F16) {
    write_pixels<f16, Count>(p, to, count, pixels);
  } else {
    write_pixels<bf16, Count>(p, to, count, pixels);
  }
}

template <int Count, int Words>
VC_DEVICE void write_floats(const vc_resizing &p, char *to, int32_t count,
                            const rgb_pixels<Words> &pixels) {
  if (p.generic.to_type == VC_ELEMENT_F32) {
    write_pixels<f32, Count>(p, to, count, pixels);
  } else {
    write_halves<Count>(p, to, count, pixels);
  }
}

#endif
