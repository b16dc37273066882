/* SPDX-License-Identifier: Apache-2.0 */
/* The row kernels for any processor. This is a file of its own because row_common.h is compiled
 * once for each table, with the options of its processor. */
#if defined(__GNUC__) && !defined(__clang__)
#  pragma GCC optimize("O3", "no-trapping-math", "no-math-errno")
#endif

#define F32_FROM_F16(x) vc_f32_from_f16(x)
#define F16_FROM_F32(x) vc_f16_from_f32(x)
#include "transform/row_common.h"

const vc_row_kernels vc_row_kernels_scalar = {
    .name = "scalar",
    COMMON_ROW_KERNELS,
    .shuffle = shuffle_bytes,
    .resample = &vc_resample_kernels_scalar,
};
