/* SPDX-License-Identifier: Apache-2.0 */
/* YUV images read and written on a GPU, against a simulated driver that runs the real kernels on
 * the host: one launch each, and every byte is that of the CPU, whose results test_yuv.c compares
 * with real numbers. Needs the simulated libcuda.so.1 on LD_LIBRARY_PATH (meson sees to it). */
#include <stdlib.h>

#include "chance.h"
#include "check.h"
#include "kernels_on_host.h"
#include "mixed_strides.h"
#include "simulated_functions.h"
#include "transform/colour/colour.h"
#include "transform/dispatch.h"
#include "transform/embedded_kernels.h"

/* In the place of the library's own, so that these tests need no compiler. */
const vc_kernel_image vc_kernel_images[1] = {{"sm_90", 90, false, "of 9.0", 7}};
const int32_t vc_kernel_image_count = 1;
const char vc_kernels_names[] = "simulated";
const char vc_kernels_compiler[] = "0.0";

static vc_error error;
static bool launched[VC_MOST_KERNELS];

static int note_kernel(const char *name, const unsigned sizes[6], void **parameters) {
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    if (strcmp(vc_kernel_names[i], name) == 0) launched[i] = true;
  }
  return run_kernel(name, sizes, parameters);
}

static void check_undisturbed(void) {
  CHECK_INT(sim_current(), -1);
  CHECK_INT(sim_depth(), 0);
  if (!CHECK_INT(sim_errors(), 0)) fprintf(stderr, "%s\n", sim_last_error());
}

static uint64_t seed = 20261127;

static int64_t draw_side(void) { return one_in(3) ? 1 + draw(5) : 1 + draw(70); }

/* ------------------------------------------------- sums of scaled samples are the rule's */

/* Every luma, with each u_step-th U and v_step-th V. */
static void test_triples(int matrix, int range, int bits, uint32_t u_step, uint32_t v_step) {
  const bool wide = bits > 8;
  const uint32_t end = 1u << bits, scale = VC_YUV_SCALE_BITS(wide);
  vc_yuv_rule rule;
  vc_yuv_sums sums;
  int64_t wrong = 0;
  vc_yuv_rule_make(matrix, range, bits, 8, &rule);
  vc_yuv_sums_make(&rule, &sums);
  for (uint32_t u = 0; u < end; u += u_step) {
    for (uint32_t v = 0; v < end; v += v_step) {
      for (uint32_t y = 0; y < end; y++) {
        const uint32_t luma = y << scale > sums.least ? y << scale : sums.least;
        int32_t wanted[3];
        vc_yuv_to_rgb(&rule, (int32_t)y, (int32_t)u, (int32_t)v, wanted);
        for (int32_t c = 0; c < 3; c++) {
          uint64_t chroma = vc_yuv_chroma_sum(&sums, c, u << scale, v << scale, wide);
          int32_t found = vc_yuv_from_sums(&sums, c, luma, chroma, wide);
          wrong += (found < 0 ? 0 : found > 255 ? 255 : found) != wanted[c];
        }
      }
    }
  }
  CHECK_INT(wrong, 0);
}

/* -------------------------------------------------------------------- images */

typedef struct {
  vc_yuv yuv;
  char *memory[3];
  size_t bytes[3];
} picture;

/* A plane in memory of its own, whose rows may be pitched and lie at any sample. The memory ends
 * with the last sample, so that AddressSanitizer notes what is read beyond it. */
