/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/result.h"

#include <math.h>
#include <string.h>

#include "adapters/opencv.h"
#include "errors.h"
#include "holder.h"
#include "transform/memory.h"
#include "transform/values.h"

void vp_result_begin(vp_result *result) {
  result->outs.count = 0;
  result->outs.items = NULL;
  result->fresh = (vp_source){0};
  result->object = NULL;
  result->count = 0;
  result->stack = false;
  result->wanted = (vc_view){0};
  result->written = NULL;
}

void vp_result_release(vp_result *result) {
  vp_images_release(&result->outs);
  vp_release(&result->fresh.owner);
  Py_CLEAR(result->object);
  Py_CLEAR(result->written);
}

/* --- shape and dtype of what is new */

static bool is_mat(const vp_request *request) {
  return request->options.target == &vp_opencv_adapter;
}

int vp_result_dtype(const vp_request *request, vc_dtype source, vc_dtype *out) {
  *out = request->has_dtype ? request->dtype : source;
  return vp_values_check_whole(request, source);
}

static int check_layout(const vp_layout *to, const vp_geometry *read, int64_t channels) {
  const char *name = vp_layout_name(to);
  if (read->batch && !to->batch) {
    return vp_fail(VC_ERROR_LAYOUT,
                   "layout is \"%s\" and the source is a batch of %lld images, needs \"N%s\"; or "
                   "give one image",
                   name, (long long)read->images, name);
  }
  if (!to->flat || channels == 1) return 0;
  return vp_fail(
      VC_ERROR_LAYOUT,
      "layout is \"%s\" and the result has %lld channels, needs one; say \"%sC\", or make "
      "it one channel first (cv2.cvtColor)",
      name, (long long)channels, name);
}

/* Whether the result goes without an axis of channels: because layout= says so, or as the
 * source does. "NHWC" and planar layouts always have it, a GpuMat's is its own. */
