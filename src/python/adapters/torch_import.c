/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a torch.Tensor: its description, its storage, and what can not be seen as memory. */
#include "adapters/torch_import.h"

#include "adapters/attributes.h"
#include "adapters/dlpack_python.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"

/* A function of one object. One that is implemented in C and takes no other argument is called
 * directly, without the cost of a call through Python. */
typedef struct {
  PyObject *callable; /* strong */
  PyCFunction direct; /* or NULL */
  PyObject *module;   /* of a function of a module (borrowed); NULL for a method */
} function;

ext_torch_parts ext_torch;

/* Attributes of torch's own classes, whatever a subclass or an object overrides. */
static struct {
  PyObject *tensor, *parameter; /* classes, whose attributes are torch's own */
  PyObject *requires_grad;      /* for ext_ask */
  PyObject *to_dlpack;
  PyObject *disable, *enter, *exit; /* a context manager: within it, only torch answers */
  function is_overridden;           /* whether other code answers for a tensor */
  function untyped_storage, is_neg, is_conj, is_floating_point, is_complex;
  function data_ptr, nbytes; /* of a storage */
} torch;

static const struct {
  const char *module, *holder, *name;
  PyObject **out;
} objects[] = {
    {"torch", NULL, "Tensor", &torch.tensor},
    {"torch", "nn", "Parameter", &torch.parameter},
    {"torch", "_C", "DisableTorchFunction", &torch.disable},
    {"torch._C", "DisableTorchFunction", "__enter__", &torch.enter},
    {"torch._C", "DisableTorchFunction", "__exit__", &torch.exit},
    {"torch.utils.dlpack", NULL, "to_dlpack", &torch.to_dlpack},
    {"torch.utils.dlpack", NULL, "from_dlpack", &ext_torch.from_dlpack},
    {"torch", "Tensor", "is_inference", &ext_torch.is_inference},
    {"torch", NULL, "is_inference_mode_enabled", &ext_torch.in_inference_mode},
    {"torch.autograd.graph", NULL, "increment_version", &ext_torch.increment_version},
};

static const struct {
  const char *holder, *name;
  function *out;
} functions[] = {
    {"_C", "_has_torch_function_unary", &torch.is_overridden},
    {"Tensor", "untyped_storage", &torch.untyped_storage},
    {"Tensor", "is_neg", &torch.is_neg},
    {"Tensor", "is_conj", &torch.is_conj},
    {"Tensor", "is_floating_point", &torch.is_floating_point},
    {"Tensor", "is_complex", &torch.is_complex},
    {"UntypedStorage", "data_ptr", &torch.data_ptr},
    {"UntypedStorage", "nbytes", &torch.nbytes},
};

/* Takes a method of a class (METH_NOARGS), a function of a module (METH_O), another callable, or
 * NULL with an exception. */
static int prepare(PyObject *callable, function *out) {
  if (!callable) return -1;
  Py_XSETREF(out->callable, callable);
  out->direct = NULL;
  out->module = NULL;
  if (Py_IS_TYPE(callable, &PyMethodDescr_Type)) {
    const PyMethodDef *method = ((PyMethodDescrObject *)callable)->d_method;
    if (method->ml_flags == METH_NOARGS) out->direct = method->ml_meth;
  } else if (PyCFunction_CheckExact(callable) && PyCFunction_GET_FLAGS(callable) == METH_O) {
    out->module = PyCFunction_GET_SELF(callable);
    if (out->module) out->direct = PyCFunction_GET_FUNCTION(callable);
  }
  return 0;
}

static int find_all(PyObject *module) {
  (void)module;
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
    PyObject *found = ext_find(objects[i].module, objects[i].holder, objects[i].name);
    if (!found) return -1;
    Py_XSETREF(*objects[i].out, found);
  }
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    PyObject *found = ext_find("torch", functions[i].holder, functions[i].name);
    if (prepare(found, functions[i].out) < 0) return -1;
  }
  const DLPackExchangeAPI *api = ext_exchange_api((PyTypeObject *)torch.tensor);
  if (api) {
    ext_torch.describe = api->dltensor_from_py_object_no_sync;
    ext_torch.make = api->managed_tensor_to_py_object_no_sync;
    ext_torch.current_stream = api->current_work_stream;
  }
  return ext_find_attribute(torch.tensor, "requires_grad", &torch.requires_grad);
}

