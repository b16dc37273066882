/* SPDX-License-Identifier: Apache-2.0 */
/* The module's conversions: as_NAME, to_NAME, view, as_gpumats and as_tensors. Reads the
 * arguments of each; call.h does the work. */
#include "functions.h"

#include "adapters/list.h"
#include "arguments.h"
#include "call.h"
#include "device.h"
#include "errors.h"
#include "free_threading.h"
#include "plan.h"
#include "resize.h"
#include "values.h"

/* --- signatures */

/* The parameters by their position in every signature. EXT_ABSENT stands for one that a function
 * does not take. */
enum {
  IMAGE,
  FROM_LAYOUT,
  KEEPDIM,
  OWNER,
  DEVICE,
  STREAM,
  PRODUCER_STREAM,
  COPY,          /* of as_NAME */
  LAYOUT = COPY, /* of to_NAME, as are all that follow */
  DTYPE,
  SCALE,
  MEAN,
  STD,
  NORMALIZE,
  REVERSE,
  CHANNELS,
  FILL,
  OUT,
  RESIZE,
  BOXES,
  PARAMETERS
};
#define PLACE "owner", "device", "stream", "producer_stream"
#define VALUES                                                                                 \
  "dtype", "scale", "mean", "std", "normalize", "reverse_channels", "channels", "fill", "out", \
      "resize", "boxes", NULL

typedef struct {
  ext_signature signature;
  ext_more more; /* takes the keywords that this function refuses; its signature may be NULL */
  const ext_adapter *target;
  bool several; /* takes a batch or a list */
} conversion;

/* --- arguments */

/* Cache from a call site's kwnames tuple to argument positions. The tuple is a constant of
 * the calling code object, so its address identifies the call site; a reference is held so
 * that the address is not reused. */
#define CACHE_SIZE 64
typedef struct {
  PyObject *kwnames;
  const conversion *made_for;
  uint8_t index[PARAMETERS];
} site;
static site sites[CACHE_SIZE];
static ext_version versions[CACHE_SIZE];

static void remember(size_t slot, const conversion *which, PyObject *kwnames) {
  site made = {.kwnames = Py_NewRef(kwnames), .made_for = which};
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    made.index[i] = (uint8_t)ext_signature_index(&which->signature, PyTuple_GET_ITEM(kwnames, i));
  }
  ext_entry_swap(&versions[slot], &sites[slot], &made, sizeof made);
  Py_XDECREF(made.kwnames);
}

/* ext_arguments_or_more, with the cache. All of values[] is NULL before. */
static int sort_arguments(const conversion *which, PyObject *const *args, Py_ssize_t count,
                          PyObject *kwnames, PyObject **values) {
  size_t slot = ((uintptr_t)kwnames >> 4) % CACHE_SIZE;
  site copied;
  const site *seen = ext_entry_read(&versions[slot], &sites[slot], &copied, sizeof copied);
  bool known = kwnames && seen && seen->kwnames == kwnames && seen->made_for == which;
  if (!known || count != 1) {
    const ext_signature *signature = &which->signature;
    if (ext_arguments_or_more(signature, &which->more, args, count, kwnames, values) < 0) {
      return -1;
    }
    if (kwnames && count == 1) remember(slot, which, kwnames);
    return 0;
  }
  values[IMAGE] = args[0];
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    values[seen->index[i]] = args[1 + i];
  }
  return 0;
}

/* Reads what every conversion has. `one_image` is the function that takes no batch, or NULL. */
static int read_options(PyObject *const *values, const char *one_image, ext_options *out) {
  if (ext_layout_read(values[FROM_LAYOUT], "from_layout", one_image, &out->from) < 0) return -1;
  if (ext_argument_bool(values[KEEPDIM], "keepdim", &out->keepdim) < 0) return -1;
  if (ext_argument_owner(values[OWNER], values[IMAGE], &out->owner) < 0) return -1;
  if (ext_argument_options_device(values[DEVICE], out) < 0) return -1;
  if (ext_stream_read(values[STREAM], "stream", &out->consumer) < 0) return -1;
  return ext_stream_read(values[PRODUCER_STREAM], "producer_stream", &out->producer);
}

static PyObject *as_any(const conversion *which, PyObject *const *args, Py_ssize_t count,
                        PyObject *kwnames) {
  PyObject *values[EXT_MAX_PARAMETERS] = {0};
  ext_options options = {.target = which->target};
  const char *one_image = which->several ? NULL : which->signature.function;
  if (sort_arguments(which, args, count, kwnames, values) < 0) return NULL;
  if (read_options(values, one_image, &options) < 0) return NULL;
  if (ext_argument_copy(values[COPY], &options.copy) < 0) return NULL;
  if (ext_plan_check_device(&options) < 0) return NULL;
  return which->several ? ext_convert_all(values[IMAGE], &options)
                        : ext_convert(values[IMAGE], &options);
}