static void new_plane(picture *out, int index, int64_t rows, int64_t cols, int64_t samples,
                      int64_t size, bool odd) {
  vc_view *view = &out->yuv.planes[index];
  int64_t gap = odd && one_in(2) ? size * draw(9) : 8 * draw(3);
  int64_t offset = odd && one_in(2) ? size * draw(5) : 0, row = cols * samples * size + gap;
  void *memory = NULL;
  out->bytes[index] = (size_t)(row * (rows - 1) + cols * samples * size + offset);
  if (posix_memalign(&memory, 256, out->bytes[index]) != 0) abort();
  out->memory[index] = memory;
  for (size_t i = 0; i < out->bytes[index]; i++) out->memory[index][i] = (char)draw_bits();
  *view = (vc_view){.device = {VC_CUDA, 0}, .dtype = {VC_UINT, (uint8_t)(8 * size)}, .ndim = 2};
  view->data = out->memory[index] + offset;
  view->shape[0] = rows;
  view->shape[1] = samples > 1 && one_in(2) ? cols * samples : cols;
  view->strides[0] = row;
  view->strides[1] = view->shape[1] == cols ? samples * size : size;
  if (samples == 1 || view->shape[1] != cols) return;
  view->ndim = 3;
  view->shape[2] = samples;
  view->strides[2] = size;
}

static picture new_picture(int format, int depth, int64_t rows, int64_t cols) {
  picture out = {.memory = {NULL}};
  const vc_yuv_layout *layout = vc_yuv_layout_of(format);
  int64_t size = layout->bits > 8 ? 2 : 1, across = layout->col_shift, down = layout->row_shift;
  bool odd = one_in(2), pairs = layout->planes == 2;
  vc_yuv_init(&out.yuv, (vc_yuv_format)format, (vc_matrix)(VC_BT601 + draw(3)),
              (vc_range)(VC_LIMITED_RANGE + draw(2)));
  out.yuv.depth = depth;
  new_plane(&out, 0, rows, cols, 1, size, odd);
  for (int i = 1; i < layout->planes; i++) {
    new_plane(&out, i, (rows + down) >> down, (cols + across) >> across, pairs ? 2 : 1, size, odd);
  }
  return out;
}

static void end_picture(picture *of) {
  for (int i = 0; i < 3; i++) free(of->memory[i]);
}

/* Returns new memory of the view, with any samples. */
static char *mix_and_fill(vc_view *view, bool written, size_t *bytes) {
  char *memory = mix_strides(view, written, bytes);
  for (size_t i = 0; i < *bytes; i++) memory[i] = (char)draw_bits();
  return memory;
}

static void mix_planes(picture *of, bool written) {
  for (int i = 0; i < 3; i++) {
    if (!of->memory[i] || one_in(2)) continue;
    free(of->memory[i]);
    of->memory[i] = mix_and_fill(&of->yuv.planes[i], written, &of->bytes[i]);
  }
}

static vc_yuv on_host(const vc_yuv *yuv) {
  vc_yuv out = *yuv;
  for (int i = 0; i < 3; i++) out.planes[i].device = (vc_device){VC_CPU, 0};
  return out;
}

/* --------------------------------------------- what the GPU reads is what the CPU does */

enum { MOST = 40 };

typedef struct {
  picture pictures[MOST];
  size_t count;
  vc_transform_params params;
  vc_resize resize;
  vc_view to, boxes;
  double mean[3], std[3], pad[3];
  float box_numbers[4][5];
  char *memory;
  size_t bytes;
} trial;

static void draw_destination(trial *of, int64_t rows, int64_t cols, int64_t images,
                             vc_dtype dtype) {
  int64_t size = (int64_t)vc_dtype_size(dtype), gap = one_in(3) ? size * draw(7) : 0;
  int64_t channels = one_in(5) ? 4 : 3, offset = one_in(3) ? size * draw(5) : 0;
  bool planar = of->params.to == VC_PLANAR;
  int64_t col = planar ? size : size * channels, row = col * cols + gap, plane = row * rows;
  void *memory = NULL;
  of->to = (vc_view){.device = {VC_CUDA, 0}, .dtype = dtype, .ndim = 4};
  of->to.shape[0] = images;
  of->to.strides[0] = planar ? plane * channels : plane;
  of->to.shape[1 + planar] = rows;
  of->to.strides[1 + planar] = row;
  of->to.shape[2 + planar] = cols;
  of->to.strides[2 + planar] = col;
  of->to.shape[planar ? 1 : 3] = channels;
  of->to.strides[planar ? 1 : 3] = planar ? plane : size;
  of->bytes = (size_t)(of->to.strides[0] * images + offset + 64);
  if (posix_memalign(&memory, 256, of->bytes) != 0) abort();
  of->memory = memory;
  for (size_t i = 0; i < of->bytes; i++) of->memory[i] = (char)draw_bits();
  of->to.data = of->memory + 32 + offset;
  if (channels == 4) of->params.mean_count = of->params.std_count = 1;
}

