/* SPDX-License-Identifier: Apache-2.0 */
/* Element types: the check that every import goes through. */
#ifndef VIEWCAST_CORE_DTYPE_H
#define VIEWCAST_CORE_DTYPE_H

#include <viewcast/viewcast.h>

/* The types that viewcast converts, as messages name them. */
#define VC_DTYPES "bool, int8 to int64, uint8 to uint64, float16, bfloat16, float32 and float64"

/* vc_dtype_size, where it is asked for several times in each conversion. */
static inline size_t vc_dtype_bytes(vc_dtype dtype) {
  static const uint8_t sizes[] = {/* of each code, added up: they are powers of two */
                                  [VC_INT] = 1 | 2 | 4 | 8, [VC_UINT] = 1 | 2 | 4 | 8,
                                  [VC_FLOAT] = 2 | 4 | 8,   [VC_BFLOAT] = 2,
                                  [VC_BOOL] = 1};
  unsigned size = dtype.bits / 8u;
  bool known = dtype.code < sizeof sizes && dtype.bits % 8u == 0 && (size & (size - 1)) == 0 &&
               (size & sizes[dtype.code]) != 0;
  return known ? size : 0;
}

/* VC_ERROR_DTYPE with what was found and the nearest way out, unless viewcast
 * converts the type. Codes are DLPack's, those that viewcast does not know
 * included. */
vc_status vc_dtype_check(vc_dtype dtype, vc_error *error);

#endif
