/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a call: view, copy or transform; the shape, dtype and device of the result. */
#include "plan.h"

#include <math.h>
#include <stddef.h>
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

int ext_plan_copy(const ext_options *options, const ext_source *source) {
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
  memset(out, 0, offsetof(ext_request, mean));
  out->function = "";
  out->options.target = target;
  out->is_mat = target->interleaved;
  vc_transform_params_init(&out->params);
}

bool ext_request_is_plain(const ext_request *request) {
  const vc_transform_params *params = &request->params;
  return params->scale == 1 && !params->mean && !params->std && !params->reverse_channels &&
         !params->resize;
}

/* --- shape and device of what is new */

static int check_layout(const ext_layout *to, const ext_geometry *read, int64_t channels) {
  if (read->batch && !to->batch) {
    const char *name = ext_layout_name(to);
    return ext_fail(
        VC_ERROR_LAYOUT,
        "layout is \"%s\" and %s a batch of %lld images, needs \"N%s\"; or give one image", name,
        read->boxes ? "boxes make" : "the source is", (long long)read->images, name);
  }
  if (!to->flat || channels == 1) return 0;
  const char *name = ext_layout_name(to);
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
  return !request->is_mat && (!to->batch || (!request->to.given && request->options.from.flat));
}

static int plan_shape(ext_job *job, const ext_layout *to) {
  const ext_request *request = job->request;
  const ext_geometry *read = &job->read;
  int64_t channels = request->channels ? request->channels : read->channels;
  if (check_layout(to, read, channels) < 0) return -1;
  bool flat = is_flat(request, read, to, channels);
  int64_t *shape = job->wanted.shape;
  int32_t ndim = 0;
  if (to->batch) shape[ndim++] = read->images;
  if (to->planar) shape[ndim++] = channels;
  shape[ndim++] = read->rows;
  shape[ndim++] = read->cols;
  if (!to->planar && !flat) shape[ndim++] = channels;
  job->wanted.ndim = ndim;
  job->stack = flat && to->batch;
  return 0;
}

int ext_plan_target(ext_job *job) {
  const ext_options *options = &job->request->options;
  job->target = options->has_device ? options->device : job->source;
  if (options->target->on_host) {
    job->target = (vc_device){VC_CPU, 0};
    return ext_plan_check_device(options);
  }
  if (job->target.type != VC_CPU || !options->target->on_gpu || ext_is_host_mode()) return 0;
  if (options->has_device) {
    return ext_fail(VC_ERROR_DEVICE,
                    "device= asks for the host and %s gives memory of a GPU; leave device out, or "
                    "%s",
                    job->request->function,
                    job->work ? "pass planes in host memory as out="
                              : "use to_numpy or to_tensor for a result in host memory");
  }
  return ext_fail(
      VC_ERROR_DEVICE,
      "the image is in host memory and %s gives memory of a GPU, needs the device to "
      "upload to: say device=0, or use to_numpy or to_tensor for a result in host memory",
      job->request->function);
}

static int plan_new(ext_job *job) {
  ext_request *request = job->request;
  const ext_geometry *read = &job->read;
  ext_layout to = request->to;
  if (!to.given) to = (ext_layout){.batch = read->batch, .planar = read->planar && !read->boxes};
  if (request->is_mat) to = (ext_layout){.batch = read->batch};
  request->params.to = to.planar ? VC_PLANAR : VC_INTERLEAVED;
  if (plan_shape(job, &to) < 0) return -1;
  if (ext_values_dtype(request, job->from.views[0].dtype, &job->wanted.dtype) < 0) return -1;
  if (ext_plan_target(job) < 0) return -1;
  job->wanted.device = job->target;
  return 0;
}

/* --- numbers for each channel */

static const char *other_channels(const ext_job *job, int32_t count) {
  if (job->request->out) return "write to an out= of as many channels";
  if (count == 3 && job->read.channels == 4) return "channels=3 drops alpha";
  if (count == 3 && job->read.channels == 1) return "channels=3 spreads the one channel to three";
  return "if another axis holds the channels, say so with from_layout=";
}

static int check_count(const ext_job *job, const char *name, int32_t count, int64_t channels) {
  if (count <= 1 || count == channels) return 0;
  return ext_fail(VC_ERROR_ARGUMENT,
                  "%s%s has %d values, needs 1 or one for each of the result's %lld channels; %s",
                  job->request->is_normalised ? "normalize=: " : "", name, (int)count,
                  (long long)channels, other_channels(job, count));
}

/* fill= must have an effect. Where the images of a list have results of their own, one that gets
 * an alpha channel is enough. */
static int check_fill(const ext_job *job, int64_t channels) {
  bool planar = job->request->params.to == VC_PLANAR;
  if (vc_transform_adds_alpha(job->read.channels, channels)) return 0;
  for (size_t i = 1; i < job->count && i < job->from.count; i++) {
    int64_t of_source = ext_channels_of(&job->from.views[i], job->read.planar);
    if (vc_transform_adds_alpha(of_source, ext_channels_of(&job->views[i], planar))) return 0;
  }
  return ext_values_refuse_fill(job->request, job->read.channels, channels);
}

/* --- what fits the sources */

static int check_sources(const ext_request *request, const ext_images *from) {
  for (size_t i = 0; i < from->count; i++) {
    if (vc_dtype_same(request->source, from->views[i].dtype)) continue;
    ext_values_refuse_source(request, from->views[i].dtype);
    return from->is_list ? ext_raise_at((Py_ssize_t)i, from->of) : -1;
  }
  return 0;
}

int ext_plan_result(ext_job *job) {
  ext_request *request = job->request;
  vc_transform_params *params = &request->params;
  params->from = job->read.planar ? VC_PLANAR : VC_INTERLEAVED;
  if (request->has_source && check_sources(request, &job->from) < 0) return -1;
  if (!request->out && plan_new(job) < 0) return -1;
  int64_t channels = job->stack ? 1 : ext_channels_of(&job->wanted, params->to == VC_PLANAR);
  if (check_count(job, "mean", params->mean_count, channels) < 0 ||
      check_count(job, "std", params->std_count, channels) < 0) {
    return -1;
  }
  if (!isnan(params->fill) && check_fill(job, channels) < 0) return -1;
  return job->count > 1 ? 0 : ext_images_check_alike(&job->from, request);
}

/* --- new arrays */

void ext_result_lift_line(vc_view *view) {
  view->ndim = 2;
  view->shape[1] = view->shape[0];
  view->strides[1] = view->strides[0];
  view->shape[0] = 1;
}

int ext_result_make(ext_job *job) {
  const ext_request *request = job->request;
  if (request->is_line) { /* (1, N) was planned */
    job->wanted.ndim = 1;
    job->wanted.shape[0] = job->wanted.shape[1];
  }
  job->object = request->options.target->empty(&job->wanted, job->stream, &job->fresh);
  if (!job->object) return -1;
  job->one = job->fresh.view;
  job->one.readonly = 0;
  job->views = &job->one;
  job->count = 1;
  if (request->is_line) ext_result_lift_line(&job->one);
  if (job->stack) ext_layout_add_channel(&job->one, false);
  return 0;
}