static void draw_params(trial *of) {
  vc_transform_params_init(&of->params);
  of->params.to = one_in(2) ? VC_PLANAR : VC_INTERLEAVED;
  of->params.reverse_channels = one_in(2);
  for (int c = 0; c < 3; c++) {
    of->mean[c] = (draw(200) - 100) / 64.0;
    of->std[c] = (draw(100) + 1) / 32.0;
    of->pad[c] = draw(256);
  }
  if (one_in(2)) return;
  of->params.scale = 1 / 255.0;
  of->params.mean = of->mean;
  of->params.std = of->std;
  of->params.mean_count = of->params.std_count = 3;
}

static void draw_boxes(trial *of, int64_t count) {
  const int64_t shape[] = {count, 5};
  static const vc_device gpu = {VC_CUDA, 0};
  for (int64_t i = 0; i < count; i++) {
    int which = draw((int)of->count);
    const vc_view *luma = &of->pictures[which].yuv.planes[0];
    float *box = of->box_numbers[i];
    box[0] = (float)which;
    box[1] = (float)draw((int)luma->shape[1]);
    box[2] = (float)draw((int)luma->shape[0]);
    box[3] = box[1] + 1 + (float)draw(40);
    box[4] = box[2] + 1 + (float)draw(40);
  }
  CHECK_OK(
      vc_view_packed(of->box_numbers, gpu, (vc_dtype){VC_FLOAT, 32}, 2, shape, &of->boxes, &error));
  of->params.boxes = &of->boxes;
}

static void explain(const trial *of, const char *written) {
  size_t i = 0;
  while (i < of->bytes && written[i] == of->memory[i]) i++;
  const vc_yuv *yuv = &of->pictures[0].yuv;
  fprintf(stderr,
          "  kernel %s, byte %zd: %02x, on the CPU %02x; format %s, matrix %d, range %d, depth %d, "
          "%zu images of %lld x %lld, interpolation %d, %lld x %lld %s\n",
          sim_last_kernel(), (char *)(of->memory + i) - (char *)of->to.data, (uint8_t)written[i],
          (uint8_t)of->memory[i], vc_yuv_layout_of(yuv->format)->name, yuv->matrix, yuv->range,
          yuv->depth, of->count, (long long)yuv->planes[0].shape[0],
          (long long)yuv->planes[0].shape[1], of->params.resize ? of->resize.interpolation : -1,
          (long long)of->resize.rows, (long long)of->resize.cols, vc_dtype_name(of->to.dtype));
}

/* Both write to the same memory, one after the other. */
static void check_same(trial *of) {
  vc_yuv there[MOST], yuv[MOST];
  vc_view images[MOST], host_images[MOST], to = of->to, boxes = of->boxes;
  vc_transform_params params = of->params;
  char *before = malloc(of->bytes), *written = malloc(of->bytes);
  memcpy(before, of->memory, of->bytes);
  for (size_t i = 0; i < of->count; i++) {
    there[i] = of->pictures[i].yuv;
    yuv[i] = on_host(&of->pictures[i].yuv);
    CHECK_OK(vc_yuv_image(&there[i], &images[i], &error));
    CHECK_OK(vc_yuv_image(&yuv[i], &host_images[i], &error));
  }
  int launches = sim_calls("cuLaunchKernel");
  params.yuv = there;
  bool right = CHECK_OK(vc_transform(&to, images, of->count, &params, 0, &error));
  right &= CHECK_INT(sim_calls("cuLaunchKernel") - launches, 1);
  memcpy(written, of->memory, of->bytes);
  memcpy(of->memory, before, of->bytes);
  params.yuv = yuv;
  if (params.boxes) params.boxes = &boxes;
  to.device = boxes.device = (vc_device){VC_CPU, 0};
  right &= CHECK_OK(vc_transform(&to, host_images, of->count, &params, 0, &error));
  right &= CHECK(memcmp(written, of->memory, of->bytes) == 0);
  if (!right) explain(of, written);
  free(before);
  free(written);
}

