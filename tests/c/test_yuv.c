/* SPDX-License-Identifier: Apache-2.0 */
/* YUV images as sources of a transform: the arithmetic against real numbers as fractions, all
 * formats against pixels read one by one, and what is refused. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "transform/colour/colour.h"
#include "transform/row.h"
#include "transform/settings.h"

static vc_error error;
static const vc_device host = {VC_CPU, 0};
static const vc_dtype u8 = {VC_UINT, 8}, u16 = {VC_UINT, 16}, f32 = {VC_FLOAT, 32};

/* Tests of all triples take every thin-th value of two of the three: VIEWCAST_TEST_THIN, for
 * valgrind and emulators. With 0 the test of 10 bits, too, takes all triples. */
static int thin = 1;

static uint64_t state = 20261127;
static uint32_t draw(uint32_t n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % n;
}

/* --- the arithmetic */

__extension__ typedef __int128 wide;

static const int matrices[] = {VC_BT601, VC_BT709, VC_BT2020};
static const int ranges[] = {VC_LIMITED_RANGE, VC_FULL_RANGE};

typedef struct {
  int64_t red, green, blue, luma, chroma, black, grey, top;
} constants;

static constants constants_of(int matrix, int range, int bits, int depth) {
  static const int64_t weights[][2] = {{2990, 1140}, {2126, 722}, {2627, 593}};
  constants out = {.red = weights[matrix - VC_BT601][0], .blue = weights[matrix - VC_BT601][1]};
  int64_t unit = 1 << (bits - 8), whole = (1 << bits) - 1;
  bool full = range == VC_FULL_RANGE;
  out.green = 10000 - out.red - out.blue;
  out.luma = full ? whole : 219 * unit;
  out.chroma = full ? whole : 224 * unit;
  out.black = full ? 0 : 16 * unit;
  out.grey = 128 * unit;
  out.top = (1 << depth) - 1;
  return out;
}

static int64_t rounded(wide above, wide below, int64_t top) {
  wide twice = 2 * above + below, out = twice / (2 * below);
  if (twice % (2 * below) < 0) out--;
  return (int64_t)(out < 0 ? 0 : out > top ? top : out);
}

/* H.273's R, G and B: fractions over one denominator. */
static void real_rgb(const constants *of, int64_t y, int64_t u, int64_t v, int32_t *rgb) {
  y -= of->black, u -= of->grey, v -= of->grey;
  wide below = (wide)10000 * of->luma * of->chroma;
  wide from_y = (wide)of->top * y * 10000 * of->chroma;
  wide from_u = (wide)of->top * u * 2 * (10000 - of->blue) * of->luma;
  wide from_v = (wide)of->top * v * 2 * (10000 - of->red) * of->luma;
  rgb[0] = (int32_t)rounded(from_y + from_v, below, of->top);
  rgb[1] = (int32_t)rounded(from_y * of->green - from_u * of->blue - from_v * of->red,
                            below * of->green, of->top);
  rgb[2] = (int32_t)rounded(from_y + from_u, below, of->top);
}

/* G in 64 bits, which are enough for 8-bit samples. */
static int32_t real_green(const constants *of, int64_t y, int64_t u, int64_t v) {
  int64_t below = 10000 * of->luma * of->chroma * of->green;
  int64_t above = of->top * ((y - of->black) * 10000 * of->chroma * of->green -
                             2 * of->luma *
                                 ((u - of->grey) * (10000 - of->blue) * of->blue +
                                  (v - of->grey) * (10000 - of->red) * of->red));
  int64_t twice = 2 * above + below;
  if (twice < 0) return 0;
  int64_t out = twice / (2 * below);
  return (int32_t)(out > of->top ? of->top : out);
}

static void opencv_rgb(int y, int u, int v, int32_t *rgb) {
  int luma = (y < 16 ? 0 : y - 16) * 1220542 + (1 << 19);
  u -= 128, v -= 128;
  int values[] = {(luma + 1673527 * v) >> 20, (luma - 852492 * v - 409993 * u) >> 20,
                  (luma + 2116026 * u) >> 20};
  for (int c = 0; c < 3; c++) rgb[c] = values[c] < 0 ? 0 : values[c] > 255 ? 255 : values[c];
}

/* All triples of 8 bits. */
static void test_every_triple(int matrix, int range) {
  vc_yuv_rule rule;
  constants of = constants_of(matrix, range, 8, 8);
  bool is_opencv = matrix == VC_BT601 && range == VC_LIMITED_RANGE;
  int64_t wrong = 0;
  vc_yuv_rule_make(matrix, range, 8, 8, &rule);
  for (int y = 0; y < 256; y++) {
    for (int u = 0; u < 256; u += thin) {
      for (int v = 0; v < 256; v += thin) {
        int32_t found[3], wanted[3];
        vc_yuv_to_rgb(&rule, y, u, v, found);
        if (is_opencv) {
          opencv_rgb(y, u, v, wanted);
        } else if (u == v) { /* R and B have only one of them */
          real_rgb(&of, y, u, v, wanted);
        } else {
          memcpy(wanted, found, sizeof wanted);
          wanted[1] = real_green(&of, y, u, v);
        }
        wrong += memcmp(found, wanted, sizeof found) != 0;
      }
    }
  }
  CHECK(wrong == 0);
}

/* All triples again, by the vectors that read rows. */
static void test_every_triple_in_rows(int matrix, int range) {
  uint8_t planes[3][256], row[3 * 256];
  vc_yuv yuv;
  vc_yuv_source source;
  const int64_t shape[] = {1, 256};
  int64_t wrong = 0;
  vc_yuv_init(&yuv, VC_YUV444P, (vc_matrix)matrix, (vc_range)range);
  for (int i = 0; i < 3; i++) {
    CHECK_OK(vc_view_packed(planes[i], host, u8, 2, shape, &yuv.planes[i], &error));
  }
  CHECK_OK(vc_yuv_read(&yuv, &source, NULL, &error));
  for (int y = 0; y < 256; y++) planes[0][y] = (uint8_t)y;
  for (int u = 0; u < 256; u += thin) {
    for (int v = 0; v < 256; v += thin) {
      memset(planes[1], u, sizeof planes[1]);
      memset(planes[2], v, sizeof planes[2]);
      vc_yuv_read_row(&source, 0, 0, 256, row);
      for (int y = 0; y < 256; y++) {
        int32_t one[3];
        vc_yuv_to_rgb(&source.rule, y, u, v, one);
        for (int c = 0; c < 3; c++) wrong += row[3 * y + c] != one[c];
      }
    }
  }
  CHECK(wrong == 0);
}

