/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/torch_out.h"

#include "errors.h"
#include "free_threading.h"
#include "imports.h"

static struct {
  bool loaded;
  PyObject *is_inference;      /* a method of the class Tensor */
  PyObject *in_inference_mode; /* a function */
  PyObject *increment_version; /* a function; takes one tensor in every version of torch */
} torch;

static int find(PyObject *module, const char *name, PyObject **out) {
  Py_XSETREF(*out, module ? PyObject_GetAttrString(module, name) : NULL);
  return *out ? 0 : -1;
}

static int find_all(PyObject *module) {
  PyObject *tensor = PyObject_GetAttrString(module, "Tensor");
  PyObject *graph = tensor ? PyImport_ImportModule("torch.autograd.graph") : NULL;
  int result = find(tensor, "is_inference", &torch.is_inference);
  if (result == 0) result = find(module, "is_inference_mode_enabled", &torch.in_inference_mode);
  if (result == 0) result = find(graph, "increment_version", &torch.increment_version);
  Py_XDECREF(graph);
  Py_XDECREF(tensor);
  return result;
}

static bool is_loaded(void) {
  return EXT_READ(torch.loaded) || ext_load("torch", &torch.loaded, find_all) == 0;
}

/* Takes the answer. */
static int is_true(PyObject *answer) {
  int truth = answer ? PyObject_IsTrue(answer) : -1;
  Py_XDECREF(answer);
  return truth;
}

int ext_torch_check_out(PyObject *tensor) {
  if (!is_loaded()) return -1;
  int inference = is_true(PyObject_CallOneArg(torch.is_inference, tensor));
  if (inference == 0) return 0;
  int allowed = inference < 0 ? -1 : is_true(PyObject_CallNoArgs(torch.in_inference_mode));
  if (allowed < 0) return ext_raise_from("the tensor does not say whether it may be written");
  if (allowed) return 0;
  return ext_fail(
      VC_ERROR_VALUE,
      "the tensor was made in torch.inference_mode(): Inplace update to inference tensor "
      "outside InferenceMode is not allowed; write into tensor.clone(), or call within "
      "torch.inference_mode()");
}

int ext_torch_wrote(PyObject *tensor) {
  if (!is_loaded()) return -1;
  PyObject *done = PyObject_CallOneArg(torch.increment_version, tensor);
  Py_XDECREF(done);
  return done ? 0 : ext_raise_from("out was written, and torch does not count it");
}
