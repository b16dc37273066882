/* SPDX-License-Identifier: Apache-2.0 */
#include "batches.h"

#include "adapters/list.h"
#include "arguments.h"
#include "convert.h"
#include "copying.h"
#include "errors.h"
#include "free_threading.h"
#include "stream_order.h"
#include "transform/request.h"

/* --- a batch */

static int refuse_one_image(const ext_adapter *from, const vc_view *view,
                            const ext_adapter *target) {
  bool mats = target->interleaved;
  const char *one = mats ? "as_gpumat" : "as_tensor";
  if (from->interleaved) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "a GpuMat is one image; %ss() needs a list of images or a batch, use %s() for "
                    "one image",
                    one, one);
  }
  bool pixels = view->ndim != 3 || view->shape[2] <= 4; /* (H, W, C), no (N, H, W) */
  const char *masks = pixels ? ""
                      : mats ? ", or say from_layout=\"NHW\" of a batch of one-channel images"
                             : ", or give a list of one-channel images (list(x))";
  return ext_fail(VC_ERROR_LAYOUT,
                  "the batch has rank %d, needs 4 (N, H, W, C): %ss() takes a batch or a list of "
                  "images; use %s() for one image%s",
                  (int)view->ndim, one, one, masks);
}

/* A batch as (N, H, W, C); one that becomes tensors keeps its axes. */
static int read_batch(const ext_adapter *from, const ext_options *options, vc_view *view) {
  const ext_layout *layout = &options->from;
  bool stack = view->ndim == 3 && layout->batch && layout->flat;
  if (from->interleaved || (view->ndim != 4 && !stack)) {
    return refuse_one_image(from, view, options->target);
  }
  if (!options->target->interleaved) return 0;
  if (ext_layout_check(layout, from, view, EXT_OR_BATCH) < 0) return -1;
  ext_layout_interleave(layout, view);
  return 0;
}

/* Fills the list. Each image takes a part of the batch's owner; the parts that are left
 * over are released. */
static int fill(PyObject *list, const ext_source *batch, vc_owner part,
                const ext_options *options) {
  Py_ssize_t count = PyList_GET_SIZE(list), done = 0;
  for (; done < count; done++) {
    ext_source image = *batch;
    image.view = ext_batch_image(&batch->view, done);
    image.owner = part;
    PyObject *made = options->target->export(&image, options);
    ext_release(&image.owner); /* an image that failed has not taken it */
    if (!made) break;
    PyList_SET_ITEM(list, done, made);
  }
  if (done == count) return 0;
  for (Py_ssize_t left = done + 1; left < count; left++) {
    vc_owner unused = part;
    ext_release(&unused);
  }
  return ext_raise_at(done, "");
}

static PyObject *split(ext_source *batch, const ext_options *options) {
  vc_error error;
  vc_owner part;
  int64_t count = batch->view.shape[0];
  PyObject *list = PyList_New((Py_ssize_t)count);
  if (!list || count == 0) return list;
  if (vc_owner_split(&batch->owner, (size_t)count, &part, &error) != VC_OK) {
    ext_raise(&error);
    Py_CLEAR(list);
  } else if (fill(list, batch, part, options) < 0) {
    Py_CLEAR(list);
  }
  return list;
}

/* ext_copying_needed for the images of a batch: the second tells of all that follow. */
static int copies_needed(const ext_options *options, const ext_source *batch) {
  int needed = 0;
  for (int64_t i = 0; needed == 0 && i < batch->view.shape[0] && i < 2; i++) {
    ext_source image = *batch;
    image.view = ext_batch_image(&batch->view, i);
    needed = ext_copying_needed(options, &image);
  }
  return needed;
}

/* One copy of them all: a list of GpuMats, or an array that is then split. */
static PyObject *copy_batch(const ext_adapter *from, const ext_options *options,
                            ext_source *batch) {
  PyObject *made = ext_copying_make(from, options, batch);
  if (!made || PyList_CheckExact(made)) return made;
  const ext_options plain = {.target = options->target};
  ext_source copy = {0};
  PyObject *list = NULL;
  if (options->target->import(made, &plain, &copy) == 0) list = split(&copy, &plain);
  ext_release(&copy.owner);
  Py_DECREF(made);
  return list;
}

