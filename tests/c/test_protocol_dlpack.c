/* SPDX-License-Identifier: Apache-2.0 */
/* DLPack in both directions: every rule, and every deleter counted. */
#include <dlpack/dlpack.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "check.h"

static const vc_device cpu = {VC_CPU, 0};
static const vc_dtype u8 = {VC_UINT, 8};
static const vc_dtype f32 = {VC_FLOAT, 32};
static vc_error error;
static uint8_t memory[4096];

/* ------------------------------------------------------------------ tensors */

/* A tensor of float32 on the CPU over `memory`, to be spoilt by a test. */
typedef struct sample {
  DLTensor tensor;
  int64_t shape[8];
  int64_t strides[8];
} sample;

static DLTensor *make(sample *out, int32_t ndim, const int64_t *shape, const int64_t *strides) {
  *out = (sample){0};
  for (int32_t axis = 0; axis < ndim; axis++) {
    out->shape[axis] = shape[axis];
    if (strides != NULL) out->strides[axis] = strides[axis];
  }
  out->tensor = (DLTensor){
      .data = memory,
      .device = {.device_type = kDLCPU, .device_id = 0},
      .ndim = ndim,
      .dtype = {.code = kDLFloat, .bits = 32, .lanes = 1},
      .shape = out->shape,
      .strides = strides != NULL ? out->strides : NULL,
  };
  return &out->tensor;
}

static DLTensor *make_image(sample *out) {
  return make(out, 3, (int64_t[]){5, 7, 3}, (int64_t[]){32, 3, 1});
}

static void test_import(void) {
  sample s;
  vc_view view;
  make_image(&s)->byte_offset = 64;
  CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
  CHECK(view.data == memory + 64);
  CHECK_INT(view.device.type, VC_CPU);
  CHECK_INT(view.device.id, 0);
  CHECK_INT(view.dtype.code, VC_FLOAT);
  CHECK_INT(view.dtype.bits, 32);
  CHECK_INT(view.readonly, 0);
  CHECK_INT(view.ndim, 3);
  CHECK_INT(view.shape[0], 5);
  CHECK_INT(view.shape[1], 7);
  CHECK_INT(view.shape[2], 3);
  CHECK_INT(view.strides[0], 128); /* bytes */
  CHECK_INT(view.strides[1], 12);
  CHECK_INT(view.strides[2], 4);
}

static void test_import_without_strides(void) {
  sample s;
  vc_view view;
  CHECK_OK(vc_view_from_dltensor(make(&s, 4, (int64_t[]){2, 3, 5, 7}, NULL), &view, &error));
  CHECK(vc_view_is_packed(&view));
  CHECK_INT(view.strides[0], 420);
  CHECK_INT(view.strides[3], 4);
}

static void test_import_negative_strides(void) {
  sample s;
  vc_view view;
  make(&s, 2, (int64_t[]){4, 8}, (int64_t[]){-8, 1})->byte_offset = 24 * 4;
  CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
  CHECK_INT(view.strides[0], -32);
}

static void test_import_dtypes(void) {
  const vc_dtype known[] = {
      {VC_BOOL, 8},   {VC_INT, 8},    {VC_INT, 16},    {VC_INT, 32},  {VC_INT, 64},
      {VC_UINT, 8},   {VC_UINT, 16},  {VC_UINT, 32},   {VC_UINT, 64}, {VC_FLOAT, 16},
      {VC_FLOAT, 32}, {VC_FLOAT, 64}, {VC_BFLOAT, 16},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    sample s;
    vc_view view;
    make_image(&s)->dtype = (DLDataType){known[i].code, known[i].bits, 1};
    CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
    CHECK_INT(view.dtype.code, known[i].code);
    CHECK_INT(view.dtype.bits, known[i].bits);
    CHECK_INT(view.strides[2], known[i].bits / 8);
  }
}

static void refuse_dtype(DLDataType dtype, const char *part) {
  sample s;
  vc_view view;
  make_image(&s)->dtype = dtype;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_DTYPE, part);
}

