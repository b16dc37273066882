/* SPDX-License-Identifier: Apache-2.0 */
/* Views, images, owners and the list of put-off releases. */
#include <dlpack/dlpack.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "check.h"
#include "internal.h"

static const vc_device cpu = {VC_CPU, 0};
static const vc_dtype u8 = {VC_UINT, 8};
static const vc_dtype f32 = {VC_FLOAT, 32};
static vc_error error;
static uint8_t memory[4096];

/* ------------------------------------------------------- version and dtypes */

static void test_version(void) {
  char needed[32];
  snprintf(needed, sizeof needed, "%d.%d.%d", VC_VERSION_MAJOR, VC_VERSION_MINOR, VC_VERSION_PATCH);
  CHECK_TEXT(vc_version(), needed);
}

static void test_dtypes(void) {
  const struct {
    vc_dtype dtype;
    size_t size;
    const char *name;
  } known[] = {
      {{VC_BOOL, 8}, 1, "bool"},        {{VC_INT, 8}, 1, "int8"},
      {{VC_INT, 16}, 2, "int16"},       {{VC_INT, 32}, 4, "int32"},
      {{VC_INT, 64}, 8, "int64"},       {{VC_UINT, 8}, 1, "uint8"},
      {{VC_UINT, 16}, 2, "uint16"},     {{VC_UINT, 32}, 4, "uint32"},
      {{VC_UINT, 64}, 8, "uint64"},     {{VC_FLOAT, 16}, 2, "float16"},
      {{VC_FLOAT, 32}, 4, "float32"},   {{VC_FLOAT, 64}, 8, "float64"},
      {{VC_BFLOAT, 16}, 2, "bfloat16"},
  };
  size_t count = sizeof known / sizeof known[0];
  for (size_t i = 0; i < count; i++) {
    CHECK_INT(vc_dtype_size(known[i].dtype), known[i].size);
    CHECK_TEXT(vc_dtype_name(known[i].dtype), known[i].name);
  }

  size_t sizes = 0, names = 0; /* and nothing else in all 65536 */
  for (int code = 0; code < 256; code++)
    for (int bits = 0; bits < 256; bits++) {
      vc_dtype dtype = {(uint8_t)code, (uint8_t)bits};
      sizes += vc_dtype_size(dtype) != 0;
      names += strcmp(vc_dtype_name(dtype), "unknown") != 0;
    }
  CHECK_INT(sizes, count);
  CHECK_INT(names, count);
}

static void refuse_dtype(uint8_t code, uint8_t bits, const char *part) {
  vc_view view;
  vc_dtype dtype = {code, bits};
  CHECK_FAILS(vc_view_packed(memory, cpu, dtype, 1, (int64_t[]){4}, &view, &error), VC_ERROR_DTYPE,
              part);
}

static void test_refused_dtypes(void) {
  refuse_dtype(VC_COMPLEX, 64, "complex (code 5) of 64 bits");
  refuse_dtype(VC_COMPLEX, 64, "dtype is complex64: ");
  refuse_dtype(VC_COMPLEX, 64, "pairs of real numbers");
  refuse_dtype(VC_COMPLEX, 128, "complex");
  refuse_dtype(10, 8, "8-bit float (code 10)");
  refuse_dtype(10, 8, "dtype is float8_e4m3fn: ");
  refuse_dtype(14, 8, "dtype is float8_e8m0fnu: ");
  refuse_dtype(17, 4, "dtype is float4_e2m1fn: ");
  refuse_dtype(255, 255, "dtype is unknown (code 255)");
  refuse_dtype(10, 8, "bytes as uint8");
  refuse_dtype(15, 6, "6-bit float");
  refuse_dtype(17, 4, "4-bit float");
  refuse_dtype(VC_INT, 4, "smaller than a byte");
  refuse_dtype(VC_UINT, 1, "smaller than a byte");
  refuse_dtype(VC_BOOL, 1, "smaller than a byte");
  refuse_dtype(VC_BOOL, 32, "bool of 8 bits");
  refuse_dtype(VC_FLOAT, 128, "convert to float64");
  refuse_dtype(VC_BFLOAT, 32, "bfloat (code 4) of 32 bits");
  refuse_dtype(VC_INT, 128, "int (code 0) of 128 bits");
  refuse_dtype(3, 64, "opaque handle");
  refuse_dtype(200, 8, "unknown (code 200)");
}