static void end_trial(trial *of) {
  for (size_t i = 0; i < of->count; i++) end_picture(&of->pictures[i]);
  free(of->memory);
}

static const vc_dtype dtypes[] = {{VC_UINT, 8},    {VC_FLOAT, 16}, {VC_FLOAT, 32}, {VC_UINT, 16},
                                  {VC_BFLOAT, 16}, {VC_INT, 32},   {VC_FLOAT, 64}};

static void try_one(int format, int depth, vc_dtype dtype) {
  trial of = {.count = one_in(3) ? 1 : one_in(8) ? (size_t)MOST : (size_t)(1 + draw(5))};
  int64_t rows = draw_side(), cols = draw_side(), images = (int64_t)of.count;
  bool alike = one_in(2), resizes = !one_in(4), mixed = one_in(5);
  vc_resize_blocks = one_in(2) ? 1 : 2048;
  draw_params(&of);
  for (size_t i = 0; i < of.count; i++) {
    of.pictures[i] = new_picture(format, depth, rows, cols);
    if (mixed) mix_planes(&of.pictures[i], false);
    if (resizes && !alike) rows = draw_side(), cols = draw_side();
  }
  of.resize = (vc_resize){.rows = rows, .cols = cols};
  if (resizes) {
    vc_resize_init(&of.resize, draw_side(), draw_side(), VC_LINEAR);
    if (one_in(3)) of.resize.rows = (rows + 2) / 3; /* whole factors, with weights of 0 */
    if (one_in(3)) of.resize.cols = (cols + 2) / 3;
    if (one_in(2)) of.resize.interpolation = draw(VC_PILLOW_LANCZOS + 1);
    of.resize.fit = draw(3);
    of.resize.pad = of.pad;
    of.resize.pad_count = 3;
    of.params.resize = &of.resize;
    if (one_in(3)) draw_boxes(&of, images = 1 + draw(4));
  }
  draw_destination(&of, of.resize.rows, of.resize.cols, images, dtype);
  if (one_in(8)) {
    free(of.memory);
    of.memory = mix_and_fill(&of.to, true, &of.bytes);
  }
  check_same(&of);
  end_trial(&of);
}

static void test_reading(int rounds) {
  sim_set_runner(note_kernel);
  for (int i = 0; i < rounds && checks_failed < 10; i++) {
    int format = i % 3 == 0 ? VC_NV12 + draw(VC_YUV444P16) : VC_NV12 + draw(VC_YUV444P);
    vc_dtype dtype = i % 2 ? dtypes[draw(3)] : dtypes[draw(sizeof dtypes / sizeof *dtypes)];
    try_one(format, one_in(6) ? 16 : 8, dtype);
  }
  check_undisturbed();
}

/* A plane of chroma that is one row again and again, beside one that is not. */
static void test_expanded_chroma(void) {
  sim_set_runner(note_kernel);
  for (int i = 0; i < 40 && checks_failed < 10; i++) {
    trial of = {.count = 1};
    draw_params(&of);
    of.pictures[0] = new_picture(i % 4 < 2 ? VC_I420 : VC_YUV444P, 8, 30, 40);
    of.pictures[0].yuv.planes[1 + i % 2].strides[0] = 0;
    vc_resize_init(&of.resize, 7 + draw(60), 9 + draw(60), VC_LINEAR);
    of.params.resize = &of.resize;
    draw_destination(&of, of.resize.rows, of.resize.cols, 1, dtypes[i % 3]);
    check_same(&of);
    end_trial(&of);
  }
  check_undisturbed();
}

static bool is_read_by(const char *kernel) {
  return strncmp(sim_last_kernel(), kernel, strlen(kernel)) == 0;
}

