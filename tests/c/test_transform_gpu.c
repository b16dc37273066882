/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms on a GPU, against a simulated driver that runs the real kernels on
 * the host: which kernel is launched how often, where and with what, and that
 * every byte is what the CPU writes. Needs the simulated libcuda.so.1 on
 * LD_LIBRARY_PATH (meson sees to it). */
#include <math.h>
#include <stdlib.h>

#include "chance.h"
#include "check.h"
#include "cuda/driver.h"
#include "internal.h"
#include "kernels_on_host.h"
#include "simulated_functions.h"
#include "transform/dispatch.h"
#include "transform/embedded_kernels.h"

/* In the place of the library's own, so that these tests need no compiler. */
enum { IMAGES = 7, DEVICES = 13 };
const vc_kernel_image vc_kernel_images[IMAGES] = {
    {"sm_75", 75, false, "of 7.5", 7},  {"sm_80", 80, false, "of 8.0", 7},
    {"sm_86", 86, false, "of 8.6", 7},  {"sm_87", 87, false, "of 8.7", 7},
    {"sm_90", 90, false, "of 9.0", 7},  {"sm_100", 100, false, "of 10.0", 8},
    {"compute_90", 90, true, "PTX", 4},
};
const int32_t vc_kernel_image_count = IMAGES;
const char vc_kernels_names[] = "simulated";
const char vc_kernels_compiler[] = "12.9.86";

static vc_error error;

static void check_undisturbed(void) {
  CHECK_INT(sim_current(), -1);
  CHECK_INT(sim_depth(), 0);
  CHECK_INT(sim_mode(), SIM_GLOBAL);
  if (!CHECK_INT(sim_errors(), 0)) fprintf(stderr, "%s\n", sim_last_error());
}

/* -------------------------------------------------------------------- chance */

static uint64_t seed = 20261122;

/* -------------------------------------------------------------------- images */

enum { DTYPES = 13, MOST_IMAGES = 6 };
static const vc_dtype dtypes[DTYPES] = {
    {VC_UINT, 8}, {VC_FLOAT, 16}, {VC_BFLOAT, 16}, {VC_FLOAT, 32}, {VC_FLOAT, 64},
    {VC_INT, 8},  {VC_INT, 16},   {VC_UINT, 16},   {VC_INT, 32},   {VC_UINT, 32},
    {VC_INT, 64}, {VC_UINT, 64},  {VC_BOOL, 8},
};

/* Memory that is as large as a view and its surroundings. */
typedef struct picture {
  char *memory;
  size_t bytes;
  vc_view view;
} picture;

typedef struct shape {
  int64_t images, rows, cols, channels;
} shape;

/* How an image lies in memory, beyond its layout: elements between neighbours,
 * bytes between rows and planes, bytes before the first, axes that run backwards. */
typedef struct lie {
  int stretch, row_gap, plane_gap, offset, backwards;
} lie;

static lie draw_lie(size_t size) {
  lie out = {1, 0, 0, 0, 0};
  if (one_in(8)) out.stretch = 2;
  if (one_in(3))
    out.row_gap = (int)size * draw(9);
  else if (one_in(2))
    out.row_gap = 16 * draw(5);
  if (one_in(3)) out.plane_gap = (int)size * draw(9);
  if (one_in(3)) out.offset = (int)size * draw(17);
  if (one_in(6)) out.backwards = draw(16);
  if (one_in(12)) out.row_gap += draw(8); /* not a multiple of the size */
  if (one_in(12)) out.offset += draw(8);
  return out;
}

/* Axes of an image from the innermost to the outermost, as axes of the view. */
static int order_axes(vc_layout layout, bool batch, int *axes) {
  int first = batch;
  static const int planar[] = {2, 1, 0}, interleaved[] = {2, 1, 0};
  const int *order = layout == VC_PLANAR ? planar : interleaved;
  for (int i = 0; i < 3; i++) axes[i] = first + order[i];
  if (batch) axes[3] = 0;
  return 3 + batch;
}