/* -------------------------------------------------------------------- views */

static vc_view packed(vc_dtype dtype, int32_t ndim, const int64_t *shape) {
  vc_view view = {0};
  CHECK_OK(vc_view_packed(memory, cpu, dtype, ndim, shape, &view, &error));
  return view;
}

static void test_packed(void) {
  vc_view view = packed(f32, 4, (int64_t[]){2, 3, 5, 7});
  CHECK(view.data == memory);
  CHECK_INT(view.device.type, VC_CPU);
  CHECK_INT(view.dtype.bits, 32);
  CHECK_INT(view.readonly, 0);
  CHECK_INT(view.ndim, 4);
  CHECK_INT(view.strides[0], 420);
  CHECK_INT(view.strides[1], 140);
  CHECK_INT(view.strides[2], 28);
  CHECK_INT(view.strides[3], 4);
  CHECK(vc_view_is_packed(&view));
  CHECK(!vc_view_is_empty(&view));
  CHECK_INT(vc_view_nbytes(&view), 840);

  view = packed(u8, 1, (int64_t[]){9});
  CHECK_INT(view.strides[0], 1);
  CHECK_INT(vc_view_nbytes(&view), 9);
  CHECK_OK(vc_view_check(&view, &error));
}

static void test_packed_refuses(void) {
  vc_view view = {.ndim = 77};
  const int64_t fits[] = {1, 1, 1, 1, 1};
  CHECK_FAILS(vc_view_packed(memory, cpu, u8, 0, fits, &view, &error), VC_ERROR_LAYOUT,
              "rank 0, needs 1 to 4");
  CHECK_FAILS(vc_view_packed(memory, cpu, u8, 5, fits, &view, &error), VC_ERROR_LAYOUT, "rank 5");
  CHECK_FAILS(vc_view_packed(memory, cpu, u8, -1, fits, &view, &error), VC_ERROR_LAYOUT, "rank -1");
  CHECK_FAILS(vc_view_packed(memory, cpu, u8, INT32_MIN, fits, &view, &error), VC_ERROR_LAYOUT,
              "rank");
  CHECK_FAILS(vc_view_packed(memory, cpu, u8, 2, (int64_t[]){3, -2}, &view, &error), VC_ERROR_VALUE,
              "axis 1 is -2 long");
  CHECK_FAILS(vc_view_packed(NULL, cpu, u8, 2, (int64_t[]){3, 2}, &view, &error), VC_ERROR_VALUE,
              "data is NULL although the array has 6 bytes");
  CHECK_FAILS(vc_view_packed(memory, cpu, f32, 1, (int64_t[]){INT64_MAX}, &view, &error),
              VC_ERROR_VALUE, "more bytes than 64 bits");
  CHECK_FAILS(
      vc_view_packed(memory, cpu, u8, 3, (int64_t[]){1 << 24, 1 << 24, 1 << 24}, &view, &error),
      VC_ERROR_VALUE, "more bytes than 64 bits");
  CHECK_INT(view.ndim, 77); /* written on success only */
  CHECK_INT(vc_view_packed(NULL, cpu, u8, 1, fits, &view, NULL), VC_ERROR_VALUE);
}

static void test_devices(void) {
  vc_view view;
  const int64_t shape[] = {4};
  const int32_t known[] = {VC_CPU, VC_CUDA, VC_CUDA_HOST, VC_CUDA_MANAGED};
  for (size_t i = 0; i < 4; i++)
    CHECK_OK(vc_view_packed(memory, (vc_device){known[i], 3}, u8, 1, shape, &view, &error));
  CHECK_FAILS(vc_view_packed(memory, (vc_device){10, 0}, u8, 1, shape, &view, &error),
              VC_ERROR_DEVICE, "device type is 10");
  CHECK_FAILS(vc_view_packed(memory, (vc_device){0, 0}, u8, 1, shape, &view, &error),
              VC_ERROR_DEVICE, "device type is 0");
  CHECK_FAILS(vc_view_packed(memory, (vc_device){VC_CUDA, -1}, u8, 1, shape, &view, &error),
              VC_ERROR_DEVICE, "device id is -1");
}

