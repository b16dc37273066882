/* SPDX-License-Identifier: Apache-2.0 */
#include "batches.h"

#include "adapters/adapter.h"
#include "adapters/opencv.h"
#include "arguments.h"
#include "convert.h"
#include "errors.h"
#include "free_threading.h"
#include "hand_over.h"

/* --- one batch as many GpuMats */

static int check_batch(const vp_adapter *from, const vc_view *view) {
  if (from == &vp_opencv_adapter) {
    return vp_fail(VC_ERROR_LAYOUT, "a GpuMat is one image; as_gpumats() needs a batch of them");
  }
  if (view->ndim >= 3) return 0;
  return vp_fail(VC_ERROR_LAYOUT,
                 "the batch has rank %d, needs 4 (N, H, W, C) or 3 (N, H, W); use as_gpumat() for "
                 "one image",
                 (int)view->ndim);
}

static vc_view image_of(const vc_view *batch, int64_t index) {
  vc_view image = *batch;
  image.ndim = batch->ndim - 1;
  for (int32_t axis = 0; axis < image.ndim; axis++) {
    image.shape[axis] = batch->shape[axis + 1];
    image.strides[axis] = batch->strides[axis + 1];
  }
  if (batch->data) image.data = (char *)batch->data + index * batch->strides[0];
  return image;
}

/* Fills the list. Each image takes a part of the batch's owner; what is left over
 * goes back here. */
static int fill_with_gpumats(PyObject *list, const vp_source *batch, vc_owner part,
                             const vp_options *options) {
  Py_ssize_t count = PyList_GET_SIZE(list), done = 0;
  for (; done < count; done++) {
    vp_source image = *batch;
    image.view = image_of(&batch->view, done);
    image.owner = part;
    PyObject *mat = vp_opencv_adapter.export(&image, options);
    vp_release(&image.owner); /* an image that failed has not taken it */
    if (!mat) break;
    PyList_SET_ITEM(list, done, mat);
  }
  if (done == count) return 0;
  for (Py_ssize_t left = done + 1; left < count; left++) {
    vc_owner unused = part;
    vp_release(&unused);
  }
  return vp_raise_at(done);
}

static PyObject *split_batch(vp_source *batch, const vp_options *options) {
  vc_error error;
  vc_owner part;
  int64_t count = batch->view.shape[0];
  PyObject *list = PyList_New((Py_ssize_t)count);
  if (!list || count == 0) return list;
  if (vc_owner_split(&batch->owner, (size_t)count, &part, &error) != VC_OK) {
    vp_raise(&error);
    Py_CLEAR(list);
  } else if (fill_with_gpumats(list, batch, part, options) < 0) {
    Py_CLEAR(list);
  }
  return list;
}

static PyObject *batch_as_gpumats(PyObject *object, const vp_options *options) {
  vp_drain();
  const vp_adapter *from = vp_adapter_of(object);
  vp_source batch = {0};
  PyObject *list = NULL;
  if (PyErr_Occurred() || from->import(object, options, &batch) < 0) return NULL;
  if (check_batch(from, &batch.view) == 0 && vp_hand_over(from, options, &batch) == 0) {
    list = split_batch(&batch, options);
  }
  vp_release(&batch.owner);
  return list;
}

PyObject *vp_as_gpumats(PyObject *module, PyObject *const *args, Py_ssize_t count,
                        PyObject *kwnames) {
  static const vp_signature signature = {
      "as_gpumats", 1, {"batch", "layout", "stream", "producer_stream", NULL}};
  PyObject *values[VP_MAX_PARAMETERS];
  vp_options options = {.target = &vp_opencv_adapter};
  (void)module;
  if (vp_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  if (vp_parse_layout(values[1], &options) < 0) return NULL;
  if (vp_stream_read(values[2], "stream", &options.consumer) < 0) return NULL;
  if (vp_stream_read(values[3], "producer_stream", &options.producer) < 0) return NULL;
  return batch_as_gpumats(values[0], &options);
}

/* --- many images as many tensors */

static PyObject *convert_all(PyObject *images, const vp_options *options) {
  PyObject *sequence = PySequence_Fast(images, "as_tensors() needs a sequence of images");
  if (!sequence) return NULL;
  PyObject *list = PyList_New(0);
  /* A list may change its length while a producer's code runs. */
  for (Py_ssize_t i = 0; list && i < PySequence_Fast_GET_SIZE(sequence); i++) {
    PyObject *image = vp_item(sequence, i);
    if (!image) break;
    PyObject *made = vp_convert(image, options);
    Py_DECREF(image);
    if (!made) vp_raise_at(i);
    if (!made || PyList_Append(list, made) < 0) Py_CLEAR(list);
    Py_XDECREF(made);
  }
  Py_DECREF(sequence);
  return list;
}

PyObject *vp_as_tensors(PyObject *module, PyObject *const *args, Py_ssize_t count,
                        PyObject *kwnames) {
  static const vp_signature signature = {
      "as_tensors", 1, {"images", "keepdim", "stream", "producer_stream", NULL}};
  PyObject *values[VP_MAX_PARAMETERS];
  vp_orders orders = {0};
  vp_options options = {.target = &vp_torch_adapter, .orders = &orders};
  (void)module;
  if (vp_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  int keepdim = vp_argument_bool(values[1], 0);
  if (keepdim < 0) return NULL;
  options.keepdim = keepdim;
  if (vp_stream_read(values[2], "stream", &options.consumer) < 0) return NULL;
  if (vp_stream_read(values[3], "producer_stream", &options.producer) < 0) return NULL;
  return convert_all(values[0], &options);
}
