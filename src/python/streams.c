/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include <string.h>

#include "adapters/adapter.h"
#include "arguments.h"
#include "device.h"
#include "docstrings.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"
#include "methods.h"

/* --- a stream that the caller names */

vc_stream ext_stream_normalised(long long handle) {
  return handle == 0 ? VC_STREAM_LEGACY : (vc_stream)handle;
}

static int read_handle(PyObject *number, const char *argument, ext_stream *out) {
  int overflow;
  long long handle = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (!overflow && handle >= -1) {
    out->handle = ext_stream_normalised(handle);
    return 0;
  }
  return ext_refuse(PyExc_ValueError,
                    "%s is %.40S, needs a stream handle, 0 or 1 (legacy default), 2 (per-thread "
                    "default) or -1 (no ordering)",
                    argument, number);
}

static bool is_cv2_stream(PyObject *value) {
  const char *name = Py_TYPE(value)->tp_name;
  return strcmp(name, "cv2.cuda.Stream") == 0 &&
         Py_TYPE(value)->tp_basicsize == (Py_ssize_t)(sizeof(PyObject) + 2 * sizeof(void *));
}

/* Refuses a Stream that was made by __new__ alone, on which OpenCV itself crashes. */
static PyObject *cv2_handle(PyObject *value, const char *argument) {
  void *stream;
  memcpy(&stream, (char *)value + sizeof(PyObject), sizeof stream);
  if (stream) return PyObject_CallMethod(value, "cudaPtr", NULL);
  return PyErr_Format(
      PyExc_ValueError,
      "%s is a cv2.cuda.Stream that was made by __new__ alone; call cv2.cuda.Stream()", argument);
}

/* The handle of a stream with __cuda_stream__, which is a method, or a property in older
 * libraries, and gives (version, handle). */
static PyObject *protocol_handle(PyObject *value, const char *argument) {
  PyObject *pair = PyObject_GetAttrString(value, "__cuda_stream__");
  if (pair && PyCallable_Check(pair)) Py_SETREF(pair, PyObject_CallNoArgs(pair));
  if (!pair) return NULL;
  PyObject *handle = NULL;
  if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) {
    handle = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
  } else {
    PyErr_Format(PyExc_TypeError, "%s: __cuda_stream__ needs to give (version, handle)", argument);
  }
  Py_DECREF(pair);
  return handle;
}

static int refuse_object(PyObject *value, const char *argument) {
  if (PyCallable_Check(value)) { /* a class, or a function that returns a stream */
    return ext_refuse(PyExc_TypeError,
                      "%s is %.100R, which makes or gives streams, needs a stream: call it, as in "
                      "torch.cuda.Stream() or torch.cuda.current_stream()",
                      argument, value);
  }
  return ext_refuse(PyExc_TypeError,
                    "%s is a %.100s, needs an int handle, a torch.cuda.Stream, cupy.cuda.Stream, "
                    "cv2.cuda.Stream or an object with __cuda_stream__",
                    argument, Py_TYPE(value)->tp_name);
}

static PyObject *object_handle(PyObject *value, const char *argument) {
  static const char *const names[] = {"cuda_stream", "ptr"}; /* torch, CuPy */
  if (is_cv2_stream(value)) return cv2_handle(value, argument);
  PyObject *handle = protocol_handle(value, argument);
  for (size_t i = 0; !handle && i < 2 && PyErr_ExceptionMatches(PyExc_AttributeError); i++) {
    PyErr_Clear();
    handle = PyObject_GetAttrString(value, names[i]);
  }
  if (!handle && PyErr_ExceptionMatches(PyExc_AttributeError)) refuse_object(value, argument);
  return handle;
}

/* A stream object, or an int of another type (NumPy's). */
static int read_object(PyObject *value, const char *argument, ext_stream *out) {
  /* The attributes of a class are those of streams, without a value. */
  if (PyType_Check(value)) return refuse_object(value, argument);
  PyObject *handle = ext_integer_of(value);
  if (!handle) {
    if (PyErr_Occurred()) return -1;
    handle = object_handle(value, argument);
    out->object = value;
  }
  if (!handle) return -1;
  int result = PyLong_Check(handle) && !PyBool_Check(handle)
                   ? read_handle(handle, argument, out)
                   : ext_refuse(PyExc_TypeError, "the handle of %s is a %.100s, needs an int",
                                argument, Py_TYPE(handle)->tp_name);
  Py_DECREF(handle);
  return result;
}

