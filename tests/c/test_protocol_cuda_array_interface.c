/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA Array Interface in both directions. */
#include "check.h"
#include "internal.h"

static const vc_device gpu = {VC_CUDA, 1};
static vc_error error;
static uint8_t memory[4096];

/* ------------------------------------------------------------------- import */

static vc_cuda_array image(void) {
  return (vc_cuda_array){
      .version = 3,
      .data = (uintptr_t)memory,
      .ndim = 3,
      .shape = {5, 7, 3},
      .typestr = "<f4",
  };
}

static void test_import(void) {
  vc_view view;
  vc_cuda_array array = image();
  CHECK_OK(vc_view_from_cuda_array(&array, gpu, &view, &error));
  CHECK(view.data == memory);
  CHECK_INT(view.device.type, VC_CUDA);
  CHECK_INT(view.device.id, 1);
  CHECK_INT(view.dtype.code, VC_FLOAT);
  CHECK_INT(view.readonly, 0);
  CHECK_INT(view.ndim, 3);
  CHECK_INT(view.shape[1], 7);
  CHECK(vc_view_is_packed(&view));
  strcpy(array.typestr, "f4");
  CHECK_OK(vc_view_from_cuda_array(&array, gpu, &view, &error));
  CHECK_INT(view.dtype.bits, 32);

  array.version = 2;
  array.readonly = true;
  array.has_strides = true;
  array.strides[0] = -128;
  array.strides[1] = 12;
  array.strides[2] = 4;
  array.data += 4 * 128;
  CHECK_OK(vc_view_from_cuda_array(&array, gpu, &view, &error));
  CHECK_INT(view.readonly, 1);
  CHECK_INT(view.strides[0], -128);
  CHECK_INT(view.strides[2], 4);
}

static void test_import_empty(void) {
  vc_view view;
  vc_cuda_array array = image();
  array.data = 0;
  array.shape[0] = 0;
  CHECK_OK(vc_view_from_cuda_array(&array, gpu, &view, &error));
  CHECK(view.data == NULL);
  CHECK(vc_view_is_empty(&view));
  array.has_strides = true;
  array.strides[1] = INT64_MIN;
  CHECK_OK(vc_view_from_cuda_array(&array, gpu, &view, &error));
}

static void refuse_version(int64_t version, const char *part) {
  vc_view view;
  vc_cuda_array array = image();
  array.version = version;
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_VALUE, part);
}

static void test_import_refused(void) {
  vc_view view = {.ndim = 77};
  vc_cuda_array array = image();
  refuse_version(0, "version 0, needs 2 or 3");
  refuse_version(1, "version 1");
  refuse_version(4, "version 4");
  refuse_version(-1, "version -1");

  array.has_mask = true;
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_VALUE, "mask");
  array = image();
  memcpy(array.typestr, "<f444444", 8); /* not terminated */
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_DTYPE,
              "longer than 7 characters");
  strcpy(array.typestr, ">f4");
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_DTYPE, "big-endian");
  strcpy(array.typestr, "|V12");
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_DTYPE, "structured");
  array = image();
  array.ndim = 0;
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_LAYOUT, "rank 0");
  array.ndim = 5;
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_LAYOUT, "rank 5");
  array = image();
  array.shape[2] = -3;
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_VALUE,
              "axis 2 is -3 long");
  array.shape[2] = INT64_MAX;
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_VALUE, "64 bits");
  array = image();
  array.data = 0;
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_VALUE, "data is NULL");
  array = image();
  array.has_strides = true;
  array.strides[0] = INT64_MAX;
  CHECK_FAILS(vc_view_from_cuda_array(&array, gpu, &view, &error), VC_ERROR_VALUE, "overflows");
  CHECK_FAILS(vc_view_from_cuda_array(&array, (vc_device){9, 0}, &view, &error), VC_ERROR_DEVICE,
              "device type is 9");
  CHECK_INT(view.ndim, 77); /* written on success only */
}

/* ------------------------------------------------------------------- export */

