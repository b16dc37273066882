/* SPDX-License-Identifier: Apache-2.0 */
/* Views read as interleaved images, and the shapes that look planar. */
#include <inttypes.h>
#include <limits.h>

#include "check.h"
#include "internal.h"

static const vc_device cpu = {VC_CPU, 0};
static const vc_dtype u8 = {VC_UINT, 8};
static const vc_dtype f32 = {VC_FLOAT, 32};
static vc_error error;
static uint8_t memory[4096];

static vc_view packed(vc_dtype dtype, int32_t ndim, const int64_t *shape) {
  vc_view view = {0};
  CHECK_OK(vc_view_packed(memory, cpu, dtype, ndim, shape, &view, &error));
  return view;
}

static void test_image(void) {
  vc_image image;
  vc_view view = packed(f32, 3, (int64_t[]){5, 7, 3});
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK(image.data == memory);
  CHECK_INT(image.rows, 5);
  CHECK_INT(image.cols, 7);
  CHECK_INT(image.channels, 3);
  CHECK_INT(image.step, 84);
  CHECK_INT(image.dtype.code, VC_FLOAT);

  view.strides[0] = 128; /* pitched */
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK_INT(image.step, 128);

  view = packed(u8, 2, (int64_t[]){5, 7});
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK_INT(image.channels, 1);
  CHECK_INT(image.step, 7);
}

/* Axes of length 1 have no stride that matters; one row has a packed step. */
static void test_image_single_axes(void) {
  vc_image image;
  vc_view view = packed(u8, 3, (int64_t[]){5, 7, 1});
  view.strides[2] = -99;
  CHECK_OK(vc_image_from_view(&view, &image, &error));

  view = packed(u8, 3, (int64_t[]){5, 1, 3});
  view.strides[1] = 1000;
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK_INT(image.step, 3);

  view = packed(f32, 3, (int64_t[]){1, 7, 3});
  view.strides[0] = -1;
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK_INT(image.step, 84);

  view = packed(u8, 3, (int64_t[]){1, 1, 1});
  view.strides[0] = view.strides[1] = view.strides[2] = 0;
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK_INT(image.step, 1);
}

static void test_image_strides_refused(void) {
  vc_image image = {.rows = 77};
  vc_view view = packed(u8, 3, (int64_t[]){4, 6, 3});
  view.strides[2] = 24;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT,
              "image axis 2 (channels) has stride 24 bytes, needs 1");
  view.strides[2] = -1;
  view.data = memory + 2;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT, "axis 2");
  view.data = memory;

  view.strides[2] = 1;
  view.strides[1] = 192;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT,
              "image axis 1 (width) has stride 192 bytes, needs 3: the pixels are not "
              "interleaved");
  CHECK(strstr(error.message, "vc_transform") != NULL);

  view.strides[1] = 3;
  view.strides[0] = 17;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT,
              "image axis 0 (height) has stride 17 bytes, needs at least 18: the rows overlap");
  view.strides[0] = 0;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT, "overlap");
  view.strides[0] = -18;
  view.data = memory + 54;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT, "run backwards");

  view = packed(f32, 2, (int64_t[]){4, 6});
  view.strides[0] = 26;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT,
              "needs a multiple of the itemsize 4");
  view = packed(u8, 2, (int64_t[]){4, 6});
  view.strides[1] = 2;
  view.strides[0] = 12;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT,
              "axis 1 (width) has stride 2 bytes, needs 1");
  CHECK_INT(image.rows, 77); /* written on success only */
}

static void test_image_shapes_refused(void) {
  vc_image image;
  vc_view view = packed(u8, 4, (int64_t[]){2, 4, 6, 3});
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT,
              "rank 4, needs 2 (H, W) or 3 (H, W, C); take one image of the batch");
  view = packed(u8, 1, (int64_t[]){12});
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT, "rank 1");
  view = packed(u8, 3, (int64_t[]){4, 6, 0});
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT,
              "axis 2 (channels) is 0 long");

  const int64_t too_long = (int64_t)INT_MAX + 1;
  view = packed(u8, 2, (int64_t[]){too_long, 2});
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT,
              "axis 0 (height) is 2147483648 long, needs at most 2147483647");
  view = packed(u8, 2, (int64_t[]){2, too_long});
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT, "axis 1 (width)");
  view = packed(u8, 3, (int64_t[]){2, 1, too_long});
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT, "axis 2 (channels)");
  view = packed(u8, 2, (int64_t[]){INT_MAX, INT_MAX});
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK_INT(image.step, INT_MAX);

  view.shape[0] = -1;
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_VALUE, "axis 0 is -1 long");
}

