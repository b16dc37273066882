/* SPDX-License-Identifier: Apache-2.0 */
/* Two frames of different sizes as the input of a detector, in one call: letterboxed, planar,
 * RGB, float32 in 0 to 1; and a box that it found, back on its frame. Then a box is cut out of
 * each frame. On a GPU the same calls enqueue one kernel each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <viewcast/viewcast.h>

enum { SIDE = 64, CROP_ROWS = 16, CROP_COLS = 8 };

static float batch[2][3][SIDE][SIDE], crops[2][CROP_ROWS][CROP_COLS][3];
static uint8_t wide[40][120][3], high[90][60][3];

static int fail(const char *what, const vc_error *error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return EXIT_FAILURE;
}

/* A packed array in host memory. */
static vc_view array(void *data, vc_dtype dtype, int32_t ndim, const int64_t *shape) {
  const vc_device cpu = {VC_CPU, 0};
  vc_view view;
  vc_error error;
  if (vc_view_packed(data, cpu, dtype, ndim, shape, &view, &error) != VC_OK) {
    exit(fail("no view", &error));
  }
  return view;
}

int main(void) {
  const vc_dtype u8 = {VC_UINT, 8}, f32 = {VC_FLOAT, 32};
  const double grey[] = {114};
  /* The index of a frame, x0, y0, x1, y1. */
  float boxes[2][5] = {{0, 10, 5, 40, 35}, {1, 0, 0, 60, 90}};
  vc_error error;
  memset(wide, 200, sizeof wide);
  memset(high, 50, sizeof high);
  const vc_view frames[] = {array(wide, u8, 3, (const int64_t[]){40, 120, 3}),
                            array(high, u8, 3, (const int64_t[]){90, 60, 3})};

  vc_resize fit;
  vc_resize_init(&fit, SIDE, SIDE, VC_LINEAR);
  fit.fit = VC_LETTERBOX;
  fit.pad = grey;
  fit.pad_count = 1;
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.to = VC_PLANAR;
  params.scale = 1 / 255.0;
  params.reverse_channels = true;
  params.resize = &fit;
  vc_view input = array(batch, f32, 4, (const int64_t[]){2, 3, SIDE, SIDE});
  if (vc_transform(&input, frames, 2, &params, VC_STREAM_NONE, &error) != VC_OK) {
    return fail("no batch", &error);
  }

  vc_placement at;
  if (vc_resize_placement(&fit, 40, 120, &at, &error) != VC_OK) return fail("no place", &error);
  printf("the first frame is %" PRId64 " x %" PRId64 " from row %" PRId64 ", column %" PRId64
         " on\n",
         at.rows, at.cols, at.top, at.left);
  double found_x = 32, found_y = 32; /* a point of the result, and of the frame */
  double x = (found_x - (double)at.left) * 120 / (double)at.cols;
  double y = (found_y - (double)at.top) * 40 / (double)at.rows;
  printf("(%g, %g) of the result is (%g, %g) of the frame\n", found_x, found_y, x, y);

  vc_resize size;
  vc_resize_init(&size, CROP_ROWS, CROP_COLS, VC_AREA);
  vc_view box = array(boxes, f32, 2, (const int64_t[]){2, 5});
  vc_view output = array(crops, f32, 4, (const int64_t[]){2, CROP_ROWS, CROP_COLS, 3});
  vc_transform_params_init(&params);
  params.resize = &size;
  params.boxes = &box;
  if (vc_transform(&output, frames, 2, &params, VC_STREAM_NONE, &error) != VC_OK) {
    return fail("no crops", &error);
  }
  printf("grey %.3f, first frame %.3f; crops of %g and %g\n", (double)batch[0][0][0][0],
         (double)batch[0][0][32][32], (double)crops[0][0][0][0], (double)crops[1][0][0][0]);
  bool right = at.rows == 21 && at.top == 21 && x == 60 && crops[0][3][3][0] == 200.0f &&
               crops[1][3][3][0] == 50.0f;
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
