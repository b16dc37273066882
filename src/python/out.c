/* SPDX-License-Identifier: Apache-2.0 */
/* out=: imports, checks and writes objects that a call was given. */
#include "out.h"

#include <string.h>

#include "adapters/memory.h"
#include "errors.h"
#include "values.h"

/* --- import */

static int check_writable(PyObject *objects, bool is_list) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(objects); i++) {
    PyObject *object = PyTuple_GET_ITEM(objects, i);
    const ext_adapter *library = ext_adapter_of(object);
    if (!PyErr_Occurred() && (!library->check_out || library->check_out(object) == 0)) continue;
    return is_list ? ext_raise_at(i, " of out") : -1;
  }
  return 0;
}

int ext_outs_read(PyObject *out, const ext_options *options, ext_images *outs, PyObject **written) {
  bool is_list = PyList_Check(out) || PyTuple_Check(out);
  *written = is_list ? PySequence_Tuple(out) : PyTuple_Pack(1, out);
  if (!*written || check_writable(*written, is_list) < 0) return -1;
  if (ext_images_import(is_list ? *written : out, options, " of out", outs) == 0) return 0;
  return is_list ? -1 : ext_raise_named("out");
}

int ext_outs_tell(const ext_images *outs, PyObject *written) {
  for (size_t i = 0; i < outs->count; i++) {
    int (*wrote)(PyObject *) = outs->items[i].from->wrote;
    if (wrote && wrote(PyTuple_GET_ITEM(written, (Py_ssize_t)i)) < 0) return -1;
  }
  return 0;
}

int ext_outs_import(ext_job *job) {
  ext_options *options = &job->request->options;
  const ext_options plain = {.target = options->target, .consumer = options->consumer};
  ext_images *outs = &job->outs;
  if (ext_outs_read(job->request->out, &plain, outs, &job->written) < 0) return -1;
  for (size_t i = 0; i < outs->count; i++) {
    bool (*is_unfilled)(PyObject *) = outs->items[i].from->is_unfilled;
    PyObject *object = PyTuple_GET_ITEM(job->written, (Py_ssize_t)i);
    outs->items[i].is_unfilled = is_unfilled && is_unfilled(object);
  }
  options->target = outs->items[0].from;
  return 0;
}

/* --- images of out=, checked against the request */

int ext_outs_check_device(const ext_options *options, vc_device device) {
  if (!options->has_device || ext_device_same(device, options->device)) return 0;
  return ext_fail(VC_ERROR_DEVICE, "device= asks for %s and out is in %s; leave device out",
                  ext_device_name(options->device).text, ext_device_name(device).text);
}

static int check_out_layout(const ext_request *request, const ext_image *out, const vc_view *view,
                            bool is_list) {
  const ext_layout *to = &request->to;
  if (view->ndim < 2 || (is_list && view->ndim > 3)) {
    return ext_fail(VC_ERROR_LAYOUT, "out has rank %d, needs %s", (int)view->ndim,
                    is_list ? "2 or 3 in a list of images" : "2, 3, or 4 for a batch");
  }
  if (!to->given) return 0;
  if (to->planar && out->from->interleaved && view->ndim > 2) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "layout is \"%s\" and out is a %s, whose pixels are always interleaved (HWC); "
                    "leave layout out",
                    ext_layout_name(to), out->from->name);
  }
  int32_t rank = (to->flat ? 2 : 3) + (to->batch && !is_list);
  if (view->ndim == rank || (view->ndim == 2 && rank == 3 && !to->batch)) return 0;
  if (is_list && !to->flat) return 0;
  return ext_fail(VC_ERROR_LAYOUT, "layout is \"%s\" and out has rank %d, needs %s%d%s",
                  ext_layout_name(to), (int)view->ndim, rank == 3 && !to->flat ? "2 or " : "",
                  (int)rank, view->ndim == rank - 1 ? "; add an axis (out[None])" : "");
}

/* Whether out= has the axes (N, H, W), because layout= says so or the source has them. */
static bool is_stack(const ext_request *request, const ext_images *outs) {
  const ext_layout *to = request->to.given ? &request->to : &request->options.from;
  return to->batch && to->flat && !outs->is_list && outs->views[0].ndim == 3 &&
         !outs->items[0].from->interleaved;
}