int ext_stream_read(PyObject *value, const char *argument, ext_stream *out) {
  *out = (ext_stream){0};
  if (!ext_is_given(value)) return 0;
  out->given = true;
  if (PyLong_CheckExact(value)) return read_handle(value, argument, out);
  return read_object(value, argument, out);
}

/* --- use_stream: the default stream of our own calls, per thread */

/* The thread's dictionary, which ends with the thread, holds the object: it is borrowed. */
static _Thread_local ext_stream in_use;

const ext_stream *ext_stream_in_use(void) { return in_use.given ? &in_use : NULL; }

#define IN_USE "viewcast.stream_in_use" /* name of a capsule, and its key in the dictionary */

/* The end of a capsule of hold_in_use(): with it its stream is no longer in use. A child of
 * fork() ends the dictionaries of threads that it does not have, and leaves its own alone. */
static void end_in_use(PyObject *capsule) {
  PyObject *object = PyCapsule_GetContext(capsule);
  bool own = PyCapsule_GetPointer(capsule, IN_USE) == &in_use;
  if (own && in_use.object == object) in_use = (ext_stream){0};
  Py_DECREF(object);
}

/* Keeps the object as long as the thread's Python state lasts, or until the next call, and
 * drops the one before, which is then not in use any more. */
static int hold_in_use(PyObject *object) {
  PyObject *threads_own = PyThreadState_GetDict(); /* borrowed */
  PyObject *capsule = threads_own ? PyCapsule_New(&in_use, IN_USE, NULL) : NULL;
  if (!capsule) {
    if (!PyErr_Occurred()) PyErr_NoMemory();
    return -1;
  }
  PyCapsule_SetContext(capsule, Py_NewRef(object)); /* of a new capsule, these can't fail */
  PyCapsule_SetDestructor(capsule, end_in_use);
  int result = PyDict_SetItemString(threads_own, IN_USE, capsule);
  Py_DECREF(capsule);
  return result;
}

/* _set_stream(stream or None) -> what was set before. */
static PyObject *set_stream(PyObject *module, PyObject *value) {
  (void)module;
  ext_stream next;
  if (ext_stream_read(value, "stream", &next) < 0) return NULL;
  PyObject *before = Py_NewRef(in_use.given ? in_use.object : Py_None);
  if (hold_in_use(value) < 0) {
    Py_DECREF(before);
    return NULL;
  }
  in_use = next;
  in_use.object = next.given ? value : NULL;
  return before;
}

static PyObject *stream_handle(PyObject *module, PyObject *value) {
  (void)module;
  ext_stream stream;
  if (ext_stream_read(value, "source", &stream) < 0) return NULL;
  return PyLong_FromSsize_t(stream.given ? stream.handle : VC_STREAM_LEGACY);
}

/* Reads device= of a stream. In host mode there are no devices to compare with, and streams
 * are not used. */
static PyObject *stream_device(PyObject *module, PyObject *value) {
  (void)module;
  ext_options options = {0};
  int result = ext_is_host_mode() ? ext_argument_device(value, &options.has_device, &options.device)
                                  : ext_argument_options_device(value, &options);
  if (result < 0) return NULL;
  if (!options.has_device) Py_RETURN_NONE;
  if (options.device.type == VC_CUDA) return PyLong_FromLong(options.device.id);
  return PyErr_Format(PyExc_ValueError, "device is %.80R, needs a CUDA device: streams have one",
                      value);
}

/* --- each library's current stream */

vc_stream ext_opencv_stream(int32_t device) {
  (void)device;
  return in_use.given ? in_use.handle : VC_STREAM_LEGACY;
}

/* Reads an attribute of a stream object as its handle; the legacy default stream on any
 * failure. */
static vc_stream handle_of(PyObject *stream, const char *attribute) {
  PyObject *handle = stream ? PyObject_GetAttrString(stream, attribute) : NULL;
  long long value = handle ? PyLong_AsLongLong(handle) : 0;
  Py_XDECREF(handle);
  Py_XDECREF(stream);
  PyErr_Clear();
  return value < 0 ? VC_STREAM_LEGACY : ext_stream_normalised(value);
}

vc_stream ext_torch_stream(int32_t device) {
  PyObject *torch = ext_imported("torch");
  PyObject *cuda = torch ? PyObject_GetAttrString(torch, "cuda") : NULL;
  PyObject *stream = NULL;
  if (cuda && device < 0) stream = PyObject_CallMethod(cuda, "current_stream", NULL);
  if (cuda && device >= 0) stream = PyObject_CallMethod(cuda, "current_stream", "i", (int)device);
  Py_XDECREF(cuda);
  Py_XDECREF(torch);
  return handle_of(stream, "cuda_stream");
}

