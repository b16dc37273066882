/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of viewcast.h that describe images, devices and streams, with every kind of wrong
 * argument. In host mode, and with a simulated CUDA device. */
#include <dlpack/dlpack.h>

#include "arguments.h"

static bool has_gpu;

/* ------------------------------------------------------------------ errors, dtypes */

static void arguments_of_vc_version(void) { CHECK_TEXT(vc_version(), "0.1.0"); }

static void arguments_of_vc_version_number(void) {
  CHECK_INT(vc_version_number(), 100);
  CHECK_INT(vc_version_number(), VC_VERSION_NUMBER);
}

static const vc_dtype wrong_dtypes[] = {{99, 8},          {255, 255},    {VC_UINT, 0},
                                        {VC_UINT, 7},     {VC_FLOAT, 8}, {VC_BFLOAT, 32},
                                        {VC_COMPLEX, 64}, {VC_BOOL, 1},  {3, 64}};
enum { WRONG_DTYPES = sizeof wrong_dtypes / sizeof *wrong_dtypes };

static void arguments_of_vc_dtype_size(void) {
  for (int i = 0; i < WRONG_DTYPES; i++) CHECK_INT(vc_dtype_size(wrong_dtypes[i]), 0);
}

static void arguments_of_vc_dtype_name(void) {
  for (int i = 0; i < WRONG_DTYPES; i++) CHECK_TEXT(vc_dtype_name(wrong_dtypes[i]), "unknown");
}

static void arguments_of_vc_dtype_typestr(void) {
  for (int i = 0; i < WRONG_DTYPES; i++) CHECK(vc_dtype_typestr(wrong_dtypes[i]) == NULL);
}

static void arguments_of_vc_dtype_from_typestr(void) {
  vc_dtype out;
  static const char *const wrong[] = {
      "", "<", "=", "<f3", "<f16", "|V8", "<c8", ">f4", "\xff", "<f4 ", "<u1<u1<u1<u1<u1<u1<u1<u1"};
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"typestr\" is NULL",
               vc_dtype_from_typestr(NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_dtype_from_typestr("<f4", NULL, into));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    REFUSES_INTO(&out, VC_ERROR_DTYPE, "typestr is", vc_dtype_from_typestr(wrong[i], &out, into));
}

/* ---------------------------------------------------------------- devices, streams */

static void arguments_of_vc_cuda_mode(void) {
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_cuda_mode(NULL, into));
}

static void arguments_of_vc_cuda_device_count(void) {
  CHECK_INT(vc_cuda_device_count(), has_gpu ? 1 : 0);
}

static void arguments_of_vc_cuda_reason(void) { CHECK(vc_cuda_reason()[0] != '\0'); }

static void arguments_of_vc_cuda_pointer_device(void) {
  vc_device device;
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_cuda_pointer_device(pixels, NULL, into));
  CHECK_OK(vc_cuda_pointer_device(NULL, &device, &error));
  CHECK_INT(device.type, VC_CPU);
}

static void arguments_of_vc_cuda_host_kind(void) {
  CHECK_TEXT(vc_cuda_host_kind(NULL, cpu), "host");
  CHECK_TEXT(vc_cuda_host_kind(NULL, (vc_device){77, -5}), "host");
}

static const int32_t wrong_devices[] = {-1, -2, 64, 77, INT32_MAX, INT32_MIN};

#define REFUSES_DEVICES(out, call)                                            \
  for (size_t n = 0; n < sizeof wrong_devices / sizeof *wrong_devices; n++) { \
    int32_t wrong = wrong_devices[n];                                         \
    REFUSES_INTO(out, VC_ERROR_DEVICE, "no CUDA device", call);               \
  }

static void arguments_of_vc_stream_same(void) {
  CHECK(vc_stream_same(-1, -7) && !vc_stream_same(-7, -8));
}

static void arguments_of_vc_stream_order(void) {
  int out;
  REFUSES_DEVICES(&out, vc_stream_order(wrong, 1, 2, into));
  REFUSES_STREAMS(&out, vc_stream_order(0, wrong, 2, into));
  REFUSES_STREAMS(&out, vc_stream_order(0, 1, wrong, into));
  REFUSES_STREAMS(&out, vc_stream_order(0, wrong, wrong, into));
  if (has_gpu)
    REFUSES(VC_ERROR_DEVICE, "no CUDA device 1: this machine has 1",
            vc_stream_order(1, 1, 2, into));
}