/* Returns the least y of 0 … 1024 for which a + b * y, which rises, is at least `wanted`. */
static int64_t least_of(int64_t a, int64_t b, int64_t wanted) {
  int64_t rest = wanted - a, out = rest <= 0 ? 0 : (rest + b - 1) / b;
  return out > 1024 ? 1024 : out;
}

/* All triples of 10 bits: every value of R, G and B begins at the Y at which the real one does. A
 * test takes every `step`-th U for G, whose 2^30 triples take a second for each rule. */
static void test_every_ten(int matrix, int range, int step) {
  vc_yuv_rule rule;
  constants of = constants_of(matrix, range, 10, 8);
  int64_t below = 10000 * of.luma * of.chroma * of.green, wrong = 0;
  int64_t from_y = of.top * 10000 * of.chroma * of.green;
  int64_t blue = of.top * 2 * (10000 - of.blue) * of.luma;
  int64_t red = of.top * 2 * (10000 - of.red) * of.luma;
  const int64_t from[3][2] = {
      {0, red * of.green}, {-blue * of.blue, -red * of.red}, {blue * of.green, 0}};
  vc_yuv_rule_make(matrix, range, 10, 8, &rule);
  for (int c = 0; c < 3; c++) {
    const vc_yuv_channel *by = &rule.channels[c];
    const int by_u = c == 0 ? 1024 : c == 1 ? step : thin, by_v = c == 2 ? 1024 : thin;
    /* U = 429 and V = 275 are always among them: G of BT.2020 is nearest to a half there. */
    for (int64_t u = 429 % by_u - 512; u < 512; u += by_u) {
      for (int64_t v = 275 % by_v - 512; v < 512; v += by_v) {
        int64_t real = 2 * (from[c][0] * u + from[c][1] * v - from_y * of.black) + below;
        int64_t sum = by->u * u + by->v * v - by->y * of.black + by->half;
        for (int64_t value = 1; value <= 255; value++) {
          wrong += least_of(real, 2 * from_y, 2 * below * value) !=
                   least_of(sum, by->y, value << rule.shift);
        }
      }
    }
  }
  CHECK(wrong == 0);
}

/* Random triples, and those at the edges, of other depths. */
static void test_depth(int bits, int depth) {
  int32_t most = (1 << bits) - 1;
  const int32_t edges[] = {0,        1,   most / 16, most / 2, most / 2 + 1, most - most / 16,
                           most - 1, most};
  for (int i = 0; i < 6; i++) {
    vc_yuv_rule rule;
    constants of = constants_of(matrices[i / 2], ranges[i % 2], bits, depth);
    if (bits == 8 && depth == 8 && i == 0) continue;
    vc_yuv_rule_make(matrices[i / 2], ranges[i % 2], bits, depth, &rule);
    int64_t wrong = 0;
    for (int k = 0; k < 200000 / thin; k++) {
      int32_t found[3], wanted[3], at[3];
      for (int c = 0; c < 3; c++) {
        at[c] = k < 512 ? edges[k >> (3 * c) & 7] : (int32_t)draw((uint32_t)most + 1);
      }
      vc_yuv_to_rgb(&rule, at[0], at[1], at[2], found);
      real_rgb(&of, at[0], at[1], at[2], wanted);
      wrong += memcmp(found, wanted, sizeof found) != 0;
    }
    CHECK(wrong == 0);
  }
}

static void opencv_yuv(const int64_t *rgb, int32_t *out) {
  static const int64_t numbers[3][4] = {{269484, 528482, 102760, 16},
                                        {-155188, -305135, 460324, 128},
                                        {460324, -385875, -74448, 128}};
  for (int i = 0; i < 3; i++) {
    int64_t sum = (1 << 19) + (numbers[i][3] << 20);
    for (int c = 0; c < 3; c++) sum += numbers[i][c] * rgb[c];
    out[i] = (int32_t)(sum >> 20);
  }
}

/* H.273's Y, U and V of the sums of `n` pixels, in samples of a depth. */
static void real_yuv(const constants *of, int bits, const int64_t *sums, int n, int32_t *out) {
  int64_t top = (1 << bits) - 1, parts[3] = {of->red, of->green, of->blue}, luma = 0;
  for (int c = 0; c < 3; c++) luma += parts[c] * sums[c];
  wide below = (wide)10000 * 255 * n;
  out[0] = (int32_t)rounded((wide)luma * of->luma + below * of->black, below, top);
  for (int i = 1; i < 3; i++) {
    int64_t rest = 10000 - (i == 1 ? of->blue : of->red), own = sums[i == 1 ? 2 : 0];
    wide all = (wide)2 * rest * 255 * n;
    out[i] = (int32_t)rounded((wide)(own * 10000 - luma) * of->chroma + all * of->grey, all, top);
  }
}

/* RGB triples, and sums of two and four pixels. */
static void test_every_rgb(int format, int matrix, int range) {
  vc_rgb_rule rule;
  const int bits = vc_yuv_layout_of(format)->bits;
  constants of = constants_of(matrix, range, bits, 8);
  bool is_opencv = bits == 8 && matrix == VC_BT601 && range == VC_LIMITED_RANGE;
  int64_t wrong = 0;
  vc_rgb_rule_make(vc_yuv_layout_of(format), matrix, range, &rule);
  CHECK(rule.first_only == is_opencv);
  for (int r = 0; r < 256; r += thin) {
    for (int g = 0; g < 256; g += thin) {
      for (int b = r & 3; b < 256; b += is_opencv ? 1 : bits == 8 ? 4 : 16) {
        int64_t sums[3] = {r, g, b};
        int32_t found[3], wanted[3], given[3] = {r, g, b};
        for (int i = 0; i < 3; i++) found[i] = vc_rgb_to_sample(&rule, i, given, 0);
        if (is_opencv) {
          opencv_yuv(sums, wanted);
        } else {
          real_yuv(&of, bits, sums, 1, wanted);
        }
        wrong += memcmp(found, wanted, sizeof found) != 0;
      }
    }
  }
  for (int k = 0; k < 500000 / thin && !is_opencv; k++) {
    int log = 1 + k % 2;
    int64_t sums[3];
    int32_t found[3], wanted[3], given[3];
    for (int c = 0; c < 3; c++) sums[c] = given[c] = (int32_t)draw((255u << log) + 1);
    for (int i = 0; i < 3; i++) found[i] = vc_rgb_to_sample(&rule, i, given, log);
    real_yuv(&of, bits, sums, 1 << log, wanted);
    wrong += memcmp(found, wanted, sizeof found) != 0;
  }
  CHECK(wrong == 0);
}

