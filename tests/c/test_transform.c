/* SPDX-License-Identifier: Apache-2.0 */
/* Values that transforms of host memory write: every dtype to every dtype, every
 * layout and change of channels, with each table of row kernels and several threads. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transform/row.h"
#include "transform/settings.h"
#include "transform_picture.h"
#include "transform_reference.h"

static vc_error error;

/* --- one case, carried out in every way */

#define MOST_SOURCES 3

typedef struct test_case {
  picture from[MOST_SOURCES], to;
  size_t count;
  vc_transform_params params;
} test_case;

/* What the whole memory of the destination should hold. */
static char *expect(const test_case *t) {
  const picture *to = &t->to;
  char *expected = malloc(to->bytes);
  memcpy(expected, to->memory, to->bytes);
  uint64_t fill = number_bits(to->view.dtype, t->params.fill);
  for (int64_t n = 0; n < to->count; n++) {
    const picture *from = &t->from[t->count > 1 ? n : 0];
    int64_t image = t->count > 1 ? 0 : n;
    for (int64_t row = 0; row < to->rows; row++)
      for (int64_t col = 0; col < to->cols; col++)
        for (int32_t c = 0; c < (int32_t)to->channels; c++) {
          int32_t source = reference_channel((int32_t)from->channels, (int32_t)to->channels,
                                             t->params.reverse_channels, c);
          uint64_t bits = fill;
          if (source >= 0) {
            bits = read_bits(element_of(from, image, row, col, source), from->view.dtype);
            bits = reference(from->view.dtype, to->view.dtype, &t->params, c, bits);
          }
          memcpy(expected + (element_of(to, n, row, col, c) - to->memory), &bits,
                 vc_dtype_size(to->view.dtype));
        }
  }
  return expected;
}

/* Loops, threads, and past the caches or not. */
static void carry_out(test_case *t, const char *expected, const vc_row_kernels *kernels,
                      int32_t threads, bool past) {
  vc_view views[MOST_SOURCES];
  for (size_t i = 0; i < t->count; i++) views[i] = t->from[i].view;
  memset(t->to.memory, 0xa5, t->to.bytes);
  vc_limits = (vc_cpu_limits){.piece_bytes = 256,
                              .thread_bytes = 1,
                              .stream_bytes = past ? 0 : INT64_MAX,
                              .row_kernels = kernels};
  t->params.threads = threads;
  bool right = CHECK_OK(vc_transform(&t->to.view, views, t->count, &t->params, 0, &error)) &&
               CHECK(memcmp(t->to.memory, expected, t->to.bytes) == 0);
  if (right) return;
  fprintf(stderr, "  %s -> %s, %d -> %d channels, %dx%d, layouts %d %d, %s, %d threads, past %d\n",
          vc_dtype_name(t->from[0].view.dtype), vc_dtype_name(t->to.view.dtype),
          (int)t->from[0].channels, (int)t->to.channels, (int)t->to.rows, (int)t->to.cols,
          t->params.from, t->params.to, kernels->name, threads, past);
}

static void run_case(test_case *t) {
  for (size_t i = 0; i < t->count; i++) fill_picture(&t->from[i]);
  memset(t->to.memory, 0xa5, t->to.bytes);
  char *expected = expect(t);
  const vc_row_kernels *best = vc_row_kernels_best();
  carry_out(t, expected, best, 1, false);
  carry_out(t, expected, best, 1, true);
  carry_out(t, expected, best, 3, random_bits() & 1);
  if (best != &vc_row_kernels_scalar) carry_out(t, expected, &vc_row_kernels_scalar, 1, false);
  vc_limits.row_kernels = NULL;
  free(expected);
  for (size_t i = 0; i < t->count; i++) free(t->from[i].memory);
  free(t->to.memory);
}

/* --- the cases */

static const double means[8] = {0.25, 0, 123.675, -7, 1e-3, 3, 0.5, -0.125};
static const double stds[8] = {0.5, 3, 57.1, -2, 0.1, 7, 1.5, 1};

typedef enum arithmetic { NONE, ONE, EACH, ARITHMETICS } arithmetic;

