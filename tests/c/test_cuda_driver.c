/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the process uses CUDA or host mode: which answers of the driver decide it. */
#include <sys/stat.h>

#include "driver_functions.h"
#include "simulated_process.h"

static void check_mode(vc_mode needed, int devices, const char *reason) {
  vc_mode mode;
  if (CHECK_OK(vc_cuda_mode(&mode, &error))) CHECK_INT(mode, needed);
  CHECK_INT(vc_cuda_device_count(), devices);
  CHECK_TEXT(vc_cuda_reason(), reason);
}

/* Nothing is asked of a driver, and everything is in order. */
static void check_host_mode(void) {
  vc_device device = {9, 9};
  vc_event recorded = {.event = &recorded, .device = 7};
  CHECK_OK(vc_cuda_pointer_device(&device, &device, &error));
  CHECK_INT(device.type, VC_CPU);
  CHECK_TEXT(vc_cuda_host_kind(&device, device), "host");
  CHECK_OK(vc_stream_order(0, 16, 32, &error));
  CHECK_OK(vc_stream_synchronize(0, 16, &error));
  CHECK(!vc_stream_is_capturing(0, 16));
  CHECK_OK(vc_event_record(3, 16, &recorded, &error));
  CHECK(!recorded.event);
  CHECK(vc_event_done(&recorded));
  CHECK_OK(vc_cuda_warmup(0, &error));
}

static void mode_no_library(void) {
  if (dlopen("libcuda.so.1", RTLD_NOW)) {
    puts("skipped: a CUDA driver is installed");
    return;
  }
  check_mode(VC_MODE_HOST, 0, "host mode: libcuda.so.1 is not installed");
  check_host_mode();
}

static void mode_no_library_forbidden(void) {
  vc_mode mode = 7;
  if (dlopen("libcuda.so.1", RTLD_NOW)) return;
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_DEVICE, "VIEWCAST_HOST_MODE=0 forbids");
  CHECK_INT(mode, 7);
}

static void mode_no_device(void) {
  load_simulation();
  sim_fail("cuInit", 0, SIM_NO_DEVICE);
  check_mode(VC_MODE_HOST, 0, "host mode: cuInit finds no device");
  check_host_mode();
  CHECK_INT(sim_log_length(), 1);
}

static void mode_zero_devices(void) {
  load_simulation();
  sim_set_devices(0);
  check_mode(VC_MODE_HOST, 0, "host mode: the driver lists 0 devices");
  check_host_mode();
  CHECK_INT(sim_log_length(), 2);
}

static void mode_forbidden(void) {
  vc_mode mode = 7;
  vc_device device;
  load_simulation();
  sim_set_devices(0);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_DEVICE, "the driver lists 0 devices");
  CHECK_FAILS(vc_cuda_pointer_device(&mode, &device, &error), VC_ERROR_DEVICE, "forbids");
  CHECK_INT(mode, 7);
  CHECK_INT(vc_cuda_device_count(), 0);
  sim_set_devices(2); /* asked again each time */
  check_mode(VC_MODE_CUDA, 2, "CUDA: the driver lists 2 devices");
}

static void mode_error_retried(void) {
  vc_mode mode = 7;
  load_simulation();
  sim_fail("cuInit", 0, SIM_UNKNOWN);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_CUDA,
              "cuInit failed with CUDA error 999 (CUDA_ERROR_UNKNOWN)");
  sim_fail("cuInit", 0, 803);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_CUDA, "CUDA error 803 (unknown error)");
  sim_fail("cuInit", 0, SIM_UNKNOWN);
  CHECK_INT(vc_cuda_device_count(), 0);
  sim_fail("cuInit", 0, SIM_UNKNOWN);
  CHECK_TEXT(vc_cuda_reason(), "CUDA can't be used, and host mode not either");
  sim_fail("cuDeviceGetCount", 0, SIM_UNKNOWN);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_CUDA, "cuDeviceGetCount failed");
  CHECK_INT(mode, 7);
  check_mode(VC_MODE_CUDA, 1, "CUDA: the driver lists 1 device");
  int calls = sim_log_length();
  check_mode(VC_MODE_CUDA, 1, "CUDA: the driver lists 1 device");
  CHECK_INT(sim_log_length(), calls); /* decided once */
}

static void mode_missing_symbol(void) {
  vc_mode mode;
  char part[128];
  snprintf(part, sizeof part, "libcuda.so.1 has no %s; install a newer", case_argument);
  CHECK_FAILS(vc_cuda_mode(&mode, &error), VC_ERROR_CUDA, part);
}

/* The bytes of the driver with one symbol's name changed: a driver without it. */
static void rename_symbol(char *bytes, size_t size, const char *symbol) {
  size_t length = strlen(symbol) + 1;
  for (size_t i = 1; i + length <= size; i++) {
    if (bytes[i - 1] == '\0' && memcmp(bytes + i, symbol, length) == 0) bytes[i] = 'X';
  }
}

static char *read_whole(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  struct stat about;
  if (!file || fstat(fileno(file), &about) != 0) {
    perror(path);
    exit(1);
  }
  *size = (size_t)about.st_size;
  char *bytes = malloc(*size);
  if (!bytes || fread(bytes, 1, *size, file) != *size) exit(1);
  fclose(file);
  return bytes;
}

static void write_whole(const char *path, const char *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0)) exit(1);
}

static void start_without(const char *symbol, const char *driver, const char *folder) {
  char path[512];
  size_t size;
  char *bytes = read_whole(driver, &size);
  rename_symbol(bytes, size, symbol);
  snprintf(path, sizeof path, "%s/libcuda.so.1", folder);
  write_whole(path, bytes, size);
  free(bytes);
  start("missing_symbol", symbol, 0, folder);
  unlink(path);
}

/* Starts a case with each driver that lacks one of the functions. */
static void start_without_each(const char *folder) {
  Dl_info driver;
  void *function;
  memcpy(&function, &sim_depth, sizeof function);
  if (!CHECK(dladdr(function, &driver))) return;
  for (size_t i = 0; i < sizeof driver_functions / sizeof *driver_functions; i++) {
    if (driver_functions[i].optional) continue;
    start_without(driver_functions[i].name, driver.dli_fname, folder);
  }
}

static const simulated_case cases[] = {
    {"mode_no_library", mode_no_library, BARE | NO_LIBRARY},
    {"mode_no_library_forbidden", mode_no_library_forbidden, BARE | NO_LIBRARY | FORBIDDEN},
    {"mode_no_device", mode_no_device, BARE},
    {"mode_zero_devices", mode_zero_devices, BARE},
    {"mode_forbidden", mode_forbidden, BARE | FORBIDDEN},
    {"mode_error_retried", mode_error_retried, BARE},
    {"missing_symbol", mode_missing_symbol, BARE | BY_MORE},
};

int main(int count, char **arguments) {
  return run_cases(count, arguments, cases, sizeof cases / sizeof *cases, start_without_each);
}
