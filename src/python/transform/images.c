/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/images.h"

#include <stdlib.h>

#include "adapters/opencv.h"
#include "errors.h"
#include "free_threading.h"

/* --- import */

static int import_one(PyObject *image, const vp_options *options, vp_image *out) {
  out->source = (vp_source){0};
  out->from = vp_adapter_of(image);
  return PyErr_Occurred() ? -1 : out->from->import(image, options, &out->source);
}

/* Says which one of the list it was. */
static void add_index(Py_ssize_t index) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  PyObject *note = PyUnicode_FromFormat("(image %zd of the list)", index);
  PyObject *done = note ? PyObject_CallMethod(value, "add_note", "O", note) : NULL;
  Py_XDECREF(done);
  Py_XDECREF(note);
  PyErr_Clear();
  PyErr_Restore(type, value, traceback);
}

/* Importing may run Python code, which may change the list. */
static int import_list(PyObject *list, const vp_options *options, vp_images *out) {
  Py_ssize_t count = PySequence_Fast_GET_SIZE(list);
  if (count == 0) {
    PyErr_SetString(PyExc_ValueError, "the list is empty, needs at least one image");
    return -1;
  }
  out->items = calloc((size_t)count, sizeof *out->items + sizeof *out->views);
  if (!out->items) {
    PyErr_NoMemory();
    return -1;
  }
  out->views = (vc_view *)(out->items + count);
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *image = vp_item(list, i);
    if (!image) {
      PyErr_SetString(PyExc_RuntimeError, "the list of images became shorter while it was read");
      return -1;
    }
    int result = import_one(image, options, &out->items[i]);
    out->count++;
    Py_DECREF(image);
    if (result < 0) {
      add_index(i);
      return -1;
    }
    out->views[i] = out->items[i].source.view;
  }
  return 0;
}

int vp_images_import(PyObject *image, const vp_options *options, vp_images *out) {
  out->count = 0;
  out->items = NULL;
  out->is_list = PyList_Check(image) || PyTuple_Check(image);
  if (out->is_list) return import_list(image, options, out);
  out->items = &out->one;
  out->views = &out->one_view;
  out->count = 1;
  int result = import_one(image, options, &out->one);
  out->one_view = out->one.source.view;
  return result;
}

void vp_images_take(const vp_adapter *from, vp_source *source, vp_images *out) {
  out->count = 1;
  out->is_list = false;
  out->items = &out->one;
  out->views = &out->one_view;
  out->one.from = from;
  out->one.source = *source;
  out->one_view = source->view;
  source->owner = (vc_owner){0};
}

void vp_images_release(vp_images *images) {
  for (size_t i = 0; i < images->count; i++) vp_release(&images->items[i].source.owner);
  if (images->items != &images->one) free(images->items);
  images->items = NULL;
  images->count = 0;
}

/* --- where */

vc_device vp_device_of(const vc_view *view) {
  if (!vc_device_is_gpu(view->device)) return (vc_device){VC_CPU, 0};
  return (vc_device){VC_CUDA, view->device.id};
}

bool vp_device_same(vc_device a, vc_device b) { return a.type == b.type && a.id == b.id; }

vp_device_text vp_device_name(vc_device device) {
  vp_device_text out = {"host memory"};
  if (vc_device_is_gpu(device)) PyOS_snprintf(out.text, sizeof out.text, "cuda:%d", device.id);
  return out;
}

int vp_images_device(const vp_images *images, vc_device *out) {
  *out = vp_device_of(&images->views[0]);
  for (size_t i = 1; i < images->count; i++) {
    vc_device other = vp_device_of(&images->views[i]);
    if (vp_device_same(*out, other)) continue;
    return vp_fail(VC_ERROR_DEVICE,
                   "image 0 of the list is in %s and image %zu in %s, needs images of one device; "
                   "bring them together first (vc.as_tensor(x, device=, copy=None))",
                   vp_device_name(*out).text, i, vp_device_name(other).text);
  }
  return 0;
}

/* --- how */

static bool looks_planar(const vc_view *view) {
  if (view->ndim != 4) return vc_view_looks_planar(view);
  vc_view image = *view;
  image.ndim = 3;
  for (int axis = 0; axis < 3; axis++) {
    image.shape[axis] = view->shape[axis + 1];
    image.strides[axis] = view->strides[axis + 1];
  }
  return vc_view_looks_planar(&image);
}

static int refuse_planar(const vc_view *view, const char *name) {
  bool batch = view->ndim == 4;
  const int64_t *shape = view->shape + batch;
  const char *prefix = batch ? "N" : "";
  return vp_fail(VC_ERROR_LAYOUT,
                 "the image's shape (%s%lld, %lld, %lld) looks planar (%sCHW): its last axis would "
                 "be %lld channels; say %s=\"%sCHW\", or %s=\"%sHWC\" if it is what it says",
                 batch ? "N, " : "", (long long)shape[0], (long long)shape[1], (long long)shape[2],
                 prefix, (long long)shape[2], name, prefix, name, prefix);
}

static const char *layout_name(const vp_layout *layout) {
  static const char *const names[2][2] = {{"HWC", "CHW"}, {"NHWC", "NCHW"}};
  return names[layout->batch][layout->planar];
}

/* One image against what was said of it. */
static int check_axes(const vp_image *image, const vc_view *view, const vp_request *request,
                      bool is_list) {
  const vp_layout *from = &request->from;
  bool is_mat = image->from == &vp_opencv_adapter;
  if (view->ndim < 2) {
    return vp_fail(VC_ERROR_LAYOUT,
                   "the image has rank %d, needs 2 (H, W), 3 (H, W, C) or (C, H, W), or 4 (a batch); "
                   "reshape it first",
                   (int)view->ndim);
  }
  if (!from->given) {
    return is_mat || !looks_planar(view) ? 0 : refuse_planar(view, request->from_name);
  }
  if (is_mat && from->planar && view->ndim > 2) {
    return vp_fail(VC_ERROR_LAYOUT,
                   "%s is \"%s\" and the image is a cv2.cuda.GpuMat, whose pixels are always "
                   "interleaved (HWC); leave %s out",
                   request->from_name, layout_name(from), request->from_name);
  }
  if ((view->ndim == 4) == from->batch || (is_list && from->batch)) return 0;
  return vp_fail(VC_ERROR_LAYOUT, "%s is \"%s\" and the image has rank %d, needs %s",
                 request->from_name, layout_name(from), (int)view->ndim,
                 from->batch ? "4; add an axis first (x[None])"
                             : "2 or 3; say \"NHWC\" or \"NCHW\" of a batch");
}

int vp_images_read(const vp_images *images, const vp_request *request, vp_geometry *out) {
  for (size_t i = 0; i < images->count; i++) {
    if (check_axes(&images->items[i], &images->views[i], request, images->is_list) < 0) {
      if (images->is_list) add_index((Py_ssize_t)i);
      return -1;
    }
  }
  const vc_view *view = &images->views[0];
  bool four = view->ndim == 4, planar = request->from.planar;
  const int64_t *shape = view->shape + four;
  bool axis = view->ndim > 2;
  *out = (vp_geometry){
      .images = images->is_list ? (int64_t)images->count * (four ? view->shape[0] : 1)
                : four          ? view->shape[0]
                                : 1,
      .rows = shape[axis && planar ? 1 : 0],
      .cols = shape[axis && planar ? 2 : 1],
      .channels = axis ? shape[planar ? 0 : 2] : 1,
      .batch = images->is_list || four,
      .planar = planar,
      .channel_axis = axis,
  };
  return 0;
}
