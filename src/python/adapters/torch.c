/* SPDX-License-Identifier: Apache-2.0 */
/* torch.Tensor: read by torch_import.c; made through its C exchange table (torch 2.10
 * and later), else through torch.utils.dlpack. */
#include "adapters/dlpack_python.h"
#include "adapters/list.h"
#include "adapters/memory.h"
#include "adapters/torch_import.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"

static bool is_loaded(void) { return EXT_READ(ext_torch.loaded) || ext_torch_load() == 0; }

/* --- export */

/* The first axis whose stride torch does not take; -1 if there is none. */
static int unfit_axis(const vc_view *view) {
  int64_t itemsize = (int64_t)vc_dtype_size(view->dtype);
  for (int axis = 0; axis < view->ndim; axis++) {
    int64_t stride = view->strides[axis];
    if (view->shape[axis] > 1 && (stride < 0 || stride & (itemsize - 1))) return axis;
  }
  return -1;
}

static bool fits(const vc_view *view) { return unfit_axis(view) < 0; }

static int check_export(const vc_view *view) {
  if (view->readonly) {
    return ext_fail(VC_ERROR_VALUE,
                    "the image is read-only and a torch tensor is writable; allow a copy with "
                    "copy=None, or copy it first (NumPy: .copy())");
  }
  int axis = unfit_axis(view);
  if (axis < 0) return 0;
  return ext_fail(VC_ERROR_LAYOUT,
                  "image axis %d has stride %lld bytes, and torch needs a multiple of %lld that is "
                  "not negative; make a packed copy first (cupy.ascontiguousarray(), "
                  "numpy.ascontiguousarray())",
                  axis, (long long)view->strides[axis], (long long)vc_dtype_size(view->dtype));
}

/* The tensor whose deleter ran last on this thread. A function of the table that fails does not
 * tell whether it called the deleter; this does. */
static _Thread_local DLManagedTensorVersioned *deleted;
static void (*delete_export)(DLManagedTensorVersioned *);

static void delete_watched(DLManagedTensorVersioned *tensor) {
  deleted = tensor;
  EXT_READ(delete_export)(tensor);
}

/* torch deletes a tensor without the GIL. If the GIL can be taken without waiting, a Python object
 * that has other references is decremented at once, which is cheaper than a pending call. */
static void delete_object(DLManagedTensorVersioned *tensor) {
  ext_gil gil = ext_gil_take_if_free();
  delete_watched(tensor);
  ext_gil_leave(gil);
}

static PyObject *export_fast(ext_source *source) {
  DLManagedTensorVersioned *tensor;
  bool is_object = ext_owned_object(&source->owner) != NULL;
  EXT_TRY_OR(vc_dlpack_versioned_from_view(&source->view, &source->owner, 0, &tensor, &error),
             NULL);
  EXT_WRITE(delete_export, tensor->deleter); /* the same function each time */
  tensor->deleter = is_object ? delete_object : delete_watched;
  deleted = NULL;
  void *result = NULL;
  if (ext_torch.make(tensor, &result) == 0) return result;
  if (deleted != tensor) EXT_READ(delete_export)(tensor);
  return NULL;
}

static PyObject *export_slow(ext_source *source) {
  PyObject *capsule = ext_export_capsule(source, false);
  if (!capsule) return NULL;
  PyObject *tensor = PyObject_CallOneArg(ext_torch.from_dlpack, capsule);
  Py_DECREF(capsule);
  return tensor;
}

static PyObject *export_tensor(ext_source *source, const ext_options *options) {
  (void)options;
  if (!is_loaded()) return NULL;
  if (check_export(&source->view) < 0) return NULL;
  /* torch treats managed memory as memory of its GPU. */
  if (source->view.device.type == VC_CUDA_MANAGED) source->view.device.type = VC_CUDA;
  PyObject *tensor = ext_torch.make ? export_fast(source) : export_slow(source);
  if (!tensor) ext_raise_no_object("torch", "to_tensor", &source->view);
  return tensor;
}

/* --- its current stream */

