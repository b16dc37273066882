/* SPDX-License-Identifier: Apache-2.0 */
/* viewcast's exceptions, and the advice in the library's messages in Python's words. */
#include "errors.h"

#include <stdarg.h>
#include <string.h>

#include "device.h"
#include "docstrings.h"
#include "internal.h"

/* --- what the library's messages advise, for callers in Python */

/* The same arguments: without the from_layout= that was given, the image would be read
 * differently. */
#define ONE_COPY "copy=None, or vc.to_gpumat() with the same arguments, makes one fused copy"

static const char *const texts[VC_ADVICE_COUNT] = {
    [VC_ADVICE_PACK] = ONE_COPY,
    [VC_ADVICE_INTERLEAVE] = ONE_COPY,
    [VC_ADVICE_ADD_AXES] =
        "reshape it to (1, W) or (H, W) first; the bytes of an image file are "
        "decoded by cv2.imdecode()",
    [VC_ADVICE_MAKE_WRITABLE] = "allow a copy with copy=None, or copy it first (NumPy: .copy())",
    [VC_ADVICE_TO_GPU] =
        "move it first (torch: .cuda(), CuPy: cupy.asarray(), OpenCV: "
        "GpuMat().upload())",
    [VC_ADVICE_TO_HOST] = "device=\"cpu\"",
    [VC_ADVICE_TO_DEVICE] = "device=",
    [VC_ADVICE_OTHER_MEMORY] = "write into other memory (no out=)",
    [VC_ADVICE_RESIZE] = "resize=(height, width)",
    [VC_ADVICE_STREAM] = "stream=",
    [VC_ADVICE_BOTH_STREAMS] = "stream=, producer_stream=",
    [VC_ADVICE_NEW_VERSION] = "ask the producer for it (__dlpack__(max_version=(1, 0)))",
    [VC_ADVICE_VERSIONED] =
        "ask for a versioned tensor (__dlpack__(max_version=(1, 0))) or make "
        "a copy first",
    [VC_ADVICE_PACK_ELEMENTS] =
        "make a packed copy first (torch: .contiguous(), CuPy: "
        "cupy.ascontiguousarray(), NumPy: numpy.ascontiguousarray())",
    [VC_ADVICE_FROM_OTHER_DEVICE] = "copy it to the CPU first (torch: .cpu())",
    [VC_ADVICE_HAS_NO_MEMORY] =
        "fake, meta and wrapper tensors have no memory of their own; pass "
        "the tensor that holds it",
    [VC_ADVICE_AS_REAL] =
        "see it as pairs of real numbers first (torch: torch.view_as_real(), "
        "NumPy and CuPy: .view() with the float type of half the size)",
    [VC_ADVICE_AS_BYTES] =
        "see its bytes as uint8 first (torch: .view(torch.uint8), NumPy and "
        "CuPy: .view('uint8'))",
    [VC_ADVICE_AS_DTYPE] = " (.view(dtype))",
    [VC_ADVICE_AS_INT16] = "see it as int16 first (torch: .view(torch.int16))",
    [VC_ADVICE_AS_INT64] = "see dates and times as int64 first (NumPy and CuPy: .view('int64'))",
    [VC_ADVICE_SWAP_BYTES] = "swap the bytes first (NumPy and CuPy: .astype() with that typestr)",
    [VC_ADVICE_FREE_CACHES] =
        "release images, or what other libraries keep "
        "(torch.cuda.empty_cache(), CuPy's free_all_blocks())",
    [VC_ADVICE_SPAWN] = " (multiprocessing: the \"spawn\" or \"forkserver\" method)",
};

/* --- exception types */

static struct {
  PyObject *view, *layout, *dtype, *device, *abi, *cuda;
  PyObject *savant_layout, *savant_dtype;
} types;

/* Each exception's bases stand before it. Callers of Savant's helpers catch AssertionError. */
static const struct {
  PyObject **type;
  const char *name, *doc; /* it is added to the module by its name after the last dot */
  PyObject **base;        /* NULL: Exception */
  PyObject **second;      /* or NULL */
} exceptions[] = {
    {&types.view, "viewcast.ViewError", DOC_ViewError, NULL, NULL},
    {&types.layout, "viewcast.LayoutError", DOC_LayoutError, &types.view, &PyExc_ValueError},
    {&types.dtype, "viewcast.DTypeError", DOC_DTypeError, &types.view, &PyExc_TypeError},
    {&types.device, "viewcast.DeviceError", DOC_DeviceError, &types.view, NULL},
    {&types.abi, "viewcast.ABIError", DOC_ABIError, &types.view, NULL},
    {&types.cuda, "viewcast.CUDAError", DOC_CUDAError, &types.view, NULL},
    {&types.savant_layout, "viewcast.savant.SavantLayoutError",
     "A LayoutError of Savant's names: also an AssertionError, as theirs is.", &types.layout,
     &PyExc_AssertionError},
    {&types.savant_dtype, "viewcast.savant.SavantDTypeError",
     "A DTypeError of Savant's names: also an AssertionError, as theirs is.", &types.dtype,
     &PyExc_AssertionError},
};

int ext_errors_init(PyObject *module) {
  vc_advice_use(texts);
  for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++) {
    PyObject **base = exceptions[i].base, **second = exceptions[i].second;
    const char *name = exceptions[i].name;
    PyObject *bases = second ? PyTuple_Pack(2, *base, *second) : Py_XNewRef(base ? *base : NULL);
    if (second && !bases) return -1;
    PyObject *type = PyErr_NewExceptionWithDoc(name, exceptions[i].doc, bases, NULL);
    Py_XDECREF(bases);
    *exceptions[i].type = type;
    if (!type || PyModule_AddObjectRef(module, strrchr(name, '.') + 1, type) < 0) return -1;
  }
  return 0;
}