static vc_transform_params make_params(arithmetic how, vc_layout from, vc_layout to,
                                       int32_t channels) {
  static const double scales[] = {1.0 / 255, 1, -255, 0, 1e-9, 3e4};
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.from = from;
  params.to = to;
  params.fill = 200.5;
  if (how == NONE) return params;
  params.scale = scales[random_below(sizeof scales / sizeof scales[0])];
  params.mean = means;
  params.mean_count = how == EACH ? channels : 1;
  if (random_below(3) == 0) return params;
  params.std = stds;
  params.std_count = random_bits() & 1 ? params.mean_count : 1;
  return params;
}

static const struct {
  int32_t from, to;
  bool reverse;
} changes[] = {{1, 1, false}, {2, 2, false}, {3, 3, false}, {3, 3, true},  {4, 4, false},
               {4, 4, true},  {3, 4, false}, {3, 4, true},  {4, 3, true},  {1, 2, false},
               {1, 3, true},  {1, 4, false}, {2, 1, false}, {2, 3, false}, {2, 4, false},
               {5, 5, false}, {7, 7, true}};
#define CHANGES (sizeof changes / sizeof changes[0])

static const int64_t sizes[][2] = {{1, 1}, {1, 7}, {5, 1}, {3, 5}, {7, 13}, {2, 67}, {11, 31}};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void test_case_of(vc_dtype from, vc_dtype to, arithmetic how, int layouts, size_t change,
                         geometry in, geometry out, const int64_t *size) {
  test_case t = {.count = 1};
  vc_layout reads = layouts & 1 ? VC_PLANAR : VC_INTERLEAVED;
  vc_layout writes = layouts & 2 ? VC_PLANAR : VC_INTERLEAVED;
  bool batch = random_below(4) == 0, flat = random_bits() & 1;
  int64_t lengths[4] = {batch ? 2 : 1, size[0], size[1], changes[change].from};
  t.from[0] = make_picture(from, reads, lengths, batch, flat, in);
  lengths[3] = changes[change].to;
  t.to = make_picture(to, writes, lengths, batch, flat, out);
  t.params = make_params(how, reads, writes, changes[change].to);
  t.params.reverse_channels = changes[change].reverse;
  run_case(&t);
}

static geometry any_geometry(void) { return (geometry)random_below(GEOMETRIES); }

static void test_every_dtype(void) {
  for (size_t from = 0; from < DTYPES; from++)
    for (size_t to = 0; to < DTYPES; to++)
      for (int how = 0; how < ARITHMETICS; how++)
        for (int layouts = 0; layouts < 4; layouts++)
          for (size_t change = 0; change < CHANGES; change++)
            test_case_of(all_dtypes[from], all_dtypes[to], (arithmetic)how, layouts, change,
                         any_geometry(), any_geometry(), sizes[random_below(SIZES)]);
}

/* Long rows reach the vector code in full, with every dtype and both layouts. */
static void test_long_rows(void) {
  static const int64_t size[2] = {2, 1031};
  for (size_t from = 0; from < DTYPES; from++)
    for (size_t to = 0; to < DTYPES; to++)
      for (int how = 0; how < ARITHMETICS; how++)
        test_case_of(all_dtypes[from], all_dtypes[to], (arithmetic)how, (int)random_below(4),
                     random_below(CHANGES), random_bits() & 1 ? PACKED : UNALIGNED,
                     random_bits() & 1 ? PACKED : PITCHED, size);
}

static void test_every_geometry(void) {
  static const vc_dtype pairs[][2] = {
      {{VC_UINT, 8}, {VC_FLOAT, 32}}, {{VC_UINT, 8}, {VC_UINT, 8}},
      {{VC_FLOAT, 32}, {VC_UINT, 8}}, {{VC_UINT, 16}, {VC_FLOAT, 16}},
      {{VC_UINT, 8}, {VC_FLOAT, 16}}, {{VC_FLOAT, 64}, {VC_FLOAT, 64}}};
  static const int64_t size[2] = {5, 103};
  for (size_t pair = 0; pair < sizeof pairs / sizeof pairs[0]; pair++)
    for (int in = 0; in < GEOMETRIES; in++)
      for (int out = 0; out < GEOMETRIES; out++)
        for (int layouts = 0; layouts < 4; layouts++)
          for (size_t change = 0; change < CHANGES; change++)
            test_case_of(pairs[pair][0], pairs[pair][1], (arithmetic)random_below(ARITHMETICS),
                         layouts, change, (geometry)in, (geometry)out, size);
}