int ext_torch_load(void) { return ext_load("torch", &ext_torch.loaded, find_all); }

/* --- answers */

static PyObject *call(const function *which, PyObject *object) {
  if (!which->direct) return PyObject_CallOneArg(which->callable, object);
  return which->module ? which->direct(which->module, object) : which->direct(object, NULL);
}

int ext_torch_truth(PyObject *answer) {
  int truth = answer ? PyObject_IsTrue(answer) : -1;
  Py_XDECREF(answer);
  return truth;
}

/* Takes an answer (NULL with an exception) that is an address or a count of bytes. */
static int read_size(PyObject *answer, uintptr_t *out) {
  *out = answer ? (uintptr_t)PyLong_AsUnsignedLongLong(answer) : 0;
  Py_XDECREF(answer);
  return PyErr_Occurred() ? -1 : 0;
}

/* --- tensors that have no memory to be seen */

/* Kinds of tensors, each with an attribute that is true of no other kind. */
static const struct {
  const char *attribute, *what;
} kinds[] = {
    {"is_nested",
     "it is nested, and its images have shapes of their own; convert each of tensor.unbind(), or "
     "torch.nested.to_padded_tensor(tensor, 0)"},
    {"is_quantized",
     "it is quantised, and its memory holds codes; use tensor.dequantize(), or tensor.int_repr() "
     "for the codes"},
    {"is_meta", "it is on the meta device and has no memory; make it on a device that has"},
};

static bool has(PyObject *tensor, const char *attribute) {
  PyObject *value = PyObject_GetAttrString(tensor, attribute);
  bool truth = value == Py_True;
  Py_XDECREF(value);
  PyErr_Clear();
  return truth;
}

static bool is_of_functorch(PyObject *tensor) {
  PyObject *asked = ext_find("torch._C", "_functorch", "is_functorch_wrapped_tensor");
  PyObject *answer = asked ? PyObject_CallOneArg(asked, tensor) : NULL;
  bool truth = answer == Py_True;
  Py_XDECREF(answer);
  Py_XDECREF(asked);
  PyErr_Clear();
  return truth;
}

/* "torch.sparse_coo"; NULL for "torch.strided". */
static PyObject *other_layout(PyObject *tensor) {
  PyObject *layout = PyObject_GetAttrString(tensor, "layout");
  PyObject *name = layout ? PyObject_Str(layout) : NULL;
  Py_XDECREF(layout);
  if (name && PyUnicode_CompareWithASCIIString(name, "torch.strided") == 0) Py_CLEAR(name);
  PyErr_Clear();
  return name;
}

static const char *kind_of(PyObject *tensor) {
  if (is_of_functorch(tensor)) {
    return "it stands for others inside of torch.vmap or torch.func; convert outside of it";
  }
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (has(tensor, kinds[i].attribute)) return kinds[i].what;
  }
  return NULL;
}

/* The name of the tensor's dtype if DLPack has none for it, as this PyTorch knows DLPack: 2.1
 * exports no torch.bool and no float8, later ones no torch.bits8. Otherwise NULL. */
static PyObject *dtype_without_dlpack(PyObject *tensor) {
  PyObject *dtype = PyObject_GetAttrString(tensor, "dtype"), *name = NULL;
  PyObject *make = dtype ? ext_find("torch", NULL, "empty") : NULL;
  PyObject *arguments = make ? Py_BuildValue("((i))", 0) : NULL;
  PyObject *keywords = arguments ? Py_BuildValue("{sOss}", "dtype", dtype, "device", "cpu") : NULL;
  PyObject *empty = keywords ? PyObject_Call(make, arguments, keywords) : NULL;
  PyObject *capsule = empty ? PyObject_CallOneArg(torch.to_dlpack, empty) : NULL;
  if (empty && !capsule) {
    PyErr_Clear();
    name = PyObject_Str(dtype);
  }
  Py_XDECREF(capsule);
  Py_XDECREF(empty);
  Py_XDECREF(keywords);
  Py_XDECREF(arguments);
  Py_XDECREF(make);
  Py_XDECREF(dtype);
  PyErr_Clear();
  return name;
}