static void test_empty_images(void) {
  vc_image image;
  vc_view view;
  CHECK_OK(vc_view_packed(NULL, cpu, f32, 3, (int64_t[]){0, 7, 3}, &view, &error));
  view.strides[0] = view.strides[1] = view.strides[2] = -1;
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK_INT(image.rows, 0);
  CHECK_INT(image.cols, 7);
  CHECK_INT(image.channels, 3);
  CHECK_INT(image.step, 84);

  CHECK_OK(vc_view_packed(NULL, cpu, u8, 2, (int64_t[]){5, 0}, &view, &error));
  CHECK_OK(vc_image_from_view(&view, &image, &error));
  CHECK_INT(image.rows, 5);
  CHECK_INT(image.cols, 0);
  CHECK_INT(image.step, 0);

  int64_t vast[] = {0, INT_MAX, INT_MAX};
  CHECK_OK(vc_view_packed(NULL, cpu, (vc_dtype){VC_FLOAT, 64}, 3, vast, &view, &error));
  CHECK_FAILS(vc_image_from_view(&view, &image, &error), VC_ERROR_LAYOUT, "overflows 64 bits");
}

static void test_view_from_image(void) {
  vc_image image = {.data = memory, .rows = 5, .cols = 7, .step = 64, .channels = 3, .dtype = f32};
  vc_view view;
  vc_device device = {VC_CUDA, 1};
  vc_view_from_image(&image, device, false, &view);
  CHECK_INT(view.ndim, 3);
  CHECK_INT(view.device.type, VC_CUDA);
  CHECK_INT(view.device.id, 1);
  CHECK_INT(view.readonly, 0);
  CHECK_INT(view.shape[0], 5);
  CHECK_INT(view.shape[1], 7);
  CHECK_INT(view.shape[2], 3);
  CHECK_INT(view.strides[0], 64);
  CHECK_INT(view.strides[1], 12);
  CHECK_INT(view.strides[2], 4);

  image.channels = 1;
  vc_view_from_image(&image, device, false, &view);
  CHECK_INT(view.ndim, 2);
  CHECK_INT(view.strides[1], 4);
  vc_view_from_image(&image, device, true, &view);
  CHECK_INT(view.ndim, 3);
  CHECK_INT(view.shape[2], 1);

  vc_image back;
  CHECK_OK(vc_image_from_view(&view, &back, &error));
  CHECK_INT(back.step, 64);
  CHECK_INT(back.channels, 1);
}

static bool planar(int64_t first, int64_t second, int64_t last) {
  vc_view view = packed(u8, 3, (int64_t[]){first, second, last});
  return vc_view_looks_planar(&view);
}

static void test_planar(void) {
  CHECK(planar(1, 6, 5));
  CHECK(planar(3, 6, 8));
  CHECK(planar(4, 1, 600));
  CHECK(!planar(2, 6, 8));
  CHECK(!planar(5, 6, 8));
  CHECK(!planar(3, 6, 4));
  CHECK(!planar(480, 640, 3));
  CHECK(!planar(3, 6, 0));
  CHECK(planar(3, 0, 8));
  vc_view view = packed(u8, 3, (int64_t[]){3, 6, 8});
  for (int axis = 0; axis < 3; axis++) { /* pitched, broadcast, flipped, permuted */
    const int64_t strides[] = {64, 0, -8, 1};
    for (int i = 0; i < 4; i++) {
      view.strides[axis] = strides[i];
      CHECK(vc_view_looks_planar(&view));
    }
  }
  view = packed(u8, 2, (int64_t[]){3, 8});
  CHECK(!vc_view_looks_planar(&view));
  view = packed(u8, 1, (int64_t[]){8});
  CHECK(!vc_view_looks_planar(&view));
  for (int64_t images = 0; images < 6; images++) {
    view = packed(u8, 4, (int64_t[]){images, 3, 6, 8});
    CHECK(vc_view_looks_planar(&view));
    view = packed(u8, 4, (int64_t[]){images, 3, 6, 4});
    CHECK(!vc_view_looks_planar(&view));
    view = packed(u8, 4, (int64_t[]){images, 6, 3, 8});
    CHECK(!vc_view_looks_planar(&view));
  }
}

int main(void) {
  test_image();
  test_image_single_axes();
  test_image_strides_refused();
  test_image_shapes_refused();
  test_empty_images();
  test_view_from_image();
  test_planar();
  return check_report();
}