static int read_dtype(PyObject *dtype, ext_request *out) {
  out->has_dtype = dtype && dtype != Py_None;
  return out->has_dtype ? ext_argument_dtype(dtype, "dtype", &out->dtype) : 0;
}

/* None means as many channels as the source has. */
static int read_channels(PyObject *channels, ext_request *out) {
  if (channels == Py_None) return 0;
  return ext_argument_int(channels, "channels", 1, &out->channels);
}

static int read_layout(PyObject *layout, ext_request *out) {
  if (ext_layout_read(layout, "layout", NULL, &out->to) < 0) return -1;
  if (!out->to.flat || !out->options.keepdim) return 0;
  return ext_refuse(
      PyExc_ValueError,
      "layout is \"%s\", which has no axis of channels, and keepdim=True keeps it; leave one "
      "of them out",
      ext_layout_name(&out->to));
}

static int read_request(PyObject *const *values, ext_request *out) {
  out->options.copy = EXT_COPY_IF_NEEDED; /* an import may copy: no view is asked for */
  out->out = values[OUT] == Py_None ? NULL : values[OUT];
  if (read_options(values, NULL, &out->options) < 0) return -1;
  if (read_layout(values[LAYOUT], out) < 0 || read_dtype(values[DTYPE], out) < 0) return -1;
  if (ext_values_read(values[SCALE], values[MEAN], values[STD], values[NORMALIZE], out) < 0 ||
      ext_values_read_fill(values[FILL], out) < 0) {
    return -1;
  }
  bool *reverse = &out->params.reverse_channels;
  if (ext_argument_bool(values[REVERSE], "reverse_channels", reverse) < 0) return -1;
  if (read_channels(values[CHANNELS], out) < 0) return -1;
  return ext_resize_read(values[RESIZE], values[BOXES], out);
}

static PyObject *to_any(const conversion *which, PyObject *const *args, Py_ssize_t count,
                        PyObject *kwnames) {
  ext_request request;
  PyObject *values[EXT_MAX_PARAMETERS] = {0};
  ext_request_init(&request, which->target);
  request.function = which->signature.function;
  if (sort_arguments(which, args, count, kwnames, values) < 0) return NULL;
  return read_request(values, &request) < 0 ? NULL : ext_transform(values[IMAGE], &request);
}

/* --- the functions */

#define VECTORCALL(name)                                                           \
  static PyObject *name(PyObject *module, PyObject *const *args, Py_ssize_t count, \
                        PyObject *kwnames)

/* `from_layout`, `keepdim` and `layout` are EXT_ABSENT where the functions don't take them. The
 * usual call of as_NAME has one argument and nothing to read. */
