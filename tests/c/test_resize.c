/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing on the CPU: against the rules of cv2.resize and Pillow, written here pixel by pixel,
 * with each table of row kernels and several threads; placements, boxes, lists, and all that is
 * refused. The Python tests compare with the libraries themselves. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "chance.h"
#include "check.h"
#include "transform/row.h"
#include "transform/settings.h"

static vc_error error;
static const vc_device host = {VC_CPU, 0};
static const vc_dtype u8 = {VC_UINT, 8}, f32 = {VC_FLOAT, 32}, u16 = {VC_UINT, 16};

/* -------------------------------------------------------------------- chance */

static uint64_t seed = 20261127;

static int draw_side(void) {
  static const int most[] = {1, 4, 20, 70, 160};
  return 1 + draw(most[draw(5)]);
}

static vc_view view_of(void *data, vc_dtype dtype, int32_t ndim, const int64_t *shape) {
  vc_view out;
  CHECK_OK(vc_view_packed(data, host, dtype, ndim, shape, &out, &error));
  return out;
}

#define VIEW(data, dtype, ...) \
  view_of((data), (dtype), (int32_t)(sizeof(int64_t[]){__VA_ARGS__} / 8), (int64_t[]){__VA_ARGS__})

/* ------------------------------------------------- the rules, one result at a time */

typedef struct {
  const uint8_t *data;
  int rows, cols, channels;
} image;

static int clamp(int value, int n) { return value < 0 ? 0 : value >= n ? n - 1 : value; }
static int at(const image *of, int y, int x, int c) {
  return of->data[(clamp(y, of->rows) * of->cols + clamp(x, of->cols)) * of->channels + c];
}

/* The first sample of result d and the 11-bit weights of it and the next one. */
static int linear_axis(int n, int m, int d, bool horizontal, int *a, int *b) {
  double scale = 1.0 / ((double)m / n);
  float f = (float)((d + 0.5) * scale - 0.5);
  int first = (int)floorf(f);
  f -= (float)first;
  if (horizontal && first < 0) first = 0, f = 0;
  if (horizontal && first >= n - 1) first = n - 1, f = 0;
  *a = (int)rintf((1 - f) * 2048);
  *b = (int)rintf(f * 2048);
  return first;
}

static int linear_rule(const image *of, int rows, int cols, int y, int x, int c) {
  int a, b, top, bottom, sums[2];
  int left = linear_axis(of->cols, cols, x, true, &a, &b);
  int first = linear_axis(of->rows, rows, y, false, &top, &bottom);
  for (int i = 0; i < 2; i++) {
    sums[i] = (at(of, first + i, left, c) * a + at(of, first + i, left + 1, c) * b) >> 4;
  }
  return (((top * sums[0]) >> 16) + ((bottom * sums[1]) >> 16) + 2) >> 2;
}

static int nearest_rule(const image *of, int rows, int cols, int y, int x, int c) {
  double by_row = 1.0 / ((double)rows / of->rows), by_col = 1.0 / ((double)cols / of->cols);
  return at(of, (int)floor(y * by_row), (int)floor(x * by_col), c);
}

static double filter_value(int interpolation, double x) {
  double away = fabs(x), pi = 3.14159265358979323846;
  switch (interpolation) {
    case VC_PILLOW_BOX: return x > -0.5 && x <= 0.5;
    case VC_PILLOW_BILINEAR: return away < 1 ? 1 - away : 0;
    case VC_PILLOW_BICUBIC:
      if (away < 1) return ((-0.5 + 2.0) * away - (-0.5 + 3.0)) * away * away + 1;
      return away < 2 ? (((away - 5) * away + 8) * away - 4) * -0.5 : 0;
    default:
      if (x == 0) return 1;
      if (x < -3 || x >= 3) return 0;
      return sin(x * pi) / (x * pi) * (sin(x / 3 * pi) / (x / 3 * pi));
  }
}

enum { MOST_TAPS = 1024 };

