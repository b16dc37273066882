/* SPDX-License-Identifier: Apache-2.0 */
/* Every function of viewcast.h but GpuMat's and the pools' (test_arguments_gpumat.c), with
 * every kind of wrong argument. In host mode, and with a simulated CUDA device. */
#include <dlpack/dlpack.h>
#include <float.h>

#include "arguments.h"

static bool has_gpu;
static _Alignas(64) uint8_t other_pixels[1 << 14];

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
static const vc_stream wrong_streams[] = {-2, -5, INTPTR_MIN};

#define REFUSES_DEVICES(out, call)                                            \
  for (size_t n = 0; n < sizeof wrong_devices / sizeof *wrong_devices; n++) { \
    int32_t wrong = wrong_devices[n];                                         \
    REFUSES_INTO(out, VC_ERROR_DEVICE, "no CUDA device", call);               \
  }
#define REFUSES_STREAMS(out, call)                                            \
  for (size_t n = 0; n < sizeof wrong_streams / sizeof *wrong_streams; n++) { \
    vc_stream wrong = wrong_streams[n];                                       \
    REFUSES_INTO(out, VC_ERROR_ARGUMENT, "stream is -", call);                \
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

/* ------------------------------------------------------------------------ transforms */

/* The pixels of a destination are its output. */
static void arguments_of_vc_copy(void) {
  vc_view to = image_in(pixels, cpu, f32), from = image_in(other_pixels, cpu, f32), part;
  REFUSES(VC_ERROR_ARGUMENT, "\"to\" is NULL", vc_copy(NULL, &from, 0, into));
  REFUSES_INTO(&pixels, VC_ERROR_ARGUMENT, "\"from\" is NULL", vc_copy(&to, NULL, 0, into));
  REFUSES_BROKEN_VIEWS(&pixels, to, vc_copy(broken, &from, 0, into));
  REFUSES_BROKEN_VIEWS(&pixels, from, vc_copy(&to, broken, 0, into));
  REFUSES_STREAMS(&pixels, vc_copy(&to, &from, wrong, into));
  part = to, part.readonly = 1;
  REFUSES_INTO(&pixels, VC_ERROR_VALUE, "read-only", vc_copy(&part, &from, 0, into));
  part = to, part.shape[0] = 3;
  REFUSES_INTO(&pixels, VC_ERROR_LAYOUT, "shape and dtype", vc_copy(&part, &from, 0, into));
  part = to, part.dtype.code = VC_INT;
  REFUSES_INTO(&pixels, VC_ERROR_LAYOUT, "shape and dtype", vc_copy(&part, &from, 0, into));
  part = to, part.strides[0] = 0;
  REFUSES_INTO(&pixels, VC_ERROR_LAYOUT, "overlap", vc_copy(&part, &from, 0, into));
  part = to, part.data = pixels + 8;
  REFUSES_INTO(&pixels, VC_ERROR_VALUE, "shares memory", vc_copy(&to, &part, 0, into));
  REFUSES_INTO(&pixels, VC_ERROR_VALUE, "shares memory", vc_copy(&to, &to, 0, into));
  part = from, part.device = (vc_device){VC_CUDA, 77};
  REFUSES_INTO(&pixels, VC_ERROR_DEVICE, "no CUDA device", vc_copy(&to, &part, 0, into));
  REFUSES_INTO(&pixels, VC_ERROR_DEVICE, "no CUDA device", vc_copy(&part, &to, 0, into));
}

/* vc_transform, which vc_transform_check must have answered for. */
static vc_status transform_checked(const vc_view *to, const vc_view *from, size_t count,
                                   const vc_transform_params *params, vc_stream stream,
                                   vc_error *filled) {
  vc_error found = {VC_OK, ""};
  vc_status foretold = vc_transform_check(to, from, count, params, stream, &found);
  vc_status status = vc_transform(to, from, count, params, stream, filled);
  CHECK_INT(foretold, status);
  if (filled && status != VC_OK && !strstr(found.message, "is NULL")) /* which names the function */
    CHECK_TEXT(found.message, filled->message);
  return status;
}

static vc_transform_params defaults(void) {
  vc_transform_params params;
  vc_transform_params_init(&params);
  return params;
}

static void refuses_params(void) {
  static double numbers[600];
  vc_view to = image_in(pixels, cpu, f32), from = image_in(other_pixels, cpu, u8);
#define BREAK(status, part, ...)                                                                 \
  do {                                                                                           \
    vc_transform_params params = defaults();                                                     \
    __VA_ARGS__;                                                                                 \
    REFUSES_INTO(&pixels, (status), (part), transform_checked(&to, &from, 1, &params, 0, into)); \
  } while (0)
  BREAK(VC_ERROR_ARGUMENT, "size is 0", memset(&params, 0, sizeof params));
  BREAK(VC_ERROR_ARGUMENT, "size is 1", params.size = 1);
  BREAK(VC_ERROR_ARGUMENT, "size is", params.size -= 1);
  BREAK(VC_ERROR_ARGUMENT, "size is", params.size = SIZE_MAX);
  BREAK(VC_ERROR_ARGUMENT, "size is", params.size = 4097);
  BREAK(VC_ERROR_ARGUMENT, "params->from is 99", params.from = (vc_layout)99);
  BREAK(VC_ERROR_ARGUMENT, "params->to is 2", params.to = (vc_layout)2);
  BREAK(VC_ERROR_ARGUMENT, "params->to is -1", params.to = (vc_layout)-1);
  BREAK(VC_ERROR_ARGUMENT, "params->threads is -1", params.threads = -1);
  BREAK(VC_ERROR_ARGUMENT, "params->threads", params.threads = INT32_MIN);
  BREAK(VC_ERROR_ARGUMENT, "mean has -1 values", params.mean_count = -1);
  BREAK(VC_ERROR_ARGUMENT, "mean has 0 values", params.mean = numbers);
  BREAK(VC_ERROR_ARGUMENT, "mean has 600 values", params.mean = numbers, params.mean_count = 600);
  BREAK(VC_ERROR_ARGUMENT, "std has -3 values", params.std = numbers, params.std_count = -3);
  BREAK(VC_ERROR_ARGUMENT, "std has -2147483648", params.std_count = INT32_MIN);
  BREAK(VC_ERROR_ARGUMENT, "std 0", params.std = numbers, params.std_count = 1);
  BREAK(VC_ERROR_ARGUMENT, "scale nan", params.scale = (double)NAN);
  BREAK(VC_ERROR_ARGUMENT, "scale inf", params.scale = (double)INFINITY);
  BREAK(VC_ERROR_ARGUMENT, "finite", params.scale = DBL_MAX);
#undef BREAK
}

/* A caller whose header has more fields: what this library does not know must be 0. */
static void reads_longer_params(void) {
  struct {
    vc_transform_params known;
    int64_t later;
  } params = {.known = defaults()};
  vc_view to = image_in(pixels, cpu, f32), from = image_in(other_pixels, cpu, u8);
  params.known.size = sizeof params;
  CHECK_OK(transform_checked(&to, &from, 1, &params.known, 0, &error));
  params.later = 1;
  REFUSES_INTO(&pixels, VC_ERROR_ARGUMENT, "knows",
               transform_checked(&to, &from, 1, &params.known, 0, into));
}

/* The sources are one block on the heap, so that a read after it is seen by ASan. */
static void refuses_counts(void) {
  vc_view *from = malloc(sizeof *from), to = image_in(pixels, cpu, f32), batch = to;
  vc_transform_params params = defaults();
  if (!CHECK(from != NULL)) return;
  *from = image_in(other_pixels, cpu, u8);
  batch.ndim = 4;
  const int64_t shape[] = {2, 4, 6, 3};
  CHECK_OK(vc_view_packed(pixels, cpu, f32, 4, shape, &batch, &error));
  static const size_t counts[] = {2, 3, 1000, SIZE_MAX / 2, SIZE_MAX};
  REFUSES_INTO(&pixels, VC_ERROR_ARGUMENT, "no source",
               transform_checked(&to, from, 0, &params, 0, into));
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    REFUSES_INTO(&pixels, VC_ERROR_LAYOUT, "needs as many",
                 transform_checked(&to, from, counts[i], &params, 0, into));
    if (counts[i] != 2)
      REFUSES_INTO(&pixels, VC_ERROR_LAYOUT, "needs as many",
                   transform_checked(&batch, from, counts[i], &params, 0, into));
  }
  REFUSES_INTO(&pixels, VC_ERROR_LAYOUT, "needs as many",
               transform_checked(&batch, from, 1, &params, 0, into));
  free(from);
}

