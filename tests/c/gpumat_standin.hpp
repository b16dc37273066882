/* SPDX-License-Identifier: Apache-2.0 */
// A stand-in for cv::cuda::GpuMat over host memory: the same members in the same
// order, the same rules about who counts, frees and allocates, and an Allocator
// whose virtual table a C++ compiler made. It lets everything that viewcast
// does to a GpuMat run without OpenCV and without a GPU, under sanitizers.
#ifndef VIEWCAST_TESTS_GPUMAT_STANDIN_HPP
#define VIEWCAST_TESTS_GPUMAT_STANDIN_HPP

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

// An allocator object made by hand has no run-time type to check.
#define STANDIN_CALLS_ALLOCATOR __attribute__((no_sanitize("vptr")))

namespace standin {

// How builds of OpenCV differ in what they do with a counter.
enum class Build {
  cuda,   // counts both ways and frees at zero
  stock4, // 4.x without CUDA: counts up, release() does nothing
  stock5  // 5.x without CUDA: counts both ways, has no allocator to call at zero
};

// The OpenCV that is "loaded". Changed between tests, never while threads run.
struct Library {
  Build build = Build::cuda;
  int channel_shift = 3;      // CV_CN_SHIFT: 3 in 4.x, 5 in 5.x
  std::atomic<int> deaths{0}; // calls of an allocator that is not there
};

inline Library library;

struct Range {
  int start, end;
};

struct Rect {
  int x, y, width, height;
};

struct Size {
  int width, height;
};

struct Point {
  int x, y;
};

constexpr int magic = 0x42FF0000;
constexpr int continuous_flag = 1 << 14;
constexpr int type_mask = 0xFFF;
constexpr size_t auto_step = 0;

inline void require(bool condition, const char *what) {
  if (!condition) throw std::invalid_argument(what);
}

// CV_MAKETYPE for the library that is loaded.
inline int make_type(int depth, int channels) {
  return depth + ((channels - 1) << library.channel_shift);
}

inline int add(int *counter, int delta) {
  return __atomic_fetch_add(counter, delta, __ATOMIC_ACQ_REL);
}

class GpuMat {
 public:
  class Allocator {
   public:
    virtual ~Allocator() {}
    // Sets data, step and refcount; false where it could not.
    virtual bool allocate(GpuMat *mat, int rows, int cols, size_t elem_size) = 0;
    virtual void free(GpuMat *mat) = 0;
  };

  static Allocator *defaultAllocator();
  static void setDefaultAllocator(Allocator *allocator);

  explicit GpuMat(Allocator *used = defaultAllocator()) : allocator(used) {}

  GpuMat(int rows_, int cols_, int type_, Allocator *used = defaultAllocator()) : allocator(used) {
    if (rows_ > 0 && cols_ > 0) create(rows_, cols_, type_);
  }

  // Over memory of the caller, without a counter.
  GpuMat(int rows_, int cols_, int type_, void *memory, size_t step_ = auto_step)
      : flags(magic | (type_ & type_mask)),
        rows(rows_),
        cols(cols_),
        step(step_),
        data(static_cast<uint8_t *>(memory)),
        datastart(data),
        allocator(defaultAllocator()) {
    size_t row = row_bytes();
    if (step == auto_step || rows == 1) step = row;
    require(step >= row, "rows overlap");
    uintptr_t end = reinterpret_cast<uintptr_t>(data); // a number: data may be NULL
    if (rows > 0) end += step * static_cast<size_t>(rows - 1) + row;
    dataend = reinterpret_cast<const uint8_t *>(end);
    update_continuous();
  }

  GpuMat(const GpuMat &other) { share_fields(other); }

  GpuMat(GpuMat &&other) noexcept {
    take_fields(other);
    other.forget();
  }

  GpuMat(const GpuMat &other, Rect roi) {
    require(roi.x >= 0 && roi.width >= 0 && roi.x + roi.width <= other.cols && roi.y >= 0 &&
                roi.height >= 0 && roi.y + roi.height <= other.rows,
            "region outside of the image");
    share_fields(other);
    narrow(roi);
  }

  GpuMat(const GpuMat &other, Range row_range, Range col_range)
      : GpuMat(other, Rect{col_range.start, row_range.start, col_range.end - col_range.start,
                           row_range.end - row_range.start}) {}

