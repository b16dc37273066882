/* SPDX-License-Identifier: Apache-2.0 */
/* cv2.cuda.GpuMatND, OpenCV's array of any rank. Nothing in cv2 itself computes
 * on one: they come from, and go to, C++ that is bound to Python. */
#include "adapters/gpumatnd.h"

#include "adapters/adapter.h"
#include "arguments.h"
#include "convert.h"
#include "errors.h"
#include "free_threading.h"

static PyObject *class; /* cv2.cuda.GpuMatND, strong; verified */

static int verify(PyObject *type) {
  vp_loading_begin();
  int result = vp_nd_verify(type);
  if (result == 0) vp_keep_first(&class, Py_NewRef(type));
  vp_loading_end();
  return result;
}

const vp_opencv *vp_nd_load(void) {
  const vp_opencv *opencv = vp_opencv_load();
  if (!opencv || VP_READ(class)) return opencv;
  PyObject *type = vp_opencv_gpumatnd(); /* borrowed: kept for ever */
  if (!type) {
    vp_fail(VC_ERROR_ABI, "this cv2 has no cuda.GpuMatND; OpenCV 4.8 and later have");
    return NULL;
  }
  return verify(type) == 0 ? opencv : NULL;
}

/* --- import */

static int read_type(const vc_gpumat_abi *abi, const vp_nd *nd, vc_dtype *dtype,
                     int32_t *channels) {
  int32_t type = nd->flags & 0xFFF;
  *channels = (type >> abi->channel_shift) + 1;
  *dtype = abi->depths[type & ((1 << abi->channel_shift) - 1) & (VC_GPUMAT_DEPTHS - 1)];
  if (dtype->bits) return 0;
  return vp_fail(VC_ERROR_DTYPE, "the GpuMatND has OpenCV's type %d, whose depth viewcast does not know; convert it "
                 "in C++ (GpuMat::convertTo of its planes)",
                 (int)type);
}

/* GpuMatND.from_dlpack() of OpenCV 4.13 to 5.0 takes the third size for the
 * channels: headers that reach beyond the memory that they are over. */
static int refuse_broken(const vp_nd *nd, int32_t channels) {
  if (nd->owned || channels == 1) return 0;
  return vp_fail(VC_ERROR_LAYOUT,
                 "the GpuMatND does not own its memory and says that each element has %d "
                 "channels, as those of GpuMatND.from_dlpack() wrongly do; convert the array "
                 "that it was made of, or take a GpuMat (createGpuMatHeader in C++)",
                 (int)channels);
}

static int check_steps(const vp_nd *nd, size_t element) {
  bool good = nd->dims == 0 || nd->steps[nd->dims - 1] == (int64_t)element;
  for (int32_t i = 0; good && i + 1 < nd->dims; i++) {
    good = nd->steps[i] >= 0 && (nd->sizes[i] <= 1 || nd->steps[i] / nd->steps[i + 1] >=
                                                          nd->sizes[i + 1]);
  }
  if (good) return 0;
  return vp_fail(VC_ERROR_LAYOUT,
                 "the steps of the GpuMatND overlap: each must be at least the next times its "
                 "size, and the last %zu bytes; convert the array that it was made of",
                 element);
}

static int fill_view(const vp_nd *nd, vc_dtype dtype, int32_t channels, bool keepdim,
                     vc_view *out) {
  bool axis = channels > 1 || keepdim;
  *out = (vc_view){.data = nd->data, .dtype = dtype, .ndim = nd->dims + axis};
  if (out->ndim > VC_MAX_NDIM || nd->dims == 0) {
    return vp_fail(VC_ERROR_LAYOUT,
                   "the GpuMatND has %d dimensions%s, needs 1 to %d axes in all; make a GpuMat "
                   "of a plane (createGpuMatHeader in C++)",
                   (int)nd->dims, axis ? " and channels" : "", VC_MAX_NDIM);
  }
  for (int32_t i = 0; i < nd->dims; i++) {
    out->shape[i] = nd->data ? nd->sizes[i] : 0;
    out->strides[i] = nd->steps[i];
  }
  if (!axis) return 0;
  out->shape[nd->dims] = channels;
  out->strides[nd->dims] = (int64_t)vc_dtype_size(dtype);
  return 0;
}

static int find_device(vc_view *view) {
  vc_error error;
  if (!view->data) {
    view->device = (vc_device){vc_cuda_device_count() > 0 ? VC_CUDA : VC_CPU, 0};
    return 0;
  }
  return vc_cuda_pointer_device(view->data, &view->device, &error) == VC_OK ? 0
                                                                            : vp_raise(&error);
}

/* Nothing in Python ends the memory of a GpuMatND before the object. */
static int import_nd(PyObject *image, const vp_options *options, vp_source *out) {
  vc_error error;
  vp_nd nd;
  vc_dtype dtype;
  int32_t channels;
  const vp_opencv *opencv = vp_nd_load();
  if (!opencv || vp_nd_read(image, &nd) < 0) return -1;
  if (read_type(&opencv->abi, &nd, &dtype, &channels) < 0) return -1;
  if (refuse_broken(&nd, channels) < 0) return -1;
  if (check_steps(&nd, vc_dtype_size(dtype) * (size_t)channels) < 0) return -1;
  if (fill_view(&nd, dtype, channels, options->keepdim, &out->view) < 0) return -1;
  if (find_device(&out->view) < 0) return -1;
  if (vc_view_check(&out->view, &error) != VC_OK) return vp_raise(&error);
  out->owner = vp_own(options->owner ? options->owner : image);
  return 0;
}

