/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <stdarg.h>

static struct {
  PyObject *view, *layout, *dtype, *device, *abi, *cuda;
} types;

static PyObject *make_type(PyObject *module, const char *name, const char *doc, PyObject *bases) {
  char full[64];
  PyOS_snprintf(full, sizeof full, "viewcast.%s", name);
  PyObject *type = PyErr_NewExceptionWithDoc(full, doc, bases, NULL);
  if (type && PyModule_AddObjectRef(module, name, type) < 0) Py_CLEAR(type);
  return type;
}

static PyObject *make_assertion_type(PyObject *module, const char *name, const char *doc) {
  /* Callers of Savant's helpers catch AssertionError. */
  PyObject *bases = PyTuple_Pack(2, types.view, PyExc_AssertionError);
  PyObject *type = bases ? make_type(module, name, doc, bases) : NULL;
  Py_XDECREF(bases);
  return type;
}

int vp_errors_init(PyObject *module) {
  types.view = make_type(module, "ViewError",
                         "An image can't be shown as asked. Base of viewcast's exceptions.", NULL);
  if (!types.view) return -1;
  types.layout = make_assertion_type(
      module, "LayoutError",
      "Shape, strides or alignment do not fit. Also an AssertionError.");
  types.dtype = make_assertion_type(
      module, "DTypeError",
      "The element type has no counterpart. Also an AssertionError.");
  types.device = make_type(module, "DeviceError",
                           "The memory is on another kind of device than needed.", types.view);
  types.abi = make_type(module, "ABIError",
                        "The loaded OpenCV is not laid out as viewcast knows it.", types.view);
  types.cuda = make_type(module, "CUDAError", "The CUDA driver reported an error.", types.view);
  return types.layout && types.dtype && types.device && types.abi && types.cuda ? 0 : -1;
}

static PyObject *type_of(vc_status status) {
  switch (status) {
    case VC_ERROR_LAYOUT: return types.layout;
    case VC_ERROR_DTYPE: return types.dtype;
    case VC_ERROR_DEVICE: return types.device;
    case VC_ERROR_ABI: return types.abi;
    case VC_ERROR_CUDA: return types.cuda;
    case VC_ERROR_MEMORY: return PyExc_MemoryError;
    default: return types.view;
  }
}

int vp_raise(const vc_error *error) {
  PyErr_SetString(type_of(error->status), error->message);
  return -1;
}

int vp_raise_prefixed(const char *prefix, const vc_error *error) {
  PyErr_Format(type_of(error->status), "%s %s", prefix, error->message);
  return -1;
}

int vp_fail(vc_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  PyErr_FormatV(type_of(status), format, arguments);
  va_end(arguments);
  return -1;
}

/* The exception that is set, taken; NULL if none. */
static PyObject *take_exception(void) {
#if PY_VERSION_HEX >= 0x030C0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  if (!type) return NULL;
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
#endif
}

static void set_exception(PyObject *exception) {
#if PY_VERSION_HEX >= 0x030C0000
  PyErr_SetRaisedException(exception);
#else
  PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
  Py_DECREF(exception);
#endif
}

static int passes_unchanged(void) {
  return PyErr_Occurred() &&
         (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError) ||
          PyErr_ExceptionMatches(PyExc_ImportError) || PyErr_ExceptionMatches(types.view));
}

int vp_raise_from(const char *format, ...) {
  if (passes_unchanged()) return -1;
  PyObject *cause = take_exception();
  va_list arguments;
  va_start(arguments, format);
  PyErr_FormatV(types.view, format, arguments);
  va_end(arguments);
  if (!cause) return -1;
  PyObject *raised = take_exception();
  PyException_SetCause(raised, Py_NewRef(cause)); /* takes the reference */
  PyException_SetContext(raised, cause);
  set_exception(raised);
  return -1;
}

int vp_raise_at(Py_ssize_t index) {
  if (!PyErr_ExceptionMatches(types.view) && !PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
  PyObject *cause = take_exception();
  PyErr_Format((PyObject *)Py_TYPE(cause), "image %zd: %S", index, cause);
  PyObject *raised = take_exception();
  PyException_SetCause(raised, cause); /* takes the reference */
  set_exception(raised);
  return -1;
}

int vp_raise_no_image(PyObject *object, const char *needed) {
  PyErr_Format(PyExc_TypeError,
               "%.200s is no image: needs %s", Py_TYPE(object)->tp_name, needed);
  return -1;
}
