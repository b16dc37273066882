/* SPDX-License-Identifier: Apache-2.0 */
/* Runs copies and transforms. */
#include "run.h"

#include "copy.h"
#include "errors.h"
#include "stream_order.h"

/* --- streams */

/* The stream of the work is stream=, else the current stream of the result's library. Where the
 * result is in host memory, it is the first producer's stream. */
int ext_run_begin(ext_job *job) {
  const ext_options *options = &job->request->options;
  const ext_image *first = &job->from.items[0];
  bool to_gpu = vc_device_is_gpu(job->target);
  if (to_gpu) {
    job->stream = ext_consumer_stream(options, job->target.id);
  } else if (!vc_device_is_gpu(job->source)) {
    job->stream = VC_STREAM_LEGACY;
  } else {
    job->stream = options->consumer.given
                      ? options->consumer.handle
                      : ext_producer_stream(first->from, options, &first->source, job->source.id);
  }
  job->ordered = job->stream != VC_STREAM_NONE;
  if (job->ordered) return 0;
  vc_stream (*current)(int32_t) = options->target->current_stream;
  /* unordered work needs a stream too */
  job->stream = to_gpu && current ? current(job->target.id) : VC_STREAM_LEGACY;
  return 0;
}

/* Boxes in host memory are read during the call, those of a GPU by the kernel. */
static int order_boxes(ext_job *job) {
  const ext_options options = {.target = job->request->options.target};
  if (job->boxes.count == 0) return 0;
  if (!vc_device_is_gpu(job->boxes.views[0].device)) return ext_order_host(&job->boxes, &options);
  if (!job->ordered) return 0;
  return ext_order_images(&job->boxes, &options, job->source.id, job->stream);
}

/* Orders the work after everything that is at work on the images and on the memory of out=. */
static int order_streams(ext_job *job) {
  if (vc_cuda_device_count() == 0) return 0;
  const ext_options *options = &job->request->options;
  /* producer_stream= is said of the images. */
  const ext_options of_out = {.target = options->target};
  ext_images *outs = &job->outs;
  bool to_gpu = vc_device_is_gpu(job->target);
  if (!to_gpu && ext_order_host(outs, &of_out) < 0) return -1;
  if (order_boxes(job) < 0) return -1;
  if (!job->ordered) return 0;
  if (!to_gpu && !vc_device_is_gpu(job->source)) return ext_order_host(&job->from, options);
  int32_t device = vc_device_is_gpu(job->source) ? job->source.id : job->target.id;
  if (ext_order_images(&job->from, options, device, job->stream) < 0) return -1;
  return to_gpu ? ext_order_images(outs, &of_out, job->target.id, job->stream) : 0;
}

/* --- the work */

/* In bytes. For less work, releasing the GIL costs more than other threads gain. */
#define WORTH_THE_GIL 65536

/* Whether the work takes so long that other threads should run meanwhile. Where images are resized,
 * it may take long for a small result. */
static bool is_worth_the_gil(const vc_transform_params *params, const vc_view *to,
                             const vc_view *from, size_t count) {
  size_t bytes = vc_view_nbytes(to);
  for (size_t i = 0; params->resize && i < count && bytes < WORTH_THE_GIL; i++) {
    bytes += vc_view_nbytes(&from[i]);
  }
  return bytes >= WORTH_THE_GIL;
}

static int work(const ext_job *job, const vc_transform_params *params, const vc_view *to,
                const vc_view *from, size_t count) {
  vc_error error;
  vc_status status;
  if (vc_device_is_gpu(to->device) || !is_worth_the_gil(params, to, from, count)) {
    status = vc_transform(to, from, count, params, job->stream, &error);
  } else {
    Py_BEGIN_ALLOW_THREADS status = vc_transform(to, from, count, params, job->stream, &error);
    Py_END_ALLOW_THREADS
  }
  return status == VC_OK ? 0 : ext_raise(&error);
}

/* Whether no pixel changes: then the driver copies them, between any two devices, without a kernel
 * of ours. */