static int refuse(PyObject *tensor) {
  PyObject *raised = ext_exception_take();
  const char *kind = kind_of(tensor);
  PyObject *layout = kind ? NULL : other_layout(tensor);
  PyObject *dtype = kind || layout ? NULL : dtype_without_dlpack(tensor);
  ext_exception_set(raised);
  const char *name = Py_TYPE(tensor)->tp_name;
  int result;
  if (kind) {
    result = ext_raise_from("%.200s can't be seen as memory: %s", name, kind);
  } else if (layout) {
    result = ext_raise_from(
        "%.200s can't be seen as memory: its layout is %U, and a dense tensor "
        "is needed; use tensor.to_dense()",
        name, layout);
  } else if (dtype) {
    result = ext_fail_from(VC_ERROR_DTYPE,
                           "dtype is %U, which this version of PyTorch does not export by DLPack; "
                           "see its bytes as uint8 first: tensor.view(torch.uint8)",
                           dtype);
  } else {
    result = ext_raise_from(
        "%.200s can't be seen as memory: a dense tensor is needed, and fake, "
        "wrapper and zero tensors have no memory of their own; pass the tensor "
        "that holds it",
        name);
  }
  Py_XDECREF(dtype);
  Py_XDECREF(layout);
  return result;
}

/* --- states of a tensor that DLPack can't describe and that torch does not check. Writes through
 * the memory would bypass autograd, or the bits in memory are not the values. */

static int check_meaning(PyObject *tensor, bool is_complex) {
  int grad = ext_torch_truth(ext_ask(torch.requires_grad, tensor));
  if (grad > 0) {
    return ext_fail(VC_ERROR_VALUE,
                    "the tensor requires grad, and autograd does not see what is read or written "
                    "through its memory; use tensor.detach()");
  }
  int negative = grad < 0 ? -1 : ext_torch_truth(call(&torch.is_neg, tensor));
  if (negative > 0) {
    return ext_fail(VC_ERROR_VALUE,
                    "the tensor has its negative bit set: its memory holds the negated values; "
                    "use tensor.resolve_neg()");
  }
  int conjugate =
      negative < 0 || !is_complex ? negative : ext_torch_truth(call(&torch.is_conj, tensor));
  if (conjugate > 0) {
    return ext_fail(VC_ERROR_VALUE,
                    "the tensor has its conjugate bit set: its memory holds the conjugate "
                    "values; use tensor.resolve_conj()");
  }
  return conjugate < 0 ? ext_raise_from("the tensor does not say whether it requires grad") : 0;
}

/* --- descriptions, whose values are copied at once: the tensor may change them later */

static int describe_by_table(PyObject *tensor, vc_view *view) {
  vc_error error;
  DLTensor described;
  if (ext_torch.describe(tensor, &described) != 0) {
    return refuse(tensor);
  }
  vc_status status = vc_view_from_dltensor(&described, view, &error);
  uint8_t code = described.dtype.code;
  bool has_meaning = code == kDLFloat || code == kDLBfloat || code == kDLComplex;
  if (has_meaning && check_meaning(tensor, code == kDLComplex) < 0) return -1;
  return status == VC_OK ? 0 : ext_raise(&error);
}

/* Describes a tensor by a capsule of DLPack. The capsule's reference to the tensor is released:
 * the storage is the owner. */
