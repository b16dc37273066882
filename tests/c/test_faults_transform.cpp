/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms, and GpuMats in memory of our own, under failures (faults.hpp). A
 * transform writes all of its destination or, where it says that it failed, nothing.
 * The simulated driver runs the real kernels. */
#include "faults.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels_on_host.h"

// In the place of the library's own, so that these tests need no compiler.
extern "C" {
#include "transform/embedded_kernels.h"
extern const vc_kernel_image vc_kernel_images[] = {{"compute_75", 75, true, "PTX", 4}};
extern const int32_t vc_kernel_image_count = 1;
extern const char vc_kernels_names[] = "simulated";
extern const char vc_kernels_compiler[] = "12.9.86";
}

namespace {

enum { IMAGES = 300, LONG = 460, ROWS = 3, COLS = 8, CHANNELS = 3, PIXELS = ROWS * COLS };
enum { LARGE_ROWS = 300, LARGE_COLS = 480 }; // work for four threads
const uint8_t UNTOUCHED = 0xa5;

vc_stream side, far;

// Sources of u8 HWC, a destination of f32 NCHW, and each value twice as large there.
struct scene {
  std::vector<uint8_t> pixels;
  std::vector<float> written;
  std::vector<vc_view> from;
  vc_view to;
  vc_transform_params params;
  int rows, cols;
};

vc_view packed(void *data, vc_device device, vc_dtype dtype, std::vector<int64_t> shape) {
  vc_view view;
  CHECK_OK(vc_view_packed(data, device, dtype, static_cast<int32_t>(shape.size()), shape.data(),
                          &view, &error));
  return view;
}

scene new_scene(vc_device device, int images, int rows, int cols) {
  scene out;
  size_t each = static_cast<size_t>(rows * cols * CHANNELS);
  out.pixels.resize(each * static_cast<size_t>(images));
  out.written.resize(out.pixels.size());
  for (size_t i = 0; i < out.pixels.size(); i++)
    out.pixels[i] = static_cast<uint8_t>(i * 7 + i / 251);
  for (int i = 0; i < images; i++)
    out.from.push_back(packed(&out.pixels[static_cast<size_t>(i) * each], device, {VC_UINT, 8},
                              {rows, cols, CHANNELS}));
  out.to = packed(out.written.data(), device, {VC_FLOAT, 32}, {images, CHANNELS, rows, cols});
  vc_transform_params_init(&out.params);
  out.params.to = VC_PLANAR;
  out.params.scale = 2;
  out.params.threads = 4;
  out.rows = rows;
  out.cols = cols;
  return out;
}

bool is_right(const scene &each) {
  size_t plane = static_cast<size_t>(each.rows * each.cols), at = 0;
  for (size_t image = 0; image < each.from.size(); image++) {
    const uint8_t *from = static_cast<const uint8_t *>(each.from[image].data);
    for (size_t channel = 0; channel < CHANNELS; channel++)
      for (size_t i = 0; i < plane; i++)
        if (each.written[at++] != 2.0f * from[i * CHANNELS + channel]) return false;
  }
  return true;
}

bool is_untouched(const scene &each) {
  const uint8_t *bytes = reinterpret_cast<const uint8_t *>(each.written.data());
  for (size_t i = 0; i < each.written.size() * sizeof(float); i++)
    if (bytes[i] != UNTOUCHED) return false;
  return true;
}

// The device that the last kernel ran on; -1: none did.
int last_launch() {
  sim_call call;
  int device = -1;
  for (int i = 0; sim_log_read(i, &call); i++)
    if (is(call.name, "cuLaunchKernel") && call.result == SIM_SUCCESS) device = call.device;
  return device;
}

vc_status run(scene &each, vc_stream stream) {
  std::memset(each.written.data(), UNTOUCHED, each.written.size() * sizeof(float));
  if (simulated) sim_log_clear();
  vc_status status =
      vc_transform(&each.to, each.from.data(), each.from.size(), &each.params, stream, &error);
  CHECK(status == VC_OK ? is_right(each) : is_untouched(each));
  if (status == VC_OK && each.to.device.type == VC_CUDA)
    CHECK_INT(last_launch(), each.to.device.id); // pixels of a device go through its own kernels
  return status;
}

// ----------------------------------------------------------------- operations

vc_status on_the_cpu() {
  static scene each = new_scene({VC_CPU, 0}, 1, LARGE_ROWS, LARGE_COLS);
  return run(each, VC_STREAM_NONE);
}

vc_status list_on_the_cpu() {
  static scene each = new_scene({VC_CPU, 0}, IMAGES, ROWS, COLS);
  return run(each, VC_STREAM_NONE);
}

scene &small() {
  static scene each = new_scene({VC_CUDA, 0}, 1, ROWS, COLS);
  return each;
}
vc_status on_a_stream() { return run(small(), side); }
vc_status on_legacy() { return run(small(), VC_STREAM_LEGACY); }
vc_status on_no_stream() { return run(small(), VC_STREAM_NONE); }
vc_status on_per_thread() { return run(small(), VC_STREAM_PER_THREAD); }

// In the kernel's parameters.
vc_status short_list() {
  static scene each = new_scene({VC_CUDA, 0}, 9, ROWS, COLS);
  return run(each, side);
}

// In memory of the device.
vc_status long_list() {
  static scene each = new_scene({VC_CUDA, 0}, LONG, 2, 4);
  return run(each, side);
}

// One of its images lies elsewhere, with rows of its own: the kernel for all kinds.
scene new_mixed_list() {
  static std::vector<uint8_t> pitched(ROWS * 64);
  scene out = new_scene({VC_CUDA, 0}, LONG, 2, 4);
  out.from[LONG / 2].data = pitched.data();
  out.from[LONG / 2].strides[0] = 64;
  return out;
}
vc_status mixed_list() {
  static scene each = new_mixed_list();
  std::memset(each.written.data(), UNTOUCHED, each.written.size() * sizeof(float));
  vc_status status = vc_transform(&each.to, each.from.data(), each.from.size(), &each.params,
                                  VC_STREAM_LEGACY, &error);
  CHECK(status == VC_OK ? each.written.back() == 2.0f * each.pixels.back() : is_untouched(each));
  return status;
}

// Images that keep their size, in the way of those that change it.
scene new_resized_scene(vc_device device, int images, int rows, int cols, vc_resize *resize) {
  scene out = new_scene(device, images, rows, cols);
  vc_resize_init(resize, rows, cols, VC_LINEAR);
  resize->fit = VC_LETTERBOX;
  out.params.resize = resize;
  return out;
}
vc_status resized_on_the_cpu() {
  static vc_resize resize;
  static scene each = new_resized_scene({VC_CPU, 0}, 1, LARGE_ROWS, LARGE_COLS, &resize);
  return run(each, VC_STREAM_NONE);
}
vc_status resized_list_on_the_cpu() {
  static vc_resize resize;
  static scene each = new_resized_scene({VC_CPU, 0}, IMAGES, ROWS, COLS, &resize);
  return run(each, VC_STREAM_NONE);
}
vc_status resized() {
  static vc_resize resize;
  static scene each = new_resized_scene({VC_CUDA, 0}, 1, ROWS, COLS, &resize);
  return run(each, side);
}
scene new_uneven_scene(vc_resize *resize) {
  scene out = new_resized_scene({VC_CUDA, 0}, LONG, 2, 4, resize);
  std::swap(out.from[0].data, out.from[1].data); // no regular distance: a list
  return out;
}
vc_status resized_long_list() {
  static vc_resize resize;
  static scene each = new_uneven_scene(&resize);
  return run(each, side);
}
// One box on the GPU, the whole image.
vc_status resized_box() {
  static vc_resize resize;
  static scene each = new_resized_scene({VC_CUDA, 0}, 1, ROWS, COLS, &resize);
  static float box[] = {0, 0, COLS, ROWS};
  static vc_view boxes = packed(box, {VC_CUDA, 0}, {VC_FLOAT, 32}, {1, 4});
  each.params.boxes = &boxes;
  return run(each, side);
}

// Grey I420 of full range: R, G and B are luma.
struct yuv_scene {
  std::vector<uint8_t> luma, chroma;
  std::vector<vc_yuv> images;
  std::vector<vc_view> from;
};

yuv_scene new_yuv_scene(int images, int rows, int cols) {
  yuv_scene out;
  size_t each = static_cast<size_t>(rows * cols);
  out.luma.resize(each * static_cast<size_t>(images));
  out.chroma.assign(each, 128);
  for (size_t i = 0; i < out.luma.size(); i++) out.luma[i] = static_cast<uint8_t>(i * 7 + i / 251);
  for (int i = 0; i < images; i++) {
    vc_yuv image;
    vc_yuv_init(&image, VC_I420, VC_BT709, VC_FULL_RANGE);
    image.planes[0] =
        packed(&out.luma[static_cast<size_t>(i) * each], {VC_CPU, 0}, {VC_UINT, 8}, {rows, cols});
    for (int plane = 1; plane < 3; plane++)
      image.planes[plane] =
          packed(out.chroma.data(), {VC_CPU, 0}, {VC_UINT, 8}, {(rows + 1) / 2, (cols + 1) / 2});
    out.images.push_back(image);
    out.from.emplace_back();
    CHECK_OK(vc_yuv_image(&image, &out.from.back(), &error));
  }
  return out;
}

bool holds_luma(const scene &to, const yuv_scene &from) {
  size_t plane = static_cast<size_t>(to.rows * to.cols);
  for (size_t i = 0; i < to.written.size(); i++) {
    size_t image = i / (CHANNELS * plane), pixel = i % plane;
    if (to.written[i] != 2.0f * from.luma[image * plane + pixel]) return false;
  }
  return true;
}

vc_status run_yuv(scene &to, const yuv_scene &from) {
  std::memset(to.written.data(), UNTOUCHED, to.written.size() * sizeof(float));
  to.params.yuv = from.images.data();
  vc_status status =
      vc_transform(&to.to, from.from.data(), from.from.size(), &to.params, VC_STREAM_NONE, &error);
  CHECK(status == VC_OK ? holds_luma(to, from) : is_untouched(to));
  return status;
}

vc_status yuv_on_the_cpu() {
  static yuv_scene from = new_yuv_scene(1, LARGE_ROWS, LARGE_COLS);
  static scene to = new_scene({VC_CPU, 0}, 1, LARGE_ROWS, LARGE_COLS);
  return run_yuv(to, from);
}
vc_status yuv_list_on_the_cpu() {
  static yuv_scene from = new_yuv_scene(IMAGES, ROWS, COLS);
  static scene to = new_scene({VC_CPU, 0}, IMAGES, ROWS, COLS);
  return run_yuv(to, from);
}
vc_status yuv_resized_on_the_cpu() {
  static vc_resize resize;
  static yuv_scene from = new_yuv_scene(9, ROWS, COLS);
  static scene to = new_resized_scene({VC_CPU, 0}, 9, ROWS, COLS, &resize);
  return run_yuv(to, from);
}

// White in NV12 of limited range: luma 235, chroma 128.
vc_status yuv_written() {
  static std::vector<uint8_t> rgb(LARGE_ROWS * LARGE_COLS * CHANNELS, 255);
  static std::vector<uint8_t> planes(LARGE_ROWS * LARGE_COLS * 3 / 2);
  vc_yuv to;
  vc_yuv_init(&to, VC_NV12, VC_BT709, VC_LIMITED_RANGE);
  vc_view array =
      packed(planes.data(), {VC_CPU, 0}, {VC_UINT, 8}, {LARGE_ROWS * 3 / 2, LARGE_COLS});
  vc_view image = packed(rgb.data(), {VC_CPU, 0}, {VC_UINT, 8}, {LARGE_ROWS, LARGE_COLS, CHANNELS});
  CHECK_OK(vc_yuv_split(&array, VC_NV12, &to, &error));
  planes.assign(planes.size(), UNTOUCHED);
  vc_status status = vc_yuv_write(&to, &image, VC_INTERLEAVED, false, 0, &error);
  for (size_t i = 0; i < planes.size(); i++) {
    int wanted = i < LARGE_ROWS * LARGE_COLS ? 235 : 128;
    if (!CHECK_INT(planes[i], status == VC_OK ? wanted : UNTOUCHED)) break;
  }
  return status;
}

scene &small_far() {
  static scene each = new_scene({VC_CUDA, devices - 1}, 1, ROWS, COLS);
  return each;
}
vc_status far_on_a_stream() { return run(small_far(), far); }
vc_status far_on_legacy() { return run(small_far(), VC_STREAM_LEGACY); }
vc_status far_long_list() {
  static scene each = new_scene({VC_CUDA, devices - 1}, LONG, 2, 4);
  return run(each, VC_STREAM_LEGACY);
}

// A kernel that was not asked for before, as long as there are some: it is looked up
// in the loaded library.
vc_status next_kernel() {
  static const vc_dtype dtypes[] = {{VC_UINT, 8}, {VC_FLOAT, 16}, {VC_FLOAT, 32}};
  static size_t next;
  static uint8_t from[2 * PIXELS * CHANNELS * 8], to[sizeof from];
  size_t kind = next++;
  bool planes = kind / 9 % 2; // on the source's side
  std::vector<int64_t> interleaved = {1, ROWS, COLS, CHANNELS}, planar = {1, CHANNELS, ROWS, COLS};
  vc_view source = packed(from, {VC_CUDA, 0}, dtypes[kind % 3], planes ? planar : interleaved);
  vc_view target = packed(to, {VC_CUDA, 0}, dtypes[kind / 3 % 3], planes ? interleaved : planar);
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.from = planes ? VC_PLANAR : VC_INTERLEAVED;
  params.to = planes ? VC_INTERLEAVED : VC_PLANAR;
  params.scale = kind / 18 % 2 ? 1 : 0.5;
  std::memset(to, UNTOUCHED, sizeof to);
  vc_status status = vc_transform(&target, &source, 1, &params, side, &error);
  if (status != VC_OK)
    for (uint8_t byte : to)
      if (!CHECK_INT(byte, UNTOUCHED)) break;
  return status;
}

// What is only asked enqueues nothing.
vc_status asked_before() {
  scene &each = small();
  if (simulated) sim_log_clear();
  vc_status status =
      vc_transform_check(&each.to, each.from.data(), each.from.size(), &each.params, side, &error);
  if (simulated) CHECK_INT(last_launch(), -1);
  return status;
}

// A group of images of one buffer, in boxes.
vc_status search_for_overlap() {
  static uint8_t canvas[ROWS * IMAGES * COLS];
  std::vector<vc_view> tiles;
  for (int i = 0; i < IMAGES; i++) {
    tiles.push_back(packed(canvas + i * COLS, {VC_CPU, 0}, {VC_UINT, 8}, {ROWS, COLS}));
    tiles.back().strides[0] = IMAGES * COLS;
  }
  vc_overlap found;
  vc_status status = vc_views_find_overlap(tiles.data(), IMAGES, nullptr, 0, &found, &error);
  if (status == VC_OK) CHECK_INT(found.kind, VC_OVERLAPS_NOTHING);
  return status;
}

// A GpuMat in memory of our own behind a pointer, lent to, copied, and dropped.
vc_status gpumat_object() {
  static uint8_t pixels[PIXELS * CHANNELS];
  vc_gpumat_abi abi;
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard_allocator, &abi, &error));
  vc_device device = {simulated ? VC_CUDA : VC_CPU, 0};
  vc_view view = packed(pixels, device, {VC_UINT, 8}, {ROWS, COLS, CHANNELS});
  vc_gpumat *mat = nullptr;
  vc_gpumat_control *control = nullptr;
  vc_owner owner = new_owner();
  vc_status status = vc_gpumat_new(&abi, &mat, &control, &error);
  CHECK((status == VC_OK) == (static_cast<void *>(mat) != nullptr && control != nullptr));
  if (status != VC_OK) return give_up(status, owner);
  status = vc_gpumat_lend(&abi, &view, &owner, nullptr, mat, &error);
  if (status != VC_OK) {
    vc_gpumat_drop(control);
    return give_up(status, owner);
  }
  std::shared_ptr<GpuMat> pointer;
  void *words[] = {mat, control};
  static_assert(sizeof pointer == sizeof words, "two words");
  std::memcpy(static_cast<void *>(&pointer), words, sizeof words);
  GpuMat copy = *pointer;
  pointer.reset();
  CHECK(copy.data == pixels);
  return status;
}