static void test_strides(void) {
  vc_view view = packed(u8, 2, (int64_t[]){4, 8});
  int64_t low, high;

  view.strides[0] = -8; /* flipped */
  view.data = memory + 24;
  CHECK_OK(vc_view_check(&view, &error));
  CHECK(!vc_view_is_packed(&view));
  vc_view_span(&view, &low, &high);
  CHECK_INT(low, -24);
  CHECK_INT(high, 8);

  view.strides[0] = 0; /* broadcast */
  CHECK_OK(vc_view_check(&view, &error));
  vc_view_span(&view, &low, &high);
  CHECK_INT(low, 0);
  CHECK_INT(high, 8);
  CHECK_INT(vc_view_nbytes(&view), 32);

  view.strides[0] = 100; /* pitched */
  vc_view_span(&view, &low, &high);
  CHECK_INT(high, 308);
  CHECK(!vc_view_is_packed(&view));
}

static void test_overflowing_strides(void) {
  vc_view view = packed(u8, 2, (int64_t[]){3, 2});
  view.strides[0] = INT64_MAX;
  CHECK_FAILS(vc_view_check(&view, &error), VC_ERROR_VALUE, "overflows 64 bits");
  view.strides[0] = INT64_MIN;
  CHECK_FAILS(vc_view_check(&view, &error), VC_ERROR_VALUE, "overflows 64 bits");

  view.shape[0] = 2; /* one step of each sign: only the sum overflows */
  view.strides[0] = INT64_MAX - 1;
  view.strides[1] = 2;
  CHECK_FAILS(vc_view_check(&view, &error), VC_ERROR_VALUE, "overflows 64 bits");
  view.strides[0] = INT64_MIN;
  view.strides[1] = -1;
  CHECK_FAILS(vc_view_check(&view, &error), VC_ERROR_VALUE, "overflows 64 bits");
  view.strides[0] = INT64_MIN / 2 - 1;
  view.strides[1] = INT64_MAX / 2 + 1;
  CHECK_FAILS(vc_view_check(&view, &error), VC_ERROR_VALUE, "overflows 64 bits");

  view.shape[0] = 1; /* an axis of length 1 has no stride that matters */
  view.strides[0] = INT64_MIN;
  view.strides[1] = 1;
  CHECK_OK(vc_view_check(&view, &error));
  CHECK(vc_view_is_packed(&view));
}

static void test_address_space(void) {
  vc_view view = packed(u8, 1, (int64_t[]){16});
  view.data = (void *)(UINTPTR_MAX - 14);
  CHECK_FAILS(vc_view_check(&view, &error), VC_ERROR_VALUE, "outside the address space");
  view.data = (void *)(UINTPTR_MAX - 15); /* its end would be address 0 */
  CHECK_FAILS(vc_view_check(&view, &error), VC_ERROR_VALUE, "outside the address space");
  view.data = (void *)(UINTPTR_MAX - 16);
  CHECK_OK(vc_view_check(&view, &error));
  view.data = (void *)(uintptr_t)14;
  view.strides[0] = -1;
  CHECK_FAILS(vc_view_check(&view, &error), VC_ERROR_VALUE, "outside the address space");
  view.data = (void *)(uintptr_t)15;
  CHECK_OK(vc_view_check(&view, &error));
}