/* --- export */

/* The last axes as a GpuMat, whose rules are checked with it. */
static int read_plane(const vc_gpumat_abi *abi, const vc_view *view, int32_t leading,
                      int64_t offset, vc_gpumat *out) {
  vc_error error;
  vc_view plane = *view;
  plane.ndim = view->ndim - leading;
  plane.data = (char *)view->data + offset;
  for (int32_t i = 0; i < plane.ndim; i++) {
    plane.shape[i] = view->shape[i + leading];
    plane.strides[i] = view->strides[i + leading];
  }
  return vc_gpumat_over(abi, &plane, out, &error) == VC_OK ? 0 : vp_raise(&error);
}

static int check_leading(const vp_nd *nd, int32_t leading) {
  for (int32_t i = 0; i < leading; i++) {
    if (nd->sizes[i] <= 1 || nd->steps[i] / nd->steps[i + 1] >= nd->sizes[i + 1]) continue;
    return vp_fail(VC_ERROR_LAYOUT,
                   "axis %d has stride %lld bytes, needs %lld or more in a GpuMatND: its images "
                   "lie one after the other; copy it first (copy=True to another library)",
                   (int)i, (long long)nd->steps[i],
                   (long long)(nd->steps[i + 1] * nd->sizes[i + 1]));
  }
  return 0;
}

/* Axes before the plane; with keepdim every axis is a size, of one channel. */
static int describe(const vc_gpumat_abi *abi, const vc_view *view, bool keepdim, vp_nd *out) {
  vc_gpumat first, next;
  int32_t leading = view->ndim - (view->ndim > 2 && !keepdim ? 3 : 2);
  if (vc_view_is_empty(view)) {
    return vp_fail(VC_ERROR_LAYOUT,
                   "the image is empty (an axis has length 0), and a GpuMatND needs pixels; use "
                   "as_gpumat()");
  }
  if (leading < 0) leading = 0; /* rank 1: refused with the plane */
  if (read_plane(abi, view, leading, 0, &first) < 0) return -1;
  *out = (vp_nd){.flags = first.flags & ~(1 << 14), .dims = leading + 2, .data = first.data};
  if (vc_view_is_packed(view)) out->flags |= 1 << 14;
  for (int32_t i = 0; i < leading; i++) {
    out->sizes[i] = view->shape[i];
    out->steps[i] = view->strides[i];
    bool moves = view->shape[i] > 1; /* the next image must fit CUDA's vectors too */
    if (moves && read_plane(abi, view, leading, view->strides[i], &next) < 0) return -1;
  }
  out->sizes[leading] = first.rows;
  out->sizes[leading + 1] = first.cols;
  out->steps[leading] = (int64_t)first.step;
  int32_t channels = ((first.flags & 0xFFF) >> abi->channel_shift) + 1;
  out->steps[leading + 1] = (int64_t)vc_dtype_size(view->dtype) * channels;
  return check_leading(out, leading);
}

static PyObject *export_nd(vp_source *source, const vp_options *options) {
  vp_nd nd;
  const vp_opencv *opencv = vp_nd_load();
  if (!opencv || describe(&opencv->abi, &source->view, options->keepdim, &nd) < 0) return NULL;
  return vp_nd_make(class, &nd, &source->view, &source->owner);
}

const vp_adapter vp_gpumatnd_adapter = {"cv2.cuda.GpuMatND", import_nd, export_nd,
                                        vp_opencv_stream};

static PyObject *as_gpumatnd(PyObject *module, PyObject *const *args, Py_ssize_t count,
                             PyObject *kwnames) {
  (void)module;
  static const vp_signature signature = {
      "as_gpumatnd", 1, {"image", "keepdim", "stream", "producer_stream", NULL}};
  PyObject *values[VP_MAX_PARAMETERS];
  vp_options options = {.target = &vp_gpumatnd_adapter};
  if (vp_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  int keepdim = vp_argument_bool(values[1], 0);
  if (keepdim < 0 || vp_stream_read(values[2], "stream", &options.consumer) < 0) return NULL;
  if (vp_stream_read(values[3], "producer_stream", &options.producer) < 0) return NULL;
  options.keepdim = keepdim;
  return vp_convert(values[0], &options);
}

PyMethodDef vp_gpumatnd_methods[] = {
    VP_METHOD(as_gpumatnd,
           "as_gpumatnd($module, /, image, *, keepdim=False, stream=None, producer_stream=None)\n"
           "--\n\n"
           "A cv2.cuda.GpuMatND that views the image: no pixel moves.\n\n"
           "image: (H, W), (H, W, C) or (N, H, W, C), interleaved; of any library. The last\n"
           "of three or four axes is the channels. It lives until the last C++ copy of the\n"
           "GpuMatND is gone. keepdim: every axis is a size, of one channel (planar images,\n"
           "too). stream: where the result will be used; producer_stream: where the image\n"
           "was written; None: as in as_gpumat.\n\n"
           "Needs OpenCV 4.13 or later, and raises what as_gpumat raises."),
    {NULL, NULL, 0, NULL},
};