const operation operations[] = {
    {"vc_transform (first)", on_a_stream, WITH_DRIVER, 0}, // which loads the kernels
    {"vc_transform (a kernel not used before)", next_kernel, WITH_DRIVER, 0},
    {"vc_transform_check", asked_before, WITH_DRIVER, 0},
    {"vc_views_find_overlap", search_for_overlap, ANYWHERE, 0},
    {"vc_transform (CPU, threads)", on_the_cpu, HOST_ONLY, 0},
    {"vc_transform (CPU, a list)", list_on_the_cpu, HOST_ONLY, 0},
    {"vc_transform (legacy)", on_legacy, WITH_DRIVER, 0},
    {"vc_transform (no stream)", on_no_stream, WITH_DRIVER, 0},
    {"vc_transform (per-thread)", on_per_thread, WITH_DRIVER, 0},
    {"vc_transform (a list)", short_list, WITH_DRIVER, 0},
    {"vc_transform (a long list)", long_list, WITH_DRIVER, 0},
    {"vc_transform (a long list, mixed)", mixed_list, WITH_DRIVER, 0},
    {"vc_transform (CPU, resized)", resized_on_the_cpu, HOST_ONLY, 0},
    {"vc_transform (CPU, a resized list)", resized_list_on_the_cpu, HOST_ONLY, 0},
    {"vc_transform (CPU, YUV)", yuv_on_the_cpu, HOST_ONLY, 0},
    {"vc_transform (CPU, a list of YUV images)", yuv_list_on_the_cpu, HOST_ONLY, 0},
    {"vc_transform (CPU, a list of YUV images, resized)", yuv_resized_on_the_cpu, HOST_ONLY, 0},
    {"vc_yuv_write", yuv_written, ANYWHERE, 0},
    {"vc_transform (resized)", resized, WITH_DRIVER, 0},
    {"vc_transform (a long list, resized)", resized_long_list, WITH_DRIVER, 0},
    {"vc_transform (a box)", resized_box, WITH_DRIVER, 0},
    {"vc_transform (the other device)", far_on_a_stream, WITH_TWO, 0},
    {"vc_transform (the other device, legacy)", far_on_legacy, WITH_TWO, 0},
    {"vc_transform (the other device, a long list)", far_long_list, WITH_TWO, 0},
    {"vc_gpumat_new, vc_gpumat_drop", gpumat_object, ANYWHERE, 0},
};

// In a child of its own, which starts no thread then.
void check_without_fork_handlers() {
  pid_t child = fork();
  if (child == 0) {
    no_fork_handlers = true;
    asked = 0;
    CHECK_OK(on_the_cpu());
    CHECK_OK(on_the_cpu());
    CHECK_INT(asked, 0);
    _exit(checks_failed != 0);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK_INT(status, 0);
  faults++;
}

} // namespace

int main() {
  if (!find_mode()) return check_report();
  check_without_fork_handlers();
  if (simulated) {
    sim_set_current(0);
    sim_set_runner(run_kernel);
    side = sim_stream_create(0, 1);
    far = sim_stream_create(devices - 1, 1);
  }
  for (const operation &each : operations) fail_everything(each);
  std::printf("%ld faults injected\n", faults);
  return check_report();
}
