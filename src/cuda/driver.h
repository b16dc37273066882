/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA driver, opened at run time: nothing here links to CUDA. */
#ifndef VIEWCAST_CUDA_DRIVER_H
#define VIEWCAST_CUDA_DRIVER_H

#include <stdatomic.h>

#include "viewcast/viewcast.h"

typedef int CUresult;
typedef int CUdevice;
typedef struct CUctx_st *CUcontext;
typedef struct CUevent_st *CUevent;
typedef struct CUstream_st *CUstream;
typedef struct CUlib_st *CUlibrary;
typedef struct CUfunc_st *CUfunction; /* or a CUkernel, which launches the same */
typedef uintptr_t CUdeviceptr;

enum {
  VC_CUDA_SUCCESS = 0,
  VC_CUDA_DEINITIALIZED = 4,
  VC_CUDA_NO_DEVICE = 100,
  VC_CUDA_NOT_READY = 600,
  VC_CUDA_CAPTURE_IMPLICIT = 906
};

/* CUDA_MEMCPY2D of the driver API: rows of bytes from one place to another. */
typedef struct CUDA_MEMCPY2D {
  size_t srcXInBytes, srcY;
  int srcMemoryType;
  const void *srcHost;
  CUdeviceptr srcDevice;
  void *srcArray;
  size_t srcPitch;
  size_t dstXInBytes, dstY;
  int dstMemoryType;
  void *dstHost;
  CUdeviceptr dstDevice;
  void *dstArray;
  size_t dstPitch;
  size_t WidthInBytes, Height;
} CUDA_MEMCPY2D;

#define VC_MAX_DEVICES 64

/* CUevent_flags */
enum { VC_EVENT_DISABLE_TIMING = 2 };

/* A default stream, or none: a handle that belongs to no one context. */
static inline bool vc_stream_is_default(vc_stream stream) {
  return stream >= VC_STREAM_NONE && stream <= VC_STREAM_PER_THREAD;
}

/* As the driver takes it: 0 would be whatever its caller was compiled for. */
static inline CUstream vc_driver_stream(vc_stream stream) {
  return (CUstream)(stream == 0 ? VC_STREAM_LEGACY : stream);
}

/* The functions that viewcast calls. All set once the driver is loaded, except for
 * those that are said to be NULL in older drivers. */
typedef struct vc_driver {
  CUresult (*cuInit)(unsigned flags);
  CUresult (*cuDeviceGetCount)(int *count);
  CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *context, CUdevice device);
  CUresult (*cuCtxGetCurrent)(CUcontext *context);
  CUresult (*cuCtxPushCurrent)(CUcontext context);
  CUresult (*cuCtxPopCurrent)(CUcontext *context);
  CUresult (*cuPointerGetAttributes)(unsigned count, int *attributes, void **values,
                                     CUdeviceptr address);
  CUresult (*cuEventCreate)(CUevent *event, unsigned flags);
  CUresult (*cuEventDestroy)(CUevent event);
  CUresult (*cuEventRecord)(CUevent event, CUstream stream);
  CUresult (*cuStreamWaitEvent)(CUstream stream, CUevent event, unsigned flags);
  CUresult (*cuEventQuery)(CUevent event);
  CUresult (*cuStreamSynchronize)(CUstream stream);
  CUresult (*cuStreamQuery)(CUstream stream);
  CUresult (*cuStreamGetCtx)(CUstream stream, CUcontext *context);
  CUresult (*cuStreamIsCapturing)(CUstream stream, int *status);
  CUresult (*cuStreamGetCaptureInfo)(CUstream stream, int *status, uint64_t *id, void *graph,
                                     void *dependencies, size_t *count);
  CUresult (*cuThreadExchangeStreamCaptureMode)(int *mode);
  CUresult (*cuStreamGetFlags)(CUstream stream, unsigned *flags);
  CUresult (*cuCtxGetDevice)(CUdevice *device);
  CUresult (*cuDeviceGetAttribute)(int *value, int attribute, CUdevice device);
  CUresult (*cuMemAlloc)(CUdeviceptr *address, size_t bytes);
  CUresult (*cuMemAllocAsync)(CUdeviceptr *address, size_t bytes, CUstream stream);
  CUresult (*cuMemFree)(CUdeviceptr address);
  CUresult (*cuMemFreeAsync)(CUdeviceptr address, CUstream stream);
  CUresult (*cuMemcpy2DAsync)(const CUDA_MEMCPY2D *copy, CUstream stream);
  CUresult (*cuMemcpyHtoDAsync)(CUdeviceptr to, const void *from, size_t bytes, CUstream stream);
  CUresult (*cuLaunchKernel)(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                             unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                             CUstream stream, void **parameters, void **extra);
  /* Since CUDA 12.0: NULL in older drivers. */
  CUresult (*cuLibraryLoadData)(CUlibrary *library, const void *code, int *jit_options,
                                void **jit_values, unsigned jit_count, int *options, void **values,
                                unsigned count);
  CUresult (*cuLibraryGetKernel)(CUfunction *kernel, CUlibrary library, const char *name);
  CUresult (*cuGetErrorName)(CUresult result, const char **name);
} vc_driver;

/* Opens libcuda and looks up its functions. Returns NULL where it is not installed, and where
 * it does not have a function, whose name goes to *missing (else NULL). Called by mode.c only. */
const vc_driver *vc_driver_open(const char **missing);

/* --- mode.c: the decision of this process between CUDA and host mode */

/* Set once the process has decided for CUDA; NULL again in a child of fork(). */
extern const vc_driver *_Atomic vc_driver_ready;
/* Decides; NULL in host mode or where the driver failed. */
const vc_driver *vc_driver_decide(void);

/* The driver of this process, or NULL in host mode or where it failed. Asked for
 * several times in each conversion: one load. */
static inline const vc_driver *vc_driver_get(void) {
  const vc_driver *ready = atomic_load_explicit(&vc_driver_ready, memory_order_acquire);
  return ready ? ready : vc_driver_decide();
}

/* Fills `error` with the driver's name of a result; returns VC_ERROR_CUDA. */
vc_status vc_driver_fail(vc_error *error, const char *call, CUresult result);

#endif
