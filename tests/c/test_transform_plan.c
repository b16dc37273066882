/* SPDX-License-Identifier: Apache-2.0 */
/* What transforms refuse, and what they must not: overlap, empty images. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "internal.h"

static vc_error error;
static const vc_device cpu = {VC_CPU, 0};
static const vc_dtype u8 = {VC_UINT, 8}, f32 = {VC_FLOAT, 32};
static char memory[1 << 16], other[1 << 16];

static vc_view packed(void *data, vc_dtype dtype, int32_t ndim, const int64_t *shape) {
  vc_view view = {0};
  CHECK_OK(vc_view_packed(data, cpu, dtype, ndim, shape, &view, &error));
  return view;
}

static vc_transform_params defaults(void) {
  vc_transform_params params;
  vc_transform_params_init(&params);
  return params;
}

static vc_status run(const vc_view *to, const vc_view *from, const vc_transform_params *params) {
  return vc_transform(to, from, 1, params, 0, &error);
}

/* --- what is refused */

static void test_views(void) {
  vc_transform_params params = defaults();
  vc_view to = packed(memory, u8, 3, (int64_t[]){4, 6, 3});
  vc_view from = packed(other, u8, 3, (int64_t[]){4, 6, 3}), wrong = from;
  CHECK_FAILS(vc_transform(&to, &from, 0, &params, 0, &error), VC_ERROR_ARGUMENT, "no source");
  wrong.ndim = 1;
  CHECK_FAILS(run(&to, &wrong, &params), VC_ERROR_LAYOUT, "the source has rank 1");
  CHECK_FAILS(run(&wrong, &from, &params), VC_ERROR_LAYOUT, "the destination has rank 1");
  wrong = from;
  wrong.data = NULL;
  CHECK_FAILS(run(&to, &wrong, &params), VC_ERROR_VALUE, "data is NULL");
  CHECK_FAILS(run(&wrong, &from, &params), VC_ERROR_VALUE, "data is NULL");
  wrong = to;
  wrong.readonly = 1;
  CHECK_FAILS(run(&wrong, &from, &params), VC_ERROR_VALUE, "read-only");
  wrong = to;
  wrong.strides[0] = 4;
  CHECK_FAILS(run(&wrong, &from, &params), VC_ERROR_LAYOUT, "axis 0 of the destination");
  wrong = to;
  wrong.strides[1] = 0;
  CHECK_FAILS(run(&wrong, &from, &params), VC_ERROR_LAYOUT,
              "axis 1 of the destination has stride 0 bytes");
  wrong = from;
  wrong.device = (vc_device){VC_CUDA, 1};
  CHECK_FAILS(run(&to, &wrong, &params), VC_ERROR_DEVICE, "source is in cuda:1");
  wrong.device.type = VC_CUDA_HOST; /* pinned memory is host memory */
  CHECK_OK(run(&to, &wrong, &params));
}

static void test_sizes(void) {
  vc_transform_params params = defaults();
  vc_view to = packed(memory, u8, 3, (int64_t[]){4, 6, 3});
  vc_view from = packed(other, u8, 3, (int64_t[]){5, 6, 3});
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_LAYOUT, "H = 5, W = 6");
  params.to = VC_PLANAR; /* (4, 6, 3) is read as C, H, W */
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_LAYOUT, "(C, H, W) has H = 6, W = 3");
  params = defaults();
  vc_view batch = packed(memory, u8, 4, (int64_t[]){2, 5, 6, 3});
  CHECK_FAILS(run(&batch, &from, &params), VC_ERROR_LAYOUT, "1 images go into a destination of 2");
  vc_view batches[2] = {packed(other, u8, 4, (int64_t[]){2, 5, 6, 3})};
  batches[1] = batches[0];
  CHECK_FAILS(vc_transform(&batch, batches, 2, &params, 0, &error), VC_ERROR_LAYOUT,
              "2 batches were given");
}

