/* SPDX-License-Identifier: Apache-2.0 */
/* vc_copy: refusals, and copies within the host and on default streams. */
#include "allocator_slots.h"

static _Alignas(512) uint8_t pixels[4096], other_pixels[4096];

static void test_copies_that_do_not_fit(void) {
  vc_view from = view_of(pixels, host, ROWS, COLS), to = view_of(other_pixels, host, ROWS, COLS);
  vc_view wrong = to;
  const char *needed = "source's shape and dtype";
  wrong.ndim = 1;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, needed);
  wrong = to, wrong.dtype = (vc_dtype){VC_INT, 8};
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, needed);
  wrong = to, wrong.dtype.bits = 16;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, needed);
  wrong = to, wrong.readonly = 1;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_VALUE, "destination is read-only");
  wrong = to, wrong.shape[1] = 4;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, needed);
  wrong = to, wrong.strides[1] = 2, wrong.strides[0] = 10;
  CHECK_FAILS(vc_copy(&wrong, &from, 0, &error), VC_ERROR_LAYOUT, "image axis 1");
  CHECK_FAILS(vc_copy(&from, &wrong, 0, &error), VC_ERROR_LAYOUT, "image axis 1");
}

static void test_copies_on_the_host(void) {
  vc_view from = view_of(pixels, host, ROWS, 16), to = view_of(other_pixels, host, ROWS, COLS);
  for (int i = 0; i < 64; i++) pixels[i] = (uint8_t)i;
  CHECK_OK(vc_copy(&to, &from, VC_STREAM_NONE, &error));
  CHECK_INT(other_pixels[COLS], 16);
  CHECK_OK(vc_copy(&from, &to, 0, &error)); /* and back: gaps stay */
  CHECK_INT(pixels[5], 5);
  from.shape[0] = to.shape[0] = 0;
  CHECK_OK(vc_copy(&to, &from, 0, &error));
}

static void test_copy_without_a_gpu(void) {
  vc_view from = view_of(pixels, gpu, ROWS, COLS), to = view_of(other_pixels, host, ROWS, COLS);
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_DEVICE, "no CUDA device");
  vc_event recorded;
  CHECK_OK(vc_event_record(0, VC_STREAM_LEGACY, &recorded, &error));
  recorded.event = pixels; /* whatever it is: there is no driver to ask */
  CHECK(vc_event_done(&recorded));
}

static void test_copies_on_default_streams(void) {
  vc_view from = view_of(pixels, gpu, ROWS, COLS), to = view_of(other_pixels, gpu, ROWS, COLS);
  sim_register(pixels, sizeof pixels, SIM_DEVICE, 0);
  sim_register(other_pixels, sizeof other_pixels, SIM_DEVICE, 0);
  CHECK_OK(vc_copy(&to, &from, VC_STREAM_NONE, &error));
  intptr_t stream = sim_stream_create(0, 0);
  sim_begin_capture(stream, 0);
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_CUDA, "capturing");
  CHECK_INT(sim_end_capture(stream), 0);
  from.device.id = to.device.id = -1;
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_DEVICE, "device id is -1");
  from.device.id = to.device.id = 1000;
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_DEVICE, "no CUDA device 1000");
  to.device.id = 0;
  CHECK_FAILS(vc_copy(&to, &from, 0, &error), VC_ERROR_DEVICE, "no CUDA device 1000");
}

int main(void) {
  bool simulated;
  if (!set_up(&simulated, NULL)) return 0;
  test_copies_that_do_not_fit();
  test_copies_on_the_host();
  if (simulated) {
    test_copies_on_default_streams();
  } else {
    test_copy_without_a_gpu();
  }
  return check_report();
}
