/* SPDX-License-Identifier: Apache-2.0 */
/* The first include of a file whose functions are compiled for AVX2, whatever the processor of
 * the other files. Such a file ends with END_AVX2. */
#ifndef VIEWCAST_TRANSFORM_BEGIN_AVX2_H
#define VIEWCAST_TRANSFORM_BEGIN_AVX2_H

#if defined(__clang__)
#  pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#  define END_AVX2 _Pragma("clang attribute pop")
#else
#  pragma GCC optimize("O3", "no-trapping-math", "no-math-errno")
#  pragma GCC target("avx2")
#  define END_AVX2
#endif

#include <immintrin.h>

#define INLINED static inline __attribute__((always_inline))

#endif