/* Pillow's weights of result d: returns the first sample, and how many there are in *count. */
static int pillow_axis(int interpolation, int n, int m, int d, int *count, int *weights) {
  static const double supports[] = {0.5, 1, 2, 3};
  double values[MOST_TAPS], sum = 0, scale = (double)n / m, stretch = scale < 1 ? 1 : scale;
  double support = supports[interpolation - VC_PILLOW_BOX] * stretch, centre = (d + 0.5) * scale;
  int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
  if (first < 0) first = 0;
  if (end > n) end = n;
  *count = end - first;
  for (int i = 0; i < *count; i++) {
    sum += values[i] = filter_value(interpolation, (i + first - centre + 0.5) * (1.0 / stretch));
  }
  for (int i = 0; i < *count; i++) {
    double weight = values[i] / sum * (1 << 22);
    weights[i] = (int)(weight < 0 ? weight - 0.5 : weight + 0.5);
  }
  return first;
}

static int pillow_byte(int64_t sum) {
  int64_t value = (sum + (1 << 21)) >> 22;
  return value < 0 ? 0 : value > 255 ? 255 : (int)value;
}

static int pillow_rule(const image *of, int interpolation, int rows, int cols, int y, int x,
                       int c) {
  int down[MOST_TAPS], across[MOST_TAPS], count_down, count_across;
  int top = pillow_axis(interpolation, of->rows, rows, y, &count_down, down);
  int left = pillow_axis(interpolation, of->cols, cols, x, &count_across, across);
  int64_t sum = 0;
  for (int i = 0; i < count_down; i++) {
    int64_t row = 0;
    for (int k = 0; k < count_across; k++) row += at(of, top + i, left + k, c) * across[k];
    sum += (int64_t)pillow_byte(row) * down[i];
  }
  return pillow_byte(sum);
}

static int rule(const image *of, int interpolation, int rows, int cols, int y, int x, int c) {
  if (of->rows == rows && of->cols == cols) return at(of, y, x, c);
  if (interpolation == VC_LINEAR) return linear_rule(of, rows, cols, y, x, c);
  if (interpolation == VC_NEAREST) return nearest_rule(of, rows, cols, y, x, c);
  return pillow_rule(of, interpolation, rows, cols, y, x, c);
}

/* ------------------------------------------------------------- random images */

typedef struct {
  const vc_row_kernels *kernels;
  int32_t threads;
} setting;

static const vc_row_kernels *best_kernels(void) {
  vc_limits.row_kernels = NULL;
  return vc_row_kernels_best();
}

static void check_rule(const image *of, int interpolation, int rows, int cols, setting how) {
  uint8_t *result = malloc((size_t)(rows * cols * of->channels));
  vc_view from = VIEW((void *)(uintptr_t)of->data, u8, of->rows, of->cols, of->channels);
  vc_view to = VIEW(result, u8, rows, cols, of->channels);
  vc_transform_params params;
  vc_resize resize;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, rows, cols, (vc_interpolation)interpolation);
  params.resize = &resize;
  params.threads = how.threads;
  vc_limits.row_kernels = how.kernels;
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  long wrong = 0;
  for (int i = 0; i < rows * cols * of->channels; i++) {
    int c = i % of->channels, x = i / of->channels % cols, y = i / of->channels / cols;
    wrong += result[i] != rule(of, interpolation, rows, cols, y, x, c);
  }
  if (!CHECK_INT(wrong, 0)) {
    fprintf(stderr, "  interpolation %d, (%d, %d, %d) to (%d, %d), %s, %d threads\n", interpolation,
            of->rows, of->cols, of->channels, rows, cols, how.kernels->name, (int)how.threads);
  }
  free(result);
}

/* cv2 averages 2 x 2 pixels of 2 channels by another rule (test_halves). */
static bool is_half(int rows, int cols, const image *of) {
  return of->channels == 2 && of->rows == 2 * rows && of->cols == 2 * cols;
}

