/* SPDX-License-Identifier: Apache-2.0 */
/* As much of CUDA C as the kernels use, for a C++ compiler: threads run one by
 * one. Instructions give what the hardware gives, its NaNs included. */
#ifndef VIEWCAST_TESTS_CUDA_ON_HOST_HPP
#define VIEWCAST_TESTS_CUDA_ON_HOST_HPP

#include <cmath>
#include <cstdint>
#include <cstring>

#include "transform/kernels/list.h"

#define __device__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)

struct uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct dim3 {
  uint32_t x, y, z;
};

static dim3 blockIdx, threadIdx, blockDim;

static inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
static inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) {
  return {x, y, z, w};
}

static inline int32_t min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int32_t max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t max(uint32_t a, uint32_t b) { return a > b ? a : b; }

template <class To, class From>
static inline To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

static inline uint32_t __float_as_uint(float value) { return same_bits<uint32_t>(value); }
static inline float __uint_as_float(uint32_t bits) { return same_bits<float>(bits); }
static inline int64_t __double_as_longlong(double value) { return same_bits<int64_t>(value); }
static inline double __longlong_as_double(int64_t bits) { return same_bits<double>(bits); }

static inline float hardware_nan(float value) {
  return value == value ? value : __uint_as_float(0x7fffffff);
}

static inline float host_fmaf(float x, float a, float b) { return hardware_nan(fmaf(x, a, b)); }
#define fmaf host_fmaf

static inline uint32_t __umulhi(uint32_t a, uint32_t b) {
  return (uint32_t)((uint64_t)a * b >> 32);
}

static inline uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t shift) {
  return (uint32_t)(((uint64_t)high << 32 | low) >> (shift & 31));
}

/* Bytes of both words, selected by the nibbles of `selector`. */
static inline uint32_t __byte_perm(uint32_t low, uint32_t high, uint32_t selector) {
  uint64_t both = (uint64_t)high << 32 | low;
  uint32_t out = 0;
  for (int i = 0; i < 4; i++)
    out |= (uint32_t)(both >> ((selector >> (4 * i) & 7) * 8) & 255) << (8 * i);
  return out;
}

/* 16-bit halves of `a` times bytes of `b`: the lower or the upper two. */
static inline uint32_t __dp2a_lo(uint32_t a, uint32_t b, uint32_t c) {
  return c + (a & 0xffff) * (b & 255) + (a >> 16) * (b >> 8 & 255);
}
static inline uint32_t __dp2a_hi(uint32_t a, uint32_t b, uint32_t c) {
  return __dp2a_lo(a, b >> 16, c);
}

static inline int32_t __float2int_rn(float value) {
  if (value != value) return 0;
  if (value >= 0x1p31f) return INT32_MAX;
  return value < -0x1p31f ? INT32_MIN : (int32_t)nearbyintf(value);
}

static inline int64_t __double2ll_rn(double value) {
  if (value != value) return INT64_MIN;
  if (value >= 0x1p63) return INT64_MAX;
  return value < -0x1p63 ? INT64_MIN : (int64_t)nearbyint(value);
}

static inline uint64_t __double2ull_rn(double value) {
  if (value != value) return UINT64_C(1) << 63;
  double whole = nearbyint(value);
  return whole <= 0 ? 0 : whole >= 0x1p64 ? UINT64_MAX : (uint64_t)whole;
}

static inline double __ll2double_rn(int64_t value) { return (double)value; }
static inline double __ull2double_rn(uint64_t value) { return (double)value; }
static inline float __double2float_rn(double value) { return hardware_nan((float)value); }

static inline float __double2float_rz(double value) {
  float near = (float)value;
  if (near != near) return hardware_nan(near);
  return fabs((double)near) > fabs(value) ? nextafterf(near, 0) : near;
}

/* Of numbers whose product and sum have 53 bits at most. */
static inline float __fmaf_rz(float x, float a, float b) {
  return __double2float_rz((double)x * a + b);
}

/* --- in the place of kernels/intrinsics.cuh */

#define VIEWCAST_KERNELS_INTRINSICS_CUH
#define VC_DEVICE static inline
#define VC_DEVICE_CALL static inline

VC_DEVICE float f32_from_f16(uint16_t bits) {
  int exponent = bits >> 10 & 31, rest = bits & 1023;
  float sign = bits >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return rest ? hardware_nan(NAN) : sign * INFINITY;
  if (exponent == 0) return sign * ldexpf((float)rest, -24);
  return sign * ldexpf((float)(rest + 1024), exponent - 25);
}

