/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/result.h"

#include <string.h>

#include "adapters/opencv.h"
#include "errors.h"
#include "transform/memory.h"

int vp_result_begin(vp_request *request, vp_result *result) {
  result->outs.count = 0;
  result->outs.items = NULL;
  result->fresh = (vp_source){0};
  result->object = NULL;
  result->count = 0;
  result->stack = false;
  result->wanted = (vc_view){0};
  if (!request->out) return 0;
  const vp_options plain = {.target = request->options.target, .consumer = request->options.consumer};
  if (vp_images_import(request->out, &plain, " of out", &result->outs) < 0) return -1;
  request->options.target = result->outs.items[0].from;
  return 0;
}

void vp_result_release(vp_result *result) {
  vp_images_release(&result->outs);
  vp_release(&result->fresh.owner);
  Py_CLEAR(result->object);
}

/* --- shape and dtype of what is new */

static bool is_mat(const vp_request *request) {
  return request->options.target == &vp_opencv_adapter;
}

static bool is_integer(vc_dtype dtype) {
  return dtype.code == VC_INT || dtype.code == VC_UINT || dtype.code == VC_BOOL;
}

static int plan_dtype(const vp_request *request, const vp_images *from, vc_dtype *out) {
  *out = request->has_dtype ? request->dtype : from->views[0].dtype;
  if (!request->is_normalised || request->has_dtype || !is_integer(*out)) return 0;
  PyErr_Format(PyExc_ValueError,
               "normalize= gives fractions, and the result would be %s as the source is; say which "
               "type it is to be (dtype=\"float32\")",
               vc_dtype_name(*out));
  return -1;
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
  return vp_fail(VC_ERROR_LAYOUT,
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
  return vp_fail(VC_ERROR_DEVICE,
                 "the image is in host memory and %s gives memory of a GPU, needs the device to "
                 "upload to: say device=0, or use to_numpy or to_tensor for a result in host memory",
                 request->function);
}

static int plan_device(const vp_request *request, vc_device source, vc_device *out) {
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
  if (plan_dtype(request, from, &result->wanted.dtype) < 0) return -1;
  return plan_device(request, source, &result->wanted.device);
}

/* --- out= */

static int check_out_layout(const vp_request *request, const vp_image *out, const vc_view *view,
                            bool is_list) {
  const vp_layout *to = &request->to;
  if (view->ndim < 2 || (is_list && view->ndim > 3)) {
    return vp_fail(VC_ERROR_LAYOUT, "out has rank %d, needs %s", (int)view->ndim,
                   is_list ? "2 or 3 in a list of images" : "2, 3, or 4 for a batch");
  }
  if (!to->given) return 0;
  if (to->planar && out->from == &vp_opencv_adapter && view->ndim > 2) {
    return vp_fail(VC_ERROR_LAYOUT,
                   "layout is \"%s\" and out is a cv2.cuda.GpuMat, whose pixels are always "
                   "interleaved (HWC); leave layout out",
                   vp_layout_name(to));
  }
  int32_t rank = (to->flat ? 2 : 3) + (to->batch && !is_list);
  if (view->ndim == rank || (view->ndim == 2 && rank == 3 && !to->batch)) return 0;
  if (is_list && !to->flat) return 0;
  return vp_fail(VC_ERROR_LAYOUT, "layout is \"%s\" and out has rank %d, needs %s%d%s",
                 vp_layout_name(to), (int)view->ndim, rank == 3 && !to->flat ? "2 or " : "", (int)rank,
                 view->ndim == rank - 1 ? "; add an axis (out[None])" : "");
}

/* An out= of axes (N, H, W): because layout= says so, or as the source has. */
static bool is_stack(const vp_request *request, const vp_images *outs) {
  const vp_layout *to = request->to.given ? &request->to : &request->options.from;
  return to->batch && to->flat && !outs->is_list && outs->views[0].ndim == 3 &&
         !outs->items[0].from->interleaved;
}

static int64_t channels_of(const vc_view *view, bool planar) {
  return view->ndim == 2 ? 1 : view->shape[(view->ndim == 4) + (planar ? 0 : 2)];
}

static int check_out_values(const vp_request *request, const vc_view *view) {
  if (request->has_dtype && (request->dtype.code != view->dtype.code ||
                             request->dtype.bits != view->dtype.bits)) {
    return vp_fail(VC_ERROR_DTYPE, "dtype= asks for %s and out is %s, needs the same; leave dtype out",
                   vc_dtype_name(request->dtype), vc_dtype_name(view->dtype));
  }
  int64_t channels = channels_of(view, request->params.to == VC_PLANAR);
  if (request->channels && request->channels != channels) {
    return vp_fail(VC_ERROR_LAYOUT,
                   "channels= asks for %d and out has %lld, needs as many; leave channels out",
                   (int)request->channels, (long long)channels);
  }
  vc_device device = vp_device_of(view);
  if (!request->options.has_device || vp_device_same(device, request->options.device)) return 0;
  return vp_fail(VC_ERROR_DEVICE, "device= asks for %s and out is in %s; leave device out",
                 vp_device_name(request->options.device).text, vp_device_name(device).text);
}

static bool are_alike(const vc_view *a, const vc_view *b) {
  return a->ndim == b->ndim && a->dtype.code == b->dtype.code && a->dtype.bits == b->dtype.bits &&
         a->readonly == b->readonly &&
         memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0 &&
         memcmp(a->strides, b->strides, (size_t)a->ndim * sizeof *a->strides) == 0;
}

/* Images that follow each other at one distance are a batch. */
static bool join_outs(const vc_view *views, size_t count, bool planar, vc_view *out) {
  int64_t low, high, step = (char *)views[1].data - (char *)views[0].data;
  vc_view_span(&views[0], &low, &high);
  if (step < high - low) return false;
  for (size_t i = 1; i < count; i++) {
    if (!are_alike(&views[0], &views[i])) return false;
    if ((char *)views[i].data - (char *)views[i - 1].data != step) return false;
  }
  *out = views[0];
  out->ndim = 4;
  int channel = planar ? 1 : 3, axis = 0; /* (H, W) has no axis of channels yet */
  out->shape[0] = (int64_t)count;
  out->strides[0] = step;
  for (int i = 1; i < 4; i++) {
    bool added = views[0].ndim == 2 && i == channel;
    out->shape[i] = added ? 1 : views[0].shape[axis];
    out->strides[i] = added ? 0 : views[0].strides[axis];
    axis += !added;
  }
  return true;
}

/* Images that are written one after another: none may be another's, or a source. */
static int check_apart(const vp_images *outs, const vp_images *from) {
  vc_error error;
  vc_overlap found;
  if (vc_views_find_overlap(outs->views, outs->count, from->views, from->count, &found, &error) !=
      VC_OK) {
    return vp_raise(&error);
  }
  switch (found.kind) {
    case VC_OVERLAPS_NOTHING: return 0;
    case VC_OVERLAPS_ITSELF:
      return vp_fail(VC_ERROR_LAYOUT,
                     "image %zu of out: its elements overlap (an expanded or sliding view), needs "
                     "memory of its own for each",
                     found.to);
    case VC_OVERLAPS_DESTINATION:
      return vp_fail(VC_ERROR_VALUE, "images %zu and %zu of out share memory, need memory of their own",
                     found.to, found.other);
    default:
      return vp_fail(VC_ERROR_VALUE,
                     "image %zu of out shares memory with source %zu: it would be read after it was "
                     "written; write into other memory (no out=)",
                     found.to, found.other);
  }
}

static int check_one_out(const vp_request *request, const vp_images *outs, size_t index) {
  vc_view *view = &outs->views[index];
  if (check_out_layout(request, &outs->items[index], view, outs->is_list) < 0) return -1;
  if (is_stack(request, outs)) vp_layout_add_channel(view);
  return check_out_values(request, view);
}

static int check_outs(const vp_request *request, const vp_images *outs) {
  for (size_t i = 0; i < outs->count; i++) {
    if (check_one_out(request, outs, i) == 0) continue;
    return outs->is_list ? vp_raise_at((Py_ssize_t)i, outs->of) : -1;
  }
  return 0;
}

static int plan_outs(vp_request *request, const vp_geometry *read, const vp_images *from,
                     vp_result *result) {
  const vp_images *outs = &result->outs;
  bool interleaved = request->is_mat || outs->items[0].from == &vp_opencv_adapter;
  bool planar = request->to.given ? request->to.planar : read->planar && !interleaved;
  vc_device device;
  request->params.to = planar ? VC_PLANAR : VC_INTERLEAVED;
  if (check_outs(request, outs) < 0 || vp_images_device(outs, &device) < 0) return -1;
  if (outs->is_list && (int64_t)outs->count != read->images) {
    return vp_fail(VC_ERROR_LAYOUT, "out is a list of %zu and there %s %lld image%s, needs as many",
                   outs->count, read->images == 1 ? "is" : "are", (long long)read->images,
                   read->images == 1 ? "" : "s");
  }
  result->object = Py_NewRef(request->out);
  result->wanted = outs->views[0];
  result->wanted.device = device;
  result->views = outs->views;
  result->count = outs->count;
  if (outs->count < 2) return 0;
  if (!join_outs(outs->views, outs->count, planar, &result->one)) return check_apart(outs, from);
  result->views = &result->one;
  result->count = 1;
  return 0;
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
                 request->is_normalised ? "normalize=: " : "", name, (int)count, (long long)channels,
                 other_channels(request, read, count));
}

