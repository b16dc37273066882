/* SPDX-License-Identifier: Apache-2.0 */
/* Runs copies and transforms. */
#include "run.h"

#include "copy.h"
#include "errors.h"
#include "stream_order.h"

static bool on_gpu(vc_device device) { return device.type == VC_CUDA; }

/* --- streams */

/* The stream of the work: stream=, else the current stream of the result's library. Where the
 * result is in host memory, it is the first producer's stream. */
static vc_stream choose_stream(const ext_run *run) {
  const ext_options *options = &run->request->options;
  const ext_image *first = &run->from->items[0];
  if (on_gpu(run->target)) return ext_consumer_stream(options, run->target.id);
  if (!on_gpu(run->source)) return VC_STREAM_LEGACY;
  if (options->consumer.given) return options->consumer.handle;
  return ext_producer_stream(first->from, options, &first->source, run->source.id);
}

/* YUV images are converted in host memory, into host memory. */
static int check_yuv_place(const ext_run *run) {
  if (!on_gpu(run->source) && !on_gpu(run->target)) return 0;
  return ext_fail(VC_ERROR_DEVICE,
                  "%s in memory of a GPU, and YUV images are converted in host memory only; %s",
                  on_gpu(run->source) ? "the YUV image is" : "the result of a YUV image is to be",
                  on_gpu(run->source)
                      ? "copy its planes to the host first (tensor.cpu(), GpuMat.download())"
                      : "convert it without device= and copy the result (tensor.to(\"cuda\"))");
}

int ext_run_begin(const ext_request *request, ext_images *from, ext_images *boxes,
                  ext_result *result, ext_run *out) {
  *out = (ext_run){.request = request, .from = from, .boxes = boxes, .result = result};
  out->target = ext_device_of(&result->wanted);
  if (ext_images_device(from, &out->source) < 0) return -1;
  if (from->yuv && check_yuv_place(out) < 0) return -1;
  out->stream = choose_stream(out);
  out->ordered = out->stream != VC_STREAM_NONE;
  if (out->ordered) return 0;
  const ext_adapter *target = request->options.target; /* unordered work needs a stream too */
  int32_t device = on_gpu(out->target) ? out->target.id : out->source.id;
  out->stream = target->current_stream && on_gpu(out->target) ? target->current_stream(device)
                                                              : VC_STREAM_LEGACY;
  return 0;
}

/* Boxes in host memory are read during the call, those of a GPU by the kernel. */
static int order_boxes(ext_run *run) {
  const ext_options options = {.target = run->request->options.target};
  if (run->boxes->count == 0) return 0;
  if (!on_gpu(ext_device_of(&run->boxes->views[0]))) return ext_order_host(run->boxes, &options);
  if (!run->ordered) return 0;
  return ext_order_images(run->boxes, &options, run->source.id, run->stream);
}

/* Orders the work after everything that is at work on the images and on the memory of out=. */
static int order_streams(ext_run *run) {
  if (vc_cuda_device_count() == 0) return 0;
  const ext_options *options = &run->request->options;
  /* producer_stream= is said of the images. */
  const ext_options of_out = {.target = options->target};
  ext_images *outs = &run->result->outs;
  bool to_gpu = on_gpu(run->target);
  if (!to_gpu && ext_order_host(outs, &of_out) < 0) return -1;
  if (order_boxes(run) < 0) return -1;
  if (!run->ordered) return 0;
  if (!to_gpu && !on_gpu(run->source)) return ext_order_host(run->from, options);
  int32_t device = on_gpu(run->source) ? run->source.id : run->target.id;
  if (ext_order_images(run->from, options, device, run->stream) < 0) return -1;
  return to_gpu ? ext_order_images(outs, &of_out, run->target.id, run->stream) : 0;
}

/* --- the work */

/* In bytes. For less work, releasing the GIL costs more than other threads gain. */
#define WORTH_THE_GIL 65536

