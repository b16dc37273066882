/* SPDX-License-Identifier: Apache-2.0 */
/* The generic kernels, which carry out any plan: each thread converts one pixel, or four channels
 * of it. */
#ifndef VIEWCAST_KERNELS_GENERIC_CUH
#define VIEWCAST_KERNELS_GENERIC_CUH

#include "kernels/scalar.cuh"

struct place {
  int64_t image, row, col;
  int32_t chunk;
};

/* Divides *value by `length`: the quotient is stored in *value, the remainder is returned. */
VC_DEVICE int64_t split(int64_t *value, int64_t length, const vc_divider &by, bool small) {
  int64_t quotient = small ? (int64_t)divide((uint32_t)*value, by) : *value / length;
  int64_t rest = *value - quotient * length;
  *value = quotient;
  return rest;
}

/* Returns the place of thread `index`. Threads follow the order of the destination, so that
 * neighbouring threads write neighbouring elements. */
VC_DEVICE place locate(const vc_generic &p, int64_t index) {
  place out;
  bool small = p.total <= INT32_MAX;
  out.chunk = 0;
  if (p.interleaved) out.chunk = (int32_t)split(&index, p.chunks, p.by_chunks, small);
  out.col = split(&index, p.cols, p.by_cols, small);
  out.row = split(&index, p.rows, p.by_rows, small);
  if (!p.interleaved) out.chunk = (int32_t)split(&index, p.chunks, p.by_chunks, small);
  out.image = index;
  return out;
}

VC_DEVICE uint64_t load_bits(const char *at, int32_t size, bool aligned) {
  uint64_t bits = 0;
  if (!aligned) {
#pragma unroll 1
    for (int32_t i = 0; i < size; i++) bits |= (uint64_t)(uint8_t)at[i] << (8 * i);
    return bits;
  }
  switch (size) {
    case 1: return load_word((const uint8_t *)at);
    case 2: return load_word((const uint16_t *)at);
    case 4: return load_word((const uint32_t *)at);
    default: return load_word((const unsigned long long *)at);
  }
}

VC_DEVICE void store_bits(char *at, int32_t size, bool aligned, uint64_t bits) {
  if (!aligned) {
#pragma unroll 1
    for (int32_t i = 0; i < size; i++) at[i] = (char)(bits >> (8 * i));
    return;
  }
  switch (size) {
    case 1: store_word((uint8_t *)at, (uint8_t)bits); break;
    case 2: store_word((uint16_t *)at, (uint16_t)bits); break;
    case 4: store_word((uint32_t *)at, (uint32_t)bits); break;
    default: store_word((unsigned long long *)at, (unsigned long long)bits); break;
  }
}

template <int Work>
VC_DEVICE uint64_t convert(const vc_generic &p, uint64_t bits, const double *a, const double *b) {
  if (Work == VC_WORK_MOVE) return bits;
  if (Work == VC_WORK_INTEGER) {
    return bits_from_integer(p.to_type, integer_from_bits(p.from_type, bits));
  }
  if (Work == VC_WORK_FLOAT) {
    float y = fmaf(float_from_bits(p.from_type, bits), (float)*a, (float)*b);
    return bits_from_float(p.to_type, y);
  }
  return bits_from_double(p.to_type, fma(double_from_bits(p.from_type, bits), *a, *b));
}

VC_DEVICE int32_t source_of(const vc_generic &p, int32_t channel) {
  if (p.mapped) return p.map[channel];
  return p.reversed ? p.channels - 1 - channel : channel;
}

/* Returns the address of an image and the strides within it. */
VC_DEVICE vc_listed find_image(const vc_generic &p, const vc_listed *table, int64_t image) {
  if (p.source == VC_SOURCE_TABLE) return table[image];
  if (p.source == VC_SOURCE_MEMORY) return p.listed[image];
  const vc_strides &strides = p.from_strides;
  return vc_listed{p.from + image * strides.image, strides.row, strides.col, strides.channel};
}

template <int Work>
VC_DEVICE void write_chunk(const vc_generic &p, const place &at, const vc_listed &image,
                           const double *a, const double *b) {
  const vc_strides &strides = p.to_strides;
  const char *from = image.data + at.row * image.row + at.col * image.col;
  char *to = p.to + at.image * strides.image + at.row * strides.row + at.col * strides.col;
  int32_t end = min(p.channels, 4 * at.chunk + 4);
  for (int32_t c = 4 * at.chunk; c < end; c++) {
    int32_t source = source_of(p, c);
    uint64_t bits = p.fill;
    if (source != VC_CHANNEL_FILL) {
      bits = load_bits(from + source * image.channel, p.from_size, p.from_aligned);
      bits = convert<Work>(p, bits, a + c * p.stride, b + c * p.stride);
    }
    store_bits(to + c * strides.channel, p.to_size, p.to_aligned, bits);
  }
}

template <int Work>
VC_DEVICE void run_generic(const vc_generic &p, const vc_listed *table, const double *a,
                           const double *b) {
  int64_t index = (int64_t)blockIdx.x * VC_BLOCK + threadIdx.x;
  if (index >= p.total) return;
  place at = locate(p, index);
  write_chunk<Work>(p, at, find_image(p, table, at.image), a, b);
}

#endif
