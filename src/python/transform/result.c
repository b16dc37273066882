/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/result.h"

#include <math.h>
#include <string.h>

#include "adapters/opencv.h"
#include "errors.h"
#include "holder.h"
#include "transform/memory.h"
#include "transform/values.h"

void ext_result_begin(ext_result *result) {
  result->outs.count = 0;
  result->outs.items = NULL;
  result->fresh = (ext_source){0};
  result->object = NULL;
  result->count = 0;
  result->stack = false;
  result->wanted = (vc_view){0};
  result->written = NULL;
}

void ext_result_release(ext_result *result) {
  ext_images_release(&result->outs);
  ext_release(&result->fresh.owner);
  Py_CLEAR(result->object);
  Py_CLEAR(result->written);
}

/* --- shape and dtype of what is new */

static bool is_mat(const ext_request *request) {
  return request->options.target == &ext_opencv_adapter;
}

int ext_result_dtype(const ext_request *request, vc_dtype source, vc_dtype *out) {
  *out = request->has_dtype ? request->dtype : source;
  return ext_values_check_whole(request, source);
}

static int check_layout(const ext_layout *to, const ext_geometry *read, int64_t channels) {
  const char *name = ext_layout_name(to);
  if (read->batch && !to->batch) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "layout is \"%s\" and the source is a batch of %lld images, needs \"N%s\"; or "
                    "give one image",
                    name, (long long)read->images, name);
  }
  if (!to->flat || channels == 1) return 0;
  return ext_fail(
      VC_ERROR_LAYOUT,
      "layout is \"%s\" and the result has %lld channels, needs one; say \"%sC\", or make "
      "it one channel first (cv2.cvtColor)",
      name, (long long)channels, name);
}

/* Whether the result goes without an axis of channels: because layout= says so, or as the
 * source does. "NHWC" and planar layouts always have it, a GpuMat's is its own. */
static bool is_flat(const ext_request *request, const ext_geometry *read, const ext_layout *to,
                    int64_t channels) {
  if (to->flat) return true;
  if (channels != 1 || request->options.keepdim || read->channel_axis || to->planar) return false;
  return !is_mat(request) && (!to->batch || (!request->to.given && request->options.from.flat));
}

static void set_axes(vc_view *view, int32_t ndim, int64_t a, int64_t b, int64_t c, int64_t d) {
  const int64_t shape[] = {a, b, c, d};
  view->ndim = ndim;
  memcpy(view->shape, shape, sizeof shape);
}

static int plan_shape(const ext_request *request, const ext_geometry *read, ext_layout to,
                      vc_view *out, bool *stack) {
  int64_t channels = request->channels ? request->channels : read->channels;
  int64_t count = read->images, rows = read->rows, cols = read->cols;
  if (check_layout(&to, read, channels) < 0) return -1;
  bool flat = is_flat(request, read, &to, channels);
  if (to.batch && to.planar) {
    set_axes(out, 4, count, channels, rows, cols);
  } else if (to.batch) {
    set_axes(out, flat ? 3 : 4, count, rows, cols, channels);
  } else if (to.planar) {
    set_axes(out, 3, channels, rows, cols, 0);
  } else {
    set_axes(out, flat ? 2 : 3, rows, cols, channels, 0);
  }
  *stack = flat && to.batch;
  return 0;
}

/* --- where */

static int refuse_host(const ext_request *request) {
  return ext_fail(
      VC_ERROR_DEVICE,
      "the image is in host memory and %s gives memory of a GPU, needs the device to "
      "upload to: say device=0, or use to_numpy or to_tensor for a result in host memory",
      request->function);
}

int ext_result_device(const ext_request *request, vc_device source, vc_device *out) {
  const ext_options *options = &request->options;
  *out = options->has_device ? options->device : source;
  if (options->target == &ext_numpy_adapter) {
    *out = (vc_device){VC_CPU, 0};
    if (!options->has_device || options->device.type == VC_CPU) return 0;
    return ext_fail(VC_ERROR_DEVICE,
                    "device= asks for %s and a NumPy array lies in host memory; use to_tensor, "
                    "to_cupy or to_gpumat",
                    ext_device_name(options->device).text);
  }
  bool needs_gpu = options->target == &ext_cupy_adapter || is_mat(request);
  if (out->type != VC_CPU || !needs_gpu || ext_is_host_mode()) return 0;
  return refuse_host(request);
}

