/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline of every conversion (call.h). */
#include "call.h"

#include "errors.h"
#include "free_threading.h"
#include "out.h"
#include "resize.h"
#include "run.h"
#include "stream_order.h"

/* --- transforms */

/* Imports the images of a call, the sources last: an import may run Python code, and none runs
 * between that of the sources and the work. `image` is NULL where the sources were imported
 * before. */
static int import(PyObject *image, ext_job *job) {
  ext_request *request = job->request;
  job->from.takes_yuv = true;
  if (request->out && ext_outs_import(job) < 0) return -1;
  if (request->boxes && ext_resize_import_boxes(job) < 0) return -1;
  return image ? ext_images_import(image, &request->options, "", &job->from) : 0;
}

static int plan(ext_job *job) {
  ext_request *request = job->request;
  if (ext_images_read(&job->from, &request->options.from, &job->read) < 0) return -1;
  if (ext_images_device(&job->from, &job->source) < 0) return -1;
  if (request->params.resize && ext_resize_apply(job) < 0) return -1;
  request->params.yuv = job->from.yuv;
  if (request->out && ext_outs_plan(job) < 0) return -1;
  return ext_plan_result(job);
}

static int run(ext_job *job) {
  if (ext_run_begin(job) < 0) return -1;
  int done = job->request->out ? ext_outs_make(job) : ext_result_make(job);
  if (done == 0) done = ext_run_all(job);
  return job->request->out && job->has_written ? ext_outs_finish(job, done) : done;
}

/* Goes through the pipeline, and releases what the call holds. Returns the result: a new reference,
 * or NULL with an exception. */
static PyObject *transform(PyObject *image, ext_job *job) {
  bool done = import(image, job) == 0 && plan(job) == 0 && run(job) == 0;
  PyObject *made = done ? Py_NewRef(job->object) : NULL;
  ext_images_release(&job->boxes);
  ext_images_release(&job->from);
  ext_images_release(&job->outs);
  ext_release(&job->fresh.owner);
  Py_XDECREF(job->object);
  Py_XDECREF(job->written);
  return made;
}

PyObject *ext_transform(PyObject *image, ext_request *request) {
  ext_job job = {.request = request};
  ext_drain();
  return transform(image, &job);
}

/* A new object of options->target with the source's pixels as they are, whatever their layout;
 * ready on the consumer's stream. Takes the source's owner. */
static PyObject *copy(const ext_adapter *from, const ext_options *options, ext_source *source) {
  ext_request request;
  ext_job job = {.request = &request};
  ext_request_init(&request, options->target);
  request.options = *options;
  request.options.device = ext_plan_copy_device(options, source);
  request.options.has_device = true;
  request.options.orders = NULL; /* they are of the stream of views, not of copies */
  request.is_line = source->view.ndim == 1 && !options->target->interleaved;
  if (request.is_line) ext_result_lift_line(&source->view);
  request.options.from = (ext_layout){.given = true, .batch = source->view.ndim == 4};
  ext_images_take(from, source, &job.from);
  return transform(NULL, &job);
}

/* --- batches */

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

/* Exports each image of a batch. */
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

/* Splits the copy of a batch, where the target made one array of it. Takes the reference. */
static PyObject *split_copy(PyObject *made, const ext_adapter *target) {
  const ext_options plain = {.target = target};
  ext_source copied = {0};
  PyObject *list = NULL;
  if (!made || PyList_CheckExact(made)) return made;
  if (target->import(made, &plain, &copied) == 0) list = split(&copied, &plain);
  ext_release(&copied.owner);
  Py_DECREF(made);
  return list;
}

static PyObject *convert_batch(PyObject *object, const ext_options *options) {
  ext_source batch = {0};
  PyObject *list = NULL;
  ext_drain();
  const ext_adapter *from = ext_adapter_of(object), *target = options->target;
  if (PyErr_Occurred() || from->import(object, options, &batch) < 0) return NULL;
  int copies = ext_layout_batch(&options->from, from, target, &batch.view) < 0
                   ? -1
                   : ext_plan_copy_of_batch(options, &batch);
  if (copies > 0) {
    list = split_copy(copy(from, options, &batch), target);
  } else if (copies == 0 && ext_order_streams(from, options, &batch) == 0) {
    list = split(&batch, options);
  }
  ext_release(&batch.owner);
  return list;
}

/* --- one image */

/* Whether an image that is an object of the target is its own conversion without being read. */
static bool asks_nothing(const ext_options *options) {
  return !options->consumer.given && !options->producer.given && !options->has_device &&
         !options->from.given && !options->owner && options->copy != EXT_COPY_ALWAYS;
}

/* Converts one image: imports it, plans, orders the streams and exports. Returns the image itself
 * where it is an object of the target and nothing has to change. */
static PyObject *import_and_export(PyObject *image, const ext_adapter *from, bool is_target,
                                   const ext_options *options) {
  ext_source source = {0};
  PyObject *result = NULL;
  const ext_adapter *target = options->target;
  const vc_view *view = &source.view;
  int copies = -1;
  bool is_result = is_target;
  if (from->import(image, options, &source) == 0 &&
      (!target->interleaved ||
       (!options->from.given && view->ndim < 4 && !vc_view_looks_planar(view)) ||
       ext_layout_image(&options->from, from, &source.view) == 0)) {
    bool asks = options->copy != EXT_COPY_NEVER || options->has_device;
    copies = asks ? ext_plan_copy(options, &source) : 0;
    /* a new object keeps owner= alive; the image can't */
    if (options->owner && ext_owned_object(&source.owner) == options->owner) is_result = false;
  }
  if (copies > 0) {
    result = copy(from, options, &source);
  } else if (copies == 0 && ext_order_streams(from, options, &source) == 0) {
    result = is_result ? Py_NewRef(image) : target->export(&source, options);
  }
  if (source.owner.release) ext_release(&source.owner); /* the export has not taken it */
  return result;
}

PyObject *ext_convert(PyObject *image, const ext_options *options) {
  ext_drain();
  const ext_adapter *from = ext_adapter_of(image);
  bool is_target = from == options->target && (!from->is_image || from->is_image(image));
  if (!is_target && PyErr_Occurred()) return NULL;
  if (is_target && asks_nothing(options)) return Py_NewRef(image);
  return import_and_export(image, from, is_target, options);
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

PyObject *ext_convert_all(PyObject *images, ext_options *options) {
  ext_orders orders = {0};
  bool is_list = PyList_Check(images) || PyTuple_Check(images);
  if (!is_list && !PyIter_Check(images)) return convert_batch(images, options);
  options->orders = &orders;
  options->from.batch = false; /* the list takes the place of the axis N */
  PyObject *sequence = PySequence_Fast(images, "needs a list of images");
  PyObject *list = sequence ? convert_list(sequence, options) : NULL;
  Py_XDECREF(sequence);
  return list;
}
