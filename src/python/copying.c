/* SPDX-License-Identifier: Apache-2.0 */
#include "copying.h"

#include <string.h>

#include "adapters/axes.h"
#include "errors.h"
#include "hand_over.h"
#include "way_back.h"

/* --- arguments */

static int parse_device_text(const char *text, vc_device *out) {
  int id = 0, end = 0;
  if (strcmp(text, "cpu") == 0) {
    *out = (vc_device){VC_CPU, 0};
    return 0;
  }
  *out = (vc_device){VC_CUDA, 0};
  if (strcmp(text, "cuda") == 0) return 0;
  if (sscanf(text, "cuda:%d%n", &id, &end) == 1 && text[end] == '\0' && id >= 0) {
    out->id = id;
    return 0;
  }
  PyErr_Format(PyExc_ValueError, "device is \"%.40s\", needs \"cpu\", \"cuda\" or \"cuda:N\"",
               text);
  return -1;
}

/* An ordinal; or what a device object says of itself: str(torch.device) is
 * "cuda:1", and CuPy's has an id. */
static int read_device(PyObject *device, vc_device *out) {
  PyObject *number =
      PyLong_Check(device) ? Py_NewRef(device) : PyObject_GetAttrString(device, "id");
  if (number) {
    long id = PyLong_AsLong(number);
    Py_DECREF(number);
    if (id == -1 && PyErr_Occurred()) return -1;
    *out = (vc_device){VC_CUDA, (int32_t)id};
    return 0;
  }
  PyErr_Clear();
  PyObject *text = PyObject_Str(device);
  const char *utf8 = text ? PyUnicode_AsUTF8(text) : NULL;
  int result = utf8 ? parse_device_text(utf8, out) : -1;
  Py_XDECREF(text);
  return result;
}

static int check_exists(vc_device device) {
  int32_t count = vc_cuda_device_count();
  if (device.type == VC_CPU || (device.id >= 0 && device.id < count)) return 0;
  return vp_fail(VC_ERROR_DEVICE, "there is no CUDA device %d: this process sees %d",
                 (int)device.id, (int)count);
}

int vp_copying_read(PyObject *copy, PyObject *device, vp_options *options) {
  options->copy = VP_COPY_NEVER;
  if (copy == Py_None) options->copy = VP_COPY_IF_NEEDED;
  if (copy && copy != Py_None) {
    int truth = PyObject_IsTrue(copy);
    if (truth < 0) return -1;
    if (truth) options->copy = VP_COPY_ALWAYS;
  }
  options->has_device = device && device != Py_None;
  if (!options->has_device) return 0;
  if (read_device(device, &options->device) < 0) return -1;
  return check_exists(options->device);
}

/* --- whether */

static bool is_elsewhere(vc_device memory, vc_device wanted) {
  if (wanted.type == VC_CPU) return vc_device_is_gpu(memory);
  return !vc_device_is_gpu(memory) || memory.id != wanted.id;
}

/* Read-only memory can't be a view that its library takes for writable. */
static bool must_be_writable(const vp_options *options, const vp_source *source) {
  return source->view.readonly && options->target != &vp_numpy_adapter &&
         options->target != &vp_view_adapter;
}

int vp_copying_needed(const vp_options *options, const vp_source *source) {
  if (options->copy == VP_COPY_ALWAYS) return 1;
  if (options->copy == VP_COPY_IF_NEEDED && must_be_writable(options, source)) return 1;
  if (!options->has_device || !is_elsewhere(source->view.device, options->device)) return 0;
  if (options->copy == VP_COPY_IF_NEEDED) return 1;
  char from[32] = "host memory", to[32] = "the host";
  if (vc_device_is_gpu(source->view.device)) {
    PyOS_snprintf(from, sizeof from, "cuda:%d", (int)source->view.device.id);
  }
  if (vc_device_is_gpu(options->device)) {
    PyOS_snprintf(to, sizeof to, "cuda:%d", (int)options->device.id);
  }
  return vp_fail(VC_ERROR_DEVICE,
                 "the image is in %s and device= asks for %s: a view can't cross devices; allow a "
                 "copy with copy=None",
                 from, to);
}

