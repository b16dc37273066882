/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of this library on a device: which image it runs, and its functions. */
#ifndef VIEWCAST_TRANSFORM_KERNEL_IMAGES_H
#define VIEWCAST_TRANSFORM_KERNEL_IMAGES_H

#include "cuda/driver.h"

/* VC_ERROR_CUDA where no transform can run on a GPU: the library was built without kernels, or
 * the driver is too old to load them. VC_ERROR_DEVICE where there is no driver. */
vc_status vc_kernels_check(const vc_driver *driver, vc_error *error);

/* The kernel vc_kernel_names[index], loaded if it was not, for a device whose context is
 * current. */
vc_status vc_kernel_find(const vc_driver *driver, int32_t device, int32_t index, CUfunction *out,
                         vc_error *error);

/* Fills `error` for a result of the driver; says what the kernels need where that is why. Returns
 * VC_ERROR_CUDA. */
vc_status vc_kernel_fail(vc_error *error, const char *call, CUresult result);

#endif
