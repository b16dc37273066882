/* SPDX-License-Identifier: Apache-2.0 */
/* CUDA Array Interface, versions 2 and 3
 * (https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html). */
#include <viewcast/viewcast.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "internal.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#  error "typestrs are written for little-endian machines"
#endif

static const struct {
  vc_dtype dtype;
  const char *typestr;
} typestrs[] = {
    {{VC_UINT, 8}, "|u1"},   {{VC_FLOAT, 32}, "<f4"}, {{VC_FLOAT, 16}, "<f2"},
    {{VC_FLOAT, 64}, "<f8"}, {{VC_BOOL, 8}, "|b1"},   {{VC_INT, 8}, "|i1"},
    {{VC_INT, 16}, "<i2"},   {{VC_INT, 32}, "<i4"},   {{VC_INT, 64}, "<i8"},
    {{VC_UINT, 16}, "<u2"},  {{VC_UINT, 32}, "<u4"},  {{VC_UINT, 64}, "<u8"},
};

#define TYPESTR_COUNT (sizeof typestrs / sizeof typestrs[0])

const char *vc_dtype_typestr(vc_dtype dtype) {
  for (size_t i = 0; i < TYPESTR_COUNT; i++)
    if (typestrs[i].dtype.code == dtype.code && typestrs[i].dtype.bits == dtype.bits)
      return typestrs[i].typestr;
  return NULL;
}

/* A kind of NumPy type that viewcast does not convert: its name, whether the bits follow
 * it ("complex64"), and what to do instead. */
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

/* Copies a typestr for a message, with a question mark for what is no letter,
 * digit or sign. */
static void printable(const char *typestr, char out[16]) {
  size_t length = 0;
  for (; length < 15 && typestr[length] != '\0'; length++)
    out[length] = typestr[length] >= ' ' && typestr[length] <= '~' ? typestr[length] : '?';
  out[length] = '\0';
}

/* The bits of a type of so many bytes ("8" gives "64"); "" for what is no such number. */
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

vc_status vc_dtype_from_typestr(const char *typestr, vc_dtype *out, vc_error *error) {
  VC_NEED(typestr);
  VC_NEED(out);
  const char *type = without_order(typestr);
  for (size_t i = 0; i < TYPESTR_COUNT; i++) {
    if (strcmp(type, typestrs[i].typestr + 1) != 0) continue;
    if (*typestr == '>' && typestrs[i].dtype.bits > 8)
      return vc_fail(error, VC_ERROR_DTYPE,
                     "typestr is '%s', big-endian, needs the machine's byte order ('%s'); %s",
                     typestr, typestrs[i].typestr, vc_advice_text(VC_ADVICE_SWAP_BYTES));
    *out = typestrs[i].dtype;
    return VC_OK;
  }
  return refuse_typestr(typestr, error);
}

static vc_status check_header(const vc_cuda_array *array, vc_error *error) {
  if (array->version != 2 && array->version != 3)
    return vc_fail(error, VC_ERROR_VALUE,
                   "CUDA Array Interface has version %" PRId64
                   ", needs 2 or 3; update the "
                   "producer or pass the array through DLPack",
                   array->version);
  if (array->has_mask)
    return vc_fail(error, VC_ERROR_VALUE,
                   "CUDA Array Interface has a mask, needs none: an image has no masked "
                   "elements; fill them in first");
  if (memchr(array->typestr, '\0', sizeof array->typestr) == NULL)
    return vc_fail(error, VC_ERROR_DTYPE,
                   "typestr is longer than %zu characters, needs 3, as in '<f4'; pass a plain "
                   "numeric type",
                   sizeof array->typestr - 1);
  return VC_OK;
}

vc_status vc_view_from_cuda_array(const vc_cuda_array *array, vc_device device, vc_view *out,
                                  vc_error *error) {
  VC_NEED(array);
  VC_NEED(out);
  vc_dtype dtype;
  vc_view view = {.data = (void *)array->data, .device = device, .ndim = array->ndim};
  VC_TRY(check_header(array, error));
  VC_TRY(vc_dtype_from_typestr(array->typestr, &dtype, error));

  view.dtype = dtype;
  if (array->has_strides) {
    /* Checked by its own strides alone: packed, it might not fit. */
    memcpy(view.shape, array->shape, sizeof view.shape);
    memcpy(view.strides, array->strides, sizeof view.strides);
    VC_TRY(vc_view_check(&view, error));
  } else {
    VC_TRY(vc_view_packed(view.data, device, dtype, array->ndim, array->shape, &view, error));
  }
  view.readonly = array->readonly;
  *out = view;
  return VC_OK;
}

static vc_status check_device_memory(const vc_view *view, vc_error *error) {
  if (vc_device_is_gpu(view->device)) return VC_OK;
  return vc_fail(error, VC_ERROR_DEVICE,
                 "array is in %s, needs device or managed memory: the CUDA Array Interface "
                 "describes no other; use DLPack or the buffer protocol",
                 view->device.type == VC_CUDA_HOST ? "pinned host memory" : "host memory");
}

vc_status vc_cuda_array_from_view(const vc_view *view, vc_cuda_array *out, vc_error *error) {
  VC_NEED(view);
  VC_NEED(out);
  VC_TRY(vc_view_check(view, error));
  VC_TRY(check_device_memory(view, error));

  const char *typestr = vc_dtype_typestr(view->dtype);
  if (typestr == NULL)
    return vc_fail(error, VC_ERROR_DTYPE,
                   "dtype is %s, needs one that NumPy has a typestr for; use DLPack, or %s",
                   vc_dtype_name(view->dtype), vc_advice_text(VC_ADVICE_AS_INT16));

  bool packed = vc_view_is_packed(view);
  vc_cuda_array array = {
      .version = 3,
      .data = vc_view_is_empty(view) ? 0 : (uintptr_t)view->data,
      .readonly = view->readonly != 0,
      .has_strides = !packed,
      .ndim = view->ndim,
  };
  memcpy(array.shape, view->shape, (size_t)view->ndim * sizeof array.shape[0]);
  if (!packed) memcpy(array.strides, view->strides, (size_t)view->ndim * sizeof array.strides[0]);
  memcpy(array.typestr, typestr, strlen(typestr) + 1);
  *out = array;
  return VC_OK;
}
