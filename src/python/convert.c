/* SPDX-License-Identifier: Apache-2.0 */
/* as_gpumat, as_tensor, as_cupy, as_numpy and view. */
#include "convert.h"

#include "adapters/list.h"
#include "arguments.h"
#include "batches.h"
#include "copying.h"
#include "errors.h"
#include "stream_order.h"
#include "transform/request.h"

/* Whether the image can be its own conversion. */
static bool is_already(PyObject *image, const ext_adapter *from, const ext_adapter *target) {
  return from == target && (!from->is_image || from->is_image(image));
}

static int import_image(PyObject *image, const ext_adapter *from, const ext_options *options,
                        ext_source *out) {
  if (from->import(image, options, out) < 0) return -1;
  return options->target->interleaved ? ext_layout_image(&options->from, from, &out->view) : 0;
}

/* The image itself, or what the target makes of it, ready on its stream. */
static PyObject *import_and_export(PyObject *image, const ext_adapter *from, bool already,
                                   const ext_options *options) {
  ext_source source = {0};
  PyObject *result = NULL;
  int copies =
      import_image(image, from, options, &source) < 0 ? -1 : ext_copying_needed(options, &source);
  if (copies > 0) {
    result = ext_copying_make(from, options, &source);
  } else if (copies == 0 && ext_order_streams(from, options, &source) == 0) {
    result = already ? Py_NewRef(image) : options->target->export(&source, options);
  }
  ext_release(&source.owner);
  return result;
}

/* Whether an image that is its own conversion needs no look. */
static bool asks_nothing(const ext_options *options) {
  return !options->consumer.given && !options->producer.given && !options->has_device &&
         !options->from.given && options->copy != EXT_COPY_ALWAYS;
}

PyObject *ext_convert(PyObject *image, const ext_options *options) {
  ext_drain();
  const ext_adapter *from = ext_adapter_of(image);
  bool already = is_already(image, from, options->target);
  if (!already && PyErr_Occurred()) return NULL;
  if (already && asks_nothing(options)) return Py_NewRef(image);
  return import_and_export(image, from, already, options);
}

/* stream= and producer_stream=, the two that every conversion takes. */
static int parse_streams(PyObject *consumer, PyObject *producer, ext_options *options) {
  if (ext_stream_read(consumer, "stream", &options->consumer) < 0) return -1;
  return ext_stream_read(producer, "producer_stream", &options->producer);
}

static PyObject *as_image(const ext_signature *signature, const ext_more *more,
                          const ext_adapter *target, PyObject *const *args, Py_ssize_t count,
                          PyObject *kwnames) {
  PyObject *values[EXT_MAX_PARAMETERS];
  ext_options options = {.target = target};
  if (ext_is_one_argument(count, kwnames)) return ext_convert(args[0], &options);
  if (ext_arguments_or_more(signature, more, args, count, kwnames, values) < 0) return NULL;
  if (ext_layout_read(values[1], "from_layout", signature->function, &options.from) < 0)
    return NULL;
  if (ext_argument_placement(values[2], values[3], &options) < 0) return NULL;
  if (parse_streams(values[4], values[5], &options) < 0) return NULL;
  return ext_convert(values[0], &options);
}

/* An array that lies on the host can't be asked for on a GPU. */
static int check_device(const ext_options *options) {
  bool fits = !options->target->on_host || !options->has_device || options->device.type == VC_CPU;
  return fits ? 0
              : ext_fail(VC_ERROR_DEVICE,
                         "device= asks for cuda:%d and a %s lies in host memory; leave "
                         "device out, or use as_tensor, as_cupy or as_gpumat",
                         (int)options->device.id, options->target->name);
}

/* The functions whose options are those of reading a GpuMat. */
static PyObject *as_array(const ext_signature *signature, const ext_more *more,
                          const ext_adapter *target, PyObject *const *args, Py_ssize_t count,
                          PyObject *kwnames) {
  PyObject *values[EXT_MAX_PARAMETERS];
  ext_options options = {.target = target};
  if (ext_is_one_argument(count, kwnames)) return ext_convert(args[0], &options);
  if (ext_arguments_or_more(signature, more, args, count, kwnames, values) < 0) return NULL;
  if (ext_argument_bool(values[1], "keepdim", &options.keepdim) < 0) return NULL;
  if (ext_argument_owner(values[2], values[0], &options.owner) < 0) return NULL;
  if (parse_streams(values[3], values[4], &options) < 0) return NULL;
  bool copies = target->empty != NULL; /* it has memory of its own */
  if (copies && ext_argument_placement(values[5], values[6], &options) < 0) return NULL;
  return check_device(&options) < 0 ? NULL : ext_convert(values[0], &options);
}

