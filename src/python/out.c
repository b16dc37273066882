/* SPDX-License-Identifier: Apache-2.0 */
/* out=: imports, checks and writes objects that a call was given. */
#include "out.h"

#include <string.h>

#include "adapters/memory.h"
#include "errors.h"

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

/* Reads a list once: the objects that are imported are those that are told of the write. */
int ext_outs_import(ext_request *request, ext_result *result) {
  const ext_options plain = {.target = request->options.target,
                             .consumer = request->options.consumer};
  bool is_list = PyList_Check(request->out) || PyTuple_Check(request->out);
  ext_images *outs = &result->outs;
  result->written = is_list ? PySequence_Tuple(request->out) : PyTuple_Pack(1, request->out);
  if (!result->written || check_writable(result->written, is_list) < 0) return -1;
  PyObject *images = is_list ? result->written : request->out;
  if (ext_images_import(images, &plain, " of out", outs) < 0) return -1;
  for (size_t i = 0; i < outs->count; i++) {
    bool (*is_unfilled)(PyObject *) = outs->items[i].from->is_unfilled;
    outs->items[i].is_unfilled =
        is_unfilled && is_unfilled(PyTuple_GET_ITEM(result->written, (Py_ssize_t)i));
  }
  request->options.target = outs->items[0].from;
  return 0;
}

/* --- images against what was asked */

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
  vc_device device = ext_device_of(view);
  if (!request->options.has_device || ext_device_same(device, request->options.device)) return 0;
  return ext_fail(VC_ERROR_DEVICE, "device= asks for %s and out is in %s; leave device out",
                  ext_device_name(request->options.device).text, ext_device_name(device).text);
}

/* Returns the image that becomes image `index` of out; where images are resized, any of them. */
static vc_view source_at(const ext_request *request, const ext_images *from, size_t index) {
  return ext_images_at(from, request->params.resize ? 0 : index);
}

/* Writes the rows and columns that an image becomes. */
static void find_size(const ext_request *request, bool planar, const vc_view *image,
                      int64_t *size) {
  const int64_t *own = image->shape + (image->ndim == 4) + (image->ndim > 2 && planar);
  const vc_resize *resize = request->params.resize;
  size[0] = resize ? resize->rows : own[0];
  size[1] = resize ? resize->cols : own[1];
}

/* The image that goes into a GpuMat with memory has its size. */
static int check_size(const ext_request *request, const ext_geometry *read, const ext_images *from,
                      size_t index, const ext_image *out, const vc_view *view) {
  int64_t size[2];
  vc_view image = source_at(request, from, index);
  find_size(request, read->planar, &image, size);
  if (!out->from->fill || (view->shape[0] == size[0] && view->shape[1] == size[1])) return 0;
  return ext_fail(
      VC_ERROR_LAYOUT,
      "out is a %s of %lld x %lld and the image has %lld rows and %lld columns, needs the "
      "same size; an empty one (%s()) is created in any",
      out->from->name, (long long)view->shape[0], (long long)view->shape[1], (long long)size[0],
      (long long)size[1], out->from->name);
}

static int check_one_out(const ext_request *request, const ext_geometry *read,
                         const ext_images *from, const ext_images *outs, size_t index) {
  vc_view *view = &outs->views[index];
  const ext_image *out = &outs->items[index];
  if (check_out_layout(request, out, view, outs->is_list) < 0) return -1;
  if (is_stack(request, outs)) ext_layout_add_channel(view, false);
  if (check_out_values(request, view) < 0) return -1;
  return check_size(request, read, from, index, out, view);
}

