/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/torch_refusal.h"

#include "errors.h"

#include <stdbool.h>

/* By an attribute that is true of such tensors alone. */
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
  PyObject *module = PyImport_ImportModule("torch._C._functorch");
  PyObject *answer =
      module ? PyObject_CallMethod(module, "is_functorch_wrapped_tensor", "O", tensor) : NULL;
  bool truth = answer == Py_True;
  Py_XDECREF(answer);
  Py_XDECREF(module);
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

int ext_torch_refuse(PyObject *tensor) {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  const char *kind = kind_of(tensor);
  PyObject *layout = kind ? NULL : other_layout(tensor);
  PyErr_Restore(type, value, traceback);
  const char *name = Py_TYPE(tensor)->tp_name;
  int result;
  if (kind) {
    result = ext_raise_from("%.200s can't be seen as memory: %s", name, kind);
  } else if (layout) {
    result = ext_raise_from(
        "%.200s can't be seen as memory: its layout is %U, and a dense tensor "
        "is needed; use tensor.to_dense()",
        name, layout);
  } else {
    result = ext_raise_from(
        "%.200s can't be seen as memory: a dense tensor is needed, and fake, "
        "wrapper and zero tensors have no memory of their own; pass the tensor "
        "that holds it",
        name);
  }
  Py_XDECREF(layout);
  return result;
}