static int describe_by_capsule(PyObject *tensor, vc_view *view) {
  ext_source described = {0};
  int complex = ext_torch_truth(call(&torch.is_complex, tensor));
  int floating = complex ? complex : ext_torch_truth(call(&torch.is_floating_point, tensor));
  if (floating < 0) return ext_raise_from("the tensor does not tell its dtype");
  if (floating > 0 && check_meaning(tensor, complex) < 0) return -1;
  PyObject *capsule = PyObject_CallOneArg(torch.to_dlpack, tensor);
  if (!capsule) return refuse(tensor);
  int result = ext_import_capsule(capsule, false, &described);
  Py_DECREF(capsule);
  ext_release(&described.owner);
  *view = described.view;
  return result;
}

/* --- the storage */

/* True for a view that is empty or lies within these bytes. */
static bool lies_within(const vc_view *view, uintptr_t start, uintptr_t bytes) {
  int64_t low, high;
  if (vc_view_is_empty(view)) return true;
  vc_view_span(view, &low, &high);
  uintptr_t first = (uintptr_t)view->data + (uintptr_t)low;
  uintptr_t end = (uintptr_t)view->data + (uintptr_t)high;
  return first >= start && first <= end && end - start <= bytes;
}

/* Checks a view against the storage. A class with __torch_dispatch__ answers for sizes and strides
 * itself, and may change the tensor meanwhile. */
static int check_within(PyObject *storage, const vc_view *view) {
  uintptr_t start, bytes;
  if (read_size(call(&torch.data_ptr, storage), &start) < 0 ||
      read_size(call(&torch.nbytes, storage), &bytes) < 0) {
    return ext_raise_from("the tensor's storage does not tell its memory");
  }
  if (lies_within(view, start, bytes)) return 0;
  return ext_fail(VC_ERROR_VALUE,
                  "the tensor's data, shape and strides reach beyond its storage of %zu bytes: its "
                  "class changed it while it was read, or says what is not so; convert the tensor "
                  "that holds the memory",
                  (size_t)bytes);
}

/* Reads the storage first, then the description, which must lie within that storage. torch's own
 * classes describe themselves correctly. */
static int read_tensor(PyObject *tensor, ext_source *out) {
  PyObject *type = (PyObject *)Py_TYPE(tensor), *storage = call(&torch.untyped_storage, tensor);
  if (!storage) return refuse(tensor);
  int result = ext_torch.describe ? describe_by_table(tensor, &out->view)
                                  : describe_by_capsule(tensor, &out->view);
  bool trusted = ext_torch.describe && (type == torch.tensor || type == torch.parameter);
  if (result == 0 && !trusted) result = check_within(storage, &out->view);
  if (result == 0) out->owner = ext_own(storage);
  Py_DECREF(storage);
  return result;
}

static void leave(PyObject *guard) {
  PyObject *const arguments[] = {guard, Py_None, Py_None, Py_None};
  PyObject *raised = ext_exception_take();
  PyObject *left = PyObject_Vectorcall(torch.exit, arguments, 4, NULL);
  if (!left) PyErr_WriteUnraisable(guard);
  Py_XDECREF(left);
  ext_exception_set(raised);
}

/* Reads a tensor with the code disabled that could answer in torch's place: __torch_function__ of
 * a subclass, and modes, such as that of torch.set_default_device(). */
static int read_undisturbed(PyObject *tensor, ext_source *out) {
  PyObject *guard = PyObject_CallNoArgs(torch.disable);
  PyObject *entered = guard ? PyObject_CallOneArg(torch.enter, guard) : NULL;
  int result = entered ? read_tensor(tensor, out) : -1;
  if (entered) leave(guard);
  Py_XDECREF(entered);
  Py_XDECREF(guard);
  return result;
}

int ext_torch_import(PyObject *tensor, const ext_options *options, ext_source *out) {
  (void)options;
  if (!EXT_READ(ext_torch.loaded) && ext_torch_load() < 0) return -1;
  int overridden = ext_torch_truth(call(&torch.is_overridden, tensor));
  if (overridden < 0) return -1;
  return overridden ? read_undisturbed(tensor, out) : read_tensor(tensor, out);
}