static void test_lists(void) {
  vc_transform_params params = defaults();
  vc_view to = packed(memory, u8, 4, (int64_t[]){2, 4, 6, 3});
  vc_view from[2] = {packed(other, u8, 3, (int64_t[]){4, 6, 3}),
                     packed(other, f32, 3, (int64_t[]){4, 6, 3})};
  CHECK_FAILS(vc_transform(&to, from, 2, &params, 0, &error), VC_ERROR_LAYOUT,
              "source 1 differs from source 0 in shape or dtype (float32)");
  from[1] = packed(other, u8, 3, (int64_t[]){4, 7, 3});
  CHECK_FAILS(vc_transform(&to, from, 2, &params, 0, &error), VC_ERROR_LAYOUT,
              "source 1 differs from source 0 in size, H = 4, W = 7 from H = 4, W = 6");
  from[1] = packed(other, u8, 2, (int64_t[]){4, 6});
  CHECK_FAILS(vc_transform(&to, from, 2, &params, 0, &error), VC_ERROR_LAYOUT, "source 1 differs");
  from[1] = from[0];
  from[1].device = (vc_device){VC_CUDA, 0};
  CHECK_FAILS(vc_transform(&to, from, 2, &params, 0, &error), VC_ERROR_DEVICE,
              "source 1 is on another device");
  from[1] = from[0];
  from[1].dtype.bits = 7;
  CHECK_FAILS(vc_transform(&to, from, 2, &params, 0, &error), VC_ERROR_DTYPE, "7 bits");
}

static void test_channels(void) {
  static const int refused[][2] = {{3, 1}, {3, 2}, {4, 1}, {4, 2}, {3, 5}, {5, 3}, {1, 5}, {5, 6}};
  vc_transform_params params = defaults();
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    vc_view from = packed(other, u8, 3, (int64_t[]){4, 6, refused[i][0]});
    vc_view to = packed(memory, u8, 3, (int64_t[]){4, 6, refused[i][1]});
    CHECK_FAILS(run(&to, &from, &params), VC_ERROR_LAYOUT, "alpha (the last of 2 or 4)");
  }
}

static void test_factors(void) {
  static const double none[] = {0}, three[] = {1, 2, 3}, nan_at[] = {1, (double)NAN, 1};
  static double many[600];
  vc_transform_params params = defaults();
  vc_view to = packed(memory, f32, 3, (int64_t[]){4, 6, 3});
  vc_view from = packed(other, u8, 3, (int64_t[]){4, 6, 3});
  params.mean = three;
  params.mean_count = 2;
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_ARGUMENT,
              "mean has 2 values, needs 1 or one for each");
  params.mean_count = 0;
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_ARGUMENT, "mean has 0 values");
  params.mean_count = -3;
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_ARGUMENT, "mean has -3 values");
  params = defaults();
  params.std = three;
  params.std_count = 4;
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_ARGUMENT, "std has 4 values");
  params.std = none;
  params.std_count = 1;
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_ARGUMENT, "std 0");
  params = defaults();
  params.mean = nan_at;
  params.mean_count = 3;
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_ARGUMENT, "channel 1: scale 1, mean nan");
  params = defaults();
  params.scale = 1e39;
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_ARGUMENT, "within float32");
  vc_view wide = packed(other, (vc_dtype){VC_INT, 32}, 3, (int64_t[]){4, 6, 3});
  CHECK_OK(run(&to, &wide, &params)); /* works in double */
  params = defaults();
  params.mean = many;
  params.mean_count = 600;
  to = packed(memory, u8, 3, (int64_t[]){2, 3, 600});
  from = packed(other, u8, 3, (int64_t[]){2, 3, 600});
  CHECK_FAILS(run(&to, &from, &params), VC_ERROR_ARGUMENT,
              "mean has 600 values, needs 1 or up to 512");
}

static void test_empty(void) {
  vc_transform_params params = defaults();
  vc_view to = packed(NULL, u8, 3, (int64_t[]){0, 6, 3}), from = to;
  CHECK_OK(run(&to, &from, &params));
  to = packed(NULL, f32, 4, (int64_t[]){0, 4, 6, 3});
  from = packed(NULL, u8, 4, (int64_t[]){0, 4, 6, 3});
  params.scale = 2;
  CHECK_OK(run(&to, &from, &params));
  to = from = packed(NULL, u8, 3, (int64_t[]){4, 6, 0});
  CHECK_OK(run(&to, &from, &params));
}

/* --- overlap, against a map of all bytes */

#define MEMORY_SIZE 4096

