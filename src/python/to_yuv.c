/* SPDX-License-Identifier: Apache-2.0 */
/* to_yuv(): RGB to the planes of a YUV image, for an encoder. viewcast.colour has read the names,
 * whose numbers are the arguments. */
#include "adapters/adapter.h"
#include "arguments.h"
#include "copy.h"
#include "device.h"
#include "errors.h"
#include "internal.h"
#include "methods.h"
#include "out.h"
#include "run.h"
#include "stream_order.h"

enum { IMAGE, FORMAT, MATRIX, RANGE, REVERSE, FROM_LAYOUT, OUT, DEVICE, STREAM, PRODUCER_STREAM };

/* A call: the image, and the memory that is written. `job` is the first, so that write_yuv() finds
 * the rest. */
typedef struct {
  ext_job job;
  ext_request request;
  bool reverse;
  vc_yuv yuv;         /* its planes are those that are written */
  vc_yuv_shape shape; /* of its format */
  size_t fresh_count;
  ext_source fresh[EXT_YUV_PLANES];
} call;

/* --- arguments */

static int read_arguments(PyObject *const *values, call *out) {
  int32_t format = 0, matrix = 0, range = 0;
  ext_options *options = &out->request.options;
  if (ext_argument_int(values[FORMAT], "format", 1, &format) < 0 ||
      ext_argument_int(values[MATRIX], "matrix", 1, &matrix) < 0 ||
      ext_argument_int(values[RANGE], "range", 1, &range) < 0) {
    return -1;
  }
  vc_yuv_init(&out->yuv, (vc_yuv_format)format, (vc_matrix)matrix, (vc_range)range);
  if (!vc_yuv_shape_of(format, &out->shape)) {
    return ext_refuse(PyExc_ValueError, "format is number %d, needs one of vc.yuv's", (int)format);
  }
  options->copy = EXT_COPY_IF_NEEDED;
  out->request.out = ext_is_given(values[OUT]) ? values[OUT] : NULL;
  if (ext_argument_bool(values[REVERSE], "reverse_channels", &out->reverse) < 0 ||
      ext_layout_read(values[FROM_LAYOUT], "from_layout", "to_yuv", &options->from) < 0 ||
      ext_argument_options_device(values[DEVICE], options) < 0 ||
      ext_stream_read(values[STREAM], "stream", &options->consumer) < 0) {
    return -1;
  }
  return ext_stream_read(values[PRODUCER_STREAM], "producer_stream", &options->producer);
}

/* --- the image */

static int import_image(PyObject *image, call *of) {
  ext_job *job = &of->job;
  const ext_options *options = &of->request.options;
  if (PyList_Check(image) || PyTuple_Check(image)) {
    return ext_refuse(PyExc_TypeError,
                      "to_yuv() takes one image and this is a list; call it for each of them");
  }
  if (ext_images_import(image, options, "", &job->from) < 0 ||
      ext_images_read(&job->from, &options->from, &job->read) < 0 ||
      ext_images_device(&job->from, &job->source) < 0) {
    return -1;
  }
  if (job->read.batch) {
    return ext_fail(VC_ERROR_LAYOUT, "the image has four axes, needs one image; call it for each");
  }
  if (job->read.channels == 3) return 0;
  return ext_fail(VC_ERROR_LAYOUT,
                  "the image has %lld channels, needs R, G and B: drop alpha or spread grey first "
                  "(to_numpy(image, channels=3)), or say which axis holds them "
                  "(from_layout=)",
                  (long long)job->read.channels);
}

/* --- new memory */

/* Decides on the library and the device of new planes: those of the image. */
static int plan_new(call *of) {
  ext_job *job = &of->job;
  const ext_adapter *library = job->from.items[0].from;
  of->request.options.target = library->empty ? library : ext_adapter_of_host();
  if (!library->empty && vc_device_is_gpu(job->source)) {
    return ext_fail(VC_ERROR_DEVICE,
                    "the image (%s) is in memory of a GPU, of which no new ones can be made; pass "
                    "planes as out=, or a tensor, CuPy array or GpuMat as the image (as_tensor())",
                    library->name);
  }
  return ext_plan_target(job);
}

