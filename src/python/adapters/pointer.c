/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/pointer.h"

#include <string.h>

#include "adapters/axes.h"
#include "arguments.h"
#include "copy_options.h"
#include "dtype_argument.h"
#include "errors.h"
#include "view_object.h"

static int read_address(PyObject *pointer, vc_view *view) {
  PyObject *number = PyNumber_Index(pointer);
  if (!number) {
    PyErr_Format(PyExc_TypeError,
                 "ptr is a %.100s, needs an address as an int (ctypes: .value, cuda.core: "
                 "int(buffer.handle))",
                 Py_TYPE(pointer)->tp_name);
    return -1;
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
  int result = tuple ? vp_axes_read(tuple, out, ndim) : -1;
  Py_XDECREF(tuple);
  if (result < 0 && (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError))) {
    PyErr_Format(PyExc_TypeError, "%s is %R, needs a tuple of integers", name, axes);
  }
  return result;
}

/* Strides are checked with the rest: a row of pixels is packed without them. */
static int read_layout(PyObject *shape, PyObject *strides, vc_view *view) {
  vc_error error;
  int32_t count;
  vc_view packed;
  if (read_axes(shape, "shape", view->shape, &view->ndim) < 0) return -1;
  if (strides && strides != Py_None) {
    if (read_axes(strides, "strides", view->strides, &count) < 0) return -1;
    if (count != view->ndim) {
      return vp_fail(VC_ERROR_LAYOUT, "strides have %d values and shape has %d, needs one an axis",
                     (int)count, (int)view->ndim);
    }
    return vc_view_check(view, &error) == VC_OK ? 0 : vp_raise(&error);
  }
  uint8_t readonly = view->readonly;
  if (vc_view_packed(view->data, view->device, view->dtype, view->ndim, view->shape, &packed,
                     &error) != VC_OK) {
    return vp_raise(&error);
  }
  *view = packed;
  view->readonly = readonly;
  return 0;
}

/* What the caller says of the memory against what the driver knows. A null
 * pointer (an empty image) is where the caller says. */
static int find_device(PyObject *device, vc_view *view) {
  vc_error error;
  vp_options asked = {0};
  vc_device found = {VC_CPU, 0};
  if (vp_copy_options_read(NULL, device, &asked) < 0) return -1;
  if (!view->data) {
    view->device = asked.has_device ? asked.device : found;
    return 0;
  }
  if (vc_cuda_pointer_device(view->data, &found, &error) != VC_OK) return vp_raise(&error);
  view->device = found;
  if (!asked.has_device) return 0;
  bool on_host = found.type == VC_CPU || found.type == VC_CUDA_HOST;
  bool as_said = asked.device.type == VC_CPU
                     ? on_host || found.type == VC_CUDA_MANAGED
                     : vc_device_is_gpu(found) && found.id == asked.device.id;
  if (as_said) return 0;
  return on_host ? vp_fail(VC_ERROR_DEVICE,
                           "address %p is %s memory, not memory of CUDA device %d; say "
                           "device=\"cpu\", or move it there first",
                           view->data, vc_cuda_host_kind(view->data, found),
                           (int)asked.device.id)
                 : vp_fail(VC_ERROR_DEVICE,
                           "address %p is memory of CUDA device %d; leave device= out, or say "
                           "\"cuda:%d\"",
                           view->data, (int)found.id, (int)found.id);
}

/* The owner, and the stream object, which must live as long as its handle. */
static int own(PyObject *owner, const vp_stream *stream, vp_source *out) {
  PyObject *kept = PyTuple_Pack(2, owner ? owner : Py_None,
                                stream->object ? stream->object : Py_None);
  if (!kept) return -1;
  out->owner = vp_own(kept);
  Py_DECREF(kept);
  return 0;
}

static int read_readonly(PyObject *value, vc_view *view) {
  int truth = vp_argument_bool(value, 0);
  if (truth < 0) return -1;
  view->readonly = (uint8_t)truth;
  return 0;
}

static PyObject *from_pointer(PyObject *module, PyObject *const *args, Py_ssize_t count,
                              PyObject *kwnames) {
  (void)module;
  static const vp_signature signature = {
      "from_pointer", 3,
      {"ptr", "shape", "dtype", "strides", "device", "owner", "readonly", "producer_stream", NULL}};
  PyObject *values[VP_MAX_PARAMETERS];
  vp_stream stream;
  vp_source source = {0};
  vc_view *view = &source.view;
  if (vp_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  if (read_address(values[0], view) < 0 || vp_dtype_read(values[2], &view->dtype) < 0) return NULL;
  if (read_readonly(values[6], view) < 0 || find_device(values[4], view) < 0) return NULL;
  if (read_layout(values[1], values[3], view) < 0) return NULL;
  if (vp_stream_read(values[7], "producer_stream", &stream) < 0) return NULL;
  source.has_producer = true;
  source.producer = stream.given ? stream.handle : VC_STREAM_LEGACY;
  if (!vc_device_is_gpu(view->device)) source.producer = VC_STREAM_NONE;
  if (own(values[5], &stream, &source) < 0) return NULL;
  PyObject *made = vp_view_new(&source);
  vp_release(&source.owner);
  return made;
}

PyMethodDef vp_pointer_methods[] = {
    VP_METHOD(from_pointer,
           "from_pointer($module, /, ptr, shape, dtype, *, strides=None, device=None, owner=None, "
           "readonly=False, producer_stream=None)\n--\n\n"
           "A viewcast.View of memory that is known by its address alone.\n\n"
           "ptr: address of the first element. shape: 1 to 4 axes, in elements. dtype: a\n"
           "name (\"uint8\") or a dtype of torch, NumPy or CuPy. strides: in bytes; None:\n"
           "packed. device: checked against what the driver knows of the address; None:\n"
           "as the driver says. owner: an object that is kept alive as long as anything\n"
           "looks at the memory; None: that is yours to see to. readonly: True refuses\n"
           "writable views. producer_stream: where the memory was written; None: the\n"
           "legacy default stream."),
    {NULL, NULL, 0, NULL},
};
