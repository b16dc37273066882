/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that copy and transform images, with every kind of wrong argument. In host mode,
 * and with a simulated CUDA device. */
#include <float.h>

#include "arguments.h"

static _Alignas(64) uint8_t other_pixels[1 << 14];

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
  static const int32_t wrong[] = {0, -1, VC_YUV444P16 + 1, INT32_MIN, INT32_MAX};
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

int main(void) { return test_functions(functions, sizeof functions / sizeof *functions); }