/* --- formats */

enum { MOST = 72 };

/* An image with planes of random samples in memory of their own, with gaps between rows. */
typedef struct {
  vc_yuv yuv;
  char *memory[3];
  int rows, cols;
} picture;

static vc_view plane(picture *of, int index, int rows, int cols, int samples) {
  const vc_yuv_layout *layout = vc_yuv_layout_of(of->yuv.format);
  int size = layout->bits > 8 ? 2 : 1, pitch = (cols * samples + (int)draw(9)) * size;
  vc_view out = {.device = host, .dtype = size == 2 ? u16 : u8, .ndim = samples == 2 ? 3 : 2};
  of->memory[index] = malloc((size_t)(rows * pitch) + 1);
  for (int i = 0; i < rows * pitch; i++) of->memory[index][i] = (char)draw(256);
  out.data = of->memory[index];
  out.shape[0] = rows, out.shape[1] = cols, out.shape[2] = samples;
  out.strides[0] = pitch, out.strides[1] = size * samples, out.strides[2] = size;
  return out;
}

static picture picture_of(int format, int matrix, int range, int depth, int rows, int cols) {
  picture out = {.rows = rows, .cols = cols};
  vc_yuv_init(&out.yuv, (vc_yuv_format)format, (vc_matrix)matrix, (vc_range)range);
  const vc_yuv_layout *layout = vc_yuv_layout_of(format);
  int down = layout->row_shift ? (rows + 1) / 2 : rows;
  int across = layout->col_shift ? (cols + 1) / 2 : cols;
  out.yuv.depth = depth;
  out.yuv.planes[0] = plane(&out, 0, rows, cols, 1);
  out.yuv.planes[1] = plane(&out, 1, down, across, layout->planes == 2 ? 2 : 1);
  if (layout->planes == 3) out.yuv.planes[2] = plane(&out, 2, down, across, 1);
  return out;
}

static void end(picture *of) {
  for (int i = 0; i < 3; i++) free(of->memory[i]);
}

static int bits_of(int format) {
  if (format <= VC_YUV444P) return 8;
  return format == VC_P016 || format == VC_YUV444P16 ? 16 : 10;
}

static int32_t load(const vc_view *plane, int y, int x, int which, int format) {
  const char *at = (const char *)plane->data + y * plane->strides[0] + x * plane->strides[1];
  uint16_t word;
  if (plane->ndim == 3) at += which * plane->strides[2];
  if (plane->dtype.bits == 8) return *(const uint8_t *)at;
  memcpy(&word, at, 2);
  if (format == VC_P010 || format == VC_YUV444P10MSB) return word >> 6;
  return bits_of(format) == 16 ? word : word > 1023 ? 1023 : word;
}

static void pixel(const picture *of, int y, int x, int32_t *rgb) {
  int format = of->yuv.format;
  const vc_view *planes = of->yuv.planes;
  bool pairs = format == VC_NV12 || format == VC_NV21 || format == VC_P010 || format == VC_P016;
  bool tall = format == VC_YUV422P || format == VC_YUV422P10;
  bool whole = format == VC_YUV444P || format >= VC_YUV444P10;
  bool swapped = format == VC_NV21 || format == VC_YV12;
  int cy = tall || whole ? y : y / 2, cx = whole ? x : x / 2;
  int bits = bits_of(format);
  int32_t luma = load(&planes[0], y, x, 0, format);
  int32_t u = load(&planes[pairs ? 1 : 1 + swapped], cy, cx, swapped, format);
  int32_t v = load(&planes[pairs ? 1 : 2 - swapped], cy, cx, !swapped, format);
  constants known = constants_of(of->yuv.matrix, of->yuv.range, bits, of->yuv.depth);
  if (bits == 8 && of->yuv.depth == 8 && of->yuv.matrix == VC_BT601 &&
      of->yuv.range == VC_LIMITED_RANGE) {
    opencv_rgb(luma, u, v, rgb);
  } else {
    real_rgb(&known, luma, u, v, rgb);
  }
}

/* The image as RGB, in `out` of rows x cols x 3 elements of its depth. */
static vc_view rgb_of(const picture *of, void *out) {
  vc_view view;
  const int64_t shape[] = {of->rows, of->cols, 3};
  CHECK_OK(vc_view_packed(out, host, of->yuv.depth == 16 ? u16 : u8, 3, shape, &view, &error));
  for (int y = 0; y < of->rows; y++) {
    for (int x = 0; x < of->cols; x++) {
      int32_t rgb[3];
      pixel(of, y, x, rgb);
      for (int c = 0; c < 3; c++) {
        int at = (y * of->cols + x) * 3 + c;
        if (of->yuv.depth == 16) {
          ((uint16_t *)out)[at] = (uint16_t)rgb[c];
        } else {
          ((uint8_t *)out)[at] = (uint8_t)rgb[c];
        }
      }
    }
  }
  return view;
}

static char rgb[MOST * MOST * 6], found[MOST * MOST * 12], wanted[MOST * MOST * 12];

