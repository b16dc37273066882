/* SPDX-License-Identifier: Apache-2.0 */
/* torch.Tensor: through its C exchange table (torch 2.10 and later), else
 * through torch.utils.dlpack. */
#include "adapters/adapter.h"
#include "adapters/dlpack_python.h"
#include "adapters/torch_out.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"
#include "paths.h"

#define INSTALL_TORCH "pip install torch"

static struct {
  bool loaded;
  const DLPackExchangeAPI *api; /* NULL: the functions below are used */
  PyObject *to_dlpack, *from_dlpack;
  PyObject *requires_grad, *is_neg, *is_conj; /* interned names */
} torch;

static int load_names(void) {
  torch.requires_grad = PyUnicode_InternFromString("requires_grad");
  torch.is_neg = PyUnicode_InternFromString("is_neg");
  torch.is_conj = PyUnicode_InternFromString("is_conj");
  return torch.requires_grad && torch.is_neg && torch.is_conj ? 0 : -1;
}

static int load_functions(void) {
  PyObject *module = PyImport_ImportModule("torch.utils.dlpack");
  if (!module) return -1;
  torch.to_dlpack = PyObject_GetAttrString(module, "to_dlpack");
  torch.from_dlpack = PyObject_GetAttrString(module, "from_dlpack");
  Py_DECREF(module);
  return torch.to_dlpack && torch.from_dlpack ? 0 : -1;
}

static int find_all(PyObject *module) {
  PyObject *tensor = PyObject_GetAttrString(module, "Tensor");
  int result = tensor && load_names() == 0 && load_functions() == 0 ? 0 : -1;
  if (result == 0) torch.api = vp_exchange_api((PyTypeObject *)tensor);
  Py_XDECREF(tensor);
  return result;
}

static bool is_loaded(void) {
  return VP_READ(torch.loaded) || vp_load("torch", INSTALL_TORCH, &torch.loaded, find_all) == 0;
}

/* --- import */

/* 1 if the attribute (called if `call`) is true, 0 if not, -1 on error. */
static int is_true(PyObject *tensor, PyObject *name, bool call) {
  PyObject *value = call ? PyObject_CallMethodNoArgs(tensor, name) : PyObject_GetAttr(tensor, name);
  int truth = value ? PyObject_IsTrue(value) : -1;
  Py_XDECREF(value);
  return truth;
}

/* What DLPack can't say, and the exchange table does not check: a view would
 * bypass autograd, or show bits that are not the values. */
static int check_meaning(PyObject *tensor, bool is_complex) {
  int grad = is_true(tensor, torch.requires_grad, false);
  if (grad > 0) {
    return vp_fail(VC_ERROR_VALUE,
                   "the tensor requires grad, and a view of it would bypass autograd; use "
                   "tensor.detach()");
  }
  int negative = grad < 0 ? -1 : is_true(tensor, torch.is_neg, true);
  if (negative > 0) {
    return vp_fail(VC_ERROR_VALUE,
                   "the tensor has its negative bit set: its memory holds the negated values; "
                   "use tensor.resolve_neg()");
  }
  int conjugate = negative < 0 || !is_complex ? negative : is_true(tensor, torch.is_conj, true);
  if (conjugate > 0) {
    return vp_fail(VC_ERROR_VALUE,
                   "the tensor has its conjugate bit set: its memory holds the conjugate "
                   "values; use tensor.resolve_conj()");
  }
  return conjugate < 0 ? vp_raise_from("the tensor does not say whether it requires grad") : 0;
}

static bool needs_meaning(DLDataType dtype) {
  return dtype.code == kDLFloat || dtype.code == kDLBfloat || dtype.code == kDLComplex;
}

static int import_fast(PyObject *tensor, vp_source *out) {
  vc_error error;
  DLTensor described;
  if (torch.api->dltensor_from_py_object_no_sync(tensor, &described) != 0) {
    return vp_raise_from("%.200s can't be seen as memory: a dense tensor is needed",
                         Py_TYPE(tensor)->tp_name);
  }
  if (needs_meaning(described.dtype) &&
      check_meaning(tensor, described.dtype.code == kDLComplex) < 0) {
    return -1;
  }
  if (vc_view_from_dltensor(&described, &out->view, &error) != VC_OK) return vp_raise(&error);
  out->owner = vp_own(tensor);
  return 0;
}

static int check_meaning_by_name(PyObject *tensor) {
  PyObject *floating = PyObject_CallMethod(tensor, "is_floating_point", NULL);
  PyObject *complex = floating ? PyObject_CallMethod(tensor, "is_complex", NULL) : NULL;
  int result = complex ? 0 : vp_raise_from("the tensor does not tell its dtype");
  if (complex && (floating == Py_True || complex == Py_True)) {
    result = check_meaning(tensor, complex == Py_True);
  }
  Py_XDECREF(floating);
  Py_XDECREF(complex);
  return result;
}

