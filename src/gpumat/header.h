/* SPDX-License-Identifier: Apache-2.0 */
/* A GpuMat header: its type number, and a header over a view. */
#ifndef VIEWCAST_GPUMAT_HEADER_H
#define VIEWCAST_GPUMAT_HEADER_H

#include "internal.h"

/* Depth and channels of a header's flags. */
vc_status vc_gpumat_unpack(const vc_gpumat_abi *abi, int32_t flags, vc_dtype *dtype,
                           int32_t *channels, vc_error *error);

/* vc_gpumat_type and vc_gpumat_over, of arguments that are known not to be NULL. */
vc_status vc_gpumat_pack(const vc_gpumat_abi *abi, vc_dtype dtype, int32_t channels, int32_t *out,
                         vc_error *error);
vc_status vc_gpumat_write(const vc_gpumat_abi *abi, const vc_view *view, vc_gpumat *out,
                          vc_error *error);

/* VC_ERROR_VALUE if a GpuMat that is about to be given memory has some. */
vc_status vc_gpumat_fail_owned(const vc_gpumat *mat, vc_error *error);
static inline vc_status vc_gpumat_check_unowned(const vc_gpumat *mat, vc_error *error) {
  return !mat->data && !mat->refcount ? VC_OK : vc_gpumat_fail_owned(mat, error);
}

#endif