/* --- past the caches: every place in a line, planes that lie alike in theirs and
 * planes that don't, and images of the size from which on it is done */

static const struct {
  vc_dtype from, to;
  vc_layout reads, writes;
  int32_t from_channels, channels;
} moves[] = {
    {{VC_UINT, 8}, {VC_UINT, 8}, VC_INTERLEAVED, VC_PLANAR, 3, 3},
    {{VC_UINT, 8}, {VC_FLOAT, 16}, VC_INTERLEAVED, VC_PLANAR, 3, 3},
    {{VC_UINT, 8}, {VC_FLOAT, 32}, VC_INTERLEAVED, VC_PLANAR, 3, 3},
    {{VC_UINT, 8}, {VC_FLOAT, 32}, VC_INTERLEAVED, VC_PLANAR, 4, 3},
    {{VC_UINT, 8}, {VC_UINT, 8}, VC_PLANAR, VC_INTERLEAVED, 3, 3},
    {{VC_FLOAT, 32}, {VC_UINT, 8}, VC_PLANAR, VC_INTERLEAVED, 3, 3},
    {{VC_FLOAT, 32}, {VC_UINT, 8}, VC_INTERLEAVED, VC_INTERLEAVED, 3, 3},
    {{VC_UINT, 8}, {VC_UINT, 8}, VC_INTERLEAVED, VC_INTERLEAVED, 3, 3},
    {{VC_UINT, 8}, {VC_UINT, 8}, VC_INTERLEAVED, VC_INTERLEAVED, 4, 4},
    {{VC_UINT, 8}, {VC_UINT, 8}, VC_INTERLEAVED, VC_INTERLEAVED, 4, 3},
    {{VC_UINT, 8}, {VC_UINT, 8}, VC_INTERLEAVED, VC_INTERLEAVED, 1, 3},
    {{VC_UINT, 16}, {VC_UINT, 16}, VC_INTERLEAVED, VC_INTERLEAVED, 3, 3},
    {{VC_FLOAT, 32}, {VC_FLOAT, 32}, VC_INTERLEAVED, VC_INTERLEAVED, 3, 3},
    {{VC_FLOAT, 32}, {VC_FLOAT, 32}, VC_INTERLEAVED, VC_INTERLEAVED, 4, 4},
};
#define MOVES (sizeof moves / sizeof moves[0])

#define BORDER 256

typedef struct block {
  char *memory;
  size_t bytes;
  vc_view view;
} block;

/* Rows `gap` bytes apart, the first element `offset` bytes behind a line's start. */
static block make_block(vc_dtype dtype, vc_layout layout, const int64_t *lengths, int64_t offset,
                        int64_t gap) {
  int64_t size = (int64_t)vc_dtype_size(dtype), rows = lengths[0], cols = lengths[1];
  int64_t channels = lengths[2], pixel = layout == VC_PLANAR ? size : size * channels;
  int64_t row = cols * pixel + gap, plane = rows * row;
  block b = {.bytes = (size_t)(plane * (layout == VC_PLANAR ? channels : 1)) + 2 * BORDER};
  b.bytes = (b.bytes + 63) / 64 * 64;
  b.memory = aligned_alloc(64, b.bytes);
  b.view = (vc_view){.data = b.memory + BORDER / 2 + offset,
                     .dtype = dtype,
                     .ndim = 3,
                     .device = {VC_CPU, 0},
                     .shape = {rows, cols, channels},
                     .strides = {row, pixel, size}};
  if (layout == VC_INTERLEAVED) return b;
  b.view = (vc_view){.data = b.view.data,
                     .dtype = dtype,
                     .ndim = 3,
                     .device = {VC_CPU, 0},
                     .shape = {channels, rows, cols},
                     .strides = {plane, row, size}};
  return b;
}

