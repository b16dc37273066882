/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dtype.h"

#include <stdio.h>

#include "core/error.h"
#include "internal.h"

/* One number for code and bits, to switch on. */
#define TYPE(code, bits) ((unsigned)(code) << 8 | (unsigned)(bits))

/* DLPack's codes for what viewcast refuses. */
enum {
  OPAQUE_HANDLE = 3,
  FIRST_FLOAT8 = 7,
  LAST_FLOAT8 = 14,
  FIRST_FLOAT6 = 15,
  LAST_FLOAT6 = 16,
  FLOAT4 = 17
};

const char *vc_dtype_name(vc_dtype dtype) {
  switch (TYPE(dtype.code, dtype.bits)) {
    case TYPE(VC_BOOL, 8): return "bool";
    case TYPE(VC_INT, 8): return "int8";
    case TYPE(VC_INT, 16): return "int16";
    case TYPE(VC_INT, 32): return "int32";
    case TYPE(VC_INT, 64): return "int64";
    case TYPE(VC_UINT, 8): return "uint8";
    case TYPE(VC_UINT, 16): return "uint16";
    case TYPE(VC_UINT, 32): return "uint32";
    case TYPE(VC_UINT, 64): return "uint64";
    case TYPE(VC_FLOAT, 16): return "float16";
    case TYPE(VC_FLOAT, 32): return "float32";
    case TYPE(VC_FLOAT, 64): return "float64";
    case TYPE(VC_BFLOAT, 16): return "bfloat16";
    default: return "unknown";
  }
}

size_t vc_dtype_size(vc_dtype dtype) { return vc_dtype_bytes(dtype); }

/* The family of a code, for people. */
static const char *family(uint8_t code) {
  switch (code) {
    case VC_INT: return "int";
    case VC_UINT: return "uint";
    case VC_FLOAT: return "float";
    case VC_BFLOAT: return "bfloat";
    case VC_COMPLEX: return "complex";
    case VC_BOOL: return "bool";
    case OPAQUE_HANDLE: return "opaque handle";
    default: break;
  }
  if (code >= FIRST_FLOAT8 && code <= LAST_FLOAT8) return "8-bit float";
  if (code >= FIRST_FLOAT6 && code <= LAST_FLOAT6) return "6-bit float";
  return code == FLOAT4 ? "4-bit float" : "unknown";
}

/* What to do with a type of this kind instead. */
static const char *way_out(vc_dtype dtype) {
  if (dtype.code == VC_COMPLEX) return vc_advice_text(VC_ADVICE_AS_REAL);
  if (dtype.code >= FIRST_FLOAT8 && dtype.code <= LAST_FLOAT8 && dtype.bits == 8)
    return vc_advice_text(VC_ADVICE_AS_BYTES);
  if (dtype.bits < 8)
    return "elements smaller than a byte have no address; convert to uint8 or "
           "int8 first";
  if (dtype.code == VC_FLOAT && dtype.bits > 64) return "convert to float64 first";
  if (dtype.code == VC_BOOL) return "convert to a bool of 8 bits first";
  return "convert to one of these first";
}

/* A type by the name that libraries give it ("complex64: ", "float8_e5m2: "), to stand
 * before its code; "" where it has none. */
static void write_name(vc_dtype dtype, char *out, size_t size) {
  static const char *const small_floats[] = {
      "float8_e3m4",     "float8_e4m3",   "float8_e4m3b11fnuz", "float8_e4m3fn",
      "float8_e4m3fnuz", "float8_e5m2",   "float8_e5m2fnuz",    "float8_e8m0fnu",
      "float6_e2m3fn",   "float6_e3m2fn", "float4_e2m1fn"};
  out[0] = '\0';
  if (dtype.code <= VC_BOOL && dtype.code != OPAQUE_HANDLE)
    snprintf(out, size, "%s%d: ", family(dtype.code), dtype.bits);
  else if (dtype.code >= FIRST_FLOAT8 && dtype.code <= FLOAT4)
    snprintf(out, size, "%s: ", small_floats[dtype.code - FIRST_FLOAT8]);
}

vc_status vc_dtype_check(vc_dtype dtype, vc_error *error) {
  char name[32];
  if (vc_dtype_size(dtype) != 0) return VC_OK;
  write_name(dtype, name, sizeof name);
  return vc_fail(error, VC_ERROR_DTYPE,
                 "dtype is %s%s (code %d) of %d bits, needs one of " VC_DTYPES "; %s", name,
                 family(dtype.code), dtype.code, dtype.bits, way_out(dtype));
}
