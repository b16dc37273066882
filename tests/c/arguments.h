/* SPDX-License-Identifier: Apache-2.0 */
/* For test_arguments*.c: a call with a wrong argument is refused, says why, writes nothing
 * and takes no owner. Functions that refuse views are called with every view that
 * vc_view_check refuses. */
#ifndef VIEWCAST_TESTS_ARGUMENTS_H
#define VIEWCAST_TESTS_ARGUMENTS_H

#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "internal.h"

static vc_error error;
static vc_error *into; /* &error, or NULL: then a call says the same by its status alone */

enum { FILL = 0xA5 };

static inline bool is_filled(const void *memory, size_t size) {
  const unsigned char *bytes = memory;
  for (size_t i = 0; i < size; i++)
    if (bytes[i] != FILL) return false;
  return true;
}

/* `call` passes `into` and writes to *out, of which not a byte may change. */
#define REFUSES_INTO(out, status, part, call) \
  do {                                        \
    memset((out), FILL, sizeof *(out));       \
    into = &error;                            \
    CHECK_FAILS(call, (status), (part));      \
    into = NULL;                              \
    CHECK_INT((call), (status));              \
    CHECK(is_filled((out), sizeof *(out)));   \
  } while (0)

/* The same of a call that has no output, or is not given any. */
#define REFUSES(status, part, call)      \
  do {                                   \
    into = &error;                       \
    CHECK_FAILS(call, (status), (part)); \
    into = NULL;                         \
    CHECK_INT((call), (status));         \
  } while (0)

/* --- owners */

static int releases;
static inline void count_release(void *context) { *(int *)context += 1; }
static inline vc_owner owner_of(bool any_thread) {
  return (vc_owner){&releases, count_release, any_thread};
}

/* Still the caller's, and not released. */
#define IS_MINE(owner) \
  CHECK((owner).release == count_release && (owner).context == &releases && releases == 0)

/* --- views */

static const vc_device cpu = {VC_CPU, 0}, gpu = {VC_CUDA, 0};
static const vc_dtype u8 = {VC_UINT, 8}, f32 = {VC_FLOAT, 32};
static _Alignas(64) uint8_t pixels[1 << 14];

/* A packed image of 4 x 6 x 3. */
static inline vc_view image_in(void *data, vc_device device, vc_dtype dtype) {
  vc_view view;
  const int64_t shape[] = {4, 6, 3};
  CHECK_OK(vc_view_packed(data, device, dtype, 3, shape, &view, &error));
  return view;
}

typedef struct broken_view {
  vc_view view;
  vc_status status;
  const char *part;
} broken_view;

/* Every view that makes no sense, from one that does. */
static inline int break_view(vc_view good, broken_view out[64]) {
  int count = 0;
#define BREAK(status_, part_, ...)                          \
  do {                                                      \
    vc_view view = good;                                    \
    __VA_ARGS__;                                            \
    out[count++] = (broken_view){view, (status_), (part_)}; \
  } while (0)
  static const int32_t ranks[] = {0, -1, 5, 9, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
    BREAK(VC_ERROR_LAYOUT, "rank", view.ndim = ranks[i]);
  for (int axis = 0; axis < good.ndim; axis++) {
    BREAK(VC_ERROR_VALUE, "needs 0 or more", view.shape[axis] = -1);
    BREAK(VC_ERROR_VALUE, "needs 0 or more", view.shape[axis] = INT64_MIN);
    BREAK(VC_ERROR_VALUE, "64 bits", view.shape[axis] = INT64_MAX);
    BREAK(VC_ERROR_VALUE, "64 bits", view.strides[axis] = INT64_MAX);
    BREAK(VC_ERROR_VALUE, "64 bits", view.strides[axis] = INT64_MIN);
  }
  BREAK(VC_ERROR_VALUE, "address space", view.strides[0] = -(INT64_C(1) << 60));
  static const int32_t devices[] = {0, -1, 4, 77, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
    BREAK(VC_ERROR_DEVICE, "device type", view.device.type = devices[i]);
  BREAK(VC_ERROR_DEVICE, "device id", view.device.id = -1);
  BREAK(VC_ERROR_DEVICE, "device id", view.device.id = INT32_MIN);
  BREAK(VC_ERROR_DTYPE, "dtype", view.dtype.code = 99);
  BREAK(VC_ERROR_DTYPE, "dtype", view.dtype.bits = 7);
  BREAK(VC_ERROR_DTYPE, "dtype", view.dtype.bits = 0);
  BREAK(VC_ERROR_DTYPE, "dtype", view.dtype = (vc_dtype){VC_COMPLEX, 64});
  BREAK(VC_ERROR_VALUE, "NULL", view.data = NULL);
  BREAK(VC_ERROR_VALUE, "address space", view.data = (void *)(UINTPTR_MAX - 8));
#undef BREAK
  return count;
}

/* `call` reads `broken` and writes *out. */
#define REFUSES_BROKEN_VIEWS(out, good, call)              \
  do {                                                     \
    broken_view all[64];                                   \
    int count = break_view((good), all);                   \
    CHECK(count >= 32 && count <= 64);                     \
    for (int i = 0; i < count; i++) {                      \
      const vc_view *broken = &all[i].view;                \
      REFUSES_INTO(out, all[i].status, all[i].part, call); \
    }                                                      \
  } while (0)

/* --- streams */

static const vc_stream wrong_streams[] = {-2, -5, INTPTR_MIN};

/* `call` passes `wrong` and writes to *out. */
#define REFUSES_STREAMS(out, call)                                            \
  for (size_t n = 0; n < sizeof wrong_streams / sizeof *wrong_streams; n++) { \
    vc_stream wrong = wrong_streams[n];                                       \
    REFUSES_INTO(out, VC_ERROR_ARGUMENT, "stream is -", call);                \
  }

/* --- the functions whose arguments a program tests, by name */

typedef struct tested_function {
  const char *name;
  void (*test)(void);
} tested_function;

#define TESTED(name) {#name, arguments_of_##name}

static inline int test_functions(const tested_function *functions, size_t count) {
  for (size_t i = 0; i < count; i++) {
    long failed = checks_failed;
    functions[i].test();
    if (checks_failed > failed) fprintf(stderr, "of %s\n", functions[i].name);
  }
  return check_report();
}

#endif
