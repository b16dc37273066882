/* SPDX-License-Identifier: Apache-2.0 */
/* vc_copy on streams of one and of two devices. */
#include "simulated_process.h"

static char device_memory[64], plain_memory[64];

static vc_view rows_of(void *memory, vc_device device, int64_t pitch) {
  vc_view view;
  CHECK_OK(
      vc_view_packed(memory, device, (vc_dtype){VC_UINT, 8}, 2, (int64_t[]){3, 8}, &view, &error));
  view.strides[0] = pitch;
  return view;
}

static void test_copy(void) {
  intptr_t a = new_stream(0, false), b = new_stream(1, false);
  vc_view from = rows_of(plain_memory, (vc_device){VC_CPU, 0}, 8);
  vc_view to = rows_of(device_memory, (vc_device){VC_CUDA, 1}, 16);
  memcpy(plain_memory, "row one row two end row!", 24);
  CHECK_OK(vc_copy(&to, &from, b, &error));
  CHECK_WORK("copy B@1");
  CHECK(memcmp(device_memory + 16, "row two ", 8) == 0);
  CHECK(memcmp(device_memory + 32, "end row!", 8) == 0);
  memset(plain_memory, 0, sizeof plain_memory);
  CHECK_OK(vc_copy(&from, &to, 0, &error));
  CHECK_WORK("copy 1@1");
  CHECK(memcmp(plain_memory, "row one row two end row!", 24) == 0);
  sim_begin_capture(a, SIM_GLOBAL);
  to.device.id = 0;
  CHECK_OK(vc_copy(&to, &from, a, &error)); /* into the graph */
  CHECK_INT(sim_end_capture(a), 0);
  CHECK_WORK("copy A@0");
}

static void test_copy_refused(void) {
  intptr_t a = new_stream(0, false);
  vc_view from = rows_of(plain_memory, (vc_device){VC_CPU, 0}, 8), to = from;
  to.data = device_memory;
  to.device = (vc_device){VC_CUDA, 0};
  sim_fail("cuMemcpy2DAsync_v2", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_copy(&to, &from, a, &error), VC_ERROR_CUDA, "cuMemcpy2DAsync failed");
  CHECK_WORK("copy A@0");
  to.readonly = 1;
  CHECK_FAILS(vc_copy(&to, &from, a, &error), VC_ERROR_VALUE, "destination is read-only");
  to.readonly = 0;
  to.shape[1] = 7;
  CHECK_FAILS(vc_copy(&to, &from, a, &error), VC_ERROR_LAYOUT, "shape and dtype");
  to.shape[1] = from.shape[1] = 0; /* nothing to copy */
  CHECK_OK(vc_copy(&to, &from, a, &error));
  CHECK_WORK("");
}

static const simulated_case cases[] = {
    {"copy", test_copy, TWO_DEVICES},
    {"copy_refused", test_copy_refused, 0},
};

int main(int count, char **arguments) {
  return run_cases(count, arguments, cases, sizeof cases / sizeof *cases, NULL);
}
