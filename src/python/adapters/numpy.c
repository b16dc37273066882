/* SPDX-License-Identifier: Apache-2.0 */
/* numpy.ndarray, and so cv2.Mat: host memory, through the buffer protocol. */
#include <string.h>

#include "adapters/buffer.h"
#include "adapters/list.h"
#include "adapters/memory.h"
#include "adapters/no_image.h"
#include "adapters/numpy_dtype.h"
#include "errors.h"
#include "imports.h"
#include "view_object.h"

static bool is_plain_array(PyObject *array) {
  return strcmp(Py_TYPE(array)->tp_name, "numpy.ndarray") == 0;
}

/* bfloat16 has no buffer format: its arrays travel as 16-bit integers. A subclass may have a
 * view() of its own, so its result is checked. */
static int import_reinterpreted(PyObject *array, vc_dtype dtype, ext_source *out) {
  PyObject *integers = PyObject_CallMethod(array, "view", "s", "uint16");
  if (!integers) return ext_raise_from("the NumPy array can't be seen as uint16");
  int result = ext_import_buffer(integers, out);
  Py_DECREF(integers);
  if (result < 0) return -1;
  vc_dtype found = out->view.dtype;
  if (found.code == VC_UINT && found.bits == 16) {
    out->view.dtype = dtype;
    return 0;
  }
  ext_release(&out->owner);
  return ext_fail(VC_ERROR_DTYPE,
                  "view('uint16') of a %.200s of bfloat16 gives %s, needs uint16; pass a plain "
                  "array (numpy.asarray(x))",
                  Py_TYPE(array)->tp_name, vc_dtype_name(found));
}

/* numpy.ma.nomask, the False of a masked array without a mask, or None. */
static bool is_no_mask(PyObject *mask) {
  if (mask == Py_None) return true;
  bool is_scalar = strncmp(Py_TYPE(mask)->tp_name, "numpy.bool", 10) == 0;
  return is_scalar && PyObject_IsTrue(mask) == 0;
}

/* numpy.ma's arrays show the values under their mask too. Only a subclass can
 * have one. */
static int refuse_mask(PyObject *array) {
  PyObject *mask = PyObject_GetAttrString(array, "mask");
  if (!mask && !PyErr_ExceptionMatches(PyExc_AttributeError)) {
    return ext_raise_from("%.200s does not tell its mask", Py_TYPE(array)->tp_name);
  }
  bool has_mask = mask && !is_no_mask(mask);
  Py_XDECREF(mask);
  PyErr_Clear();
  if (!has_mask) return 0;
  return ext_fail(VC_ERROR_VALUE,
                  "%.200s has a mask, which a view would not see; fill it first (.filled(value)), "
                  "or take .data",
                  Py_TYPE(array)->tp_name);
}

/* Whether a dtype is big-endian, and of which type it would be in the machine's order.
 * Keeps the exception that is set. */
static bool is_swapped(PyObject *dtype, vc_dtype *native) {
  PyObject *raised = ext_exception_take();
  PyObject *typestr = PyObject_GetAttrString(dtype, "str");
  const char *text = typestr && PyUnicode_Check(typestr) ? PyUnicode_AsUTF8(typestr) : NULL;
  bool is = text && text[0] == '>' && vc_dtype_from_typestr(text + 1, native, NULL) == VC_OK;
  Py_XDECREF(typestr);
  ext_exception_set(raised);
  return is;
}

static int import_array(PyObject *array, const ext_options *options, ext_source *out);

/* Imports a copy of a big-endian array in the machine's byte order. */
static int import_swapped(PyObject *array, vc_dtype native, const ext_options *options,
                          ext_source *out) {
  PyErr_Clear();
  if (!ext_may_copy(options)) {
    return ext_fail(
        VC_ERROR_DTYPE,
        "the array is big-endian, and a view needs the machine's byte order; allow a "
        "copy (copy=None, or to_numpy(x), to_tensor(x) or another to_ function), or swap the "
        "bytes first (.astype('%s'))",
        vc_dtype_typestr(native));
  }
  PyObject *dtype = ext_dtype_to_numpy(native); /* borrowed */
  PyObject *copy = dtype ? PyObject_CallMethod(array, "astype", "O", dtype) : NULL;
  if (!copy) return ext_raise_from("the NumPy array can't be copied in the machine's byte order");
  ext_options once = *options; /* astype() of a subclass may return a big-endian array again */
  once.copy = EXT_COPY_NEVER;
  int result = import_array(copy, &once, out);
  Py_DECREF(copy);
  return result;
}