/* Images that are not resized, of one and of several tiles, whole groups and parts of them. */
static void try_same_size(int format, vc_dtype dtype, int64_t rows, int64_t cols) {
  trial of = {.count = (size_t)(1 + draw(3))};
  draw_params(&of);
  if (dtype.bits == 8) { /* moved, not computed */
    of.params.scale = 1;
    of.params.mean_count = of.params.std_count = 0;
    of.params.mean = of.params.std = NULL;
  }
  for (size_t i = 0; i < of.count; i++) of.pictures[i] = new_picture(format, 8, rows, cols);
  draw_destination(&of, rows, cols, (int64_t)of.count, dtype);
  bool planar = of.params.to == VC_PLANAR, three = of.to.shape[planar ? 1 : 3] == 3;
  check_same(&of);
  if (three) CHECK(is_read_by(format == VC_P016 ? "vc_resize_any" : "vc_read_yuv_"));
  end_trial(&of);
}

static void test_same_size(int thin) {
  static const int widths[] = {1, 2, 7, 8, 31, 64, 128, 133, 256, 261, 396};
  static const vc_dtype types[] = {{VC_UINT, 8}, {VC_FLOAT, 16}, {VC_BFLOAT, 16}, {VC_FLOAT, 32}};
  for (int i = 0; i < (int)(sizeof widths / sizeof *widths) && checks_failed < 10; i += thin) {
    for (int format = VC_NV12; format <= VC_YUV444P10; format++) {
      for (int k = 0; k < 4; k++) try_same_size(format, types[k], 1 + draw(11), widths[i]);
    }
  }
  check_undisturbed();
}

/* A crop that is not resized. Only one that begins with a sample of chroma has whole units. */
static void test_crops(void) {
  for (int i = 0; i < 40; i++) {
    trial of = {.count = 1};
    const int64_t shape[] = {1, 4};
    const float left = (float)draw(4), top = (float)draw(4);
    bool whole = (int)left % 2 == 0 && (int)top % 2 == 0;
    vc_transform_params_init(&of.params);
    of.pictures[0] = new_picture(i % 2 ? VC_NV12 : VC_YUV420P10, 8, 30, 50);
    vc_resize_init(&of.resize, 19, 37, VC_LINEAR);
    of.params.resize = &of.resize;
    float box[] = {left, top, left + 37, top + 19};
    CHECK_OK(vc_view_packed(box, (vc_device){VC_CPU, 0}, (vc_dtype){VC_FLOAT, 32}, 2, shape,
                            &of.boxes, &error));
    of.params.boxes = &of.boxes;
    draw_destination(&of, 19, 37, 1, dtypes[1 + i % 2]);
    bool three = of.to.shape[of.params.to == VC_PLANAR ? 1 : 3] == 3;
    check_same(&of);
    if (three) CHECK(is_read_by(whole ? "vc_read_yuv_" : "vc_resize_yuv_"));
    end_trial(&of);
  }
  check_undisturbed();
}

/* Pillow's filters: how many rows of the source a round has depends on what the weights of a tile,
 * and RGB of its columns, leave of shared memory. */
static void try_pillow(int64_t rows, int64_t cols, int64_t to_rows, int64_t to_cols,
                       vc_interpolation interpolation) {
  trial of = {.count = one_in(2) ? 1 : 2};
  const int format = one_in(2) ? VC_NV12 : VC_NV12 + draw(VC_YUV444P10);
  draw_params(&of);
  for (size_t i = 0; i < of.count; i++) of.pictures[i] = new_picture(format, 8, rows, cols);
  vc_resize_init(&of.resize, to_rows, to_cols, interpolation);
  of.resize.fit = draw(2) ? VC_STRETCH : VC_LETTERBOX;
  of.resize.pad = of.pad;
  of.resize.pad_count = 3;
  of.params.resize = &of.resize;
  int64_t images = (int64_t)of.count;
  if (one_in(3)) draw_boxes(&of, images = 3);
  draw_destination(&of, to_rows, to_cols, images, dtypes[draw(3)]);
  check_same(&of);
  /* Planes of one column may have any stride; images that keep their size are not filtered. */
  bool reads = format != VC_P016 && cols > 2 && (rows != to_rows || cols != to_cols);
  if (reads) CHECK(is_read_by("vc_resize_pillow_yuv"));
  end_trial(&of);
}