/* In new memory, of random bytes. */
static picture new_picture(vc_dtype dtype, vc_layout layout, bool batch, shape of, lie how) {
  picture out = {0};
  vc_view *view = &out.view;
  int axes[4], count = order_axes(layout, batch, axes);
  int64_t size = (int64_t)vc_dtype_size(dtype), step = size * how.stretch, before = 0;
  const int64_t planar[] = {of.cols, of.rows, of.channels, of.images};
  const int64_t interleaved[] = {of.channels, of.cols, of.rows, of.images};
  const int64_t *lengths = layout == VC_PLANAR ? planar : interleaved;
  int row_axis = layout == VC_PLANAR ? 1 : 2;
  *view = (vc_view){.device = {VC_CUDA, 0}, .dtype = dtype, .ndim = count};
  for (int i = 0; i < count; i++) {
    if (i == row_axis) step += how.row_gap;
    if (i > row_axis) step += how.plane_gap;
    view->shape[axes[i]] = lengths[i];
    bool flipped = how.backwards >> i & 1;
    view->strides[axes[i]] = flipped ? -step : step;
    if (flipped) before += step * (lengths[i] - 1);
    step *= lengths[i];
  }
  /* Poison around it, or nothing at all, which sanitizers watch. */
  int margin = one_in(2) ? 64 : 0;
  void *memory = NULL;
  out.bytes = (size_t)(step + how.offset + 2 * margin);
  if (posix_memalign(&memory, 256, out.bytes) != 0) abort();
  out.memory = memory;
  for (size_t i = 0; i < out.bytes; i++) out.memory[i] = (char)draw_bits();
  view->data = out.memory + margin + how.offset + before;
  return out;
}

/* Values as they come: any bits for integers; for floats small numbers mostly. */
static void fill_floats(picture *image) {
  vc_dtype dtype = image->view.dtype;
  if (dtype.code != VC_FLOAT || dtype.bits == 16 || one_in(4)) return;
  for (size_t i = (size_t)((char *)image->view.data - image->memory) % 8; i + 8 <= image->bytes;
       i += dtype.bits / 8) {
    double value = (draw(4000) - 1000) / (one_in(2) ? 8.0 : 7.0);
    float single = (float)value;
    if (one_in(16)) continue; /* any bits */
    memcpy(image->memory + i, dtype.bits == 64 ? (void *)&value : (void *)&single, dtype.bits / 8u);
  }
}

/* -------------------------------------- what the GPU writes is what the CPU does */

static vc_view on_host(vc_view view) {
  view.device = (vc_device){VC_CPU, 0};
  return view;
}

static void describe(const char *name, const vc_view *view) {
  fprintf(stderr, "  %s: %s at %%16 %d,", name, vc_dtype_name(view->dtype),
          (int)((uintptr_t)view->data % 16));
  for (int i = 0; i < view->ndim; i++) {
    fprintf(stderr, " %lld (%lld)", (long long)view->shape[i], (long long)view->strides[i]);
  }
  fprintf(stderr, "\n");
}

/* Both write to the same memory, one after the other. */
static void check_same(picture *to, const vc_view *from, size_t count,
                       const vc_transform_params *params) {
  vc_view host[MOST_IMAGES], host_to = on_host(to->view);
  char *before = malloc(to->bytes), *written = malloc(to->bytes);
  memcpy(before, to->memory, to->bytes);
  for (size_t i = 0; i < count; i++) host[i] = on_host(from[i]);
  int launches = sim_calls("cuLaunchKernel");
  bool right = CHECK_OK(vc_transform(&to->view, from, count, params, 0, &error));
  right &= CHECK_INT(sim_calls("cuLaunchKernel") - launches, 1);
  memcpy(written, to->memory, to->bytes);
  memcpy(to->memory, before, to->bytes);
  right &= CHECK_OK(vc_transform(&host_to, host, count, params, 0, &error));
  right &= CHECK(memcmp(written, to->memory, to->bytes) == 0);
  if (!right) {
    size_t i = 0;
    while (i < to->bytes && written[i] == to->memory[i]) i++;
    fprintf(stderr, "  kernel %s, byte %zd: %02x, on the CPU %02x\n", sim_last_kernel(),
            (char *)(to->memory + i) - (char *)to->view.data, (uint8_t)written[i],
            (uint8_t)to->memory[i]);
    describe("from", &from[0]);
    describe("to", &to->view);
  }
  free(before);
  free(written);
}

