/* SPDX-License-Identifier: Apache-2.0 */
/* viewcast.YUV, whose planes are arrays of any library and whose RGB pixels exist only while a
 * transform reads them. */
#include "adapters/list.h"
#include "device.h"
#include "errors.h"

static int refuse_view(PyObject *image, const ext_options *options, ext_source *out) {
  (void)image, (void)options, (void)out;
  return ext_refuse(
      PyExc_TypeError,
      "a YUV image has no RGB pixels in memory that can be viewed, needs a conversion: use "
      "to_tensor(image), to_cupy(image), to_numpy(image) or to_gpumat(image)");
}

/* --- U and V that alternate, as two planes */

/* Makes one plane (H, W, 2) of U and V, which torchcodec gives as views of one memory. */
static int join_chroma(int32_t format, vc_yuv *yuv) {
  vc_view *u = &yuv->planes[1], *v = &yuv->planes[2];
  int64_t size = (int64_t)vc_dtype_size(u->dtype);
  if (format == VC_NV21) { /* V is first in memory */
    vc_view first = *v;
    *v = *u;
    *u = first;
  }
  bool fits = u->ndim == 2 && v->ndim == 2 && vc_dtype_same(u->dtype, v->dtype) &&
              ext_device_same(u->device, v->device) && (char *)u->data + size == (char *)v->data;
  for (int axis = 0; fits && axis < 2; axis++) {
    fits = u->shape[axis] == v->shape[axis] && u->strides[axis] == v->strides[axis];
  }
  if (!fits) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "U and V are two planes and the format has one, in which they alternate, needs "
                    "that one plane (H / 2, W / 2, 2), or views of it");
  }
  u->ndim = 3;
  u->shape[2] = 2;
  u->strides[2] = size;
  *v = (vc_view){0};
  return 0;
}

/* --- import */

static int import_plane(PyObject *plane, const ext_options *options, ext_image *out) {
  const ext_adapter *from = ext_adapter_of(plane);
  if (PyErr_Occurred()) return -1;
  if (from->import_yuv) {
    return ext_refuse(PyExc_TypeError, "a plane of a YUV image is a YUV image, needs an array");
  }
  out->from = from;
  return from->import(plane, options, &out->source);
}

/* Adds the index of the plane to the exception that is set. Returns -1. */
static int raise_of_plane(Py_ssize_t index) {
  char name[32];
  PyOS_snprintf(name, sizeof name, "plane %zd", index);
  return ext_raise_named(name);
}

/* Checks that there are as many planes as the format has, or three whose U and V alternate. */
static int check_planes(Py_ssize_t count, vc_yuv *yuv) {
  vc_yuv_shape shape;
  if (!vc_yuv_shape_of(yuv->format, &shape) || count == shape.planes) return 0;
  if (count > shape.planes) return join_chroma(yuv->format, yuv);
  return ext_refuse(
      PyExc_ValueError,
      "a YUV image has %zd planes and its format %d, needs as many; say another format", count,
      (int)shape.planes);
}

static int import_planes(PyObject *objects, const ext_options *options, ext_image *planes,
                         vc_yuv *yuv) {
  Py_ssize_t count = PyTuple_GET_SIZE(objects);
  vc_error error;
  if (count < 1 || count > EXT_YUV_PLANES) {
    return ext_refuse(PyExc_ValueError, "a YUV image has %zd planes, needs 1 to 3", count);
  }
  for (Py_ssize_t i = 0; i < count; i++) {
    if (import_plane(PyTuple_GET_ITEM(objects, i), options, &planes[i]) < 0) {
      return count > 1 ? raise_of_plane(i) : -1;
    }
    yuv->planes[i] = planes[i].source.view;
  }
  if (count > 1) return check_planes(count, yuv);
  vc_view array = yuv->planes[0];
  return vc_yuv_split(&array, yuv->format, yuv, &error) == VC_OK ? 0 : ext_raise(&error);
}

/* Reads the tuple that viewcast.colour forms, or the list of a batch's images. New reference to the
 * planes. */
static PyObject *read_parameters(PyObject *image, vc_yuv *out) {
  PyObject *numbers = PyObject_GetAttrString(image, "_c"), *planes = NULL;
  int format, matrix, range, depth;
  if (!numbers) return NULL;
  if (PyList_Check(numbers)) {
    ext_fail(VC_ERROR_LAYOUT,
             "it is a batch of %zd YUV images, needs one image; pass the batch by itself",
             PyList_GET_SIZE(numbers));
  } else if (!PyTuple_Check(numbers)) {
    PyErr_SetString(PyExc_TypeError, "the YUV image was not made by vc.yuv(), needs one that was");
  } else if (PyArg_ParseTuple(numbers, "iiiiO!", &format, &matrix, &range, &depth, &PyTuple_Type,
                              &planes)) {
    vc_yuv_init(out, (vc_yuv_format)format, (vc_matrix)matrix, (vc_range)range);
    out->depth = depth;
    Py_INCREF(planes);
  }
  Py_DECREF(numbers);
  return planes;
}

static int import_yuv(PyObject *image, const ext_options *options, ext_image *planes, vc_yuv *yuv) {
  PyObject *objects = read_parameters(image, yuv);
  if (!objects) return -1;
  int result = import_planes(objects, options, planes, yuv);
  Py_DECREF(objects);
  return result;
}

static PyObject *images_of(PyObject *image) {
  PyObject *parameters = PyObject_GetAttrString(image, "_c");
  if (!parameters || PyList_Check(parameters)) return parameters;
  Py_DECREF(parameters);
  return Py_NewRef(image);
}

const ext_adapter ext_yuv_adapter = {
    .name = "viewcast.YUV",
    .module = "viewcast.colour",
    .class_name = "YUV",
    .interleaved = true,
    .import = refuse_view,
    .import_yuv = import_yuv,
    .images = images_of,
};