static void mark_bytes(const vc_view *view, unsigned char *map, unsigned char value) {
  int64_t at[VC_MAX_NDIM] = {0};
  for (;;) {
    int64_t place = (char *)view->data - memory;
    for (int32_t axis = 0; axis < view->ndim; axis++) place += at[axis] * view->strides[axis];
    for (size_t i = 0; i < vc_dtype_size(view->dtype); i++) map[place + (int64_t)i] |= value;
    int32_t axis = view->ndim - 1;
    while (axis >= 0 && ++at[axis] == view->shape[axis]) at[axis--] = 0;
    if (axis < 0) return;
  }
}

static bool share_a_byte(const vc_view *a, const vc_view *b) {
  static unsigned char map[MEMORY_SIZE];
  memset(map, 0, sizeof map);
  mark_bytes(a, map, 1);
  mark_bytes(b, map, 2);
  for (int i = 0; i < MEMORY_SIZE; i++)
    if (map[i] == 3) return true;
  return false;
}

/* A part of an array of 12 rows of 20 pixels of 4 channels. */
static vc_view part(int row, int rows, int row_step, int col, int cols, int channel, int channels,
                    bool flipped) {
  vc_view view = {.device = cpu, .dtype = u8, .ndim = 3};
  const int64_t shape[3] = {rows, cols, channels}, strides[3] = {80 * row_step, 4, 1};
  view.data = memory + 80 * row + 4 * col + channel;
  memcpy(view.shape, shape, sizeof shape);
  memcpy(view.strides, strides, sizeof strides);
  if (flipped) {
    view.data = (char *)view.data + strides[0] * (rows - 1);
    view.strides[0] = -strides[0];
  }
  return view;
}

/* Alpha is the last of 2 or 4 channels; to add it the source may have none. */
static void test_added_alpha(void) {
  for (int64_t from = -1; from <= 6; from++) {
    for (int64_t to = -1; to <= 6; to++) {
      bool adds = (from == 1 || from == 3) && (to == 2 || to == 4);
      CHECK(vc_transform_adds_alpha(from, to) == adds);
    }
  }
  CHECK(!vc_transform_adds_alpha(INT64_MAX, 4) && !vc_transform_adds_alpha(3, INT64_MIN));
}

static void test_parts(void) {
  vc_view left = part(1, 10, 1, 0, 10, 0, 4, false), right = part(1, 10, 1, 10, 10, 0, 4, true);
  vc_transform_params params = defaults();
  for (int i = 0; i < 12 * 80; i++) memory[i] = (char)i;
  CHECK_OK(run(&right, &left, &params));
  for (int row = 1; row <= 10; row++)
    CHECK(memcmp(memory + 80 * (11 - row) + 40, memory + 80 * row, 40) == 0);
  right = part(1, 10, 1, 9, 10, 0, 4, false);
  CHECK_FAILS(run(&right, &left, &params), VC_ERROR_VALUE, "shares memory with source 0");
  CHECK_FAILS(run(&left, &left, &params), VC_ERROR_VALUE, "shares memory");
  vc_view blue = part(0, 12, 1, 0, 20, 0, 1, false), rest = part(0, 12, 1, 0, 20, 1, 1, false);
  CHECK_OK(run(&blue, &rest, &params)); /* channels of one image */
  vc_view even = part(0, 6, 2, 0, 20, 0, 4, false), odd = part(1, 6, 2, 0, 20, 0, 4, false);
  CHECK_OK(run(&even, &odd, &params)); /* fields of one image */
}

static unsigned long state = 12345;

static int below(int end) {
  state = state * 6364136223846793005ul + 1442695040888963407ul;
  return (int)((state >> 33) % (unsigned long)end);
}

/* Parts of one array are told apart exactly, whatever they are. */
static void test_every_overlap(void) {
  vc_transform_params params = defaults();
  int apart = 0, together = 0;
  for (int i = 0; i < 20000; i++) {
    vc_view views[2];
    int rows = 1 + below(4), cols = 1 + below(6), channels = 1 + below(2), step = 1 + below(2);
    for (int k = 0; k < 2; k++) {
      views[k] = part(below(12 - (rows - 1) * step), rows, step, below(21 - cols), cols,
                      below(5 - channels), channels, below(2));
    }
    bool shared = share_a_byte(&views[0], &views[1]);
    vc_status status = run(&views[0], &views[1], &params);
    CHECK_INT(status, shared ? VC_ERROR_VALUE : VC_OK);
    *(shared ? &together : &apart) += 1;
  }
  CHECK(apart > 1000 && together > 1000);
}

