/* SPDX-License-Identifier: Apache-2.0 */
/* Times the fast kernels with other numbers of pixels per thread and other block sizes, and a
 * copy of as many bytes, to find the shape for src/transform/kernels/list.h.
 * bench/tune_transform.sh builds it once for each combination of cache hints. */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <cuda_runtime.h>

extern "C" {
#include "transform/dispatch.h"
}

#include "kernels/fast.cuh"
#include "kernels/intrinsics.cuh"

static void check(cudaError_t result, const char *what) {
  if (result == cudaSuccess) return;
  fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(result));
  exit(1);
}
#define CHECK(call) check(call, #call)

template <class Family, class Source>
__global__ void __launch_bounds__(1024)
    kernel(const __grid_constant__ vc_fast p, const __grid_constant__ vc_table t) {
  run_fast<Family, Source>(p, &t);
}

template <class Family>
__global__ void __launch_bounds__(1024) kernel_of_one(const __grid_constant__ vc_fast p) {
  run_fast<Family, at_strides>(p, nullptr);
}

/* Two units per thread, one block apart. */
template <class Family>
__global__ void __launch_bounds__(1024) kernel_of_two(const __grid_constant__ vc_fast p) {
  uint32_t first = blockIdx.x * 2 * blockDim.x + threadIdx.x;
#pragma unroll
  for (uint32_t i = 0; i < 2; i++) run_unit<Family, at_strides>(p, nullptr, first + i * blockDim.x);
}

/* Converts contiguous bytes to floats: the memory traffic of u8 NHWC -> f32 NCHW alone. It is
 * an upper bound for kernels that write four bytes for each byte read. */
__global__ void __launch_bounds__(1024) widen(const uint32_t *from, float4 *to, size_t words) {
  size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= words) return;
  uint32_t x = load_word(from + i);
  float4 y = {(float)(x & 255), (float)(x >> 8 & 255), (float)(x >> 16 & 255), (float)(x >> 24)};
  __stcs(to + i, y);
}

/* --- what is converted */

struct workload {
  const char *name;
  vc_dtype from, to;
  vc_layout from_layout, to_layout;
  bool list; /* of images with a pitch */
  double scale;
};

struct size {
  int64_t images, rows, cols;
};

static const vc_dtype U8 = {VC_UINT, 8}, F16 = {VC_FLOAT, 16}, F32 = {VC_FLOAT, 32};
static const size sizes[] = {{1, 1080, 1920}, {32, 1080, 1920}, {64, 2160, 3840}};
enum { SIZES = 3, SETS = 3, LIST = 64 };

static size_t bytes_of(vc_dtype dtype, const size &s) {
  return (size_t)(s.images * s.rows * s.cols * 3) * dtype.bits / 8;
}

static int64_t pitch_of(const size &s) { return (s.cols * 3 + 511) / 512 * 512; }

static vc_view make_view(char *data, vc_dtype dtype, vc_layout layout, const size &s) {
  vc_view view;
  vc_error error;
  int64_t planar[] = {s.images, 3, s.rows, s.cols}, pixels[] = {s.images, s.rows, s.cols, 3};
  vc_device device = {VC_CUDA, 0};
  if (vc_view_packed(data, device, dtype, 4, layout == VC_PLANAR ? planar : pixels, &view,
                     &error) != VC_OK) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  return view;
}

struct job {
  vc_fast fast;
  vc_table table;
  unsigned grid_y, grid_z;
};