static void test_import_dtypes_refused(void) {
  refuse_dtype((DLDataType){kDLFloat, 32, 4}, "vector of 4 lanes of 32 bits, needs 1 lane");
  refuse_dtype((DLDataType){kDLFloat, 32, 0}, "0 lanes");
  refuse_dtype((DLDataType){kDLFloat, 32, 65535}, "65535 lanes");
  refuse_dtype((DLDataType){kDLComplex, 64, 1}, "pairs of real numbers");
  for (uint8_t code = kDLFloat8_e3m4; code <= kDLFloat8_e8m0fnu; code++)
    refuse_dtype((DLDataType){code, 8, 1}, "8-bit float");
  refuse_dtype((DLDataType){kDLFloat6_e2m3fn, 6, 1}, "6-bit float");
  refuse_dtype((DLDataType){kDLFloat4_e2m1fn, 4, 1}, "4-bit float");
  refuse_dtype((DLDataType){kDLFloat4_e2m1fn, 4, 2}, "2 lanes");
  refuse_dtype((DLDataType){kDLInt, 4, 1}, "int (code 0) of 4 bits");
  refuse_dtype((DLDataType){kDLBool, 1, 1}, "smaller than a byte");
  refuse_dtype((DLDataType){kDLOpaqueHandle, 64, 1}, "opaque handle");
  refuse_dtype((DLDataType){kDLFloat, 80, 1}, "float64");
  refuse_dtype((DLDataType){255, 255, 1}, "unknown (code 255)");
}

static void test_import_devices(void) {
  const struct {
    DLDevice from;
    vc_device to;
  } known[] = {
      {{kDLCPU, 0}, {VC_CPU, 0}},
      {{kDLCPU, 5}, {VC_CPU, 0}}, /* host memory has no ordinal */
      {{kDLCPU, -1}, {VC_CPU, 0}},
      {{kDLCUDA, 3}, {VC_CUDA, 3}},
      {{kDLCUDAHost, 2}, {VC_CUDA_HOST, 0}},
      {{kDLCUDAManaged, 1}, {VC_CUDA_MANAGED, 1}},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    sample s;
    vc_view view;
    make_image(&s)->device = known[i].from;
    CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
    CHECK_INT(view.device.type, known[i].to.type);
    CHECK_INT(view.device.id, known[i].to.id);
  }
}

static void refuse_device(int type, int id, const char *part) {
  sample s;
  vc_view view;
  make_image(&s)->device = (DLDevice){(DLDeviceType)type, id};
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_DEVICE, part);
}

static void test_import_devices_refused(void) {
  refuse_device(kDLOpenCL, 0, "device type 4 (OpenCL)");
  refuse_device(kDLVulkan, 0, "Vulkan");
  refuse_device(kDLMetal, 0, "Metal");
  refuse_device(kDLVPI, 0, "VPI");
  refuse_device(kDLROCM, 0, "device type 10 (ROCm), needs CPU (1), CUDA (2)");
  refuse_device(kDLROCMHost, 0, "ROCm host");
  refuse_device(kDLExtDev, 0, "extension");
  refuse_device(kDLOneAPI, 0, "oneAPI");
  refuse_device(kDLWebGPU, 0, "WebGPU");
  refuse_device(kDLHexagon, 0, "Hexagon");
  refuse_device(kDLMAIA, 0, "MAIA");
  refuse_device(kDLTrn, 0, "Trainium");
  refuse_device(0, 0, "device type 0 (unknown)");
  refuse_device(99, 0, "unknown");
  refuse_device(kDLCUDA, -1, "device id is -1");
}

static void test_import_shapes_refused(void) {
  sample s;
  vc_view view = {.ndim = 77};
  const int64_t five[] = {1, 1, 1, 1, 1};
  CHECK_FAILS(vc_view_from_dltensor(NULL, &view, &error), VC_ERROR_ARGUMENT,
              "\"dltensor\" is NULL");
  CHECK_FAILS(vc_view_from_dltensor(make(&s, 0, NULL, NULL), &view, &error), VC_ERROR_LAYOUT,
              "rank 0");
  s.tensor.shape = NULL; /* as DLPack allows for rank 0 */
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_LAYOUT, "rank 0");
  CHECK_FAILS(vc_view_from_dltensor(make(&s, 5, five, five), &view, &error), VC_ERROR_LAYOUT,
              "rank 5");
  make_image(&s)->ndim = -3;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_LAYOUT, "rank -3");
  make_image(&s)->ndim = INT32_MAX;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_LAYOUT, "rank");
  make_image(&s)->shape = NULL;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE,
              "shape is NULL although the rank is 3");
  make_image(&s);
  s.shape[1] = -7;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE, "axis 1 is -7 long");
  make(&s, 3, (int64_t[]){1 << 30, 1 << 30, 1 << 30}, NULL);
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE,
              "more bytes than 64 bits");
  CHECK_INT(view.ndim, 77); /* written on success only */
}