/* The transform of a YUV image is that of its RGB. */
static void check_alike(const picture *of, vc_transform_params *params, int rows, int cols,
                        vc_dtype dtype) {
  vc_view to, expected, image, plain = rgb_of(of, rgb);
  const int64_t shape[] = {3, rows, cols};
  CHECK_OK(vc_view_packed(found, host, dtype, 3, shape, &to, &error));
  expected = to;
  expected.data = wanted;
  params->to = VC_PLANAR;
  params->yuv = NULL;
  CHECK_OK(vc_transform(&expected, &plain, 1, params, 0, &error));
  CHECK_OK(vc_yuv_image(&of->yuv, &image, &error));
  params->yuv = &of->yuv;
  memset(found, 7, sizeof found);
  CHECK_OK(vc_transform(&to, &image, 1, params, 0, &error));
  CHECK(memcmp(found, wanted, vc_view_nbytes(&to)) == 0);
}

static void test_formats(void) {
  for (int i = 0; i < 1200; i++) {
    vc_limits.row_kernels = i % 2 ? &vc_row_kernels_scalar : NULL;
    int format = VC_NV12 + i / 2 % VC_YUV444P16, rows = 1 + (int)draw(MOST),
        cols = 1 + (int)draw(MOST);
    picture of =
        picture_of(format, matrices[draw(3)], ranges[draw(2)], draw(3) ? 8 : 16, rows, cols);
    vc_transform_params params;
    vc_transform_params_init(&params);
    params.reverse_channels = draw(2);
    check_alike(&of, &params, rows, cols, of.yuv.depth == 16 ? u16 : u8);
    check_alike(&of, &params, rows, cols, f32);
    end(&of);
  }
  vc_limits.row_kernels = NULL;
}

static void test_resizing(void) {
  for (int i = 0; i < 700; i++) {
    int format = VC_NV12 + (int)draw(VC_YUV444P16), rows = 1 + (int)draw(MOST);
    picture of = picture_of(format, matrices[draw(3)], ranges[draw(2)], draw(3) ? 8 : 16, rows,
                            1 + (int)draw(MOST));
    vc_transform_params params;
    vc_resize resize;
    vc_view boxes;
    float box[4] = {(float)draw((uint32_t)of.cols), (float)draw((uint32_t)rows), 0, 0};
    const int64_t shape[] = {1, 4};
    vc_transform_params_init(&params);
    vc_resize_init(&resize, 1 + (int)draw(MOST), 1 + (int)draw(MOST), (vc_interpolation)(i % 7));
    params.resize = &resize;
    resize.fit = draw(3) == 0 ? VC_STRETCH : draw(2) ? VC_LETTERBOX : VC_CENTER_CROP;
    box[2] = box[0] + 1 + (float)draw(MOST);
    box[3] = box[1] + 1 + (float)draw(MOST);
    CHECK_OK(vc_view_packed(box, host, f32, 2, shape, &boxes, &error));
    if (draw(2)) params.boxes = &boxes;
    check_alike(&of, &params, (int)resize.rows, (int)resize.cols, f32);
    end(&of);
  }
}

/* Images of several sizes, matrices and ranges in one call. */
static void test_list(void) {
  enum { COUNT = 3 };
  picture of[COUNT];
  vc_yuv yuv[COUNT];
  vc_view images[COUNT], to, one, plain;
  vc_transform_params params;
  vc_resize resize;
  const int64_t shape[] = {COUNT, 9, 11, 3}, single[] = {9, 11, 3};
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 9, 11, VC_LINEAR);
  params.resize = &resize;
  CHECK_OK(vc_view_packed(wanted, host, u8, 3, single, &one, &error));
  for (int i = 0; i < COUNT; i++) {
    of[i] = picture_of(VC_NV12, matrices[i], ranges[i % 2], 8, 5 + i, 31 - i);
    yuv[i] = of[i].yuv;
    CHECK_OK(vc_yuv_image(&yuv[i], &images[i], &error));
    plain = rgb_of(&of[i], rgb);
    one.data = wanted + i * 9 * 11 * 3;
    CHECK_OK(vc_transform(&one, &plain, 1, &params, 0, &error));
  }
  params.yuv = yuv;
  CHECK_OK(vc_view_packed(found, host, u8, 4, shape, &to, &error));
  CHECK_OK(vc_transform(&to, images, COUNT, &params, 0, &error));
  CHECK(memcmp(found, wanted, vc_view_nbytes(&to)) == 0);
  yuv[1].format = VC_NV21;
  CHECK(vc_transform(&to, images, COUNT, &params, 0, &error) == VC_ERROR_LAYOUT);
  for (int i = 0; i < COUNT; i++) end(&of[i]);
}

/* --- RGB to YUV */

static void store_wanted(const picture *of, int y, int x, const int64_t *sums, int n,
                         int32_t *out) {
  int format = of->yuv.format, bits = vc_yuv_layout_of(format)->bits;
  constants known = constants_of(of->yuv.matrix, of->yuv.range, bits, 8);
  bool is_opencv = bits == 8 && vc_yuv_layout_of(format)->row_shift && of->yuv.matrix == VC_BT601 &&
                   of->yuv.range == VC_LIMITED_RANGE;
  (void)y, (void)x;
  if (is_opencv) {
    opencv_yuv(sums, out);
  } else {
    real_yuv(&known, bits, sums, n, out);
  }
}

/* Compares each sample of a written picture with its pixels, `image` of rows x cols x 3. */
static void check_written(const picture *of, const uint8_t *image, bool reversed) {
  const vc_yuv_layout *layout = vc_yuv_layout_of(of->yuv.format);
  int format = of->yuv.format, across = 1 << layout->col_shift, down = 1 << layout->row_shift;
  bool pairs = layout->planes == 2, swapped = layout->swapped;
  bool first = layout->bits == 8 && layout->row_shift && of->yuv.matrix == VC_BT601 &&
               of->yuv.range == VC_LIMITED_RANGE;
  int64_t wrong = 0;
  for (int y = 0; y < of->rows; y++) {
    for (int x = 0; x < of->cols; x++) {
      int64_t one[3], sums[3] = {0};
      int32_t luma[3], chroma[3], n = 0;
      for (int c = 0; c < 3; c++) one[c] = image[(y * of->cols + x) * 3 + (reversed ? 2 - c : c)];
      store_wanted(of, y, x, one, 1, luma);
      wrong += load(&of->yuv.planes[0], y, x, 0, format) != luma[0];
      if (y % down || x % across) continue;
      for (int i = 0; i < (first ? 1 : down * across); i++) {
        int row = y + i / across, col = x + i % across;
        if (row >= of->rows || col >= of->cols) continue;
        n++;
        for (int c = 0; c < 3; c++) {
          sums[c] += image[(row * of->cols + col) * 3 + (reversed ? 2 - c : c)];
        }
      }
      store_wanted(of, y, x, sums, n, chroma);
      int cy = y / down, cx = x / across;
      wrong += load(&of->yuv.planes[pairs ? 1 : 1 + swapped], cy, cx, swapped, format) != chroma[1];
      wrong +=
          load(&of->yuv.planes[pairs ? 1 : 2 - swapped], cy, cx, !swapped, format) != chroma[2];
    }
  }
  CHECK(wrong == 0);
}

