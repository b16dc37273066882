/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA driver, opened at run time: nothing here links to CUDA. */
#ifndef VC_CUDA_DRIVER_H
#define VC_CUDA_DRIVER_H

#include "viewcast/viewcast.h"

typedef int CUresult;
typedef int CUdevice;
typedef struct CUctx_st *CUcontext;
typedef uintptr_t CUdeviceptr;

enum {
  VC_CUDA_SUCCESS = 0,
  VC_CUDA_DEINITIALIZED = 4,
  VC_CUDA_NO_DEVICE = 100
};

/* The functions that viewcast calls. All set once the driver is loaded. */
typedef struct vc_driver {
  CUresult (*cuInit)(unsigned flags);
  CUresult (*cuDeviceGetCount)(int *count);
  CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *context, CUdevice device);
  CUresult (*cuCtxGetCurrent)(CUcontext *context);
  CUresult (*cuCtxPushCurrent)(CUcontext context);
  CUresult (*cuCtxPopCurrent)(CUcontext *context);
  CUresult (*cuPointerGetAttributes)(unsigned count, int *attributes,
                                     void **values, CUdeviceptr address);
  CUresult (*cuGetErrorName)(CUresult result, const char **name);
} vc_driver;

/* The driver of this process, or NULL in host mode or where it failed. */
const vc_driver *vc_driver_get(void);

/* Fills `error` with the driver's name of a result; returns VC_ERROR_CUDA. */
vc_status vc_driver_fail(vc_error *error, const char *call, CUresult result);

#endif