static void test_empty_views(void) {
  vc_view view;
  int64_t low = 7, high = 7;
  CHECK_OK(vc_view_packed(NULL, cpu, f32, 3, (int64_t[]){4, 0, 3}, &view, &error));
  CHECK(vc_view_is_empty(&view));
  CHECK(vc_view_is_packed(&view));
  CHECK_INT(vc_view_nbytes(&view), 0);
  CHECK_INT(view.strides[0], 12); /* as if no axis were 0, like NumPy's */
  vc_view_span(&view, &low, &high);
  CHECK_INT(low, 0);
  CHECK_INT(high, 0);

  view.strides[0] = INT64_MIN; /* no stride matters */
  view.strides[2] = INT64_MAX;
  CHECK_OK(vc_view_check(&view, &error));
  CHECK(vc_view_is_packed(&view));

  int64_t vast[] = {0, INT64_MAX, INT64_MAX, INT64_MAX};
  CHECK_OK(vc_view_packed(NULL, cpu, f32, 4, vast, &view, &error));
  CHECK_INT(vc_view_nbytes(&view), 0);
  CHECK_FAILS(vc_view_packed(NULL, cpu, f32, 2, (int64_t[]){0, -1}, &view, &error), VC_ERROR_VALUE,
              "axis 1 is -1 long");
}

static void test_packed_ignores_ones(void) {
  vc_view view = packed(f32, 4, (int64_t[]){1, 5, 1, 7});
  view.strides[0] = -3;
  view.strides[2] = 1000;
  CHECK(vc_view_is_packed(&view));
  view.strides[1] = 32;
  CHECK(!vc_view_is_packed(&view));
}

/* ------------------------------------------------------------------- images */

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

/* ------------------------------------------------------------------- owners */

static void count_release(void *context) { atomic_fetch_add((_Atomic int *)context, 1); }

static void test_owner(void) {
  _Atomic int count = 0;
  vc_owner owner = {&count, count_release, false};
  vc_owner_release(&owner);
  CHECK_INT(count, 1);
  CHECK(owner.release == NULL && owner.context == NULL);
  vc_owner_release(&owner); /* owns nothing any more */
  vc_owner_release(NULL);
  CHECK_INT(count, 1);
}

/* A managed tensor is the simplest thing that can give an owner back. */
static DLManagedTensor *export_owner(vc_owner owner) {
  const int64_t shape[] = {4};
  vc_view view;
  DLManagedTensor *tensor = NULL;
  if (vc_view_packed(memory, cpu, u8, 1, shape, &view, NULL) != VC_OK ||
      vc_dlpack_from_view(&view, &owner, &tensor, NULL) != VC_OK)
    abort();
  return tensor;
}

static void give_back(DLManagedTensor *tensor) { tensor->deleter(tensor); }

static uint64_t pending_count(void) {
  vc_statistics statistics = read_statistics();
  return statistics.pending;
}

static void test_any_thread(void) {
  _Atomic int count = 0;
  give_back(export_owner((vc_owner){&count, count_release, true}));
  CHECK_INT(count, 1);
  CHECK(!vc_collect_pending());
  give_back(export_owner((vc_owner){0})); /* nothing to release, nothing to put off */
  CHECK(!vc_collect_pending());
  CHECK_INT(vc_collect(false), 0);
}

static int released_order[8];
static int released_length;

static void note_order(void *context) {
  released_order[released_length++] = (int)(intptr_t)context;
}

static void test_put_off(void) {
  for (intptr_t i = 0; i < 3; i++) {
    give_back(export_owner((vc_owner){(void *)(i + 10), note_order, false}));
    CHECK_INT(released_length, 0);
    CHECK_INT(pending_count(), i + 1);
    CHECK(vc_collect_pending());
  }
  CHECK_INT(vc_collect(false), 3);
  CHECK_INT(released_length, 3);
  CHECK_INT(released_order[0], 10); /* first in, first out */
  CHECK_INT(released_order[1], 11);
  CHECK_INT(released_order[2], 12);
  CHECK_INT(pending_count(), 0);
  CHECK(!vc_collect_pending());
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(vc_collect(true), 0);
}

static _Atomic int notified;

static void note_notify(void) { atomic_fetch_add(&notified, 1); }

static void test_notify(void) {
  _Atomic int count = 0;
  vc_owner owner = {&count, count_release, false};
  vc_collect_notify(note_notify);
  give_back(export_owner(owner));
  CHECK_INT(notified, 1);
  give_back(export_owner(owner)); /* was not empty */
  CHECK_INT(notified, 1);
  CHECK_INT(vc_collect(false), 2);
  give_back(export_owner(owner));
  CHECK_INT(notified, 2);
  vc_collect_notify(NULL);
  CHECK_INT(vc_collect(false), 1);
  give_back(export_owner(owner));
  CHECK_INT(notified, 2);
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(count, 4);
}

