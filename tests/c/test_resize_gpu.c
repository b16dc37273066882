/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms with a resize on a GPU, against a simulated driver that runs the real kernels on
 * the host: one launch for each transform, and every byte is that of the CPU, whose results
 * test_resize.c and the Python tests compare with references. Needs the simulated libcuda.so.1
 * on LD_LIBRARY_PATH (meson sees to it). */
#include <math.h>
#include <stdlib.h>

#include "chance.h"
#include "check.h"
#include "kernels_on_host.h"
#include "mixed_strides.h"
#include "simulated_functions.h"
#include "transform/dispatch.h"
#include "transform/embedded_kernels.h"

/* In the place of the library's own, so that these tests need no compiler. */
const vc_kernel_image vc_kernel_images[1] = {{"sm_90", 90, false, "of 9.0", 7}};
const int32_t vc_kernel_image_count = 1;
const char vc_kernels_names[] = "simulated";
const char vc_kernels_compiler[] = "0.0";

static vc_error error;

static void check_undisturbed(void) {
  CHECK_INT(sim_current(), -1);
  CHECK_INT(sim_depth(), 0);
  if (!CHECK_INT(sim_errors(), 0)) fprintf(stderr, "%s\n", sim_last_error());
}

static bool launched[512];

static int note_kernel(const char *name, const unsigned sizes[6], void **parameters) {
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    if (strcmp(vc_kernel_names[i], name) == 0) launched[i] = true;
  }
  return run_kernel(name, sizes, parameters);
}

/* -------------------------------------------------------------------- chance */

static uint64_t seed = 20261127;

static int64_t draw_side(void) {
  switch (draw(4)) {
    case 0: return 1 + draw(4);
    case 1: return 1 + draw(20);
    case 2: return 8 * (1 + draw(8));
    default: return 1 + draw(90);
  }
}

/* -------------------------------------------------------------------- images */

typedef struct {
  char *memory;
  size_t bytes;
  vc_view view;
} picture;

/* Random bytes; for floating types numbers of moderate size. */
static void fill_picture(picture *image) {
  vc_dtype dtype = image->view.dtype;
  for (size_t i = 0; i < image->bytes; i++) image->memory[i] = (char)draw_bits();
  if (dtype.code != VC_FLOAT) return;
  for (size_t i = 0; i + 8 <= image->bytes; i += dtype.bits / 8u) {
    double value = (draw(4000) - 1000) / 7.0;
    float single = (float)value;
    if (dtype.bits == 16 && !one_in(60)) image->memory[i + 1] &= 0x5b; /* few infinities, NaNs */
    if (dtype.bits == 32) memcpy(image->memory + i, &single, sizeof single);
    if (dtype.bits == 64) memcpy(image->memory + i, &value, sizeof value);
  }
}

/* A batch (N, H, W, C) or (N, C, H, W), or without N for images = 0; rows may be pitched and
 * flipped, and lie at any element. */
static picture new_picture(vc_dtype dtype, vc_layout layout, int64_t images, int64_t rows,
                           int64_t cols, int64_t channels) {
  picture out = {0};
  vc_view *view = &out.view;
  int64_t size = (int64_t)vc_dtype_size(dtype);
  bool planar = layout == VC_PLANAR;
  int64_t gap = one_in(3) ? size * draw(7) : 0, offset = one_in(3) ? size * draw(9) : 0;
  int64_t col = planar ? size : size * channels, row = col * cols + gap, plane = row * rows;
  int64_t image = planar ? plane * channels : plane;
  int batch = images > 0;
  *view = (vc_view){.device = {VC_CUDA, 0}, .dtype = dtype, .ndim = 3 + batch};
  int at_row = batch + planar, at_channel = planar ? batch : batch + 2;
  view->shape[0] = images;
  view->strides[0] = image;
  view->shape[at_row] = rows;
  view->strides[at_row] = row;
  view->shape[at_row + 1] = cols;
  view->strides[at_row + 1] = col;
  view->shape[at_channel] = channels;
  view->strides[at_channel] = planar ? plane : size;
  void *memory = NULL;
  out.bytes = (size_t)(image * (batch ? images : 1) + offset + 64);
  if (posix_memalign(&memory, 256, out.bytes) != 0) abort();
  out.memory = memory;
  fill_picture(&out);
  view->data = out.memory + 32 + offset;
  if (one_in(6)) { /* from the last row to the first */
    view->data = (char *)view->data + row * (rows - 1);
    view->strides[at_row] = -row;
  }
  return out;
}