static void test_rules(int rounds) {
  static const int interpolations[] = {VC_LINEAR,          VC_NEAREST,        VC_PILLOW_BOX,
                                       VC_PILLOW_BILINEAR, VC_PILLOW_BICUBIC, VC_PILLOW_LANCZOS};
  vc_cpu_limits before = vc_limits;
  vc_limits.thread_bytes = 1;
  for (int i = 0; i < rounds && checks_failed < 20; i++) {
    image of = {.rows = draw_side(), .cols = draw_side(), .channels = 1 + draw(4)};
    int rows = draw_side(), cols = draw_side(), interpolation = interpolations[draw(6)];
    if (i % 4 == 0) of.cols = cols * (2 + draw(2)); /* one weight, or rows without a weight */
    if (i % 8 < 5) of.rows = rows * (1 + draw(3));
    uint8_t *data = malloc((size_t)(of.rows * of.cols * of.channels));
    for (int k = 0; k < of.rows * of.cols * of.channels; k++) {
      data[k] = (uint8_t)(i % 3 ? draw(256) : draw(2) * 255);
    }
    of.data = data;
    if (interpolation != VC_LINEAR || !is_half(rows, cols, &of)) {
      check_rule(&of, interpolation, rows, cols, (setting){&vc_row_kernels_scalar, 1});
      check_rule(&of, interpolation, rows, cols, (setting){best_kernels(), 1 + draw(3)});
    }
    free(data);
  }
  vc_limits = before;
}

/* ------------------------------------------------------------ INTER_AREA, and halves */

static void run_resize(const vc_view *to, const vc_view *from, vc_interpolation interpolation) {
  vc_transform_params params;
  vc_resize resize;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, to->shape[0], to->shape[1], interpolation);
  params.resize = &resize;
  CHECK_OK(vc_transform(to, from, 1, &params, 0, &error));
}

/* Means of 2 x 2: half up for 1, 3 and 4 channels, to even for 2. */
static void test_halves(void) {
  for (int channels = 1; channels <= 4; channels++) {
    uint8_t from[2 * 2 * 4] = {0}, to[4];
    for (int c = 0; c < channels; c++) from[c] = (uint8_t)(2 + 4 * c); /* means c + 1/2 */
    vc_view source = VIEW(from, u8, 2, 2, channels), result = VIEW(to, u8, 1, 1, channels);
    for (int area = 0; area < 2; area++) {
      run_resize(&result, &source, area ? VC_AREA : VC_LINEAR);
      for (int c = 0; c < channels; c++) {
        CHECK_INT(to[c], channels == 2 ? (c + 1) / 2 * 2 : c + 1);
      }
    }
  }
}

static void test_area(void) {
  uint8_t from[9] = {0, 10, 20, 30, 40, 50, 60, 70, 80}, to[4];
  vc_view source = VIEW(from, u8, 3, 3, 1), mean = VIEW(to, u8, 1, 1, 1);
  run_resize(&mean, &source, VC_AREA);
  CHECK_INT(to[0], 40);
  vc_view four = VIEW(to, u8, 2, 2, 1); /* cells of 1.5 x 1.5 pixels */
  run_resize(&four, &source, VC_AREA);
  CHECK_INT(to[0], 13);
  CHECK_INT(to[1], 27);
  CHECK_INT(to[2], 53);
  CHECK_INT(to[3], 67);
}

/* A block whose sum needs more than 32 bits. */
static void test_large_block(void) {
  enum { SIDE = 4200 };
  uint8_t *from = malloc((size_t)SIDE * SIDE), to[1];
  memset(from, 255, (size_t)SIDE * SIDE);
  vc_view source = VIEW(from, u8, SIDE, SIDE, 1), mean = VIEW(to, u8, 1, 1, 1);
  for (int interpolation = VC_LINEAR; interpolation <= VC_PILLOW_LANCZOS; interpolation++) {
    run_resize(&mean, &source, (vc_interpolation)interpolation);
    CHECK(to[0] >= 254);
  }
  free(from);
}

/* ----------------------------------------------------------------- other dtypes */

