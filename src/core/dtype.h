/* SPDX-License-Identifier: Apache-2.0 */
/* The element types that viewcast converts: the one table of them, and the check that every
 * import makes. */
#ifndef VIEWCAST_CORE_DTYPE_H
#define VIEWCAST_CORE_DTYPE_H

#include <viewcast/viewcast.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One line for each element type. All other lists of types in the library and the extension
 * are made from this one.
 *
 *   id       of the enumerator VC_DTYPE_id
 *   name     NumPy's, torch's and CuPy's name
 *   code     and bits: DLPack's
 *   typestr  NumPy's, of little-endian machines; NULL where NumPy has no such type
 *   format   the letter of Python's struct module; 0 where it has none
 *   depth    OpenCV's depth and its number. 4.x has the depths below VC_DEPTHS_OF_OPENCV_4, 5.x all
 *            of them; where OpenCV has no Bool, a bool is an 8U.
 */
/* clang-format off */
#define VC_DTYPE_LIST(X)                                                  \
  /* id    name        code       bits  typestr  format  depth, number */ \
  X(BOOL,  "bool",     VC_BOOL,   8,    "|b1",   '?',    "Bool", 9)       \
  X(I8,    "int8",     VC_INT,    8,    "|i1",   'b',    "8S",   1)       \
  X(I16,   "int16",    VC_INT,    16,   "<i2",   'h',    "16S",  3)       \
  X(I32,   "int32",    VC_INT,    32,   "<i4",   'i',    "32S",  4)       \
  X(I64,   "int64",    VC_INT,    64,   "<i8",   'l',    "64S",  11)      \
  X(U8,    "uint8",    VC_UINT,   8,    "|u1",   'B',    "8U",   0)       \
  X(U16,   "uint16",   VC_UINT,   16,   "<u2",   'H',    "16U",  2)       \
  X(U32,   "uint32",   VC_UINT,   32,   "<u4",   'I',    "32U",  12)      \
  X(U64,   "uint64",   VC_UINT,   64,   "<u8",   'L',    "64U",  10)      \
  X(F16,   "float16",  VC_FLOAT,  16,   "<f2",   'e',    "16F",  7)       \
  X(BF16,  "bfloat16", VC_BFLOAT, 16,   NULL,    0,      "16BF", 8)       \
  X(F32,   "float32",  VC_FLOAT,  32,   "<f4",   'f',    "32F",  5)       \
  X(F64,   "float64",  VC_FLOAT,  64,   "<f8",   'd',    "64F",  6)
/* clang-format on */

/* The depths of OpenCV 4.x, CV_8U to CV_16F, which 5.x numbers alike. */
enum { VC_DEPTHS_OF_OPENCV_4 = 8 };

/* VC_DTYPE_BOOL … VC_DTYPE_F64: the types by number, from 0, in the order of the table. */
#define VC_DTYPE_ENUMERATOR(id, name, code, bits, typestr, format, depth, number) VC_DTYPE_##id,
enum { VC_DTYPE_LIST(VC_DTYPE_ENUMERATOR) VC_DTYPE_COUNT };
#undef VC_DTYPE_ENUMERATOR

/* A row of the table. */
typedef struct vc_dtype_row {
  vc_dtype dtype;
  const char *name;
  const char *typestr; /* may be NULL */
  const char *depth;   /* "8U": OpenCV's CV_8U */
  int8_t depth_number;
  char format; /* may be 0 */
} vc_dtype_row;

extern const vc_dtype_row vc_dtype_rows[VC_DTYPE_COUNT];

/* The types as messages list them. */
#define VC_DTYPES "bool, int8 to int64, uint8 to uint64, float16, bfloat16, float32 and float64"

/* The size of each type in bytes, and its number plus 1, by its code and its bytes; 0 for types
 * that viewcast does not convert. */
extern const uint8_t vc_dtype_sizes[VC_BOOL + 1][64 / 8 + 1];
extern const uint8_t vc_dtype_numbers[VC_BOOL + 1][64 / 8 + 1];

#define VC_DTYPE_LOOK_UP(table, dtype)                                    \
  ((dtype).code <= VC_BOOL && (dtype).bits <= 64 && (dtype).bits % 8 == 0 \
       ? (table)[(dtype).code][(dtype).bits / 8]                          \
       : 0)

/* vc_dtype_size, inline: every conversion asks for it several times. */
static inline size_t vc_dtype_bytes(vc_dtype dtype) {
  return VC_DTYPE_LOOK_UP(vc_dtype_sizes, dtype);
}

/* The number of a type in the table; -1 for a type that viewcast does not convert. */
static inline int vc_dtype_index(vc_dtype dtype) {
  return VC_DTYPE_LOOK_UP(vc_dtype_numbers, dtype) - 1;
}

static inline bool vc_dtype_same(vc_dtype a, vc_dtype b) {
  return a.code == b.code && a.bits == b.bits;
}

/* True for bool and whole numbers. */
static inline bool vc_dtype_is_integer(vc_dtype dtype) {
  return dtype.code == VC_INT || dtype.code == VC_UINT || dtype.code == VC_BOOL;
}

/* VC_ERROR_DTYPE unless viewcast converts the type. The message names the type, whatever
 * DLPack code it has, and the nearest conversion. */
VC_MUST_CHECK vc_status vc_dtype_check(vc_dtype dtype, vc_error *error);

/* NumPy's typestr of a dtype ("<f4"); NULL for bfloat16 and unknown types. */
const char *vc_dtype_typestr(vc_dtype dtype);

/* The dtype of a typestr, whose byte order may be left out ("u1"), as NumPy allows;
 * VC_ERROR_DTYPE for types that viewcast does not convert, big-endian ones included. */
VC_MUST_CHECK vc_status vc_dtype_from_typestr(const char *typestr, vc_dtype *out, vc_error *error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif
