/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viewcast and OpenCV in C++11 and later: memory becomes a cv::cuda::GpuMat, and the memory
 * of a GpuMat a viewcast::View, without a copy. A header only; link opencv_core.
 *
 *   cv::cuda::GpuMat mat = viewcast::lend(std::move(view));   // the mat keeps the memory
 *   viewcast::View whole = viewcast::share(mat);              // the view keeps it too
 *   viewcast::View part = viewcast::share(mat(roi));          // a region, with mat's step
 *
 * The OpenCV that is loaded is examined once, at the first call: how it packs channels, which
 * allocator it has, and what it does with the counter of a GpuMat. Builds of OpenCV
 * differ in the last:
 *
 *   with CUDA     counts copies and frees the last: a lend ends with its last GpuMat
 *   5.x without   counts copies and frees nothing: vc_collect(false) finds lends that ended
 *   4.x without   counts up and never down: lends end with vc_collect(true), by which the
 *                 program promises that no GpuMat or View looks at lent memory any more
 */
#ifndef VIEWCAST_OPENCV_HPP
#define VIEWCAST_OPENCV_HPP

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <type_traits>

#include <opencv2/core/cuda.hpp>
#include <viewcast/viewcast.hpp>

namespace viewcast {

namespace detail {

using GpuMat = cv::cuda::GpuMat;

/* The header of a GpuMat is read and written by C functions as vc_gpumat. */
static_assert(std::is_standard_layout<GpuMat>::value && sizeof(GpuMat) == sizeof(vc_gpumat) &&
                  offsetof(GpuMat, flags) == offsetof(vc_gpumat, flags) &&
                  offsetof(GpuMat, rows) == offsetof(vc_gpumat, rows) &&
                  offsetof(GpuMat, cols) == offsetof(vc_gpumat, cols) &&
                  offsetof(GpuMat, step) == offsetof(vc_gpumat, step) &&
                  offsetof(GpuMat, data) == offsetof(vc_gpumat, data) &&
                  offsetof(GpuMat, refcount) == offsetof(vc_gpumat, refcount) &&
                  offsetof(GpuMat, datastart) == offsetof(vc_gpumat, datastart) &&
                  offsetof(GpuMat, dataend) == offsetof(vc_gpumat, dataend) &&
                  offsetof(GpuMat, allocator) == offsetof(vc_gpumat, allocator),
              "this OpenCV lays GpuMat out in a way that viewcast does not know");

inline vc_gpumat *header_of(GpuMat &mat) { return reinterpret_cast<vc_gpumat *>(&mat); }
inline const vc_gpumat *header_of(const GpuMat &mat) {
  return reinterpret_cast<const vc_gpumat *>(&mat);
}

[[noreturn]] inline void fail_abi(const char *found) {
  vc_error error;
  error.status = VC_ERROR_ABI;
  std::snprintf(error.message, sizeof error.message,
                "the OpenCV that is loaded %s, so viewcast can't write its GpuMat; use OpenCV "
                "4.x or 5.x, and compile and run with the same version",
                found);
  throw Error(error);
}

/* CV_CN_SHIFT of the OpenCV that is loaded, which need not be that of the headers: read off
 * what its code makes of two bytes as one pixel of two channels. */
inline int find_channel_shift() {
  unsigned char bytes[2] = {0, 0};
  const int one_channel_8u = 0;
  const int type = GpuMat(1, 2, one_channel_8u, bytes).reshape(2).type();
  const int shift = type == 1 << 3 ? 3 : type == 1 << 5 ? 5 : 0;
  if (shift == 0) fail_abi("packs channels in an unknown way");
  if (shift != CV_CN_SHIFT) fail_abi("packs channels in another way than its headers say");
  return shift;
}

/* OpenCV's own allocator, whatever a program has made the default since; NULL in a build
 * without CUDA. Before 4.10 OpenCV does not tell, and the default is taken for it. */
template <class Mat>
auto own_allocator(int) -> decltype(Mat::getStdAllocator()) {
  return Mat::getStdAllocator();
}

template <class Mat>
typename Mat::Allocator *own_allocator(long) {
  return Mat::defaultAllocator();
}

inline GpuMat::Allocator *find_allocator() {
  if (GpuMat::defaultAllocator() == nullptr) return nullptr;
  GpuMat::Allocator *found = own_allocator<GpuMat>(0);
  if (static_cast<void *>(found) == vc_pool_allocator()) {
    fail_abi(
        "does not tell its own allocator once another is the default (call viewcast::opencv() "
        "before GpuMat::setDefaultAllocator())");
  }
  return found;
}

/* An allocator that notes which header it is asked to free. */
class Recorder final : public GpuMat::Allocator {
 public:
  bool allocate(GpuMat *, int, int, size_t) override { return false; }
  void free(GpuMat *mat) override { freed_ = mat; }
  const GpuMat *freed() const { return freed_; }