/* The C function behind CuPy's get_current_stream(device).ptr, which CuPy publishes in a capsule
 * whose name is the signature. The signature is checked. */
typedef intptr_t get_stream_ptr(int device);

static get_stream_ptr *find_cupy_function(void) {
  get_stream_ptr *function = NULL;
  PyObject *table = ext_find("cupy_backends.cuda.stream", NULL, "__pyx_capi__");
  PyObject *capsule = NULL;
  if (table && PyDict_Check(table)) capsule = ext_dict_value(table, "get_stream_ptr");
  if (capsule && PyCapsule_IsValid(capsule, "intptr_t (int)")) {
    void *pointer = PyCapsule_GetPointer(capsule, "intptr_t (int)");
    memcpy(&function, &pointer, sizeof function);
  }
  Py_XDECREF(capsule);
  Py_XDECREF(table);
  PyErr_Clear();
  return function;
}

static PyObject *current_cupy_object(int32_t device) {
  PyObject *stream = NULL;
  PyObject *cuda = PyImport_ImportModule("cupy.cuda");
  if (cuda) stream = PyObject_CallMethod(cuda, "get_current_stream", "i", (int)device);
  Py_XDECREF(cuda);
  PyErr_Clear();
  return stream;
}

vc_stream ext_cupy_stream(int32_t device) {
  static get_stream_ptr *found; /* the same for every thread that looks it up */
  static bool looked;
  if (!EXT_READ(looked)) {
    EXT_WRITE(found, find_cupy_function());
    EXT_WRITE(looked, true);
  }
  get_stream_ptr *function = EXT_READ(found);
  if (function) {
    intptr_t handle = function(device);
    if (!PyErr_Occurred()) return ext_stream_normalised(handle);
    PyErr_Clear(); /* a device that CuPy does not know */
    return VC_STREAM_LEGACY;
  }
  return handle_of(current_cupy_object(device), "ptr");
}

/* Remembers the last object: while it is held, no other stream can have its handle. */
PyObject *ext_cupy_stream_object(int32_t device, vc_stream stream) {
  static struct {
    ext_lock lock;
    vc_stream stream;
    PyObject *object; /* strong */
  } last;
  if (stream >= 0 && stream <= VC_STREAM_PER_THREAD) return NULL;
  ext_lock_take(&last.lock);
  PyObject *object = stream == last.stream ? Py_XNewRef(last.object) : NULL;
  ext_lock_give(&last.lock);
  if (object) return object;
  object = current_cupy_object(device);
  ext_lock_take(&last.lock);
  PyObject *before = last.object;
  last.object = Py_XNewRef(object);
  last.stream = stream;
  ext_lock_give(&last.lock);
  Py_XDECREF(before);
  return object;
}

/* --- module functions */

static PyObject *warmup(PyObject *module, PyObject *const *args, Py_ssize_t count,
                        PyObject *kwnames) {
  (void)module;
  static const ext_signature signature = {"warmup", 0, {"device", NULL}};
  PyObject *value = count == 1 ? args[0] : NULL; /* by position, too */
  bool given;
  vc_device device = {VC_CUDA, 0};
  if ((count != 1 || kwnames) && ext_arguments(&signature, args, count, kwnames, &value) < 0) {
    return NULL;
  }
  if (ext_argument_device(value, &given, &device) < 0) return NULL;
  if (device.type == VC_CPU) Py_RETURN_NONE;
  EXT_TRY_OR(vc_cuda_warmup(device.id, &error), NULL);
  ext_torch_stream(device.id); /* finds each library's functions */
  PyObject *cupy = ext_imported("cupy");
  if (cupy) ext_cupy_stream(device.id);
  Py_XDECREF(cupy);
  Py_RETURN_NONE;
}

PyMethodDef ext_stream_methods[] = {
    EXT_PUBLIC_METHOD(warmup),
    {"_set_stream", set_stream, METH_O, "Sets use_stream's stream for this thread."},
    {"_stream_handle", stream_handle, METH_O, "The handle of any stream object."},
    {"_stream_device", stream_device, METH_O,
     "The ordinal that device= of a stream names, or None."},
    {NULL, NULL, 0, NULL},
};