static int work(const ext_run *run, const vc_transform_params *params, const vc_view *to,
                const vc_view *from, size_t count) {
  vc_error error;
  vc_status status;
  if (on_gpu(ext_device_of(to)) || vc_view_nbytes(to) < WORTH_THE_GIL) {
    status = vc_transform(to, from, count, params, run->stream, &error);
  } else {
    Py_BEGIN_ALLOW_THREADS status = vc_transform(to, from, count, params, run->stream, &error);
    Py_END_ALLOW_THREADS
  }
  return status == VC_OK ? 0 : ext_raise(&error);
}

/* Whether no pixel changes: then the driver copies them, between any two devices, without a kernel
 * of ours. */
static bool is_a_copy(const ext_run *run, const vc_view *to, const vc_view *from, size_t count) {
  const vc_transform_params *params = &run->request->params;
  bool same = count == 1 && to->ndim == from->ndim && params->from == params->to &&
              vc_dtype_same(to->dtype, from->dtype);
  for (int axis = 0; same && axis < to->ndim; axis++) same = to->shape[axis] == from->shape[axis];
  return same && (on_gpu(run->target) || on_gpu(run->source)) && !to->readonly &&
         ext_request_is_plain(run->request) && ext_copy_fits(to, from);
}

static bool goes_down(const ext_run *run) { return on_gpu(run->source) && !on_gpu(run->target); }

/* Works on the GPU into a block, which is then copied to the host. */
static int work_and_download(ext_run *run, const vc_view *to, const vc_view *from, size_t count) {
  ext_source block = {0};
  vc_view there = *to;
  int result = ext_copy_reserve(&there, 1, run->source, run->stream, &block);
  if (result == 0) result = work(run, &run->request->params, &there, from, count);
  run->has_written = result == 0; /* if the copy fails, some of it may be there */
  if (result == 0) result = ext_copy_down(to, &there, run->stream);
  ext_release(&block.owner);
  return result;
}

static int work_on_one(ext_run *run, const vc_view *to, const vc_view *from, size_t count) {
  if (is_a_copy(run, to, from, count)) return ext_copy_fitting(to, from, run->stream);
  return goes_down(run) ? work_and_download(run, to, from, count)
                        : work(run, &run->request->params, to, from, count);
}

/* --- images that are written one after another */

/* The source of one of them: an image, or one box of all images. */
typedef struct {
  vc_transform_params params;
  vc_view image, box;
  const vc_view *from;
  size_t count;
} part;

static void take_part(const ext_run *run, size_t index, part *out) {
  out->params = run->request->params;
  if (!out->params.boxes) {
    out->image = ext_images_at(run->from, index);
    if (run->from->yuv) out->params.yuv = &run->from->yuv[index];
    out->from = &out->image;
    out->count = 1;
    return;
  }
  out->box = *out->params.boxes;
  out->box.shape[0] = 1;
  out->box.data = (char *)out->box.data + (int64_t)index * out->box.strides[0];
  out->params.boxes = &out->box;
  out->from = run->from->views;
  out->count = run->from->count;
}

/* Reserves memory on the sources' GPU for those images of a list that are worked on there and then
 * copied to the host. Images that are only copied get a place of rank 0. */
static int find_places(const ext_run *run, vc_view *places, ext_source *block) {
  const ext_result *result = run->result;
  for (size_t i = 0; i < result->count; i++) {
    part one;
    take_part(run, i, &one);
    places[i] = result->views[i];
    if (is_a_copy(run, &places[i], one.from, one.count)) places[i].ndim = 0; /* is only copied */
  }
  return goes_down(run) ? ext_copy_reserve(places, result->count, run->source, run->stream, block)
                        : 0;
}

/* Checks all images before the first is written. */
static int check_list(const ext_run *run, const vc_view *places) {
  vc_error error;
  for (size_t i = 0; i < run->result->count; i++) {
    part one;
    if (places[i].ndim == 0) continue;
    take_part(run, i, &one);
    if (vc_transform_check(&places[i], one.from, one.count, &one.params, run->stream, &error) ==
        VC_OK) {
      continue;
    }
    ext_raise(&error);
    return ext_raise_at((Py_ssize_t)i, "");
  }
  return 0;
}