static void mix_picture(picture *of, bool written) {
  free(of->memory);
  of->memory = mix_strides(&of->view, written, &of->bytes);
  fill_picture(of);
}

/* -------------------------------------- what the GPU writes is what the CPU does */

static vc_view on_host(vc_view view) {
  view.device = (vc_device){VC_CPU, 0};
  return view;
}

static void explain(const vc_resize *resize, const picture *to, const vc_view *from,
                    const char *written) {
  size_t i = 0;
  while (i < to->bytes && written[i] == to->memory[i]) i++;
  fprintf(stderr,
          "  kernel %s, byte %zd: %02x, on the CPU %02x; interpolation %d, fit %d, "
          "%lld x %lld; from %s (%lld, %lld, %lld) to %s\n",
          sim_last_kernel(), (char *)(to->memory + i) - (char *)to->view.data, (uint8_t)written[i],
          (uint8_t)to->memory[i], (int)resize->interpolation, (int)resize->fit,
          (long long)resize->rows, (long long)resize->cols, vc_dtype_name(from->dtype),
          (long long)from->shape[0], (long long)from->shape[1], (long long)from->shape[2],
          vc_dtype_name(to->view.dtype));
}

/* Both write to the same memory, one after the other. */
static void check_same(picture *to, const vc_view *from, size_t count,
                       const vc_transform_params *params) {
  vc_view host[2 * VC_TABLE_RESIZED], host_to = on_host(to->view), host_boxes;
  vc_transform_params host_params = *params;
  char *before = malloc(to->bytes), *written = malloc(to->bytes);
  memcpy(before, to->memory, to->bytes);
  for (size_t i = 0; i < count; i++) host[i] = on_host(from[i]);
  if (params->boxes) {
    host_boxes = on_host(*params->boxes);
    host_params.boxes = &host_boxes;
  }
  int launches = sim_calls("cuLaunchKernel");
  bool right = CHECK_OK(vc_transform(&to->view, from, count, params, 0, &error));
  right &= CHECK_INT(sim_calls("cuLaunchKernel") - launches, 1);
  memcpy(written, to->memory, to->bytes);
  memcpy(to->memory, before, to->bytes);
  right &= CHECK_OK(vc_transform(&host_to, host, count, &host_params, 0, &error));
  right &= CHECK(memcmp(written, to->memory, to->bytes) == 0);
  if (!right) explain(params->resize, to, from, written);
  free(before);
  free(written);
}

static const vc_dtype dtypes[] = {
    {VC_UINT, 8},   {VC_UINT, 8},   {VC_UINT, 8},    {VC_UINT, 8}, {VC_FLOAT, 16},
    {VC_FLOAT, 32}, {VC_FLOAT, 64}, {VC_UINT, 16},   {VC_INT, 16}, {VC_INT, 8},
    {VC_INT, 32},   {VC_UINT, 64},  {VC_BFLOAT, 16}, {VC_BOOL, 8},
};

static vc_dtype draw_dtype(void) {
  vc_dtype out = dtypes[draw(sizeof dtypes / sizeof *dtypes)];
  return out;
}

static const int channel_pairs[][2] = {{1, 1}, {3, 3}, {3, 3}, {4, 4}, {3, 4}, {4, 3},
                                       {1, 3}, {1, 4}, {2, 2}, {2, 1}, {2, 4}};

static double draw_mean[4], draw_std[4], draw_pad[4];

