/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's floating point mode: to nearest even, subnormals honoured.
 * Programs change it for a thread (torch.set_flush_denormal, -ffast-math). */
#ifndef VIEWCAST_TRANSFORM_FLOAT_MODE_H
#define VIEWCAST_TRANSFORM_FLOAT_MODE_H

#include <stdint.h>

#if defined(__x86_64__)

#  include <xmmintrin.h>

typedef unsigned vc_float_mode;

/* Sets the default mode on this thread and returns what was set. */
static inline vc_float_mode vc_float_mode_default(void) {
  vc_float_mode before = _mm_getcsr();
  _mm_setcsr(0x1f80);
  return before;
}

static inline void vc_float_mode_restore(vc_float_mode mode) { _mm_setcsr(mode); }

#elif defined(__aarch64__)

typedef uint64_t vc_float_mode;

static inline void vc_float_mode_restore(vc_float_mode mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
}

static inline vc_float_mode vc_float_mode_default(void) {
  vc_float_mode before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before) : : "memory");
  vc_float_mode_restore(0);
  return before;
}

#else

#  include <fenv.h>

typedef fenv_t vc_float_mode;

static inline vc_float_mode vc_float_mode_default(void) {
  vc_float_mode before;
  fegetenv(&before);
  fesetenv(FE_DFL_ENV);
  return before;
}

static inline void vc_float_mode_restore(vc_float_mode mode) { fesetenv(&mode); }

#endif

#endif