static void test_floats(void) {
  enum { N = 7, M = 19 };
  float from[N * N], to[M * M];
  uint16_t small[N * N], result[M * M];
  for (int i = 0; i < N * N; i++) {
    from[i] = (float)draw(1000) / 1000;
    small[i] = (uint16_t)draw(65536);
  }
  vc_view floats = VIEW(from, f32, N, N, 1), to_floats = VIEW(to, f32, M, M, 1);
  vc_view shorts = VIEW(small, u16, N, N, 1), to_shorts = VIEW(result, u16, M, M, 1);
  run_resize(&to_floats, &floats, VC_LINEAR);
  run_resize(&to_shorts, &shorts, VC_LINEAR);
  for (int i = 0; i < M * M; i++) {
    double y = (i / M + 0.5) * N / M - 0.5, x = (i % M + 0.5) * N / M - 0.5, sum = 0, sum16 = 0;
    int top = (int)floor(y), left = (int)floor(x);
    for (int k = 0; k < 4; k++) {
      int index = clamp(top + k / 2, N) * N + clamp(left + k % 2, N);
      double weight = (k / 2 ? y - top : 1 - y + top) * (k % 2 ? x - left : 1 - x + left);
      sum += weight * (double)from[index];
      sum16 += weight * small[index];
    }
    CHECK(fabs((double)to[i] - sum) < 1e-6);
    CHECK(fabs(result[i] - sum16) < 0.51);
  }
}

/* --------------------------------------------------------------------- placements */

static void check_placement(vc_fit fit, int64_t rows, int64_t cols, int64_t shorter,
                            int64_t source_rows, int64_t source_cols, vc_placement needed) {
  vc_resize resize;
  vc_placement found;
  vc_resize_init(&resize, rows, cols, VC_LINEAR);
  resize.fit = (int32_t)fit;
  resize.shorter = shorter;
  CHECK_OK(vc_resize_placement(&resize, source_rows, source_cols, &found, &error));
  CHECK_INT(found.rows, needed.rows);
  CHECK_INT(found.cols, needed.cols);
  CHECK_INT(found.top, needed.top);
  CHECK_INT(found.left, needed.left);
}

static void test_placements(void) {
  check_placement(VC_STRETCH, 5, 7, 0, 100, 200, (vc_placement){5, 7, 0, 0});
  check_placement(VC_LETTERBOX, 640, 640, 0, 1080, 1920, (vc_placement){360, 640, 140, 0});
  check_placement(VC_LETTERBOX, 640, 640, 0, 1920, 1080, (vc_placement){640, 360, 0, 140});
  check_placement(VC_LETTERBOX, 10, 15, 0, 5, 5, (vc_placement){10, 10, 0, 2}); /* 2 and 3 */
  check_placement(VC_LETTERBOX, 10, 10, 0, 1, 1000, (vc_placement){1, 10, 4, 0});
  check_placement(VC_CENTER_CROP, 224, 224, 256, 1080, 1920, (vc_placement){256, 455, -16, -116});
  check_placement(VC_CENTER_CROP, 224, 224, 256, 1920, 1080, (vc_placement){455, 256, -116, -16});
  check_placement(VC_CENTER_CROP, 2, 2, 5, 5, 5, (vc_placement){5, 5, -2, -2}); /* 1.5 is 2 */
  check_placement(VC_CENTER_CROP, 2, 2, 7, 7, 7, (vc_placement){7, 7, -2, -2}); /* 2.5 is 2 */
  check_placement(VC_CENTER_CROP, 224, 224, 0, 1080, 1920, (vc_placement){224, 398, 0, -87});
}

/* A letterbox of a white image: pad around it, in the source's order and units. */
static void test_letterbox(void) {
  enum { SIDE = 4 };
  uint8_t white[2 * 4 * 3];
  float result[3 * SIDE * SIDE];
  double pad[] = {10, 20, 30};
  memset(white, 255, sizeof white);
  vc_view from = VIEW(white, u8, 2, 4, 3), to = VIEW(result, f32, 3, SIDE, SIDE);
  vc_transform_params params;
  vc_resize resize;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, SIDE, SIDE, VC_LINEAR);
  resize.fit = VC_LETTERBOX;
  resize.pad = pad;
  resize.pad_count = 3;
  params.resize = &resize;
  params.to = VC_PLANAR;
  params.reverse_channels = true;
  params.scale = 0.5;
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  for (int i = 0; i < 3 * SIDE * SIDE; i++) {
    int row = i / SIDE % SIDE, channel = i / (SIDE * SIDE);
    CHECK(result[i] == (row == 1 || row == 2 ? 127.5f : (float)pad[2 - channel] / 2));
  }
}