static vc_transform_params draw_params(int channels) {
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.from = one_in(4) ? VC_PLANAR : VC_INTERLEAVED;
  params.to = one_in(2) ? VC_PLANAR : VC_INTERLEAVED;
  params.reverse_channels = one_in(2);
  if (one_in(3)) params.fill = draw(300) - 20;
  if (one_in(3)) return params;
  if (one_in(2)) params.scale = 1 / 255.0;
  for (int c = 0; c < channels; c++) {
    draw_mean[c] = (draw(200) - 100) / 64.0;
    draw_std[c] = (draw(100) + 1) / 32.0;
  }
  params.mean = one_in(3) ? NULL : draw_mean;
  params.std = one_in(3) ? NULL : draw_std;
  params.mean_count = params.std_count = one_in(3) ? 1 : channels;
  return params;
}

static vc_resize draw_resize(int channels) {
  vc_resize out;
  vc_resize_init(&out, draw_side(), draw_side(), (vc_interpolation)draw(VC_PILLOW_LANCZOS + 1));
  if (one_in(3)) out.interpolation = VC_LINEAR;
  out.fit = draw(3);
  if (out.fit == VC_CENTER_CROP && one_in(2)) {
    out.shorter = (out.rows > out.cols ? out.rows : out.cols) + draw(20);
  }
  for (int c = 0; c < channels; c++) draw_pad[c] = draw(300) - 20;
  if (one_in(2)) out.pad = draw_pad;
  out.pad_count = one_in(2) ? 1 : channels;
  return out;
}

/* Boxes of random images that each have a pixel, of any dtype and strides. */
typedef struct {
  char memory[2 * 8 * 5 * 8 + 1];
  vc_view view;
} box_list;

static void draw_span(int64_t side, double *from, double *to) {
  int64_t first = draw((int)side), last = first + 1 + draw((int)(side - first));
  *from = (double)first + (one_in(2) ? 0.75 : 0) - (one_in(8) && first == 0 ? 5 : 0);
  *to = (double)last + (one_in(2) ? 0.25 : 0) + (one_in(8) && last == side ? 1000 : 0);
}

/* Packed, flipped, or between other elements; at an odd address. */
static vc_view view_of_boxes(char *memory, int64_t boxes) {
  static const vc_dtype kinds[] = {{VC_FLOAT, 32}, {VC_FLOAT, 64}, {VC_FLOAT, 16}, {VC_BFLOAT, 16},
                                   {VC_INT, 32},   {VC_INT, 64},   {VC_INT, 16},   {VC_INT, 8},
                                   {VC_UINT, 32},  {VC_UINT, 64},  {VC_UINT, 16},  {VC_UINT, 8}};
  vc_dtype kind = one_in(2) ? kinds[0] : kinds[draw(12)];
  int64_t apart = one_in(4) ? 2 : 1, size = (int64_t)vc_dtype_size(kind);
  vc_view out = {.device = {VC_CPU, 0}, .dtype = kind, .ndim = 2, .shape = {boxes, 5}};
  out.data = memory + one_in(8);
  out.strides[0] = 5 * apart * size;
  out.strides[1] = apart * size;
  if (one_in(4)) {
    out.data = (char *)out.data + (boxes - 1) * out.strides[0];
    out.strides[0] = -out.strides[0];
  }
  return out;
}

static void draw_boxes(const vc_view *from, size_t count, vc_layout layout, int64_t boxes,
                       box_list *out) {
  double values[8][5];
  vc_view drawn;
  vc_transform_params convert;
  vc_transform_params_init(&convert);
  out->view = view_of_boxes(out->memory, boxes);
  bool whole = out->view.dtype.code != VC_FLOAT || out->view.dtype.bits == 16;
  for (int64_t i = 0; i < boxes; i++) {
    int64_t index = draw((int)(count > 1 ? (int64_t)count : from->shape[0]));
    const vc_view *image = count > 1 ? &from[index] : from;
    int row = image->ndim - 3 + (layout == VC_PLANAR);
    values[i][0] = (double)index;
    draw_span(image->shape[row + 1], &values[i][1], &values[i][3]);
    draw_span(image->shape[row], &values[i][2], &values[i][4]);
    for (int k = 0; whole && k < 5; k++) values[i][k] = floor(values[i][k]);
  }
  CHECK_OK(vc_view_packed(values, out->view.device, (vc_dtype){VC_FLOAT, 64}, 2,
                          (int64_t[]){boxes, 5}, &drawn, &error));
  CHECK_OK(vc_transform(&out->view, &drawn, 1, &convert, 0, &error));
  out->view.device.type = VC_CUDA;
}

