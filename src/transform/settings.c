/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/settings.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "transform/loops.h"
#include "transform/threads.h"

vc_cpu_limits vc_limits = {
    .piece_bytes = 128 << 10,
    .thread_bytes = 512 << 10,
    .stream_bytes = 4 << 20,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int threads; /* 0: one for each core */
static const vc_loops *best;

/* --- which loops */

#if defined(__x86_64__)
/* __builtin_cpu_supports("f16c") is unknown to clang before 19. */
static bool has_f16c(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

static const vc_loops *fastest(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) {
    return &vc_loops_avx2;
  }
#elif defined(__aarch64__)
  return &vc_loops_neon;
#endif
  return &vc_loops_scalar;
}

static void read_environment(void) {
  const char *simd = getenv("VIEWCAST_SIMD"), *number = getenv("VIEWCAST_THREADS");
  best = simd && strcmp(simd, "scalar") == 0 ? &vc_loops_scalar : fastest();
  long wanted = number ? strtol(number, NULL, 10) : 0;
  atomic_store(&threads, wanted > 0 && wanted < INT32_MAX ? (int)wanted : 0);
}

const vc_loops *vc_loops_best(void) {
  pthread_once(&once, read_environment);
  return vc_limits.loops ? vc_limits.loops : best;
}

const char *vc_transform_simd(void) { return vc_loops_best()->name; }

/* --- how many threads */

int32_t vc_transform_set_threads(int32_t wanted) {
  pthread_once(&once, read_environment);
  return atomic_exchange(&threads, wanted > 0 ? wanted : 0);
}

int32_t vc_settings_threads(int32_t asked) {
  pthread_once(&once, read_environment);
  if (asked > 0) return asked;
  int32_t set = atomic_load(&threads);
  return set > 0 ? set : vc_cores();
}
