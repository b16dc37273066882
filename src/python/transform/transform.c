/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/transform.h"

#include "adapters/list.h"
#include "arguments.h"
#include "errors.h"
#include "transform/out.h"
#include "transform/run.h"

/* The result, with the images imported and read. */
static PyObject *carry_out(ext_request *request, const ext_geometry *read, ext_images *from,
                           ext_result *result) {
  ext_run run;
  if (request->out && ext_outs_plan(request, read, from, result) < 0) return NULL;
  if (ext_result_plan(request, read, from, result) < 0) return NULL;
  if (ext_run_begin(request, from, result, &run) < 0) return NULL;
  int done = request->out ? ext_outs_make(request, from, run.stream, result)
                          : ext_result_make(request, run.stream, result);
  if (done == 0) done = ext_run_all(&run);
  if (request->out && run.has_written) done = ext_outs_finish(result, done);
  return done == 0 ? Py_NewRef(result->object) : NULL;
}

static PyObject *transform(PyObject *image, ext_request *request) {
  ext_images from = {.items = NULL};
  ext_result result;
  ext_geometry read;
  PyObject *made = NULL;
  ext_drain();
  ext_result_begin(&result);
  if ((!request->out || ext_outs_import(request, &result) == 0) &&
      ext_images_import(image, &request->options, "", &from) == 0 &&
      ext_images_read(&from, &request->options.from, &read) == 0) {
    made = carry_out(request, &read, &from, &result);
  }
  ext_images_release(&from);
  ext_result_release(&result);
  return made;
}

PyObject *ext_transform_copy(const ext_adapter *from, const ext_options *options,
                             ext_source *source, vc_device device) {
  ext_request request;
  ext_images images;
  ext_result result;
  ext_geometry read;
  PyObject *made = NULL;
  ext_request_init(&request, options->target);
  request.options = *options;
  request.options.device = device;
  request.options.has_device = true;
  request.options.orders = NULL; /* they are for the target's stream, of views */
  request.is_line = source->view.ndim == 1 && !options->target->interleaved;
  if (request.is_line) ext_result_lift_line(&source->view);
  request.options.from = (ext_layout){.given = true, .batch = source->view.ndim == 4};
  ext_images_take(from, source, &images);
  ext_result_begin(&result);
  if (ext_images_read(&images, &request.options.from, &read) == 0) {
    made = carry_out(&request, &read, &images, &result);
  }
  ext_images_release(&images);
  ext_result_release(&result);
  return made;
}

/* --- the module's functions */

static PyObject *to_target(const char *function, const ext_adapter *target, PyObject *const *args,
                           Py_ssize_t count, PyObject *kwnames) {
  ext_request request;
  PyObject *image;
  ext_request_init(&request, target);
  if (ext_request_read(function, target->interleaved, args, count, kwnames, &request, &image) < 0) {
    return NULL;
  }
  return transform(image, &request);
}

#define TO_TARGET(adapter, name, ...)                                                   \
  static PyObject *to_##name(PyObject *module, PyObject *const *args, Py_ssize_t count, \
                             PyObject *kwnames) {                                       \
    (void)module;                                                                       \
    return to_target("to_" #name, &ext_##adapter##_adapter, args, count, kwnames);      \
  }
EXT_ARRAY_ADAPTERS(TO_TARGET)
EXT_IMAGE_ADAPTERS(TO_TARGET)

#define FROM_DOC                                                                              \
  "from_layout: how the source's axes are read, by the same names; None: (H, W), (H, W, C)\n" \
  "or (N, H, W, C), and a shape that looks planar is refused. Of a list it is said of each\n" \
  "image (\"CHW\").\n"
#define ARRAY_SIGNATURE                                                                    \
  "($module, /, image, *, layout=None, from_layout=None, dtype=None, scale=1, mean=None, " \
  "std=None, normalize=None, reverse_channels=False, channels=None, fill=None, out=None, " \
  "device=None, keepdim=False, owner=None, stream=None, producer_stream=None)\n--\n\n"
#define ARRAY_DOC                                                                                \
  "image: an image of any library, a batch (four axes), or a list of images of one size\n"       \
  "and type, which gives a batch.\n"                                                             \
  "layout: of the result, \"HWC\", \"CHW\", \"NHWC\", \"NCHW\", or \"HW\" and \"NHW\" for one\n" \
  "channel without an axis; None: the source's. One image with an N is a batch of 1.\n" FROM_DOC
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
  "out: memory to write to, an array, GpuMat or list of images of any library; it is\n"          \
  "returned. Empty GpuMats are created. Everything is checked before anything is written;\n"     \
  "for torch it is an in-place change of the tensor.\n"
#define DEVICE_DOC                                                                              \
  "device: where the result is to be (None: where the image is). An image in host memory is\n"  \
  "uploaded as it is, and needs device= where the result can only be on a GPU; NumPy's is on\n" \
  "the host, and the call waits for it.\n"
#define PLACE_DOC                                                                             \
  "owner: an object to keep alive with a GpuMat that does not own its memory; an error for\n" \
  "images that do.\n"                                                                         \
  "stream: where the result will be used, and where the work runs; None: the current\n"       \
  "stream of its library. producer_stream: where the image was written; None: its\n"          \
  "library's current stream. The host does not wait for a GPU.\n\n"                           \
  "Raises LayoutError, DTypeError, DeviceError, CUDAError (all ViewError), or ValueError\n"   \
  "and TypeError for arguments that make no sense."

#define ARRAY_METHOD(adapter, name, class, note)                                 \
  EXT_METHOD(                                                                    \
      to_##name, "to_" #name ARRAY_SIGNATURE "A " class                          \
      " of its own with the image's pixels, laid out, converted and scaled in\n" \
      "one pass.\n\n" ARRAY_DOC VALUE_DOC DEVICE_DOC                             \
      "keepdim: one channel as (H, W, 1) also where the source has no such axis.\n" PLACE_DOC),
#define IMAGE_METHOD(adapter, name, class, note)                                                 \
  EXT_METHOD(to_##name,                                                                          \
             "to_" #name                                                                         \
             "($module, /, image, *, from_layout=None, dtype=None, scale=1, mean=None, "         \
             "std=None, normalize=None, reverse_channels=False, channels=None, fill=None, "      \
             "out=None, device=None, owner=None, stream=None, producer_stream=None)\n--\n\n"     \
             "A " class                                                                          \
             " of its own with the image's pixels, interleaved, converted and\n"                 \
             "scaled in one pass. A batch or a list gives a list of them over one block.\n\n"    \
             "image: an image of any library, a batch (four axes), or a list of images of one\n" \
             "size and type.\n" FROM_DOC VALUE_DOC DEVICE_DOC PLACE_DOC),

PyMethodDef ext_transform_methods[] = {
    EXT_ARRAY_ADAPTERS(ARRAY_METHOD) EXT_IMAGE_ADAPTERS(IMAGE_METHOD){NULL, NULL, 0, NULL},
};