static PyObject *convert_batch(PyObject *object, const ext_options *options) {
  ext_drain();
  const ext_adapter *from = ext_adapter_of(object);
  ext_source batch = {0};
  PyObject *list = NULL;
  if (PyErr_Occurred() || from->import(object, options, &batch) < 0) return NULL;
  int copies = read_batch(from, options, &batch.view) < 0 ? -1 : copies_needed(options, &batch);
  if (copies > 0) {
    list = copy_batch(from, options, &batch);
  } else if (copies == 0 && ext_order_streams(from, options, &batch) == 0) {
    list = split(&batch, options);
  }
  ext_release(&batch.owner);
  return list;
}

/* --- a list of images */

static PyObject *convert_list(PyObject *images, const ext_options *options) {
  PyObject *list = PyList_New(0);
  /* A list may change its length while a producer's code runs. */
  for (Py_ssize_t i = 0; list && i < PySequence_Fast_GET_SIZE(images); i++) {
    PyObject *image = ext_item(images, i);
    if (!image) break;
    PyObject *made = ext_convert(image, options);
    Py_DECREF(image);
    if (!made) ext_raise_at(i, "");
    if (!made || PyList_Append(list, made) < 0) Py_CLEAR(list);
    Py_XDECREF(made);
  }
  return list;
}

/* Streams are looked up and ordered once for all images. */
static PyObject *convert_all(PyObject *images, ext_options *options) {
  ext_orders orders = {0};
  bool is_list = PyList_Check(images) || PyTuple_Check(images);
  if (!is_list && !PyIter_Check(images)) return convert_batch(images, options);
  options->orders = &orders;
  options->from.batch = false; /* the list is the N */
  PyObject *sequence = PySequence_Fast(images, "needs a list of images");
  PyObject *list = sequence ? convert_list(sequence, options) : NULL;
  Py_XDECREF(sequence);
  return list;
}

/* --- the functions */

static int read_streams(PyObject *consumer, PyObject *producer, ext_options *options) {
  if (ext_stream_read(consumer, "stream", &options->consumer) < 0) return -1;
  return ext_stream_read(producer, "producer_stream", &options->producer);
}

PyObject *ext_as_gpumats(PyObject *module, PyObject *const *args, Py_ssize_t count,
                         PyObject *kwnames) {
  static const ext_signature signature = {
      "as_gpumats",
      1,
      {"images", "from_layout", "copy", "device", "stream", "producer_stream", NULL}};
  static const ext_more more = {"to_gpumat()", &ext_to_mat};
  PyObject *values[EXT_MAX_PARAMETERS];
  ext_options options = {.target = &ext_opencv_adapter};
  (void)module;
  if (ext_arguments_or_more(&signature, &more, args, count, kwnames, values) < 0) return NULL;
  if (ext_layout_read(values[1], "from_layout", NULL, &options.from) < 0) return NULL;
  if (ext_argument_placement(values[2], values[3], &options) < 0) return NULL;
  if (read_streams(values[4], values[5], &options) < 0) return NULL;
  return convert_all(values[0], &options);
}

PyObject *ext_as_tensors(PyObject *module, PyObject *const *args, Py_ssize_t count,
                         PyObject *kwnames) {
  static const ext_signature signature = {
      "as_tensors",
      1,
      {"images", "keepdim", "owner", "copy", "device", "stream", "producer_stream", NULL}};
  static const ext_more more = {"to_tensor()", &ext_to_array};
  PyObject *values[EXT_MAX_PARAMETERS];
  ext_options options = {.target = &ext_torch_adapter};
  (void)module;
  if (ext_arguments_or_more(&signature, &more, args, count, kwnames, values) < 0) return NULL;
  if (ext_argument_bool(values[1], "keepdim", &options.keepdim) < 0) return NULL;
  if (ext_argument_owner(values[2], values[0], &options.owner) < 0) return NULL;
  if (ext_argument_placement(values[3], values[4], &options) < 0) return NULL;
  if (read_streams(values[5], values[6], &options) < 0) return NULL;
  return convert_all(values[0], &options);
}