#if defined(__x86_64__)
#  include <xmmintrin.h>

/* A placement is that of a transform, also where the thread rounds in another direction. */
static void test_float_mode(void) {
  vc_resize resize;
  vc_placement found;
  vc_resize_init(&resize, 640, 640, VC_LINEAR);
  resize.fit = VC_LETTERBOX;
  unsigned before = _mm_getcsr();
  for (unsigned mode = 1; mode < 4; mode++) {
    unsigned odd = (before & ~0x603fu) | mode << 13;
    _mm_setcsr(odd);
    vc_status status = vc_resize_placement(&resize, 721, 333, &found, &error);
    unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    CHECK_INT(status, VC_OK);
    CHECK_INT(after & ~0x3fu, odd);
    CHECK_INT(found.rows, 640);
    CHECK_INT(found.cols, 296);
  }
}
#else
static void test_float_mode(void) {}
#endif

/* --------------------------------------------------------- lists of sizes, and boxes */

static void test_lists_and_boxes(void) {
  uint8_t first[6 * 6], second[9 * 4], result[2 * 3 * 3], alone[3 * 3];
  for (int i = 0; i < 36; i++) first[i] = (uint8_t)(7 * i), second[i] = (uint8_t)(255 - 5 * i);
  vc_view images[] = {VIEW(first, u8, 6, 6, 1), VIEW(second, u8, 9, 4, 1)};
  vc_view to = VIEW(result, u8, 2, 3, 3, 1), one = VIEW(alone, u8, 3, 3, 1);
  vc_transform_params params;
  vc_resize resize;
  vc_transform_params_init(&params);
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_LAYOUT, "H = 6, W = 6");
  vc_resize_init(&resize, 3, 3, VC_LINEAR);
  params.resize = &resize;
  CHECK_OK(vc_transform(&to, images, 2, &params, 0, &error));
  for (int i = 0; i < 2; i++) {
    CHECK_OK(vc_transform(&one, &images[i], 1, &params, 0, &error));
    CHECK(memcmp(alone, result + 9 * i, 9) == 0);
  }
  double boxes[2][5] = {{1, 1.9, 2.5, 3.1, 7}, {0, -5, 0, 4, 600}};
  vc_view crops = VIEW(boxes, ((vc_dtype){VC_FLOAT, 64}), 2, 5);
  params.boxes = &crops;
  CHECK_OK(vc_transform(&to, images, 2, &params, 0, &error));
  vc_view parts[] = {VIEW(second + 2 * 4 + 1, u8, 5, 2, 1), VIEW(first, u8, 6, 4, 1)};
  parts[0].strides[0] = 4;
  parts[1].strides[0] = 6;
  params.boxes = NULL;
  for (int i = 0; i < 2; i++) {
    CHECK_OK(vc_transform(&one, &parts[i], 1, &params, 0, &error));
    CHECK(memcmp(alone, result + 9 * i, 9) == 0);
  }
}

/* ------------------------------------------------------------------ what is refused */

