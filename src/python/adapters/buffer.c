/* SPDX-License-Identifier: Apache-2.0 */
/* The buffer protocol. */
#include "adapters/buffer.h"

#include <string.h>

#include "errors.h"

/* The format strings of the types: a letter, or "" for a type that has none. */
#define FORMAT(id, name, code, bits, typestr, format, depth, number) [VC_DTYPE_##id] = {format},
static const char formats[VC_DTYPE_COUNT][2] = {VC_DTYPE_LIST(FORMAT)};
#undef FORMAT

const char *ext_buffer_format(vc_dtype dtype) {
  int index = vc_dtype_index(dtype);
  return index >= 0 && *formats[index] ? formats[index] : NULL;
}

/* The DLPack code of a format letter; -1 for other letters. The letters of C's integer types
 * differ in width between platforms and byte orders, so that a letter gives the code alone. */
static int code_of(char letter) {
  if (letter == 'q' || letter == 'n') return VC_INT;  /* long long, ssize_t */
  if (letter == 'Q' || letter == 'N') return VC_UINT; /* unsigned long long, size_t */
  for (int i = 0; i < VC_DTYPE_COUNT; i++) {
    if (*formats[i] && *formats[i] == letter) return vc_dtype_rows[i].dtype.code;
  }
  return -1;
}

/* Skips a byte order mark that means native order, which is little-endian. */
static const char *skip_order(const char *format) {
  return *format && strchr("@=<", *format) ? format + 1 : format;
}

static int parse_format(const Py_buffer *buffer, vc_dtype *out) {
  const char *format = buffer->format ? buffer->format : "B";
  const char *letter = skip_order(format);
  if (*letter && letter[1] == '\0') {
    int code = code_of(*letter);
    *out = (vc_dtype){(uint8_t)code, (uint8_t)(buffer->itemsize * 8)};
    if (code >= 0 && vc_dtype_size(*out) == (size_t)buffer->itemsize) return 0;
  }
  return ext_fail(VC_ERROR_DTYPE,
                  "the buffer's element format is \"%.40s\", needs one native bool, integer or "
                  "float; convert it first (NumPy: .astype())",
                  format);
}

static int read_buffer(const Py_buffer *buffer, vc_view *view) {
  *view = (vc_view){.data = buffer->buf, .device = {VC_CPU, 0}, .readonly = buffer->readonly != 0};
  if (buffer->ndim > VC_MAX_NDIM) {
    return ext_fail(VC_ERROR_LAYOUT, "the array has %d axes, needs 1 to %d; index or reshape it",
                    buffer->ndim, VC_MAX_NDIM);
  }
  if (buffer->suboffsets) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "the buffer has suboffsets (rows behind pointers); copy it "
                    "into one block first");
  }
  view->ndim = buffer->ndim;
  for (int i = 0; i < buffer->ndim; i++) {
    view->shape[i] = buffer->shape[i];
    view->strides[i] = buffer->strides[i];
  }
  if (parse_format(buffer, &view->dtype) < 0) return -1;
  EXT_TRY(vc_view_check(view, &error));
  return 0;
}

int ext_import_buffer(PyObject *object, ext_source *out) {
  PyObject *memory = PyMemoryView_FromObject(object);
  if (!memory) return ext_raise_from("%.200s does not give its buffer", Py_TYPE(object)->tp_name);
  int result = read_buffer(PyMemoryView_GET_BUFFER(memory), &out->view);
  if (result == 0) out->owner = ext_own(memory);
  Py_DECREF(memory);
  return result;
}
