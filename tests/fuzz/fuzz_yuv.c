/* SPDX-License-Identifier: Apache-2.0 */
/* YUV images of any planes and parameters: read by vc_transform, and written. The memory of each
 * plane is exactly what its view spans (memory.h). */
#include <stdlib.h>
#include <string.h>

#include <viewcast/viewcast.h>

#include "input.h"
#include "invariants.h"
#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLANES = 3 };

/* Mostly what the format needs of plane `index` of an image of rows x cols. */
static void plane_of(fuzz_input *in, const vc_yuv_shape *shape, int index, int64_t rows,
                     int64_t cols, vc_view *out) {
  uint8_t other = take_byte(in);
  bool pairs = index > 0 && shape->planes == 2;
  *out = (vc_view){.device = {VC_CPU, 0}, .ndim = 2};
  out->dtype = (vc_dtype){VC_UINT, shape->bits > 8 ? 16 : 8};
  out->shape[0] = index == 0 ? rows : (rows + shape->rows - 1) / shape->rows;
  out->shape[1] = index == 0 ? cols : (cols + shape->cols - 1) / shape->cols;
  if (pairs) out->shape[out->ndim++] = 2;
  if (other == 255) out->dtype.bits = 32;
  if (other == 254) out->shape[1] += 1;
  if (other == 253) out->shape[0] -= out->shape[0] > 0;
  if (other == 252) out->ndim = 1;
  if (other == 251) out->readonly = 1;
  lay_out(in, out);
}

/* An image in planes, or in one array with the rows of all of them. False: not enough memory. */
static bool image_of(fuzz_input *in, int64_t rows, int64_t cols, vc_yuv *out, char **memory) {
  vc_error error;
  vc_yuv_shape shape = {3, 8, 2, 2};
  bool known = vc_yuv_shape_of(out->format, &shape);
  if (take_byte(in) & 1) {
    vc_view array;
    int64_t all = shape.rows == 2 ? rows * 3 / 2 : shape.cols == 2 ? 2 * rows : 3 * rows;
    plane_of(in, &shape, 0, all, cols, &array);
    memory[0] = give_memory(&array);
    if (!memory[0]) return false;
    vc_status status = vc_yuv_split(&array, out->format, out, &error);
    MUST(known || status == VC_ERROR_ARGUMENT);
    return status == VC_OK;
  }
  for (int i = 0; i < shape.planes; i++) {
    plane_of(in, &shape, i, rows, cols, &out->planes[i]);
    memory[i] = give_memory(&out->planes[i]);
    if (!memory[i]) return false;
  }
  return true;
}

/* Reads the image as u8, f32 or u16, resized or not. */
static void read_image(fuzz_input *in, const vc_yuv *yuv) {
  vc_error error;
  vc_resize resize;
  vc_view from, to = {.device = {VC_CPU, 0}, .ndim = 3};
  static const vc_dtype dtypes[] = {{VC_UINT, 8}, {VC_FLOAT, 32}, {VC_UINT, 16}, {VC_FLOAT, 16}};
  vc_transform_params params;
  vc_transform_params_init(&params);
  uint8_t flags = take_byte(in);
  params.to = flags & 1 ? VC_PLANAR : VC_INTERLEAVED;
  params.reverse_channels = flags & 2;
  params.scale = flags & 4 ? 0.5 : 1;
  params.threads = flags >> 3 & 3;
  params.yuv = yuv;
  if (vc_yuv_image(yuv, &from, &error) != VC_OK) {
    from = (vc_view){.device = to.device, .ndim = 3, .shape = {4, 4, 3}, .strides = {12, 3, 1}};
    from.dtype = (vc_dtype){VC_UINT, 8};
    from.data = yuv->planes[0].data;
  }
  vc_resize_init(&resize, from.shape[0], from.shape[1], VC_LINEAR);
  if (flags & 32) vc_resize_init(&resize, length_of(in), length_of(in), flags >> 6);
  resize.fit = flags & 64 ? VC_LETTERBOX : VC_STRETCH;
  if (flags & 32) params.resize = &resize;
  int rows = params.to == VC_PLANAR ? 1 : 0;
  to.shape[rows] = resize.rows;
  to.shape[rows + 1] = resize.cols;
  to.shape[rows ? 0 : 2] = 3;
  to.dtype = dtypes[take_byte(in) % 4];
  lay_out(in, &to);
  char *memory = give_memory(&to);
  if (memory) vc_ignore(vc_transform(&to, &from, 1, &params, VC_STREAM_NONE, &error));
  free(memory);
}

/* Writes the image from RGB of nearly its size. */
static void write_image(fuzz_input *in, int64_t rows, int64_t cols, const vc_yuv *yuv) {
  vc_error error;
  uint8_t flags = take_byte(in);
  bool planar = flags & 1;
  vc_view from = {.device = {VC_CPU, 0}, .ndim = 3, .dtype = {VC_UINT, 8}};
  from.shape[planar ? 1 : 0] = rows + (flags == 255);
  from.shape[planar ? 2 : 1] = cols;
  from.shape[planar ? 0 : 2] = flags == 254 ? 4 : 3;
  lay_out(in, &from);
  char *memory = give_memory(&from);
  if (take_byte(in) == 77) from.data = yuv->planes[0].data; /* shared memory is refused */
  vc_layout layout = planar ? VC_PLANAR : VC_INTERLEAVED;
  if (memory && from.data) vc_ignore(vc_yuv_write(yuv, &from, layout, flags & 2, 0, &error));
  free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  vc_yuv yuv;
  char *memory[PLANES] = {NULL};
  vc_yuv_init(&yuv, (vc_yuv_format)(take_byte(&in) % 15), (vc_matrix)(take_byte(&in) % 5),
              (vc_range)(take_byte(&in) % 4));
  if (take_byte(&in) & 1) yuv.depth = take_byte(&in) % 32;
  int64_t rows = length_of(&in), cols = length_of(&in);
  bool reads = take_bool(&in);
  if (image_of(&in, rows, cols, &yuv, memory)) {
    if (reads) {
      read_image(&in, &yuv);
    } else {
      write_image(&in, rows, cols, &yuv);
    }
  }
  for (int i = 0; i < PLANES; i++) free(memory[i]);
  return 0;
}