static const int channel_pairs[][2] = {{1, 1}, {3, 3}, {3, 3}, {4, 4}, {3, 4},
                                       {4, 3}, {1, 3}, {1, 4}, {2, 2}, {2, 1},
                                       {1, 2}, {2, 4}, {2, 3}, {5, 5}, {9, 9}};

static double draw_mean[16], draw_std[16];

static vc_transform_params draw_params(int channels) {
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.from = one_in(2) ? VC_PLANAR : VC_INTERLEAVED;
  params.to = one_in(2) ? VC_PLANAR : VC_INTERLEAVED;
  params.reverse_channels = one_in(2);
  if (one_in(3)) params.fill = draw(300) - 20;
  if (one_in(3)) return params;
  if (one_in(2)) params.scale = 1 / 255.0;
  for (int c = 0; c < channels; c++) {
    draw_mean[c] = (draw(200) - 100) / 64.0;
    draw_std[c] = (draw(100) + 1) / 32.0;
  }
  if (!one_in(3)) params.mean = draw_mean;
  if (!one_in(3)) params.std = draw_std;
  params.mean_count = one_in(3) ? 1 : channels;
  params.std_count = one_in(3) ? 1 : channels;
  return params;
}

static vc_dtype draw_dtype(void) { return dtypes[draw(one_in(2) ? 4 : DTYPES)]; }

static int64_t draw_length(void) {
  static const int64_t lengths[] = {1, 2, 3, 4, 7, 8, 13, 16, 17, 31, 32, 48, 64, 97, 128};
  return lengths[draw(sizeof lengths / sizeof *lengths)];
}

static void try_one(void) {
  const int *channels = channel_pairs[draw(sizeof channel_pairs / sizeof *channel_pairs)];
  vc_transform_params params = draw_params(channels[1]);
  shape size = {1 + draw(3), draw_length(), draw_length(), channels[0]};
  bool list = one_in(3), alike = one_in(2);
  size_t count = list ? (size_t)size.images : 1;
  vc_dtype type = draw_dtype();
  lie how = draw_lie(vc_dtype_size(type));
  picture sources[MOST_IMAGES];
  vc_view views[MOST_IMAGES];
  shape one = size;
  if (list) one.images = 1;
  for (size_t i = 0; i < count; i++) {
    if (!alike) how = draw_lie(vc_dtype_size(type));
    sources[i] = new_picture(type, params.from, !list, one, how);
    fill_floats(&sources[i]);
    views[i] = sources[i].view;
  }
  size.channels = channels[1];
  type = one_in(3) ? type : draw_dtype();
  lie target = draw_lie(vc_dtype_size(type));
  picture to = new_picture(type, params.to, true, size, target);
  check_same(&to, views, count, &params);
  for (size_t i = 0; i < count; i++) free(sources[i].memory);
  free(to.memory);
}

static bool launched[512];

static int note_kernel(const char *name, const unsigned sizes[6], void **parameters) {
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    if (strcmp(vc_kernel_names[i], name) == 0) launched[i] = true;
  }
  return run_kernel(name, sizes, parameters);
}

static void test_same_as_cpu(int rounds) {
  sim_set_runner(note_kernel);
  for (int i = 0; i < rounds && checks_failed < 20; i++) try_one();
  check_undisturbed();
}

/* Each kernel, on purpose: plain images of the types that its name says. */
static vc_dtype dtype_named(const char *name, size_t length) {
  static const struct {
    const char *name;
    int dtype;
  } names[] = {{"u8", 0},   {"f16", 1},  {"bf16", 2}, {"f32", 3},
               {"raw1", 5}, {"raw2", 6}, {"raw4", 8}, {"raw8", 4}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strlen(names[i].name) == length && memcmp(names[i].name, name, length) == 0) {
      return dtypes[names[i].dtype];
    }
  }
  return (vc_dtype){0, 0};
}

/* Those are tested in test_resize_gpu.c. */
static bool is_resizing(const char *name) { return strncmp(name, "vc_resize_", 10) == 0; }

static void check_all_launched(void) {
  for (int32_t i = 0; i < vc_kernel_count; i++) {
    if (is_resizing(vc_kernel_names[i]) || strstr(vc_kernel_names[i], "_yuv")) continue;
    if (!check_note(launched[i], __FILE__, __LINE__)) {
      fprintf(stderr, "no picture went through %s\n", vc_kernel_names[i]);
    }
  }
}