static void test_writing(void) {
  vc_cpu_limits before = vc_limits;
  vc_limits.thread_bytes = 1;
  for (int i = 0; i < 600; i++) {
    vc_limits.row_kernels = draw(3) ? NULL : &vc_row_kernels_scalar;
    picture of = picture_of(VC_NV12 + i % VC_YUV444P16, matrices[draw(3)], ranges[draw(2)], 8,
                            1 + (int)draw(MOST), 1 + (int)draw(MOST));
    uint8_t *image = (uint8_t *)rgb, *planar = (uint8_t *)wanted;
    const int64_t shape[] = {of.rows, of.cols, 3}, planes[] = {3, of.rows, of.cols};
    vc_view from;
    bool reversed = draw(2), is_planar = draw(2);
    for (int k = 0; k < of.rows * of.cols * 3; k++) image[k] = (uint8_t)draw(256);
    for (int k = 0; k < of.rows * of.cols * 3; k++) {
      planar[k % 3 * of.rows * of.cols + k / 3] = image[k];
    }
    CHECK_OK(is_planar ? vc_view_packed(planar, host, u8, 3, planes, &from, &error)
                       : vc_view_packed(image, host, u8, 3, shape, &from, &error));
    CHECK_OK(
        vc_yuv_write(&of.yuv, &from, is_planar ? VC_PLANAR : VC_INTERLEAVED, reversed, 0, &error));
    check_written(&of, image, reversed);
    end(&of);
  }
  vc_limits = before;
}

/* All RGB triples again, by the vectors that write rows. */
static void test_every_rgb_in_rows(int matrix, int range) {
  static uint8_t image[256 * 256 * 3], planes[3][256 * 256];
  vc_yuv yuv;
  vc_view from;
  vc_rgb_rule rule;
  const int64_t shape[] = {256, 256, 3}, sides[] = {256, 256};
  int64_t wrong = 0;
  vc_yuv_init(&yuv, VC_YUV444P, (vc_matrix)matrix, (vc_range)range);
  vc_rgb_rule_make(vc_yuv_layout_of(VC_YUV444P), matrix, range, &rule);
  CHECK_OK(vc_view_packed(image, host, u8, 3, shape, &from, &error));
  for (int i = 0; i < 3; i++) {
    CHECK_OK(vc_view_packed(planes[i], host, u8, 2, sides, &yuv.planes[i], &error));
  }
  for (int r = 0; r < 256; r += thin) {
    for (int i = 0; i < 256 * 256; i++) {
      image[3 * i] = (uint8_t)r;
      image[3 * i + 1] = (uint8_t)(i >> 8);
      image[3 * i + 2] = (uint8_t)i;
    }
    CHECK_OK(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, &error));
    for (int i = 0; i < 256 * 256; i++) {
      const int32_t pixel[3] = {r, i >> 8, i & 255};
      for (int which = 0; which < 3; which++) {
        wrong += planes[which][i] != vc_rgb_to_sample(&rule, which, pixel, 0);
      }
    }
  }
  CHECK(wrong == 0);
}

static void test_refused_writing(void) {
  picture of = picture_of(VC_I420, VC_BT709, VC_LIMITED_RANGE, 8, 5, 7);
  vc_yuv yuv = of.yuv;
  vc_view from, other;
  const int64_t shape[] = {5, 7, 3}, four[] = {5, 7, 4};
  CHECK_OK(vc_view_packed(rgb, host, u8, 3, shape, &from, &error));
  CHECK_OK(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, &error));
  CHECK_FAILS(vc_yuv_write(&yuv, &from, VC_PLANAR, false, 0, &error), VC_ERROR_LAYOUT, "channels");
  CHECK_OK(vc_view_packed(rgb, host, u8, 3, four, &other, &error));
  CHECK_FAILS(vc_yuv_write(&yuv, &other, VC_INTERLEAVED, false, 0, &error), VC_ERROR_LAYOUT,
              "4 channels");
  other = from;
  other.dtype = u16;
  CHECK_FAILS(vc_yuv_write(&yuv, &other, VC_INTERLEAVED, false, 0, &error), VC_ERROR_DTYPE,
              "uint8");
  other = from;
  other.shape[0] = 4;
  CHECK_FAILS(vc_yuv_write(&yuv, &other, VC_INTERLEAVED, false, 0, &error), VC_ERROR_LAYOUT,
              "same size");
  yuv.planes[1].readonly = 1;
  CHECK_FAILS(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, &error), VC_ERROR_VALUE,
              "plane 1 is read-only");
  yuv = of.yuv;
  yuv.planes[2].data = rgb + 20;
  CHECK_FAILS(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, &error), VC_ERROR_VALUE,
              "plane 2 shares memory with the image");
  yuv.planes[2] = yuv.planes[1];
  CHECK_FAILS(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, &error), VC_ERROR_VALUE,
              "planes 1 and 2 share memory");
  yuv = of.yuv;
  yuv.planes[0].strides[0] = 3;
  CHECK_FAILS(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, &error), VC_ERROR_LAYOUT,
              "plane 0 has elements that share memory");
  yuv = of.yuv;
  yuv.depth = 16;
  CHECK_FAILS(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, &error), VC_ERROR_ARGUMENT,
              "depth");
  end(&of);
}

/* --- rows by vectors equal rows pixel by pixel */

enum { WIDE = 1300 };