static int check_statistics(const vp_request *request, const vp_geometry *read,
                            const vp_result *result) {
  const vc_transform_params *params = &request->params;
  int64_t channels = result->stack ? 1 : channels_of(&result->wanted, params->to == VC_PLANAR);
  if (check_count(request, read, "mean", params->mean_count, channels) < 0) return -1;
  return check_count(request, read, "std", params->std_count, channels);
}

int vp_result_plan(vp_request *request, const vp_geometry *read, const vp_images *from,
                   vp_result *result) {
  request->params.from = read->planar ? VC_PLANAR : VC_INTERLEAVED;
  int planned = request->out ? plan_outs(request, read, from, result)
                             : plan_new(request, read, from, result);
  if (planned < 0 || check_statistics(request, read, result) < 0) return -1;
  return result->count > 1 ? 0 : vp_images_check_alike(from, request);
}

/* --- new GpuMats: one block, and a header for each image */

/* Textures, which some of OpenCV's kernels read through, want rows at such
 * addresses. */
#define ROW_ALIGNMENT 32

/* Steps of the axes (N, H, W, C) and the bytes of it all. False if that is more
 * than there can be. */
static bool lay_out(vc_view *view, int64_t count, int64_t *bytes) {
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
  if (!lay_out(all, count, &bytes)) {
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
  if (vp_memory_block(vc_view_nbytes(&packed), packed.device, VC_STREAM_NONE, &array) < 0) return -1;
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
  if (result->object) return 0;
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
  if (result->stack) vp_layout_add_channel(&result->one);
  return 0;
}
