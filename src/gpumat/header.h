/* SPDX-License-Identifier: Apache-2.0 */
/* The bits of a GpuMat header that are not public. */
#ifndef VIEWCAST_GPUMAT_HEADER_H
#define VIEWCAST_GPUMAT_HEADER_H

#include "viewcast/viewcast.h"

/* cv::cuda::GpuMat::flags */
#define VC_GPUMAT_MAGIC 0x42FF0000
#define VC_GPUMAT_MAGIC_MASK ((int32_t)0xFFFF0000)
#define VC_GPUMAT_CONTINUOUS (1 << 14)
#define VC_GPUMAT_SUBMATRIX (1 << 15)
#define VC_GPUMAT_TYPE_MASK 0xFFF

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