  ~GpuMat() { release(); }

  GpuMat &operator=(const GpuMat &other) {
    if (this != &other) GpuMat(other).swap(*this);
    return *this;
  }

  GpuMat &operator=(GpuMat &&other) noexcept {
    if (this != &other) GpuMat(std::move(other)).swap(*this);
    return *this;
  }

  void swap(GpuMat &other) noexcept {
    std::swap(flags, other.flags);
    std::swap(rows, other.rows);
    std::swap(cols, other.cols);
    std::swap(step, other.step);
    std::swap(data, other.data);
    std::swap(refcount, other.refcount);
    std::swap(datastart, other.datastart);
    std::swap(dataend, other.dataend);
    std::swap(allocator, other.allocator);
  }

  GpuMat operator()(Rect roi) const { return GpuMat(*this, roi); }
  GpuMat rowRange(int start, int end) const { return GpuMat(*this, {start, end}, {0, cols}); }
  GpuMat colRange(int start, int end) const { return GpuMat(*this, {0, rows}, {start, end}); }

  // Gives its reference back; flags and allocator stay. The allocator is called
  // before any field is cleared.
  STANDIN_CALLS_ALLOCATOR void release() {
    if (library.build == Build::stock4) return;
    if (refcount != nullptr && add(refcount, -1) == 1) {
      if (library.build == Build::cuda)
        allocator->free(this);
      else
        library.deaths++;
    }
    if (library.build == Build::cuda) rows = cols = 0;
    step = 0;
    data = datastart = nullptr;
    dataend = nullptr;
    refcount = nullptr;
  }

  STANDIN_CALLS_ALLOCATOR void create(int rows_, int cols_, int type_) {
    type_ &= type_mask;
    if (rows == rows_ && cols == cols_ && type() == type_ && data != nullptr) return;
    if (library.build != Build::cuda) throw std::runtime_error("built without CUDA");
    if (data != nullptr) release();
    if (rows_ <= 0 || cols_ <= 0) return;

    flags = magic | type_;
    rows = rows_;
    cols = cols_;
    if (!allocator->allocate(this, rows, cols, elemSize())) {
      allocator = defaultAllocator();
      if (!allocator->allocate(this, rows, cols, elemSize())) throw std::bad_alloc();
    }
    if (step == row_bytes()) flags |= continuous_flag;
    datastart = data;
    dataend = data + step * static_cast<size_t>(rows - 1) + row_bytes();
    if (refcount != nullptr) *refcount = 1;
  }

  // Copies pixels in from host memory, into its own memory if the size fits.
  void upload(const uint8_t *pixels, size_t pitch, int rows_, int cols_, int type_) {
    create(rows_, cols_, type_);
    for (int row = 0; row < rows; row++)
      std::memcpy(data + step * static_cast<size_t>(row), pixels + pitch * static_cast<size_t>(row),
                  row_bytes());
  }

  GpuMat clone() const {
    GpuMat copy;
    if (!empty()) copy.upload(data, step, rows, cols, type());
    return copy;
  }

  // The same memory with another number of channels and, if continuous, rows.
  GpuMat reshape(int new_channels, int new_rows = 0) const {
    GpuMat result(*this);
    int width = cols * channels();
    if (new_rows != 0 && new_rows != rows) {
      require(isContinuous() && (width * rows) % new_rows == 0, "rows do not divide");
      width = width * rows / new_rows;
      result.rows = new_rows;
      result.step = static_cast<size_t>(width) * elemSize1();
    }
    if (new_channels == 0) new_channels = channels();
    require(width % new_channels == 0, "channels do not divide");
    result.cols = width / new_channels;
    result.flags = (flags & ~type_mask) | make_type(depth(), new_channels);
    return result;
  }

  void locateROI(Size &whole, Point &offset) const {
    require(step > 0, "step is 0");
    size_t before = static_cast<size_t>(data - datastart);
    size_t all = static_cast<size_t>(dataend - datastart);
    offset.y = static_cast<int>(before / step);
    offset.x = static_cast<int>(before % step / elemSize());
    size_t last = static_cast<size_t>(offset.x + cols) * elemSize();
    whole.height = std::max(static_cast<int>((all - last) / step) + 1, offset.y + rows);
    size_t above = step * static_cast<size_t>(whole.height - 1);
    whole.width = std::max(static_cast<int>((all - above) / elemSize()), offset.x + cols);
  }