static bool is_flat(const vp_request *request, const vp_geometry *read, const vp_layout *to,
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

static int plan_shape(const vp_request *request, const vp_geometry *read, vp_layout to,
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

static int refuse_host(const vp_request *request) {
  return vp_fail(
      VC_ERROR_DEVICE,
      "the image is in host memory and %s gives memory of a GPU, needs the device to "
      "upload to: say device=0, or use to_numpy or to_tensor for a result in host memory",
      request->function);
}

int vp_result_device(const vp_request *request, vc_device source, vc_device *out) {
  const vp_options *options = &request->options;
  *out = options->has_device ? options->device : source;
  if (options->target == &vp_numpy_adapter) {
    *out = (vc_device){VC_CPU, 0};
    if (!options->has_device || options->device.type == VC_CPU) return 0;
    return vp_fail(VC_ERROR_DEVICE,
                   "device= asks for %s and a NumPy array lies in host memory; use to_tensor, "
                   "to_cupy or to_gpumat",
                   vp_device_name(options->device).text);
  }
  bool needs_gpu = options->target == &vp_cupy_adapter || is_mat(request);
  if (out->type != VC_CPU || !needs_gpu || vp_is_host_mode()) return 0;
  return refuse_host(request);
}

static int plan_new(vp_request *request, const vp_geometry *read, const vp_images *from,
                    vp_result *result) {
  vp_layout to = request->to;
  if (!to.given) to = (vp_layout){.batch = read->batch, .planar = read->planar};
  if (is_mat(request)) to = (vp_layout){.batch = read->batch};
  request->params.to = to.planar ? VC_PLANAR : VC_INTERLEAVED;
  vc_device source;
  if (vp_images_device(from, &source) < 0) return -1;
  if (plan_shape(request, read, to, &result->wanted, &result->stack) < 0) return -1;
  if (vp_result_dtype(request, from->views[0].dtype, &result->wanted.dtype) < 0) return -1;
  return vp_result_device(request, source, &result->wanted.device);
}

/* --- numbers for each channel */

static const char *other_channels(const vp_request *request, const vp_geometry *read,
                                  int32_t count) {
  if (request->out) return "write to an out= of as many channels";
  if (count == 3 && read->channels == 4) return "channels=3 drops alpha";
  if (count == 3 && read->channels == 1) return "channels=3 spreads the one channel to three";
  return "if another axis holds the channels, say so with from_layout=";
}

static int check_count(const vp_request *request, const vp_geometry *read, const char *name,
                       int32_t count, int64_t channels) {
  if (count <= 1 || count == channels) return 0;
  return vp_fail(VC_ERROR_ARGUMENT,
                 "%s%s has %d values, needs 1 or one for each of the result's %lld channels; %s",
                 request->is_normalised ? "normalize=: " : "", name, (int)count,
                 (long long)channels, other_channels(request, read, count));
}

static int check_statistics(const vp_request *request, const vp_geometry *read,
                            const vp_result *result) {
  const vc_transform_params *params = &request->params;
  int64_t channels = result->stack ? 1 : vp_channels_of(&result->wanted, params->to == VC_PLANAR);
  if (check_count(request, read, "mean", params->mean_count, channels) < 0) return -1;
  return check_count(request, read, "std", params->std_count, channels);
}

/* --- what fits the sources */

static int check_sources(const vp_request *request, const vp_images *from) {
  for (size_t i = 0; i < from->count; i++) {
    if (vp_values_check_source(request, from->views[i].dtype) == 0) continue;
    return from->is_list ? vp_raise_at((Py_ssize_t)i, from->of) : -1;
  }
  return 0;
}

/* Of images of a list that go to results of their own, one that gets an alpha is enough. */
static int check_fill(const vp_request *request, const vp_geometry *read, const vp_images *from,
                      const vp_result *result) {
  bool planar = request->params.to == VC_PLANAR;
  if (isnan(request->params.fill)) return 0;
  for (size_t i = 1; i < result->count && i < from->count; i++) {
    int64_t channels = vp_channels_of(&from->views[i], read->planar);
    if (vc_transform_adds_alpha(channels, vp_channels_of(&result->views[i], planar))) return 0;
  }
  int64_t wanted = result->stack ? 1 : vp_channels_of(&result->wanted, planar);
  return vp_values_check_fill(request, read->channels, wanted);
}

int vp_result_plan(vp_request *request, const vp_geometry *read, const vp_images *from,
                   vp_result *result) {
  request->params.from = read->planar ? VC_PLANAR : VC_INTERLEAVED;
  if (check_sources(request, from) < 0) return -1;
  if (!request->out && plan_new(request, read, from, result) < 0) return -1;
  if (check_statistics(request, read, result) < 0) return -1;
  if (check_fill(request, read, from, result) < 0) return -1;
  return result->count > 1 ? 0 : vp_images_check_alike(from, request);
}

/* --- new GpuMats: one block, and a header for each image */

/* Textures, which some of OpenCV's kernels read through, want rows at such
 * addresses. */
#define ROW_ALIGNMENT 32

bool vp_result_lay_out(vc_view *view, int64_t count, int64_t *bytes) {
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
  const vp_options options = {.target = &vp_opencv_adapter};
  vc_view view = all->ndim == 4 ? vp_batch_image(all, index) : *all;
  vp_source image = {.view = view, .owner = vp_own(memory)};
  PyObject *mat = vp_opencv_adapter.export(&image, &options);
  vp_release(&image.owner);
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
static int make_gpumats(vc_stream stream, vp_result *result) {
  vc_view *all = &result->one;
  int64_t bytes = 0, count = all->ndim == 4 ? all->shape[0] : 1;
  if (!vp_result_lay_out(all, count, &bytes)) {
    PyErr_NoMemory();
    return -1;
  }
  if (vp_memory_block((size_t)bytes, all->device, stream, &result->fresh) < 0) return -1;
  all->data = result->fresh.view.data;
  PyObject *memory = vp_hold(&result->fresh.owner);
  if (!memory) return -1;
  result->fresh.owner = vp_own(memory);
  result->object = make_mats(all, memory);
  Py_DECREF(memory);
  return result->object ? 0 : -1;
}

/* --- new arrays */

/* Without a GPU a CuPy array can only lie over host memory. */
static int make_cupy_on_host(vp_result *result) {
  vc_error error;
  const vp_options options = {.target = &vp_cupy_adapter};
  vp_source array = {0};
  vc_view packed = result->wanted;
  packed.data = &packed; /* not looked at, but not NULL */
  if (vc_view_packed(packed.data, packed.device, packed.dtype, packed.ndim, packed.shape, &packed,
                     &error) != VC_OK) {
    return vp_raise(&error);
  }
  if (vp_memory_block(vc_view_nbytes(&packed), packed.device, VC_STREAM_NONE, &array) < 0)
    return -1;
  packed.data = array.view.data;
  array.view = result->one = packed;
  PyObject *memory = vp_hold(&array.owner);
  if (!memory) return -1;
  array.owner = vp_own(memory);
  result->fresh.owner = vp_own(memory);
  Py_DECREF(memory);
  result->object = vp_cupy_adapter.export(&array, &options);
  vp_release(&array.owner);
  return result->object ? 0 : -1;
}

void vp_result_lift_line(vc_view *view) {
  view->ndim = 2;
  view->shape[1] = view->shape[0];
  view->strides[1] = view->strides[0];
  view->shape[0] = 1;
}

static void drop_line(vc_view *view) {
  view->ndim = 1;
  view->shape[0] = view->shape[1];
}

int vp_result_make(const vp_request *request, vc_stream stream, vp_result *result) {
  const vp_adapter *target = request->options.target;
  const vc_view *wanted = &result->wanted;
  if (request->is_line) drop_line(&result->wanted);
  result->one = *wanted;
  result->one.readonly = 0;
  result->views = &result->one;
  result->count = 1;
  if (is_mat(request)) return make_gpumats(stream, result);
  if (target == &vp_cupy_adapter && vp_is_host_mode()) {
    if (make_cupy_on_host(result) < 0) return -1;
  } else {
    result->object = vp_memory_array(target, wanted, wanted->device, stream, &result->fresh);
    if (!result->object) return -1;
    result->one = result->fresh.view;
  }
  if (request->is_line) vp_result_lift_line(&result->one);
  if (result->stack) vp_layout_add_channel(&result->one, false);
  return 0;
}