static void arguments_of_vc_transform(void) {
  const int64_t shape[] = {2, 4, 6, 3};
  vc_view to = image_in(pixels, cpu, f32), from = image_in(other_pixels, cpu, f32), part, both[2];
  vc_transform_params params = defaults();
  vc_transform_params_init(NULL);
  REFUSES(VC_ERROR_ARGUMENT, "\"to\" is NULL", transform_checked(NULL, &from, 1, &params, 0, into));
  REFUSES_INTO(&pixels, VC_ERROR_ARGUMENT, "\"from\" is NULL",
               transform_checked(&to, NULL, 1, &params, 0, into));
  REFUSES_INTO(&pixels, VC_ERROR_ARGUMENT, "\"params\" is NULL",
               transform_checked(&to, &from, 1, NULL, 0, into));
  REFUSES_BROKEN_VIEWS(&pixels, to, transform_checked(broken, &from, 1, &params, 0, into));
  REFUSES_BROKEN_VIEWS(&pixels, from, transform_checked(&to, broken, 1, &params, 0, into));
  CHECK_OK(vc_view_packed(pixels, cpu, f32, 4, shape, &part, &error));
  both[0] = from;
  REFUSES_BROKEN_VIEWS(&pixels, from,
                       (both[1] = *broken, transform_checked(&part, both, 2, &params, 0, into)));
  REFUSES_STREAMS(&pixels, transform_checked(&to, &from, 1, &params, wrong, into));
  part = to, part.readonly = 1;
  REFUSES_INTO(&pixels, VC_ERROR_VALUE, "read-only",
               transform_checked(&part, &from, 1, &params, 0, into));
  part = to, part.data = pixels + 8;
  REFUSES_INTO(&pixels, VC_ERROR_VALUE, "shares memory",
               transform_checked(&to, &part, 1, &params, 0, into));
  part = to, part.ndim = 1;
  REFUSES_INTO(&pixels, VC_ERROR_LAYOUT, "rank 1",
               transform_checked(&part, &from, 1, &params, 0, into));
  part = from, part.device = gpu;
  REFUSES_INTO(&pixels, VC_ERROR_DEVICE, "vc_copy",
               transform_checked(&to, &part, 1, &params, 0, into));
  both[0] = to, both[0].device = both[1].device = part.device = (vc_device){VC_CUDA, 77};
  REFUSES_INTO(&pixels, VC_ERROR_DEVICE, "no CUDA device",
               transform_checked(&both[0], &part, 1, &params, 0, into));
  refuses_params();
  reads_longer_params();
  refuses_counts();
}

