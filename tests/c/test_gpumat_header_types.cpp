/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCV's type numbers, and the ABI that they are of. */
#include "gpumat_depths.hpp"
#include "gpumat_samples.hpp"

namespace {

void test_layout() {
  static_assert(offsetof(GpuMat, flags) == offsetof(vc_gpumat, flags), "flags");
  static_assert(offsetof(GpuMat, rows) == offsetof(vc_gpumat, rows), "rows");
  static_assert(offsetof(GpuMat, cols) == offsetof(vc_gpumat, cols), "cols");
  static_assert(offsetof(GpuMat, step) == offsetof(vc_gpumat, step), "step");
  static_assert(offsetof(GpuMat, data) == offsetof(vc_gpumat, data), "data");
  static_assert(offsetof(GpuMat, refcount) == offsetof(vc_gpumat, refcount), "refcount");
  static_assert(offsetof(GpuMat, datastart) == offsetof(vc_gpumat, datastart), "datastart");
  static_assert(offsetof(GpuMat, dataend) == offsetof(vc_gpumat, dataend), "dataend");
  static_assert(offsetof(GpuMat, allocator) == offsetof(vc_gpumat, allocator), "allocator");
}

void test_abi() {
  vc_gpumat_abi made;
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard_allocator, &made, &error));
  CHECK_INT(made.channel_shift, 3);
  CHECK_INT(made.channels_max, 512);
  CHECK_INT(made.counting, VC_REFCOUNT_FULL);
  CHECK(made.standard_allocator == &standard_allocator);
  CHECK_INT(made.depths[7].code, VC_FLOAT);
  CHECK_INT(made.depths[7].bits, 16);
  CHECK_INT(made.depths[8].bits, 0);

  CHECK_OK(vc_gpumat_abi_init(5, VC_REFCOUNT_NO_FREE, nullptr, &made, &error));
  CHECK_INT(made.channels_max, 128);
  CHECK_INT(made.depths[8].code, VC_BFLOAT);
  CHECK_INT(made.depths[12].bits, 32);
  CHECK_INT(made.depths[13].bits, 0);

  for (int shift : {-1, 0, 4, 6, 32})
    CHECK_FAILS(vc_gpumat_abi_init(shift, VC_REFCOUNT_NO_FREE, nullptr, &made, &error),
                VC_ERROR_ABI, "viewcast knows 3 (4.x) and 5 (5.x)");
  CHECK_FAILS(vc_gpumat_abi_init(3, static_cast<vc_refcounting>(0), nullptr, &made, &error),
              VC_ERROR_ARGUMENT, "counting");
  CHECK_INT(made.channel_shift, 5); // written on success only
}

void test_types() {
  for (const Depth &depth : depths) {
    int needed = library.channel_shift == 3 ? depth.in_4 : depth.in_5;
    int32_t type = 77;
    if (needed < 0) {
      CHECK_FAILS(vc_gpumat_type(&abi, depth.dtype, 1, &type, &error), VC_ERROR_DTYPE,
                  vc_dtype_name(depth.dtype));
      CHECK_INT(type, 77);
      continue;
    }
    for (int channels : {1, 2, 3, 4, 5, abi.channels_max}) {
      CHECK_OK(vc_gpumat_type(&abi, depth.dtype, channels, &type, &error));
      CHECK_INT(type, standin::make_type(needed, channels));
    }
  }
}

void test_types_refused() {
  int32_t type = 77;
  for (int channels : {0, -1, INT_MIN, abi.channels_max + 1, 600, INT_MAX})
    CHECK_FAILS(vc_gpumat_type(&abi, u8, channels, &type, &error), VC_ERROR_LAYOUT, "channels");
  CHECK_FAILS(vc_gpumat_type(&abi, {VC_COMPLEX, 64}, 1, &type, &error), VC_ERROR_DTYPE, "depth");
  CHECK_FAILS(vc_gpumat_type(&abi, {0, 0}, 1, &type, &error), VC_ERROR_DTYPE, "depth");
  CHECK_INT(type, 77);
}

void run() {
  test_layout();
  test_abi();
  for_all_builds([] {
    test_types();
    test_types_refused();
  });
}

} // namespace

int main() { return run_in_host_mode(run); }
