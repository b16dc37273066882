/* SPDX-License-Identifier: Apache-2.0 */
/* Savant's functions. They accept the same images as Savant's own (a packed array is HWC as its
 * shape says, however many channels that gives) and raise errors with Savant's texts, followed by
 * advice. */
#include "adapters/list.h"
#include "adapters/opencv.h"
#include "arguments.h"
#include "call.h"
#include "errors.h"
#include "free_threading.h"
#include "methods.h"
#include "stream_order.h"

static PyObject *one_argument(const ext_signature *signature, PyObject *const *args,
                              Py_ssize_t count, PyObject *kwnames) {
  PyObject *values[EXT_MAX_PARAMETERS];
  if (count == 1 && !kwnames) return args[0];
  return ext_arguments(signature, args, count, kwnames, values) < 0 ? NULL : values[0];
}

static void raise_no_image(PyObject *object, const char *needed) {
  ext_raise_no_image(object, ext_is_gpumatnd(object) ? EXT_INSTEAD_OF_GPUMATND : needed);
}

/* --- to a GpuMat */

/* The texts of Savant's helpers, which callers match. */
#define RANK_TEXT "Array must have 2 or 3 dimensions."
#define ORDER_TEXT "Array must be in C-contiguous layout."
#define TYPE_TEXT                                                                           \
  "Array must be of one of the following types ['|u1', '|i1', '<u2', '<i2', '<i4', '<f4', " \
  "'<f8', '<f2']."

/* An array that is not packed and looks planar. */
static int refuse_planar(const vc_view *view) {
  return ext_fail(
      VC_ERROR_LAYOUT,
      ORDER_TEXT
      " Its shape (%lld, %lld, %lld) looks planar "
      "(CHW); use vc.as_gpumat(x, from_layout=\"CHW\", copy=None), or from_layout=\"HWC\" "
      "if it has %lld channels",
      (long long)view->shape[0], (long long)view->shape[1], (long long)view->shape[2],
      (long long)view->shape[2]);
}

static int check_array(const vc_view *view) {
  vc_error error;
  vc_image image;
  if (view->ndim != 2 && view->ndim != 3) {
    return ext_fail(VC_ERROR_LAYOUT, RANK_TEXT " It has %d; index a batch, or reshape",
                    (int)view->ndim);
  }
  bool packed = vc_view_is_empty(view) || vc_view_is_packed(view);
  if (vc_view_looks_planar(view) && !packed) return refuse_planar(view);
  if (vc_image_from_view(view, &image, &error) == VC_OK) return 0;
  if (vc_view_is_empty(view)) return ext_raise(&error); /* without channels */
  return ext_raise_prefixed(ORDER_TEXT, &error);
}

/* The number of axes of an array that could not be imported: of its CUDA Array
 * Interface, as Savant's helpers count them, or what it says itself; -1 where it does
 * not say. Keeps the exception that is set. */
static Py_ssize_t count_axes(PyObject *array) {
  PyObject *raised = ext_exception_take();
  PyObject *table = PyObject_GetAttrString(array, "__cuda_array_interface__");
  PyErr_Clear();
  PyObject *shape = table && PyDict_Check(table) ? ext_dict_value(table, "shape")
                                                 : PyObject_GetAttrString(array, "shape");
  Py_ssize_t count = shape ? PyObject_Size(shape) : -1;
  Py_XDECREF(shape);
  Py_XDECREF(table);
  ext_exception_set(raised);
  return count;
}

static PyObject *refuse_import(PyObject *array) {
  Py_ssize_t axes = count_axes(array);
  bool has_rank = axes < 0 || axes == 2 || axes == 3;
  ext_raise_as_savant(has_rank ? ORDER_TEXT : RANK_TEXT, TYPE_TEXT);
  return NULL;
}