static void try_one(void) {
  enum { MOST = 2 * VC_TABLE_RESIZED };
  vc_resize_blocks = one_in(2) ? 1 : one_in(2) ? 20 : 2048;
  const int *channels = channel_pairs[draw(sizeof channel_pairs / sizeof *channel_pairs)];
  vc_transform_params params = draw_params(channels[1]);
  vc_resize resize = draw_resize(channels[0]);
  params.resize = &resize;
  bool list = one_in(2), alike = one_in(3), mixed = one_in(4);
  int64_t images = 1 + (one_in(30) ? draw(MOST) : draw(4)), rows = draw_side(), cols = draw_side();
  size_t count = list ? (size_t)images : 1;
  vc_dtype type = draw_dtype();
  picture sources[MOST];
  vc_view views[MOST];
  for (size_t i = 0; i < count; i++) {
    sources[i] =
        new_picture(type, params.from, list && count > 1 ? 0 : images, rows, cols, channels[0]);
    if (mixed) mix_picture(&sources[i], false);
    views[i] = sources[i].view;
    if (!alike) rows = draw_side(), cols = draw_side();
  }
  box_list boxes;
  int64_t results = images;
  if (one_in(3)) {
    results = 1 + draw(8);
    draw_boxes(views, count, params.from, results, &boxes);
    params.boxes = &boxes.view;
    if (resize.fit == VC_CENTER_CROP) resize.shorter = 0;
  }
  picture to = new_picture(one_in(3) ? type : draw_dtype(), params.to, results, resize.rows,
                           resize.cols, channels[1]);
  if (one_in(8)) mix_picture(&to, true);
  check_same(&to, views, count, &params);
  for (size_t i = 0; i < count; i++) free(sources[i].memory);
  free(to.memory);
}

static void test_same_as_cpu(int rounds) {
  sim_set_runner(note_kernel);
  for (int i = 0; i < rounds && checks_failed < 20; i++) try_one();
  check_undisturbed();
}

/* Each fast kernel, on purpose: packed 8-bit pixels. */
static void try_kernel(const char *name) {
  static const struct {
    const char *name;
    vc_dtype dtype;
  } types[] = {{"raw1", {VC_UINT, 8}},
               {"f16", {VC_FLOAT, 16}},
               {"bf16", {VC_BFLOAT, 16}},
               {"f32", {VC_FLOAT, 32}}};
  char type[8];
  int in, out, which = 0;
  if (sscanf(name, "vc_resize_linear_%7[a-z0-9]_%d_%d", type, &in, &out) != 3) return;
  while (strcmp(types[which].name, type) != 0) which++;
  vc_transform_params params;
  vc_transform_params_init(&params);
  vc_resize resize = draw_resize(in);
  resize.interpolation = one_in(3) ? VC_NEAREST : VC_LINEAR;
  params.resize = &resize;
  params.to = out ? VC_INTERLEAVED : VC_PLANAR;
  params.scale = which == 0 ? 1 : one_in(8) ? 1.7e-38 : 0.5; /* a quarter of which is inexact */
  vc_dtype u8 = {VC_UINT, 8};
  vc_resize_blocks = one_in(2) ? 1 : 2048;
  picture from = new_picture(u8, VC_INTERLEAVED, 2, draw_side(), draw_side(), in);
  picture to =
      new_picture(types[which].dtype, params.to, 2, resize.rows, resize.cols, out ? out : in);
  check_same(&to, &from.view, 1, &params);
  free(from.memory);
  free(to.memory);
}

static void test_each_kernel(void) {
  sim_set_runner(note_kernel);
  for (int round = 0; round < 40; round++) {
    for (int32_t i = 0; i < vc_kernel_count; i++) try_kernel(vc_kernel_names[i]);
  }
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    const char *name = vc_kernel_names[i];
    bool ours = strncmp(name, "vc_resize_", 10) == 0 && !strstr(name, "yuv"); /* test_yuv_gpu.c */
    if (ours && !check_note(launched[i], __FILE__, __LINE__)) {
      fprintf(stderr, "no picture went through %s\n", name);
    }
  }
  check_undisturbed();
}

