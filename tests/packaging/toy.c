/* SPDX-License-Identifier: Apache-2.0 */
/* An adapter from outside of the tree, for test_adapters.py: arrays of a library named toy. A
 * toy.Array has `pixels`, an object with a buffer, and `shape`, a tuple; its elements are uint8
 * and packed, in host memory. */
#include "adapters/attributes.h"
#include "adapters/buffer.h"
#include "adapters/list.h"
#include "errors.h"
#include "imports.h"
#include "view_object.h"

static int set_shape(PyObject *array, ext_source *out) {
  vc_error error;
  size_t bytes = vc_view_nbytes(&out->view);
  PyObject *shape = PyObject_GetAttrString(array, "shape");
  int result = shape ? ext_axes_read(shape, out->view.shape, &out->view.ndim) : -1;
  Py_XDECREF(shape);
  if (result < 0) return ext_raise_from("the toy array has no shape");
  if (vc_view_packed(out->view.data, out->view.device, out->view.dtype, out->view.ndim,
                     out->view.shape, &out->view, &error) != VC_OK) {
    return ext_raise(&error);
  }
  if (vc_view_nbytes(&out->view) == bytes) return 0;
  return ext_fail(VC_ERROR_LAYOUT, "the toy array has %zu pixels, and its shape others", bytes);
}

static int import_array(PyObject *array, const ext_options *options, ext_source *out) {
  (void)options;
  PyObject *pixels = PyObject_GetAttrString(array, "pixels");
  int result = pixels ? ext_import_buffer(pixels, out) : -1;
  Py_XDECREF(pixels);
  if (result == 0) result = set_shape(array, out);
  if (result < 0) ext_release(&out->owner);
  return result;
}

/* Takes the reference to the pixels. */
static PyObject *make_array(PyObject *pixels, const vc_view *view) {
  static PyObject *class;
  PyObject *type = ext_import_attribute("toy", "Array", &class);
  PyObject *shape = pixels ? ext_axes_tuple(view->shape, view->ndim) : NULL;
  PyObject *array = type && shape ? PyObject_CallFunction(type, "OO", pixels, shape) : NULL;
  Py_XDECREF(shape);
  Py_XDECREF(pixels);
  return array;
}

static PyObject *export_array(ext_source *source, const ext_options *options) {
  (void)options;
  if (source->view.dtype.code != VC_UINT || source->view.dtype.bits != 8) {
    ext_fail(VC_ERROR_DTYPE, "toys are uint8, and the image is %s",
             vc_dtype_name(source->view.dtype));
    return NULL;
  }
  return make_array(ext_view_new(source), &source->view);
}

static PyObject *empty_array(const vc_view *wanted, vc_stream stream, ext_source *out) {
  (void)stream;
  const ext_options plain = {.target = &ext_toy_adapter};
  PyObject *pixels = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)vc_view_nbytes(wanted));
  PyObject *array = make_array(pixels, wanted);
  if (array && import_array(array, &plain, out) < 0) Py_CLEAR(array);
  return array;
}

const ext_adapter ext_toy_adapter = {
    .name = "toy.Array",
    .module = "toy",
    .class_name = "Array",
    .on_host = true,
    .import = import_array,
    .export = export_array,
    .fits = vc_view_is_packed,
    .empty = empty_array,
};
