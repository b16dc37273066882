/* SPDX-License-Identifier: Apache-2.0 */
/* Conversions that CUDA C declares in headers of their own only, written as PTX instructions, and
 * loads and stores with cache hints. */
#ifndef VIEWCAST_KERNELS_INTRINSICS_CUH
#define VIEWCAST_KERNELS_INTRINSICS_CUH

#include <stdint.h>

#include "transform/kernels/list.h"

#define VC_DEVICE static __device__ __forceinline__
/* A function that is called, in less code. In a kernel with calls the compiler may move a
 * descriptor into uniform registers before each load and store, two instructions each: kernels
 * whose speed counts call nothing. */
#define VC_DEVICE_CALL static __device__ __noinline__

VC_DEVICE float f32_from_f16(uint16_t bits) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(bits));
  return out;
}

VC_DEVICE uint16_t f16_from_f32(float value) {
  uint16_t out;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out) : "f"(value));
  return out;
}

/* Rounds `value`, which is not a NaN, to nearest even: one instruction since sm_80, which gives
 * the same bits as the integer arithmetic for older ones. */
VC_DEVICE uint16_t bf16_from_f32(float value) {
#if __CUDA_ARCH__ >= 800
  uint16_t out;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out) : "f"(value));
  return out;
#else
  uint32_t bits = __float_as_uint(value);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
}

/* Return `sum` plus the products of the bytes of a and those of b, which are signed in the second
 * function. */
VC_DEVICE uint32_t sum_products(uint32_t a, uint32_t b, uint32_t sum) {
  asm("dp4a.u32.u32 %0, %1, %2, %0;" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}

VC_DEVICE uint32_t sum_signed_products(uint32_t a, uint32_t b, uint32_t sum) {
  asm("dp4a.u32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}

/* Returns the bits of x that `mask` has, and those of `more`. Written with operators, two constants
 * would take two instructions. */
VC_DEVICE uint32_t select_bits(uint32_t x, uint32_t mask, uint32_t more) {
  uint32_t out;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(out) : "r"(x), "r"(mask), "r"(more));
  return out;
}

/* Returns bytes of `upper` and `lower` (the lowest byte), clipped to 0 ... 255. */
VC_DEVICE uint32_t pack_saturated(int32_t upper, int32_t lower) {
  uint32_t out;
  asm("cvt.pack.sat.u8.s32.b32 %0, %1, %2, 0;" : "=r"(out) : "r"(upper), "r"(lower));
  return out;
}

/* Cache hints of loads and stores. bench/tune_transform.cu sets these macros to measure other
 * hints; streaming stores were the fastest. */
#ifndef VC_STORE_HINT
#  define VC_STORE_HINT 1
#endif

/* Loads a word that is read once and not written while the kernel runs. */
template <vc_reading Reading = VC_READ_CACHED, class Word>
VC_DEVICE Word load_word(const Word *at) {
#ifdef VC_LOAD_HINT
  const int reading = VC_LOAD_HINT;
#else
  const int reading = Reading;
#endif
  if constexpr (reading == VC_READ_CACHED) return __ldg(at);
  if constexpr (reading == VC_READ_STREAMED) return __ldcs(at);
  return __ldlu(at);
}

/* Starts to load the line of the L2 cache that holds a byte of an array. */
VC_DEVICE void fetch_line(const char *at) { asm volatile("prefetch.global.L2 [%0];" ::"l"(at)); }

/* Load a small number into a register of 32 bits. The compiler would clear the upper bits of what
 * __ldg returns, which are 0 already. */
VC_DEVICE uint32_t load_number(const uint8_t *at) {
  uint32_t out;
  asm("ld.global.nc.u8 %0, [%1];" : "=r"(out) : "l"(at));
  return out;
}

VC_DEVICE uint32_t load_number(const uint16_t *at) {
  uint32_t out;
  asm("ld.global.nc.u16 %0, [%1];" : "=r"(out) : "l"(at));
  return out;
}

/* Stores two words of shared memory, at a multiple of 8 bytes. */
VC_DEVICE void store_pair(uint32_t *at, uint32_t first, uint32_t second) {
  *(uint2 *)at = make_uint2(first, second);
}

/* Stores a word that this kernel does not read again. */
template <class Word>
VC_DEVICE void store_word(Word *at, Word value) {
#if VC_STORE_HINT == 0
  *at = value;
#elif VC_STORE_HINT == 1
  __stcs(at, value);
#else
  __stcg(at, value);
#endif
}

#endif