/* vc_<family>_<from>_<to>_<channels>[_list] */
static void try_kernel(const char *name) {
  char family[16], from_name[8], to_name[8];
  int code;
  if (sscanf(name, "vc_%15[a-z]_%7[a-z0-9]_%7[a-z0-9]_%d", family, from_name, to_name, &code) !=
      4) {
    return;
  }
  bool list = strstr(name, "_list") != NULL, colours = code > 4;
  vc_dtype from = dtype_named(from_name, strlen(from_name));
  vc_dtype to = dtype_named(to_name, strlen(to_name));
  bool planes = strcmp(family, "deinterleave") == 0, pixels = strcmp(family, "interleave") == 0;
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.from = pixels || strcmp(family, "copy") == 0 ? VC_PLANAR : VC_INTERLEAVED;
  params.to = pixels || colours ? VC_INTERLEAVED : VC_PLANAR;
  params.reverse_channels = colours ? code % 10 : one_in(2);
  if (strncmp(from_name, "raw", 3) != 0) params.scale = 0.5;
  int from_channels = colours ? code / 100 : code, to_channels = colours ? code / 10 % 10 : code;
  if (planes && code == 1) to_channels = 3 + one_in(2);
  if (planes && code > 1 && one_in(2)) to_channels = 7 - code;
  if (pixels && one_in(2)) from_channels = one_in(2) && from.bits > 8 ? 1 : 7 - code;
  shape size = {list ? 3 : 2, 5, 33, from_channels};
  lie how = {1, 7 * (int)vc_dtype_size(from), 0, 0, 0};
  if (one_in(2)) how.row_gap = 64; /* words */
  picture sources[3];
  vc_view views[3];
  shape one = size;
  if (list) one.images = 1;
  for (int i = 0; i < (list ? 3 : 1); i++) {
    sources[i] = new_picture(from, params.from, !list, one, how);
    fill_floats(&sources[i]);
    views[i] = sources[i].view;
  }
  size.channels = to_channels;
  how.row_gap = one_in(3) ? (int)vc_dtype_size(to) : 0;
  picture target = new_picture(to, params.to, true, size, how);
  check_same(&target, views, list ? 3 : 1, &params);
  if (!CHECK_TEXT(sim_last_kernel(), name)) describe("from", &views[0]);
  for (int i = 0; i < (list ? 3 : 1); i++) free(sources[i].memory);
  free(target.memory);
}

static void test_each_kernel(void) {
  sim_set_runner(note_kernel);
  for (int round = 0; round < 12; round++) {
    for (int32_t i = 0; i < vc_kernel_count; i++) {
      const char *name = vc_kernel_names[i];
      if (strncmp(name, "vc_generic", 10) != 0 && !is_resizing(name)) try_kernel(name);
    }
  }
  check_undisturbed();
}

/* ---------------------------------------------------------------- the launches */

static vc_view fake_view(vc_dtype dtype, int32_t ndim, const int64_t *dims, uintptr_t address) {
  vc_view view;
  vc_device device = {VC_CUDA, 0};
  CHECK_OK(vc_view_packed((void *)address, device, dtype, ndim, dims, &view, &error));
  return view;
}

static void check_launch(const char *kernel, unsigned x, unsigned y, unsigned z) {
  const unsigned *sizes = sim_last_sizes();
  CHECK_TEXT(sim_last_kernel(), kernel);
  CHECK_INT(sizes[0], x);
  CHECK_INT(sizes[1], y);
  CHECK_INT(sizes[2], z);
  CHECK_INT(sizes[3], VC_BLOCK);
  CHECK_INT(sizes[4] * sizes[5], 1);
}

static unsigned blocks(int64_t threads) { return (unsigned)((threads + VC_BLOCK - 1) / VC_BLOCK); }

enum { FROM = 1 << 30 };
#define TO ((uintptr_t)1 << 44)