static vc_stream current_stream(int32_t device) {
  void *stream = NULL;
  if (!is_loaded()) {
    PyErr_Clear(); /* the export will say it */
    return VC_STREAM_LEGACY;
  }
  if (device < 0 || !ext_torch.current_stream) return ext_torch_stream(device);
  if (ext_torch.current_stream(kDLCUDA, device, &stream) != 0) {
    PyErr_Clear(); /* a torch without CUDA: the export will say it */
    return VC_STREAM_LEGACY;
  }
  return stream ? (vc_stream)stream : VC_STREAM_LEGACY;
}

/* --- tensors with memory of their own */

/* Borrowed; NULL with an exception. */
static PyObject *dtype_of(vc_dtype dtype) {
  static PyObject *dtypes[32];
  int width = dtype.bits == 64 ? 3 : dtype.bits / 16; /* 8, 16, 32, 64: 0, 1, 2, 3 */
  return ext_import_attribute("torch", vc_dtype_name(dtype), &dtypes[(dtype.code & 7) * 4 + width]);
}

#define DEVICES 17

static PyObject *device_at(int slot) {
  static PyObject *devices[DEVICES], *class;
  PyObject *known = EXT_READ(devices[slot]);
  if (known) return known;
  PyObject *type = ext_import_attribute("torch", "device", &class);
  if (!type) return NULL;
  return ext_keep_first(&devices[slot], slot ? PyObject_CallFunction(type, "si", "cuda", slot - 1)
                                             : PyObject_CallFunction(type, "s", "cpu"));
}

/* torch.empty() allocates for the current stream. */
static PyObject *empty_tensor(const vc_view *wanted, vc_stream stream, ext_source *out) {
  static PyObject *function;
  vc_device device = wanted->device;
  int slot = vc_device_is_gpu(device) ? 1 + (int)device.id : 0;
  if (slot >= DEVICES || (slot > 0 && current_stream(device.id) != stream)) {
    return ext_memory_array(&ext_torch_adapter, wanted, stream, out);
  }
  PyObject *place = device_at(slot);
  PyObject *dtype = place ? dtype_of(wanted->dtype) : NULL;
  PyObject *empty = dtype ? ext_import_attribute("torch", "empty", &function) : NULL;
  return ext_memory_call(empty, &ext_torch_adapter, wanted, dtype, place, out);
}

/* --- a tensor that is written into (out=): what autograd has to do with it */

/* ViewError for a tensor that tensor.copy_() would not write, as far as its import does not
 * tell (which refuses what requires grad): an inference tensor outside of
 * torch.inference_mode(). */
static int check_out(PyObject *tensor) {
  if (!is_loaded()) return -1;
  int inference = ext_torch_truth(PyObject_CallOneArg(ext_torch.is_inference, tensor));
  if (inference == 0) return 0;
  int allowed =
      inference < 0 ? -1 : ext_torch_truth(PyObject_CallNoArgs(ext_torch.in_inference_mode));
  if (allowed < 0) return ext_raise_from("the tensor does not say whether it may be written");
  if (allowed) return 0;
  return ext_fail(
      VC_ERROR_VALUE,
      "the tensor was made in torch.inference_mode(): Inplace update to inference tensor "
      "outside InferenceMode is not allowed; write into tensor.clone(), or call within "
      "torch.inference_mode()");
}

/* Counts a write in the tensor's version counter, as tensor.copy_() does: autograd then
 * refuses a backward pass that needs what was there before. */
static int count_write(PyObject *tensor) {
  if (!is_loaded()) return -1;
  PyObject *done = PyObject_CallOneArg(ext_torch.increment_version, tensor);
  Py_XDECREF(done);
  return done ? 0 : ext_raise_from("out was written, and torch does not count it");
}

static int add_paths(PyObject *paths) {
  const char *path = ext_torch.make ? "exchange table" : "torch.utils.dlpack";
  return ext_path_add(paths, "torch", EXT_READ(ext_torch.loaded) ? path : NULL);
}

const ext_adapter ext_torch_adapter = {
    .name = "torch.Tensor",
    .module = "torch",
    .class_name = "Tensor",
    .writable = true,
    .import = ext_torch_import,
    .current_stream = current_stream,
    .export = export_tensor,
    .fits = fits,
    .empty = empty_tensor,
    .check_out = check_out,
    .wrote = count_write,
    .add_paths = add_paths,
};
