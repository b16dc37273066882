/* SPDX-License-Identifier: Apache-2.0 */
/* as_gpumat, as_tensor, as_cupy, as_numpy and view. */
#include "convert.h"

#include "adapters/opencv.h"
#include "arguments.h"
#include "batches.h"
#include "copying.h"
#include "errors.h"
#include "paths.h"
#include "stream_order.h"
#include "transform/request.h"

/* Whether the image can be its own conversion. cv2.UMat and cv2.cuda.GpuMatND have
 * GpuMat's adapter, which refuses them. */
static bool is_already(PyObject *image, const ext_adapter *from, const ext_adapter *target) {
  if (from != target) return false;
  return target != &ext_opencv_adapter || (ext_is_gpumat(image) && ext_gpumat_header(image));
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

static PyObject *as_gpumat(PyObject *module, PyObject *const *args, Py_ssize_t count,
                           PyObject *kwnames) {
  (void)module;
  static const ext_signature signature = {
      "as_gpumat",
      1,
      {"image", "from_layout", "copy", "device", "stream", "producer_stream", NULL}};
  static const ext_more more = {"to_gpumat()", &ext_to_mat};
  PyObject *values[EXT_MAX_PARAMETERS];
  ext_options options = {.target = &ext_opencv_adapter};
  if (ext_is_one_argument(count, kwnames)) return ext_convert(args[0], &options);
  if (ext_arguments_or_more(&signature, &more, args, count, kwnames, values) < 0) return NULL;
  if (ext_layout_read(values[1], "from_layout", "as_gpumat", &options.from) < 0) return NULL;
  if (ext_argument_placement(values[2], values[3], &options) < 0) return NULL;
  if (parse_streams(values[4], values[5], &options) < 0) return NULL;
  return ext_convert(values[0], &options);
}

/* NumPy has no memory of a GPU. */
static int check_device(const ext_options *options) {
  bool fits = options->target != &ext_numpy_adapter || !options->has_device ||
              options->device.type == VC_CPU;
  return fits ? 0
              : ext_fail(VC_ERROR_DEVICE,
                         "device= asks for cuda:%d and a NumPy array lies in host memory; leave "
                         "device out, or use as_tensor, as_cupy or as_gpumat",
                         (int)options->device.id);
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
  bool copies = target != &ext_view_adapter; /* a View has no memory of its own */
  if (copies && ext_argument_placement(values[5], values[6], &options) < 0) return NULL;
  return check_device(&options) < 0 ? NULL : ext_convert(values[0], &options);
}

#define AS_ARRAY(function, adapter, to, ...)                                                    \
  static PyObject *function(PyObject *module, PyObject *const *args, Py_ssize_t count,          \
                            PyObject *kwnames) {                                                \
    static const ext_signature signature = {                                                    \
        #function, 1, {"image", "keepdim", "owner", "stream", "producer_stream", __VA_ARGS__}}; \
    static const ext_more more = {to, &ext_to_array};                                           \
    (void)module;                                                                               \
    return as_array(&signature, &more, &adapter, args, count, kwnames);                         \
  }
AS_ARRAY(as_tensor, ext_torch_adapter, "to_tensor()", "copy", "device", NULL)
AS_ARRAY(as_cupy, ext_cupy_adapter, "to_cupy()", "copy", "device", NULL)
AS_ARRAY(as_numpy, ext_numpy_adapter, "to_numpy()", "copy", "device", NULL)
AS_ARRAY(view, ext_view_adapter, "to_tensor(), to_cupy() or to_numpy()", NULL)

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

PyMethodDef ext_convert_methods[] = {
    EXT_METHOD(
        as_gpumat,
        "as_gpumat($module, /, image, *, from_layout=None, copy=False, device=None, stream=None, "
        "producer_stream=None)\n--\n\n"
        "A cv2.cuda.GpuMat that views the image: no pixel moves.\n\n"
        "image: (H, W) or (H, W, C), interleaved, rows packed or pitched; of any\n"
        "library. It lives until the last GpuMat that views it is gone.\n"
        "from_layout: how the image's axes are read, \"HWC\", \"CHW\" or \"HW\"; None: (H, W) or\n"
        "(H, W, C), and a shape that looks planar is refused. Channels-last memory is a view\n"
        "as \"CHW\" too; planes need copy=None.\n" COPY_OPTIONS STREAM_OPTIONS "\n"
        "Raises LayoutError, DTypeError, DeviceError, ABIError, CUDAError (all\n"
        "ViewError), or TypeError for what is no image."),
    EXT_METHOD(
        as_tensor,
        "as_tensor($module, /, image, *, keepdim=False, owner=None, copy=False, "
        "device=None, stream=None, "
        "producer_stream=None)\n--\n\n"
        "A torch.Tensor that views the image, in any layout: no pixel moves.\n\n" ARRAY_OPTIONS
            COPY_OPTIONS),
    EXT_METHOD(
        as_cupy,
        "as_cupy($module, /, image, *, keepdim=False, owner=None, copy=False, "
        "device=None, stream=None, "
        "producer_stream=None)\n--\n\n"
        "A cupy.ndarray that views the image, in any layout: no pixel moves.\n\n" ARRAY_OPTIONS
            COPY_OPTIONS),
    EXT_METHOD(as_numpy,
               "as_numpy($module, /, image, *, keepdim=False, owner=None, copy=False, "
               "device=None, stream=None, "
               "producer_stream=None)\n--\n\n"
               "A numpy.ndarray that views an image in host memory: no pixel moves. One of a\n"
               "GPU needs copy=None or True.\n"
               "Read-only memory gives a read-only array.\n\n" ARRAY_OPTIONS COPY_OPTIONS),
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
    {"_paths", ext_paths, METH_NOARGS,
     "Which way each library is read and made: None for one that was not used yet."},
    {NULL, NULL, 0, NULL},
};