  bool empty() const { return data == nullptr; }
  bool isContinuous() const { return (flags & continuous_flag) != 0; }
  int type() const { return flags & type_mask; }
  int depth() const { return type() & ((1 << library.channel_shift) - 1); }
  int channels() const { return (type() >> library.channel_shift) + 1; }
  size_t elemSize() const { return elemSize1() * static_cast<size_t>(channels()); }

  size_t elemSize1() const {
    // 8U 8S 16U 16S 32S 32F 64F 16F, and in 5.x 16BF Bool 64U 64S 32U
    static const size_t sizes[] = {1, 1, 2, 2, 4, 4, 8, 2, 2, 1, 8, 8, 4};
    require(depth() < 13, "no such depth");
    return sizes[depth()];
  }

  int flags = 0;
  int rows = 0;
  int cols = 0;
  size_t step = 0;
  uint8_t *data = nullptr;
  int *refcount = nullptr;
  uint8_t *datastart = nullptr;
  const uint8_t *dataend = nullptr;
  Allocator *allocator = nullptr;

 private:
  size_t row_bytes() const { return elemSize() * static_cast<size_t>(cols); }

  // Continuous: no gap between rows, and all numbers of all pixels fit an int.
  void update_continuous() {
    long long numbers = static_cast<long long>(rows) * cols * channels();
    bool packed = rows <= 1 || step == row_bytes();
    flags = (flags & ~continuous_flag) | (packed && numbers <= INT_MAX ? continuous_flag : 0);
  }

  void take_fields(const GpuMat &other) {
    flags = other.flags;
    rows = other.rows;
    cols = other.cols;
    step = other.step;
    data = other.data;
    refcount = other.refcount;
    datastart = other.datastart;
    dataend = other.dataend;
    allocator = other.allocator;
  }

  void share_fields(const GpuMat &other) {
    take_fields(other);
    if (refcount != nullptr) add(refcount, 1);
  }

  // Without giving anything back: another header took it.
  void forget() {
    rows = cols = 0;
    step = 0;
    data = datastart = nullptr;
    dataend = nullptr;
    refcount = nullptr;
  }

  // The start and the end of the whole stay; an empty region keeps its address.
  void narrow(Rect roi) {
    if (data != nullptr)
      data += step * static_cast<size_t>(roi.y) + elemSize() * static_cast<size_t>(roi.x);
    rows = roi.height;
    cols = roi.width;
    if (rows <= 0 || cols <= 0) rows = cols = 0;
    update_continuous();
  }
};

// OpenCV's own allocator: rows on a pitch of 512 bytes, one row or column packed.
class DefaultAllocator : public GpuMat::Allocator {
 public:
  static constexpr size_t pitch = 512;

  bool allocate(GpuMat *mat, int rows, int cols, size_t elem_size) override {
    size_t row = elem_size * static_cast<size_t>(cols);
    size_t step = rows > 1 && cols > 1 ? (row + pitch - 1) / pitch * pitch : row;
    size_t size = (step * static_cast<size_t>(rows) + pitch - 1) / pitch * pitch;
    mat->data = static_cast<uint8_t *>(std::aligned_alloc(pitch, size));
    if (mat->data == nullptr) return false;
    mat->step = step;
    mat->refcount = new int(0);
    allocations++;
    return true;
  }

  void free(GpuMat *mat) override {
    std::free(mat->datastart);
    delete mat->refcount;
    frees++;
  }

  int live() const { return allocations - frees; }

  std::atomic<int> allocations{0};
  std::atomic<int> frees{0};
};

inline DefaultAllocator standard_allocator;
inline GpuMat::Allocator *default_allocator = &standard_allocator;

inline GpuMat::Allocator *GpuMat::defaultAllocator() {
  return library.build == Build::cuda ? default_allocator : nullptr;
}

inline void GpuMat::setDefaultAllocator(Allocator *allocator) { default_allocator = allocator; }

} // namespace standin

#endif