static void fill_block(block *b) {
  for (size_t i = 0; i + sizeof(float) <= b->bytes; i += sizeof(float)) {
    uint64_t bits = b->view.dtype.code == VC_FLOAT ? random_element(b->view.dtype) : random_bits();
    memcpy(b->memory + i, &bits, sizeof(float));
  }
}

static bool move_block(const block *from, block *to, const vc_transform_params *params,
                       const vc_row_kernels *kernels) {
  memset(to->memory, 0xa5, to->bytes);
  vc_limits.row_kernels = kernels;
  return CHECK_OK(vc_transform(&to->view, &from->view, 1, params, 0, &error));
}

/* With the best row kernels as with the scalar ones, borders and gaps too. */
static void check_move(size_t which, int64_t rows, int64_t cols, int64_t offset, int64_t gap,
                       int32_t threads) {
  int64_t lengths[3] = {rows, cols, moves[which].from_channels};
  block from = make_block(moves[which].from, moves[which].reads, lengths, offset % 5, 0);
  lengths[2] = moves[which].channels;
  block to = make_block(moves[which].to, moves[which].writes, lengths, offset, gap);
  block wanted = make_block(moves[which].to, moves[which].writes, lengths, offset, gap);
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.from = moves[which].reads;
  params.to = moves[which].writes;
  params.threads = threads;
  params.reverse_channels = random_bits() & 1;
  if (moves[which].from.code != moves[which].to.code) {
    params.scale = 1.7;
    params.mean = means;
    params.mean_count = 3;
  }
  fill_block(&from);
  bool right = move_block(&from, &wanted, &params, &vc_row_kernels_scalar) &&
               move_block(&from, &to, &params, NULL) &&
               CHECK(memcmp(to.memory, wanted.memory, to.bytes) == 0);
  if (!right) {
    fprintf(stderr, "  move %d, %dx%d, offset %d, gap %d, %d threads\n", (int)which, (int)rows,
            (int)cols, (int)offset, (int)gap, (int)threads);
  }
  free(from.memory);
  free(to.memory);
  free(wanted.memory);
}

static void test_past_the_caches(void) {
  static const int64_t widths[] = {224, 203, 40, 31, 5};
  for (int past = 0; past < 2; past++) {
    vc_limits = (vc_cpu_limits){
        .piece_bytes = 256, .thread_bytes = 1, .stream_bytes = past ? 0 : INT64_MAX};
    for (size_t which = 0; which < MOVES; which++)
      for (int64_t offset = 0; offset < 66; offset++)
        for (size_t width = 0; width < sizeof widths / sizeof widths[0]; width++) {
          check_move(which, 3, widths[width], offset, 0, 1);
          check_move(which, 4, widths[width], offset, offset % 3 ? 32 : 12, 1);
        }
  }
}

/* With pieces and threads as they are outside of tests. */
static void test_large_images(void) {
  CHECK(vc_settings_stream_bytes() >= 1 << 20 && vc_settings_stream_bytes() <= 32 << 20);
  vc_limits.stream_bytes = 1 << 20;
  for (size_t which = 0; which < MOVES; which++) {
    check_move(which, 700, 992, 16, 0, 1);
    check_move(which, 701, 1003, 16 + (int64_t)vc_dtype_size(moves[which].to), 0, 2);
    check_move(which, 701, 990, 0, 64, 2);
  }
  vc_limits.stream_bytes = -1;
}

/* --- lists */