static void arguments_of_vc_stream_synchronize(void) {
  int out;
  REFUSES_STREAMS(&out, vc_stream_synchronize(0, wrong, into));
  for (size_t i = 1; i < sizeof wrong_devices / sizeof *wrong_devices; i++)
    REFUSES(VC_ERROR_DEVICE, "no CUDA device", vc_stream_synchronize(wrong_devices[i], 1, into));
  CHECK(vc_stream_synchronize(-1, 1, &error) != VC_ERROR_DEVICE); /* pinned memory */
}

static void arguments_of_vc_stream_is_capturing(void) {
  for (size_t i = 0; i < sizeof wrong_devices / sizeof *wrong_devices; i++)
    CHECK(!vc_stream_is_capturing(wrong_devices[i], 1));
  for (size_t i = 0; i < sizeof wrong_streams / sizeof *wrong_streams; i++)
    CHECK(!vc_stream_is_capturing(0, wrong_streams[i]));
}

static void arguments_of_vc_stream_is_idle(void) {
  for (size_t i = 0; i < sizeof wrong_devices / sizeof *wrong_devices; i++)
    CHECK_INT(vc_stream_is_idle(wrong_devices[i], 1), !has_gpu);
  for (size_t i = 0; i < sizeof wrong_streams / sizeof *wrong_streams; i++)
    CHECK_INT(vc_stream_is_idle(0, wrong_streams[i]), !has_gpu);
}

static void arguments_of_vc_event_record(void) {
  vc_event out;
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_event_record(0, 1, NULL, into));
  REFUSES_DEVICES(&out, vc_event_record(wrong, 1, &out, into));
  REFUSES_STREAMS(&out, vc_event_record(0, wrong, &out, into));
}

static void arguments_of_vc_event_done(void) { CHECK(!vc_event_done(NULL)); }

static void arguments_of_vc_event_release(void) {
  vc_event none = {NULL, 77, true};
  vc_event_release(NULL);
  vc_event_release(&none);
  CHECK(none.event == NULL);
}

static void arguments_of_vc_cuda_warmup(void) {
  int out;
  REFUSES_DEVICES(&out, vc_cuda_warmup(wrong, into));
}

/* ----------------------------------------------------------------------------- views */

static void arguments_of_vc_view_check(void) {
  int out;
  REFUSES(VC_ERROR_ARGUMENT, "\"view\" is NULL", vc_view_check(NULL, into));
  REFUSES_BROKEN_VIEWS(&out, image_in(pixels, cpu, u8), vc_view_check(broken, into));
  REFUSES_BROKEN_VIEWS(&out, image_in(pixels, gpu, f32), vc_view_check(broken, into));
}

