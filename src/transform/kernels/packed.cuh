/* SPDX-License-Identifier: Apache-2.0 */
/* Packed 8-bit pixels in memory, from any address on, four at a time. */
#ifndef VIEWCAST_KERNELS_PACKED_CUH
#define VIEWCAST_KERNELS_PACKED_CUH

#include "kernels/resize.cuh"

/* The pixels from an address on. Only aligned words that hold a byte of them are read. */
template <int In>
struct packed_pixels {
  const uint32_t *next;
  uint32_t word, shift;
};

template <int In>
VC_DEVICE packed_pixels<In> packed_at(const char *at) {
  uint32_t shift = (uint32_t)((uintptr_t)at & 3);
  const uint32_t *words = (const uint32_t *)(at - shift);
  packed_pixels<In> out = {words + 1, load_word(words), shift * 8};
  return out;
}

/* Takes four pixels; `more` follow. */
template <int In>
VC_DEVICE void take_four(packed_pixels<In> &from, bool more, uint32_t (&out)[In]) {
#pragma unroll
  for (int k = 0; k < In; k++) {
    uint32_t next = k < In - 1 || from.shift || more ? load_word(from.next + k) : 0;
    out[k] = __funnelshift_r(from.word, next, from.shift);
    from.word = next;
  }
  from.next += In;
}

/* The same, read in words of 8 bytes: where the pixels of a warp's threads lie far from each other,
 * each load of a warp touches many cache lines, which limits it, not the bytes. */
template <int In>
struct wide_pixels {
  const uint2 *next;
  uint2 word;
  uint32_t shift; /* bytes from the word to the first pixel */
};

template <int In>
VC_DEVICE wide_pixels<In> wide_at(const char *at) {
  uint32_t shift = (uint32_t)((uintptr_t)at & 7);
  const uint2 *words = (const uint2 *)(at - shift);
  wide_pixels<In> out = {words + 1, load_word(words), shift};
  return out;
}

/* Takes Groups times four pixels; `more` follow, if Groups is even. */
template <int In, int Groups>
VC_DEVICE void take_groups(wide_pixels<In> &from, bool more, uint32_t (&out)[Groups][In]) {
  const int count = Groups * In, words = (4 * count + 6) / 8;
  uint2 found[words + 1] = {from.word};
  uint32_t halves[count + 1];
#pragma unroll
  for (int k = 1; k <= words; k++) {
    bool wanted = 8 * k < 4 * count || more || 8 * k < (int)from.shift + 4 * count;
    found[k] = wanted ? load_word(from.next + k - 1) : uint2{0, 0};
  }
#pragma unroll
  for (int k = 0; k <= count; k++) {
    uint32_t later = k % 2 ? found[(k + 1) / 2].x : found[k / 2].y;
    halves[k] = from.shift & 4 ? later : k % 2 ? found[k / 2].y : found[k / 2].x;
  }
#pragma unroll
  for (int k = 0; k < count; k++) { /* a funnel shift takes the shift modulo 32 */
    out[k / In][k % In] = __funnelshift_r(halves[k], halves[k + 1], from.shift * 8);
  }
  from.next += count / 2;
  from.word = found[count / 2];
}

/* Returns the number of pixels behind those that are wanted that words of `size` bytes may hold
 * bytes of: the words of an image whose rows begin and end at aligned addresses hold no other
 * bytes. */
VC_DEVICE int32_t pixels_beyond(const vc_resized &image, int32_t channels, int32_t size) {
  uint64_t end = (uint64_t)(uintptr_t)image.data + (uint64_t)image.readable * (uint64_t)channels;
  return (end | (uint64_t)image.row) % (uint64_t)size == 0 ? 0 : (channels + size - 2) / channels;
}

/* Separate the channels of four interleaved pixels, a word each. */
VC_DEVICE void split_channels(const uint32_t (&in)[1], uint32_t (&out)[1]) { out[0] = in[0]; }

VC_DEVICE void split_channels(const uint32_t (&in)[2], uint32_t (&out)[2]) {
  out[0] = __byte_perm(in[0], in[1], 0x6420);
  out[1] = __byte_perm(in[0], in[1], 0x7531);
}

VC_DEVICE void split_channels(const uint32_t (&in)[3], uint32_t (&out)[3]) {
  out[0] = __byte_perm(__byte_perm(in[0], in[1], 0x0630), in[2], 0x5210);
  out[1] = __byte_perm(__byte_perm(in[0], in[1], 0x0741), in[2], 0x6210);
  out[2] = __byte_perm(__byte_perm(in[0], in[1], 0x0052), in[2], 0x7410);
}

VC_DEVICE void split_channels(const uint32_t (&in)[4], uint32_t (&out)[4]) {
  uint32_t a = __byte_perm(in[0], in[1], 0x5140), b = __byte_perm(in[2], in[3], 0x5140);
  uint32_t c = __byte_perm(in[0], in[1], 0x7362), d = __byte_perm(in[2], in[3], 0x7362);
  out[0] = __byte_perm(a, b, 0x5410);
  out[1] = __byte_perm(a, b, 0x7632);
  out[2] = __byte_perm(c, d, 0x5410);
  out[3] = __byte_perm(c, d, 0x7632);
}

#endif