static void test_list(bool alike, vc_dtype from, vc_dtype to, size_t change, int layouts) {
  test_case t = {.count = MOST_SOURCES};
  vc_layout reads = layouts & 1 ? VC_PLANAR : VC_INTERLEAVED;
  vc_layout writes = layouts & 2 ? VC_PLANAR : VC_INTERLEAVED;
  int64_t lengths[4] = {1, 7, 37, changes[change].from};
  geometry how = any_geometry();
  bool batch = random_bits() & 1; /* (1, H, W, C) each */
  for (int i = 0; i < MOST_SOURCES; i++) {
    t.from[i] = make_picture(from, reads, lengths, batch, false, alike ? how : any_geometry());
  }
  lengths[0] = MOST_SOURCES;
  lengths[3] = changes[change].to;
  t.to = make_picture(to, writes, lengths, true, false, any_geometry());
  t.params = make_params((arithmetic)random_below(ARITHMETICS), reads, writes, changes[change].to);
  t.params.reverse_channels = changes[change].reverse;
  run_case(&t);
}

static void test_lists(void) {
  for (size_t change = 0; change < CHANGES; change++)
    for (int layouts = 0; layouts < 4; layouts++)
      for (int alike = 0; alike < 2; alike++) {
        test_list(alike, all_dtypes[5], all_dtypes[5], change, layouts);
        test_list(alike, all_dtypes[random_below(DTYPES)], all_dtypes[random_below(DTYPES)], change,
                  layouts);
      }
}

/* --- every value of the small types, where rounding and tables show */

static void test_every_value(void) {
  const int64_t lengths[4] = {1, 64, 1024, 1};
  for (size_t from = 0; from < DTYPES; from++)
    for (size_t to = 0; to < DTYPES; to++) {
      if (all_dtypes[from].bits > 16) continue;
      test_case t = {.count = 1};
      t.from[0] = make_picture(all_dtypes[from], VC_INTERLEAVED, lengths, false, true, PACKED);
      t.to = make_picture(all_dtypes[to], VC_INTERLEAVED, lengths, false, true, PACKED);
      t.params = make_params(from == to ? ONE : NONE, VC_INTERLEAVED, VC_INTERLEAVED, 1);
      for (uint32_t i = 0; i < 65536; i++) {
        memcpy(t.from[0].memory + i * vc_dtype_size(all_dtypes[from]), &i,
               vc_dtype_size(all_dtypes[from]));
      }
      char *expected = expect(&t);
      memset(t.to.memory, 0xa5, t.to.bytes);
      carry_out(&t, expected, vc_row_kernels_best(), 1, false);
      carry_out(&t, expected, &vc_row_kernels_scalar, 1, false);
      vc_limits.row_kernels = NULL;
      free(expected);
      free(t.from[0].memory);
      free(t.to.memory);
    }
}

/* --- what an added alpha holds */

static uint64_t filled(vc_dtype dtype, double value) {
  uint64_t from[1] = {0}, to[2] = {0, 0};
  vc_view views[2];
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.fill = value;
  CHECK_OK(vc_view_packed(from, (vc_device){VC_CPU, 0}, dtype, 3, (int64_t[]){1, 1, 1}, &views[0],
                          &error));
  CHECK_OK(vc_view_packed(to, (vc_device){VC_CPU, 0}, dtype, 3, (int64_t[]){1, 1, 2}, &views[1],
                          &error));
  CHECK_OK(vc_transform(&views[1], views, 1, &params, 0, &error));
  return read_bits((char *)to + vc_dtype_size(dtype), dtype);
}

static void test_fill(void) {
  static const uint64_t opaque[DTYPES] = {1,
                                          0x7f,
                                          0x7fff,
                                          0x7fffffff,
                                          INT64_MAX,
                                          0xff,
                                          0xffff,
                                          0xffffffff,
                                          UINT64_MAX,
                                          0x3c00,
                                          0x3f80,
                                          0x3f800000,
                                          UINT64_C(0x3ff0000000000000)};
  static const double values[] = {
      0, -0.0, 0.5, 1.5, 2.5, -3, 255.5, 1e9, 1e30, -1e30, (double)INFINITY, 0x1p63, 0.1, 1e-8};
  for (size_t i = 0; i < DTYPES; i++) {
    CHECK(filled(all_dtypes[i], (double)NAN) == opaque[i]);
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
      CHECK(filled(all_dtypes[i], values[v]) == number_bits(all_dtypes[i], values[v]));
  }
}

