/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dtype.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "internal.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#  error "typestrs are written for little-endian machines"
#endif

#define ROW(id, name, code, bits, typestr, format, depth, number) \
  [VC_DTYPE_##id] = {{code, bits}, name, typestr, depth, number, format},
#define SIZE(id, name, code, bits, ...) [code][bits / 8] = bits / 8,
#define NUMBER(id, name, code, bits, ...) [code][bits / 8] = VC_DTYPE_##id + 1,

const vc_dtype_row vc_dtype_rows[VC_DTYPE_COUNT] = {VC_DTYPE_LIST(ROW)};
const uint8_t vc_dtype_sizes[VC_BOOL + 1][64 / 8 + 1] = {VC_DTYPE_LIST(SIZE)};
const uint8_t vc_dtype_numbers[VC_BOOL + 1][64 / 8 + 1] = {VC_DTYPE_LIST(NUMBER)};

size_t vc_dtype_size(vc_dtype dtype) { return vc_dtype_bytes(dtype); }

const char *vc_dtype_name(vc_dtype dtype) {
  int index = vc_dtype_index(dtype);
  return index < 0 ? "unknown" : vc_dtype_rows[index].name;
}

/* DLPack's codes of types that viewcast refuses. */
enum {
  OPAQUE_HANDLE = 3,
  FIRST_FLOAT8 = 7,
  LAST_FLOAT8 = 14,
  FIRST_FLOAT6 = 15,
  LAST_FLOAT6 = 16,
  FLOAT4 = 17
};

/* The name of a code in messages. */
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

/* The conversion that a message advises for a type that is refused. */
static const char *advice_for(vc_dtype dtype) {
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

/* Writes the name that libraries give a type ("complex64: ", "float8_e5m2: "), which messages
 * put before its code; "" where it has none. */
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
                 family(dtype.code), dtype.code, dtype.bits, advice_for(dtype));
}

/* ---------------------------------------------------------------- typestrs */

const char *vc_dtype_typestr(vc_dtype dtype) {
  int index = vc_dtype_index(dtype);
  return index < 0 ? NULL : vc_dtype_rows[index].typestr;
}

/* The kinds of NumPy types that viewcast does not convert: their names, whether the bits
 * follow a name ("complex64"), and the conversion that the message advises. */
static const struct {
  char kind;
  bool has_bits;
  const char *name, *advice; /* NULL: that of `which` */
  vc_advice which;
} refused_kinds[] = {
    {'c', true, "complex", NULL, VC_ADVICE_AS_REAL},
    {'f', true, "float", "convert to float64 first", VC_ADVICE_COUNT},
    {'i', true, "int", "convert to one of these first", VC_ADVICE_COUNT},
    {'u', true, "uint", "convert to one of these first", VC_ADVICE_COUNT},
    {'b', true, "bool", "convert to a bool of 8 bits first", VC_ADVICE_COUNT},
    {'V', false, "a structured or void type",
     "structured types and bfloat16 have no plain typestr; select one field first, and pass "
     "bfloat16 through DLPack",
     VC_ADVICE_COUNT},
    {'O', false, "object", "convert the objects to numbers first", VC_ADVICE_COUNT},
    {'S', false, "bytes", "convert the text to numbers first", VC_ADVICE_COUNT},
    {'U', false, "str", "convert the text to numbers first", VC_ADVICE_COUNT},
    {'t', false, "a bit field", "convert bit fields to bool first", VC_ADVICE_COUNT},
    {'M', false, "datetime64", NULL, VC_ADVICE_AS_INT64},
    {'m', false, "timedelta64", NULL, VC_ADVICE_AS_INT64},
};

/* The type after the byte order, which may be left out as NumPy's own dtype() allows. */
static const char *without_order(const char *typestr) {
  return *typestr != '\0' && strchr("<|=>", *typestr) != NULL ? typestr + 1 : typestr;
}

/* Copies a typestr for a message, with a question mark for each character that is not
 * printable ASCII. */
static void printable(const char *typestr, char out[16]) {
  size_t length = 0;
  for (; length < 15 && typestr[length] != '\0'; length++)
    out[length] = typestr[length] >= ' ' && typestr[length] <= '~' ? typestr[length] : '?';
  out[length] = '\0';
}

/* Writes the bits of a type of so many bytes ("8" gives "64"); "" for any other text. */
static void write_bits(const char *bytes, char out[12]) {
  unsigned count = 0;
  size_t length = strspn(bytes, "0123456789");
  out[0] = '\0';
  if (length == 0 || length > 3 || bytes[length] != '\0') return;
  for (size_t i = 0; i < length; i++) count = count * 10 + (unsigned)(bytes[i] - '0');
  snprintf(out, 12, "%u", count * 8);
}

static vc_status refuse_typestr(const char *typestr, vc_error *error) {
  char text[16], bits[12] = "";
  const char *type = without_order(typestr);
  printable(typestr, text);
  for (size_t i = 0; i < sizeof refused_kinds / sizeof refused_kinds[0]; i++) {
    if (*type != refused_kinds[i].kind) continue;
    if (refused_kinds[i].has_bits) write_bits(type + 1, bits);
    if (refused_kinds[i].has_bits && bits[0] == '\0') break;
    const char *advice = refused_kinds[i].advice;
    if (advice == NULL) advice = vc_advice_text(refused_kinds[i].which);
    return vc_fail(error, VC_ERROR_DTYPE,
                   "dtype is %s%s (typestr is '%s'), needs one of " VC_DTYPES "; %s",
                   refused_kinds[i].name, bits, text, advice);
  }
  return vc_fail(error, VC_ERROR_DTYPE,
                 "typestr is '%s', needs b1, i1 to i8, u1 to u8, f2, f4 or f8, with or without a "
                 "byte order of <, | or = before it; convert it to one of these first",
                 text);
}

/* Whether a type without its byte order ("f4") is that of a row. */
static bool is_type_of(const char *type, const vc_dtype_row *row) {
  const char *known = row->typestr;
  return known != NULL && type[0] == known[1] && type[1] == known[2] && type[2] == '\0';
}

vc_status vc_dtype_from_typestr(const char *typestr, vc_dtype *out, vc_error *error) {
  VC_NEED(typestr);
  VC_NEED(out);
  const char *type = without_order(typestr);
  for (int i = 0; i < VC_DTYPE_COUNT; i++) {
    const vc_dtype_row *row = &vc_dtype_rows[i];
    if (!is_type_of(type, row)) continue;
    if (*typestr == '>' && row->dtype.bits > 8)
      return vc_fail(error, VC_ERROR_DTYPE,
                     "typestr is '%s', big-endian, needs the machine's byte order ('%s'); %s",
                     typestr, row->typestr, vc_advice_text(VC_ADVICE_SWAP_BYTES));
    *out = row->dtype;
    return VC_OK;
  }
  return refuse_typestr(typestr, error);
}
