/* SPDX-License-Identifier: Apache-2.0 */
/* torch.Tensor: read by torch_import.c; made through its C exchange table (torch 2.10
 * and later), else through torch.utils.dlpack. */
#include "adapters/adapter.h"
#include "adapters/dlpack_python.h"
#include "adapters/torch_import.h"
#include "adapters/torch_out.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"
#include "paths.h"

static struct {
  bool loaded;
  const DLPackExchangeAPI *api; /* NULL: the function below is used */
  PyObject *from_dlpack;
} torch;

static int load_from_dlpack(void) {
  PyObject *module = PyImport_ImportModule("torch.utils.dlpack");
  if (!module) return -1;
  Py_XSETREF(torch.from_dlpack, PyObject_GetAttrString(module, "from_dlpack"));
  Py_DECREF(module);
  return torch.from_dlpack ? 0 : -1;
}

static int find_all(PyObject *module) {
  PyObject *tensor = PyObject_GetAttrString(module, "Tensor");
  int result = tensor ? load_from_dlpack() : -1;
  if (result == 0) torch.api = ext_exchange_api((PyTypeObject *)tensor);
  if (result == 0) result = ext_torch_import_load(module, torch.api);
  Py_XDECREF(tensor);
  return result;
}

static bool is_loaded(void) {
  return EXT_READ(torch.loaded) || ext_load("torch", &torch.loaded, find_all) == 0;
}

/* --- import */

static int import_tensor(PyObject *tensor, const ext_options *options, ext_source *out) {
  (void)options;
  return is_loaded() ? ext_torch_import(tensor, out) : -1;
}

/* --- export */

static int check_export(const vc_view *view) {
  int64_t itemsize = (int64_t)vc_dtype_size(view->dtype);
  if (view->readonly) {
    return ext_fail(VC_ERROR_VALUE,
                    "the image is read-only and a torch tensor is writable; allow a copy with "
                    "copy=None, or copy it first (NumPy: .copy())");
  }
  for (int axis = 0; axis < view->ndim; axis++) {
    int64_t stride = view->strides[axis];
    if (view->shape[axis] > 1 && (stride < 0 || stride & (itemsize - 1))) {
      return ext_fail(VC_ERROR_LAYOUT,
                      "image axis %d has stride %lld bytes, and torch needs a multiple of %lld "
                      "that is not negative; make a packed copy first "
                      "(cupy.ascontiguousarray(), numpy.ascontiguousarray())",
                      axis, (long long)stride, (long long)itemsize);
    }
  }
  return 0;
}

/* The tensor whose deleter ran last on this thread. A table function that
 * fails does not say whether it deleted what it was given: this does. */
static _Thread_local DLManagedTensorVersioned *deleted;
static void (*delete_export)(DLManagedTensorVersioned *);

static void delete_watched(DLManagedTensorVersioned *tensor) {
  deleted = tensor;
  EXT_READ(delete_export)(tensor);
}

/* torch ends a tensor without the GIL. Where that can be had without waiting, a Python
 * object that others hold too is counted down: a pending call costs more than the GIL. */
static void delete_object(DLManagedTensorVersioned *tensor) {
  ext_gil gil = ext_gil_take_if_free();
  delete_watched(tensor);
  ext_gil_leave(gil);
}

static PyObject *export_fast(ext_source *source) {
  vc_error error;
  DLManagedTensorVersioned *tensor;
  bool is_object = ext_owned_object(&source->owner) != NULL;
  if (vc_dlpack_versioned_from_view(&source->view, &source->owner, 0, &tensor, &error) != VC_OK) {
    ext_raise(&error);
    return NULL;
  }
  EXT_WRITE(delete_export, tensor->deleter); /* the same function each time */
  tensor->deleter = is_object ? delete_object : delete_watched;
  deleted = NULL;
  void *result = NULL;
  if (torch.api->managed_tensor_to_py_object_no_sync(tensor, &result) == 0) return result;
  if (deleted != tensor) EXT_READ(delete_export)(tensor);
  return NULL;
}

static PyObject *export_slow(ext_source *source) {
  PyObject *capsule = ext_export_capsule(source, false);
  if (!capsule) return NULL;
  PyObject *tensor = PyObject_CallOneArg(torch.from_dlpack, capsule);
  Py_DECREF(capsule);
  return tensor;
}

static PyObject *export_tensor(ext_source *source, const ext_options *options) {
  (void)options;
  if (!is_loaded()) return NULL;
  if (check_export(&source->view) < 0) return NULL;
  /* torch takes managed memory as its GPU's. */
  if (source->view.device.type == VC_CUDA_MANAGED) source->view.device.type = VC_CUDA;
  PyObject *tensor = torch.api && torch.api->managed_tensor_to_py_object_no_sync
                         ? export_fast(source)
                         : export_slow(source);
  if (!tensor) ext_raise_from("torch does not take this image");
  return tensor;
}

/* --- its current stream */

static vc_stream current_stream(int32_t device) {
  void *stream = NULL;
  if (!is_loaded()) {
    PyErr_Clear(); /* the export will say it */
    return VC_STREAM_LEGACY;
  }
  if (device < 0 || !torch.api || !torch.api->current_work_stream) return ext_torch_stream(device);
  if (torch.api->current_work_stream(kDLCUDA, device, &stream) != 0) {
    PyErr_Clear(); /* a torch without CUDA: the export will say it */
    return VC_STREAM_LEGACY;
  }
  return stream ? (vc_stream)stream : VC_STREAM_LEGACY;
}

const char *ext_torch_path(void) {
  return !EXT_READ(torch.loaded) ? NULL : torch.api ? "exchange table" : "torch.utils.dlpack";
}

const ext_adapter ext_torch_adapter = {
    .name = "torch.Tensor",
    .import = import_tensor,
    .export = export_tensor,
    .current = current_stream,
    .check_out = ext_torch_check_out,
    .wrote = ext_torch_wrote,
};