static void test_import_strides_refused(void) {
  sample s;
  vc_view view;
  make_image(&s);
  s.strides[0] = INT64_MAX / 4 + 1; /* times the itemsize */
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE,
              "axis 0 has a stride of 2305843009213693952 elements of 4 bytes, which overflows");
  s.strides[0] = INT64_MIN;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE, "overflows");
  s.strides[0] = INT64_MAX / 8; /* times the length */
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE, "overflows");
  s.shape[0] = 1; /* a stride that nobody walks */
  s.strides[0] = INT64_MIN;
  CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
  CHECK_INT(view.strides[0], 0);
}

static void test_import_offsets(void) {
  sample s;
  vc_view view;
  make_image(&s)->byte_offset = UINT64_MAX;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE,
              "byte offset 18446744073709551615 from address");
  make_image(&s)->byte_offset = UINT64_MAX - (uintptr_t)memory; /* fits, its pixels do not */
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE,
              "outside the address space");
  make_image(&s)->data = NULL;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE, "data is NULL");
  s.tensor.byte_offset = 64;
  CHECK_FAILS(vc_view_from_dltensor(&s.tensor, &view, &error), VC_ERROR_VALUE,
              "data is NULL with a byte offset of 64");
}

static void test_import_empty(void) {
  sample s;
  vc_view view;
  make(&s, 3, (int64_t[]){4, 0, 3}, (int64_t[]){INT64_MAX, INT64_MIN, 1})->data = NULL;
  CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
  CHECK(view.data == NULL);
  CHECK(vc_view_is_empty(&view));
  s.tensor.byte_offset = 64;
  CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
  CHECK(view.data == NULL);
  s.tensor.strides = NULL;
  CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
  s.tensor.data = memory;
  CHECK_OK(vc_view_from_dltensor(&s.tensor, &view, &error));
  CHECK(view.data == memory + 64);
}

/* ---------------------------------------------------------- managed tensors */

static int deleted;
static void *deleted_last;

static void delete_plain(DLManagedTensor *tensor) {
  deleted++;
  deleted_last = tensor;
}

static void delete_versioned(DLManagedTensorVersioned *tensor) {
  deleted++;
  deleted_last = tensor;
}

static void test_managed(void) {
  sample s;
  vc_view view;
  vc_owner owner = {0};
  DLManagedTensor tensor = {.dl_tensor = *make_image(&s), .deleter = delete_plain};
  deleted = 0;
  CHECK_OK(vc_view_from_dlpack(&tensor, &view, &owner, &error));
  CHECK_INT(view.readonly, 0);
  CHECK(!owner.any_thread);
  CHECK_INT(deleted, 0);
  vc_owner_release(&owner);
  CHECK_INT(deleted, 1);
  CHECK(deleted_last == &tensor);
  vc_owner_release(&owner);
  CHECK_INT(deleted, 1);

  tensor.deleter = NULL;
  CHECK_OK(vc_view_from_dlpack(&tensor, &view, &owner, &error));
  CHECK(owner.release == NULL);
  vc_owner_release(&owner);
  CHECK_INT(deleted, 1);
}

static void test_managed_refused(void) {
  sample s;
  vc_view view = {.ndim = 77};
  vc_owner owner = {.context = &view};
  DLManagedTensor tensor = {.dl_tensor = *make_image(&s), .deleter = delete_plain};
  tensor.dl_tensor.dtype.lanes = 2;
  deleted = 0;
  CHECK_FAILS(vc_view_from_dlpack(&tensor, &view, &owner, &error), VC_ERROR_DTYPE, "lanes");
  CHECK_FAILS(vc_view_from_dlpack(NULL, &view, &owner, &error), VC_ERROR_ARGUMENT,
              "\"tensor\" is NULL");
  CHECK_INT(deleted, 0); /* not touched: the caller's to delete */
  CHECK(owner.context == &view);
  CHECK_INT(view.ndim, 77);
}

