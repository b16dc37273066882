/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: of memory, their contexts, and what is prepared ahead of time. */
#include "simulated_process.h"

static char device_memory[64], pinned_memory[64], managed_memory[64], plain_memory[64];

static void check_device(const void *address, int type, int id, const char *kind) {
  vc_device device;
  if (!CHECK_OK(vc_cuda_pointer_device(address, &device, &error))) return;
  CHECK_INT(device.type, type);
  CHECK_INT(device.id, id);
  CHECK_TEXT(vc_cuda_host_kind(address, (vc_device){VC_CPU, 0}), kind);
}

static void test_pointers(void) {
  vc_device device = {9, 9};
  sim_register(device_memory, sizeof device_memory, SIM_DEVICE, 1);
  sim_register(pinned_memory, sizeof pinned_memory, SIM_PINNED, 0);
  sim_register(managed_memory, sizeof managed_memory, SIM_MANAGED, -1);
  check_device(device_memory, VC_CUDA, 1, "host");
  check_device(device_memory + 63, VC_CUDA, 1, "host");
  check_device(pinned_memory, VC_CUDA_HOST, 0, "pinned host");
  check_device(managed_memory, VC_CUDA_MANAGED, 0, "host");
  check_device(plain_memory, VC_CPU, 0, "host");
  CHECK_TEXT(vc_cuda_host_kind(plain_memory, (vc_device){VC_CUDA_HOST, 0}), "pinned host");
  sim_fail("cuPointerGetAttributes", 0, SIM_INVALID_VALUE);
  CHECK_FAILS(vc_cuda_pointer_device(plain_memory, &device, &error), VC_ERROR_CUDA,
              "cuPointerGetAttributes failed with CUDA error 1 (CUDA_ERROR_INVALID_VALUE)");
  CHECK_INT(device.type, 9);
  sim_fail("cuPointerGetAttributes", 0, SIM_INVALID_VALUE);
  CHECK_TEXT(vc_cuda_host_kind(pinned_memory, (vc_device){VC_CPU, 0}), "host");
  CHECK_WORK("");
}

static void test_warmup(void) {
  sim_fail("cuEventCreate", 5, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_cuda_warmup(0, &error), VC_ERROR_CUDA, "cuEventCreate failed with CUDA error 2");
  CHECK_INT(sim_events(), 5);
  CHECK_OK(vc_cuda_warmup(0, &error));
  CHECK_INT(sim_events(), POOLED);
  sim_log_clear();
  CHECK_OK(vc_cuda_warmup(0, &error));
  CHECK_WORK("");
  CHECK_FAILS(vc_cuda_warmup(1, &error), VC_ERROR_DEVICE, "no CUDA device 1: this machine has 1");
  CHECK_FAILS(vc_cuda_warmup(-1, &error), VC_ERROR_DEVICE, "no CUDA device -1");
  CHECK_FAILS(vc_cuda_warmup(64, &error), VC_ERROR_DEVICE, "no CUDA device 64");
  check_undisturbed(-1);
}

/* A device's first use makes its context, which a capture elsewhere must survive. */
static void test_first_use_beside_a_capture(void) {
  intptr_t a = new_stream(0, false);
  sim_begin_capture(a, SIM_GLOBAL);
  CHECK_OK(vc_cuda_warmup(1, &error));
  CHECK_INT(sim_end_capture(a), 0);
}

static const simulated_case cases[] = {
    {"pointers", test_pointers, TWO_DEVICES},
    {"warmup", test_warmup, 0},
    {"first_use_beside_a_capture", test_first_use_beside_a_capture, TWO_DEVICES},
};

int main(int count, char **arguments) {
  return run_cases(count, arguments, cases, sizeof cases / sizeof *cases, NULL);
}