static void check_same(const vc_view *found, const vc_view *needed) {
  CHECK(found->data == needed->data);
  CHECK_INT(found->device.type, needed->device.type);
  CHECK_INT(found->device.id, needed->device.id);
  CHECK_INT(found->dtype.code, needed->dtype.code);
  CHECK_INT(found->dtype.bits, needed->dtype.bits);
  CHECK_INT(found->readonly, needed->readonly);
  CHECK_INT(found->ndim, needed->ndim);
  for (int32_t axis = 0; axis < needed->ndim; axis++) {
    CHECK_INT(found->shape[axis], needed->shape[axis]);
    CHECK_INT(found->strides[axis], needed->strides[axis]);
  }
}

static void test_export(void) {
  for (int i = 0; i < VC_DTYPE_COUNT; i++) {
    const vc_dtype_row *row = &vc_dtype_rows[i];
    vc_view view, back;
    if (!row->typestr) continue; /* bfloat16 */
    vc_cuda_array array;
    CHECK_OK(vc_view_packed(memory, gpu, row->dtype, 2, (int64_t[]){5, 7}, &view, &error));
    CHECK_OK(vc_cuda_array_from_view(&view, &array, &error));
    CHECK_INT(array.version, 3);
    CHECK(array.data == (uintptr_t)memory);
    CHECK(!array.readonly && !array.has_mask && !array.has_strides);
    CHECK_INT(array.ndim, 2);
    CHECK_INT(array.shape[0], 5);
    CHECK_INT(array.shape[1], 7);
    CHECK_TEXT(array.typestr, row->typestr);
    CHECK_OK(vc_view_from_cuda_array(&array, gpu, &back, &error));
    check_same(&back, &view);
  }
}

static void test_export_strides(void) {
  vc_view view, back;
  vc_cuda_array array;
  CHECK_OK(vc_view_packed(memory, (vc_device){VC_CUDA_MANAGED, 0}, (vc_dtype){VC_UINT, 8}, 3,
                          (int64_t[]){5, 7, 3}, &view, &error));
  view.strides[0] = 64;
  view.readonly = 1;
  CHECK_OK(vc_cuda_array_from_view(&view, &array, &error));
  CHECK(array.readonly && array.has_strides);
  CHECK_INT(array.strides[0], 64);
  CHECK_INT(array.strides[1], 3);
  CHECK_INT(array.strides[2], 1);
  CHECK_OK(vc_view_from_cuda_array(&array, view.device, &back, &error));
  check_same(&back, &view);

  view.shape[1] = 0; /* empty: packed, and its address is 0 */
  CHECK_OK(vc_cuda_array_from_view(&view, &array, &error));
  CHECK(!array.has_strides);
  CHECK_INT(array.data, 0);
}

static void test_export_refused(void) {
  vc_view view;
  vc_cuda_array array = {.ndim = 77};
  const vc_dtype bf16 = {VC_BFLOAT, 16};
  CHECK_OK(vc_view_packed(memory, gpu, bf16, 1, (int64_t[]){4}, &view, &error));
  CHECK_FAILS(vc_cuda_array_from_view(&view, &array, &error), VC_ERROR_DTYPE,
              "dtype is bfloat16, needs one that NumPy has a typestr for; use DLPack");
  view.dtype = (vc_dtype){VC_UINT, 8};
  view.strides[0] = 1;
  view.device = (vc_device){VC_CPU, 0};
  CHECK_FAILS(vc_cuda_array_from_view(&view, &array, &error), VC_ERROR_DEVICE,
              "array is in host memory");
  view.device.type = VC_CUDA_HOST;
  CHECK_FAILS(vc_cuda_array_from_view(&view, &array, &error), VC_ERROR_DEVICE,
              "pinned host memory");
  view.device.type = 10;
  CHECK_FAILS(vc_cuda_array_from_view(&view, &array, &error), VC_ERROR_DEVICE, "device type is 10");
  view.device = gpu;
  view.shape[0] = -1;
  CHECK_FAILS(vc_cuda_array_from_view(&view, &array, &error), VC_ERROR_VALUE, "-1 long");
  CHECK_INT(array.ndim, 77);
}

int main(void) {
  test_import();
  test_import_empty();
  test_import_refused();
  test_export();
  test_export_strides();
  test_export_refused();
  return check_report();
}
