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

/* Returns the number of pixels behind those that are wanted that words may hold bytes of: the
 * words of an image whose rows begin and end at aligned addresses hold no other bytes. */
VC_DEVICE int32_t pixels_beyond(const vc_resized &image, int32_t channels) {
  uint64_t end = (uint64_t)(uintptr_t)image.data + (uint64_t)image.readable * (uint64_t)channels;
  return (end | (uint64_t)image.row) % 4 == 0 ? 0 : (channels + 2) / channels;
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