static PyObject *to_gpumat(PyObject *array) {
  ext_drain();
  const ext_adapter *from = ext_adapter_of(array);
  const ext_options options = {.target = &ext_opencv_adapter};
  ext_source source = {0};
  if (from == &ext_opencv_adapter) {
    raise_no_image(array, "a torch.Tensor, a cupy.ndarray or another CUDA array");
    return NULL;
  }
  if (from->import(array, &options, &source) < 0) return refuse_import(array);
  PyObject *mat = NULL;
  if (check_array(&source.view) == 0 && ext_order_streams(from, &options, &source) == 0) {
    mat = ext_opencv_adapter.export(&source, &options);
  }
  if (!mat) ext_raise_as_savant("", TYPE_TEXT);
  ext_release(&source.owner);
  return mat;
}

#define TO_GPUMAT(function, argument)                                                  \
  static PyObject *function(PyObject *module, PyObject *const *args, Py_ssize_t count, \
                            PyObject *kwnames) {                                       \
    static const ext_signature signature = {#function, 1, {argument, NULL}};           \
    (void)module;                                                                      \
    PyObject *array = one_argument(&signature, args, count, kwnames);                  \
    return array ? to_gpumat(array) : NULL;                                            \
  }
TO_GPUMAT(cuda_array_as_opencv_gpu_mat, "arr")
TO_GPUMAT(cupy_array_as_opencv_gpu_mat, "arr")
TO_GPUMAT(pytorch_tensor_as_opencv_gpu_mat, "tensor")

/* --- from a GpuMat */

static PyObject *from_gpumat(PyObject *mat, const ext_adapter *target) {
  const ext_options options = {.target = target};
  if (!ext_is_gpumat(mat)) {
    raise_no_image(mat, "a cv2.cuda.GpuMat");
    return NULL;
  }
  PyObject *array = ext_convert(mat, &options);
  if (!array) ext_raise_as_savant("", TYPE_TEXT);
  return array;
}

#define FROM_GPUMAT(function, adapter)                                                 \
  static PyObject *function(PyObject *module, PyObject *const *args, Py_ssize_t count, \
                            PyObject *kwnames) {                                       \
    static const ext_signature signature = {#function, 1, {"gpu_mat", NULL}};          \
    (void)module;                                                                      \
    PyObject *mat = one_argument(&signature, args, count, kwnames);                    \
    return mat ? from_gpumat(mat, &adapter) : NULL;                                    \
  }
FROM_GPUMAT(opencv_gpu_mat_as_cupy_array, ext_cupy_adapter)
FROM_GPUMAT(opencv_gpu_mat_as_pytorch_tensor, ext_torch_adapter)

#define TO_DOC                                                                           \
  "2 or 3 axes, HWC, rows packed or pitched; the GpuMat views its memory and keeps it\n" \
  "alive. LayoutError (an AssertionError) where the pixels are not interleaved."

PyMethodDef ext_savant_methods[] = {
    EXT_METHOD(cuda_array_as_opencv_gpu_mat,
               "cuda_array_as_opencv_gpu_mat($module, /, arr)\n--\n\n"
               "A cv2.cuda.GpuMat that views any CUDA array.\n\n" TO_DOC),
    EXT_METHOD(cupy_array_as_opencv_gpu_mat,
               "cupy_array_as_opencv_gpu_mat($module, /, arr)\n--\n\n"
               "A cv2.cuda.GpuMat that views a CuPy array.\n\n" TO_DOC),
    EXT_METHOD(pytorch_tensor_as_opencv_gpu_mat,
               "pytorch_tensor_as_opencv_gpu_mat($module, /, tensor)\n--\n\n"
               "A cv2.cuda.GpuMat that views a torch tensor.\n\n" TO_DOC),
    EXT_METHOD(opencv_gpu_mat_as_cupy_array,
               "opencv_gpu_mat_as_cupy_array($module, /, gpu_mat)\n--\n\n"
               "A cupy.ndarray (H, W, C), or (H, W) for one channel, that views a GpuMat and\n"
               "keeps its memory alive."),
    EXT_METHOD(opencv_gpu_mat_as_pytorch_tensor,
               "opencv_gpu_mat_as_pytorch_tensor($module, /, gpu_mat)\n--\n\n"
               "A torch.Tensor (H, W, C), or (H, W) for one channel, that views a GpuMat and\n"
               "keeps its memory alive."),
    {NULL, NULL, 0, NULL},
};
