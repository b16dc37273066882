/* SPDX-License-Identifier: Apache-2.0 */
/* as_gpumat, as_tensor, as_cupy, as_numpy and view. */
#include "convert.h"

#include "adapters/opencv.h"
#include "arguments.h"
#include "errors.h"

/* Whether the image can be its own conversion. cv2's other image classes have
 * GpuMat's adapter, which refuses them. */
static bool is_already(PyObject *image, const vp_adapter *from, const vp_adapter *target) {
  if (from != target) return false;
  return target != &vp_opencv_adapter || (vp_is_gpumat(image) && vp_gpumat_header(image));
}

PyObject *vp_convert(PyObject *image, const vp_adapter *target, const vp_options *options) {
  vp_drain();
  const vp_adapter *from = vp_adapter_of(image);
  if (is_already(image, from, target)) return Py_NewRef(image);
  if (PyErr_Occurred()) return NULL;
  vp_source source = {0};
  if (from->import(image, options, &source) < 0) return NULL;
  PyObject *result = target->export(&source, options);
  vc_owner_release(&source.owner);
  return result;
}

static int parse_layout(PyObject *layout, vp_options *options) {
  if (!layout || layout == Py_None) return 0;
  options->is_hwc = PyUnicode_Check(layout) &&
                    PyUnicode_CompareWithASCIIString(layout, "HWC") == 0;
  if (options->is_hwc) return 0;
  PyErr_Format(PyExc_ValueError,
               "layout is %R, and as_gpumat only sees \"HWC\"; for a planar image make an HWC "
               "copy first (torch: permute(1, 2, 0).contiguous(), CuPy: "
               "cupy.ascontiguousarray(x.transpose(1, 2, 0)))",
               layout);
  return -1;
}

static void set_owner(PyObject *owner, vp_options *options) {
  options->owner = owner == Py_None ? NULL : owner;
}

static PyObject *as_gpumat(PyObject *module, PyObject *const *args, Py_ssize_t count,
                           PyObject *kwnames) {
  (void)module;
  static const vp_signature signature = {"as_gpumat", 1, {"image", "layout", NULL}};
  PyObject *values[VP_MAX_PARAMETERS];
  vp_options options = {0};
  if (vp_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  if (parse_layout(values[1], &options) < 0) return NULL;
  return vp_convert(values[0], &vp_opencv_adapter, &options);
}

/* The functions whose options are those of reading a GpuMat. */
static PyObject *as_array(const char *function, const vp_adapter *target, PyObject *const *args,
                          Py_ssize_t count, PyObject *kwnames) {
  vp_signature signature = {function, 1, {"image", "keepdim", "owner", NULL}};
  PyObject *values[VP_MAX_PARAMETERS];
  vp_options options = {0};
  if (vp_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  int keepdim = vp_argument_bool(values[1], 0);
  if (keepdim < 0) return NULL;
  options.keepdim = keepdim;
  set_owner(values[2], &options);
  return vp_convert(values[0], target, &options);
}

#define AS_ARRAY(function, adapter)                                                     \
  static PyObject *function(PyObject *module, PyObject *const *args, Py_ssize_t count,   \
                            PyObject *kwnames) {                                         \
    (void)module;                                                                        \
    return as_array(#function, &adapter, args, count, kwnames);                          \
  }
AS_ARRAY(as_tensor, vp_torch_adapter)
AS_ARRAY(as_cupy, vp_cupy_adapter)
AS_ARRAY(as_numpy, vp_numpy_adapter)
AS_ARRAY(view, vp_view_adapter)

#define METHOD(name, doc) \
  {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL | METH_KEYWORDS, doc}
#define ARRAY_OPTIONS                                                                      \
  "keepdim: a one-channel GpuMat as (H, W, 1) instead of (H, W).\n"                         \
  "owner: an object to keep alive with a GpuMat that does not own its memory.\n"

PyMethodDef vp_convert_methods[] = {
    METHOD(as_gpumat,
           "as_gpumat($module, /, image, *, layout=None)\n--\n\n"
           "A cv2.cuda.GpuMat that views the image: no pixel moves.\n\n"
           "image: (H, W) or (H, W, C), interleaved, rows packed or pitched; of any\n"
           "library. It lives until the last GpuMat that views it is gone.\n"
           "layout: \"HWC\" accepts a packed array that looks planar.\n\n"
           "Raises LayoutError, DTypeError, DeviceError, ABIError, CUDAError (all\n"
           "ViewError), or TypeError for what is no image."),
    METHOD(as_tensor, "as_tensor($module, /, image, *, keepdim=False, owner=None)\n--\n\n"
                      "A torch.Tensor that views the image, in any layout: no pixel moves.\n\n" ARRAY_OPTIONS),
    METHOD(as_cupy, "as_cupy($module, /, image, *, keepdim=False, owner=None)\n--\n\n"
                    "A cupy.ndarray that views the image, in any layout: no pixel moves.\n\n" ARRAY_OPTIONS),
    METHOD(as_numpy, "as_numpy($module, /, image, *, keepdim=False, owner=None)\n--\n\n"
                     "A numpy.ndarray that views an image in host memory: no pixel moves.\n"
                     "Read-only memory gives a read-only array.\n\n" ARRAY_OPTIONS),
    METHOD(view, "view($module, /, image, *, keepdim=False, owner=None)\n--\n\n"
                 "A viewcast.View of the image.\n\n" ARRAY_OPTIONS),
    {NULL, NULL, 0, NULL},
};