#define FUNCTIONS(adapter, name, from_layout, keepdim, layout)                                 \
  static const conversion transforms_to_##name = {                                             \
      .signature = {"to_" #name, 1, {"image", "from_layout", keepdim, PLACE, layout, VALUES}}, \
      .target = &ext_##adapter##_adapter};                                                     \
  static const conversion views_as_##name = {                                                  \
      .signature = {"as_" #name, 1, {"image", from_layout, keepdim, PLACE, "copy", NULL}},     \
      .more = {"to_" #name "()", &transforms_to_##name.signature},                             \
      .target = &ext_##adapter##_adapter};                                                     \
  VECTORCALL(as_##name) {                                                                      \
    (void)module;                                                                              \
    const ext_options options = {.target = &ext_##adapter##_adapter};                          \
    if (ext_is_one_argument(count, kwnames)) return ext_convert(args[0], &options);            \
    return as_any(&views_as_##name, args, count, kwnames);                                     \
  }                                                                                            \
  VECTORCALL(to_##name) {                                                                      \
    (void)module;                                                                              \
    return to_any(&transforms_to_##name, args, count, kwnames);                                \
  }
#define OF_ARRAYS(adapter, name, ...) FUNCTIONS(adapter, name, EXT_ABSENT, "keepdim", "layout")
#define OF_IMAGES(adapter, name, ...) \
  FUNCTIONS(adapter, name, "from_layout", EXT_ABSENT, EXT_ABSENT)
EXT_ARRAY_ADAPTERS(OF_ARRAYS)
EXT_IMAGE_ADAPTERS(OF_IMAGES)

VECTORCALL(view) {
  static const conversion views = {
      .signature = {"view",
                    1,
                    {"image", EXT_ABSENT, "keepdim", "owner", EXT_ABSENT, "stream",
                     "producer_stream", NULL}},
      .more = {"to_tensor(), to_cupy() or to_numpy()", &transforms_to_tensor.signature},
      .target = &ext_view_adapter};
  (void)module;
  const ext_options options = {.target = views.target};
  if (ext_is_one_argument(count, kwnames)) return ext_convert(args[0], &options);
  return as_any(&views, args, count, kwnames);
}

VECTORCALL(as_gpumats) {
  static const conversion views = {
      .signature = {"as_gpumats", 1, {"images", "from_layout", EXT_ABSENT, PLACE, "copy", NULL}},
      .more = {"to_gpumat()", &transforms_to_gpumat.signature},
      .target = &ext_opencv_adapter,
      .several = true};
  (void)module;
  return as_any(&views, args, count, kwnames);
}

VECTORCALL(as_tensors) {
  static const conversion views = {
      .signature = {"as_tensors", 1, {"images", EXT_ABSENT, "keepdim", PLACE, "copy", NULL}},
      .more = {"to_tensor()", &transforms_to_tensor.signature},
      .target = &ext_torch_adapter,
      .several = true};
  (void)module;
  return as_any(&views, args, count, kwnames);
}

/* --- their documentation */

#define OWNER_DOC                                                                             \
  "owner: an object to keep alive with a GpuMat that does not own its memory; an error for\n" \
  "images that do.\n"
#define STREAM_DOC                                                                           \
  "stream: where the result will be used; None: its library's current stream (OpenCV: the\n" \
  "legacy default stream). A torch, CuPy or cv2 stream, a handle, or -1 for no ordering.\n"  \
  "producer_stream: where the image was written; None: its library's current stream.\n"
#define COPY_DOC                                                                         \
  "copy: False never moves a pixel; None copies once where a view is impossible; True\n" \
  "always gives memory of its own. device: an ordinal, \"cpu\", \"cuda\" (device 0),\n"  \
  "\"cuda:1\", a torch or CuPy device, or what View.device says.\n"
#define KEEPDIM_DOC "keepdim: a one-channel GpuMat as (H, W, 1) instead of (H, W).\n"
#define AS_KEYWORDS \
  "owner=None, copy=False, device=None, stream=None, producer_stream=None)\n--\n\n"
#define AS_DOC OWNER_DOC COPY_DOC STREAM_DOC

#define FROM_DOC                                                                              \
  "from_layout: how the source's axes are read, by the same names; None: (H, W), (H, W, C)\n" \
  "or (N, H, W, C), and a shape that looks planar is refused. Of a list it is said of each\n" \
  "image (\"CHW\").\n"
#define TO_KEYWORDS                                                                       \
  "from_layout=None, dtype=None, scale=1, mean=None, std=None, normalize=None, "          \
  "reverse_channels=False, channels=None, fill=None, out=None, resize=None, boxes=None, " \
  "device=None, "
#define VALUE_DOC                                                                                \
  "dtype: of the result: a name or any library's dtype; None: the source's, or out's. It is\n"   \
  "needed where integers are scaled by fractions.\n"                                             \
  "scale, mean, std: y = (x * scale - mean[c]) / std[c], c being the result's channel;\n"        \
  "numbers, or one number per channel. Rounded to nearest even and saturated for integers.\n"    \
  "normalize: a Normalization (IMAGENET, CLIP, UNIT, SYMMETRIC) or its name (\"imagenet\") in\n" \
  "place of these three; an error for an image of another dtype than it is made for.\n"          \
  "reverse_channels: BGR <-> RGB; alpha stays the last.\n"                                       \
  "channels: of the result: alpha (the last of 2 or 4) is dropped or added with `fill`\n"        \
  "(None: opaque), one colour is spread to three. fill where none is added is an error.\n"       \
  "resize: (height, width), or a Resize, Letterbox or CenterCrop: each image is resized into\n"  \
  "the result before its values are changed. 8-bit pixels are those of cv2.resize or of\n"       \
  "PIL.Image.resize, byte for byte. Images of a list may then have different sizes.\n"           \
  "boxes: (N, 4) of one image: x0, y0, x1, y1 in pixels, or (N, 5) with the image's index\n"     \
  "first, of any numbers, on the host or where the images are: each is cropped and resized to\n" \
  "an image of a batch. A box without a pixel is an error; in memory of a GPU, it is pad.\n"     \
  "out: memory to write to, an array, GpuMat or list of images of any library; it is\n"          \
  "returned. Empty GpuMats are created. Everything is checked before anything is written;\n"     \
  "for torch it is an in-place change of the tensor.\n"                                          \
  "device: where the result is to be (None: where the image is). An image in host memory is\n"   \
  "uploaded as it is, and needs device= where the result can only be on a GPU. A result in\n"    \
  "host memory is waited for.\n"
#define TO_DOC                                                                              \
  OWNER_DOC                                                                                 \
  "stream: where the result will be used, and where the work runs; None: the current\n"     \
  "stream of its library. producer_stream: where the image was written; None: its\n"        \
  "library's current stream. The host does not wait for a GPU.\n\n"                         \
  "Raises LayoutError, DTypeError, DeviceError, CUDAError (all ViewError), or ValueError\n" \
  "and TypeError for arguments that make no sense."

#define ARRAY_METHODS(adapter, name, class, note)                                                  \
  EXT_METHOD(as_##name, "as_" #name "($module, /, image, *, keepdim=False, " AS_KEYWORDS           \
                        "A " class " that views the image, in any layout: no pixel moves.\n" note  \
                                   "\n" KEEPDIM_DOC AS_DOC),                                       \
      EXT_METHOD(                                                                                  \
          to_##name, "to_" #name "($module, /, image, *, layout=None, " TO_KEYWORDS                \
                     "keepdim=False, owner=None, stream=None, producer_stream=None)\n--\n\n"       \
                     "A " class                                                                    \
          " of its own with the image's pixels, laid out, converted and scaled in\n"               \
          "one pass.\n\n"                                                                          \
          "image: an image of any library, a batch (four axes), or a list of images of one size\n" \
          "and type, which gives a batch.\n"                                                       \
          "layout: of the result, \"HWC\", \"CHW\", \"NHWC\", \"NCHW\", or \"HW\" and \"NHW\" "    \
          "for one\n"                                                                              \
          "channel without an axis; None: the source's. One image with an N is a batch of "        \
          "1.\n" FROM_DOC VALUE_DOC                                                                \
          "keepdim: one channel as (H, W, 1) also where the source has no such axis.\n" TO_DOC),
#define IMAGE_METHODS(adapter, name, class, note)                                                  \
  EXT_METHOD(                                                                                      \
      as_##name,                                                                                   \
      "as_" #name "($module, /, image, *, from_layout=None, " AS_KEYWORDS                          \
      "A " class " that views the image: no pixel moves.\n" note                                   \
                 "\n"                                                                              \
                 "image: (H, W) or (H, W, C), interleaved, rows packed or pitched; of any\n"       \
                 "library. It lives until the last GpuMat that views it is gone.\n"                \
                 "from_layout: how the image's axes are read, \"HWC\", \"CHW\" or \"HW\"; None: "  \
                 "(H, W) or\n"                                                                     \
                 "(H, W, C), and a shape that looks planar is refused. Channels-last memory is a " \
                 "view\n"                                                                          \
                 "as \"CHW\" too; planes need copy=None.\n" AS_DOC                                 \
                 "\n"                                                                              \
                 "Raises LayoutError, DTypeError, DeviceError, ABIError, CUDAError (all\n"         \
                 "ViewError), or TypeError for what is no image."),                                \
      EXT_METHOD(                                                                                  \
          to_##name, "to_" #name "($module, /, image, *, " TO_KEYWORDS                             \
                     "owner=None, stream=None, producer_stream=None)\n--\n\n"                      \
                     "A " class                                                                    \
          " of its own with the image's pixels, interleaved, converted and\n"                      \
          "scaled in one pass. A batch or a list gives a list of them over one block.\n\n"         \
          "image: an image of any library, a batch (four axes), or a list of images of one\n"      \
          "size and type.\n" FROM_DOC VALUE_DOC TO_DOC),

PyMethodDef ext_function_methods[] = {
    EXT_ARRAY_ADAPTERS(ARRAY_METHODS) EXT_IMAGE_ADAPTERS(IMAGE_METHODS)
        EXT_METHOD(view,
                   "view($module, /, image, *, keepdim=False, owner=None, stream=None, "
                   "producer_stream=None)\n--\n\n"
                   "A viewcast.View of the image.\n\n" KEEPDIM_DOC OWNER_DOC STREAM_DOC),
    EXT_METHOD(
        as_gpumats,
        "as_gpumats($module, /, images, *, from_layout=None, " AS_KEYWORDS
        "A list of cv2.cuda.GpuMats, each of which views one of the images: no pixel moves.\n\n"
        "images: a batch (N, H, W, C) of any library, which lives until the last GpuMat is\n"
        "gone, or a list of images, each as in as_gpumat(). Streams are looked up and ordered\n"
        "once. An exception names the image's index.\n"
        "from_layout: how the axes are read: \"NHWC\", \"NCHW\", or \"NHW\" of a batch (N, H, W) "
        "of\n"
        "one-channel images; of a list \"HWC\", \"CHW\" or \"HW\". None: as they are, and a shape\n"
        "that looks planar is refused.\n" AS_DOC),
    EXT_METHOD(as_tensors,
               "as_tensors($module, /, images, *, keepdim=False, " AS_KEYWORDS
               "A list of torch.Tensors, each of which views one of the images: no pixel moves.\n\n"
               "images: a list of images, each as in as_tensor(), or a batch (four axes) of any\n"
               "library. Streams are looked up and ordered once. An exception names the image's\n"
               "index.\n" KEEPDIM_DOC AS_DOC),
    {NULL, NULL, 0, NULL},
};
