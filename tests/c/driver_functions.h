/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the CUDA driver that the library calls. */
#ifndef VIEWCAST_TESTS_DRIVER_FUNCTIONS_H
#define VIEWCAST_TESTS_DRIVER_FUNCTIONS_H

#include <stdbool.h>

static const struct {
  const char *name;
  bool optional; /* older drivers lack it */
  bool once;     /* called once per process, where the mode is decided */
} driver_functions[] = {
    {"cuInit", false, true},
    {"cuDeviceGetCount", false, true},
    {"cuDevicePrimaryCtxRetain", false, false},
    {"cuCtxGetCurrent", false, false},
    {"cuCtxPushCurrent_v2", false, false},
    {"cuCtxPopCurrent_v2", false, false},
    {"cuPointerGetAttributes", false, false},
    {"cuEventCreate", false, false},
    {"cuEventDestroy_v2", false, false},
    {"cuEventRecord", false, false},
    {"cuStreamWaitEvent", false, false},
    {"cuEventQuery", false, false},
    {"cuStreamSynchronize", false, false},
    {"cuStreamQuery", false, false},
    {"cuStreamGetCtx", false, false},
    {"cuStreamIsCapturing", false, false},
    {"cuStreamGetCaptureInfo_v2", false, false},
    {"cuThreadExchangeStreamCaptureMode", false, false},
    {"cuStreamGetFlags", false, false},
    {"cuCtxGetDevice", false, false},
    {"cuDeviceGetAttribute", false, false},
    {"cuMemAlloc_v2", false, false},
    {"cuMemAllocAsync", false, false},
    {"cuMemFree_v2", false, false},
    {"cuMemFreeAsync", false, false},
    {"cuMemcpy2DAsync_v2", false, false},
    {"cuMemcpyHtoDAsync_v2", false, false},
    {"cuLibraryLoadData", true, false},
    {"cuLibraryGetKernel", true, false},
    {"cuLaunchKernel", false, false},
    {"cuGetErrorName", false, false},
};

#endif