static void test_versioned(void) {
  sample s;
  vc_view view;
  vc_owner owner = {0};
  uint64_t flags = 77;
  DLManagedTensorVersioned tensor = {
      .version = {1, 99}, .deleter = delete_versioned, .dl_tensor = *make_image(&s)};
  deleted = 0;
  CHECK_OK(vc_view_from_dlpack_versioned(&tensor, &view, &owner, &flags, &error));
  CHECK_INT(flags, 0);
  CHECK_INT(view.readonly, 0);
  CHECK(!owner.any_thread);
  vc_owner_release(&owner);
  CHECK_INT(deleted, 1);
  CHECK(deleted_last == &tensor);

  tensor.flags = VC_DLPACK_READ_ONLY | VC_DLPACK_IS_COPIED | 4;
  CHECK_OK(vc_view_from_dlpack_versioned(&tensor, &view, &owner, &flags, &error));
  CHECK_INT(flags, 7);
  CHECK_INT(view.readonly, 1);
  vc_owner_release(&owner);

  tensor.flags = VC_DLPACK_IS_COPIED;
  CHECK_OK(vc_view_from_dlpack_versioned(&tensor, &view, &owner, NULL, &error));
  CHECK_INT(view.readonly, 0);
  vc_owner_release(&owner);
  CHECK_INT(deleted, 3);

  tensor.deleter = NULL;
  CHECK_OK(vc_view_from_dlpack_versioned(&tensor, &view, &owner, NULL, &error));
  CHECK(owner.release == NULL);
}

static void test_versioned_refused(void) {
  sample s;
  vc_view view;
  vc_owner owner = {.context = &view};
  uint64_t flags = 77;
  DLManagedTensorVersioned tensor = {
      .version = {2, 0}, .deleter = delete_versioned, .dl_tensor = *make_image(&s)};
  deleted = 0;
  CHECK_FAILS(vc_view_from_dlpack_versioned(&tensor, &view, &owner, &flags, &error), VC_ERROR_VALUE,
              "DLPack version 2.0, needs 1.x");
  tensor.version.major = 0;
  CHECK_FAILS(vc_view_from_dlpack_versioned(&tensor, &view, &owner, &flags, &error), VC_ERROR_VALUE,
              "DLPack version 0.0");
  tensor.version.major = 1;
  tensor.dl_tensor.device.device_type = kDLROCM;
  CHECK_FAILS(vc_view_from_dlpack_versioned(&tensor, &view, &owner, &flags, &error),
              VC_ERROR_DEVICE, "ROCm");
  CHECK_FAILS(vc_view_from_dlpack_versioned(NULL, &view, &owner, &flags, &error), VC_ERROR_ARGUMENT,
              "\"tensor\" is NULL");
  CHECK_INT(deleted, 0);
  CHECK_INT(flags, 77);
  CHECK(owner.context == &view);
}

/* ------------------------------------------------------------------- export */

static void count_release(void *context) { atomic_fetch_add((_Atomic int *)context, 1); }

static vc_view pitched(void) {
  vc_view view = {0};
  CHECK_OK(vc_view_packed(memory, cpu, f32, 3, (int64_t[]){5, 7, 3}, &view, &error));
  view.strides[0] = 128;
  return view;
}

static void check_tensor(const DLTensor *tensor) {
  CHECK(tensor->data == memory);
  CHECK_INT(tensor->byte_offset, 0);
  CHECK_INT(tensor->device.device_type, kDLCPU);
  CHECK_INT(tensor->device.device_id, 0);
  CHECK_INT(tensor->dtype.code, kDLFloat);
  CHECK_INT(tensor->dtype.bits, 32);
  CHECK_INT(tensor->dtype.lanes, 1);
  CHECK_INT(tensor->ndim, 3);
  CHECK_INT(tensor->shape[0], 5);
  CHECK_INT(tensor->shape[2], 3);
  CHECK_INT(tensor->strides[0], 32); /* elements */
  CHECK_INT(tensor->strides[1], 3);
  CHECK_INT(tensor->strides[2], 1);
}

static void test_export(bool any_thread) {
  _Atomic int released = 0;
  vc_owner owner = {&released, count_release, any_thread};
  vc_statistics before = read_statistics();
  vc_view view = pitched();
  DLManagedTensor *tensor = NULL;
  CHECK_OK(vc_dlpack_from_view(&view, &owner, &tensor, &error));
  CHECK(owner.release == NULL && owner.context == NULL); /* taken */
  check_tensor(&tensor->dl_tensor);
  CHECK_INT(read_statistics().exports - before.exports, 1);
  CHECK_INT(released, 0);

  tensor->deleter(tensor);
  CHECK_INT(released, any_thread);
  CHECK_INT(read_statistics().exports_released - before.exports_released, 1);
  CHECK_INT(read_statistics().pending, !any_thread);
  CHECK_INT(vc_collect(false), !any_thread);
  CHECK_INT(released, 1);
}

