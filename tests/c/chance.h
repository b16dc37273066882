/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers of tests, the same in each run. A test gives `seed` its first value. */
#ifndef VIEWCAST_TESTS_CHANCE_H
#define VIEWCAST_TESTS_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t seed;

/* xorshift64* */
static inline uint64_t draw_bits(void) {
  seed ^= seed >> 12;
  seed ^= seed << 25;
  seed ^= seed >> 27;
  return seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* These return a number from 0 to `below` - 1, and true once in `count` times. */
static inline int draw(int below) { return (int)((draw_bits() >> 33) % (uint64_t)below); }
static inline bool one_in(int count) { return draw(count) == 0; }

#endif