static bool may_end_here;
static bool try_release(const vc_owner *owner) {
  if (!may_end_here || owner->release != count_release) return false;
  owner->release(owner->context);
  return true;
}

/* What may be released where its view ends is not put off. */
static void test_here(void) {
  _Atomic int count = 0;
  vc_owner owner = {&count, count_release, false};
  vc_collect_here(try_release);
  may_end_here = true;
  give_back(export_owner(owner));
  CHECK_INT(count, 1);
  CHECK(!vc_collect_pending());
  may_end_here = false;
  give_back(export_owner(owner));
  CHECK_INT(count, 1);
  CHECK_INT(vc_collect(false), 1);
  vc_collect_here(NULL);
  may_end_here = true;
  give_back(export_owner(owner));
  CHECK_INT(count, 2);
  CHECK_INT(vc_collect(false), 1);
  CHECK_INT(count, 3);
}

static void test_split(void) {
  _Atomic int count = 0;
  for (int any_thread = 0; any_thread <= 1; any_thread++) {
    enum { PARTS = 3 };
    vc_owner owner = {&count, count_release, any_thread}, part, parts[PARTS];
    count = 0;
    if (!CHECK_OK(vc_owner_split(&owner, PARTS, &part, &error))) return;
    CHECK(!owner.release && part.any_thread);
    for (int i = 0; i < PARTS; i++) parts[i] = part;
    for (int i = 0; i < PARTS; i++) {
      CHECK_INT(count, 0);
      vc_owner_release(&parts[i]);
    }
    CHECK_INT(count, any_thread);
    CHECK_INT(vc_collect(false), !any_thread);
    CHECK_INT(count, 1);
  }
  vc_owner nobody = {0}, part;
  CHECK_FAILS(vc_owner_split(&nobody, 0, &part, &error), VC_ERROR_ARGUMENT, "parts is 0");
  if (CHECK_OK(vc_owner_split(&nobody, 1, &part, &error))) vc_owner_release(&part);
  CHECK(!vc_collect_pending());
}

static size_t collected_inside;

static void collect_inside(void *context) {
  count_release(context);
  collected_inside += vc_collect(false);
}

/* A release may collect: others on the list are the outer call's to release. */
static void test_collect_inside_release(void) {
  _Atomic int count = 0;
  collected_inside = 0;
  for (int i = 0; i < 5; i++) give_back(export_owner((vc_owner){&count, collect_inside, false}));
  size_t outside = vc_collect(false);
  CHECK_INT(outside + collected_inside, 5);
  CHECK_INT(count, 5);
  CHECK_INT(pending_count(), 0);
}

/* A release that gives another tensor back, and so on down a chain. */
typedef struct link {
  DLManagedTensor *next;
  _Atomic int *count;
  bool collects;
} link;

static void release_link(void *context) {
  link *self = context;
  atomic_fetch_add(self->count, 1);
  if (self->next != NULL) give_back(self->next);
  if (self->collects) collected_inside += vc_collect(false);
}

static void test_chain(bool collects) {
  enum { LENGTH = 100 };
  static link links[LENGTH];
  _Atomic int count = 0;
  DLManagedTensor *tensor = NULL;
  collected_inside = 0;
  for (int i = 0; i < LENGTH; i++) {
    links[i] = (link){tensor, &count, collects};
    tensor = export_owner((vc_owner){&links[i], release_link, false});
  }
  give_back(tensor);
  size_t outside = vc_collect(false);
  CHECK_INT(count, LENGTH);
  CHECK_INT(outside + collected_inside, LENGTH);
  CHECK_INT(outside, collects ? 1 : LENGTH);
  CHECK(!vc_collect_pending());
}

/* ------------------------------------------------------------------ threads */

enum { PUSHERS = 3, COLLECTORS = 2, EACH = 20000 };

