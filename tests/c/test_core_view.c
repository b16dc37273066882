/* SPDX-License-Identifier: Apache-2.0 */
/* Views: what is packed, empty and inside the address space. */
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

int main(void) {
  test_packed();
  test_packed_refuses();
  test_devices();
  test_strides();
  test_overflowing_strides();
  test_address_space();
  test_empty_views();
  test_packed_ignores_ones();
  return check_report();
}