static bool is_a_copy(const ext_job *job, const vc_view *to, const vc_view *from, size_t count) {
  const vc_transform_params *params = &job->request->params;
  if (!vc_device_is_gpu(job->target) && !vc_device_is_gpu(job->source)) return false;
  bool same = count == 1 && !params->yuv && to->ndim == from->ndim && params->from == params->to &&
              vc_dtype_same(to->dtype, from->dtype);
  for (int axis = 0; same && axis < to->ndim; axis++) same = to->shape[axis] == from->shape[axis];
  return same && !to->readonly && ext_request_is_plain(job->request) && ext_copy_fits(to, from);
}

/* Whether the work is done in a block on a GPU, which is then copied to the host. */
static bool goes_down(const ext_job *job) {
  return vc_device_is_gpu(job->source) && !vc_device_is_gpu(job->target);
}

/* Fails if the host can't wait for the stream, before anything is enqueued: a capture would keep a
 * copy to memory that is gone at the replay. */
static int check_capture(const ext_job *job) {
  if (!goes_down(job) || !vc_stream_is_capturing(job->source.id, job->stream)) return 0;
  EXT_TRY(vc_stream_synchronize(job->source.id, job->stream, &error));
  return 0;
}

static int work_and_download(ext_job *job, const vc_view *to, const vc_view *from, size_t count) {
  ext_source block = {0};
  vc_view there = *to;
  int result = ext_copy_reserve(&there, 1, job->source, job->stream, &block);
  if (result == 0) result = work(job, &job->request->params, &there, from, count);
  job->has_written = result == 0; /* if the copy fails, some of it may be there */
  if (result == 0) result = ext_copy_down(to, &there, job->stream);
  ext_release(&block.owner);
  return result;
}

/* --- images that are written one after another */

/* The source of one of them: an image, or one box and the image that it names. Which image a box in
 * memory of a GPU names is not known: its source is all images. */
typedef struct {
  vc_transform_params params;
  vc_view image, box;
  const vc_view *from;
  size_t count;
} part;

static void take_image(const ext_job *job, size_t index, part *out) {
  out->image = ext_images_at(&job->from, index);
  if (job->from.yuv) out->params.yuv = &job->from.yuv[index];
  out->from = &out->image;
  out->count = 1;
}

static void take_box(const ext_job *job, size_t index, part *out) {
  const vc_view *boxes = &job->boxes.views[0];
  int64_t named = boxes->shape[1] - 4; /* values before the coordinates */
  out->box = *boxes;
  out->box.shape[0] = 1;
  out->box.data = (char *)boxes->data + (int64_t)index * boxes->strides[0];
  out->params.boxes = &out->box;
  if (vc_device_is_gpu(boxes->device)) {
    out->from = job->from.views;
    out->count = job->from.count;
    return;
  }
  take_image(job, (size_t)vc_box_image(boxes, (int64_t)index), out);
  out->box.shape[1] = 4;
  out->box.data = (char *)out->box.data + named * boxes->strides[1];
}

static void take_part(const ext_job *job, size_t index, part *out) {
  out->params = job->request->params;
  if (out->params.boxes) {
    take_box(job, index, out);
  } else {
    take_image(job, index, out);
  }
}

/* Reserves memory on the sources' GPU for those images of a list that are worked on there and then
 * copied to the host. Images that are only copied get a place of rank 0. */
static int find_places(const ext_job *job, vc_view *places, ext_source *block) {
  for (size_t i = 0; i < job->count; i++) {
    part one;
    take_part(job, i, &one);
    places[i] = job->views[i];
    if (is_a_copy(job, &places[i], one.from, one.count)) places[i].ndim = 0; /* is only copied */
  }
  if (!goes_down(job)) return 0;
  return ext_copy_reserve(places, job->count, job->source, job->stream, block);
}

/* Checks all images before the first is written. */
static int check_list(const ext_job *job, const vc_view *places) {
  vc_error error;
  for (size_t i = 0; i < job->count; i++) {
    part one;
    if (places[i].ndim == 0) continue;
    take_part(job, i, &one);
    if (vc_transform_check(&places[i], one.from, one.count, &one.params, job->stream, &error) ==
        VC_OK) {
      continue;
    }
    ext_raise(&error);
    return ext_raise_at((Py_ssize_t)i, "");
  }
  return 0;
}