static void test_export_versioned(void) {
  _Atomic int released = 0;
  vc_owner owner = {&released, count_release, true};
  vc_view view = pitched();
  DLManagedTensorVersioned *tensor = NULL;
  CHECK_OK(vc_dlpack_versioned_from_view(&view, &owner, 0, &tensor, &error));
  check_tensor(&tensor->dl_tensor);
  CHECK_INT(tensor->version.major, DLPACK_MAJOR_VERSION);
  CHECK_INT(tensor->version.minor, DLPACK_MINOR_VERSION);
  CHECK_INT(tensor->flags, 0);
  tensor->deleter(tensor);
  CHECK_INT(released, 1);

  CHECK_OK(vc_dlpack_versioned_from_view(&view, NULL, VC_DLPACK_IS_COPIED, &tensor, &error));
  CHECK_INT(tensor->flags, VC_DLPACK_IS_COPIED);
  tensor->deleter(tensor);

  view.readonly = 1;
  CHECK_OK(vc_dlpack_versioned_from_view(&view, NULL, VC_DLPACK_IS_COPIED, &tensor, &error));
  CHECK_INT(tensor->flags, VC_DLPACK_IS_COPIED | VC_DLPACK_READ_ONLY);
  tensor->deleter(tensor);
  CHECK_INT(read_statistics().exports, read_statistics().exports_released);
}

static void test_export_refused(void) {
  _Atomic int released = 0;
  vc_owner owner = {&released, count_release, true};
  vc_statistics before = read_statistics();
  DLManagedTensor *tensor = NULL;
  DLManagedTensorVersioned *versioned = NULL;
  vc_view view = pitched();

  view.strides[0] = 130;
  CHECK_FAILS(vc_dlpack_from_view(&view, &owner, &tensor, &error), VC_ERROR_LAYOUT,
              "axis 0 has stride 130 bytes, needs a multiple of the itemsize 4");
  CHECK_FAILS(vc_dlpack_versioned_from_view(&view, &owner, 0, &versioned, &error), VC_ERROR_LAYOUT,
              "itemsize 4");
  view.strides[0] = 128;
  view.readonly = 1;
  CHECK_FAILS(vc_dlpack_from_view(&view, &owner, &tensor, &error), VC_ERROR_VALUE, "read-only");
  view.readonly = 0;
  view.data = NULL;
  CHECK_FAILS(vc_dlpack_from_view(&view, &owner, &tensor, &error), VC_ERROR_VALUE, "data is NULL");
  view.data = memory;
  view.dtype.bits = 7;
  CHECK_FAILS(vc_dlpack_versioned_from_view(&view, &owner, 0, &versioned, &error), VC_ERROR_DTYPE,
              "float (code 2) of 7 bits");

  CHECK(tensor == NULL && versioned == NULL);
  CHECK(owner.release == count_release && owner.context == &released); /* the caller's */
  CHECK_INT(released, 0);
  CHECK_INT(read_statistics().exports, before.exports);
}

/* A stride that nobody walks need not be a multiple of the itemsize. */
static void test_export_odd_strides(void) {
  DLManagedTensor *tensor = NULL;
  vc_view view = pitched();
  view.shape[0] = 1;
  view.strides[0] = 131;
  CHECK_OK(vc_dlpack_from_view(&view, NULL, &tensor, &error));
  CHECK_INT(tensor->dl_tensor.shape[0], 1);
  tensor->deleter(tensor);
}

static void test_export_empty(void) {
  _Atomic int released = 0;
  vc_owner owner = {&released, count_release, true};
  DLManagedTensor *tensor = NULL;
  vc_view view = pitched();
  view.shape[1] = 0;
  view.strides[0] = 131;
  CHECK_OK(vc_dlpack_from_view(&view, &owner, &tensor, &error));
  CHECK(tensor->dl_tensor.data == NULL);
  CHECK(tensor->dl_tensor.strides != NULL);
  CHECK_INT(tensor->dl_tensor.shape[0], 5);
  CHECK_INT(tensor->dl_tensor.shape[1], 0);
  CHECK_INT(released, 0);
  tensor->deleter(tensor);
  CHECK_INT(released, 1);
}

