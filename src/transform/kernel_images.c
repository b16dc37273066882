/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/kernel_images.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/error.h"
#include "internal.h"
#include "transform/dispatch.h"
#include "transform/embedded_kernels.h"

const char *vc_transform_kernels(void) { return vc_kernels_names; }
const char *vc_transform_compiler(void) { return vc_kernels_compiler; }

/* --- errors */

/* Returns true for the results that say that this GPU or driver can't run the image. */
static bool is_unsupported(CUresult result) {
  enum { INVALID_PTX = 218, UNSUPPORTED_PTX = 222, NO_BINARY = 209, NO_COMPILER = 221 };
  return result == NO_BINARY || result == UNSUPPORTED_PTX || result == INVALID_PTX ||
         result == NO_COMPILER;
}

/* Machine code runs on every driver of the compiler's major version of CUDA and later. PTX is
 * of the compiler's minor version too, and drivers read none that is newer than they are. */
vc_status vc_kernel_fail(vc_error *error, const char *call, CUresult result) {
  vc_status status = vc_driver_fail(error, call, result);
  if (!is_unsupported(result) || !error) return status;
  return vc_fail(error, status,
                 "%s: the kernels of transforms (%s, compiled by NVRTC %s) need a GPU of compute "
                 "capability 7.5 or later and an NVIDIA driver of CUDA %d or later; where PTX "
                 "(compute_) is used, one as new as the compiler",
                 error->message, vc_kernels_names, vc_kernels_compiler, atoi(vc_kernels_compiler));
}

vc_status vc_kernels_check(const vc_driver *driver, vc_error *error) {
  if (!driver) return vc_fail(error, VC_ERROR_DEVICE, "there is no CUDA device to transform on");
  if (!vc_kernel_image_count) {
    return vc_fail(error, VC_ERROR_CUDA,
                   "this viewcast was built without GPU kernels (-Dcuda=disabled): build it with "
                   "them, or take the pixels to the host first (%s)",
                   vc_advice_text(VC_ADVICE_TO_HOST));
  }
  if (driver->cuLibraryLoadData && driver->cuLibraryGetKernel) return VC_OK;
  return vc_fail(error, VC_ERROR_CUDA,
                 "libcuda.so.1 has no cuLibraryLoadData; transforms on a GPU need an NVIDIA driver "
                 "of CUDA 12 or later (525)");
}

/* --- the image that a device runs */

enum { NO_IMAGE = -1 };

/* 8.7 is Jetson Orin. NVIDIA promises no compatibility of machine code between Jetsons and other
 * GPUs, so that 8.9 is given what 8.6 runs. */
static bool is_jetson_only(int32_t image, int32_t capability) {
  return image == 87 && capability == 89;
}

/* Selects the image for a compute capability, given as 10 * major + minor; NO_IMAGE if there is
 * none. Machine code runs on GPUs of its major version with the same or a later minor version, and
 * the latest that fits is taken. The driver compiles PTX for any later GPU. */
static int32_t select_image(int32_t capability) {
  int32_t best = NO_IMAGE;
  for (int32_t i = 0; i < vc_kernel_image_count; i++) {
    const vc_kernel_image *each = &vc_kernel_images[i];
    bool same_major = each->capability / 10 == capability / 10;
    if (each->capability > capability || is_jetson_only(each->capability, capability)) continue;
    if (each->is_ptx ? best == NO_IMAGE : same_major) best = i;
  }
  return best;
}

/* Reads the compute capability of a device, as 10 * major + minor. */
static CUresult read_capability(const vc_driver *driver, int32_t device, int32_t *out) {
  enum { CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76 }; /* CUdevice_attribute */
  int major = 0, minor = 0;
  CUresult result = driver->cuDeviceGetAttribute(&major, CAPABILITY_MAJOR, device);
  if (result != VC_CUDA_SUCCESS) return result;
  result = driver->cuDeviceGetAttribute(&minor, CAPABILITY_MINOR, device);
  *out = 10 * major + minor;
  return result;
}

static vc_status fail_capability(int32_t device, int32_t capability, vc_error *error) {
  return vc_fail(error, VC_ERROR_CUDA,
                 "cuda:%d has compute capability %d.%d, for which there are no kernels of "
                 "transforms (there are: %s); take the pixels to the host first (%s)",
                 (int)device, (int)capability / 10, (int)capability % 10, vc_kernels_names,
                 vc_advice_text(VC_ADVICE_TO_HOST));
}

/* Finds the index of the image that the device runs. The answer is kept. */
static vc_status find_image(const vc_driver *driver, int32_t device, int32_t *out,
                            vc_error *error) {
  static _Atomic int32_t known[VC_MAX_DEVICES]; /* an index + 1; 0 if it is not known yet */
  bool counts = device >= 0 && device < VC_MAX_DEVICES;
  *out = counts ? atomic_load_explicit(&known[device], memory_order_relaxed) - 1 : NO_IMAGE;
  if (*out != NO_IMAGE) return VC_OK;
  int32_t capability;
  CUresult result = read_capability(driver, device, &capability);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuDeviceGetAttribute", result);
  *out = select_image(capability);
  if (*out == NO_IMAGE) return fail_capability(device, capability, error);
  if (counts) atomic_store_explicit(&known[device], *out + 1, memory_order_relaxed);
  return VC_OK;
}

const char *vc_transform_image(int32_t device) {
  const vc_driver *driver = vc_driver_get();
  int32_t image;
  if (!driver || find_image(driver, device, &image, NULL) != VC_OK) return "";
  return vc_kernel_images[image].name;
}

/* --- the kernels, which are loaded once per process because they belong to no context */

static _Atomic(CUfunction) kernels[VC_MOST_KERNEL_IMAGES][VC_MOST_KERNELS];
static CUlibrary libraries[VC_MOST_KERNEL_IMAGES];
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

/* Loads an image, once. The caller holds the mutex `loading`. */
static vc_status load_image(const vc_driver *driver, int32_t image, vc_error *error) {
  if (libraries[image]) return VC_OK;
  CUresult result = driver->cuLibraryLoadData(&libraries[image], vc_kernel_images[image].bytes,
                                              NULL, NULL, 0, NULL, NULL, 0);
  if (result == VC_CUDA_SUCCESS) return VC_OK;
  libraries[image] = NULL;
  return vc_kernel_fail(error, "cuLibraryLoadData", result);
}

static vc_status load_kernel(const vc_driver *driver, int32_t image, int32_t index, CUfunction *out,
                             vc_error *error) {
  pthread_mutex_lock(&loading);
  vc_status status = load_image(driver, image, error);
  if (status == VC_OK) {
    CUresult result = driver->cuLibraryGetKernel(out, libraries[image], vc_kernel_names[index]);
    if (result != VC_CUDA_SUCCESS) status = vc_kernel_fail(error, "cuLibraryGetKernel", result);
  }
  if (status == VC_OK) atomic_store(&kernels[image][index], *out);
  pthread_mutex_unlock(&loading);
  return status;
}

vc_status vc_kernel_find(const vc_driver *driver, int32_t device, int32_t index, CUfunction *out,
                         vc_error *error) {
  int32_t image;
  VC_TRY(find_image(driver, device, &image, error));
  *out = atomic_load_explicit(&kernels[image][index], memory_order_acquire);
  return *out ? VC_OK : load_kernel(driver, image, index, out, error);
}