static void test_pillow(int thin) {
  static const struct {
    int64_t rows, cols, to_rows, to_cols;
    vc_interpolation interpolation;
  } cases[] = {
      {1, 1, 1, 1, VC_PILLOW_LANCZOS},
      {1, 1, 40, 70, VC_PILLOW_BICUBIC},
      {2, 3, 33, 65, VC_PILLOW_LANCZOS},
      {23, 8, 23, 8, VC_PILLOW_BOX},
      {24, 8, 24, 9, VC_PILLOW_BILINEAR},
      {25, 9, 25, 8, VC_PILLOW_BILINEAR},
      {48, 31, 48, 33, VC_PILLOW_BICUBIC},
      {49, 64, 47, 32, VC_PILLOW_BICUBIC},
      {90, 280, 18, 33, VC_PILLOW_BOX},
      {90, 280, 18, 33, VC_PILLOW_BILINEAR},
      {90, 274, 18, 32, VC_PILLOW_LANCZOS}, /* fewer than 24 rows of a round */
      {60, 700, 17, 32, VC_PILLOW_BICUBIC},
      {60, 1600, 17, 40, VC_PILLOW_BILINEAR},
      {9, 3000, 3, 70, VC_PILLOW_BILINEAR},
      {7, 5000, 3, 32, VC_PILLOW_BOX}, /* weights, and not even two rows */
      {7, 6400, 5, 32, VC_PILLOW_BOX},
      {40, 3000, 2, 2, VC_PILLOW_BILINEAR}, /* too many weights */
      {700, 30, 1, 31, VC_PILLOW_LANCZOS},
      {30, 2000, 31, 1, VC_PILLOW_BOX},
  };
  enum { CASES = sizeof cases / sizeof *cases };
  for (int i = 0; i < 10 * CASES && checks_failed < 10; i += thin) {
    const int k = i % CASES, more = i < CASES ? 0 : draw(4);
    try_pillow(cases[k].rows + more, cases[k].cols + more, cases[k].to_rows, cases[k].to_cols,
               cases[k].interpolation);
  }
  /* Sizes near those at which two, or all, rows just fit. */
  for (int64_t cols = 2600; cols < 2900 && checks_failed < 10; cols += 3 * thin) {
    try_pillow(5, cols, 3, 32, VC_PILLOW_BOX);
  }
  for (int64_t cols = 220; cols < 420 && checks_failed < 10; cols += 3 * thin) {
    try_pillow(50, cols, 12, 32, VC_PILLOW_BILINEAR);
  }
  check_undisturbed();
}

/* A batch whose images lie at one distance from each other: no list is needed. */
static void test_batch(void) {
  enum { COUNT = 30, ROWS = 18, COLS = 26 };
  uint8_t *memory = malloc(COUNT * ROWS * 3 / 2 * COLS), result[COUNT * 6 * 9 * 3];
  uint8_t wanted[sizeof result];
  vc_yuv yuv[COUNT];
  vc_view images[COUNT], to, array;
  vc_transform_params params;
  vc_resize resize;
  const int64_t shape[] = {ROWS * 3 / 2, COLS}, out[] = {COUNT, 6, 9, 3};
  vc_transform_params_init(&params);
  vc_resize_init(&resize, 6, 9, VC_LINEAR);
  params.resize = &resize;
  params.yuv = yuv;
  for (int i = 0; i < COUNT * ROWS * 3 / 2 * COLS; i++) memory[i] = (uint8_t)draw_bits();
  for (int format = VC_NV12; format <= VC_YV12; format++) {
    for (int where = 0; where < 2; where++) {
      vc_device device = {where ? VC_CUDA : VC_CPU, 0};
      for (int i = 0; i < COUNT; i++) {
        vc_yuv_init(&yuv[i], (vc_yuv_format)format, VC_BT709, VC_FULL_RANGE);
        CHECK_OK(vc_view_packed(memory + i * ROWS * 3 / 2 * COLS, device, dtypes[0], 2, shape,
                                &array, &error));
        CHECK_OK(vc_yuv_split(&array, format, &yuv[i], &error));
        CHECK_OK(vc_yuv_image(&yuv[i], &images[i], &error));
      }
      CHECK_OK(vc_view_packed(where ? result : wanted, device, dtypes[0], 4, out, &to, &error));
      int allocations = sim_calls("cuMemAllocAsync");
      CHECK_OK(vc_transform(&to, images, COUNT, &params, 0, &error));
      CHECK_INT(sim_calls("cuMemAllocAsync"), allocations);
    }
    CHECK(memcmp(result, wanted, sizeof result) == 0);
  }
  free(memory);
  check_undisturbed();
}