static PyObject *type_of(vc_status status) {
  switch (status) {
    case VC_ERROR_LAYOUT: return types.layout;
    case VC_ERROR_DTYPE: return types.dtype;
    case VC_ERROR_DEVICE: return types.device;
    case VC_ERROR_ABI: return types.abi;
    case VC_ERROR_CUDA: return types.cuda;
    case VC_ERROR_MEMORY: return PyExc_MemoryError;
    case VC_ERROR_ARGUMENT: return PyExc_ValueError;
    default: return types.view;
  }
}

int ext_raise(const vc_error *error) {
  PyErr_SetString(type_of(error->status), error->message);
  return -1;
}

int ext_no_memory(void) {
  PyErr_NoMemory();
  return -1;
}

int ext_raise_prefixed(const char *prefix, const vc_error *error) {
  PyErr_Format(type_of(error->status), "%s %s", prefix, error->message);
  return -1;
}

int ext_refuse(PyObject *type, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  PyErr_FormatV(type, format, arguments);
  va_end(arguments);
  return -1;
}

int ext_fail(vc_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  PyErr_FormatV(type_of(status), format, arguments);
  va_end(arguments);
  return -1;
}

PyObject *ext_exception_take(void) {
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

void ext_exception_set(PyObject *exception) {
#if PY_VERSION_HEX >= 0x030C0000
  PyErr_SetRaisedException(exception);
#else
  PyErr_Clear();
  if (!exception) return;
  PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
  Py_DECREF(exception);
#endif
}

static int passes_unchanged(void) {
  return PyErr_Occurred() &&
         (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError) ||
          PyErr_ExceptionMatches(PyExc_ImportError) || PyErr_ExceptionMatches(types.view));
}

static int raise_from(PyObject *type, const char *format, va_list arguments) {
  if (passes_unchanged()) return -1;
  PyObject *cause = ext_exception_take();
  PyErr_FormatV(type, format, arguments);
  if (!cause) return -1;
  PyObject *raised = ext_exception_take();
  PyException_SetCause(raised, Py_NewRef(cause)); /* takes the reference */
  PyException_SetContext(raised, cause);
  ext_exception_set(raised);
  return -1;
}

int ext_raise_from(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  raise_from(types.view, format, arguments);
  va_end(arguments);
  return -1;
}

int ext_fail_from(vc_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  raise_from(type_of(status), format, arguments);
  va_end(arguments);
  return -1;
}

int ext_raise_no_object(const char *library, const char *function, const vc_view *view) {
  return ext_raise_from(
      "%s does not take this image, which is %s in %s; vc.%s() makes one with memory of its own, "
      "of another dtype (dtype=) or on another device (device=)",
      library, vc_dtype_name(view->dtype), ext_device_name(view->device).text, function);
}

/* Gives the exception that is set a cause (taken; may be NULL). Returns -1. */
static int raise_with_cause(PyObject *cause) {
  PyObject *raised = ext_exception_take();
  PyException_SetCause(raised, cause); /* takes the reference */
  ext_exception_set(raised);
  return -1;
}

int ext_raise_named(const char *name) {
  /* Subclasses of ValueError (UnicodeError) have more than a message. */
  bool plain = PyErr_Occurred() == PyExc_ValueError;
  if (!plain && !PyErr_ExceptionMatches(types.view) && !PyErr_ExceptionMatches(PyExc_TypeError)) {
    return -1;
  }
  PyObject *cause = ext_exception_take();
  PyErr_Format((PyObject *)Py_TYPE(cause), "%s: %S", name, cause);
  return raise_with_cause(cause);
}

int ext_raise_at(Py_ssize_t index, const char *of) {
  char name[48];
  PyOS_snprintf(name, sizeof name, "image %zd%s", index, of);
  return ext_raise_named(name);
}

int ext_raise_after(Py_ssize_t index) {
  if (!PyErr_ExceptionMatches(types.view) && !PyErr_ExceptionMatches(PyExc_MemoryError)) return -1;
  PyObject *cause = ext_exception_take();
  PyErr_Format((PyObject *)Py_TYPE(cause),
               "image %zd of out: %S; the images before it are written, those after it are not",
               index, cause);
  return raise_with_cause(cause);
}

/* Savant's class for the exception that is set; NULL if Savant's helpers raise no such one. */
static PyObject *savant_type(void) {
  if (PyErr_ExceptionMatches(types.layout)) return types.savant_layout;
  return PyErr_ExceptionMatches(types.dtype) ? types.savant_dtype : NULL;
}

int ext_raise_as_savant(const char *layout_text, const char *dtype_text) {
  PyObject *type = savant_type();
  if (!type) return -1;
  const char *text = type == types.savant_dtype ? dtype_text : layout_text;
  PyObject *cause = ext_exception_take();
  PyErr_Format(type, "%s%s%S", text, *text ? " " : "", cause);
  PyObject *first = PyException_GetCause(cause);
  Py_DECREF(cause);
  return raise_with_cause(first);
}

bool ext_is_dtype_error(void) { return PyErr_ExceptionMatches(types.dtype); }

int ext_raise_no_image(PyObject *object, const char *needed) {
  PyErr_Format(PyExc_TypeError, "%.200s is no image: needs %s", Py_TYPE(object)->tp_name, needed);
  return -1;
}