/* VC_AREA by whole factors, by halves and by any scale; sources so wide that few of their rows fit
 * into shared memory, or none. */
static void try_area(void) {
  static const int sizes[] = {1, 2, 3, 4, 5, 7, 16, 31, 32, 33, 40};
  enum { SIZES = sizeof sizes / sizeof *sizes };
  int channels = 1 + draw(4), factor = 1 + draw(one_in(3) ? 60 : 6);
  bool whole = one_in(2);
  vc_transform_params params;
  vc_transform_params_init(&params);
  vc_resize resize;
  vc_resize_init(&resize, sizes[draw(SIZES)], sizes[draw(SIZES)], VC_AREA);
  resize.fit = whole ? VC_STRETCH : draw(3);
  params.resize = &resize;
  params.to = one_in(2) ? VC_PLANAR : VC_INTERLEAVED;
  params.scale = one_in(2) ? 1 : 0.25;
  int64_t rows = resize.rows * (one_in(2) ? factor : 1 + draw(9)), cols = resize.cols * factor;
  if (!whole) rows += draw(20), cols += draw(50);
  vc_dtype u8 = {VC_UINT, 8}, f32 = {VC_FLOAT, 32};
  vc_resize_blocks = one_in(2) ? 1 : one_in(2) ? 4 : 2048;
  picture from = new_picture(u8, VC_INTERLEAVED, 2, rows, cols, channels);
  picture to = new_picture(one_in(2) ? u8 : f32, params.to, 2, resize.rows, resize.cols, channels);
  if (one_in(4)) memset(from.memory, 255, from.bytes);
  check_same(&to, &from.view, 1, &params);
  free(from.memory);
  free(to.memory);
}

static void test_area(void) {
  sim_set_runner(note_kernel);
  for (int i = 0; i < 400 && checks_failed < 20; i++) try_area();
  check_undisturbed();
}

/* ------------------------------------------------- boxes that hold no pixel are pad */

static void test_empty_boxes(void) {
  enum { BOXES = 9, ROWS = 3, COLS = 5 };
  const float rows[BOXES][5] = {{0, 1, 1, 4, 4},   {0, 4, 4, 1, 1},   {0, 2, 2, 2, 6},
                                {0, 50, 1, 60, 4}, {0, -9, 0, -1, 4}, {0, NAN, 0, 4, 4},
                                {2, 0, 0, 4, 4},   {-1, 0, 0, 4, 4},  {NAN, 0, 0, 4, 4}};
  unsigned char source[8 * 8 * 3];
  float result[BOXES * ROWS * COLS * 3];
  vc_device gpu = {VC_CUDA, 0};
  vc_dtype u8 = {VC_UINT, 8}, f32 = {VC_FLOAT, 32};
  double pad[3] = {10, 20, 30}, mean = 5;
  vc_view from, to, boxes;
  vc_resize resize;
  vc_transform_params params;
  memset(source, 200, sizeof source);
  for (int interpolation = VC_LINEAR; interpolation <= VC_PILLOW_LANCZOS; interpolation++) {
    vc_transform_params_init(&params);
    vc_resize_init(&resize, ROWS, COLS, (vc_interpolation)interpolation);
    resize.pad = pad;
    resize.pad_count = 3;
    params.resize = &resize;
    params.boxes = &boxes;
    params.mean = &mean;
    params.mean_count = 1;
    CHECK_OK(vc_view_packed(source, gpu, u8, 3, (int64_t[]){8, 8, 3}, &from, &error));
    CHECK_OK(vc_view_packed((void *)(uintptr_t)rows, gpu, f32, 2, (int64_t[]){BOXES, 5}, &boxes,
                            &error));
    CHECK_OK(vc_view_packed(result, gpu, f32, 4, (int64_t[]){BOXES, ROWS, COLS, 3}, &to, &error));
    CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
    for (int i = 0; i < BOXES * ROWS * COLS * 3; i++) {
      bool is_pad = i >= ROWS * COLS * 3;
      CHECK_INT(result[i], is_pad ? pad[i % 3] - 5 : 195);
    }
  }
  check_undisturbed();
}

