/* SPDX-License-Identifier: Apache-2.0 */
/* Element types: the table, names, sizes, NumPy's typestrs, and refusals. */
#include "check.h"
#include "internal.h"

static const vc_device cpu = {VC_CPU, 0};
static vc_error error;
static uint8_t memory[4096];

static void test_dtypes(void) {
  const struct {
    vc_dtype dtype;
    size_t size;
    const char *name;
  } known[] = {
      {{VC_BOOL, 8}, 1, "bool"},        {{VC_INT, 8}, 1, "int8"},
      {{VC_INT, 16}, 2, "int16"},       {{VC_INT, 32}, 4, "int32"},
      {{VC_INT, 64}, 8, "int64"},       {{VC_UINT, 8}, 1, "uint8"},
      {{VC_UINT, 16}, 2, "uint16"},     {{VC_UINT, 32}, 4, "uint32"},
      {{VC_UINT, 64}, 8, "uint64"},     {{VC_FLOAT, 16}, 2, "float16"},
      {{VC_FLOAT, 32}, 4, "float32"},   {{VC_FLOAT, 64}, 8, "float64"},
      {{VC_BFLOAT, 16}, 2, "bfloat16"},
  };
  size_t count = sizeof known / sizeof known[0];
  for (size_t i = 0; i < count; i++) {
    CHECK_INT(vc_dtype_size(known[i].dtype), known[i].size);
    CHECK_TEXT(vc_dtype_name(known[i].dtype), known[i].name);
  }

  size_t sizes = 0, names = 0; /* and nothing else in all 65536 */
  for (int code = 0; code < 256; code++)
    for (int bits = 0; bits < 256; bits++) {
      vc_dtype dtype = {(uint8_t)code, (uint8_t)bits};
      sizes += vc_dtype_size(dtype) != 0;
      names += strcmp(vc_dtype_name(dtype), "unknown") != 0;
    }
  CHECK_INT(sizes, count);
  CHECK_INT(names, count);
}

static void refuse_dtype(uint8_t code, uint8_t bits, const char *part) {
  vc_view view;
  vc_dtype dtype = {code, bits};
  CHECK_FAILS(vc_view_packed(memory, cpu, dtype, 1, (int64_t[]){4}, &view, &error), VC_ERROR_DTYPE,
              part);
}

static void test_refused_dtypes(void) {
  refuse_dtype(VC_COMPLEX, 64, "complex (code 5) of 64 bits");
  refuse_dtype(VC_COMPLEX, 64, "dtype is complex64: ");
  refuse_dtype(VC_COMPLEX, 64, "pairs of real numbers");
  refuse_dtype(VC_COMPLEX, 128, "complex");
  refuse_dtype(10, 8, "8-bit float (code 10)");
  refuse_dtype(10, 8, "dtype is float8_e4m3fn: ");
  refuse_dtype(14, 8, "dtype is float8_e8m0fnu: ");
  refuse_dtype(17, 4, "dtype is float4_e2m1fn: ");
  refuse_dtype(255, 255, "dtype is unknown (code 255)");
  refuse_dtype(10, 8, "bytes as uint8");
  refuse_dtype(15, 6, "6-bit float");
  refuse_dtype(17, 4, "4-bit float");
  refuse_dtype(VC_INT, 4, "smaller than a byte");
  refuse_dtype(VC_UINT, 1, "smaller than a byte");
  refuse_dtype(VC_BOOL, 1, "smaller than a byte");
  refuse_dtype(VC_BOOL, 32, "bool of 8 bits");
  refuse_dtype(VC_FLOAT, 128, "convert to float64");
  refuse_dtype(VC_BFLOAT, 32, "bfloat (code 4) of 32 bits");
  refuse_dtype(VC_INT, 128, "int (code 0) of 128 bits");
  refuse_dtype(3, 64, "opaque handle");
  refuse_dtype(200, 8, "unknown (code 200)");
}

/* Each row of the table is found by its dtype, and has an OpenCV depth of its own. */
static void test_table(void) {
  unsigned depths = 0;
  for (int i = 0; i < VC_DTYPE_COUNT; i++) {
    const vc_dtype_row *row = &vc_dtype_rows[i];
    CHECK_INT(vc_dtype_index(row->dtype), i);
    CHECK_INT(vc_dtype_bytes(row->dtype) * 8, row->dtype.bits);
    CHECK_TEXT(vc_dtype_name(row->dtype), row->name);
    CHECK(row->depth_number >= 0 && row->depth_number < VC_GPUMAT_DEPTHS);
    CHECK((depths & 1U << row->depth_number) == 0);
    depths |= 1U << row->depth_number;
  }
  CHECK_INT(vc_dtype_index((vc_dtype){VC_COMPLEX, 64}), -1);
  CHECK_INT(vc_dtype_index((vc_dtype){VC_UINT, 12}), -1);
  CHECK_INT(vc_dtype_index((vc_dtype){VC_UINT, 128}), -1);
  CHECK_INT(vc_dtype_index((vc_dtype){255, 8}), -1);
}