static void test_refused_resizes(void) {
  uint8_t data[64];
  vc_view from = VIEW(data, u8, 4, 4, 1), to = VIEW(data + 32, u8, 2, 2, 1);
  vc_placement placement;
  vc_transform_params params;
  vc_resize resize, good;
  double pad[] = {1, 2, (double)NAN};
  vc_resize_init(&good, 2, 2, VC_LINEAR);
  vc_transform_params_init(&params);
  params.resize = &resize;
#define REFUSED(change, status, part) \
  resize = good;                      \
  change;                             \
  CHECK_FAILS(vc_transform(&to, &from, 1, &params, 0, &error), status, part)
  REFUSED(resize.size = 0, VC_ERROR_ARGUMENT, "vc_resize.size is 0");
  REFUSED(resize.interpolation = 7, VC_ERROR_ARGUMENT, "resize->interpolation is 7");
  REFUSED(resize.interpolation = -1, VC_ERROR_ARGUMENT, "resize->interpolation is -1");
  REFUSED(resize.fit = 3, VC_ERROR_ARGUMENT, "resize->fit is 3");
  REFUSED(resize.fit = -1, VC_ERROR_ARGUMENT, "resize->fit is -1");
  REFUSED(resize.rows = 0, VC_ERROR_ARGUMENT, "resize->rows is 0");
  REFUSED(resize.cols = (int64_t)INT_MAX + 1, VC_ERROR_ARGUMENT, "resize->cols is 2147483648");
  REFUSED(resize.shorter = -1, VC_ERROR_ARGUMENT, "resize->shorter is -1");
  REFUSED(resize.shorter = 3, VC_ERROR_ARGUMENT, "without VC_CENTER_CROP");
  REFUSED((resize.pad = pad, resize.pad_count = 0), VC_ERROR_ARGUMENT, "resize->pad_count is 0");
  REFUSED((resize.pad = pad, resize.pad_count = 2), VC_ERROR_ARGUMENT, "has 2 values");
  REFUSED(resize.rows = 3, VC_ERROR_LAYOUT, "resized to H = 3, W = 2");
  REFUSED((resize.fit = VC_CENTER_CROP, resize.shorter = 1), VC_ERROR_LAYOUT,
          "larger than the resized image, H = 1, W = 1");
  CHECK_FAILS(vc_resize_placement(NULL, 1, 1, &placement, &error), VC_ERROR_ARGUMENT, "resize");
  CHECK_FAILS(vc_resize_placement(&good, 0, 1, &placement, &error), VC_ERROR_ARGUMENT, "H = 0");
  good.fit = VC_CENTER_CROP;
  good.shorter = INT_MAX;
  CHECK_FAILS(vc_resize_placement(&good, 1, 2, &placement, &error), VC_ERROR_LAYOUT,
              "needs sides up to 2147483647");
}

static void check_box(const double *box, int64_t values, const char *part) {
  uint8_t data[16 * 5 + 4];
  vc_transform_params params;
  vc_resize resize;
  vc_view from = VIEW(data, u8, 4, 4, 1), to = VIEW(data + 80, u8, 1, 2, 2, 1);
  vc_view boxes = VIEW((void *)(uintptr_t)box, ((vc_dtype){VC_FLOAT, 64}), 1, values);
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 2, 2, VC_AREA);
  params.resize = &resize;
  params.boxes = &boxes;
  memset(data, 77, sizeof data);
  CHECK_FAILS(vc_transform(&to, &from, 1, &params, 0, &error), VC_ERROR_ARGUMENT, part);
  CHECK_INT(data[80], 77); /* nothing was written */
}

static void test_refused_boxes(void) {
  check_box((double[]){1, 1, 1, 3}, 4, "box 0, (1, 1, 1, 3), is empty or reversed");
  check_box((double[]){3, 1, 1, 3}, 4, "is empty or reversed");
  check_box((double[]){1.2, 1, 1.9, 3}, 4, "has no pixel in its image");
  check_box((double[]){4, 0, 9, 3}, 4, "has no pixel in its image (H = 4, W = 4)");
  check_box((double[]){-9, 0, -1, 3}, 4, "has no pixel in its image");
  check_box((double[]){(double)NAN, 0, 3, 3}, 4, "holds a NaN");
  check_box((double[]){1, 0, 0, 3, 3}, 5, "box 0 names image 1, needs 0 to 0");
  check_box((double[]){-1, 0, 0, 3, 3}, 5, "names image -1");
  check_box((double[]){(double)NAN, 0, 0, 3, 3}, 5, "names image nan");
  check_box((double[]){0, 0, 3}, 3, "3 values in a row, needs (N, 4)");
}