static PyObject *make_plane(call *of, int64_t rows, int64_t cols, bool packed) {
  const ext_adapter *library = of->request.options.target;
  vc_view wanted = {.device = of->job.target, .ndim = 2, .shape = {rows, cols}};
  wanted.dtype = (vc_dtype){VC_UINT, of->shape.bits > 8 ? 16 : 8};
  if (packed) wanted.strides[0] = cols * (int64_t)vc_dtype_size(wanted.dtype);
  if (library->interleaved) wanted.shape[wanted.ndim++] = 1;
  ext_source *fresh = &of->fresh[of->fresh_count];
  PyObject *made = library->empty(&wanted, of->job.stream, fresh);
  if (made) of->fresh_count++;
  return made;
}

/* One array with the rows of all planes. Those of U and V follow each other without gaps where they
 * are planes of their own. */
static int make_array(call *of) {
  int64_t rows = of->job.read.rows, cols = of->job.read.cols;
  if (rows % 2 != 0 || cols % 2 != 0) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "the image has H = %lld, W = %lld, and one array of 4:2:0 needs even sides; "
                    "pass planes as out=, with chroma of (H + 1) / 2 rows and (W + 1) / 2 columns",
                    (long long)rows, (long long)cols);
  }
  of->job.object = make_plane(of, rows / 2 * 3, cols, of->shape.planes == 3);
  if (!of->job.object) return -1;
  vc_view array = of->fresh[0].view;
  array.readonly = 0;
  EXT_TRY(vc_yuv_split(&array, of->yuv.format, &of->yuv, &error));
  return 0;
}

static int make_planes(call *of) {
  int64_t cols = of->job.read.cols;
  of->job.object = PyTuple_New(EXT_YUV_PLANES);
  for (Py_ssize_t i = 0; of->job.object && i < EXT_YUV_PLANES; i++) {
    int64_t shared = i == 0 ? 1 : of->shape.cols;
    PyObject *plane = make_plane(of, of->job.read.rows, (cols + shared - 1) / shared, false);
    if (!plane) return -1;
    PyTuple_SET_ITEM(of->job.object, i, plane);
    of->yuv.planes[i] = of->fresh[i].view;
    of->yuv.planes[i].readonly = 0;
  }
  return of->job.object ? 0 : -1;
}

/* --- out= */

/* Imports the objects of out=, whose library becomes the target. */
static int import_out(call *of) {
  ext_job *job = &of->job;
  const ext_options plain = {.target = of->request.options.target};
  if (ext_outs_read(of->request.out, &plain, &job->outs, &job->written) < 0) return -1;
  of->request.options.target = job->outs.items[0].from;
  return ext_images_device(&job->outs, &job->target);
}

/* Refuses GpuMats without memory, which other functions create. */
static int check_filled(const call *of) {
  const ext_job *job = &of->job;
  if (vc_view_is_empty(&job->from.views[0])) return 0;
  for (size_t i = 0; i < job->outs.count; i++) {
    const ext_adapter *library = job->outs.items[i].from;
    PyObject *object = PyTuple_GET_ITEM(job->written, (Py_ssize_t)i);
    if (!library->is_unfilled || !library->is_unfilled(object)) continue;
    return ext_fail(VC_ERROR_LAYOUT,
                    "out is an empty %s, needs memory: to_yuv() creates none in it; leave out= out "
                    "for a new one",
                    library->name);
  }
  return 0;
}

/* Takes the planes of out=. */
static int plan_out(call *of) {
  ext_job *job = &of->job;
  const ext_options *options = &of->request.options;
  size_t needed = (size_t)of->shape.planes;
  if (check_filled(of) < 0 || ext_outs_check_device(options, job->target) < 0) return -1;
  job->object = Py_NewRef(of->request.out);
  if (!job->outs.is_list) {
    EXT_TRY(vc_yuv_split(&job->outs.views[0], of->yuv.format, &of->yuv, &error));
    return 0;
  }
  if (job->outs.count != needed) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "out is a list of %zu, needs the %zu planes of the format, or one array",
                    job->outs.count, needed);
  }
  for (size_t i = 0; i < needed; i++) of->yuv.planes[i] = job->outs.views[i];
  return 0;
}

/* --- the work */

static int write_planes(const call *of, const vc_yuv *to) {
  vc_error error;
  vc_status status;
  const ext_job *job = &of->job;
  const vc_view *from = &job->from.views[0];
  vc_layout layout = job->read.planar ? VC_PLANAR : VC_INTERLEAVED;
  if (vc_device_is_gpu(from->device)) {
    status = vc_yuv_write(to, from, layout, of->reverse, job->stream, &error);
  } else {
    Py_BEGIN_ALLOW_THREADS status =
        vc_yuv_write(to, from, layout, of->reverse, job->stream, &error);
    Py_END_ALLOW_THREADS
  }
  return status == VC_OK ? 0 : ext_raise(&error);
}

