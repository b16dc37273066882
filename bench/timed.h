/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the loops in C. */
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The rest of a function that returns the nanoseconds of one of `calls` evaluations of `call`, an
 * expression that is 0 on success; negative if one was not. */
#define TIMED(call)                                 \
  int failed = 0;                                   \
  double begin = now();                             \
  for (int i = 0; i < calls; i++) failed |= (call); \
  double end = now();                               \
  return failed ? -1 : (end - begin) / calls
