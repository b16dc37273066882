/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out plans on a GPU, each with one launch. */
#include <stdlib.h>

#include "core/error.h"
#include "cuda/device.h"
#include "cuda/driver.h"
#include "internal.h"
#include "transform/dispatch.h"
#include "transform/kernel_images.h"

/* --- the checks before anything is enqueued */

static vc_status check_stream(const vc_driver *driver, int32_t device, vc_stream stream,
                              vc_error *error) {
  int status;
  if (!vc_stream_is_default(stream)) {
    int32_t other = vc_cuda_device_count() > 1 ? vc_stream_device(stream, device) : device;
    if (other == device) return VC_OK;
    return vc_fail(error, VC_ERROR_DEVICE,
                   "the images are on cuda:%d and the stream is of cuda:%d; name a stream of the "
                   "images' device (%s)",
                   (int)device, (int)other, vc_advice_text(VC_ADVICE_STREAM));
  }
  if (stream == VC_STREAM_PER_THREAD ||
      driver->cuStreamIsCapturing(vc_driver_stream(stream), &status) != VC_CUDA_CAPTURE_IMPLICIT) {
    return VC_OK;
  }
  return vc_fail(error, VC_ERROR_CUDA,
                 "a stream is capturing a graph, and the default stream can't transform beside it; "
                 "name the capturing stream (%s), or transform outside of the capture",
                 vc_advice_text(VC_ADVICE_STREAM));
}

/* --- lists in device memory, which live as long as the kernel runs */

static vc_status check_list_capture(const vc_driver *driver, CUstream stream, vc_error *error) {
  int status = 0;
  CUresult result = driver->cuStreamIsCapturing(stream, &status);
  if (result != VC_CUDA_SUCCESS) return vc_driver_fail(error, "cuStreamIsCapturing", result);
  if (status == 0) return VC_OK;
  return vc_fail(error, VC_ERROR_CUDA,
                 "a list of so many images can't be captured in a graph: it goes through memory "
                 "that would be gone at the replay; capture up to %d images of the same strides "
                 "(%d of different ones, %d that are resized, %d of YUV) at a time, or give one "
                 "batch",
                 VC_TABLE_IMAGES, VC_TABLE_LISTED, VC_TABLE_RESIZED, VC_TABLE_YUV);
}

static vc_status upload_list(const vc_driver *driver, vc_launch *launch, CUstream stream,
                             CUdeviceptr *out, vc_error *error) {
  VC_TRY(check_list_capture(driver, stream, error));
  CUresult result = driver->cuMemAllocAsync(out, launch->list_bytes, stream);
  if (result != VC_CUDA_SUCCESS) {
    return vc_driver_fail(error, "cuMemAllocAsync (for a long list of images)", result);
  }
  result = driver->cuMemcpyHtoDAsync(*out, launch->list, launch->list_bytes, stream);
  if (result == VC_CUDA_SUCCESS) return VC_OK;
  driver->cuMemFreeAsync(*out, stream);
  return vc_driver_fail(error, "cuMemcpyHtoDAsync (of a long list of images)", result);
}

static void point_at_list(vc_launch *launch, CUdeviceptr list) {
  if (launch->is_resizing) {
    launch->resizing.list = (const vc_resized *)list;
  } else if (launch->is_generic) {
    launch->generic.listed = (const vc_listed *)list;
  } else {
    launch->fast.images = (const char *const *)list;
  }
}

/* --- the launch */

static vc_status enqueue(const vc_driver *driver, vc_launch *launch, CUfunction kernel,
                         CUstream stream, vc_error *error) {
  CUdeviceptr list = 0;
  if (launch->list) {
    VC_TRY(upload_list(driver, launch, stream, &list, error));
    point_at_list(launch, list);
  }
  /* `fast` shares its memory with the parameters of other kernels. */
  void *parameters[] = {&launch->fast, &launch->more};
  const uint32_t *grid = launch->grid;
  CUresult result = driver->cuLaunchKernel(kernel, grid[0], grid[1], grid[2], VC_BLOCK, 1, 1, 0,
                                           stream, parameters, NULL);
  if (list) driver->cuMemFreeAsync(list, stream);
  return result == VC_CUDA_SUCCESS ? VC_OK : vc_kernel_fail(error, "cuLaunchKernel", result);
}

/* Does everything up to the launch, and launches if `enqueues` is true. */
static vc_status run(vc_launch *launch, int32_t device, vc_stream stream, bool enqueues,
                     vc_error *error) {
  const vc_driver *driver = vc_driver_get();
  CUfunction kernel;
  vc_entered entered = vc_cuda_enter_stream(device, stream);
  vc_status status = vc_cuda_check_entry(entered, device, error);
  if (status == VC_OK) status = check_stream(driver, device, stream, error);
  if (status == VC_OK) status = vc_kernel_find(driver, device, launch->kernel, &kernel, error);
  if (status == VC_OK && enqueues) {
    status = enqueue(driver, launch, kernel, vc_driver_stream(stream), error);
  }
  vc_cuda_leave(entered);
  return status;
}

vc_status vc_launch_run(vc_launch *launch, int32_t device, vc_stream stream, bool enqueues,
                        vc_error *error) {
  if (stream == VC_STREAM_NONE) stream = VC_STREAM_LEGACY; /* a launch needs one */
  vc_status status = vc_kernels_check(vc_driver_get(), error);
  if (status == VC_OK) status = run(launch, device, stream, enqueues, error);
  free(launch->list);
  return status;
}

vc_status vc_plan_run_gpu(const vc_plan *plan, int32_t device, vc_stream stream, bool enqueues,
                          vc_error *error) {
  vc_launch launch;
  VC_TRY(vc_kernels_check(vc_driver_get(), error));
  VC_TRY(vc_dispatch(plan, &launch, error));
  return vc_launch_run(&launch, device, stream, enqueues, error);
}