/* --- how */

/* Where a copy goes that names no device: where the image is, but for NumPy. */
static vc_device destination(const vp_options *options, const vp_source *source) {
  if (options->target == &vp_numpy_adapter) return (vc_device){VC_CPU, 0};
  if (options->has_device) return options->device;
  return vc_device_is_gpu(source->view.device) ? (vc_device){VC_CUDA, source->view.device.id}
                                        : (vc_device){VC_CPU, 0};
}

/* Memory of the target library: viewcast.allocation knows how each makes it. */
static PyObject *allocate(const vp_options *options, const vc_view *view, vc_device device) {
  PyObject *module = PyImport_ImportModule("viewcast.allocation");
  PyObject *shape = module ? vp_axes_tuple(view->shape, view->ndim) : NULL;
  PyObject *made = NULL;
  if (shape) {
    made = PyObject_CallMethod(module, "empty", "sOsi", options->target->name, shape,
                               vc_dtype_name(view->dtype),
                               device.type == VC_CPU ? -1 : (int)device.id);
  }
  Py_XDECREF(shape);
  Py_XDECREF(module);
  return made;
}

/* The stream that copies: the consumer's, or the producer's on the way to the
 * host. It waits for the producer, and for what used the new memory before. */
static int prepare_stream(const vp_adapter *from, const vp_options *options,
                          const vp_source *source, const vc_view *to, vc_stream *out) {
  vc_error error;
  vc_stream producer = VC_STREAM_NONE;
  if (vc_device_is_gpu(source->view.device)) producer = vp_producer_stream(from, options, source);
  *out = producer == VC_STREAM_NONE ? VC_STREAM_LEGACY : producer;
  if (!vc_device_is_gpu(to->device)) return 0;
  *out = vp_consumer_stream(options, to->device.id);
  if (*out == VC_STREAM_NONE) *out = VC_STREAM_LEGACY;
  vc_stream current = options->target->current ? options->target->current(to->device.id) : *out;
  if (vc_stream_order(source->view.device.id, producer, *out, &error) != VC_OK ||
      vc_stream_order(to->device.id, current, *out, &error) != VC_OK) {
    return vp_raise(&error);
  }
  return 0;
}

/* Enqueues the copy. The source lives until it is done. */
static int copy_pixels(const vc_view *to, vp_source *source, vc_stream stream) {
  vc_error error;
  bool touches_gpu = vc_device_is_gpu(to->device) || vc_device_is_gpu(source->view.device);
  if (vc_copy(to, &source->view, stream, &error) != VC_OK) return vp_raise(&error);
  if (!touches_gpu) return 0;
  int32_t device = vc_device_is_gpu(to->device) ? to->device.id : source->view.device.id;
  if (!vc_device_is_gpu(to->device)) { /* the host reads at once */
    return vc_stream_synchronize(device, stream, &error) == VC_OK ? 0 : vp_raise(&error);
  }
  source->view.device.id = device; /* the device of the stream that is waited for */
  return vp_way_back(source, stream, NULL);
}

static int copy_into(PyObject *made, const vp_adapter *from, const vp_options *options,
                     vp_source *source) {
  vp_source target = {0};
  vc_stream stream;
  const vp_options plain = {.target = options->target, .keepdim = source->view.ndim == 3};
  int result = options->target->import(made, &plain, &target);
  if (result == 0) result = prepare_stream(from, options, source, &target.view, &stream);
  if (result == 0) result = copy_pixels(&target.view, source, stream);
  vp_release(&target.owner);
  return result;
}

PyObject *vp_copying_make(const vp_adapter *from, const vp_options *options, vp_source *source) {
  PyObject *made = allocate(options, &source->view, destination(options, source));
  if (made && copy_into(made, from, options, source) < 0) Py_CLEAR(made);
  return made;
}
