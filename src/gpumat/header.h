/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of header.c that the API does not promise. */
#ifndef VIEWCAST_GPUMAT_HEADER_H
#define VIEWCAST_GPUMAT_HEADER_H

#include "internal.h"

/* Depth and channels of a header's flags. */
vc_status vc_gpumat_unpack(const vc_gpumat_abi *abi, int32_t flags, vc_dtype *dtype,
                           int32_t *channels, vc_error *error);

/* VC_ERROR_VALUE for a GpuMat that is to be given memory and has some. */
vc_status vc_gpumat_fail_owned(const vc_gpumat *mat, vc_error *error);

#endif