static void test_deleter_of_nothing(void) {
  DLManagedTensor *tensor = NULL;
  DLManagedTensorVersioned *versioned = NULL;
  vc_view view = pitched();
  CHECK_OK(vc_dlpack_from_view(&view, NULL, &tensor, &error));
  CHECK_OK(vc_dlpack_versioned_from_view(&view, NULL, 0, &versioned, &error));
  tensor->deleter(NULL);
  versioned->deleter(NULL);
  tensor->deleter(tensor);
  versioned->deleter(versioned);
  CHECK_INT(read_statistics().exports, read_statistics().exports_released);
}

/* -------------------------------------------------------------- round trips */

static void test_round_trip(void) {
  const vc_device devices[] = {{VC_CPU, 0}, {VC_CUDA, 2}, {VC_CUDA_HOST, 0}, {VC_CUDA_MANAGED, 1}};
  for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
    vc_view view = pitched(), back;
    vc_owner owner;
    uint64_t flags;
    DLManagedTensorVersioned *tensor;
    view.device = devices[i];
    view.readonly = i % 2;
    view.data = memory + 4 * 4 * 32;
    view.strides[0] = -128;
    CHECK_OK(vc_dlpack_versioned_from_view(&view, NULL, 0, &tensor, &error));
    CHECK_OK(vc_view_from_dlpack_versioned(tensor, &back, &owner, &flags, &error));
    CHECK(back.data == view.data);
    CHECK_INT(back.device.type, view.device.type);
    CHECK_INT(back.device.id, view.device.id);
    CHECK_INT(back.readonly, view.readonly);
    CHECK_INT(flags, view.readonly);
    CHECK_INT(back.ndim, view.ndim);
    CHECK(memcmp(back.shape, view.shape, 3 * sizeof back.shape[0]) == 0);
    CHECK(memcmp(back.strides, view.strides, 3 * sizeof back.strides[0]) == 0);
    vc_owner_release(&owner);
  }
  CHECK_INT(read_statistics().exports, read_statistics().exports_released);
}

/* An import exported again, and that once more: the first deleter runs last. */
static void test_nested(void) {
  sample s;
  vc_view view;
  vc_owner owner;
  DLManagedTensor source = {.dl_tensor = *make_image(&s), .deleter = delete_plain};
  DLManagedTensor *tensor = &source;
  deleted = 0;
  for (int depth = 0; depth < 5; depth++) {
    CHECK_OK(vc_view_from_dlpack(tensor, &view, &owner, &error));
    CHECK_OK(vc_dlpack_from_view(&view, &owner, &tensor, &error));
  }
  tensor->deleter(tensor);
  CHECK_INT(deleted, 0);
  CHECK_INT(vc_collect(false), 5);
  CHECK_INT(deleted, 1);
  CHECK(deleted_last == &source);
}

/* ------------------------------------------------------------------ threads */

enum { THREADS = 4, EACH = 5000 };

static void *trade(void *context) {
  for (int i = 0; i < EACH; i++) {
    vc_view view;
    vc_owner owner = {context, count_release, i % 2 == 0};
    DLManagedTensorVersioned *tensor;
    if (vc_view_packed(memory, cpu, u8, 1, (int64_t[]){4}, &view, NULL) != VC_OK ||
        vc_dlpack_versioned_from_view(&view, &owner, 0, &tensor, NULL) != VC_OK ||
        vc_view_from_dlpack_versioned(tensor, &view, &owner, NULL, NULL) != VC_OK)
      return NULL;
    vc_owner_release(&owner);
    if (i % 64 == 0) vc_collect(false);
  }
  return NULL;
}

static void test_threads(void) {
  pthread_t threads[THREADS];
  _Atomic int released[THREADS] = {0};
  for (int i = 0; i < THREADS; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, trade, &released[i]), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  vc_collect(false);
  for (int i = 0; i < THREADS; i++) CHECK_INT(released[i], EACH);
  CHECK_INT(read_statistics().exports, read_statistics().exports_released);
  CHECK_INT(read_statistics().pending, 0);
}

int main(void) {
  test_import();
  test_import_without_strides();
  test_import_negative_strides();
  test_import_dtypes();
  test_import_dtypes_refused();
  test_import_devices();
  test_import_devices_refused();
  test_import_shapes_refused();
  test_import_strides_refused();
  test_import_offsets();
  test_import_empty();
  test_managed();
  test_managed_refused();
  test_versioned();
  test_versioned_refused();
  test_export(true);
  test_export(false);
  test_export_versioned();
  test_export_refused();
  test_export_odd_strides();
  test_export_empty();
  test_deleter_of_nothing();
  test_round_trip();
  test_nested();
  test_threads();
  return check_report();
}