static int write_image(const ext_run *run, const vc_view *place, size_t index) {
  const vc_view *to = &run->result->views[index];
  part one;
  take_part(run, index, &one);
  if (place->ndim == 0) return ext_copy_fitting(to, one.from, run->stream);
  if (work(run, &one.params, place, one.from, one.count) < 0) return -1;
  return goes_down(run) ? ext_copy_down(to, place, run->stream) : 0;
}

static int write_list(ext_run *run, const vc_view *places) {
  for (size_t i = 0; i < run->result->count; i++) {
    if (write_image(run, &places[i], i) == 0) {
      run->has_written = true;
      continue;
    }
    return i == 0 ? -1 : ext_raise_after((Py_ssize_t)i);
  }
  return 0;
}

static int work_on_list(ext_run *run) {
  ext_source block = {0};
  vc_view *places = PyMem_Malloc(run->result->count * sizeof *places);
  if (!places) {
    PyErr_NoMemory();
    return -1;
  }
  int result = find_places(run, places, &block);
  if (result == 0) result = check_list(run, places);
  if (result == 0) result = write_list(run, places);
  ext_release(&block.owner);
  PyMem_Free(places);
  return result;
}

static int work_on_all(ext_run *run) {
  const ext_result *result = run->result;
  if (result->count > 1) return work_on_list(run);
  int done = work_on_one(run, result->views, run->from->views, run->from->count);
  if (done == 0) run->has_written = true;
  return done;
}

/* --- what must live until it is done */

/* A pool reuses memory in the order of the stream on which it was allocated: where that is
 * another, the memory is held until this stream is done. So are images that were copied from
 * another device. */
static int keep_until_done(const ext_run *run) {
  ext_keep keep = {0};
  const ext_options *options = &run->request->options;
  const ext_options of_out = {.target = options->target};
  bool moved = !ext_device_same(run->source, run->target);
  int result = 0;
  for (size_t i = 0; result == 0 && moved && i < run->from->count; i++) {
    result = ext_keep_add(&keep, &run->from->items[i].source.owner);
  }
  if (result == 0 && !moved) {
    result = ext_keep_images(&keep, run->from, options, run->target.id, run->stream);
  }
  if (result == 0 && run->boxes->count > 0 && on_gpu(ext_device_of(&run->boxes->views[0]))) {
    result = ext_keep_images(&keep, run->boxes, &of_out, run->target.id, run->stream);
  }
  if (result == 0) {
    result = ext_keep_images(&keep, &run->result->outs, &of_out, run->target.id, run->stream);
  }
  if (result == 0) result = ext_keep_until(&keep, options, run->target.id, run->stream);
  if (result < 0) vc_ignore(vc_stream_synchronize(run->target.id, run->stream, NULL));
  ext_keep_release(&keep);
  return result;
}

/* Whether the images must be copied to the GPU before the work. An image that is only copied goes
 * to its destination directly. */
static bool must_move_up(const ext_run *run) {
  const ext_result *result = run->result;
  if (!on_gpu(run->target) || ext_device_same(run->source, run->target)) return false;
  return result->count != 1 || !is_a_copy(run, result->views, run->from->views, run->from->count);
}

int ext_run_all(ext_run *run) {
  ext_source block = {0};
  if (run->result->count == 1 && vc_view_is_empty(run->result->views)) return work_on_all(run);
  int result = order_streams(run);
  if (result == 0 && must_move_up(run)) {
    result = ext_copy_up(run->from, run->target, run->stream, &block);
  }
  if (result == 0) result = work_on_all(run);
  if (result == 0 && on_gpu(run->target)) {
    result = keep_until_done(run);
  } else if (on_gpu(run->target)) { /* some of it may have been enqueued */
    vc_ignore(vc_stream_synchronize(run->target.id, run->stream, NULL));
  }
  ext_release(&block.owner);
  return result;
}
