/* SPDX-License-Identifier: Apache-2.0 */
#include "resize.h"

#include "adapters/adapter.h"
#include "adapters/attributes.h"
#include "arguments.h"
#include "device.h"
#include "errors.h"
#include "imports.h"
#include "methods.h"

/* --- resize= */

/* Calls a function of viewcast.geometry, which has the rules and messages of Python values. */
static PyObject *call_geometry(const char *name, PyObject **cache, PyObject *value) {
  PyObject *function = ext_import_attribute("viewcast.geometry", name, cache);
  return function ? PyObject_CallOneArg(function, value) : NULL;
}

/* Reads the pad of a Letterbox: None, or a tuple of up to as many numbers as images have
 * channels. */
static int read_pad(PyObject *pad, ext_request *out) {
  vc_resize *resize = &out->resize;
  out->pad_is_default = pad == Py_None && resize->fit == VC_LETTERBOX;
  if (pad == Py_None) return 0;
  if (!PyTuple_Check(pad) ||
      PyTuple_GET_SIZE(pad) > (Py_ssize_t)(sizeof out->pad / sizeof *out->pad)) {
    return ext_refuse(PyExc_TypeError, "pad needs a number, or one for each channel");
  }
  resize->pad = out->pad;
  resize->pad_count = (int32_t)PyTuple_GET_SIZE(pad);
  for (int32_t i = 0; i < resize->pad_count; i++) {
    out->pad[i] = PyFloat_AsDouble(PyTuple_GET_ITEM(pad, i));
  }
  return PyErr_Occurred() ? -1 : 0;
}

/* Fills request->resize from the tuple that viewcast.geometry forms. */
static int read_object(PyObject *object, ext_request *out) {
  PyObject *numbers = PyObject_GetAttrString(object, "_c"), *pad;
  long long rows, cols, shorter;
  int fit, interpolation;
  if (!numbers) return -1;
  int result = -1;
  if (PyTuple_Check(numbers) &&
      PyArg_ParseTuple(numbers, "iiLLLO", &fit, &interpolation, &rows, &cols, &shorter, &pad)) {
    vc_resize_init(&out->resize, rows, cols, (vc_interpolation)interpolation);
    out->resize.fit = fit;
    out->resize.shorter = shorter;
    out->params.resize = &out->resize;
    result = read_pad(pad, out);
  }
  Py_DECREF(numbers);
  return result;
}

int ext_resize_read(PyObject *resize, PyObject *boxes, ext_request *out) {
  static PyObject *read_function;
  out->boxes = ext_is_given(boxes) ? boxes : NULL;
  if (!ext_is_given(resize)) {
    if (!out->boxes) return 0;
    return ext_refuse(PyExc_ValueError,
                      "boxes= was given without resize=, needs the size of each crop; say "
                      "resize=(height, width)");
  }
  PyObject *object = call_geometry("_read", &read_function, resize); /* a size as a Resize */
  int result = object ? read_object(object, out) : -1;
  Py_XDECREF(object);
  return result;
}

static PyObject *placement(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  vc_placement at;
  ext_request request;
  (void)module;
  if (count != 3) {
    return PyErr_Format(PyExc_TypeError, "_placement() takes a resize, a height and a width");
  }
  long long rows = PyLong_AsLongLong(args[1]), cols = PyLong_AsLongLong(args[2]);
  if (PyErr_Occurred() || read_object(args[0], &request) < 0) return NULL;
  EXT_TRY_OR(vc_resize_placement(&request.resize, rows, cols, &at, &error), NULL);
  return Py_BuildValue("(LLLL)", (long long)at.rows, (long long)at.cols, (long long)at.top,
                       (long long)at.left);
}

/* --- boxes= */

/* Says of the exception that is set that it came of boxes; an object that no library takes is said
 * to be no boxes. */
static int refuse_object(PyObject *boxes) {
  if (PyErr_Occurred() != PyExc_TypeError) return ext_raise_named("boxes");
  return ext_refuse(PyExc_TypeError,
                    "boxes are of the type %.200s, needs an array (N, 4) or (N, 5) of any library, "
                    "or a list of such rows",
                    Py_TYPE(boxes)->tp_name);
}