/* Launches the kernel as the library does. */
static job make_job(const workload &w, const size &s, char *from, char *to) {
  static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
  vc_transform_params params;
  vc_transform_params_init(&params);
  params.from = w.from_layout;
  params.to = w.to_layout;
  params.scale = w.scale;
  params.reverse_channels = true;
  if (w.scale != 1 && w.to.code == VC_FLOAT) {
    params.mean = mean;
    params.std = std;
    params.mean_count = params.std_count = 3;
  }
  vc_view target = make_view(to, w.to, w.to_layout, s);
  size one = {w.list ? 1 : s.images, s.rows, s.cols};
  std::vector<vc_view> sources((size_t)(w.list ? s.images : 1));
  for (size_t i = 0; i < sources.size(); i++) {
    sources[i] = make_view(from, w.from, w.from_layout, one);
    if (!w.list) continue;
    sources[i].strides[1] = pitch_of(s);
    sources[i].data = from + (int64_t)(sources.size() - 1 - i) * s.rows * pitch_of(s);
  }
  static vc_plan plan;
  static vc_launch launch;
  vc_error error;
  bool empty;
  if (vc_plan_make(&target, sources.data(), sources.size(), &params, &plan, &empty, &error) !=
          VC_OK ||
      vc_dispatch(&plan, &launch, &error) != VC_OK || launch.is_generic) {
    fprintf(stderr, "%s: no fast kernel (%s)\n", w.name, error.message);
    exit(1);
  }
  return {launch.fast, launch.more.table, launch.grid[1], launch.grid[2]};
}

/* --- time */

static int rounds = 30;
static const char *only = ""; /* workloads whose name contains this */