/* To a format of so many bits of fraction and exponent, by its definition. */
static inline uint16_t small_float(float value, int fraction, int bias) {
  uint32_t sign = __float_as_uint(value) >> 31 << 15;
  double size = fabs((double)value), largest = ldexp(2 - ldexp(1, -fraction), bias);
  if (value != value) return 0x7fff;
  if (size == 0) return (uint16_t)sign;
  int exponent = std::isinf(size) ? bias + 1 : ilogb(size);
  if (exponent < 1 - bias) exponent = 1 - bias;
  double whole = nearbyint(ldexp(size, fraction - exponent)); /* in units of the last place */
  if (std::isinf(size) || ldexp(whole, exponent - fraction) > largest) {
    return (uint16_t)(sign | (uint32_t)(2 * bias + 1) << fraction);
  }
  return (uint16_t)(sign + ((uint32_t)(exponent + bias - 1) << fraction) + (uint32_t)whole);
}

VC_DEVICE uint16_t f16_from_f32(float value) { return small_float(value, 10, 15); }
VC_DEVICE uint16_t bf16_from_f32(float value) { return small_float(value, 7, 127); }

VC_DEVICE void fetch_line(const char *) {}

VC_DEVICE uint32_t select_bits(uint32_t x, uint32_t mask, uint32_t more) {
  return (x & mask) | more;
}

VC_DEVICE uint32_t sum_products(uint32_t a, uint32_t b, uint32_t sum) {
  for (int i = 0; i < 32; i += 8) sum += (a >> i & 255) * (b >> i & 255);
  return sum;
}

VC_DEVICE uint32_t sum_signed_products(uint32_t a, uint32_t b, uint32_t sum) {
  for (int i = 0; i < 32; i += 8) sum += (a >> i & 255) * (uint32_t)(int8_t)(b >> i & 255);
  return sum;
}

VC_DEVICE uint32_t pack_saturated(int32_t upper, int32_t lower) {
  return (uint32_t)max(min(upper, 255), 0) << 8 | (uint32_t)max(min(lower, 255), 0);
}

/* Faults on a GPU, and counts here. */
static long misaligned;

template <vc_reading Reading = VC_READ_CACHED, class Word>
VC_DEVICE Word load_word(const Word *at) {
  Word word;
  misaligned += (uintptr_t)at % sizeof word != 0;
  memcpy(&word, at, sizeof word);
  return word;
}

VC_DEVICE uint32_t load_number(const uint8_t *at) { return *at; }
VC_DEVICE uint32_t load_number(const uint16_t *at) { return load_word(at); }

template <class Word>
VC_DEVICE void store_word(Word *at, Word value) {
  misaligned += (uintptr_t)at % sizeof value != 0;
  memcpy(at, &value, sizeof value);
}

VC_DEVICE void store_pair(uint32_t *at, uint32_t first, uint32_t second) {
  misaligned += (uintptr_t)at % 8 != 0;
  at[0] = first;
  at[1] = second;
}

/* --- in the place of run_phases: all threads of a block, phase after phase */

#define VC_PHASES_ON_HOST

/* Calls a phase for each thread of the block. A GPU keeps no order among them, so each call has
 * another one: it begins with another thread, and every second call goes down. A thread that reads
 * what another one writes in the same phase then finds it unwritten in some of the blocks. */
template <class Phase>
static inline void each_thread(Phase phase) {
  static uint32_t calls;
  uint32_t count = blockDim.x, first = calls * 37, down = calls++ % 2;
  for (uint32_t i = 0; i < count; i++) {
    threadIdx.x = (first + (down ? count - i : i)) % count;
    phase(threadIdx.x);
  }
}

template <class Kernel>
static inline void run_phases(const typename Kernel::parameters &p) {
  static typename Kernel::shared shared;
  static typename Kernel::own own[VC_BLOCK];
  memset((void *)&shared, 0xa5, sizeof shared); /* nothing is left from another block */
  each_thread([&](uint32_t thread) { Kernel::prepare(p, shared, own[thread]); });
  each_thread([&](uint32_t thread) { Kernel::begin(p, shared, own[thread]); });
  for (int32_t round = 0; round < Kernel::rounds(p, shared); round++) {
    each_thread([&](uint32_t thread) { Kernel::load(p, shared, own[thread], round); });
    each_thread([&](uint32_t thread) { Kernel::use(p, shared, own[thread], round); });
  }
  each_thread([&](uint32_t thread) { Kernel::end(p, shared, own[thread]); });
}

#endif
