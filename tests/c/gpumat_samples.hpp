/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests test_gpumat_*.cpp: OpenCVs that a stand-in is, GpuMats with memory and
 * owners, and a main function. In host mode: neither a GPU nor OpenCV is needed. */
#ifndef VIEWCAST_TESTS_GPUMAT_SAMPLES_HPP
#define VIEWCAST_TESTS_GPUMAT_SAMPLES_HPP

#include "gpumat_standin.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "check.h"
#include "internal.h"

using standin::Build;
using standin::DefaultAllocator;
using standin::GpuMat;
using standin::library;
using standin::Rect;
using standin::standard_allocator;

inline vc_error error;
inline vc_gpumat_abi abi; // of the library that is "loaded"

alignas(64) inline uint8_t memory[4096]; // for headers that nobody owns

inline const vc_device cpu = {VC_CPU, 0};
inline const vc_dtype u8 = {VC_UINT, 8};
inline const vc_dtype f32 = {VC_FLOAT, 32};
enum { CV_8U = 0, CV_32F = 5 };

// "Loads" an OpenCV: how it packs channels and what it does with counters.
inline void load(Build build, int channel_shift) {
  library.build = build;
  library.channel_shift = channel_shift;
  vc_refcounting counting = build == Build::cuda     ? VC_REFCOUNT_FULL
                            : build == Build::stock5 ? VC_REFCOUNT_NO_FREE
                                                     : VC_REFCOUNT_UP_ONLY;
  CHECK_OK(vc_gpumat_abi_init(channel_shift, counting, GpuMat::defaultAllocator(), &abi, &error));
}

inline vc_gpumat *header(GpuMat &mat) { return reinterpret_cast<vc_gpumat *>(&mat); }

inline vc_gpumat copy_of(const GpuMat &mat) {
  vc_gpumat fields;
  static_assert(sizeof fields == sizeof mat, "same size");
  std::memcpy(&fields, static_cast<const void *>(&mat), sizeof fields);
  return fields;
}

// Memory with an owner that counts its releases.
struct Source {
  explicit Source(size_t size = 1 << 16) : bytes(size + 64) {
    size_t off = reinterpret_cast<uintptr_t>(bytes.data()) % 64;
    data = bytes.data() + (off != 0 ? 64 - off : 0);
  }

  vc_owner owner(bool any_thread) { return {this, count, any_thread}; }

  static void count(void *context) { static_cast<Source *>(context)->released++; }

  std::vector<uint8_t> bytes;
  uint8_t *data;
  std::atomic<int> released{0};
};

// An image in host memory; step 0 is packed.
inline vc_view image_of(void *data, vc_dtype dtype, std::vector<int64_t> shape, int64_t step = 0) {
  vc_view view = {};
  CHECK_OK(vc_view_packed(data, cpu, dtype, static_cast<int32_t>(shape.size()), shape.data(), &view,
                          &error));
  if (step != 0) view.strides[0] = step;
  return view;
}

// A lent GpuMat of 6 x 10 pixels of 3 bytes, 64 bytes from row to row.
inline void lend_sample(Source &source, bool any_thread, GpuMat &mat) {
  vc_owner owner = source.owner(any_thread);
  vc_view view = image_of(source.data, u8, {6, 10, 3}, 64);
  CHECK_OK(vc_gpumat_lend(&abi, &view, &owner, nullptr, header(mat), &error));
  CHECK(owner.release == nullptr && owner.context == nullptr);
}

// What is released only when collected is not released before.
inline void check_released(Source &source, bool any_thread, int needed = 1) {
  CHECK_INT(source.released, any_thread ? needed : needed - 1);
  CHECK_INT(vc_collect(false), any_thread ? 0 : 1);
  CHECK_INT(source.released, needed);
}

inline void check_fields(const vc_gpumat &found, const vc_gpumat &needed) {
  CHECK_INT(found.flags, needed.flags);
  CHECK_INT(found.rows, needed.rows);
  CHECK_INT(found.cols, needed.cols);
  CHECK_INT(found.step, needed.step);
  CHECK(found.data == needed.data);
  CHECK(found.refcount == needed.refcount);
  CHECK(found.datastart == needed.datastart);
  CHECK(found.dataend == needed.dataend);
  CHECK(found.allocator == needed.allocator);
}

inline vc_owner share(GpuMat &mat) {
  vc_owner owner = {};
  CHECK_OK(vc_gpumat_share(&abi, header(mat), &owner, &error));
  return owner;
}

constexpr int threads = 4, rounds = 3000;

template <typename Work>
inline void run_threads(Work work) {
  std::vector<std::thread> all;
  for (int i = 0; i < threads; i++) all.emplace_back(work, i);
  for (std::thread &thread : all) thread.join();
}

inline void check_balance() {
  vc_statistics now = read_statistics();
  CHECK_INT(now.lends, now.lends_released);
  CHECK_INT(now.shares, now.shares_released);
  CHECK_INT(now.exports, now.exports_released);
  CHECK_INT(now.pending, 0);
  CHECK_INT(standard_allocator.live(), 0);
  CHECK_INT(library.deaths, 0);
}

// Runs tests with each OpenCV: built with CUDA (4.x and 5.x), and stock 5.x and 4.x.
template <class Run>
void for_cuda_builds(Run run) {
  for (int channel_shift : {3, 5}) {
    load(Build::cuda, channel_shift);
    run();
  }
}

template <class Run>
void for_stock_5(Run run) {
  load(Build::stock5, 5);
  run();
}

template <class Run>
void for_stock_4(Run run) {
  load(Build::stock4, 3);
  run();
}

template <class Run>
void for_all_builds(Run run) {
  for_cuda_builds(run);
  for_stock_5(run);
  for_stock_4(run);
}

// The exit code of a test program.
inline int run_in_host_mode(void (*run)()) {
  vc_mode mode;
  if (!CHECK_OK(vc_cuda_mode(&mode, &error))) return check_report();
  if (mode != VC_MODE_HOST) {
    std::printf("skipped: a GpuMat over host memory needs host mode (%s)\n", vc_cuda_reason());
    return 77;
  }
  run();
  check_balance();
  return check_report();
}

#endif
