/* SPDX-License-Identifier: Apache-2.0 */
/* from_pointer: an image that is known by its address alone. */
#include <string.h>

#include "adapters/attributes.h"
#include "arguments.h"
#include "device.h"
#include "docstrings.h"
#include "errors.h"
#include "methods.h"
#include "view_object.h"

/* Reads the pointer in a capsule of any name, as bindings of C libraries (pyds) return them. A
 * capsule of DLPack is refused: it holds a description, not the address of pixels. */
static int read_capsule(PyObject *capsule, vc_view *view) {
  const char *name = PyCapsule_GetName(capsule);
  if (name && (strncmp(name, "dltensor", 8) == 0 || strncmp(name, "used_dltensor", 13) == 0)) {
    return ext_refuse(
        PyExc_TypeError,
        "ptr is a DLPack capsule (\"%.40s\"), needs an address or a capsule that holds "
        "one; a DLPack capsule is an image itself: use vc.view(capsule)",
        name);
  }
  view->data = PyCapsule_GetPointer(capsule, name);
  return view->data ? 0 : ext_raise_from("the capsule does not give its pointer");
}

static int read_address(PyObject *pointer, vc_view *view) {
  if (PyCapsule_CheckExact(pointer)) return read_capsule(pointer, view);
  PyObject *number = ext_integer_of(pointer);
  if (!number) {
    if (PyErr_Occurred()) return -1;
    return ext_refuse(PyExc_TypeError,
                      "ptr is a %.100s, needs an address as an int (ctypes: .value, cuda.core: "
                      "int(buffer.handle)) or a capsule that holds one",
                      Py_TYPE(pointer)->tp_name);
  }
  unsigned long long address = PyLong_AsUnsignedLongLong(number);
  if (PyErr_Occurred()) {
    PyErr_Format(PyExc_ValueError, "ptr is %S, needs an address of 64 bits", number);
    Py_DECREF(number);
    return -1;
  }
  Py_DECREF(number);
  view->data = (void *)(uintptr_t)address;
  return 0;
}

static int read_axes(PyObject *axes, const char *name, int64_t *out, int32_t *ndim) {
  PyObject *tuple = PyUnicode_Check(axes) ? NULL : PySequence_Tuple(axes);
  int result = tuple ? ext_axes_read(tuple, out, ndim) : -1;
  Py_XDECREF(tuple);
  if (result < 0 && (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError))) {
    PyErr_Format(PyExc_TypeError, "%s is %R, needs a tuple of integers", name, axes);
  }
  return result;
}

/* Reads strides and checks the whole view. */
static int read_strides(PyObject *strides, vc_view *view) {
  int32_t count;
  if (read_axes(strides, "strides", view->strides, &count) < 0) return -1;
  if (count != view->ndim) {
    return ext_fail(VC_ERROR_LAYOUT, "strides have %d values and shape has %d, needs one an axis",
                    (int)count, (int)view->ndim);
  }
  EXT_TRY(vc_view_check(view, &error));
  return 0;
}

static int set_packed(vc_view *view) {
  vc_view packed;
  uint8_t readonly = view->readonly;
  EXT_TRY(vc_view_packed(view->data, view->device, view->dtype, view->ndim, view->shape, &packed,
                         &error));
  *view = packed;
  view->readonly = readonly;
  return 0;
}

static int read_bytes(PyObject *pitch, int64_t *out) {
  PyObject *number = ext_integer_of(pitch);
  *out = number ? PyLong_AsLongLong(number) : -1;
  Py_XDECREF(number);
  if (!PyErr_Occurred()) {
    if (number) return 0;
    PyErr_Format(PyExc_TypeError, "pitch is a %.100s, needs the bytes from row to row as an int",
                 Py_TYPE(pitch)->tp_name);
  } else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_Format(PyExc_ValueError, "pitch is %R, needs a number of 64 bits", pitch);
  }
  return -1;
}

/* Bytes from row to row of (H, W), (H, W, C) or (N, H, W, C); within a row, pixels are
 * packed, and images follow each other at H rows. Without a shape of that kind, or with a
 * pitch that is less than a row, the caller must say strides. */
static int apply_pitch(PyObject *value, vc_view *view) {
  int64_t pitch, size = (int64_t)vc_dtype_size(view->dtype);
  if (read_bytes(value, &pitch) < 0 || set_packed(view) < 0) return -1;
  if (view->ndim < 2) {
    return ext_fail(
        VC_ERROR_LAYOUT,
        "pitch= needs rows: a shape of (H, W), (H, W, C) or (N, H, W, C), and shape has "
        "1 axis; leave pitch out");
  }
  int rows = view->ndim == 4;
  int64_t row = view->strides[rows];
  if (pitch < row || pitch % size != 0) {
    return ext_fail(
        VC_ERROR_LAYOUT,
        "pitch is %lld bytes and a row of axis %d has %lld, needs as many or more and a "
        "multiple of the itemsize %lld; say strides= of memory that is not (H, W), "
        "(H, W, C) or (N, H, W, C)",
        (long long)pitch, rows, (long long)row, (long long)size);
  }
  view->strides[rows] = pitch;
  if (rows && __builtin_mul_overflow(view->shape[1], pitch, &view->strides[0])) {
    return ext_fail(VC_ERROR_LAYOUT, "%lld rows of %lld bytes are more than 64 bits can count",
                    (long long)view->shape[1], (long long)pitch);
  }
  EXT_TRY(vc_view_check(view, &error));
  return 0;
}