 private:
  const GpuMat *freed_ = nullptr;
};

/* The end of the last reference calls the allocator in the header. */
inline bool frees_the_last() {
  Recorder recorder;
  int count = 1;
  GpuMat mat;
  GpuMat::Allocator *const usual = mat.allocator;
  mat.allocator = &recorder;
  mat.refcount = &count;
  mat.release();
  mat.refcount = nullptr;
  mat.allocator = usual;
  return count == 0 && recorder.freed() == &mat;
}

/* What OpenCV does with a counter: a copy is made and destroyed of a header whose counter is far
 * from zero, so that nothing is freed. */
inline vc_refcounting find_counting(bool has_allocator) {
  const int start = 1000;
  int count = start, copied = start;
  GpuMat mat;
  mat.refcount = &count;
  {
    const GpuMat copy(mat);
    copied = count;
  }
  const int left = count;
  mat.refcount = nullptr;
  if (copied != start + 1) fail_abi("does not count the copies of a GpuMat");
  if (left == copied) return VC_REFCOUNT_UP_ONLY;
  if (left != start) fail_abi("counts the copies of a GpuMat in an unknown way");
  if (!has_allocator) return VC_REFCOUNT_NO_FREE;
  if (!frees_the_last()) fail_abi("does not call a GpuMat's allocator at the end");
  return VC_REFCOUNT_FULL;
}

inline vc_gpumat_abi find_opencv() {
  const int shift = find_channel_shift();
  GpuMat::Allocator *const allocator = find_allocator();
  vc_gpumat_abi abi;
  call(vc_gpumat_abi_init, shift, find_counting(allocator != nullptr), allocator, &abi);
  return abi;
}

/* A GpuMat that a lend keeps under VC_REFCOUNT_UP_ONLY. Its copy counts in the lend from then
 * on, which therefore ends by force only. */
struct Kept {
  GpuMat mat;
  std::atomic<bool> copied;

  Kept() : copied(false) {}
  static bool is_last(void *kept) { return static_cast<Kept *>(kept)->copied; }
  static void release(void *kept) { delete static_cast<Kept *>(kept); }
};

inline void lend_until_forced(const vc_gpumat_abi &abi, View &view, GpuMat &mat) {
  std::unique_ptr<Kept> kept(new Kept);
  vc_holder holder = {};
  holder.size = sizeof holder;
  holder.object = kept.get();
  holder.is_last = Kept::is_last;
  holder.release = Kept::release;
  call(vc_gpumat_lend, &abi, &view.fields(), view.owner().get(), &holder, header_of(mat));
  if (mat.refcount == nullptr) return; /* nothing is owned: the holder was not taken */
  kept->mat = mat;
  kept.release()->copied = true;
}

} // namespace detail

/* The OpenCV that is loaded, for C functions of viewcast.h. Examined at the first call, before
 * which no other default allocator should be set. Throws VC_ERROR_ABI for one that is not
 * known, and looks again at the next call. */
inline const vc_gpumat_abi &opencv() {
  static const vc_gpumat_abi abi = detail::find_opencv();
  return abi;
}

/* Lends the memory of a view to a GpuMat, which keeps it alive through every copy and region.
 * The view's owner is released after the last of them (see the top of this file for builds
 * without CUDA), on the thread that ends it, or in vc_collect if it is Release::collect. The
 * view owns nothing afterwards. Memory without an owner is the caller's to keep alive.
 *
 * What a GpuMat can be is said at vc_gpumat_over: interleaved, aligned, writable, device memory
 * (host memory in host mode). */
inline cv::cuda::GpuMat lend(View &&view) {
  const vc_gpumat_abi &abi = opencv();
  cv::cuda::GpuMat mat;
  if (abi.counting == VC_REFCOUNT_UP_ONLY) {
    detail::lend_until_forced(abi, view, mat);
  } else {
    call(vc_gpumat_lend, &abi, &view.fields(), view.owner().get(), nullptr, detail::header_of(mat));
  }
  view = View();
  return mat;
}

/* Describes a GpuMat, of which nothing is kept: (H, W, C), or (H, W) for one channel without
 * `keepdim`. */
inline vc_view describe(const cv::cuda::GpuMat &mat, bool keepdim = false) {
  vc_view described;
  call(vc_view_from_gpumat, &opencv(), detail::header_of(mat), keepdim, &described);
  return described;
}

/* A view of a GpuMat or a region of one, which keeps the memory alive as another GpuMat would.
 * A GpuMat over memory of the caller's own (one without a counter) gives a view without an
 * owner; View(describe(mat), owner) names one. Memory of an allocator that may take it back, as
 * a BufferPool's, is VC_ERROR_LAYOUT. */
inline View share(const cv::cuda::GpuMat &mat, bool keepdim = false) {
  const vc_view described = describe(mat, keepdim);
  Owner owner;
  if (opencv().counting == VC_REFCOUNT_UP_ONLY && mat.refcount != nullptr) {
    owner = Owner::keep(mat); /* a copy of the GpuMat is the only reference that there is */
  } else {
    call(vc_gpumat_share, &opencv(), detail::header_of(mat), owner.get());
  }
  return View(described, std::move(owner));
}

} // namespace viewcast

#endif