static int plan_new(ext_request *request, const ext_geometry *read, const ext_images *from,
                    ext_result *result) {
  ext_layout to = request->to;
  if (!to.given) to = (ext_layout){.batch = read->batch, .planar = read->planar};
  if (is_mat(request)) to = (ext_layout){.batch = read->batch};
  request->params.to = to.planar ? VC_PLANAR : VC_INTERLEAVED;
  vc_device source;
  if (ext_images_device(from, &source) < 0) return -1;
  if (plan_shape(request, read, to, &result->wanted, &result->stack) < 0) return -1;
  if (ext_result_dtype(request, from->views[0].dtype, &result->wanted.dtype) < 0) return -1;
  return ext_result_device(request, source, &result->wanted.device);
}

/* --- numbers for each channel */

static const char *other_channels(const ext_request *request, const ext_geometry *read,
                                  int32_t count) {
  if (request->out) return "write to an out= of as many channels";
  if (count == 3 && read->channels == 4) return "channels=3 drops alpha";
  if (count == 3 && read->channels == 1) return "channels=3 spreads the one channel to three";
  return "if another axis holds the channels, say so with from_layout=";
}

static int check_count(const ext_request *request, const ext_geometry *read, const char *name,
                       int32_t count, int64_t channels) {
  if (count <= 1 || count == channels) return 0;
  return ext_fail(VC_ERROR_ARGUMENT,
                  "%s%s has %d values, needs 1 or one for each of the result's %lld channels; %s",
                  request->is_normalised ? "normalize=: " : "", name, (int)count,
                  (long long)channels, other_channels(request, read, count));
}

static int check_statistics(const ext_request *request, const ext_geometry *read,
                            const ext_result *result) {
  const vc_transform_params *params = &request->params;
  int64_t channels = result->stack ? 1 : ext_channels_of(&result->wanted, params->to == VC_PLANAR);
  if (check_count(request, read, "mean", params->mean_count, channels) < 0) return -1;
  return check_count(request, read, "std", params->std_count, channels);
}

/* --- what fits the sources */

static int check_sources(const ext_request *request, const ext_images *from) {
  for (size_t i = 0; i < from->count; i++) {
    if (ext_values_check_source(request, from->views[i].dtype) == 0) continue;
    return from->is_list ? ext_raise_at((Py_ssize_t)i, from->of) : -1;
  }
  return 0;
}

/* Of images of a list that go to results of their own, one that gets an alpha is enough. */
static int check_fill(const ext_request *request, const ext_geometry *read, const ext_images *from,
                      const ext_result *result) {
  bool planar = request->params.to == VC_PLANAR;
  if (isnan(request->params.fill)) return 0;
  for (size_t i = 1; i < result->count && i < from->count; i++) {
    int64_t channels = ext_channels_of(&from->views[i], read->planar);
    if (vc_transform_adds_alpha(channels, ext_channels_of(&result->views[i], planar))) return 0;
  }
  int64_t wanted = result->stack ? 1 : ext_channels_of(&result->wanted, planar);
  return ext_values_check_fill(request, read->channels, wanted);
}

int ext_result_plan(ext_request *request, const ext_geometry *read, const ext_images *from,
                    ext_result *result) {
  request->params.from = read->planar ? VC_PLANAR : VC_INTERLEAVED;
  if (check_sources(request, from) < 0) return -1;
  if (!request->out && plan_new(request, read, from, result) < 0) return -1;
  if (check_statistics(request, read, result) < 0) return -1;
  if (check_fill(request, read, from, result) < 0) return -1;
  return result->count > 1 ? 0 : ext_images_check_alike(from, request);
}

/* --- new GpuMats: one block, and a header for each image */

/* Textures, which some of OpenCV's kernels read through, want rows at such
 * addresses. */
#define ROW_ALIGNMENT 32

bool ext_result_lay_out(vc_view *view, int64_t count, int64_t *bytes) {
  int64_t size = (int64_t)vc_dtype_size(view->dtype), row, step, image;
  const int64_t *shape = view->shape + (view->ndim == 4);
  int64_t *strides = view->strides + (view->ndim == 4);
  if (__builtin_mul_overflow(shape[2], size, &strides[1])) return false;
  strides[2] = size;
  if (__builtin_mul_overflow(shape[1], strides[1], &row)) return false;
  step = row;
  if (shape[0] > 1 || count > 1) {
    if (__builtin_add_overflow(row, ROW_ALIGNMENT - 1, &step)) return false;
    step = step / ROW_ALIGNMENT * ROW_ALIGNMENT;
  }
  strides[0] = step;
  if (__builtin_mul_overflow(shape[0], step, &image)) return false;
  view->strides[0] = view->ndim == 4 ? image : step;
  return !__builtin_mul_overflow(image, count, bytes);
}