static int read_layout(PyObject *shape, PyObject *strides, PyObject *pitch, vc_view *view) {
  bool has_strides = ext_is_given(strides), has_pitch = ext_is_given(pitch);
  if (has_strides && has_pitch) {
    return ext_refuse(PyExc_ValueError,
                      "strides= and pitch= were given, needs one of them: pitch is the bytes from "
                      "row to row, strides those along every axis");
  }
  if (read_axes(shape, "shape", view->shape, &view->ndim) < 0) return -1;
  if (has_strides) return read_strides(strides, view);
  return has_pitch ? apply_pitch(pitch, view) : set_packed(view);
}

/* Compares device= with what the driver knows of the address. For a null pointer (an empty image)
 * device= is taken as it is. */
static int find_device(PyObject *device, vc_view *view) {
  ext_options asked = {0};
  vc_device found = {VC_CPU, 0};
  if (ext_argument_options_device(device, &asked) < 0) return -1;
  if (!view->data) {
    view->device = asked.has_device ? asked.device : found;
    return 0;
  }
  EXT_TRY(vc_cuda_pointer_device(view->data, &found, &error));
  view->device = found;
  if (!asked.has_device) return 0;
  bool on_host = found.type == VC_CPU || found.type == VC_CUDA_HOST;
  bool as_said = asked.device.type == VC_CPU
                     ? on_host || found.type == VC_CUDA_MANAGED
                     : vc_device_is_gpu(found) && found.id == asked.device.id;
  if (as_said) return 0;
  return on_host ? ext_fail(VC_ERROR_DEVICE,
                            "address %p is %s memory, not memory of CUDA device %d; say "
                            "device=\"cpu\", or move it there first",
                            view->data, vc_cuda_host_kind(view->data, found), (int)asked.device.id)
                 : ext_fail(VC_ERROR_DEVICE,
                            "address %p is memory of CUDA device %d; leave device= out, or say "
                            "\"cuda:%d\"",
                            view->data, (int)found.id, (int)found.id);
}

/* Keeps alive: the owner; a capsule, whose destructor may free the memory; and the stream object,
 * which must live as long as its handle is used. */
static int own(PyObject *owner, PyObject *pointer, const ext_stream *stream, ext_source *out) {
  PyObject *kept =
      PyTuple_Pack(3, owner ? owner : Py_None, PyCapsule_CheckExact(pointer) ? pointer : Py_None,
                   stream->object ? stream->object : Py_None);
  if (!kept) return -1;
  out->owner = ext_own(kept);
  Py_DECREF(kept);
  return 0;
}

static int read_readonly(PyObject *value, vc_view *view) {
  bool readonly = false;
  if (ext_argument_bool(value, "readonly", &readonly) < 0) return -1;
  view->readonly = readonly;
  return 0;
}

static PyObject *from_pointer(PyObject *module, PyObject *const *args, Py_ssize_t count,
                              PyObject *kwnames) {
  (void)module;
  enum { PTR, SHAPE, DTYPE, STRIDES, PITCH, DEVICE, OWNER, READONLY, PRODUCER_STREAM };
  static const ext_signature signature = {"from_pointer",
                                          3,
                                          {"ptr", "shape", "dtype", "strides", "pitch", "device",
                                           "owner", "readonly", "producer_stream", NULL}};
  PyObject *values[EXT_MAX_PARAMETERS];
  ext_stream stream;
  ext_source source = {0};
  vc_view *view = &source.view;
  if (ext_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  if (read_address(values[PTR], view) < 0) return NULL;
  if (ext_argument_dtype(values[DTYPE], "dtype", &view->dtype) < 0) return NULL;
  if (read_readonly(values[READONLY], view) < 0 || find_device(values[DEVICE], view) < 0)
    return NULL;
  if (read_layout(values[SHAPE], values[STRIDES], values[PITCH], view) < 0) return NULL;
  if (ext_stream_read(values[PRODUCER_STREAM], "producer_stream", &stream) < 0) return NULL;
  source.has_producer = true;
  source.producer = stream.given ? stream.handle : VC_STREAM_LEGACY;
  if (!vc_device_is_gpu(view->device)) source.producer = VC_STREAM_NONE;
  if (own(values[OWNER], values[PTR], &stream, &source) < 0) return NULL;
  PyObject *made = ext_view_new(&source);
  ext_release(&source.owner);
  return made;
}

PyMethodDef ext_pointer_methods[] = {
    EXT_PUBLIC_METHOD(from_pointer),
    {NULL, NULL, 0, NULL},
};