static const struct {
  vc_dtype dtype;
  const char *typestr;
} known[] = {
    {{VC_BOOL, 8}, "|b1"},   {{VC_INT, 8}, "|i1"},    {{VC_INT, 16}, "<i2"},
    {{VC_INT, 32}, "<i4"},   {{VC_INT, 64}, "<i8"},   {{VC_UINT, 8}, "|u1"},
    {{VC_UINT, 16}, "<u2"},  {{VC_UINT, 32}, "<u4"},  {{VC_UINT, 64}, "<u8"},
    {{VC_FLOAT, 16}, "<f2"}, {{VC_FLOAT, 32}, "<f4"}, {{VC_FLOAT, 64}, "<f8"},
};

static void test_typestrs(void) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    vc_dtype dtype;
    char text[4];
    CHECK_TEXT(vc_dtype_typestr(known[i].dtype), known[i].typestr);
    strcpy(text, known[i].typestr);
    for (const char *order = "<|="; *order != '\0'; order++) {
      text[0] = *order;
      CHECK_OK(vc_dtype_from_typestr(text, &dtype, &error));
      CHECK_INT(dtype.code, known[i].dtype.code);
      CHECK_INT(dtype.bits, known[i].dtype.bits);
    }
    CHECK_OK(vc_dtype_from_typestr(text + 1, &dtype, &error)); /* no order, as NumPy takes it */
    CHECK_INT(dtype.code, known[i].dtype.code);
    CHECK_INT(dtype.bits, known[i].dtype.bits);
    text[0] = '>';
    if (known[i].dtype.bits == 8) /* one byte has no order */
      CHECK_OK(vc_dtype_from_typestr(text, &dtype, &error));
    else
      CHECK_FAILS(vc_dtype_from_typestr(text, &dtype, &error), VC_ERROR_DTYPE, "big-endian");
  }
  CHECK(vc_dtype_typestr((vc_dtype){VC_BFLOAT, 16}) == NULL);
  CHECK(vc_dtype_typestr((vc_dtype){VC_COMPLEX, 64}) == NULL);
  CHECK(vc_dtype_typestr((vc_dtype){VC_FLOAT, 128}) == NULL);
  CHECK(vc_dtype_typestr((vc_dtype){0, 0}) == NULL);
}

static void refuse_typestr(const char *typestr, const char *part) {
  vc_dtype dtype = {77, 77};
  CHECK_FAILS(vc_dtype_from_typestr(typestr, &dtype, &error), VC_ERROR_DTYPE, part);
  CHECK_INT(dtype.code, 77);
  CHECK_INT(vc_dtype_from_typestr(typestr, &dtype, NULL), VC_ERROR_DTYPE);
}

static void test_typestrs_refused(void) {
  refuse_typestr("", "typestr is ''");
  refuse_typestr("<", "typestr is '<'");
  refuse_typestr("f", "with or without a byte order");
  refuse_typestr("4", "'4'");
  refuse_typestr("<<f4", "'<<f4'");
  refuse_typestr("@f4", "'@f4'");
  refuse_typestr("!u1", "'!u1'");
  refuse_typestr(" u1", "' u1'");
  refuse_typestr("c8", "dtype is complex64 (typestr is 'c8'), needs one of bool, int8");
  refuse_typestr(">c16", "dtype is complex128 (typestr is '>c16')");
  refuse_typestr("f16", "dtype is float128");
  refuse_typestr("|b2", "dtype is bool16");
  refuse_typestr("<i16", "dtype is int128");
  refuse_typestr("<i3", "dtype is int24");
  refuse_typestr("<c", "typestr is '<c'");
  refuse_typestr("<c8x", "typestr is '<c8x'");
  refuse_typestr("<c4294967304", "typestr is '<c4294967304'");
  refuse_typestr("<f", "'<f'");
  refuse_typestr("<f3", "'<f3'");
  refuse_typestr("<f16", "convert to float64");
  refuse_typestr("<f4 ", "'<f4 '");
  refuse_typestr("<f44", "'<f44'");
  refuse_typestr("<c8", "pairs of real numbers");
  refuse_typestr("|V12", "select one field");
  refuse_typestr("<V2", "bfloat16 through DLPack");
  refuse_typestr("|O8", "dtype is object (typestr is '|O8')");
  refuse_typestr("<U5", "dtype is str (typestr is '<U5')");
  refuse_typestr("|S1", "dtype is bytes (typestr is '|S1')");
  refuse_typestr("<M8[ns]", "dtype is datetime64 (typestr is '<M8[ns]')");
  refuse_typestr("<M8[ns]", "int64");
  refuse_typestr("<m8", "dtype is timedelta64 (typestr is '<m8')");
  refuse_typestr("|V12", "dtype is a structured or void type (typestr is '|V12')");
  refuse_typestr("|t1", "bit fields");
  refuse_typestr(">f4", "'>f4', big-endian, needs the machine's byte order ('<f4')");
  refuse_typestr("<i\xFF\n",
                 "'<i?"
                 "?'");
  refuse_typestr("<f4444444444444444444444444444444", "'<f4444444444444'");
}

int main(void) {
  test_dtypes();
  test_table();
  test_refused_dtypes();
  test_typestrs();
  test_typestrs_refused();
  return check_report();
}