static PyObject *make_mat(const vc_view *all, int64_t index, PyObject *memory) {
  const ext_options options = {.target = &ext_opencv_adapter};
  vc_view view = all->ndim == 4 ? ext_batch_image(all, index) : *all;
  ext_source image = {.view = view, .owner = ext_own(memory)};
  PyObject *mat = ext_opencv_adapter.export(&image, &options);
  ext_release(&image.owner);
  return mat;
}

static PyObject *make_mats(const vc_view *all, PyObject *memory) {
  if (all->ndim == 3) return make_mat(all, 0, memory);
  PyObject *list = PyList_New((Py_ssize_t)all->shape[0]);
  for (int64_t i = 0; list && i < all->shape[0]; i++) {
    PyObject *mat = make_mat(all, i, memory);
    if (!mat) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, i, mat);
    }
  }
  return list;
}

/* The GpuMats hold the block; result->fresh does so until the call is over. */
static int make_gpumats(vc_stream stream, ext_result *result) {
  vc_view *all = &result->one;
  int64_t bytes = 0, count = all->ndim == 4 ? all->shape[0] : 1;
  if (!ext_result_lay_out(all, count, &bytes)) {
    PyErr_NoMemory();
    return -1;
  }
  if (ext_memory_block((size_t)bytes, all->device, stream, &result->fresh) < 0) return -1;
  all->data = result->fresh.view.data;
  PyObject *memory = ext_keepalive(&result->fresh.owner);
  if (!memory) return -1;
  result->fresh.owner = ext_own(memory);
  result->object = make_mats(all, memory);
  Py_DECREF(memory);
  return result->object ? 0 : -1;
}

/* --- new arrays */

/* Without a GPU a CuPy array can only lie over host memory. */
static int make_cupy_on_host(ext_result *result) {
  vc_error error;
  const ext_options options = {.target = &ext_cupy_adapter};
  ext_source array = {0};
  vc_view packed = result->wanted;
  packed.data = &packed; /* not looked at, but not NULL */
  if (vc_view_packed(packed.data, packed.device, packed.dtype, packed.ndim, packed.shape, &packed,
                     &error) != VC_OK) {
    return ext_raise(&error);
  }
  if (ext_memory_block(vc_view_nbytes(&packed), packed.device, VC_STREAM_NONE, &array) < 0)
    return -1;
  packed.data = array.view.data;
  array.view = result->one = packed;
  PyObject *memory = ext_keepalive(&array.owner);
  if (!memory) return -1;
  array.owner = ext_own(memory);
  result->fresh.owner = ext_own(memory);
  Py_DECREF(memory);
  result->object = ext_cupy_adapter.export(&array, &options);
  ext_release(&array.owner);
  return result->object ? 0 : -1;
}

void ext_result_lift_line(vc_view *view) {
  view->ndim = 2;
  view->shape[1] = view->shape[0];
  view->strides[1] = view->strides[0];
  view->shape[0] = 1;
}

static void drop_line(vc_view *view) {
  view->ndim = 1;
  view->shape[0] = view->shape[1];
}

int ext_result_make(const ext_request *request, vc_stream stream, ext_result *result) {
  const ext_adapter *target = request->options.target;
  const vc_view *wanted = &result->wanted;
  if (request->is_line) drop_line(&result->wanted);
  result->one = *wanted;
  result->one.readonly = 0;
  result->views = &result->one;
  result->count = 1;
  if (is_mat(request)) return make_gpumats(stream, result);
  if (target == &ext_cupy_adapter && ext_is_host_mode()) {
    if (make_cupy_on_host(result) < 0) return -1;
  } else {
    result->object = ext_memory_array(target, wanted, wanted->device, stream, &result->fresh);
    if (!result->object) return -1;
    result->one = result->fresh.view;
  }
  if (request->is_line) ext_result_lift_line(&result->one);
  if (result->stack) ext_layout_add_channel(&result->one, false);
  return 0;
}
