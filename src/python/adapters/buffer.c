/* SPDX-License-Identifier: Apache-2.0 */
/* The buffer protocol. */
#include "adapters/buffer.h"

#include <string.h>

#include "errors.h"

static const char *by_width(vc_dtype dtype, const char *of_8, const char *of_16, const char *of_32,
                            const char *of_64) {
  return dtype.bits == 8 ? of_8 : dtype.bits == 16 ? of_16 : dtype.bits == 32 ? of_32 : of_64;
}

const char *ext_buffer_format(vc_dtype dtype) {
  switch (dtype.code) {
    case VC_BOOL: return "?";
    case VC_UINT: return by_width(dtype, "B", "H", "I", "L");
    case VC_INT: return by_width(dtype, "b", "h", "i", "l");
    case VC_FLOAT: return by_width(dtype, NULL, "e", "f", "d");
    default: return NULL;
  }
}

/* Skips a byte order mark that means native order, which is little-endian. */
static const char *skip_order(const char *format) {
  return *format && strchr("@=<", *format) ? format + 1 : format;
}

static int parse_format(const Py_buffer *buffer, vc_dtype *out) {
  const char *format = buffer->format ? buffer->format : "B";
  const char *letter = skip_order(format);
  if (*letter && letter[1] == '\0') {
    uint8_t code = strchr("?", *letter)        ? VC_BOOL
                   : strchr("bhilqn", *letter) ? VC_INT
                   : strchr("BHILQN", *letter) ? VC_UINT
                   : strchr("efd", *letter)    ? VC_FLOAT
                                               : 255;
    *out = (vc_dtype){code, (uint8_t)(buffer->itemsize * 8)};
    if (code != 255 && vc_dtype_size(*out) == (size_t)buffer->itemsize) return 0;
  }
  return ext_fail(VC_ERROR_DTYPE,
                  "the buffer's element format is \"%.40s\", needs one native bool, integer or "
                  "float; convert it first (NumPy: .astype())",
                  format);
}

static int read_buffer(const Py_buffer *buffer, vc_view *view) {
  vc_error error;
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
  return vc_view_check(view, &error) == VC_OK ? 0 : ext_raise(&error);
}

int ext_import_buffer(PyObject *object, ext_source *out) {
  PyObject *memory = PyMemoryView_FromObject(object);
  if (!memory) return ext_raise_from("%.200s does not give its buffer", Py_TYPE(object)->tp_name);
  int result = read_buffer(PyMemoryView_GET_BUFFER(memory), &out->view);
  if (result == 0) out->owner = ext_own(memory);
  Py_DECREF(memory);
  return result;
}