static int check_out_values(const ext_request *request, const vc_view *view) {
  if (view->readonly) {
    return ext_fail(VC_ERROR_VALUE, "out is read-only, needs memory that may be written");
  }
  if (request->has_dtype && !vc_dtype_same(request->dtype, view->dtype)) {
    return ext_fail(VC_ERROR_DTYPE,
                    "dtype= asks for %s and out is %s, needs the same; leave dtype out",
                    vc_dtype_name(request->dtype), vc_dtype_name(view->dtype));
  }
  int64_t channels = ext_channels_of(view, request->params.to == VC_PLANAR);
  if (request->channels && request->channels != channels) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "channels= asks for %d and out has %lld, needs as many; leave channels out",
                    (int)request->channels, (long long)channels);
  }
  return ext_outs_check_device(&request->options, ext_device_of(view));
}

/* Returns the image that is written to image `index` of out=, and its rows and columns there in
 * *size. Of boxes it is the first one: the images that they are cut out of have one dtype and as
 * many channels. */
static vc_view source_at(const ext_job *job, size_t index, int64_t *size) {
  const vc_resize *resize = job->request->params.resize;
  vc_view image = ext_images_at(&job->from, job->request->boxes ? 0 : index);
  const int64_t *own = image.shape + (image.ndim == 4) + (image.ndim > 2 && job->read.planar);
  size[0] = resize ? resize->rows : own[0];
  size[1] = resize ? resize->cols : own[1];
  return image;
}

/* Checks that the image has the size of the GpuMat that it is written to. */
static int check_size(const ext_job *job, size_t index) {
  int64_t size[2];
  const ext_adapter *library = job->outs.items[index].from;
  const int64_t *shape = job->outs.views[index].shape;
  if (!library->fill) return 0;
  source_at(job, index, size);
  if (shape[0] == size[0] && shape[1] == size[1]) return 0;
  return ext_fail(
      VC_ERROR_LAYOUT,
      "out is a %s of %lld x %lld and the image has %lld rows and %lld columns, needs the "
      "same size; an empty one (%s()) is created in any",
      library->name, (long long)shape[0], (long long)shape[1], (long long)size[0],
      (long long)size[1], library->name);
}

static int check_outs(const ext_job *job) {
  const ext_request *request = job->request;
  const ext_images *outs = &job->outs;
  for (size_t i = 0; i < outs->count; i++) {
    vc_view *view = &outs->views[i];
    int result = check_out_layout(request, &outs->items[i], view, outs->is_list);
    if (result == 0 && is_stack(request, outs)) ext_layout_add_channel(view, false);
    if (result == 0) result = check_out_values(request, view);
    if (result == 0) result = check_size(job, i);
    if (result < 0) return outs->is_list ? ext_raise_at((Py_ssize_t)i, outs->of) : -1;
  }
  return 0;
}

/* Checks that there are as many objects as images. A GpuMat to be created holds one image. */
static int check_count(const ext_geometry *read, const ext_images *outs) {
  bool is_one = outs->is_list || outs->items[0].is_unfilled;
  if (!is_one || (int64_t)outs->count == read->images) return 0;
  if (!outs->is_list) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "out is one %s and there are %lld images, needs a list of as many",
                    outs->items[0].from->name, (long long)read->images);
  }
  return ext_fail(VC_ERROR_LAYOUT, "out is a list of %zu and there %s %lld image%s, needs as many",
                  outs->count, read->images == 1 ? "is" : "are", (long long)read->images,
                  read->images == 1 ? "" : "s");
}

/* --- GpuMats that are created */

/* Sets job->target to the device of GpuMats that are to be created: that of the other images of
 * out=, else that of a new result. */
static int find_target(ext_job *job) {
  const ext_images *outs = &job->outs;
  for (size_t i = 0; i < outs->count; i++) {
    if (outs->items[i].is_unfilled) continue;
    job->target = ext_device_of(&outs->views[i]);
    return 0;
  }
  return ext_plan_target(job);
}

/* Plans a GpuMat that is to be created: rows, columns, channels and dtype of a new result of its
 * image. */
static int plan_unfilled(const ext_job *job, size_t index) {
  const ext_request *request = job->request;
  vc_view *out = &job->outs.views[index];
  int64_t size[2];
  vc_view image = source_at(job, index, size);
  int64_t channels =
      request->channels ? request->channels : ext_channels_of(&image, job->read.planar);
  *out = (vc_view){.device = job->target, .ndim = 3, .shape = {size[0], size[1], channels}};
  return ext_values_dtype(request, image.dtype, &out->dtype);
}