static int check_outs(const ext_request *request, const ext_geometry *read, const ext_images *from,
                      const ext_images *outs) {
  for (size_t i = 0; i < outs->count; i++) {
    if (check_one_out(request, read, from, outs, i) == 0) continue;
    return outs->is_list ? ext_raise_at((Py_ssize_t)i, outs->of) : -1;
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

/* The device of GpuMats that are to be created: that of the other images of out=, else that of a
 * new result. */
static int device_of_unfilled(const ext_request *request, const ext_images *from,
                              const ext_images *outs, vc_device *out) {
  vc_device source;
  for (size_t i = 0; i < outs->count; i++) {
    if (outs->items[i].is_unfilled) continue;
    *out = ext_device_of(&outs->views[i]);
    return 0;
  }
  if (ext_images_device(from, &source) < 0) return -1;
  return ext_result_device(request, source, out);
}

/* Plans a GpuMat that is to be created: rows, columns, channels and dtype of a new result of the
 * image. */
static int plan_unfilled(const ext_request *request, bool planar, const vc_view *image,
                         vc_device device, vc_view *out) {
  int64_t shape[2];
  find_size(request, planar, image, shape);
  int64_t channels = request->channels ? request->channels : ext_channels_of(image, planar);
  *out = (vc_view){.device = device, .ndim = 3, .shape = {shape[0], shape[1], channels}};
  return ext_result_dtype(request, image->dtype, &out->dtype);
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

static int plan_all_unfilled(const ext_request *request, const ext_geometry *read,
                             const ext_images *from, ext_result *result) {
  const ext_images *outs = &result->outs;
  vc_device device;
  size_t count = 0;
  for (size_t i = 0; i < outs->count; i++) count += outs->items[i].is_unfilled;
  if (count == 0) return 0;
  if (device_of_unfilled(request, from, outs, &device) < 0) return -1;
  for (size_t i = 0; i < outs->count; i++) {
    vc_view image = source_at(request, from, i);
    if (!outs->items[i].is_unfilled) continue;
    if (plan_unfilled(request, read->planar, &image, device, &outs->views[i]) < 0) return -1;
  }
  return count > 1 ? check_once(result->written, outs) : 0;
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
      PyErr_NoMemory();
      return -1;
    }
    all -= all % IMAGE_ALIGNMENT;
  }
  *bytes = (size_t)all;
  return 0;
}

/* Allocates one block for all of them, which the objects keep alive later. */
static int allocate_unfilled(vc_stream stream, ext_result *result) {
  const ext_images *outs = &result->outs;
  PyObject *memory;
  size_t bytes, first = 0;
  while (first < outs->count && !outs->items[first].is_unfilled) first++;
  if (first == outs->count) return 0;
  if (lay_out_unfilled(outs, &bytes) < 0) return -1;
  if (ext_memory_shared_block(bytes, outs->views[first].device, stream, &result->fresh, &memory) <
      0) {
    return -1;
  }
  Py_DECREF(memory);
  for (size_t i = first; i < outs->count; i++) {
    vc_view *view = &outs->views[i];
    if (!outs->items[i].is_unfilled) continue;
    view->data = (char *)result->fresh.view.data + (uintptr_t)view->data;
    if (outs->items[i].from->check_fill(view) == 0) continue;
    return outs->is_list ? ext_raise_at((Py_ssize_t)i, outs->of) : -1;
  }
  return 0;
}

/* --- all of them */

int ext_outs_plan(ext_request *request, const ext_geometry *read, const ext_images *from,
                  ext_result *result) {
  const ext_images *outs = &result->outs;
  bool interleaved = request->is_mat || outs->items[0].from->interleaved;
  bool planar = request->to.given ? request->to.planar : read->planar && !interleaved;
  vc_device device;
  request->params.to = planar ? VC_PLANAR : VC_INTERLEAVED;
  if (check_count(read, outs) < 0 || plan_all_unfilled(request, read, from, result) < 0) return -1;
  if (check_outs(request, read, from, outs) < 0 || ext_images_device(outs, &device) < 0) return -1;
  result->object = Py_NewRef(request->out);
  result->wanted = outs->views[0];
  result->wanted.device = device;
  result->views = outs->views;
  result->count = outs->count;
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

/* Looks for images that share memory with another one or with one of `views`. */
static int find_overlap(const ext_images *outs, const vc_view *views, size_t count,
                        vc_overlap *found) {
  vc_error error;
  vc_status status = vc_views_find_overlap(outs->views, outs->count, views, count, found, &error);
  return status == VC_OK ? 0 : ext_raise(&error);
}

/* Checks images that are written one after another: none may share memory with another one or with
 * a source. */
static int check_apart(const ext_images *outs, const ext_images *from) {
  vc_overlap found;
  if (!from->yuv) {
    if (find_overlap(outs, from->views, from->count, &found) < 0) return -1;
    return refuse_overlap(&found, found.other);
  }
  for (size_t i = 0; i < from->count; i++) {
    const vc_view *planes = from->yuv[i].planes; /* the third is zero in formats of two */
    if (find_overlap(outs, planes, planes[2].ndim > 0 ? 3 : 2, &found) < 0) return -1;
    if (refuse_overlap(&found, i) < 0) return -1;
  }
  return 0;
}

int ext_outs_make(const ext_request *request, const ext_images *from, vc_stream stream,
                  ext_result *result) {
  const ext_images *outs = &result->outs;
  bool planar = request->params.to == VC_PLANAR;
  if (allocate_unfilled(stream, result) < 0) return -1;
  if (outs->count < 2) return 0;
  if (!ext_images_are_alike(from) || !join_outs(outs->views, outs->count, planar, &result->one)) {
    return check_apart(outs, from);
  }
  result->views = &result->one;
  result->count = 1;
  return 0;
}

/* --- afterwards */

static int fill(const ext_result *result, size_t index) {
  const ext_image *out = &result->outs.items[index];
  PyObject *memory = ext_owned_object(&result->fresh.owner);
  ext_source image = {.view = result->outs.views[index], .owner = ext_own(memory)};
  int filled = out->from->fill(PyTuple_GET_ITEM(result->written, (Py_ssize_t)index), &image);
  ext_release(&image.owner);
  return filled;
}

static int tell(const ext_result *result) {
  for (size_t i = 0; i < result->outs.count; i++) {
    int (*wrote)(PyObject *) = result->outs.items[i].from->wrote;
    if (wrote && wrote(PyTuple_GET_ITEM(result->written, (Py_ssize_t)i)) < 0) return -1;
  }
  return 0;
}

int ext_outs_finish(ext_result *result, int done) {
  if (done < 0) { /* the first error is the one that is raised */
    PyObject *raised = ext_exception_take();
    if (tell(result) < 0) PyErr_Clear();
    ext_exception_set(raised);
    return done;
  }
  if (tell(result) < 0) return -1;
  for (size_t i = 0; i < result->outs.count; i++) {
    if (result->outs.items[i].is_unfilled && fill(result, i) < 0) return -1;
  }
  return 0;
}