/* Imports an array; boxes in a list are made one by NumPy first. */
int ext_resize_import_boxes(ext_job *job) {
  static PyObject *boxes_function;
  PyObject *boxes = job->request->boxes;
  const ext_options options = {.target = job->request->options.target,
                               .copy = job->request->options.copy};
  bool is_list = PyList_Check(boxes) || PyTuple_Check(boxes);
  PyObject *array = is_list ? call_geometry("_boxes", &boxes_function, boxes) : Py_NewRef(boxes);
  if (!array) return -1;
  int result = ext_images_import(array, &options, "", &job->boxes);
  if (result < 0) refuse_object(array);
  Py_DECREF(array);
  return result;
}

/* Checks the shape and the device of boxes; the library checks the rest. */
static int check_boxes(const ext_job *job) {
  const vc_view *view = &job->boxes.views[0];
  bool is_list = job->from.is_list;
  if (view->ndim != 2 || (view->shape[1] != 4 && view->shape[1] != 5)) {
    PyObject *shape = ext_axes_tuple(view->shape, view->ndim);
    if (shape) {
      PyErr_Format(PyExc_ValueError,
                   "boxes have the shape %S, needs (N, 4) for one image: x0, y0, x1, y1, or (N, 5) "
                   "with the image's index first",
                   shape);
    }
    Py_XDECREF(shape);
    return -1;
  }
  if (view->shape[1] == 4 && (is_list || job->read.images != 1)) {
    return ext_refuse(PyExc_ValueError,
                      "boxes have the shape (N, 4) and there %s %lld images, needs (N, 5): the "
                      "image's index, x0, y0, x1, y1",
                      is_list ? "is a list of" : "are", (long long)job->read.images);
  }
  vc_device device = ext_device_of(view);
  if (device.type == VC_CPU || ext_device_same(device, job->source)) return 0;
  return ext_fail(VC_ERROR_DEVICE,
                  "boxes are in memory of %s and the image in %s, needs boxes in host memory or "
                  "where the image is; move one of them first",
                  ext_device_name(device).text, ext_device_name(job->source).text);
}

/* --- both */

/* Refuses a pad that was left out, unless all images are uint8. */
static int check_default_pad(const ext_images *from) {
  for (size_t i = 0; i < from->count; i++) {
    vc_dtype dtype = from->views[i].dtype;
    if (dtype.code == VC_UINT && dtype.bits == 8) continue;
    return ext_refuse(
        PyExc_ValueError,
        "the pad of the Letterbox was left out and the image is %s, needs a number of the "
        "image's units (114 is meant for uint8 only); say pad=",
        vc_dtype_name(dtype));
  }
  return 0;
}

/* Fills the pad that was left out, and checks how many values there are. */
static int complete_pad(ext_request *request, const ext_images *from, const ext_geometry *read) {
  vc_resize *resize = &request->resize;
  if (request->pad_is_default) {
    if (check_default_pad(from) < 0) return -1;
    request->pad[0] = 114;
    resize->pad = request->pad;
    resize->pad_count = 1;
  }
  if (resize->pad_count <= 1 || resize->pad_count == read->channels) return 0;
  return ext_refuse(
      PyExc_ValueError,
      "pad has %d values and the image %lld channels, needs one value, or one for each of "
      "the image's channels (alpha too)",
      (int)resize->pad_count, (long long)read->channels);
}

int ext_resize_apply(ext_job *job) {
  ext_request *request = job->request;
  ext_geometry *read = &job->read;
  if (complete_pad(request, &job->from, read) < 0) return -1;
  if (request->boxes) {
    if (check_boxes(job) < 0) return -1;
    request->params.boxes = &job->boxes.views[0];
    read->images = request->params.boxes->shape[0];
    read->batch = read->boxes = true;
  }
  read->rows = request->resize.rows;
  read->cols = request->resize.cols;
  return 0;
}

PyMethodDef ext_resize_methods[] = {
    {"_placement", (PyCFunction)(void (*)(void))placement, METH_FASTCALL,
     "_placement(resize, height, width, /)\n--\n\n"
     "The resized size of an image and its place in the result: (height, width, top, left)."},
    {NULL, NULL, 0, NULL},
};