/* Boxes of a batch of no images, and of images without rows or columns. */
static void check_boxes_of_nothing(const vc_view *images, size_t count) {
  float rows[3][5] = {{0, 0, 0, 4, 4}, {1, 0, 0, 4, 4}, {-1, 0, 0, 4, 4}};
  uint8_t result[3 * 2 * 2 * 3];
  double pad[3] = {10, 20, 30};
  vc_view to, boxes;
  vc_resize resize;
  vc_transform_params params;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 2, 2, VC_LINEAR);
  resize.pad = pad;
  resize.pad_count = 3;
  params.resize = &resize;
  params.boxes = &boxes;
  CHECK_OK(vc_view_packed(rows, images->device, (vc_dtype){VC_FLOAT, 32}, 2, (int64_t[]){3, 5},
                          &boxes, &error));
  CHECK_OK(vc_view_packed(result, images->device, images->dtype, 4, (int64_t[]){3, 2, 2, 3}, &to,
                          &error));
  CHECK_OK(vc_transform(&to, images, count, &params, 0, &error));
  for (int i = 0; i < 3 * 2 * 2 * 3; i++) CHECK_INT(result[i], pad[i % 3]);
  check_undisturbed();
}

static void test_boxes_of_nothing(void) {
  vc_view none = {.device = {VC_CUDA, 0}, .ndim = 4, .shape = {0, 8, 8, 3}, .dtype = {VC_UINT, 8}};
  vc_view low = {.device = {VC_CUDA, 0}, .ndim = 3, .shape = {0, 8, 3}, .dtype = {VC_UINT, 8}};
  vc_view images[2] = {low, low};
  images[1].shape[0] = 8;
  images[1].shape[1] = 0;
  check_boxes_of_nothing(&none, 1);
  check_boxes_of_nothing(&low, 1);
  check_boxes_of_nothing(images, 2);
}

/* A batch that is one image again and again, so often that its geometry has no size. */
static void test_too_many_images(void) {
  uint8_t data[16] = {0};
  vc_device gpu = {VC_CUDA, 0};
  vc_view from = {.data = data, .device = gpu, .ndim = 4, .dtype = {VC_UINT, 8}}, to, boxes;
  vc_resize resize;
  vc_transform_params params;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 1, 1, VC_NEAREST);
  params.resize = &resize;
  params.boxes = &boxes;
  from.shape[1] = from.shape[2] = from.shape[3] = 1;
  CHECK_OK(vc_view_packed(data, gpu, from.dtype, 2, (int64_t[]){1, 5}, &boxes, &error));
  CHECK_OK(vc_view_packed(data + 8, gpu, from.dtype, 4, (int64_t[]){1, 1, 1, 1}, &to, &error));
  for (int bit = 57; bit < 62; bit++) {
    from.shape[0] = (int64_t)1 << bit;
    CHECK_FAILS(vc_transform(&to, &from, 1, &params, 0, &error), VC_ERROR_MEMORY, "no memory");
  }
  check_undisturbed();
}

/* Images that end where their memory does, so that a sanitizer finds reads behind them: kernels
 * read words, but none without a byte of the image. */
static void try_exact(vc_interpolation interpolation, int channels, int64_t cols) {
  enum { ROWS = 9 };
  size_t bytes = (size_t)(ROWS * cols * channels);
  unsigned char *memory = malloc(bytes);
  vc_dtype u8 = {VC_UINT, 8}, f32 = {VC_FLOAT, 32};
  vc_view from;
  vc_resize resize;
  vc_transform_params params;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 1 + draw(12), 1 + draw(50), interpolation);
  params.resize = &resize;
  params.to = VC_PLANAR;
  params.scale = 0.5;
  for (size_t i = 0; i < bytes; i++) memory[i] = (unsigned char)draw_bits();
  CHECK_OK(vc_view_packed(memory, (vc_device){VC_CUDA, 0}, u8, 3, (int64_t[]){ROWS, cols, channels},
                          &from, &error));
  picture to = new_picture(f32, VC_PLANAR, 0, resize.rows, resize.cols, channels);
  check_same(&to, &from, 1, &params);
  free(memory);
  free(to.memory);
}