/* Fills samples at random, with edges, or all with one value, which may be a tie. */
static void fill(char *at, int count, int size, int bits, int unused) {
  int kind = (int)draw(3), most = (1 << bits) - 1, one = (int)draw((uint32_t)most + 1);
  for (int i = 0; i < count; i++) {
    int value = kind == 0 ? (int)draw((uint32_t)most + 1) : kind == 1 ? one : most * (int)draw(2);
    if (kind == 1 && bits == 10) value = (one & 1) ? 512 : 210; /* 85 / 292 * (210 - 64) is 42.5 */
    uint16_t word = (uint16_t)(value << unused);
    if (unused == 0 && bits == 10 && draw(9) == 0) word = (uint16_t)draw(65536);
    if (size == 1) {
      at[i] = (char)value;
    } else {
      memcpy(at + 2 * i, &word, 2);
    }
  }
}

static void test_rows(void) {
  static char samples[3][2 * 2 * WIDE], all[2][6 * WIDE + 1];
  for (int i = 0; i < 3000 / thin; i++) {
    vc_yuv_source source = {.row = {0}};
    int format = VC_NV12 + i % VC_YUV444P16, matrix = matrices[draw(3)], range = ranges[draw(2)];
    const vc_yuv_layout *layout = vc_yuv_layout_of(format);
    int size = layout->bits > 8 ? 2 : 1, apart = layout->planes == 2 ? 2 : 1;
    int count = 1 + (int)draw(draw(3) ? 200 : WIDE), left = (int)draw((uint32_t)(WIDE - count) + 1);
    source.deep = draw(2);
    source.col_shift = layout->col_shift, source.row_shift = layout->row_shift;
    source.bits = layout->bits, source.unused = layout->unused;
    vc_yuv_rule_make(matrix, range, layout->bits, source.deep ? 16 : 8, &source.rule);
    for (int k = 0; k < 3; k++) {
      int which = layout->swapped && k > 0 ? 3 - k : k;
      fill(samples[k], 2 * WIDE, size, layout->bits, layout->unused);
      source.col[which] = k > 0 ? apart * size : size;
      source.data[which] = k == 2 && apart == 2 ? samples[1] + size : samples[k];
    }
    memset(all, 77, sizeof all);
    vc_yuv_read_row(&source, 0, left, count, all[0]);
    vc_limits.row_kernels = &vc_row_kernels_scalar;
    vc_yuv_read_row(&source, 0, left, count, all[1]);
    vc_limits.row_kernels = NULL;
    CHECK(memcmp(all[0], all[1], sizeof all[0]) == 0);
  }
}

/* Greys of every Y, and other colours of every Y: among them are sums of 10 and 16 bits that are
 * exactly a half. */
static void test_every_luma(int bits, int depth) {
  enum { MOST_LUMA = 65536 };
  static uint16_t luma[MOST_LUMA], chroma[2][MOST_LUMA];
  static uint16_t all[2][3 * MOST_LUMA];
  static const vc_yuv_format formats[] = {VC_YUV444P, VC_YUV444P10, VC_YUV444P16};
  const int count = 1 << bits, grey = count / 2, size = bits == 8 ? 1 : 2;
  const vc_yuv_layout *layout = vc_yuv_layout_of(formats[bits == 8 ? 0 : bits == 10 ? 1 : 2]);
  for (int i = 0; i < 6 * 8; i += bits == 16 ? thin : 1) {
    vc_yuv_source source = {.deep = depth == 16, .bits = layout->bits};
    uint16_t u = (uint16_t)(i < 6 ? (uint32_t)grey : draw((uint32_t)count)), v = u;
    if (i > 12) v = (uint16_t)draw((uint32_t)count);
    vc_yuv_rule_make(matrices[i / 2 % 3], ranges[i % 2], bits, depth, &source.rule);
    for (int k = 0; k < count; k++) {
      uint16_t values[] = {(uint16_t)k, u, v};
      for (int c = 0; c < 3; c++) {
        uint16_t *to = c == 0 ? luma : chroma[c - 1];
        if (size == 1) {
          ((uint8_t *)to)[k] = (uint8_t)values[c];
        } else {
          to[k] = values[c];
        }
        source.data[c] = (const char *)to;
        source.col[c] = size;
      }
    }
    vc_yuv_read_row(&source, 0, 0, count, all[0]);
    vc_limits.row_kernels = &vc_row_kernels_scalar;
    vc_yuv_read_row(&source, 0, 0, count, all[1]);
    vc_limits.row_kernels = NULL;
    CHECK(memcmp(all[0], all[1], (size_t)(3 * count * (depth / 8))) == 0);
  }
}

/* The image has any strides: packed, planar, or with gaps. */
static vc_view image_of(char *memory, int rows, int cols) {
  const int apart = 3 + (int)draw(2);
  vc_view out = {.data = memory, .device = host, .dtype = u8, .ndim = 3};
  bool planar = draw(3) == 0;
  out.shape[0] = rows, out.shape[1] = cols, out.shape[2] = 3;
  out.strides[0] = planar ? cols : cols * apart + (int)draw(9);
  out.strides[1] = planar ? 1 : apart;
  out.strides[2] = planar ? rows * cols : 1;
  return out;
}