static int write_image(const ext_job *job, const vc_view *place, size_t index) {
  const vc_view *to = &job->views[index];
  part one;
  take_part(job, index, &one);
  if (place->ndim == 0) return ext_copy_fitting(to, one.from, job->stream);
  if (work(job, &one.params, place, one.from, one.count) < 0) return -1;
  return goes_down(job) ? ext_copy_down(to, place, job->stream) : 0;
}

static int write_list(ext_job *job, const vc_view *places) {
  for (size_t i = 0; i < job->count; i++) {
    if (write_image(job, &places[i], i) == 0) {
      job->has_written = true;
      continue;
    }
    return i == 0 ? -1 : ext_raise_after((Py_ssize_t)i);
  }
  return 0;
}

static int work_on_list(ext_job *job) {
  ext_source block = {0};
  const vc_transform_params *params = &job->request->params;
  if (params->resize) {
    EXT_TRY(vc_resize_check(job->from.views, job->from.count, params, &error));
  }
  vc_view *places = PyMem_Malloc(job->count * sizeof *places);
  if (!places) return ext_no_memory();
  int result = find_places(job, places, &block);
  if (result == 0) result = check_list(job, places);
  if (result == 0) result = write_list(job, places);
  ext_release(&block.owner);
  PyMem_Free(places);
  return result;
}

static int work_on_all(ext_job *job) {
  const vc_view *to = job->views, *from = job->from.views;
  size_t count = job->from.count;
  if (job->count > 1) return work_on_list(job);
  int done = is_a_copy(job, to, from, count) ? ext_copy_fitting(to, from, job->stream)
             : goes_down(job)                ? work_and_download(job, to, from, count)
                                             : work(job, &job->request->params, to, from, count);
  if (done == 0) job->has_written = true;
  return done;
}

/* --- what must live until it is done */

/* A pool reuses memory in the order of the stream on which it was allocated: where that is
 * another, the memory is held until this stream is done. So are images that were copied from
 * another device. */
static int keep_until_done(ext_job *job) {
  ext_keep *keep = NULL;
  const ext_options *options = &job->request->options;
  const ext_options of_out = {.target = options->target};
  bool moved = !ext_device_same(job->source, job->target);
  int result = 0;
  size_t count;
  ext_image *memory = ext_images_memory(&job->from, &count);
  for (size_t i = 0; result == 0 && moved && i < count; i++) {
    result = ext_keep_add(&keep, &memory[i].source.owner);
  }
  if (result == 0 && !moved) {
    result = ext_keep_images(&keep, &job->from, options, job->target.id, job->stream);
  }
  if (result == 0 && job->boxes.count > 0 && vc_device_is_gpu(job->boxes.views[0].device)) {
    result = ext_keep_images(&keep, &job->boxes, &of_out, job->target.id, job->stream);
  }
  if (result == 0) {
    result = ext_keep_images(&keep, &job->outs, &of_out, job->target.id, job->stream);
  }
  if (result == 0) result = ext_keep_until(&keep, options, job->target.id, job->stream);
  if (result < 0) vc_ignore(vc_stream_synchronize(job->target.id, job->stream, NULL));
  ext_keep_release(keep);
  return result;
}

/* Whether the images must be copied to the GPU before the work. An image that is only copied goes
 * to its destination directly. */
static bool must_move_up(const ext_job *job) {
  return !ext_device_same(job->source, job->target) &&
         (job->work || job->count != 1 ||
          !is_a_copy(job, job->views, job->from.views, job->from.count));
}

int ext_run_all(ext_job *job) {
  ext_source block = {0};
  bool to_gpu = vc_device_is_gpu(job->target);
  if (job->count == 1 && vc_view_is_empty(job->views)) return work_on_all(job);
  int result = check_capture(job);
  if (result == 0) result = order_streams(job);
  if (result == 0 && to_gpu && must_move_up(job)) {
    result = ext_copy_up(&job->from, job->target, job->stream, &block);
  }
  if (result == 0) result = job->work ? job->work(job) : work_on_all(job);
  if (result == 0 && to_gpu) {
    result = keep_until_done(job);
  } else if (to_gpu) { /* some of it may have been enqueued */
    vc_ignore(vc_stream_synchronize(job->target.id, job->stream, NULL));
  }
  ext_release(&block.owner);
  return result;
}