/* Views of unlike strides too. */
static void test_unlike_overlap(void) {
  vc_transform_params params = defaults();
  for (int i = 0; i < 20000; i++) {
    vc_view views[2] = {{0}, {0}};
    int64_t shape[3] = {1 + below(4), 1 + below(5), 1 + below(3)};
    for (int k = 0; k < 2; k++) {
      int64_t channel = 1 + below(3), col = channel * shape[2] + below(5);
      int64_t row = col * shape[1] + below(40);
      int64_t strides[3] = {below(4) ? row : -row, below(4) ? col : -col, channel};
      views[k] =
          (vc_view){.data = memory + 1500 + below(600), .device = cpu, .dtype = u8, .ndim = 3};
      memcpy(views[k].shape, shape, sizeof shape);
      memcpy(views[k].strides, strides, sizeof strides);
    }
    vc_status status = run(&views[0], &views[1], &params);
    CHECK_INT(status, share_a_byte(&views[0], &views[1]) ? VC_ERROR_VALUE : VC_OK);
  }
}

/* Any strides of the destination, also such as no axis of which is longer than what
 * lies inside of it: every element is written, and nothing else, or it is refused. */
static void test_any_destination(void) {
  enum { FROM = 128 };
  vc_transform_params params = defaults();
  int written = 0, refused = 0, unnested = 0;
  for (int i = 0; i < 30000; i++) {
    static char wanted[MEMORY_SIZE];
    char source[FROM];
    int64_t shape[3] = {1 + below(5), 1 + below(5), 1 + below(4)}, low = 0, high = 1;
    vc_view to = {.device = cpu, .dtype = u8, .ndim = 3}, from = packed(source, u8, 3, shape);
    for (int axis = 0; axis < 3; axis++) {
      to.shape[axis] = shape[axis];
      to.strides[axis] = below(41) - 20;
      *(to.strides[axis] < 0 ? &low : &high) += to.strides[axis] * (shape[axis] - 1);
    }
    to.data = memory + 200 - low;
    for (int k = 0; k < FROM; k++) source[k] = (char)(1 + k);
    memset(memory, 0, MEMORY_SIZE);
    memset(wanted, 0, MEMORY_SIZE);
    bool twice = false;
    for (int k = 0; k < shape[0] * shape[1] * shape[2]; k++) {
      int64_t at[3] = {k / shape[2] / shape[1], k / shape[2] % shape[1], k % shape[2]};
      int64_t place = 200 - low;
      for (int axis = 0; axis < 3; axis++) place += at[axis] * to.strides[axis];
      twice = twice || wanted[place] != 0;
      wanted[place] = source[k];
    }
    vc_status status = run(&to, &from, &params);
    CHECK_INT(vc_transform_check(&to, &from, 1, &params, VC_STREAM_LEGACY, NULL), status);
    CHECK_INT(status, twice ? VC_ERROR_LAYOUT : VC_OK);
    if (twice) memset(wanted, 0, MEMORY_SIZE);
    CHECK(memcmp(memory, wanted, MEMORY_SIZE) == 0);
    unnested += !twice && high - low < shape[0] * shape[1] * shape[2] * 2;
    *(twice ? &refused : &written) += 1;
  }
  CHECK(written > 5000 && refused > 5000 && unnested > 100);
}

static void test_copies(void) {
  vc_view image = packed(memory, u8, 3, (int64_t[]){4, 6, 3}), from = image;
  CHECK_FAILS(vc_copy(&image, &image, 0, &error), VC_ERROR_VALUE, "shares memory with source 0");
  from.data = memory + 71;
  CHECK_FAILS(vc_copy(&image, &from, 0, &error), VC_ERROR_VALUE, "shares memory");
  from.data = memory + 72;
  CHECK_OK(vc_copy(&image, &from, 0, &error));
  image = part(0, 12, 1, 0, 10, 0, 4, false), from = part(0, 12, 1, 10, 10, 0, 4, false);
  CHECK_OK(vc_copy(&image, &from, 0, &error)); /* side by side */
}

int main(void) {
  test_views();
  test_sizes();
  test_lists();
  test_channels();
  test_factors();
  test_empty();
  test_added_alpha();
  test_parts();
  test_every_overlap();
  test_unlike_overlap();
  test_any_destination();
  test_copies();
  return check_report();
}