/* Imports an array whose dtype could not be read (taken; NULL with an exception). */
static int import_unknown(PyObject *array, PyObject *dtype, const ext_options *options,
                          ext_source *out) {
  vc_dtype native;
  bool swapped = dtype && is_swapped(dtype, &native);
  Py_XDECREF(dtype);
  if (swapped) return import_swapped(array, native, options, out);
  return ext_raise_from("the NumPy array can't be read");
}

static int import_array(PyObject *array, const ext_options *options, ext_source *out) {
  vc_dtype dtype;
  if (!is_plain_array(array) && refuse_mask(array) < 0) return -1;
  PyObject *object = PyObject_GetAttrString(array, "dtype");
  if (!object || ext_dtype_from_numpy(object, &dtype) < 0) {
    return import_unknown(array, object, options, out);
  }
  Py_DECREF(object);
  if (dtype.code == VC_BFLOAT) return import_reinterpreted(array, dtype, out);
  return ext_import_buffer(array, out);
}

static int check_export(const vc_view *view) {
  if (view->device.type != VC_CUDA) return 0; /* host, pinned or managed */
  return ext_fail(VC_ERROR_DEVICE,
                  "the image is in the memory of CUDA device %d and NumPy needs host memory; allow "
                  "a copy with copy=None, or move it first (torch: .cpu(), CuPy: .get(), OpenCV: "
                  ".download())",
                  (int)view->device.id);
}

/* numpy.asarray() of a View. bfloat16 is passed as 16-bit integers and reinterpreted. */
static PyObject *make_array(PyObject *numpy, ext_source *source) {
  vc_dtype dtype = source->view.dtype;
  PyObject *target = dtype.code == VC_BFLOAT ? ext_dtype_to_numpy(dtype) : NULL; /* borrowed */
  if (dtype.code == VC_BFLOAT) {
    if (!target) return NULL;
    source->view.dtype = (vc_dtype){VC_UINT, 16};
  }
  PyObject *view = ext_view_new(source);
  PyObject *array = view ? PyObject_CallMethod(numpy, "asarray", "O", view) : NULL;
  Py_XDECREF(view);
  if (array && target) Py_SETREF(array, PyObject_CallMethod(array, "view", "O", target));
  return array;
}

static PyObject *export_array(ext_source *source, const ext_options *options) {
  (void)options;
  if (check_export(&source->view) < 0) return NULL;
  PyObject *numpy = ext_import("numpy");
  if (!numpy) return NULL;
  /* The producer was waited for: managed memory is the host's like any other. */
  if (source->view.device.type == VC_CUDA_MANAGED) source->view.device = (vc_device){VC_CPU, 0};
  PyObject *array = make_array(numpy, source);
  Py_DECREF(numpy);
  if (!array) ext_raise_no_object("NumPy", "to_numpy", &source->view);
  return array;
}

static PyObject *empty_array(const vc_view *wanted, vc_stream stream, ext_source *out) {
  static PyObject *function;
  (void)stream;
  PyObject *dtype = ext_dtype_to_numpy(wanted->dtype); /* borrowed */
  PyObject *empty = dtype ? ext_import_attribute("numpy", "empty", &function) : NULL;
  return ext_memory_call(empty, &ext_numpy_adapter, wanted, dtype, NULL, out);
}

const ext_adapter ext_numpy_adapter = {
    .name = "numpy.ndarray",
    .module = "numpy",
    .class_name = "ndarray",
    .on_host = true,
    .import = import_array,
    .export = export_array,
    .empty = empty_array,
};