/* Checks planes in host memory that are written by copies. */
static int check_planes(const call *of) {
  vc_overlap found;
  const vc_view *planes = of->yuv.planes;
  size_t count = (size_t)of->shape.planes;
  for (size_t i = 0; i < count; i++) {
    if (!planes[i].readonly) continue;
    return ext_fail(VC_ERROR_VALUE, "plane %zu is read-only, needs memory to write to", i);
  }
  EXT_TRY(vc_views_find_overlap(planes, count, NULL, 0, &found, &error));
  if (found.kind == VC_OVERLAPS_NOTHING) return 0;
  return ext_fail(found.kind == VC_OVERLAPS_ITSELF ? VC_ERROR_LAYOUT : VC_ERROR_VALUE,
                  "plane %zu of out has memory that is shared, needs memory of its own for each "
                  "sample",
                  found.to);
}

/* Writes to planes on the image's GPU, which are then copied to the host. */
static int write_and_download(call *of) {
  ext_source block = {0};
  vc_yuv there = of->yuv;
  ext_job *job = &of->job;
  size_t count = (size_t)of->shape.planes;
  if (check_planes(of) < 0) return -1;
  int result = ext_copy_reserve(there.planes, count, job->source, job->stream, &block);
  if (result == 0) result = write_planes(of, &there);
  job->has_written = result == 0; /* if a copy fails, some of it may be there */
  for (size_t i = 0; result == 0 && i < count; i++) {
    result = ext_copy_down(&of->yuv.planes[i], &there.planes[i], job->stream);
  }
  ext_release(&block.owner);
  return result;
}

/* The work of the job. */
static int write_yuv(ext_job *job) {
  call *of = (call *)job;
  if (vc_device_is_gpu(job->source) && !vc_device_is_gpu(job->target)) {
    return write_and_download(of);
  }
  int result = write_planes(of, &of->yuv);
  job->has_written = result == 0;
  return result;
}

static int make_new(call *of) { return of->shape.rows == 2 ? make_array(of) : make_planes(of); }

static int convert(PyObject *image, call *of) {
  ext_job *job = &of->job;
  if (of->request.out && import_out(of) < 0) return -1;
  if (import_image(image, of) < 0 || (!of->request.out && plan_new(of) < 0)) return -1;
  if (ext_run_begin(job) < 0 || (of->request.out ? plan_out(of) : make_new(of)) < 0) return -1;
  bool is_empty = vc_view_is_empty(&job->from.views[0]);
  int result = is_empty ? write_planes(of, &of->yuv) : ext_run_all(job);
  return job->has_written && ext_outs_tell(&job->outs, job->written) < 0 ? -1 : result;
}

static PyObject *to_yuv(PyObject *module, PyObject *const *args, Py_ssize_t count,
                        PyObject *kwnames) {
  static const ext_signature signature = {
      "to_yuv",
      10,
      {"image", "format", "matrix", "range", "reverse_channels", "from_layout", "out", "device",
       "stream", "producer_stream", NULL}};
  PyObject *values[EXT_MAX_PARAMETERS] = {0};
  call of = {.reverse = false};
  ext_job *job = &of.job;
  (void)module;
  ext_request_init(&of.request, ext_adapter_of_host());
  of.request.function = "to_yuv";
  job->request = &of.request;
  job->work = write_yuv;
  if (ext_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  if (read_arguments(values, &of) < 0) return NULL;
  ext_drain();
  int result = convert(values[IMAGE], &of);
  for (size_t i = 0; i < of.fresh_count; i++) ext_release(&of.fresh[i].owner);
  ext_images_release(&job->outs);
  ext_images_release(&job->from);
  Py_XDECREF(job->written);
  if (result < 0) Py_CLEAR(job->object);
  return job->object;
}

PyMethodDef ext_to_yuv_methods[] = {
    {"_to_yuv", (PyCFunction)(void (*)(void))to_yuv, METH_FASTCALL | METH_KEYWORDS,
     "_to_yuv(image, format, matrix, range, reverse_channels, from_layout, out, device, stream,\n"
     "producer_stream)\n--\n\n"
     "What to_yuv() does, with numbers of viewcast.h."},
    {NULL, NULL, 0, NULL},
};