static void arguments_of_vc_view_packed(void) {
  vc_view out;
  const int64_t shape[] = {4, 6, 3, 1}, negative[] = {4, -1, 3}, huge[] = {INT64_MAX, 2, 2};
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"shape\" is NULL",
               vc_view_packed(pixels, cpu, u8, 3, NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL",
          vc_view_packed(pixels, cpu, u8, 3, shape, NULL, into));
  static const int32_t ranks[] = {0, -1, 5, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
    REFUSES_INTO(&out, VC_ERROR_LAYOUT, "rank",
                 vc_view_packed(pixels, cpu, u8, ranks[i], shape, &out, into));
  REFUSES_INTO(&out, VC_ERROR_VALUE, "0 or more",
               vc_view_packed(pixels, cpu, u8, 3, negative, &out, into));
  REFUSES_INTO(&out, VC_ERROR_VALUE, "64 bits",
               vc_view_packed(pixels, cpu, u8, 3, huge, &out, into));
  REFUSES_INTO(&out, VC_ERROR_VALUE, "NULL", vc_view_packed(NULL, cpu, u8, 3, shape, &out, into));
  REFUSES_INTO(&out, VC_ERROR_DEVICE, "device type",
               vc_view_packed(pixels, (vc_device){77, 0}, u8, 3, shape, &out, into));
  for (int i = 0; i < WRONG_DTYPES; i++)
    REFUSES_INTO(&out, VC_ERROR_DTYPE, "dtype",
                 vc_view_packed(pixels, cpu, wrong_dtypes[i], 3, shape, &out, into));
}

/* Of views that make no sense nothing is read beyond the struct. */
static void arguments_of_vc_view_is_empty(void) {
  broken_view all[64];
  int count = break_view(image_in(pixels, cpu, u8), all);
  for (int i = 0; i < count; i++) CHECK(!vc_view_is_empty(&all[i].view));
  CHECK(!vc_view_is_empty(NULL));
}

static void arguments_of_vc_view_is_packed(void) {
  broken_view all[64];
  int count = break_view(image_in(pixels, cpu, u8), all), packed = 0;
  for (int i = 0; i < count; i++) packed += vc_view_is_packed(&all[i].view);
  CHECK(packed <= count && !vc_view_is_packed(NULL));
}

static void arguments_of_vc_view_nbytes(void) {
  broken_view all[64];
  int count = break_view(image_in(pixels, cpu, u8), all);
  for (int i = 0; i < count; i++) CHECK(vc_view_nbytes(&all[i].view) <= INT64_MAX);
  CHECK_INT(vc_view_nbytes(NULL), 0);
}

static void arguments_of_vc_view_span(void) {
  broken_view all[64];
  vc_view view = image_in(pixels, cpu, u8);
  int count = break_view(view, all);
  int64_t low = 5, high = 6;
  vc_view_span(NULL, &low, &high);
  vc_view_span(&view, NULL, &high);
  vc_view_span(&view, &low, NULL);
  CHECK(low == 5 && high == 6);
  for (int i = 0; i < count; i++) {
    low = high = 77;
    vc_view_span(&all[i].view, &low, &high);
    CHECK(low <= 0 && high >= 0 && high != 77);
  }
}

static void arguments_of_vc_image_from_view(void) {
  vc_image out;
  vc_view view = image_in(pixels, cpu, u8);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"view\" is NULL", vc_image_from_view(NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_image_from_view(&view, NULL, into));
  REFUSES_BROKEN_VIEWS(&out, view, vc_image_from_view(broken, &out, into));
  view.strides[2] = 24;
  REFUSES_INTO(&out, VC_ERROR_LAYOUT, "vc_transform", vc_image_from_view(&view, &out, into));
}

static void arguments_of_vc_view_from_image(void) {
  vc_view view;
  vc_image image = {pixels, INT64_MIN, -1, INT64_MAX, INT32_MIN, {99, 99}};
  memset(&view, FILL, sizeof view);
  vc_view_from_image(NULL, cpu, false, &view);
  CHECK(is_filled(&view, sizeof view));
  vc_view_from_image(&image, cpu, false, NULL);
  vc_view_from_image(&image, cpu, false, &view); /* a description of what makes no sense */
  CHECK_INT(vc_view_check(&view, NULL), VC_ERROR_DTYPE);
}

static void arguments_of_vc_view_looks_planar(void) {
  broken_view all[64];
  int count = break_view(image_in(pixels, cpu, u8), all);
  for (int i = 0; i < count; i++) (void)vc_view_looks_planar(&all[i].view);
  CHECK(!vc_view_looks_planar(NULL));
}

/* ---------------------------------------------------------------------------- owners */

static void arguments_of_vc_owner_release(void) {
  vc_owner nobody = {0};
  vc_owner_release(NULL);
  vc_owner_release(&nobody);
}

static void arguments_of_vc_owner_split(void) {
  vc_owner owner = owner_of(true), part;
  REFUSES_INTO(&part, VC_ERROR_ARGUMENT, "\"owner\" is NULL", vc_owner_split(NULL, 2, &part, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_owner_split(&owner, 2, NULL, into));
  REFUSES_INTO(&part, VC_ERROR_ARGUMENT, "parts is 0", vc_owner_split(&owner, 0, &part, into));
  IS_MINE(owner);
}

static void arguments_of_vc_collect(void) { CHECK_INT(vc_collect(true), 0); }
static void arguments_of_vc_collect_pending(void) { CHECK(!vc_collect_pending()); }
static void arguments_of_vc_collect_notify(void) { vc_collect_notify(NULL); }
static void arguments_of_vc_collect_here(void) { vc_collect_here(NULL); }
static void arguments_of_vc_statistics_read(void) {
  vc_statistics now;
  memset(&now, 0, sizeof now);
  REFUSES(VC_ERROR_ARGUMENT, "\"out\"", vc_statistics_read(NULL, into));
  REFUSES(VC_ERROR_ARGUMENT, "vc_statistics.size is 0", vc_statistics_read(&now, into));
  CHECK(now.size == 0);
}

/* ---------------------------------------------------------------------------- DLPack */

static int64_t lengths[9] = {4, 6, 3}, distances[9] = {18, 3, 1};

static DLTensor good_tensor(void) {
  return (DLTensor){.data = pixels,
                    .device = {kDLCPU, 0},
                    .ndim = 3,
                    .dtype = {kDLUInt, 8, 1},
                    .shape = lengths,
                    .strides = distances};
}

typedef struct broken_tensor {
  DLTensor tensor;
  vc_status status;
  const char *part;
} broken_tensor;

static int break_tensor(broken_tensor out[32]) {
  int count = 0;
#define BREAK(status_, part_, ...)                              \
  do {                                                          \
    DLTensor tensor = good_tensor();                            \
    __VA_ARGS__;                                                \
    out[count++] = (broken_tensor){tensor, (status_), (part_)}; \
  } while (0)
  static int64_t negative[] = {4, -6, 3}, huge[] = {INT64_MAX, 2, 2};
  static int64_t far[] = {INT64_MAX, 3, 1}, back[] = {INT64_MIN, 3, 1};
  BREAK(VC_ERROR_LAYOUT, "rank", tensor.ndim = 0);
  BREAK(VC_ERROR_LAYOUT, "rank", tensor.ndim = -1);
  BREAK(VC_ERROR_LAYOUT, "rank", tensor.ndim = 9);
  BREAK(VC_ERROR_LAYOUT, "rank", tensor.ndim = INT32_MAX);
  BREAK(VC_ERROR_VALUE, "shape is NULL", tensor.shape = NULL);
  BREAK(VC_ERROR_VALUE, "0 or more", tensor.shape = negative);
  BREAK(VC_ERROR_VALUE, "64 bits", tensor.shape = huge);
  BREAK(VC_ERROR_VALUE, "64 bits", tensor.strides = far);
  BREAK(VC_ERROR_VALUE, "64 bits", tensor.strides = back);
  BREAK(VC_ERROR_VALUE, "data is NULL", tensor.data = NULL);
  BREAK(VC_ERROR_VALUE, "data is NULL", tensor.data = NULL, tensor.byte_offset = 8);
  BREAK(VC_ERROR_VALUE, "address space", tensor.byte_offset = UINT64_MAX);
  BREAK(VC_ERROR_DTYPE, "lanes", tensor.dtype.lanes = 0);
  BREAK(VC_ERROR_DTYPE, "lanes", tensor.dtype.lanes = 4);
  BREAK(VC_ERROR_DTYPE, "dtype", tensor.dtype.bits = 7);
  BREAK(VC_ERROR_DTYPE, "dtype", tensor.dtype.code = 99);
  BREAK(VC_ERROR_DEVICE, "device type", tensor.device.device_type = (DLDeviceType)77);
  BREAK(VC_ERROR_DEVICE, "device id", tensor.device = (DLDevice){kDLCUDA, -1});
#undef BREAK
  return count;
}

static void arguments_of_vc_view_from_dltensor(void) {
  vc_view out;
  DLTensor good = good_tensor();
  broken_tensor all[32];
  int count = break_tensor(all);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"dltensor\" is NULL",
               vc_view_from_dltensor(NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_view_from_dltensor(&good, NULL, into));
  for (int i = 0; i < count; i++)
    REFUSES_INTO(&out, all[i].status, all[i].part,
                 vc_view_from_dltensor(&all[i].tensor, &out, into));
}

static void never_deleted(DLManagedTensor *tensor) { CHECK(tensor == NULL); }
static void never_deleted_versioned(DLManagedTensorVersioned *tensor) { CHECK(tensor == NULL); }

/* What an import writes. */
typedef struct imported {
  vc_view view;
  vc_owner owner;
  uint64_t flags;
} imported;

static void arguments_of_vc_view_from_dlpack(void) {
  imported out;
  DLManagedTensor managed = {.dl_tensor = good_tensor(), .deleter = never_deleted};
  broken_tensor all[32];
  int count = break_tensor(all);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"tensor\" is NULL",
               vc_view_from_dlpack(NULL, &out.view, &out.owner, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"out\" is NULL",
               vc_view_from_dlpack(&managed, NULL, &out.owner, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"owner\" is NULL",
               vc_view_from_dlpack(&managed, &out.view, NULL, into));
  for (int i = 0; i < count; i++) {
    managed.dl_tensor = all[i].tensor;
    REFUSES_INTO(&out, all[i].status, all[i].part,
                 vc_view_from_dlpack(&managed, &out.view, &out.owner, into));
  }
}

static void arguments_of_vc_view_from_dlpack_versioned(void) {
  imported out;
  DLManagedTensorVersioned managed = {
      .version = {1, 0}, .deleter = never_deleted_versioned, .dl_tensor = good_tensor()};
  broken_tensor all[32];
  int count = break_tensor(all);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"tensor\" is NULL",
               vc_view_from_dlpack_versioned(NULL, &out.view, &out.owner, &out.flags, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"out\" is NULL",
               vc_view_from_dlpack_versioned(&managed, NULL, &out.owner, &out.flags, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"owner\" is NULL",
               vc_view_from_dlpack_versioned(&managed, &out.view, NULL, &out.flags, into));
  static const uint32_t versions[] = {0, 2, UINT32_MAX};
  for (int i = 0; i < 3; i++) {
    managed.version.major = versions[i];
    REFUSES_INTO(&out, VC_ERROR_VALUE, "version",
                 vc_view_from_dlpack_versioned(&managed, &out.view, &out.owner, &out.flags, into));
  }
  managed.version.major = 1;
  for (int i = 0; i < count; i++) {
    managed.dl_tensor = all[i].tensor;
    REFUSES_INTO(&out, all[i].status, all[i].part,
                 vc_view_from_dlpack_versioned(&managed, &out.view, &out.owner, &out.flags, into));
  }
}

static void arguments_of_vc_dlpack_from_view(void) {
  vc_owner owner = owner_of(true);
  DLManagedTensor *out;
  vc_view view = image_in(pixels, cpu, f32);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"view\" is NULL",
               vc_dlpack_from_view(NULL, &owner, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_dlpack_from_view(&view, &owner, NULL, into));
  REFUSES_BROKEN_VIEWS(&out, view, vc_dlpack_from_view(broken, &owner, &out, into));
  view.readonly = 1;
  REFUSES_INTO(&out, VC_ERROR_VALUE, "vc_dlpack_versioned_from_view",
               vc_dlpack_from_view(&view, &owner, &out, into));
  view.readonly = 0;
  view.strides[0] += 1;
  REFUSES_INTO(&out, VC_ERROR_LAYOUT, "multiple of the itemsize",
               vc_dlpack_from_view(&view, &owner, &out, into));
  IS_MINE(owner);
  view.strides[0] -= 1;
  if (CHECK_OK(vc_dlpack_from_view(&view, NULL, &out, &error))) out->deleter(out);
}

static void arguments_of_vc_dlpack_versioned_from_view(void) {
  vc_owner owner = owner_of(true);
  DLManagedTensorVersioned *out;
  vc_view view = image_in(pixels, cpu, f32);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"view\" is NULL",
               vc_dlpack_versioned_from_view(NULL, &owner, 0, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL",
          vc_dlpack_versioned_from_view(&view, &owner, 0, NULL, into));
  REFUSES_BROKEN_VIEWS(&out, view, vc_dlpack_versioned_from_view(broken, &owner, 0, &out, into));
  static const uint64_t flags[] = {4, 8, UINT64_C(1) << 63, UINT64_MAX};
  for (int i = 0; i < 4; i++)
    REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "flags are",
                 vc_dlpack_versioned_from_view(&view, &owner, flags[i], &out, into));
  IS_MINE(owner);
  if (CHECK_OK(vc_dlpack_versioned_from_view(&view, NULL, VC_DLPACK_IS_COPIED, &out, &error)))
    out->deleter(out);
}

/* -------------------------------------------------------------- CUDA Array Interface */

static vc_cuda_array good_array(void) {
  return (vc_cuda_array){.version = 3,
                         .data = (uintptr_t)pixels,
                         .ndim = 3,
                         .shape = {4, 6, 3},
                         .strides = {18, 3, 1},
                         .typestr = "|u1"};
}

static void arguments_of_vc_view_from_cuda_array(void) {
  vc_view out;
  vc_cuda_array good = good_array();
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"array\" is NULL",
               vc_view_from_cuda_array(NULL, gpu, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_view_from_cuda_array(&good, gpu, NULL, into));
#define BREAK(status, part, ...)                                                               \
  do {                                                                                         \
    vc_cuda_array array = good_array();                                                        \
    vc_device device = gpu;                                                                    \
    __VA_ARGS__;                                                                               \
    REFUSES_INTO(&out, (status), (part), vc_view_from_cuda_array(&array, device, &out, into)); \
    array.has_strides = true;                                                                  \
    REFUSES_INTO(&out, (status), (part), vc_view_from_cuda_array(&array, device, &out, into)); \
  } while (0)
  BREAK(VC_ERROR_VALUE, "version", array.version = 1);
  BREAK(VC_ERROR_VALUE, "version", array.version = INT64_MIN);
  BREAK(VC_ERROR_VALUE, "mask", array.has_mask = true);
  BREAK(VC_ERROR_LAYOUT, "rank", array.ndim = 0);
  BREAK(VC_ERROR_LAYOUT, "rank", array.ndim = 9);
  BREAK(VC_ERROR_LAYOUT, "rank", array.ndim = INT32_MIN);
  BREAK(VC_ERROR_VALUE, "0 or more", array.shape[1] = -6);
  BREAK(VC_ERROR_VALUE, "64 bits", array.shape[1] = INT64_MAX, array.shape[0] = INT64_MAX);
  BREAK(VC_ERROR_VALUE, "NULL", array.data = 0);
  BREAK(VC_ERROR_VALUE, "address space", array.data = UINTPTR_MAX);
  BREAK(VC_ERROR_DTYPE, "typestr", memset(array.typestr, 'x', sizeof array.typestr));
  BREAK(VC_ERROR_DTYPE, "typestr", array.typestr[0] = '\0');
  BREAK(VC_ERROR_DEVICE, "device type", device.type = 77);
  BREAK(VC_ERROR_DEVICE, "device id", device.id = -1);
#undef BREAK
}

static void arguments_of_vc_cuda_array_from_view(void) {
  vc_cuda_array out;
  vc_view view = image_in(pixels, gpu, f32);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"view\" is NULL",
               vc_cuda_array_from_view(NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_cuda_array_from_view(&view, NULL, into));
  REFUSES_BROKEN_VIEWS(&out, view, vc_cuda_array_from_view(broken, &out, into));
  view.device = cpu;
  REFUSES_INTO(&out, VC_ERROR_DEVICE, "host memory", vc_cuda_array_from_view(&view, &out, into));
  view = image_in(pixels, gpu, (vc_dtype){VC_BFLOAT, 16});
  REFUSES_INTO(&out, VC_ERROR_DTYPE, "bfloat16", vc_cuda_array_from_view(&view, &out, into));
}

static const tested_function functions[] = {
    TESTED(vc_version),
    TESTED(vc_version_number),
    TESTED(vc_dtype_size),
    TESTED(vc_dtype_name),
    TESTED(vc_dtype_typestr),
    TESTED(vc_dtype_from_typestr),
    TESTED(vc_cuda_mode),
    TESTED(vc_cuda_device_count),
    TESTED(vc_cuda_reason),
    TESTED(vc_cuda_pointer_device),
    TESTED(vc_cuda_host_kind),
    TESTED(vc_stream_same),
    TESTED(vc_stream_order),
    TESTED(vc_stream_synchronize),
    TESTED(vc_stream_is_capturing),
    TESTED(vc_stream_is_idle),
    TESTED(vc_event_record),
    TESTED(vc_event_done),
    TESTED(vc_event_release),
    TESTED(vc_cuda_warmup),
    TESTED(vc_view_check),
    TESTED(vc_view_packed),
    TESTED(vc_view_is_empty),
    TESTED(vc_view_is_packed),
    TESTED(vc_view_nbytes),
    TESTED(vc_view_span),
    TESTED(vc_image_from_view),
    TESTED(vc_view_from_image),
    TESTED(vc_view_looks_planar),
    TESTED(vc_owner_release),
    TESTED(vc_owner_split),
    TESTED(vc_collect),
    TESTED(vc_collect_pending),
    TESTED(vc_collect_notify),
    TESTED(vc_collect_here),
    TESTED(vc_statistics_read),
    TESTED(vc_view_from_dltensor),
    TESTED(vc_view_from_dlpack),
    TESTED(vc_view_from_dlpack_versioned),
    TESTED(vc_dlpack_from_view),
    TESTED(vc_dlpack_versioned_from_view),
    TESTED(vc_view_from_cuda_array),
    TESTED(vc_cuda_array_from_view),
};

int main(void) {
  has_gpu = getenv("SIMULATED_CUDA_DEVICES") != NULL;
  return test_functions(functions, sizeof functions / sizeof *functions);
}
