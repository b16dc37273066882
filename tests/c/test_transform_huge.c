/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms of host memory beyond 2^31 elements, and of rows and planes further
 * apart than that. A few megabytes are mapped there again and again; the last ones
 * are memory of their own, so that what is not written there shows. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#if defined(__has_feature)
#  if __has_feature(thread_sanitizer)
#    define __SANITIZE_THREAD__ 1
#  endif
#endif

#define MIB ((size_t)1 << 20)
#define FAR ((size_t)3 << 30) /* from plane to plane, or from row to row */

static vc_error error;

/* `size` bytes of addresses without memory; NULL: not to be had. */
static uint8_t *reserve(size_t size) {
  void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? NULL : at;
}

/* A file in memory that holds `pieces` of `piece` bytes. */
static int make_file(size_t piece, size_t pieces) {
  int file = memfd_create("huge", MFD_CLOEXEC);
  CHECK(file >= 0 && ftruncate(file, (off_t)(piece * pieces)) == 0);
  return file;
}

static uint8_t *map_at(uint8_t *at, int file, size_t piece, size_t which) {
  void *got =
      mmap(at, piece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, (off_t)(which * piece));
  CHECK(got == at);
  return at;
}

/* `count` pieces from `at` on: piece `first` of the file often, the next one last. */
static void repeat(uint8_t *at, int file, size_t piece, size_t count, size_t first) {
  for (size_t i = 0; i < count; i++) map_at(at + i * piece, file, piece, first + (i == count - 1));
}

/* --- more elements than an int counts */

#define PERIOD (4 * MIB) /* pixels */
#define PERIODS 171

static uint8_t value_of(size_t byte, int last) {
  return (uint8_t)(byte * 7 + byte / 251 + (last ? 90 : 0));
}

static bool plane_is_right(const uint8_t *plane, size_t channel) {
  for (int last = 0; last < 2; last++) {
    const uint8_t *at = plane + (last ? PERIODS - 1 : 0) * PERIOD;
    for (size_t i = 0; i < PERIOD; i++) {
      if (at[i] != value_of(3 * i + channel, last)) return false;
    }
  }
  return true;
}

static void test_elements(int32_t threads) {
  uint8_t *from = reserve(3 * PERIOD * PERIODS), *to = reserve(3 * FAR);
  int in = make_file(3 * PERIOD, 2), out = make_file(PERIOD, 6);
  vc_view views[2];
  vc_transform_params params;
  vc_transform_params_init(&params);
  if (!from || !to) {
    fprintf(stderr, "no addresses for %zu bytes: skipped\n", 3 * FAR);
    exit(77);
  }
  repeat(from, in, 3 * PERIOD, PERIODS, 0);
  for (size_t c = 0; c < 3; c++) repeat(to + c * FAR, out, PERIOD, PERIODS, 2 * c);
  for (int last = 0; last < 2; last++)
    for (size_t i = 0; i < 3 * PERIOD; i++)
      from[(size_t)last * 3 * PERIOD * (PERIODS - 1) + i] = value_of(i, last);
  int64_t shape[3] = {PERIODS, PERIOD, 3};
  CHECK_OK(vc_view_packed(from, (vc_device){VC_CPU, 0}, (vc_dtype){VC_UINT, 8}, 3, shape, &views[0],
                          &error));
  views[1] = (vc_view){.data = to,
                       .dtype = {VC_UINT, 8},
                       .ndim = 3,
                       .device = {VC_CPU, 0},
                       .shape = {3, PERIODS, PERIOD},
                       .strides = {(int64_t)FAR, PERIOD, 1}};
  params.to = VC_PLANAR;
  params.threads = threads;
  CHECK_OK(vc_transform(&views[1], views, 1, &params, 0, &error));
  for (size_t c = 0; c < 3; c++) CHECK(plane_is_right(to + c * FAR, c));
  munmap(from, 3 * PERIOD * PERIODS);
  munmap(to, 3 * FAR);
  close(in);
  close(out);
}

/* --- rows further apart than an int counts, from the last to the first */

#define COLS 1000
#define ROWS 3

static void test_rows(void) {
  const size_t page = 64 << 10;
  uint8_t *from = reserve(ROWS * FAR), *to = reserve(ROWS * FAR);
  int in = make_file(page, ROWS), out = make_file(page, ROWS);
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.scale = 2;
  for (size_t row = 0; row < ROWS; row++) {
    map_at(from + row * FAR, in, page, row);
    map_at(to + row * FAR, out, page, row);
    for (size_t i = 0; i < COLS; i++) from[row * FAR + i] = value_of(i + 31 * row, 0);
  }
  vc_view views[2] = {
      {.data = from + (ROWS - 1) * FAR,
       .dtype = {VC_UINT, 8},
       .ndim = 2,
       .device = {VC_CPU, 0},
       .shape = {ROWS, COLS},
       .strides = {-(int64_t)FAR, 1}},
      {.data = to,
       .dtype = {VC_FLOAT, 32},
       .ndim = 2,
       .device = {VC_CPU, 0},
       .shape = {ROWS, COLS},
       .strides = {(int64_t)FAR, 4}},
  };
  CHECK_OK(vc_transform(&views[1], views, 1, &params, 0, &error));
  for (size_t row = 0; row < ROWS; row++) {
    const float *at = (const float *)(const void *)(to + row * FAR);
    for (size_t i = 0; i < COLS; i++) CHECK(at[i] == 2.0F * value_of(i + 31 * (ROWS - 1 - row), 0));
  }
  munmap(from, ROWS * FAR);
  munmap(to, ROWS * FAR);
  close(in);
  close(out);
}

int main(void) {
#if defined(__SANITIZE_THREAD__)
  fprintf(stderr, "ThreadSanitizer would shadow every address: skipped\n");
  return 77;
#endif
  test_elements(1);
  test_elements(2);
  test_rows();
  return check_report();
}