static int import_slow(PyObject *tensor, vp_source *out) {
  if (check_meaning_by_name(tensor) < 0) return -1;
  PyObject *capsule = PyObject_CallOneArg(torch.to_dlpack, tensor);
  if (!capsule) {
    return vp_raise_from("%.200s can't be seen as memory: a dense tensor is needed",
                         Py_TYPE(tensor)->tp_name);
  }
  int result = vp_import_capsule(capsule, out);
  Py_DECREF(capsule);
  return result;
}

static int import_tensor(PyObject *tensor, const vp_options *options, vp_source *out) {
  (void)options;
  if (!is_loaded()) return -1;
  bool fast = torch.api && torch.api->dltensor_from_py_object_no_sync;
  return fast ? import_fast(tensor, out) : import_slow(tensor, out);
}

/* --- export */

static int check_export(const vc_view *view) {
  int64_t itemsize = (int64_t)vc_dtype_size(view->dtype);
  if (view->readonly) {
    return vp_fail(VC_ERROR_VALUE,
                   "the image is read-only and a torch tensor is writable; allow a copy with "
                   "copy=None, or copy it first (NumPy: .copy())");
  }
  for (int axis = 0; axis < view->ndim; axis++) {
    int64_t stride = view->strides[axis];
    if (view->shape[axis] > 1 && (stride < 0 || stride & (itemsize - 1))) {
      return vp_fail(VC_ERROR_LAYOUT,
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
  VP_READ(delete_export)(tensor);
}

/* torch ends a tensor without the GIL. Where that can be had without waiting, a Python
 * object that others hold too is counted down: a pending call costs more than the GIL. */
static void delete_object(DLManagedTensorVersioned *tensor) {
  vp_gil gil = vp_gil_take_if_free();
  delete_watched(tensor);
  vp_gil_leave(gil);
}

static PyObject *export_fast(vp_source *source) {
  vc_error error;
  DLManagedTensorVersioned *tensor;
  bool is_object = vp_owned_object(&source->owner) != NULL;
  if (vc_dlpack_versioned_from_view(&source->view, &source->owner, 0, &tensor, &error) != VC_OK) {
    vp_raise(&error);
    return NULL;
  }
  VP_WRITE(delete_export, tensor->deleter); /* the same function each time */
  tensor->deleter = is_object ? delete_object : delete_watched;
  deleted = NULL;
  void *result = NULL;
  if (torch.api->managed_tensor_to_py_object_no_sync(tensor, &result) == 0) return result;
  if (deleted != tensor) VP_READ(delete_export)(tensor);
  return NULL;
}

static PyObject *export_slow(vp_source *source) {
  PyObject *capsule = vp_export_capsule(source, false);
  if (!capsule) return NULL;
  PyObject *tensor = PyObject_CallOneArg(torch.from_dlpack, capsule);
  Py_DECREF(capsule);
  return tensor;
}

static PyObject *export_tensor(vp_source *source, const vp_options *options) {
  (void)options;
  if (!is_loaded()) return NULL;
  if (check_export(&source->view) < 0) return NULL;
  /* torch takes managed memory as its GPU's. */
  if (source->view.device.type == VC_CUDA_MANAGED) source->view.device.type = VC_CUDA;
  PyObject *tensor = torch.api && torch.api->managed_tensor_to_py_object_no_sync
                         ? export_fast(source)
                         : export_slow(source);
  if (!tensor) vp_raise_from("torch does not take this image");
  return tensor;
}

/* --- its current stream */

static vc_stream current_stream(int32_t device) {
  void *stream = NULL;
  if (!is_loaded()) {
    PyErr_Clear(); /* the export will say it */
    return VC_STREAM_LEGACY;
  }
  if (device < 0 || !torch.api || !torch.api->current_work_stream) return vp_torch_stream(device);
  if (torch.api->current_work_stream(kDLCUDA, device, &stream) != 0) {
    PyErr_Clear(); /* a torch without CUDA: the export will say it */
    return VC_STREAM_LEGACY;
  }
  return stream ? (vc_stream)stream : VC_STREAM_LEGACY;
}

const char *vp_torch_path(void) {
  return !VP_READ(torch.loaded) ? NULL : torch.api ? "exchange table" : "torch.utils.dlpack";
}

const vp_adapter vp_torch_adapter = {
    .name = "torch.Tensor",
    .import = import_tensor,
    .export = export_tensor,
    .current = current_stream,
    .check_out = vp_torch_check_out,
    .wrote = vp_torch_wrote,
};