/* What transform_checked has compared with vc_transform, all of it. */
static void arguments_of_vc_resize_placement(void) {
  vc_resize resize;
  vc_placement out;
  vc_resize_init(&resize, 4, 6, VC_AREA);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"resize\" is NULL",
               vc_resize_placement(NULL, 1, 1, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_resize_placement(&resize, 1, 1, NULL, into));
  static const int64_t wrong[] = {0, -1, INT64_MIN, INT64_C(1) << 31, INT64_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "needs sides of 1",
                 vc_resize_placement(&resize, wrong[i], 1, &out, into));
    REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "needs sides of 1",
                 vc_resize_placement(&resize, 1, wrong[i], &out, into));
    resize.rows = wrong[i];
    REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "resize->rows",
                 vc_resize_placement(&resize, 1, 1, &out, into));
    resize.rows = 4;
  }
  resize.size -= 1;
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "size is", vc_resize_placement(&resize, 1, 1, &out, into));
}

/* An array of (12, 8) samples, all planes of an image in formats of 8 bits. */
static vc_view samples(void) {
  vc_view out = image_in(pixels, cpu, u8);
  out.ndim = 2;
  out.shape[0] = 12;
  out.shape[1] = out.strides[0] = 8;
  out.strides[1] = 1;
  return out;
}

static void arguments_of_vc_yuv_split(void) {
  vc_yuv out;
  vc_view array = samples();
  static const int32_t wrong[] = {0, -1, VC_YUV444P10 + 1, INT32_MIN, INT32_MAX};
  memset(&out, 0, sizeof out);
  CHECK_OK(vc_yuv_split(&array, VC_NV12, &out, &error));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"array\" is NULL",
               vc_yuv_split(NULL, VC_NV12, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_yuv_split(&array, VC_NV12, NULL, into));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "yuv->format",
                 vc_yuv_split(&array, wrong[i], &out, into));
  }
  array.shape[0] = 11;
  REFUSES_INTO(&out, VC_ERROR_LAYOUT, "multiple of 3", vc_yuv_split(&array, VC_NV12, &out, into));
  array.ndim = 1;
  REFUSES_INTO(&out, VC_ERROR_LAYOUT, "wrong rank", vc_yuv_split(&array, VC_NV12, &out, into));
}

static void arguments_of_vc_yuv_image(void) {
  vc_yuv yuv;
  vc_view array = samples(), out;
  vc_yuv_init(&yuv, VC_NV12, VC_BT709, VC_FULL_RANGE);
  CHECK_OK(vc_yuv_split(&array, VC_NV12, &yuv, &error));
  CHECK_OK(vc_yuv_image(&yuv, &out, &error));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"yuv\" is NULL", vc_yuv_image(NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_yuv_image(&yuv, NULL, into));
  yuv.size -= 1;
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "size is", vc_yuv_image(&yuv, &out, into));
  yuv.size += 1;
  yuv.matrix = 0;
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "yuv->matrix", vc_yuv_image(&yuv, &out, into));
  yuv.matrix = VC_BT709;
  yuv.range = 3;
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "yuv->range", vc_yuv_image(&yuv, &out, into));
  yuv.range = VC_FULL_RANGE;
  yuv.depth = 12;
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "yuv->depth", vc_yuv_image(&yuv, &out, into));
}

