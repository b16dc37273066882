/* SPDX-License-Identifier: Apache-2.0 */
/* Element types: the check that every import goes through. */
#ifndef VIEWCAST_CORE_DTYPE_H
#define VIEWCAST_CORE_DTYPE_H

#include <viewcast/viewcast.h>

/* The types that viewcast converts, as messages name them. */
#define VC_DTYPES "bool, int8 to int64, uint8 to uint64, float16, bfloat16, float32 and float64"

/* vc_dtype_size, where it is asked for several times in each conversion. */
static inline size_t vc_dtype_bytes(vc_dtype dtype) {
  static const uint8_t widths[] = {/* in bits, of each code, added up: powers of two */
                                   [VC_INT] = 8 | 16 | 32 | 64,
                                   [VC_UINT] = 8 | 16 | 32 | 64,
                                   [VC_FLOAT] = 16 | 32 | 64,
                                   [VC_BFLOAT] = 16,
                                   [VC_BOOL] = 8};
  unsigned bits = dtype.bits;
  bool known = dtype.code < sizeof widths && (bits & ~(unsigned)widths[dtype.code]) == 0 &&
               (bits & (bits - 1)) == 0;
  return known ? bits / 8 : 0;
}

/* VC_ERROR_DTYPE with what was found and the nearest way out, unless viewcast
 * converts the type. Codes are DLPack's, those that viewcast does not know
 * included. */
vc_status vc_dtype_check(vc_dtype dtype, vc_error *error);

#endif