static void test_choice(void) {
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.to = VC_PLANAR;
  params.scale = 1 / 255.0;
  sim_set_runner(NULL); /* addresses of nothing */
  vc_view from = fake_view(dtypes[0], 4, (int64_t[]){32, 1080, 1920, 3}, FROM);
  vc_view to = fake_view(dtypes[3], 4, (int64_t[]){32, 3, 1080, 1920}, TO);
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  check_launch("vc_deinterleave_u8_f32_3", blocks(1080 * 1920 / 4), 32, 1);
  to = fake_view(dtypes[1], 4, (int64_t[]){32, 3, 1080, 1920}, TO);
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  check_launch("vc_deinterleave_u8_f16_3", blocks(1080 * 1920 / 8), 32, 1);
  to.data = (void *)(TO + 2); /* one element a thread */
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  check_launch("vc_deinterleave_u8_f16_3", blocks(1080 * 1920), 32, 1);
  to.data = (void *)(TO + 1); /* no element is where it should be */
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  check_launch("vc_generic_float", blocks(32 * 1080 * 1920), 1, 1);
  /* Over 2^31 bytes, and elements. */
  from = fake_view(dtypes[0], 4, (int64_t[]){1, 30000, 30000, 3}, FROM);
  to = fake_view(dtypes[1], 4, (int64_t[]){1, 3, 30000, 30000}, TO);
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  check_launch("vc_deinterleave_u8_f16_3", blocks(INT64_C(900000000) / 8), 1, 1);
  from = fake_view(dtypes[0], 2, (int64_t[]){100000, 100000}, FROM);
  to = fake_view(dtypes[3], 2, (int64_t[]){100000, 100000}, TO);
  params.to = VC_INTERLEAVED;
  CHECK_INT((int64_t)blocks(INT64_C(2500000000)) * VC_BLOCK > INT32_MAX, 1);
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  check_launch("vc_generic_float", blocks(INT64_C(10000000000)), 1, 1);
  /* More images than a grid's second axis has. */
  from = fake_view(dtypes[0], 4, (int64_t[]){70000, 4, 4, 3}, FROM);
  to = fake_view(dtypes[3], 4, (int64_t[]){70000, 3, 4, 4}, TO);
  params.to = VC_PLANAR;
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  check_launch("vc_generic_float", blocks(70000 * 16), 1, 1);
  /* Many planes of the same kind are as many images. */
  from = fake_view(dtypes[3], 4, (int64_t[]){2, 64, 16, 16}, FROM);
  to = fake_view(dtypes[1], 4, (int64_t[]){2, 64, 16, 16}, TO);
  params.from = VC_PLANAR;
  CHECK_OK(vc_transform(&to, &from, 1, &params, 0, &error));
  check_launch("vc_copy_f32_f16_1", 1, 128, 1);
  check_undisturbed();
}

/* n / d as kernels divide. */
static uint32_t divide(uint32_t n, vc_divider by) {
  return (uint32_t)(((uint64_t)n * by.multiplier >> 32) + n) >> by.shift;
}

static void test_dividers(void) {
  static const uint32_t ends[] = {1,          2,          3,         255,        256,
                                  257,        65535,      65537,     0x3fffffff, 0x40000000,
                                  0x40000001, 0x7ffffffe, 0x7fffffff};
  long wrong = 0;
  for (int i = 0; i < 200000; i++) {
    uint32_t d = one_in(2) ? ends[draw(13)] : (uint32_t)(draw_bits() >> (33 + draw(30)));
    uint32_t n = one_in(2) ? ends[draw(13)] : (uint32_t)(draw_bits() >> 33);
    if (d == 0) continue;
    if (one_in(2)) n = n / d * d - (n >= d && one_in(2));
    wrong += divide(n, vc_divide_by(d)) != n / d;
  }
  CHECK_INT(wrong, 0);
}

typedef struct scene {
  picture from, to;
  vc_transform_params params;
} scene;

static scene new_scene(int device) {
  lie plain = {1, 0, 0, 0, 0};
  scene out;
  out.from = new_picture(dtypes[0], VC_INTERLEAVED, true, (shape){1, 8, 16, 3}, plain);
  out.to = new_picture(dtypes[3], VC_PLANAR, true, (shape){1, 8, 16, 3}, plain);
  out.from.view.device.id = out.to.view.device.id = device;
  vc_transform_params_init(&out.params);
  out.params.to = VC_PLANAR;
  return out;
}