static _Atomic int released_of[PUSHERS][EACH];
static _Atomic int pushers_left;
static _Atomic size_t collected_by_threads;

static void *push_many(void *context) {
  _Atomic int *released = context;
  for (int i = 0; i < EACH; i++)
    give_back(export_owner((vc_owner){&released[i], count_release, i % 8 == 7}));
  atomic_fetch_sub(&pushers_left, 1);
  return NULL;
}

static void *collect_many(void *context) {
  (void)context;
  while (atomic_load(&pushers_left) > 0 || vc_collect_pending())
    atomic_fetch_add(&collected_by_threads, vc_collect(false));
  return NULL;
}

static void test_threads(void) {
  pthread_t threads[PUSHERS + COLLECTORS];
  notified = 0;
  pushers_left = PUSHERS;
  vc_collect_notify(note_notify);
  for (int i = 0; i < PUSHERS; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, push_many, released_of[i]), 0);
  for (int i = PUSHERS; i < PUSHERS + COLLECTORS; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, collect_many, NULL), 0);
  for (int i = 0; i < PUSHERS + COLLECTORS; i++) pthread_join(threads[i], NULL);
  vc_collect_notify(NULL);

  int wrong = 0;
  for (int i = 0; i < PUSHERS; i++)
    for (int k = 0; k < EACH; k++) wrong += released_of[i][k] != 1;
  CHECK_INT(wrong, 0);
  CHECK_INT(collected_by_threads, PUSHERS * EACH / 8 * 7);
  CHECK(notified >= 1 && notified <= PUSHERS * EACH);
  CHECK_INT(pending_count(), 0);
  CHECK(!vc_collect_pending());
}

static void test_statistics(void) {
  vc_statistics statistics = read_statistics();
  CHECK(statistics.exports > PUSHERS * EACH);
  CHECK_INT(statistics.exports, statistics.exports_released);
  CHECK_INT(statistics.lends, 0);
  CHECK_INT(statistics.shares, 0);
}

/* ---------------------------------------------------------------- internals */

#include "core/error.h"
#include "core/owner.h"

static int sweeps, sweeps_forced, to_sweep;
static bool any_to_sweep;
static size_t swept_inside;

static bool has_any_to_sweep(void) { return any_to_sweep; }

/* Releases one of what is left, by way of the list, and collects meanwhile. */
static size_t sweep_one(bool force) {
  sweeps++;
  sweeps_forced += force;
  if (to_sweep == 0) return 0;
  to_sweep--;
  give_back(export_owner((vc_owner){NULL, note_order, false}));
  swept_inside += vc_collect(force); /* drains, but is not let in here again */
  return 1;
}

static void test_sweeper(void) {
  vc_collect_set_sweeper(sweep_one, has_any_to_sweep);
  to_sweep = 3;
  CHECK_INT(vc_collect(true), 0); /* nothing to look at */
  CHECK_INT(sweeps, 0);

  any_to_sweep = true;
  released_length = 0;
  CHECK_INT(vc_collect(true), 3);
  CHECK_INT(sweeps, 4); /* until one finds nothing */
  CHECK_INT(sweeps_forced, 4);
  CHECK_INT(swept_inside, 3);
  CHECK_INT(released_length, 3);
  CHECK_INT(vc_collect(false), 0);
  CHECK_INT(sweeps_forced, 4);

  vc_collect_set_sweeper(sweep_one, NULL); /* always worth a look */
  any_to_sweep = false;
  to_sweep = 1;
  CHECK_INT(vc_collect(false), 1);
  vc_collect_set_sweeper(NULL, NULL);
  to_sweep = 1;
  CHECK_INT(vc_collect(false), 0);
}

static void test_messages(void) {
  vc_error filled;
  CHECK_INT(vc_fail(NULL, VC_ERROR_ABI, "nowhere to go: %d", 1), VC_ERROR_ABI);
  CHECK_INT(vc_fail(&filled, VC_ERROR_LAYOUT, "axis %d", 2), VC_ERROR_LAYOUT);
  CHECK_INT(filled.status, VC_ERROR_LAYOUT);
  CHECK_TEXT(filled.message, "axis 2");
  vc_fail(&filled, VC_ERROR_LAYOUT, "image: %s", filled.message);
  CHECK_TEXT(filled.message, "image: axis 2");
}