static void test_written_rows(void) {
  static char memory[8 * (4 * WIDE + 9)], planes[2][3][8 * 4 * WIDE];
  for (int i = 0; i < 1500 / thin; i++) {
    vc_yuv yuv;
    int format = VC_NV12 + i % VC_YUV444P16, rows = 1 + (int)draw(5);
    int cols = 1 + (int)draw(draw(3) ? 200 : WIDE), kind = (int)draw(3);
    const vc_yuv_layout *layout = vc_yuv_layout_of(format);
    int across = (cols + layout->col_shift) >> layout->col_shift;
    const int64_t luma[] = {rows, cols};
    const int64_t chroma[] = {(rows + layout->row_shift) >> layout->row_shift, across, 2};
    const vc_dtype dtype = layout->bits > 8 ? u16 : u8;
    vc_view from = image_of(memory, rows, cols);
    bool reversed = draw(2);
    for (size_t k = 0; k < sizeof memory; k++) {
      memory[k] = (char)(kind == 0 ? draw(256) : kind == 1 ? 255 * draw(2) : (uint32_t)(i & 255));
    }
    memset(planes, 77, sizeof planes);
    vc_yuv_init(&yuv, (vc_yuv_format)format, (vc_matrix)matrices[draw(3)],
                (vc_range)ranges[draw(2)]);
    for (int run = 0; run < 2; run++) {
      vc_limits.row_kernels = run ? &vc_row_kernels_scalar : NULL;
      CHECK_OK(vc_view_packed(planes[run][0], host, dtype, 2, luma, &yuv.planes[0], &error));
      for (int k = 1; k < layout->planes; k++) {
        CHECK_OK(vc_view_packed(planes[run][k], host, dtype, layout->planes == 2 ? 3 : 2, chroma,
                                &yuv.planes[k], &error));
      }
      CHECK_OK(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, reversed, 0, &error));
    }
    vc_limits.row_kernels = NULL;
    CHECK(memcmp(planes[0], planes[1], sizeof planes[0]) == 0);
  }
}

/* --- one array */

static void test_split(void) {
  uint8_t memory[12 * 8];
  vc_yuv yuv;
  vc_view array, pitched;
  const int64_t shape[] = {12, 8};
  vc_yuv_init(&yuv, VC_NV12, VC_BT709, VC_LIMITED_RANGE);
  CHECK_OK(vc_view_packed(memory, host, u8, 2, shape, &array, &error));
  CHECK_OK(vc_yuv_split(&array, VC_NV12, &yuv, &error));
  CHECK(yuv.planes[0].shape[0] == 8 && yuv.planes[1].data == memory + 64);
  CHECK_OK(vc_yuv_split(&array, VC_I420, &yuv, &error));
  CHECK(yuv.planes[1].data == memory + 64 && yuv.planes[2].data == memory + 80);
  CHECK(yuv.planes[2].shape[0] == 4 && yuv.planes[2].shape[1] == 4);
  CHECK_OK(vc_yuv_split(&array, VC_YUV422P, &yuv, &error));
  CHECK(yuv.planes[1].data == memory + 48 && yuv.planes[2].data == memory + 72);
  CHECK_OK(vc_yuv_split(&array, VC_YUV444P, &yuv, &error));
  CHECK(yuv.planes[1].data == memory + 32 && yuv.planes[2].data == memory + 64);
  pitched = array;
  pitched.shape[1] = 6;
  CHECK_OK(vc_yuv_split(&pitched, VC_NV12, &yuv, &error));
  CHECK(vc_yuv_split(&pitched, VC_I420, &yuv, &error) == VC_ERROR_LAYOUT);
  pitched.shape[1] = 7;
  CHECK(vc_yuv_split(&pitched, VC_NV12, &yuv, &error) == VC_ERROR_LAYOUT);
  pitched = array;
  pitched.shape[0] = 11;
  CHECK(vc_yuv_split(&pitched, VC_NV12, &yuv, &error) == VC_ERROR_LAYOUT);
  CHECK(vc_yuv_split(&pitched, VC_YUV422P, &yuv, &error) == VC_ERROR_LAYOUT);
  const int64_t twice[] = {12, 8, 2}, column[] = {12, 1};
  CHECK_OK(vc_view_packed(memory, host, u8, 3, twice, &pitched, &error));
  CHECK_FAILS(vc_yuv_split(&pitched, VC_YUV444P, &yuv, &error), VC_ERROR_LAYOUT, "wrong rank");
  pitched.shape[2] = 1;
  CHECK_FAILS(vc_yuv_split(&pitched, VC_YUV444P, &yuv, &error), VC_ERROR_LAYOUT, "has gaps");
  pitched = array;
  pitched.ndim = 1;
  CHECK_FAILS(vc_yuv_split(&pitched, VC_NV12, &yuv, &error), VC_ERROR_LAYOUT, "W = 1 has the");
  CHECK_OK(vc_view_packed(memory, host, u8, 2, column, &pitched, &error));
  CHECK_OK(vc_yuv_split(&pitched, VC_YUV444P, &yuv, &error));
  pitched.strides[1] = 5; /* never taken */
  CHECK_OK(vc_yuv_split(&pitched, VC_YUV444P, &yuv, &error));
  pitched.data = NULL;
  CHECK(vc_yuv_split(&pitched, VC_YUV444P, &yuv, &error) != VC_OK);
  CHECK(vc_yuv_split(&array, 0, &yuv, &error) == VC_ERROR_ARGUMENT);
  CHECK(vc_yuv_split(&array, VC_YUV444P16 + 1, &yuv, &error) == VC_ERROR_ARGUMENT);
}

/* --- what is refused */