/* Lists that fit into the parameters, and longer ones, of pictures all over memory. */
static void check_list(size_t count, int uploads, bool captures) {
  trial of = {.count = count};
  vc_yuv yuv[MOST];
  vc_view images[MOST];
  draw_params(&of);
  vc_resize_init(&of.resize, 4, 4, VC_LINEAR);
  of.params.resize = &of.resize;
  of.params.yuv = yuv;
  for (size_t i = 0; i < count; i++) {
    of.pictures[i] = new_picture(VC_NV12, 8, 6, 8);
    yuv[i] = of.pictures[i].yuv;
    CHECK_OK(vc_yuv_image(&yuv[i], &images[i], &error));
  }
  draw_destination(&of, 4, 4, (int64_t)count, dtypes[1]);
  intptr_t stream = sim_stream_create(0, 1);
  int allocations = sim_calls("cuMemAllocAsync"), launches = sim_calls("cuLaunchKernel");
  if (captures) sim_begin_capture(stream, SIM_GLOBAL);
  vc_status status = vc_transform(&of.to, images, count, &of.params, stream, &error);
  bool refused = captures && uploads;
  if (refused) {
    CHECK_FAILS(status, VC_ERROR_CUDA, "16 of YUV");
  } else {
    CHECK_OK(status);
  }
  if (captures) CHECK_INT(sim_end_capture(stream), 0);
  CHECK_INT(sim_calls("cuLaunchKernel") - launches, refused ? 0 : 1);
  CHECK_INT(sim_calls("cuMemAllocAsync") - allocations, refused ? 0 : uploads);
  CHECK_INT(sim_used(0), 0);
  sim_stream_destroy(stream);
  end_trial(&of);
  check_undisturbed();
}

/* ------------------------------------------------------------------ writing */

