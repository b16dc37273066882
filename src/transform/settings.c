/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/settings.h"

#if defined(__x86_64__)
#  include <cpuid.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "internal.h"
#include "transform/row.h"
#include "transform/threads.h"

vc_cpu_limits vc_limits = {
    .piece_bytes = 128 << 10,
    .thread_bytes = 512 << 10,
    .stream_bytes = -1,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int threads; /* 0: one for each core */
static int64_t last_cache; /* bytes */
static const vc_row_kernels *best;

/* --- the row kernels of this processor */

#if defined(__x86_64__)
/* Asks the processor directly: __builtin_cpu_supports() is a function of the compiler's run time,
 * and that of Zig, with which the wheels are built, returns false for everything. */
static bool has_avx2(void) {
  const unsigned needed = bit_FMA | bit_F16C | bit_AVX | bit_OSXSAVE, registers = 6;
  unsigned a, b, c, d, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & needed) != needed) return false;
  __asm__("xgetbv" : "=a"(a), "=d"(high) : "c"(0)); /* what the system saves */
  if ((a & registers) != registers) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2) != 0;
}
#endif

static const vc_row_kernels *fastest(void) {
#if defined(__x86_64__)
  if (has_avx2()) return &vc_row_kernels_avx2;
#elif defined(__aarch64__)
  return &vc_row_kernels_neon;
#endif
  return &vc_row_kernels_scalar;
}

/* --- the last-level cache, which the cores share */

#define USUAL_CACHE (16 << 20)
#define LARGE_CACHE (32 << 20) /* others want their share of more */

#if defined(__x86_64__)
/* sysconf() adds up caches of which one core can't use all. */
static int64_t size_of_cache(unsigned leaf, unsigned which, unsigned level) {
  unsigned a, ways, sets, d;
  if (!__get_cpuid_count(leaf, which, &a, &ways, &sets, &d) || (a >> 5 & 7) != level) return 0;
  int64_t line = (ways & 0xfff) + 1, parts = (ways >> 12 & 0x3ff) + 1;
  return line * parts * ((ways >> 22) + 1) * ((int64_t)sets + 1);
}

static int64_t read_last_cache(void) {
  static const unsigned leaves[] = {4, 0x8000001d}; /* Intel's, AMD's */
  for (unsigned which = 0; which < 8; which++) {
    for (int i = 0; i < 2; i++) {
      int64_t size = size_of_cache(leaves[i], which, 3);
      if (size > 0) return size < LARGE_CACHE ? size : LARGE_CACHE;
    }
  }
  return USUAL_CACHE; /* not said */
}
#else
static int64_t read_last_cache(void) { return USUAL_CACHE; }
#endif

/* --- settings that are read once */

static void read_environment(void) {
  const char *simd = getenv("VIEWCAST_SIMD"), *number = getenv("VIEWCAST_THREADS");
  last_cache = read_last_cache();
  best = simd && strcmp(simd, "scalar") == 0 ? &vc_row_kernels_scalar : fastest();
  long wanted = number ? strtol(number, NULL, 10) : 0;
  atomic_store(&threads, wanted > 0 && wanted < INT32_MAX ? (int)wanted : 0);
}

const vc_row_kernels *vc_row_kernels_best(void) {
  pthread_once(&once, read_environment);
  return vc_limits.row_kernels ? vc_limits.row_kernels : best;
}

const char *vc_transform_simd(void) { return vc_row_kernels_best()->name; }

/* --- the size from which stores are non-temporal */

/* Results that stay in the last-level cache save a round trip to memory. The threshold
 * counts bytes read as well, because they share the cache. */
int64_t vc_settings_stream_bytes(void) {
  pthread_once(&once, read_environment);
  return vc_limits.stream_bytes < 0 ? last_cache : vc_limits.stream_bytes;
}

/* --- the number of threads */

int32_t vc_transform_set_threads(int32_t wanted) {
  pthread_once(&once, read_environment);
  return wanted < 0 ? -1 : atomic_exchange(&threads, wanted);
}

int32_t vc_settings_threads(int32_t asked) {
  pthread_once(&once, read_environment);
  if (asked > 0) return asked;
  int32_t set = atomic_load(&threads);
  return set > 0 ? set : vc_cpu_count();
}

int32_t vc_transform_threads(void) { return vc_settings_threads(0); }

int32_t vc_settings_threads_for(double bytes, int32_t asked) {
  if (bytes < 2.0 * (double)vc_limits.thread_bytes || asked == 1) return 1;
  int32_t most = vc_settings_threads(asked);
  double useful = bytes / (double)vc_limits.thread_bytes;
  return useful < most ? (int32_t)useful : most;
}