/* Refuses an object that is in the list twice: it can't become two images. */
static int check_once(PyObject *objects, const ext_images *outs) {
  PyObject *seen = PySet_New(NULL);
  int result = seen ? 0 : -1;
  for (size_t i = 0; result == 0 && i < outs->count; i++) {
    if (!outs->items[i].is_unfilled) continue;
    PyObject *address = PyLong_FromVoidPtr(PyTuple_GET_ITEM(objects, (Py_ssize_t)i));
    int known = address ? PySet_Contains(seen, address) : -1;
    result = known != 0 ? -1 : PySet_Add(seen, address);
    Py_XDECREF(address);
    if (known > 0) {
      ext_fail(VC_ERROR_VALUE, "image %zu of out is in the list before, needs an object of its own",
               i);
    }
  }
  Py_XDECREF(seen);
  return result;
}

static int plan_all_unfilled(ext_job *job) {
  const ext_images *outs = &job->outs;
  size_t count = 0;
  for (size_t i = 0; i < outs->count; i++) count += outs->items[i].is_unfilled;
  if (count == 0) return 0;
  if (find_target(job) < 0) return -1;
  for (size_t i = 0; i < outs->count; i++) {
    if (outs->items[i].is_unfilled && plan_unfilled(job, i) < 0) return -1;
  }
  return count > 1 ? check_once(job->written, outs) : 0;
}

/* The alignment of each image in the block. */
#define IMAGE_ALIGNMENT 64

/* Sets the strides of the GpuMats that are to be created, and their offsets in the block, which
 * `data` holds until there is one; and the size of the block. */
static int lay_out_unfilled(const ext_images *outs, size_t *bytes) {
  int64_t all = 0;
  for (size_t i = 0; i < outs->count; i++) {
    int64_t one;
    vc_view *view = &outs->views[i];
    if (!outs->items[i].is_unfilled) continue;
    view->data = (void *)(uintptr_t)all;
    if (!ext_memory_lay_out(view, (int64_t)outs->count, &one) ||
        __builtin_add_overflow(all, one, &all) ||
        __builtin_add_overflow(all, IMAGE_ALIGNMENT - 1, &all)) {
      return ext_no_memory();
    }
    all -= all % IMAGE_ALIGNMENT;
  }
  *bytes = (size_t)all;
  return 0;
}

/* Allocates one block for all of them, which the objects keep alive later. */
static int allocate_unfilled(ext_job *job) {
  const ext_images *outs = &job->outs;
  PyObject *memory;
  size_t bytes = 0, first = 0;
  while (first < outs->count && !outs->items[first].is_unfilled) first++;
  if (first == outs->count) return 0;
  vc_device device = outs->views[first].device;
  if (lay_out_unfilled(outs, &bytes) < 0) return -1;
  if (ext_memory_shared_block(bytes, device, job->stream, &job->fresh, &memory) < 0) return -1;
  Py_DECREF(memory);
  for (size_t i = first; i < outs->count; i++) {
    vc_view *view = &outs->views[i];
    if (!outs->items[i].is_unfilled) continue;
    view->data = (char *)job->fresh.view.data + (uintptr_t)view->data;
    if (outs->items[i].from->check_fill(view) == 0) continue;
    return outs->is_list ? ext_raise_at((Py_ssize_t)i, outs->of) : -1;
  }
  return 0;
}

/* --- all of them */

int ext_outs_plan(ext_job *job) {
  ext_request *request = job->request;
  const ext_images *outs = &job->outs;
  bool interleaved = request->is_mat || outs->items[0].from->interleaved;
  bool planar = request->to.given ? request->to.planar : job->read.planar && !interleaved;
  request->params.to = planar ? VC_PLANAR : VC_INTERLEAVED;
  if (check_count(&job->read, outs) < 0 || plan_all_unfilled(job) < 0) return -1;
  if (check_outs(job) < 0 || ext_images_device(outs, &job->target) < 0) return -1;
  job->object = Py_NewRef(request->out);
  job->wanted = outs->views[0];
  job->views = outs->views;
  job->count = outs->count;
  return 0;
}

