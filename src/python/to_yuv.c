/* SPDX-License-Identifier: Apache-2.0 */
#include "to_yuv.h"

#include "adapters/list.h"
#include "arguments.h"
#include "device.h"
#include "errors.h"
#include "images.h"
#include "internal.h"
#include "out.h"
#include "stream_order.h"

enum { IMAGE, FORMAT, MATRIX, RANGE, REVERSE, FROM_LAYOUT, OUT, DEVICE, STREAM, PRODUCER_STREAM };

enum { MOST_PLANES = 3 };

/* A call: the image, and the memory that is written. */
typedef struct {
  ext_options options;
  bool reverse;
  ext_images from;
  ext_geometry read;
  vc_yuv yuv;
  vc_yuv_shape shape; /* of its format */
  PyObject *out;      /* borrowed; NULL: new memory */
  PyObject *written;  /* a tuple of the objects of out= */
  ext_images outs;
  PyObject *result;
  size_t fresh_count;
  ext_source fresh[MOST_PLANES];
} call;

/* --- arguments */

static int read_arguments(PyObject *const *values, call *out) {
  int32_t format = 0, matrix = 0, range = 0;
  if (ext_argument_int(values[FORMAT], "format", 1, &format) < 0 ||
      ext_argument_int(values[MATRIX], "matrix", 1, &matrix) < 0 ||
      ext_argument_int(values[RANGE], "range", 1, &range) < 0) {
    return -1;
  }
  vc_yuv_init(&out->yuv, (vc_yuv_format)format, (vc_matrix)matrix, (vc_range)range);
  if (!vc_yuv_shape_of(format, &out->shape)) {
    PyErr_Format(PyExc_ValueError, "format is number %d, needs one of vc.yuv's", (int)format);
    return -1;
  }
  out->options = (ext_options){.target = &ext_numpy_adapter, .copy = EXT_COPY_IF_NEEDED};
  out->out = values[OUT] == Py_None ? NULL : values[OUT];
  if (ext_argument_bool(values[REVERSE], "reverse_channels", &out->reverse) < 0 ||
      ext_layout_read(values[FROM_LAYOUT], "from_layout", "to_yuv", &out->options.from) < 0 ||
      ext_argument_options_device(values[DEVICE], &out->options) < 0 ||
      ext_stream_read(values[STREAM], "stream", &out->options.consumer) < 0) {
    return -1;
  }
  return ext_stream_read(values[PRODUCER_STREAM], "producer_stream", &out->options.producer);
}

/* --- the image */

static int check_place(const call *of) {
  vc_device device;
  bool asked = of->options.has_device && of->options.device.type != VC_CPU;
  if (ext_images_device(&of->from, &device) < 0) return -1;
  if (device.type == VC_CPU && !asked) return 0;
  return ext_fail(VC_ERROR_DEVICE, "%s, and RGB becomes YUV in host memory only; %s",
                  asked ? "device= asks for memory of a GPU" : "the image is in memory of a GPU",
                  asked ? "leave device out and copy the result"
                        : "copy it to the host first (tensor.cpu(), GpuMat.download())");
}

static int import_image(PyObject *image, call *of) {
  if (PyList_Check(image) || PyTuple_Check(image)) {
    PyErr_SetString(PyExc_TypeError,
                    "to_yuv() takes one image and this is a list; call it for each of them");
    return -1;
  }
  if (ext_images_import(image, &of->options, "", &of->from) < 0 ||
      ext_images_read(&of->from, &of->options.from, &of->read) < 0) {
    return -1;
  }
  if (of->read.batch) {
    return ext_fail(VC_ERROR_LAYOUT, "the image has four axes, needs one image; call it for each");
  }
  if (of->read.channels == 3) return check_place(of);
  return ext_fail(VC_ERROR_LAYOUT,
                  "the image has %lld channels, needs R, G and B: drop alpha or spread grey first "
                  "(to_numpy(image, channels=3)), or say which axis holds them "
                  "(from_layout=)",
                  (long long)of->read.channels);
}

/* --- new memory */

