/* SPDX-License-Identifier: Apache-2.0 */
/* viewcast.YUV, whose planes are arrays of any library and whose RGB pixels exist only while a
 * transform reads them. */
#include <stdlib.h>

#include "adapters/list.h"
#include "errors.h"

static int refuse_view(PyObject *image, const ext_options *options, ext_source *out) {
  (void)image, (void)options, (void)out;
  PyErr_SetString(
      PyExc_TypeError,
      "a YUV image has no RGB pixels in memory that can be viewed, needs a conversion: use "
      "to_tensor(image), to_cupy(image), to_numpy(image) or to_gpumat(image)");
  return -1;
}

/* --- the owners of all planes as one */

typedef struct {
  vc_owner planes[3];
} owners;

static void release_planes(void *context) {
  owners *of = context;
  for (int i = 0; i < 3; i++) ext_release(&of->planes[i]);
  PyMem_RawFree(of);
}

/* --- import */

/* Imports a plane. Its owner is added to the others. */
static int import_plane(PyObject *plane, const ext_options *options, const ext_adapter **from,
                        vc_owner *owner, vc_view *out) {
  ext_source source = {0};
  *from = ext_adapter_of(plane);
  if (PyErr_Occurred()) return -1;
  if ((*from)->import_yuv) {
    PyErr_SetString(PyExc_TypeError, "a plane of a YUV image is a YUV image, needs an array");
    return -1;
  }
  if ((*from)->import(plane, options, &source) < 0) return -1;
  *owner = source.owner;
  *out = source.view;
  return 0;
}

static int import_planes(PyObject *planes, const ext_options *options, owners *of, vc_yuv *yuv,
                         const ext_adapter **from) {
  Py_ssize_t count = PyTuple_GET_SIZE(planes);
  const ext_adapter *other;
  vc_error error;
  if (count < 1 || count > 3) {
    PyErr_Format(PyExc_ValueError, "a YUV image has %zd planes, needs 1 to 3", count);
    return -1;
  }
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *plane = PyTuple_GET_ITEM(planes, i);
    if (import_plane(plane, options, i ? &other : from, &of->planes[i], &yuv->planes[i]) < 0) {
      return -1;
    }
  }
  if (count > 1) return 0;
  vc_view array = yuv->planes[0];
  return vc_yuv_split(&array, yuv->format, yuv, &error) == VC_OK ? 0 : ext_raise(&error);
}

/* Reads the tuple that viewcast.colour forms. New reference to the planes. */
static PyObject *read_parameters(PyObject *image, vc_yuv *out) {
  PyObject *numbers = PyObject_GetAttrString(image, "_c"), *planes = NULL;
  int format, matrix, range, depth;
  if (!numbers) return NULL;
  if (!PyTuple_Check(numbers)) {
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

static int import_yuv(PyObject *image, const ext_options *options, const ext_adapter **from,
                      ext_source *out, vc_yuv *yuv) {
  vc_error error;
  PyObject *planes = read_parameters(image, yuv);
  if (!planes) return -1;
  owners *of = PyMem_RawCalloc(1, sizeof *of);
  int result = of ? import_planes(planes, options, of, yuv, from) : -1;
  if (!of) PyErr_NoMemory();
  Py_DECREF(planes);
  if (result == 0 && vc_yuv_image(yuv, &out->view, &error) != VC_OK) result = ext_raise(&error);
  if (result == 0) {
    out->owner = (vc_owner){of, release_planes, false};
  } else if (of) {
    release_planes(of);
  }
  return result;
}

const ext_adapter ext_yuv_adapter = {
    .name = "viewcast.YUV",
    .module = "viewcast.colour",
    .class_name = "YUV",
    .interleaved = true,
    .import = refuse_view,
    .import_yuv = import_yuv,
};