/* Planes by the names that they have in the format, which are in the messages. */
static void test_names_of_planes(void) {
  static const struct {
    int format, plane;
    const char *name;
  } cases[] = {{VC_I420, 1, "plane U"},
               {VC_YV12, 1, "plane V"},
               {VC_YV12, 2, "plane U"},
               {VC_NV12, 1, "plane U and V"},
               {VC_NV21, 1, "plane V and U"},
               {VC_P010, 1, "plane U and V"},
               {VC_YUV444P16, 2, "plane V"},
               {VC_NV12, 0, "plane Y"},
               {VC_YUV420P10, 0, "plane Y of format yuv420p10"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    picture of = picture_of(cases[i].format, VC_BT709, VC_LIMITED_RANGE, 8, 6, 8);
    vc_view image, *plane = &of.yuv.planes[cases[i].plane];
    const vc_view good = *plane;
    plane->dtype = f32;
    CHECK_FAILS(vc_yuv_image(&of.yuv, &image, &error), VC_ERROR_DTYPE, cases[i].name);
    *plane = good;
    plane->dtype.bits = 7;
    CHECK(vc_yuv_image(&of.yuv, &image, &error) == VC_ERROR_DTYPE);
    *plane = good;
    plane->ndim = 1;
    CHECK_FAILS(vc_yuv_image(&of.yuv, &image, &error), VC_ERROR_LAYOUT, cases[i].name);
    *plane = good;
    plane->ndim = 0;
    CHECK_FAILS(vc_yuv_image(&of.yuv, &image, &error), VC_ERROR_LAYOUT, "is missing");
    *plane = good;
    end(&of);
  }
}

static void test_refused(void) {
  picture of = picture_of(VC_I420, VC_BT709, VC_LIMITED_RANGE, 8, 5, 7);
  vc_view image, to;
  vc_yuv yuv = of.yuv;
  vc_transform_params params;
  const int64_t shape[] = {5, 7, 3};
  CHECK_OK(vc_yuv_image(&yuv, &image, &error));
  CHECK_OK(vc_view_packed(found, host, u8, 3, shape, &to, &error));
#define REFUSED(status, change)                          \
  do {                                                   \
    yuv = of.yuv;                                        \
    change;                                              \
    CHECK(vc_yuv_image(&yuv, &image, &error) == status); \
  } while (0)
  REFUSED(VC_ERROR_ARGUMENT, yuv.size = 0);
  REFUSED(VC_ERROR_ARGUMENT, yuv.format = 0);
  REFUSED(VC_ERROR_ARGUMENT, yuv.matrix = 0);
  REFUSED(VC_ERROR_ARGUMENT, yuv.matrix = 4);
  REFUSED(VC_ERROR_ARGUMENT, yuv.range = 0);
  REFUSED(VC_ERROR_ARGUMENT, yuv.range = 3);
  REFUSED(VC_ERROR_ARGUMENT, yuv.depth = 10);
  REFUSED(VC_ERROR_LAYOUT, yuv.planes[1].shape[0]--);
  REFUSED(VC_ERROR_LAYOUT, yuv.planes[2].shape[1]++);
  REFUSED(VC_ERROR_LAYOUT, yuv.planes[0].ndim = 1);
  REFUSED(VC_ERROR_LAYOUT, yuv.planes[2] = (vc_view){0});
  CHECK(strstr(error.message, "plane V of format i420 is missing"));
  REFUSED(VC_ERROR_DTYPE, yuv.planes[2].dtype = f32);
  REFUSED(VC_ERROR_DTYPE, yuv.format = VC_YUV420P10);
  REFUSED(VC_ERROR_DEVICE, yuv.planes[1].device.type = VC_CUDA);
  REFUSED(VC_ERROR_DEVICE, yuv.planes[1].device.id = 1);
  REFUSED(VC_ERROR_LAYOUT, yuv.planes[0].shape[0] = (int64_t)INT_MAX + 1);
  REFUSED(VC_ERROR_LAYOUT, yuv.planes[0].shape[1] = (int64_t)INT_MAX + 1);
  yuv = of.yuv;
  CHECK_OK(vc_yuv_image(&yuv, &image, &error));
  vc_transform_params_init(&params);
  params.yuv = &yuv;
  CHECK_OK(vc_transform(&to, &image, 1, &params, 0, &error));
  params.from = VC_PLANAR;
  CHECK(vc_transform(&to, &image, 1, &params, 0, &error) == VC_ERROR_ARGUMENT);
  params.from = VC_INTERLEAVED;
  image.shape[1]--;
  CHECK(vc_transform(&to, &image, 1, &params, 0, &error) == VC_ERROR_ARGUMENT);
  image.shape[1]++;
  image.dtype = (vc_dtype){VC_INT, 8};
  CHECK_FAILS(vc_transform(&to, &image, 1, &params, 0, &error), VC_ERROR_ARGUMENT, "vc_yuv_image");
  image.dtype = u16;
  CHECK_FAILS(vc_transform(&to, &image, 1, &params, 0, &error), VC_ERROR_ARGUMENT, "vc_yuv_image");
  image.dtype = u8;
  image.data = found;
  CHECK_FAILS(vc_transform(&to, &image, 1, &params, 0, &error), VC_ERROR_ARGUMENT, "vc_yuv_image");
  image.data = yuv.planes[0].data;
  to.readonly = 1;
  CHECK_FAILS(vc_transform(&to, &image, 1, &params, 0, &error), VC_ERROR_VALUE, "is read-only");
  to.readonly = 0;
  to.strides[0] = 1;
  CHECK_FAILS(vc_transform(&to, &image, 1, &params, 0, &error), VC_ERROR_LAYOUT, "overlap");
  to.strides[0] = 21;
  image.device.type = to.device.type = VC_CUDA; /* and the planes are in host memory */
  CHECK(vc_transform(&to, &image, 1, &params, 0, &error) == VC_ERROR_ARGUMENT);
  image.device = to.device = host;
  yuv.planes[2].data = found + 50; /* a plane in the destination */
  CHECK(vc_transform(&to, &image, 1, &params, 0, &error) == VC_ERROR_VALUE);
  end(&of);
}

int main(void) {
  const char *given = getenv("VIEWCAST_TEST_THIN");
  if (given && atoi(given) > 0) thin = atoi(given);
  for (int i = 0; i < 6; i++) test_every_triple(matrices[i / 2], ranges[i % 2]);
  for (int i = 0; i < 6; i++) test_every_triple_in_rows(matrices[i / 2], ranges[i % 2]);
  for (int i = 0; i < 6; i++) {
    test_every_ten(matrices[i / 2], ranges[i % 2], given && atoi(given) == 0 ? 1 : 16 * thin);
  }
  test_depth(8, 16);
  test_depth(10, 8);
  test_depth(10, 16);
  test_depth(16, 8);
  test_depth(16, 16);
  for (int i = 0; i < 6; i++) {
    test_every_rgb(VC_NV12, matrices[i / 2], ranges[i % 2]);
    test_every_rgb(VC_P010, matrices[i / 2], ranges[i % 2]);
    test_every_rgb(VC_P016, matrices[i / 2], ranges[i % 2]);
  }
  test_formats();
  test_writing();
  for (int i = 0; i < 6; i++) test_every_rgb_in_rows(matrices[i / 2], ranges[i % 2]);
  for (int i = 0; i < 6; i++) test_every_luma(i < 2 ? 8 : i < 4 ? 10 : 16, i % 2 ? 16 : 8);
  test_rows();
  test_written_rows();
  test_refused_writing();
  test_resizing();
  test_list();
  test_split();
  test_names_of_planes();
  test_refused();
  return check_report();
}