/* --- the processor's mode, several threads, fork */

#if defined(__x86_64__)
#  include <xmmintrin.h>

/* Subnormals are neither flushed nor read as 0, and the mode is the caller's again. */
static void test_float_mode(void) {
  float from[64], to[64];
  vc_view views[2];
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.scale = 0.5;
  for (int i = 0; i < 64; i++) from[i] = 0x1p-140f;
  CHECK_OK(vc_view_packed(from, (vc_device){VC_CPU, 0}, (vc_dtype){VC_FLOAT, 32}, 2,
                          (int64_t[]){8, 8}, &views[0], &error));
  views[1] = views[0];
  views[1].data = to;
  unsigned before = _mm_getcsr(), odd = (before & ~0x3fu) | 0x8040 | 0x6000; /* to zero */
  _mm_setcsr(odd);
  vc_status status = vc_transform(&views[1], views, 1, &params, 0, &error);
  unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK_INT(status, VC_OK);
  CHECK_INT(after, odd);
  for (int i = 0; i < 64; i++) CHECK(to[i] == 0x1p-141f);
}
#else
static void test_float_mode(void) {}
#endif

#define BIG 512

static bool large_is_right(int32_t threads) {
  uint8_t *from = malloc(BIG * BIG * 3);
  float *to = malloc(sizeof(float) * BIG * BIG * 3);
  vc_view views[2];
  vc_error mine;
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.to = VC_PLANAR;
  params.threads = threads;
  params.scale = 2;
  for (int i = 0; i < BIG * BIG * 3; i++) from[i] = (uint8_t)(i * 7 + i / 251);
  CHECK_OK(vc_view_packed(from, (vc_device){VC_CPU, 0}, (vc_dtype){VC_UINT, 8}, 3,
                          (int64_t[]){BIG, BIG, 3}, &views[0], &mine));
  CHECK_OK(vc_view_packed(to, (vc_device){VC_CPU, 0}, (vc_dtype){VC_FLOAT, 32}, 3,
                          (int64_t[]){3, BIG, BIG}, &views[1], &mine));
  bool right = vc_transform(&views[1], views, 1, &params, 0, &mine) == VC_OK;
  for (int i = 0; right && i < BIG * BIG * 3; i++)
    right = to[i % 3 * BIG * BIG + i / 3] == 2 * (float)from[i];
  free(from);
  free(to);
  return right;
}

static void *call_often(void *unused) {
  for (int i = 0; i < 20; i++) CHECK(large_is_right(1 + i % 5));
  return unused;
}

static void test_threads(void) {
  pthread_t callers[4];
  vc_limits = (vc_cpu_limits){.piece_bytes = 4096, .thread_bytes = 4096, .stream_bytes = 1 << 20};
  for (int i = 0; i < 4; i++) pthread_create(&callers[i], NULL, call_often, NULL);
  for (int i = 0; i < 4; i++) pthread_join(callers[i], NULL);
}

static void test_fork(void) {
  int status = 1;
  pid_t child = fork();
  if (child == 0) _exit(large_is_right(4) && large_is_right(2) ? 0 : 3);
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(large_is_right(4));
}

static void test_settings(void) {
  int32_t before = vc_transform_set_threads(3);
  CHECK_INT(vc_transform_set_threads(before), 3);
  CHECK_INT(vc_transform_set_threads(-5), -1); /* nothing changes */
  CHECK_INT(vc_transform_set_threads(0), before);
  CHECK_INT(vc_transform_set_threads(before), 0);
  CHECK(strlen(vc_transform_simd()) > 0);
  CHECK(vc_settings_threads(0) >= 1);
  CHECK_INT(vc_settings_threads(7), 7);
}

int main(void) {
  vc_cpu_limits usual = vc_limits;
  test_settings();
  test_fill();
  test_every_value();
  test_every_dtype();
  test_long_rows();
  test_every_geometry();
  test_lists();
  test_past_the_caches();
  vc_limits = usual;
  test_large_images();
  test_float_mode();
  test_threads();
  test_fork();
  return check_report();
}