static void free_scene(scene *each) {
  free(each->from.memory);
  free(each->to.memory);
}

static vc_status run_scene(scene *each, vc_stream stream) {
  return vc_transform(&each->to.view, &each->from.view, 1, &each->params, stream, &error);
}

/* As of a driver before CUDA 12. */
static void test_old_driver(void) {
  scene each = new_scene(0);
  vc_driver *driver = (vc_driver *)vc_driver_get();
  if (!CHECK(driver)) return;
  vc_driver whole = *driver;
  driver->cuLibraryLoadData = NULL;
  CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA,
              "need an NVIDIA driver of CUDA 12 or later (525)");
  *driver = whole;
  driver->cuLibraryGetKernel = NULL;
  CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA,
              "need an NVIDIA driver of CUDA 12 or later (525)");
  *driver = whole;
  CHECK_INT(sim_calls("cuLaunchKernel"), 0);
  free_scene(&each);
}

/* Each device runs the machine code of its major version with the latest minor version that is not
 * later than its own, except Jetson's for others, and PTX where there is none. */
static void test_images(void) {
  static const struct {
    int capability;
    const char *image, *code;
  } cases[] = {
      {75, "sm_75", "of 7.5"},    {80, "sm_80", "of 8.0"},    {86, "sm_86", "of 8.6"},
      {87, "sm_87", "of 8.7"},    {88, "sm_87", "of 8.7"},    {89, "sm_86", "of 8.6"},
      {90, "sm_90", "of 9.0"},    {100, "sm_100", "of 10.0"}, {103, "sm_100", "of 10.0"},
      {110, "compute_90", "PTX"}, {120, "compute_90", "PTX"},
  };
  enum { CASES = sizeof cases / sizeof *cases, FIRST = DEVICES - CASES };
  sim_set_runner(NULL);
  for (int i = 0; i < CASES; i++) {
    scene each = new_scene(FIRST + i);
    sim_set_capability(FIRST + i, cases[i].capability);
    CHECK_TEXT(vc_transform_image(FIRST + i), cases[i].image);
    CHECK_OK(run_scene(&each, 0));
    CHECK_TEXT((const char *)sim_last_code(), cases[i].code);
    free_scene(&each);
  }
  check_undisturbed();
}

/* A device that no image is for, and one that does not say what it is. */
static void test_unknown_devices(void) {
  scene each = new_scene(1);
  int loads = sim_calls("cuLibraryLoadData");
  sim_set_capability(1, 72);
  CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA, "cuda:1 has compute capability 7.2, for which");
  CHECK_TEXT(vc_transform_image(1), "");
  sim_set_capability(1, 90);
  for (int after = 0; after < 2; after++) {
    sim_fail("cuDeviceGetAttribute", after, SIM_UNKNOWN);
    CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA, "cuDeviceGetAttribute failed with CUDA error");
  }
  CHECK_TEXT(vc_transform_image(1), "sm_90");
  CHECK_TEXT(vc_transform_image(-1), "");
  CHECK_TEXT(vc_transform_image(64), "");
  CHECK_INT(sim_calls("cuLibraryLoadData"), loads);
  check_undisturbed();
  free_scene(&each);
}

/* Before anything is loaded. */
static void test_load_failures(void) {
  scene each = new_scene(0);
  sim_set_runner(NULL);
  sim_fail("cuLibraryLoadData", 0, SIM_NO_BINARY);
  CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA, "NVIDIA driver of CUDA 12 or later");
  CHECK(strstr(error.message, "(simulated, compiled by NVRTC 12.9.86)") &&
        strstr(error.message, "NO_BINARY_FOR_GPU"));
  sim_fail("cuLibraryLoadData", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA, "cuLibraryLoadData failed with CUDA error 2");
  sim_fail("cuLibraryGetKernel", 0, SIM_NOT_FOUND);
  CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA, "cuLibraryGetKernel failed with CUDA error 500");
  CHECK_INT(sim_calls("cuLaunchKernel"), 0);
  CHECK_OK(run_scene(&each, 0));
  CHECK_INT(sim_calls("cuLibraryLoadData"), 3); /* the third time it was loaded */
  sim_fail("cuLaunchKernel", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA,
              "cuLaunchKernel failed with CUDA error 700 (CUDA_ERROR_ILLEGAL_ADDRESS)");
  CHECK(!vc_transform(&each.to.view, &each.from.view, 1, &each.params, 0, NULL));
  sim_fail("cuLaunchKernel", 0, SIM_NO_BINARY);
  CHECK_INT(vc_transform(&each.to.view, &each.from.view, 1, &each.params, 0, NULL), VC_ERROR_CUDA);
  free_scene(&each);
  check_undisturbed();
}