static void try_writing(int format) {
  int64_t rows = draw_side(), cols = draw_side(), odd = one_in(2) ? draw(5) : 0;
  picture there = new_picture(format, 8, rows, cols);
  if (one_in(4)) mix_planes(&there, true);
  bool planar = one_in(2), reversed = one_in(2);
  int64_t row = (planar ? cols : 3 * cols) + (one_in(2) ? odd : 8);
  char *memory = aligned_alloc(64, (size_t)((row * rows * 3 + 127) / 64 * 64));
  vc_view from = {.device = {VC_CUDA, 0}, .dtype = {VC_UINT, 8}, .ndim = 3};
  from.data = memory + odd;
  from.shape[planar] = rows;
  from.shape[planar + 1] = cols;
  from.shape[planar ? 0 : 2] = 3;
  from.strides[planar] = row;
  from.strides[planar + 1] = planar ? 1 : 3;
  from.strides[planar ? 0 : 2] = planar ? row * rows : 1;
  for (int64_t i = 0; i < row * rows * (planar ? 3 : 1); i++) memory[odd + i] = (char)draw_bits();
  if (one_in(4)) {
    size_t bytes;
    free(memory);
    memory = mix_and_fill(&from, false, &bytes);
  }
  int launches = sim_calls("cuLaunchKernel");
  char *written[3] = {NULL}, *before[3] = {NULL};
  for (int i = 0; i < 3; i++) {
    if (!there.memory[i]) continue;
    before[i] = malloc(there.bytes[i]);
    written[i] = malloc(there.bytes[i]);
    memcpy(before[i], there.memory[i], there.bytes[i]);
  }
  vc_layout layout = planar ? VC_PLANAR : VC_INTERLEAVED;
  CHECK_OK(vc_yuv_write(&there.yuv, &from, layout, reversed, 0, &error));
  CHECK_INT(sim_calls("cuLaunchKernel") - launches, 1);
  for (int i = 0; i < 3 && before[i]; i++) {
    memcpy(written[i], there.memory[i], there.bytes[i]);
    memcpy(there.memory[i], before[i], there.bytes[i]);
  }
  vc_yuv host = on_host(&there.yuv);
  from.device = (vc_device){VC_CPU, 0};
  CHECK_OK(vc_yuv_write(&host, &from, layout, reversed, 0, &error));
  for (int i = 0; i < 3 && before[i]; i++) {
    if (!CHECK(memcmp(written[i], there.memory[i], there.bytes[i]) == 0)) {
      fprintf(stderr, "  plane %d of %s, %lld x %lld\n", i, vc_yuv_layout_of(format)->name,
              (long long)rows, (long long)cols);
    }
    free(before[i]);
    free(written[i]);
  }
  free(memory);
  end_picture(&there);
}

static void test_writing(int rounds) {
  sim_set_runner(note_kernel);
  for (int i = 0; i < rounds && checks_failed < 10; i++) try_writing(VC_NV12 + i % VC_YUV444P16);
  check_undisturbed();
}

/* The image and the planes are on one device. */
static void test_devices(void) {
  picture of = new_picture(VC_NV12, 8, 4, 4);
  uint8_t image[4 * 4 * 3];
  vc_view from;
  const vc_device devices[] = {{VC_CPU, 0}, {VC_CUDA, 1}};
  const int64_t shape[] = {4, 4, 3};
  for (int i = 0; i < 2; i++) {
    CHECK_OK(vc_view_packed(image, devices[i], dtypes[0], 3, shape, &from, &error));
    CHECK_FAILS(vc_yuv_write(&of.yuv, &from, VC_INTERLEAVED, false, 0, &error), VC_ERROR_DEVICE,
                "one device");
  }
  end_picture(&of);
  check_undisturbed();
}

static void check_kernels(void) {
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    const char *name = vc_kernel_names[i];
    bool ours = strstr(name, "yuv") || strstr(name, "any") || strstr(name, "pillow");
    if (ours && !check_note(launched[i], __FILE__, __LINE__)) {
      fprintf(stderr, "no picture went through %s\n", name);
    }
  }
}

/* An argument is the number of random images; all triples are tried without one. VIEWCAST_TEST_THIN
 * halves that number, and leaves the triples out, for valgrind and other slow machines. */
int main(int count, char **arguments) {
  const char *given = getenv("VIEWCAST_TEST_THIN");
  bool thin = given && atoi(given) > 1;
  int rounds = count > 1 ? atoi(arguments[1]) : thin ? 1000 : 2000;
  load_simulation();
  sim_set_devices(2);
  for (int i = 0; count < 2 && !thin && i < 6; i++) {
    test_triples(VC_BT601 + i / 2, VC_LIMITED_RANGE + i % 2, 8, 1, 1);
    test_triples(VC_BT601 + i / 2, VC_LIMITED_RANGE + i % 2, 10, 31, 33);
  }
  test_reading(rounds);
  test_expanded_chroma();
  test_same_size(thin ? 3 : 1);
  test_crops();
  test_pillow(thin ? 3 : 1);
  test_batch();
  for (int captures = 0; captures < 2; captures++) {
    check_list(VC_TABLE_YUV, 0, captures);
    check_list(VC_TABLE_YUV + 1, 1, captures);
  }
  test_writing(rounds / 2);
  test_devices();
  check_kernels();
  return check_report();
}