/* A message that does not fit ends before a character, never inside of one. */
static void test_long_messages(void) {
  const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x80\xA6", "\xF0\x9F\x98\x80"};
  for (size_t size = 1; size <= 4; size++)
    for (size_t shift = 0; shift < 4; shift++) {
      char text[2 * VC_MESSAGE_SIZE] = "";
      for (size_t i = 0; i < shift; i++) strcat(text, "-");
      while (strlen(text) < VC_MESSAGE_SIZE) strcat(text, characters[size - 1]);
      vc_error filled;
      vc_fail(&filled, VC_ERROR_VALUE, "%s", text);
      size_t room = VC_MESSAGE_SIZE - 1 - shift;
      CHECK_INT(strlen(filled.message), shift + room / size * size);
      CHECK(strncmp(filled.message, text, strlen(filled.message)) == 0);
    }
}

/* Of a struct that has grown since: callers of before, of now, and of later. */
static void test_sizes(void) {
  typedef struct {
    size_t size;
    int64_t first, later;
  } grown;
  const size_t least = offsetof(grown, later);
  struct {
    grown known;
    int64_t unknown;
  } given = {{least, 1, 2}, 0};
  grown read;
  CHECK_OK(vc_read_sized(&given, "grown", least, sizeof read, &read, &error));
  CHECK(read.size == sizeof read && read.first == 1 && read.later == 0);
  given.known.size = sizeof given.known;
  CHECK_OK(vc_read_sized(&given, "grown", least, sizeof read, &read, &error));
  CHECK(read.first == 1 && read.later == 2);
  given.known.size = sizeof given;
  CHECK_OK(vc_read_sized(&given, "grown", least, sizeof read, &read, &error));
  given.unknown = 1;
  CHECK_FAILS(vc_read_sized(&given, "grown", least, sizeof read, &read, &error), VC_ERROR_ARGUMENT,
              "grown.size is 32 and this library");
  given.known.size = least - 1;
  CHECK_FAILS(vc_read_sized(&given, "grown", least, sizeof read, &read, &error), VC_ERROR_ARGUMENT,
              "grown.size is 15");
}

/* In C messages speak of C; a binding puts its own words in their place. */
static void test_advice(void) {
  static const char *const pythons[] = {
      "copy=", "out=", "device=", "stream=", "layout=", "vc.", "torch", "NumPy", "CuPy"};
  static const char *const texts[VC_ADVICE_COUNT] = {[VC_ADVICE_PACK] = "pack it"};
  for (int i = 0; i < VC_ADVICE_COUNT; i++)
    for (size_t n = 0; n < sizeof pythons / sizeof *pythons; n++)
      CHECK(strstr(vc_advice_text((vc_advice)i), pythons[n]) == NULL);
  vc_advice_use(texts);
  CHECK_TEXT(vc_advice_text(VC_ADVICE_PACK), "pack it");
  CHECK_TEXT(vc_advice_text(VC_ADVICE_STREAM), "stream");
  vc_advice_use(NULL);
  CHECK(strstr(vc_advice_text(VC_ADVICE_PACK), "vc_transform") != NULL);
}

static void test_internals(void) {
  test_sweeper();
  test_messages();
  test_long_messages();
  test_sizes();
  test_advice();
}

int main(void) {
  test_version();
  test_dtypes();
  test_refused_dtypes();
  test_packed();
  test_packed_refuses();
  test_devices();
  test_strides();
  test_overflowing_strides();
  test_address_space();
  test_empty_views();
  test_packed_ignores_ones();
  test_image();
  test_image_single_axes();
  test_image_strides_refused();
  test_image_shapes_refused();
  test_empty_images();
  test_view_from_image();
  test_planar();
  test_owner();
  test_any_thread();
  test_put_off();
  test_notify();
  test_here();
  test_split();
  test_collect_inside_release();
  test_chain(false);
  test_chain(true);
  test_threads();
  test_statistics();
  test_internals();
  return check_report();
}
