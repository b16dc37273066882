/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a call: view, copy or transform; the shape, dtype and device of the result. */
#include "plan.h"

#include <math.h>
#include <string.h>

#include "device.h"
#include "errors.h"
#include "values.h"

/* --- a view or a copy */

int ext_plan_check_device(const ext_options *options) {
  bool fits = !options->target->on_host || !options->has_device || options->device.type == VC_CPU;
  return fits ? 0
              : ext_fail(VC_ERROR_DEVICE,
                         "device= asks for cuda:%d and a %s lies in host memory; leave device out, "
                         "or take a function for arrays of GPUs (tensor, cupy, gpumat)",
                         (int)options->device.id, options->target->name);
}

static bool is_elsewhere(vc_device memory, vc_device wanted) {
  if (wanted.type == VC_CPU) return vc_device_is_gpu(memory);
  return !vc_device_is_gpu(memory) || memory.id != wanted.id;
}

/* Whether no object of the target can be over this memory. Managed memory is host memory too. */
static bool is_impossible(const ext_adapter *target, const vc_view *view) {
  return (view->readonly && target->writable) || (target->fits && !target->fits(view)) ||
         (target->on_host && view->device.type == VC_CUDA);
}

static int refuse_copy(const ext_options *options, const vc_view *view) {
  return ext_fail(
      VC_ERROR_DEVICE,
      "the image is in %s and device= asks for %s: a view can't cross devices; allow a "
      "copy with copy=None",
      ext_device_name(view->device).text,
      options->device.type == VC_CPU ? "the host" : ext_device_name(options->device).text);
}

int ext_plan_copy_where_asked(const ext_options *options, const ext_source *source) {
  if (options->copy == EXT_COPY_ALWAYS) return 1;
  bool may_copy = options->copy == EXT_COPY_IF_NEEDED;
  if (may_copy && is_impossible(options->target, &source->view)) return 1;
  if (!options->has_device || !is_elsewhere(source->view.device, options->device)) return 0;
  return may_copy ? 1 : refuse_copy(options, &source->view);
}

/* If the first two images are aligned, so is the distance between them, and with it every image. */
int ext_plan_copy_of_batch(const ext_options *options, const ext_source *batch) {
  int needed = 0;
  for (int64_t i = 0; needed == 0 && i < batch->view.shape[0] && i < 2; i++) {
    ext_source image = *batch;
    image.view = ext_batch_image(&batch->view, i);
    needed = ext_plan_copy(options, &image);
  }
  return needed;
}

vc_device ext_plan_copy_device(const ext_options *options, const ext_source *source) {
  if (options->target->on_host) return (vc_device){VC_CPU, 0};
  return options->has_device ? options->device : ext_device_of(&source->view);
}

/* --- what a call asks for */

void ext_request_init(ext_request *out, const ext_adapter *target) {
  out->function = "";
  out->options = (ext_options){.target = target};
  vc_transform_params_init(&out->params);
  out->is_mat = target->interleaved;
  out->to = (ext_layout){0};
  out->has_dtype = false;
  out->channels = 0;
  out->is_normalised = out->has_source = false;
  out->is_line = false;
  out->out = NULL;
  out->boxes = NULL;
  out->pad_is_default = false;
}

bool ext_request_is_plain(const ext_request *request) {
  const vc_transform_params *params = &request->params;
  return params->scale == 1 && !params->mean && !params->std && !params->reverse_channels &&
         !params->resize;
}

/* --- the result */

void ext_result_begin(ext_result *result) {
  result->outs.count = 0;
  result->outs.items = NULL;
  result->outs.yuv = NULL;
  result->outs.planes = NULL;
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

static bool is_mat(const ext_request *request) { return request->options.target->interleaved; }

int ext_result_dtype(const ext_request *request, vc_dtype source, vc_dtype *out) {
  *out = request->has_dtype ? request->dtype : source;
  return ext_values_check_whole(request, source);
}

static int check_layout(const ext_layout *to, const ext_geometry *read, int64_t channels) {
  const char *name = ext_layout_name(to);
  if (read->batch && !to->batch) {
    return ext_fail(
        VC_ERROR_LAYOUT,
        "layout is \"%s\" and %s a batch of %lld images, needs \"N%s\"; or give one image", name,
        read->boxes ? "boxes make" : "the source is", (long long)read->images, name);
  }
  if (!to->flat || channels == 1) return 0;
  return ext_fail(
      VC_ERROR_LAYOUT,
      "layout is \"%s\" and the result has %lld channels, needs one; say \"%sC\", or make "
      "it one channel first (cv2.cvtColor)",
      name, (long long)channels, name);
}

/* Whether the result has no axis of channels: because layout= says so, or because the source has
 * none. "NHWC" and planar layouts always have one, and a GpuMat has it in its header. */
static bool is_flat(const ext_request *request, const ext_geometry *read, const ext_layout *to,
                    int64_t channels) {
  if (to->flat) return true;
  if (channels != 1 || request->options.keepdim || read->channel_axis || to->planar) return false;
  if (read->boxes && !request->to.given) return false; /* NHWC */
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
  if (options->target->on_host) {
    *out = (vc_device){VC_CPU, 0};
    return ext_plan_check_device(options);
  }
  if (out->type != VC_CPU || !options->target->on_gpu || ext_is_host_mode()) return 0;
  return refuse_host(request);
}

static int plan_new(ext_request *request, const ext_geometry *read, const ext_images *from,
                    ext_result *result) {
  ext_layout to = request->to;
  if (!to.given) to = (ext_layout){.batch = read->batch, .planar = read->planar && !read->boxes};
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

/* fill= must have an effect. Where the images of a list have results of their own, one that gets
 * an alpha channel is enough. */
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

/* --- new arrays */

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
  if (request->is_line) drop_line(&result->wanted);
  result->object = request->options.target->empty(&result->wanted, stream, &result->fresh);
  if (!result->object) return -1;
  result->one = result->fresh.view;
  result->one.readonly = 0;
  result->views = &result->one;
  result->count = 1;
  if (request->is_line) ext_result_lift_line(&result->one);
  if (result->stack) ext_layout_add_channel(&result->one, false);
  return 0;
}
