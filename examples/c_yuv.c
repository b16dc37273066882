/* SPDX-License-Identifier: Apache-2.0 */
/* A decoded NV12 frame as the input of a detector, in one call: its planes are read where the
 * decoder wrote them, with rows of any pitch, and become letterboxed planar RGB, float32 in 0 to 1.
 * And the inverse: an RGB picture becomes the planes that an encoder takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <viewcast/viewcast.h>

enum { ROWS = 36, COLS = 64, PITCH = 80, SIDE = 32 };

/* Luma, and below it chroma: U and V alternate. */
static uint8_t surface[ROWS * 3 / 2][PITCH];
static uint8_t picture[ROWS][COLS][3], encoded[ROWS * 3 / 2][COLS];
static float input[3][SIDE][SIDE];

static int fail(const char *what, const vc_error *error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return EXIT_FAILURE;
}

/* An array in host memory, with rows `pitch` bytes apart. */
static vc_view array(void *data, vc_dtype dtype, int32_t ndim, const int64_t *shape,
                     int64_t pitch) {
  const vc_device cpu = {VC_CPU, 0};
  vc_view view;
  vc_error error;
  if (vc_view_packed(data, cpu, dtype, ndim, shape, &view, &error) != VC_OK) {
    exit(fail("no view", &error));
  }
  if (pitch) view.strides[0] = pitch;
  return view;
}

/* A red surface, as a decoder writes it: BT.709, limited range. */
static void decode(void) {
  memset(surface, 63, sizeof surface);
  for (int row = ROWS; row < ROWS * 3 / 2; row++) {
    for (int col = 0; col < COLS; col += 2) {
      surface[row][col] = 102;     /* U */
      surface[row][col + 1] = 240; /* V */
    }
  }
}

static int read_frame(vc_error *error) {
  const vc_dtype u8 = {VC_UINT, 8}, f32 = {VC_FLOAT, 32};
  const double grey[] = {114};
  vc_view from, whole = array(surface, u8, 2, (const int64_t[]){ROWS * 3 / 2, COLS}, PITCH);
  vc_view to = array(input, f32, 3, (const int64_t[]){3, SIDE, SIDE}, 0);

  /* Matrix and range are the video's: nothing is assumed. */
  vc_yuv frame;
  vc_yuv_init(&frame, VC_NV12, VC_BT709, VC_LIMITED_RANGE);
  if (vc_yuv_split(&whole, VC_NV12, &frame, error) != VC_OK) return -1;
  if (vc_yuv_image(&frame, &from, error) != VC_OK) return -1;

  vc_resize fit;
  vc_resize_init(&fit, SIDE, SIDE, VC_LINEAR);
  fit.fit = VC_LETTERBOX;
  fit.pad = grey;
  fit.pad_count = 1;
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.to = VC_PLANAR;
  params.scale = 1 / 255.0;
  params.resize = &fit;
  params.yuv = &frame;
  return vc_transform(&to, &from, 1, &params, VC_STREAM_NONE, error) == VC_OK ? 0 : -1;
}

static int write_frame(vc_error *error) {
  const vc_dtype u8 = {VC_UINT, 8};
  for (int i = 0; i < ROWS * COLS; i++) picture[i / COLS][i % COLS][0] = 255;
  vc_view from = array(picture, u8, 3, (const int64_t[]){ROWS, COLS, 3}, 0);
  vc_view whole = array(encoded, u8, 2, (const int64_t[]){ROWS * 3 / 2, COLS}, 0);
  vc_yuv frame;
  vc_yuv_init(&frame, VC_NV12, VC_BT709, VC_LIMITED_RANGE);
  if (vc_yuv_split(&whole, VC_NV12, &frame, error) != VC_OK) return -1;
  return vc_yuv_write(&frame, &from, VC_INTERLEAVED, false, 0, error) == VC_OK ? 0 : -1;
}

int main(void) {
  vc_error error;
  decode();
  if (read_frame(&error) != 0) return fail("no input", &error);
  const int middle = SIDE / 2;
  printf("R, G, B of the frame: %.2f, %.2f, %.2f; beside it: %.3f\n",
         (double)input[0][middle][middle], (double)input[1][middle][middle],
         (double)input[2][middle][middle], (double)input[0][0][0]);
  if (write_frame(&error) != 0) return fail("no planes", &error);
  printf("Y, U, V of red: %d, %d, %d\n", encoded[0][0], encoded[ROWS][0], encoded[ROWS][1]);
  bool right = input[0][middle][middle] > 0.99f && input[1][middle][middle] < 0.01f &&
               encoded[0][0] == 63 && encoded[ROWS][0] == 102 && encoded[ROWS][1] == 240;
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