/* The last call of that name. */
static sim_call last_call(const char *name) {
  sim_call call = {0}, found = {0};
  for (int i = 0; sim_log_read(i, &call); i++) {
    if (strcmp(call.name, name) == 0) found = call;
  }
  return found;
}

static void check_stream(scene *each, vc_stream given, intptr_t needed, int device) {
  sim_log_clear();
  CHECK_OK(run_scene(each, given));
  sim_call call = last_call("cuLaunchKernel");
  CHECK_INT(call.stream, needed);
  CHECK_INT(call.device, device);
  CHECK_INT(call.mode, SIM_RELAXED);
  check_undisturbed();
}

static void test_streams(void) {
  scene zero = new_scene(0), one = new_scene(1);
  intptr_t a = sim_stream_create(0, 1), b = sim_stream_create(1, 0);
  sim_set_runner(NULL);
  CHECK_OK(run_scene(&zero, 0));
  int kernels = sim_calls("cuLibraryGetKernel");
  check_stream(&zero, 0, 1, 0);
  check_stream(&zero, VC_STREAM_NONE, 1, 0);
  check_stream(&zero, VC_STREAM_PER_THREAD, 2, 0);
  check_stream(&zero, a, a, 0);
  check_stream(&one, b, b, 1);
  check_stream(&one, 0, 1, 1);
  sim_log_clear();
  CHECK_FAILS(run_scene(&zero, b), VC_ERROR_DEVICE,
              "the images are on cuda:0 and the stream is of cuda:1");
  CHECK(!last_call("cuLaunchKernel").name);
  CHECK_INT(sim_calls("cuLibraryGetKernel"), kernels); /* one for all devices */
  free_scene(&zero);
  free_scene(&one);
  check_undisturbed();
}

static void test_captures(void) {
  scene each = new_scene(0);
  intptr_t capturing = sim_stream_create(0, 0), other = sim_stream_create(0, 1);
  sim_begin_capture(capturing, SIM_GLOBAL);
  CHECK_OK(run_scene(&each, capturing));
  CHECK_OK(run_scene(&each, other));
  CHECK_OK(run_scene(&each, VC_STREAM_PER_THREAD));
  CHECK_FAILS(run_scene(&each, 0), VC_ERROR_CUDA, "name the capturing stream (stream)");
  CHECK_FAILS(run_scene(&each, VC_STREAM_NONE), VC_ERROR_CUDA, "name the capturing stream");
  CHECK_INT(sim_end_capture(capturing), 0);
  CHECK_OK(run_scene(&each, 0));
  free_scene(&each);
  check_undisturbed();
}

/* ----------------------------------------------------------------------- lists */

enum { LONGEST = 5000 };

typedef struct list {
  picture from, to, other;
  vc_view views[LONGEST];
  vc_transform_params params;
} list;

/* Parts of one picture; `alike` except one that has rows of its own. */
static list *new_list(int64_t count, bool alike) {
  lie plain = {1, 0, 0, 0, 0}, pitched = {1, 32, 0, 0, 0};
  list *out = malloc(sizeof *out);
  out->from = new_picture(dtypes[0], VC_INTERLEAVED, true, (shape){count, 3, 4, 3}, plain);
  out->other = new_picture(dtypes[0], VC_INTERLEAVED, false, (shape){1, 3, 4, 3}, pitched);
  out->to = new_picture(dtypes[1], VC_PLANAR, true, (shape){count, 3, 4, 3}, plain);
  for (int64_t i = 0; i < count; i++) {
    out->views[i] = out->other.view;
    if (!alike && i == count / 2) continue;
    for (int axis = 0; axis < 3; axis++) {
      out->views[i].strides[axis] = out->from.view.strides[axis + 1];
    }
    /* The last image first: no two in order. */
    out->views[i].data = (char *)out->from.view.data + (count - 1 - i) * 36;
  }
  vc_transform_params_init(&out->params);
  out->params.to = VC_PLANAR;
  out->params.scale = 1 / 255.0;
  return out;
}

