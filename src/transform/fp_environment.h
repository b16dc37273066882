/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's floating-point mode: the default rounds to nearest even and keeps subnormal
 * numbers. Programs change it per thread (torch.set_flush_denormal, -ffast-math). */
#ifndef VIEWCAST_TRANSFORM_FP_ENVIRONMENT_H
#define VIEWCAST_TRANSFORM_FP_ENVIRONMENT_H

#include <stdint.h>

#if defined(__x86_64__)

#  include <xmmintrin.h>

typedef unsigned vc_fp_environment;

/* Sets the default mode on this thread and returns the previous one. */
static inline vc_fp_environment vc_fp_environment_default(void) {
  vc_fp_environment before = _mm_getcsr();
  _mm_setcsr(0x1f80);
  return before;
}

static inline void vc_fp_environment_restore(vc_fp_environment mode) { _mm_setcsr(mode); }

#elif defined(__aarch64__)

typedef uint64_t vc_fp_environment;

static inline void vc_fp_environment_restore(vc_fp_environment mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
}

static inline vc_fp_environment vc_fp_environment_default(void) {
  vc_fp_environment before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before) : : "memory");
  vc_fp_environment_restore(0);
  return before;
}

#else

#  include <fenv.h>

typedef fenv_t vc_fp_environment;

static inline vc_fp_environment vc_fp_environment_default(void) {
  vc_fp_environment before;
  fegetenv(&before);
  fesetenv(FE_DFL_ENV);
  return before;
}

static inline void vc_fp_environment_restore(vc_fp_environment mode) { fesetenv(&mode); }

#endif

#endif