#define AS_ARRAY(adapter, name, ...)                                                         \
  static PyObject *as_##name(PyObject *module, PyObject *const *args, Py_ssize_t count,      \
                             PyObject *kwnames) {                                            \
    static const ext_signature signature = {                                                 \
        "as_" #name,                                                                         \
        1,                                                                                   \
        {"image", "keepdim", "owner", "stream", "producer_stream", "copy", "device", NULL}}; \
    static const ext_more more = {"to_" #name "()", &ext_to_array};                          \
    (void)module;                                                                            \
    return as_array(&signature, &more, &ext_##adapter##_adapter, args, count, kwnames);      \
  }
EXT_ARRAY_ADAPTERS(AS_ARRAY)

#define AS_IMAGE(adapter, name, ...)                                                    \
  static PyObject *as_##name(PyObject *module, PyObject *const *args, Py_ssize_t count, \
                             PyObject *kwnames) {                                       \
    static const ext_signature signature = {                                            \
        "as_" #name,                                                                    \
        1,                                                                              \
        {"image", "from_layout", "copy", "device", "stream", "producer_stream", NULL}}; \
    static const ext_more more = {"to_" #name "()", &ext_to_mat};                       \
    (void)module;                                                                       \
    return as_image(&signature, &more, &ext_##adapter##_adapter, args, count, kwnames); \
  }
EXT_IMAGE_ADAPTERS(AS_IMAGE)

static PyObject *view(PyObject *module, PyObject *const *args, Py_ssize_t count,
                      PyObject *kwnames) {
  static const ext_signature signature = {
      "view", 1, {"image", "keepdim", "owner", "stream", "producer_stream", NULL}};
  static const ext_more more = {"to_tensor(), to_cupy() or to_numpy()", &ext_to_array};
  (void)module;
  return as_array(&signature, &more, &ext_view_adapter, args, count, kwnames);
}

#define STREAM_OPTIONS                                                                       \
  "stream: where the result will be used; None: its library's current stream (OpenCV: the\n" \
  "legacy default stream). A torch, CuPy or cv2 stream, a handle, or -1 for no ordering.\n"  \
  "producer_stream: where the image was written; None: its library's current stream.\n"
#define COPY_OPTIONS                                                                               \
  "copy: False never moves a pixel; None copies once where a view is impossible; True\n"           \
  "always gives memory of its own. device: an ordinal, \"cpu\", \"cuda\" (device 0), \"cuda:1\", " \
  "a\n"                                                                                            \
  "torch or CuPy device, or what View.device says.\n"
#define ARRAY_OPTIONS                                                                         \
  "keepdim: a one-channel GpuMat as (H, W, 1) instead of (H, W).\n"                           \
  "owner: an object to keep alive with a GpuMat that does not own its memory; an error for\n" \
  "images that do.\n" STREAM_OPTIONS

#define ARRAY_METHOD(adapter, name, class, note)                                                  \
  EXT_METHOD(as_##name, "as_" #name                                                               \
                        "($module, /, image, *, keepdim=False, owner=None, copy=False, "          \
                        "device=None, stream=None, producer_stream=None)\n--\n\n"                 \
                        "A " class " that views the image, in any layout: no pixel moves.\n" note \
                                   "\n" ARRAY_OPTIONS COPY_OPTIONS),
#define IMAGE_METHOD(adapter, name, class, note)                                                   \
  EXT_METHOD(                                                                                      \
      as_##name,                                                                                   \
      "as_" #name                                                                                  \
      "($module, /, image, *, from_layout=None, copy=False, device=None, stream=None, "            \
      "producer_stream=None)\n--\n\n"                                                              \
      "A " class " that views the image: no pixel moves.\n" note                                   \
                 "\n"                                                                              \
                 "image: (H, W) or (H, W, C), interleaved, rows packed or pitched; of any\n"       \
                 "library. It lives until the last view of it is gone.\n"                          \
                 "from_layout: how the image's axes are read, \"HWC\", \"CHW\" or \"HW\"; None: "  \
                 "(H, W) or\n"                                                                     \
                 "(H, W, C), and a shape that looks planar is refused. Channels-last memory is a " \
                 "view\n"                                                                          \
                 "as \"CHW\" too; planes need copy=None.\n" COPY_OPTIONS STREAM_OPTIONS            \
                 "\n"                                                                              \
                 "Raises LayoutError, DTypeError, DeviceError, ABIError, CUDAError (all\n"         \
                 "ViewError), or TypeError for what is no image."),

PyMethodDef ext_convert_methods[] = {
    EXT_IMAGE_ADAPTERS(IMAGE_METHOD) EXT_ARRAY_ADAPTERS(ARRAY_METHOD)
        EXT_METHOD(view,
                   "view($module, /, image, *, keepdim=False, owner=None, stream=None, "
                   "producer_stream=None)\n--\n\n"
                   "A viewcast.View of the image.\n\n" ARRAY_OPTIONS),
    {"as_gpumats", (PyCFunction)(void (*)(void))ext_as_gpumats, METH_FASTCALL | METH_KEYWORDS,
     "as_gpumats($module, /, images, *, from_layout=None, copy=False, device=None, stream=None, "
     "producer_stream=None)\n--\n\n"
     "A list of cv2.cuda.GpuMats, each of which views one of the images: no pixel moves.\n\n"
     "images: a batch (N, H, W, C) of any library, which lives until the last GpuMat is\n"
     "gone, or a list of images, each as in as_gpumat(). Streams are looked up and ordered\n"
     "once. An exception names the image's index.\n"
     "from_layout: how the axes are read: \"NHWC\", \"NCHW\", or \"NHW\" of a batch (N, H, W) of\n"
     "one-channel images; of a list \"HWC\", \"CHW\" or \"HW\". None: as they are, and a shape\n"
     "that looks planar is refused.\n" COPY_OPTIONS STREAM_OPTIONS},
    {"as_tensors", (PyCFunction)(void (*)(void))ext_as_tensors, METH_FASTCALL | METH_KEYWORDS,
     "as_tensors($module, /, images, *, keepdim=False, owner=None, copy=False, device=None, "
     "stream=None, producer_stream=None)\n--\n\n"
     "A list of torch.Tensors, each of which views one of the images: no pixel moves.\n\n"
     "images: a list of images, each as in as_tensor(), or a batch (four axes) of any\n"
     "library. Streams are looked up and ordered once. An exception names the image's\n"
     "index.\n" ARRAY_OPTIONS COPY_OPTIONS},
    {NULL, NULL, 0, NULL},
};