/* --- as one batch, or one after another */

static bool are_alike(const vc_view *a, const vc_view *b) {
  return a->ndim == b->ndim && vc_dtype_same(a->dtype, b->dtype) && a->readonly == b->readonly &&
         memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0 &&
         memcmp(a->strides, b->strides, (size_t)a->ndim * sizeof *a->strides) == 0;
}

/* Joins images that follow each other at equal distances to one batch. False if they do not. */
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

static int refuse_overlap(const vc_overlap *found, size_t source) {
  switch (found->kind) {
    case VC_OVERLAPS_NOTHING: return 0;
    case VC_OVERLAPS_ITSELF:
      return ext_fail(VC_ERROR_LAYOUT,
                      "image %zu of out: its elements overlap (an expanded or sliding view), needs "
                      "memory of its own for each",
                      found->to);
    case VC_OVERLAPS_DESTINATION:
      return ext_fail(VC_ERROR_VALUE,
                      "images %zu and %zu of out share memory, need memory of their own", found->to,
                      found->other);
    default:
      return ext_fail(
          VC_ERROR_VALUE,
          "image %zu of out shares memory with source %zu: it would be read after it was "
          "written; write into other memory (no out=)",
          found->to, source);
  }
}

/* Boxes are read for each image, after the images before it were written. */
static int check_boxes_apart(const ext_images *outs, const ext_images *boxes) {
  vc_overlap found;
  if (boxes->count == 0) return 0;
  EXT_TRY(vc_views_find_overlap(outs->views, outs->count, boxes->views, 1, &found, &error));
  if (found.kind != VC_OVERLAPS_SOURCE) return 0;
  return ext_fail(VC_ERROR_VALUE,
                  "image %zu of out shares memory with the boxes: they would be read after it was "
                  "written; write into other memory (no out=)",
                  found.to);
}

/* Checks images that are written one after another: none may share memory with another one, with
 * a source or with the boxes. */
static int check_apart(const ext_images *outs, const ext_images *from, const ext_images *boxes) {
  vc_overlap found;
  const vc_view *to = outs->views;
  if (check_boxes_apart(outs, boxes) < 0) return -1;
  if (!from->yuv) {
    EXT_TRY(vc_views_find_overlap(to, outs->count, from->views, from->count, &found, &error));
    return refuse_overlap(&found, found.other);
  }
  for (size_t i = 0; i < from->count; i++) {
    const vc_view *planes = from->yuv[i].planes; /* the third is zero in formats of two */
    size_t count = planes[2].ndim > 0 ? 3 : 2;
    EXT_TRY(vc_views_find_overlap(to, outs->count, planes, count, &found, &error));
    if (refuse_overlap(&found, i) < 0) return -1;
  }
  return 0;
}

int ext_outs_make(ext_job *job) {
  const ext_images *outs = &job->outs;
  bool planar = job->request->params.to == VC_PLANAR;
  if (allocate_unfilled(job) < 0) return -1;
  if (outs->count < 2) return 0;
  if (!ext_images_are_alike(&job->from, job->request) ||
      !join_outs(outs->views, outs->count, planar, &job->one)) {
    return check_apart(outs, &job->from, &job->boxes);
  }
  job->views = &job->one;
  job->count = 1;
  return 0;
}

/* --- afterwards */

static int fill(const ext_job *job, size_t index) {
  const ext_image *out = &job->outs.items[index];
  PyObject *memory = ext_owned_object(&job->fresh.owner);
  ext_source image = {.view = job->outs.views[index], .owner = ext_own(memory)};
  int filled = out->from->fill(PyTuple_GET_ITEM(job->written, (Py_ssize_t)index), &image);
  ext_release(&image.owner);
  return filled;
}

int ext_outs_finish(const ext_job *job, int done) {
  if (done < 0) { /* the first error is the one that is raised */
    PyObject *raised = ext_exception_take();
    if (ext_outs_tell(&job->outs, job->written) < 0) PyErr_Clear();
    ext_exception_set(raised);
    return done;
  }
  if (ext_outs_tell(&job->outs, job->written) < 0) return -1;
  for (size_t i = 0; i < job->outs.count; i++) {
    if (job->outs.items[i].is_unfilled && fill(job, i) < 0) return -1;
  }
  return 0;
}