static void free_list(list *each) {
  free(each->from.memory);
  free(each->to.memory);
  free(each->other.memory);
  free(each);
}

static vc_status run_list(list *each, int64_t count, vc_stream stream) {
  return vc_transform(&each->to.view, each->views, (size_t)count, &each->params, stream, &error);
}

static void check_list(int64_t count, bool alike, int uploads) {
  list *each = new_list(count, alike);
  int allocations = sim_calls("cuMemAllocAsync"), copies = sim_calls("cuMemcpyHtoDAsync_v2");
  int launches = sim_calls("cuLaunchKernel"), frees = sim_calls("cuMemFreeAsync");
  CHECK_OK(run_list(each, count, 0));
  CHECK_INT(sim_calls("cuLaunchKernel") - launches, 1);
  CHECK_INT(sim_calls("cuMemAllocAsync") - allocations, uploads);
  CHECK_INT(sim_calls("cuMemcpyHtoDAsync_v2") - copies, uploads);
  CHECK_INT(sim_calls("cuMemFreeAsync") - frees, uploads);
  CHECK_INT(sim_used(0), 0);
  CHECK_TEXT(sim_last_kernel(), alike ? "vc_deinterleave_u8_f16_3_list" : "vc_generic_float_more");
  char *written = malloc(each->to.bytes);
  memcpy(written, each->to.memory, each->to.bytes);
  for (int64_t i = 0; i < count; i++) each->views[i] = on_host(each->views[i]);
  each->to.view = on_host(each->to.view);
  CHECK_OK(run_list(each, count, 0));
  CHECK(memcmp(written, each->to.memory, each->to.bytes) == 0);
  free(written);
  free_list(each);
  check_undisturbed();
}

static void test_lists(void) {
  sim_set_runner(run_kernel);
  check_list(2, true, 0);
  check_list(VC_TABLE_IMAGES, true, 0);
  check_list(VC_TABLE_IMAGES + 1, true, 1);
  check_list(LONGEST, true, 1);
  check_list(2, false, 0);
  check_list(VC_TABLE_LISTED, false, 0);
  check_list(VC_TABLE_LISTED + 1, false, 1);
  check_list(LONGEST, false, 1);
}

static void test_long_list_failures(void) {
  list *each = new_list(500, true);
  intptr_t stream = sim_stream_create(0, 1);
  int launches = sim_calls("cuLaunchKernel");
  sim_fail("cuMemAllocAsync", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(run_list(each, 500, stream), VC_ERROR_CUDA, "cuMemAllocAsync (for a long list");
  sim_fail("cuMemcpyHtoDAsync_v2", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(run_list(each, 500, stream), VC_ERROR_CUDA, "cuMemcpyHtoDAsync (of a long list");
  CHECK_INT(sim_used(0), 0);
  sim_begin_capture(stream, SIM_GLOBAL);
  CHECK_FAILS(run_list(each, 500, stream), VC_ERROR_CUDA, "capture up to 448 images");
  CHECK_INT(sim_calls("cuLaunchKernel"), launches);
  CHECK_INT(sim_end_capture(stream), 0);
  sim_fail("cuLaunchKernel", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(run_list(each, 500, stream), VC_ERROR_CUDA, "cuLaunchKernel failed");
  CHECK_INT(sim_used(0), 0);
  free_list(each);
  check_undisturbed();
}

int main(int count, char **arguments) {
  load_simulation();
  sim_set_devices(DEVICES);
  CHECK_TEXT(vc_transform_kernels(), "simulated");
  test_old_driver();
  test_load_failures();
  test_unknown_devices();
  test_images();
  test_dividers();
  test_choice();
  test_streams();
  test_captures();
  test_lists();
  test_long_list_failures();
  test_each_kernel();
  test_same_as_cpu(count > 1 ? atoi(arguments[1]) : 4000);
  check_all_launched();
  CHECK_INT(sim_calls("cuLibraryLoadData"), 2 + IMAGES); /* once each, after two failures */
  return check_report();
}