static void test_exact_memory(void) {
  for (int interpolation = VC_LINEAR; interpolation <= VC_PILLOW_LANCZOS; interpolation++) {
    for (int channels = 1; channels <= 4; channels++) {
      for (int64_t cols = 1; cols < 50; cols += 1 + draw(3)) {
        try_exact((vc_interpolation)interpolation, channels, cols);
      }
    }
  }
  check_undisturbed();
}

/* The sum of a block of this size does not fit into 32 bits. */
static void test_huge_block(void) {
  vc_dtype u8 = {VC_UINT, 8};
  vc_resize resize;
  vc_transform_params params;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 1, 1, VC_AREA);
  params.resize = &resize;
  picture from = new_picture(u8, VC_INTERLEAVED, 0, 4096, 4096, 1);
  picture to = new_picture(u8, VC_INTERLEAVED, 0, 1, 1, 1);
  memset(from.memory, 254, from.bytes);
  check_same(&to, &from.view, 1, &params);
  CHECK_INT(*(uint8_t *)to.view.data, 254);
  free(from.memory);
  free(to.memory);
  check_undisturbed();
}

/* ------------------------------------------------------------ lists and captures */

static void check_list(int64_t count, int uploads, bool captures) {
  unsigned char *memory = calloc((size_t)count * 64 * 3 + 4096, 1);
  unsigned char *result = malloc((size_t)count * 16 * 3);
  vc_view *views = malloc((size_t)count * sizeof *views), to;
  vc_device gpu = {VC_CUDA, 0};
  vc_dtype u8 = {VC_UINT, 8};
  vc_transform_params params;
  vc_resize resize;
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 4, 4, VC_LINEAR);
  params.resize = &resize;
  for (int64_t i = 0; i < count; i++) {
    int64_t shape[] = {8, i % 2 ? 7 : 8, 3};
    CHECK_OK(vc_view_packed(memory + i * 192, gpu, u8, 3, shape, &views[i], &error));
  }
  CHECK_OK(vc_view_packed(result, gpu, u8, 4, (int64_t[]){count, 4, 4, 3}, &to, &error));
  intptr_t stream = sim_stream_create(0, 1);
  int allocations = sim_calls("cuMemAllocAsync"), launches = sim_calls("cuLaunchKernel");
  if (captures) sim_begin_capture(stream, SIM_GLOBAL);
  vc_status status = vc_transform(&to, views, (size_t)count, &params, stream, &error);
  if (captures && uploads) {
    CHECK_FAILS(status, VC_ERROR_CUDA, "48 that are resized");
  } else {
    CHECK_OK(status);
  }
  if (captures) CHECK_INT(sim_end_capture(stream), 0);
  bool refused = captures && uploads;
  CHECK_INT(sim_calls("cuLaunchKernel") - launches, refused ? 0 : 1);
  CHECK_INT(sim_calls("cuMemAllocAsync") - allocations, refused ? 0 : uploads);
  CHECK_INT(sim_used(0), 0);
  sim_stream_destroy(stream);
  free(memory);
  free(result);
  free(views);
  check_undisturbed();
}

static void test_lists(void) {
  for (int captures = 0; captures < 2; captures++) {
    check_list(2, 0, captures);
    check_list(VC_TABLE_RESIZED, 0, captures);
    check_list(VC_TABLE_RESIZED + 1, 1, captures);
    check_list(300, 1, captures);
  }
}

int main(int count, char **arguments) {
  load_simulation();
  sim_set_devices(2);
  test_same_as_cpu(count > 1 ? atoi(arguments[1]) : 1500);
  test_area();
  test_each_kernel();
  test_empty_boxes();
  test_boxes_of_nothing();
  test_too_many_images();
  test_exact_memory();
  test_huge_block();
  test_lists();
  return check_report();
}