static PyObject *make_plane(call *of, int64_t rows, int64_t cols) {
  const ext_adapter *library = of->from.items[0].from;
  vc_view wanted = {.device = {VC_CPU, 0}, .ndim = 2, .shape = {rows, cols}};
  wanted.dtype = (vc_dtype){VC_UINT, of->shape.bits > 8 ? 16 : 8};
  if (!library->empty) library = &ext_numpy_adapter;
  if (library->interleaved) wanted.shape[wanted.ndim++] = 1;
  ext_source *fresh = &of->fresh[of->fresh_count];
  PyObject *made = library->empty(&wanted, VC_STREAM_LEGACY, fresh);
  if (made) of->fresh_count++;
  return made;
}

/* One array with the rows of all planes. */
static int make_array(call *of) {
  int64_t rows = of->read.rows, cols = of->read.cols;
  if (rows % 2 != 0 || cols % 2 != 0) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "the image has H = %lld, W = %lld, and one array of 4:2:0 needs even sides; "
                    "pass planes as out=, with chroma of (H + 1) / 2 rows and (W + 1) / 2 columns",
                    (long long)rows, (long long)cols);
  }
  of->result = make_plane(of, rows / 2 * 3, cols);
  if (!of->result) return -1;
  vc_view array = of->fresh[0].view;
  array.readonly = 0;
  EXT_TRY(vc_yuv_split(&array, of->yuv.format, &of->yuv, &error));
  return 0;
}

static int make_planes(call *of) {
  int64_t cols = of->read.cols;
  of->result = PyTuple_New(MOST_PLANES);
  for (Py_ssize_t i = 0; of->result && i < MOST_PLANES; i++) {
    int64_t shared = i == 0 ? 1 : of->shape.cols;
    PyObject *plane = make_plane(of, of->read.rows, (cols + shared - 1) / shared);
    if (!plane) return -1;
    PyTuple_SET_ITEM(of->result, i, plane);
    of->yuv.planes[i] = of->fresh[i].view;
    of->yuv.planes[i].readonly = 0;
  }
  return of->result ? 0 : -1;
}

/* --- out= */

static int import_out(call *of) {
  const ext_options plain = {.target = of->options.target};
  if (ext_outs_read(of->out, &plain, &of->outs, &of->written) < 0) return -1;
  of->result = Py_NewRef(of->out);
  size_t needed = (size_t)of->shape.planes;
  if (!of->outs.is_list) {
    EXT_TRY(vc_yuv_split(&of->outs.views[0], of->yuv.format, &of->yuv, &error));
    return 0;
  }
  if (of->outs.count != needed) {
    return ext_fail(VC_ERROR_LAYOUT,
                    "out is a list of %zu, needs the %zu planes of the format, or one array",
                    of->outs.count, needed);
  }
  for (size_t i = 0; i < needed; i++) of->yuv.planes[i] = of->outs.views[i];
  return 0;
}

/* --- the work */

static int run(call *of) {
  vc_error error;
  vc_status status;
  const ext_options plain = {.target = of->options.target};
  const vc_view *from = &of->from.views[0];
  vc_layout layout = of->read.planar ? VC_PLANAR : VC_INTERLEAVED;
  if (ext_order_host(&of->from, &of->options) < 0) return -1;
  if (of->out && ext_order_host(&of->outs, &plain) < 0) return -1;
  Py_BEGIN_ALLOW_THREADS status = vc_yuv_write(&of->yuv, from, layout, of->reverse, &error);
  Py_END_ALLOW_THREADS if (status != VC_OK) return ext_raise(&error);
  return of->out ? ext_outs_tell(&of->outs, of->written) : 0;
}

static int convert(PyObject *image, call *of) {
  if (import_image(image, of) < 0) return -1;
  int made = of->out ? import_out(of) : of->shape.rows == 2 ? make_array(of) : make_planes(of);
  return made < 0 ? -1 : run(of);
}

PyObject *ext_to_yuv(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *kwnames) {
  static const ext_signature signature = {
      "to_yuv",
      10,
      {"image", "format", "matrix", "range", "reverse_channels", "from_layout", "out", "device",
       "stream", "producer_stream", NULL}};
  PyObject *values[EXT_MAX_PARAMETERS] = {0};
  call of = {.reverse = false};
  (void)module;
  if (ext_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  if (read_arguments(values, &of) < 0) return NULL;
  ext_drain();
  int result = convert(values[IMAGE], &of);
  for (size_t i = 0; i < of.fresh_count; i++) ext_release(&of.fresh[i].owner);
  ext_images_release(&of.outs);
  ext_images_release(&of.from);
  Py_XDECREF(of.written);
  if (result < 0) Py_CLEAR(of.result);
  return of.result;
}
