/* SPDX-License-Identifier: Apache-2.0 */
/* Reading memory that may not be there, and recording what OpenCV does with a header. */
#include "gpumat_samples.hpp"

namespace {

void test_verify() {
  Source source;
  GpuMat mat(6, 10, standin::make_type(CV_8U, 3), source.data, 64);
  vc_gpumat good = copy_of(mat), found = {};
  CHECK_OK(vc_gpumat_verify(&mat, &good, &found, &error));
  check_fields(found, good);
  CHECK_OK(vc_gpumat_verify(&mat, &good, nullptr, &error));

  vc_gpumat other = good;
  other.allocator = &other; // the one field that is not compared
  CHECK_OK(vc_gpumat_verify(&mat, &other, nullptr, &error));

  int32_t count = 1;
  found = {};
  auto refuse = [&](const char *field, auto change) {
    vc_gpumat expected = good;
    change(expected);
    CHECK_FAILS(vc_gpumat_verify(&mat, &expected, &found, &error), VC_ERROR_ABI, field);
  };
  refuse("field flags", [](vc_gpumat &m) { m.flags++; });
  refuse("field rows", [](vc_gpumat &m) { m.rows++; });
  refuse("field cols", [](vc_gpumat &m) { m.cols++; });
  refuse("field step", [](vc_gpumat &m) { m.step++; });
  refuse("field data ", [](vc_gpumat &m) { m.data++; });
  refuse("field refcount", [&](vc_gpumat &m) { m.refcount = &count; });
  refuse("field datastart", [](vc_gpumat &m) { m.datastart++; });
  refuse("field dataend", [](vc_gpumat &m) { m.dataend++; });
  CHECK(found.data == nullptr); // written on success only
}

void test_memory_read() {
  uint8_t bytes[] = {1, 2, 3, 4}, read[4] = {};
  CHECK_OK(vc_memory_read(bytes, read, 4, &error));
  CHECK_INT(read[3], 4);

  vc_gpumat expected = {};
  CHECK_FAILS(vc_memory_read(nullptr, read, 4, &error), VC_ERROR_ABI, "can't be read");
  CHECK_FAILS(vc_memory_read(reinterpret_cast<void *>(8), read, 4, &error), VC_ERROR_ABI, "");
  CHECK_FAILS(vc_gpumat_verify(nullptr, &expected, nullptr, &error), VC_ERROR_ABI, "");

  // The last bytes before a page that may not be read.
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *pages = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!CHECK(pages != MAP_FAILED)) return;
  uint8_t *end = static_cast<uint8_t *>(pages) + page;
  mprotect(end, page, PROT_NONE);
  CHECK_OK(vc_memory_read(end - 4, read, 4, &error));
  CHECK_FAILS(vc_memory_read(end - 3, read, 4, &error), VC_ERROR_ABI, "");
  CHECK_FAILS(vc_memory_read(end, read, 4, &error), VC_ERROR_ABI, "");
  CHECK_FAILS(vc_gpumat_verify(end - 8, &expected, nullptr, &error), VC_ERROR_ABI, "");
  munmap(pages, 2 * page);
}

// The table that a C++ compiler made has free in slot 3 and allocate in slot 2.
void test_probe_slots() {
  vc_gpumat_probe probe;
  GpuMat mat;
  void *allocator = mat.allocator;
  vc_gpumat_probe_begin(&probe, 1, header(mat));
  CHECK_INT(probe.slot, -1);
  CHECK_INT(probe.calls, 0);
  CHECK_INT(probe.count, 1);
  CHECK(mat.refcount == &probe.count);
  CHECK(static_cast<void *>(mat.allocator) == &probe);
  mat.release();
  CHECK_INT(probe.slot, 3);
  CHECK_INT(probe.calls, 1);
  CHECK_INT(probe.count, 0);
  CHECK(probe.header == &mat);

  mat.create(2, 3, CV_8U); // the allocator stayed in the header
  CHECK_INT(probe.slot, 2);
  CHECK_INT(probe.calls, 2);
  CHECK(probe.header == &mat);
  vc_gpumat_probe_end(header(mat), allocator);
  CHECK(mat.refcount == nullptr && mat.data == nullptr);
  CHECK(mat.allocator == allocator);
}

// An allocation that is not the attached header's own falls back.
void test_probe_other_header() {
  vc_gpumat_probe probe;
  GpuMat mat, other;
  void *allocator = mat.allocator;
  vc_gpumat_probe_begin(&probe, 2, header(mat));
  {
    GpuMat copy(mat);
    CHECK_INT(probe.count, 3);
    copy.create(2, 3, CV_8U);
    CHECK_INT(probe.slot, 2);
    CHECK(probe.header == &copy);
    CHECK(copy.allocator == &standard_allocator || copy.refcount != &probe.count);
  }
  vc_gpumat_probe_end(header(mat), allocator);
}

// What each build does with a counter, as a probe sees it.
void test_probe_counting() {
  vc_gpumat_probe probe;
  GpuMat mat;
  void *allocator = mat.allocator;
  vc_gpumat_probe_begin(&probe, 2, header(mat));
  {
    GpuMat copy(mat);
    CHECK_INT(probe.count, 3);
    copy.release();
    CHECK_INT(probe.count, library.build == Build::stock4 ? 3 : 2);
  }
  CHECK_INT(probe.calls, 0); // never at zero
  vc_gpumat_probe_end(header(mat), allocator);
  CHECK_INT(library.deaths, 0);
}

void run() {
  test_memory_read();
  for_all_builds([] {
    test_verify();
    test_probe_counting();
  });
  for_cuda_builds([] {
    test_probe_slots();
    test_probe_other_header();
  });
}

} // namespace

int main() { return run_in_host_mode(run); }