static void test_refused_lists(void) {
  uint8_t data[256];
  double numbers[10] = {0, 0, 0, 2, 2, 0, 0, 0, 2, 2};
  vc_view images[] = {VIEW(data, u8, 4, 4, 1), VIEW(data, u8, 4, 4, 1)};
  vc_view to = VIEW(data + 64, u8, 2, 2, 2, 1), one = VIEW(data + 64, u8, 2, 2, 1);
  vc_view four = VIEW(numbers, ((vc_dtype){VC_FLOAT, 64}), 2, 4);
  vc_view flags = VIEW(data, ((vc_dtype){VC_BOOL, 8}), 2, 5);
  vc_view wide = VIEW(data, u8, 2, 2, 5), to_wide = VIEW(data + 64, u8, 2, 2, 5);
  vc_transform_params params;
  vc_resize resize;
  vc_transform_params_init(&params);
  params.boxes = &four;
  CHECK_FAILS(vc_transform(&one, images, 1, &params, 0, &error), VC_ERROR_ARGUMENT,
              "set params->resize");
  vc_resize_init(&resize, 2, 2, VC_LINEAR);
  params.resize = &resize;
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_ARGUMENT,
              "there are 2 images, needs (N, 5)");
  CHECK_FAILS(vc_transform(&one, images, 1, &params, 0, &error), VC_ERROR_LAYOUT,
              "2 boxes go into a destination of 1");
  params.boxes = &flags;
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_DTYPE, "bool");
  vc_view numbers_of_one = VIEW(numbers, ((vc_dtype){VC_FLOAT, 64}), 5);
  params.boxes = &numbers_of_one;
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_ARGUMENT, "have rank 1");
  vc_view elsewhere = VIEW(numbers, ((vc_dtype){VC_FLOAT, 64}), 2, 5);
  elsewhere.device = (vc_device){VC_CUDA, 3};
  params.boxes = &elsewhere;
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_DEVICE,
              "boxes are in memory of cuda:3");
  elsewhere = VIEW(to.data, ((vc_dtype){VC_FLOAT, 32}), 2, 5);
  params.boxes = &elsewhere;
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_VALUE,
              "shares memory with the boxes");
  elsewhere.dtype.bits = 33;
  CHECK(vc_transform(&to, images, 2, &params, 0, &error) == VC_ERROR_DTYPE);
  params.boxes = NULL;
  vc_view batches[] = {VIEW(data, u8, 2, 4, 4, 1), VIEW(data, u8, 2, 4, 4, 1)};
  CHECK_FAILS(vc_transform(&to, batches, 2, &params, 0, &error), VC_ERROR_LAYOUT, "2 batches");
  CHECK_FAILS(vc_transform(&one, images, 2, &params, 0, &error), VC_ERROR_LAYOUT, "2 images go");
  images[1].dtype = (vc_dtype){VC_INT, 8};
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_LAYOUT, "shape or dtype");
  images[1] = VIEW(data, u8, 0, 4, 1);
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_LAYOUT,
              "image 1 is empty (H = 0, W = 4)");
  CHECK_FAILS(vc_transform(&to_wide, &wide, 1, &params, 0, &error), VC_ERROR_LAYOUT,
              "5 channels can't be resized, needs 1 to 4");
}

/* A message names the image or the box that can't be resized. */
static void test_refused_crops(void) {
  uint8_t data[64], numbers[] = {0, 0, 0, 4, 4, 1, 0, 0, 2, 3};
  vc_view images[] = {VIEW(data, u8, 4, 4, 1), VIEW(data, u8, 1, 4, 1)};
  vc_view to = VIEW(data + 32, u8, 2, 2, 2, 1), boxes = VIEW(numbers, u8, 2, 5);
  vc_transform_params params;
  vc_resize resize;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 2, 2, VC_LINEAR);
  resize.fit = VC_CENTER_CROP;
  resize.shorter = 1;
  params.resize = &resize;
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_LAYOUT,
              "image 0: a centre crop");
  resize.shorter = INT_MAX;
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_LAYOUT,
              "image 1: an image of H = 1, W = 4 would");
  params.boxes = &boxes;
  images[1] = images[0];
  CHECK_FAILS(vc_transform(&to, images, 2, &params, 0, &error), VC_ERROR_LAYOUT,
              "box 1: an image of H = 3, W = 2 would");
}

int main(int count, char **arguments) {
  test_rules(count > 1 ? atoi(arguments[1]) : 1500);
  test_halves();
  test_area();
  test_large_block();
  test_floats();
  test_placements();
  test_float_mode();
  test_letterbox();
  test_lists_and_boxes();
  test_refused_resizes();
  test_refused_boxes();
  test_refused_lists();
  test_refused_crops();
  return check_report();
}