/* The median time in milliseconds; `run(i)` works on the i-th set of buffers. */
template <class Run>
static double time_it(Run run) {
  cudaEvent_t begin, end;
  std::vector<float> times;
  CHECK(cudaEventCreate(&begin));
  CHECK(cudaEventCreate(&end));
  for (int i = 0; i < 3; i++) run(i % SETS);
  for (int i = 0; i < rounds; i++) {
    float ms;
    CHECK(cudaEventRecord(begin));
    run(i % SETS);
    CHECK(cudaEventRecord(end));
    CHECK(cudaEventSynchronize(end));
    CHECK(cudaEventElapsedTime(&ms, begin, end));
    times.push_back(ms);
  }
  CHECK(cudaGetLastError());
  CHECK(cudaEventDestroy(begin));
  CHECK(cudaEventDestroy(end));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

static char *from_memory[SETS], *to_memory[SETS];

static double copy_time(size_t bytes) {
  return time_it([&](int i) {
    CHECK(cudaMemcpyAsync(to_memory[i], from_memory[i], bytes / 2, cudaMemcpyDeviceToDevice));
  });
}

static double copy_times[SIZES];

template <class Family>
static void measure(const workload &w, int block, bool two = false) {
  if (!strstr(w.name, only)) return;
  printf("%-26s %2d%s%4d", w.name, Family::PIXELS, two ? "x2" : "  ", block);
  for (int s = 0; s < SIZES; s++) {
    size of = sizes[s];
    if (w.list && of.images > LIST) continue;
    job jobs[SETS];
    for (int i = 0; i < SETS; i++) {
      jobs[i] = make_job(w, of, from_memory[i], to_memory[i]);
      vc_fast &fast = jobs[i].fast;
      fast.unit = Family::PIXELS;
      fast.by = vc_divide_by((fast.cols - 1) / fast.unit + 1);
      fast.whole = (uint32_t)(fast.cols / fast.unit);
    }
    const vc_fast &fast = jobs[0].fast;
    unsigned covered = (unsigned)block * (two ? 2 : 1);
    dim3 grid((fast.by.divisor * fast.rows + covered - 1) / covered, jobs[0].grid_y,
              jobs[0].grid_z);
    double ms = time_it([&](int i) {
      if (w.list && of.images > 1)
        kernel<Family, listed><<<grid, block>>>(jobs[i].fast, jobs[i].table);
      else if (two)
        kernel_of_two<Family><<<grid, block>>>(jobs[i].fast);
      else
        kernel_of_one<Family><<<grid, block>>>(jobs[i].fast);
    });
    size_t bytes = bytes_of(w.from, of) + bytes_of(w.to, of);
    double copied = (double)bytes_of(F32, of) * 2 / copy_times[s];
    printf("  %8.4f %5.1f%%", ms, 100 * ((double)bytes / ms) / copied);
  }
  printf("\n");
}

static void measure_widening(int block) {
  const char *name = "u8 -> f32, one line";
  if (!strstr(name, only)) return;
  printf("%-26s  4  %4d", name, block);
  for (int s = 0; s < SIZES; s++) {
    size_t bytes = bytes_of(U8, sizes[s]), words = bytes / 4;
    double ms = time_it([&](int i) {
      widen<<<(unsigned)((words - 1) / block + 1), block>>>((uint32_t *)from_memory[i],
                                                            (float4 *)to_memory[i], words);
    });
    double copied = (double)bytes_of(F32, sizes[s]) * 2 / copy_times[s];
    printf("  %8.4f %5.1f%%", ms, 100 * ((double)bytes * 5 / ms) / copied);
  }
  printf("\n");
}

template <template <class, class, int, int> class Family, class From, class To, int Count>
static void measure_blocks(const workload &w) {
  const int blocks[] = {128, 256, 512, 1024};
  for (int block : blocks) measure<Family<From, To, 3, Count>>(w, block);
  if (w.list) return;
  for (int block : blocks) measure<Family<From, To, 3, Count>>(w, block, true);
}

int main(int count, char **arguments) {
  if (count > 1) rounds = atoi(arguments[1]);
  if (count > 2) only = arguments[2];
  size_t most = bytes_of(F32, sizes[SIZES - 1]);
  for (int i = 0; i < SETS; i++) {
    CHECK(cudaMalloc(&from_memory[i], most));
    CHECK(cudaMalloc(&to_memory[i], most));
    std::vector<uint32_t> noise(most / 4);
    uint32_t state = 12345u + i;
    for (uint32_t &word : noise) word = state = state * 1664525u + 1013904223u;
    CHECK(cudaMemcpy(from_memory[i], noise.data(), most, cudaMemcpyHostToDevice));
  }
  printf("loads %d, stores %d\n%-26s px   thr", VC_LOAD_HINT, VC_STORE_HINT, "");
  for (int s = 0; s < SIZES; s++) {
    size_t bytes = bytes_of(F32, sizes[s]) * 2; /* read and written */
    copy_times[s] = copy_time(bytes);
    printf("  %2d x %4dp copy %.0f GB/s", (int)sizes[s].images, (int)sizes[s].rows,
           (double)bytes / copy_times[s] / 1e6);
  }
  printf("\n");
  for (int block : {128, 256, 512}) measure_widening(block);
  const vc_layout I = VC_INTERLEAVED, P = VC_PLANAR;
  workload w = {"u8 NHWC -> f32 NCHW", U8, F32, I, P, false, 1 / 255.0};
  measure_blocks<planes, u8, f32, 4>(w);
  w = {"u8 NHWC -> f16 NCHW", U8, F16, I, P, false, 1 / 255.0};
  measure_blocks<planes, u8, f16, 4>(w);
  measure_blocks<planes, u8, f16, 8>(w);
  w = {"u8 list -> f16 NCHW", U8, F16, I, P, true, 1 / 255.0};
  measure_blocks<planes, u8, f16, 4>(w);
  measure_blocks<planes, u8, f16, 8>(w);
  w = {"u8 NHWC -> u8 NCHW", U8, U8, I, P, false, 1};
  measure_blocks<planes, raw1, raw1, 8>(w);
  w = {"f32 NCHW -> u8 NHWC", F32, U8, P, I, false, 255};
  measure_blocks<pixels, f32, u8, 4>(w);
  w = {"f16 NCHW -> u8 NHWC", F16, U8, P, I, false, 255};
  measure_blocks<pixels, f16, u8, 8>(w);
  w = {"u8 NCHW -> u8 NHWC", U8, U8, P, I, false, 1};
  measure_blocks<pixels, raw1, raw1, 4>(w);
  return 0;
}
