/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and stores of arrays of elements, in the widest words that divide them. */
#ifndef VIEWCAST_KERNELS_WORDS_CUH
#define VIEWCAST_KERNELS_WORDS_CUH

#include "kernels/scalar.cuh"

#define VC_DEVICE_MEMBER static __device__ __forceinline__

typedef enum vc_access {
  VC_ACCESS_ELEMENTS,
  VC_ACCESS_WORDS,
  VC_ACCESS_SHIFTED /* loads that may begin at any byte; stores as WORDS */
} vc_access;

/* --- the widest word that divides a number of bytes, itself a multiple of 4 */

template <int Bytes>
struct word_of;
template <>
struct word_of<4> {
  typedef uint32_t type;
};
template <>
struct word_of<8> {
  typedef uint2 type;
};
template <>
struct word_of<16> {
  typedef uint4 type;
};

/* --- conversion between words, 32-bit words and elements, all in registers */

VC_DEVICE void unpack(uint32_t word, uint32_t *out) { out[0] = word; }
VC_DEVICE void unpack(uint2 word, uint32_t *out) {
  out[0] = word.x;
  out[1] = word.y;
}
VC_DEVICE void unpack(uint4 word, uint32_t *out) {
  out[0] = word.x;
  out[1] = word.y;
  out[2] = word.z;
  out[3] = word.w;
}

VC_DEVICE void pack(const uint32_t *in, uint32_t *out) { *out = in[0]; }
VC_DEVICE void pack(const uint32_t *in, uint2 *out) { *out = make_uint2(in[0], in[1]); }
VC_DEVICE void pack(const uint32_t *in, uint4 *out) {
  *out = make_uint4(in[0], in[1], in[2], in[3]);
}

VC_DEVICE void get(const uint32_t *words, int i, uint8_t *out) {
  *out = (uint8_t)(words[i / 4] >> (i % 4 * 8));
}
VC_DEVICE void get(const uint32_t *words, int i, uint16_t *out) {
  *out = (uint16_t)(words[i / 2] >> (i % 2 * 16));
}
VC_DEVICE void get(const uint32_t *words, int i, uint32_t *out) { *out = words[i]; }
VC_DEVICE void get(const uint32_t *words, int i, uint64_t *out) {
  *out = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
}

/* Sets element i of an array of words, whose bits there must be 0. */
VC_DEVICE void put(uint32_t *words, int i, uint8_t value) {
  words[i / 4] |= (uint32_t)value << (i % 4 * 8);
}
VC_DEVICE void put(uint32_t *words, int i, uint16_t value) {
  words[i / 2] |= (uint32_t)value << (i % 2 * 16);
}
VC_DEVICE void put(uint32_t *words, int i, uint32_t value) { words[i] = value; }
VC_DEVICE void put(uint32_t *words, int i, uint64_t value) {
  words[2 * i] = (uint32_t)value;
  words[2 * i + 1] = (uint32_t)(value >> 32);
}

/* --- memory */

template <int Bytes, vc_reading Reading>
VC_DEVICE void load_words(uint32_t *words, const char *at) {
  typedef typename word_of<VC_WIDEST(Bytes)>::type word;
#pragma unroll
  for (int i = 0; i < Bytes / (int)sizeof(word); i++) {
    unpack(load_word<Reading>((const word *)at + i), words + i * (int)sizeof(word) / 4);
  }
}

/* Loads Bytes bytes from any address: loads the aligned words that contain them and shifts those
 * into place. */
template <int Bytes>
VC_DEVICE void load_shifted(uint32_t *words, const char *at) {
  uint32_t shift = (uint32_t)((uintptr_t)at & 3);
  const uint32_t *first = (const uint32_t *)(at - shift);
  uint32_t found[Bytes / 4 + 1];
#pragma unroll
  for (int i = 0; i < Bytes / 4; i++) found[i] = load_word(first + i);
  found[Bytes / 4] = shift ? load_word(first + Bytes / 4) : 0;
#pragma unroll
  for (int i = 0; i < Bytes / 4; i++) {
    words[i] = __funnelshift_r(found[i], found[i + 1], shift * 8);
  }
}

template <vc_access Access, vc_reading Reading = VC_READ_CACHED, class Element, int Count>
VC_DEVICE void load(Element (&out)[Count], const char *at) {
  const int bytes = Count * (int)sizeof(Element);
  if constexpr (Access == VC_ACCESS_ELEMENTS) {
#pragma unroll
    for (int i = 0; i < Count; i++) out[i] = load_word((const Element *)at + i);
    return;
  } else {
    uint32_t words[bytes / 4];
    if constexpr (Access == VC_ACCESS_WORDS) {
      load_words<bytes, Reading>(words, at);
    } else {
      load_shifted<bytes>(words, at);
    }
#pragma unroll
    for (int i = 0; i < Count; i++) get(words, i, &out[i]);
  }
}

template <vc_access Access, class Element, int Count>
VC_DEVICE void store(char *at, const Element (&in)[Count]) {
  const int bytes = Count * (int)sizeof(Element);
  if constexpr (Access == VC_ACCESS_ELEMENTS) {
#pragma unroll
    for (int i = 0; i < Count; i++) store_word((Element *)at + i, in[i]);
  } else {
    typedef typename word_of<VC_WIDEST(bytes)>::type word;
    uint32_t words[bytes / 4] = {};
#pragma unroll
    for (int i = 0; i < Count; i++) put(words, i, in[i]);
#pragma unroll
    for (int i = 0; i < bytes / (int)sizeof(word); i++) {
      word packed;
      pack(words + i * (int)sizeof(word) / 4, &packed);
      store_word((word *)at + i, packed);
    }
  }
}

#endif