static void arguments_of_vc_yuv_write(void) {
  uint8_t memory[12 * 8];
  vc_yuv yuv;
  vc_view array = samples(), from = image_in(other_pixels, cpu, u8);
  array.data = memory;
  from.ndim = 3;
  from.shape[0] = from.shape[1] = 8;
  from.shape[2] = 3;
  from.strides[0] = 8; /* elements of a source may share memory */
  from.strides[1] = from.strides[2] = 1;
  memset(memory, FILL, sizeof memory);
  vc_yuv_init(&yuv, VC_NV12, VC_BT709, VC_FULL_RANGE);
  CHECK_OK(vc_yuv_split(&array, VC_NV12, &yuv, &error));
  REFUSES(VC_ERROR_ARGUMENT, "\"to\" is NULL",
          vc_yuv_write(NULL, &from, VC_INTERLEAVED, false, 0, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"from\" is NULL",
          vc_yuv_write(&yuv, NULL, VC_INTERLEAVED, false, 0, into));
  REFUSES(VC_ERROR_ARGUMENT, "layout is 2",
          vc_yuv_write(&yuv, &from, (vc_layout)2, false, 0, into));
  yuv.range = 0;
  REFUSES(VC_ERROR_ARGUMENT, "yuv->range",
          vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, into));
  yuv.range = VC_FULL_RANGE;
  from.ndim = 1;
  REFUSES(VC_ERROR_LAYOUT, "rank 1", vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, into));
  from.ndim = 3;
  CHECK(is_filled(memory, sizeof memory));
  CHECK_OK(vc_yuv_write(&yuv, &from, VC_INTERLEAVED, false, 0, &error));
}

static void arguments_of_vc_transform_check(void) {
  vc_view to = image_in(pixels, cpu, f32), from = image_in(other_pixels, cpu, u8);
  vc_transform_params params = defaults();
  memset(pixels, FILL, sizeof pixels);
  CHECK_OK(vc_transform_check(&to, &from, 1, &params, 0, &error));
  CHECK(is_filled(pixels, sizeof pixels));
  arguments_of_vc_transform();
}

static void arguments_of_vc_views_find_overlap(void) {
  vc_overlap out;
  vc_view to = image_in(pixels, cpu, f32), from = image_in(other_pixels, cpu, u8);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"to\" is NULL",
               vc_views_find_overlap(NULL, 1, &from, 1, &out, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"from\" is NULL",
               vc_views_find_overlap(&to, 1, NULL, 1, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL",
          vc_views_find_overlap(&to, 1, &from, 1, NULL, into));
  REFUSES_BROKEN_VIEWS(&out, to, vc_views_find_overlap(broken, 1, &from, 1, &out, into));
  REFUSES_BROKEN_VIEWS(&out, from, vc_views_find_overlap(&to, 1, broken, 1, &out, into));
  CHECK_OK(vc_views_find_overlap(NULL, 0, NULL, 0, &out, &error));
  CHECK_INT(out.kind, VC_OVERLAPS_NOTHING);
}

static void arguments_of_vc_transform_set_threads(void) {
  int32_t before = vc_transform_set_threads(3);
  CHECK_INT(vc_transform_set_threads(-1), -1);
  CHECK_INT(vc_transform_set_threads(INT32_MIN), -1);
  CHECK_INT(vc_transform_set_threads(before), 3);
}

/* Any two numbers of channels: what no image has adds no alpha. */
static void arguments_of_vc_transform_adds_alpha(void) {
  static const int64_t wrong[] = {INT64_MIN, -1, 0, 5, INT64_MAX};
  CHECK(vc_transform_adds_alpha(3, 4));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK(!vc_transform_adds_alpha(wrong[i], 4));
    CHECK(!vc_transform_adds_alpha(3, wrong[i]));
  }
}

static void arguments_of_vc_transform_simd(void) { CHECK(vc_transform_simd() != NULL); }
static void arguments_of_vc_transform_kernels(void) { CHECK(vc_transform_kernels() != NULL); }

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
    TESTED(vc_copy),
    TESTED(vc_transform),
    TESTED(vc_transform_check),
    TESTED(vc_resize_placement),
    TESTED(vc_yuv_split),
    TESTED(vc_yuv_image),
    TESTED(vc_yuv_write),
    TESTED(vc_views_find_overlap),
    TESTED(vc_transform_set_threads),
    TESTED(vc_transform_adds_alpha),
    TESTED(vc_transform_simd),
    TESTED(vc_transform_kernels),
};

int main(void) {
  has_gpu = getenv("SIMULATED_CUDA_DEVICES") != NULL;
  return test_functions(functions, sizeof functions / sizeof *functions);
}
