/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms of any views and parameters. The memory of each side is exactly what
 * its view spans, so that a sanitizer sees any byte too far. */
#include <stdlib.h>
#include <string.h>

#include <viewcast/viewcast.h>

#include "input.h"
#include "invariants.h"
#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_SOURCES 3

static double number_of(fuzz_input *in) {
  static const double known[] = {0, 1, -1, 0.5, 1.0 / 255, 255, 1e30, 1e-30, 1e300};
  uint8_t choice = take_byte(in);
  if (choice < sizeof known / sizeof known[0]) return known[choice];
  double number;
  uint64_t bits = take_bytes(in, sizeof bits);
  memcpy(&number, &bits, sizeof number);
  return number;
}

static vc_dtype dtype_of(fuzz_input *in) {
  static const vc_dtype known[] = {{VC_BOOL, 8},   {VC_INT, 8},     {VC_INT, 16},    {VC_INT, 32},
                                   {VC_INT, 64},   {VC_UINT, 8},    {VC_UINT, 16},   {VC_UINT, 32},
                                   {VC_UINT, 64},  {VC_FLOAT, 16},  {VC_BFLOAT, 16}, {VC_FLOAT, 32},
                                   {VC_FLOAT, 64}, {VC_COMPLEX, 64}};
  return known[take_byte(in) % (sizeof known / sizeof known[0])];
}

static vc_transform_params params_of(fuzz_input *in, double *means, double *stds,
                                     uint8_t *resizes) {
  vc_transform_params params;
  vc_transform_params_init(&params);
  uint8_t flags = take_byte(in);
  params.from = flags & 1 ? VC_PLANAR : VC_INTERLEAVED;
  params.to = flags & 2 ? VC_PLANAR : VC_INTERLEAVED;
  params.reverse_channels = flags & 4;
  if (flags & 8) params.scale = number_of(in);
  if (flags & 16) params.fill = number_of(in);
  if (flags & 32) params.mean = means;
  if (flags & 64) params.std = stds;
  params.mean_count = take_byte(in) % 6;
  params.std_count = take_byte(in) % 6;
  uint8_t threads = take_byte(in);
  params.threads = threads % 4;
  *resizes = threads >> 6;
  for (int i = 0; i < 6; i++) {
    means[i] = params.mean ? number_of(in) : 0;
    stds[i] = params.std ? number_of(in) : 0;
  }
  return params;
}

/* A resize to a small size; sometimes one that makes no sense. */
static void resize_of(fuzz_input *in, double *pad, vc_resize *out) {
  uint8_t flags = take_byte(in);
  vc_resize_init(out, length_of(in), length_of(in), (vc_interpolation)(flags % 8));
  out->fit = flags >> 3 & 3;
  if (flags & 32) out->shorter = length_of(in);
  if (flags & 64) out->pad = pad;
  out->pad_count = take_byte(in) % 6;
  for (int i = 0; i < 6; i++) pad[i] = out->pad ? number_of(in) : 0;
}

/* Up to three boxes of any values, near the image mostly. */
static void boxes_of(fuzz_input *in, double *values, vc_view *out) {
  vc_error error;
  const int64_t shape[] = {take_byte(in) % 4, 4 + take_byte(in) % 2};
  vc_device host = {VC_CPU, 0};
  vc_dtype f64 = {VC_FLOAT, 64};
  for (int i = 0; i < 15; i++) {
    uint8_t choice = take_byte(in);
    values[i] = choice < 240 ? choice % 12 - 1.5 : number_of(in);
  }
  MUST(vc_view_packed(values, host, f64, 2, shape, out, &error) == VC_OK);
}

/* The source's size in the destination's layout, with its own channel count. */
static void follow(fuzz_input *in, const vc_transform_params *params, size_t count,
                   const vc_view *from, vc_view *to) {
  bool batch = from->ndim == 4 || count > 1;
  int32_t first = from->ndim == 4, at = 0;
  int64_t rows = from->shape[first], cols = from->shape[first + 1], channels = 1;
  if (from->ndim > 2) {
    bool planar = params->from == VC_PLANAR;
    channels = from->shape[planar ? first : first + 2];
    rows = from->shape[planar ? first + 1 : first];
    cols = from->shape[planar ? first + 2 : first + 1];
  }
  uint8_t other = take_byte(in);
  if (other & 1) channels = 1 + other % 5;
  if (params->resize && other < 250) {
    rows = params->resize->rows;
    cols = params->resize->cols;
  }
  int64_t images = count > 1 ? (int64_t)count : from->shape[0];
  if (params->boxes) images = params->boxes->shape[0];
  if (batch || params->boxes) to->shape[at++] = images;
  if (params->to == VC_PLANAR) to->shape[at++] = channels;
  to->shape[at++] = rows;
  to->shape[at++] = cols;
  if (params->to != VC_PLANAR) to->shape[at++] = channels;
  to->ndim = at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  double means[6], stds[6], pad[6], values[15];
  vc_resize resize;
  vc_view boxes;
  vc_view from[MOST_SOURCES] = {{0}}, to = {.device = {VC_CPU, 0}};
  char *memory[MOST_SOURCES + 1] = {NULL};
  vc_error error;
  uint8_t resizes;
  vc_transform_params params = params_of(&in, means, stds, &resizes);
  size_t count = 1 + take_byte(&in) % MOST_SOURCES;
  if (resizes & 1) {
    resize_of(&in, pad, &resize);
    params.resize = &resize;
  }
  if (resizes & 2) {
    boxes_of(&in, values, &boxes);
    params.boxes = &boxes;
  }
  from[0].device = to.device;
  from[0].dtype = dtype_of(&in);
  to.dtype = dtype_of(&in);
  from[0].ndim = 2 + take_byte(&in) % 3;
  for (int32_t axis = 0; axis < from[0].ndim; axis++) from[0].shape[axis] = length_of(&in);
  follow(&in, &params, count, &from[0], &to);
  bool ready = true;
  for (size_t i = 0; i < count; i++) {
    from[i] = from[0];
    lay_out(&in, &from[i]);
    memory[i] = give_memory(&from[i]);
    ready = ready && memory[i];
  }
  lay_out(&in, &to);
  memory[MOST_SOURCES] = give_memory(&to);
  if (take_byte(&in) == 77) to.data = from[0].data; /* shared memory is refused */
  if (ready && memory[MOST_SOURCES]) vc_ignore(vc_transform(&to, from, count, &params, 0, &error));
  for (size_t i = 0; i <= MOST_SOURCES; i++) free(memory[i]);
  return 0;
}
