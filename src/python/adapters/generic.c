/* SPDX-License-Identifier: Apache-2.0 */
/* Any object with a protocol: DLPack's exchange table, __dlpack__, the CUDA
 * Array Interface, or a buffer. */
#include <string.h>

#include "adapters/buffer.h"
#include "adapters/cuda_array.h"
#include "adapters/dlpack_python.h"
#include "adapters/list.h"
#include "adapters/no_image.h"
#include "device.h"
#include "errors.h"
#include "free_threading.h"
#include "stream_order.h"

#define PROTOCOLS                                                                       \
  "a torch.Tensor, cupy.ndarray, numpy.ndarray, cv2.cuda.GpuMat, viewcast.View, or an " \
  "object with __dlpack__, __cuda_array_interface__ or a buffer"

/* Interned names, and what __dlpack__ is given: made once. */
static struct {
  bool loaded;
  PyObject *dlpack, *device, *cuda_array;
  PyObject *version;                /* max_version= */
  PyObject *with_stream, *keywords; /* names, for producers on a GPU and others */
  PyObject *only_stream;
} names;

static bool make_names(void) {
  names.dlpack = PyUnicode_InternFromString("__dlpack__");
  names.device = PyUnicode_InternFromString("__dlpack_device__");
  names.cuda_array = PyUnicode_InternFromString("__cuda_array_interface__");
  names.version = Py_BuildValue("(ii)", DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION);
  names.with_stream = Py_BuildValue("(sss)", "max_version", "copy", "stream");
  names.keywords = Py_BuildValue("(ss)", "max_version", "copy");
  names.only_stream = Py_BuildValue("(s)", "stream");
  return names.dlpack && names.device && names.cuda_array && names.version && names.with_stream &&
         names.keywords && names.only_stream;
}

static int load_names(void) {
  ext_loading_begin();
  bool loaded = names.loaded || make_names();
  EXT_WRITE(names.loaded, loaded);
  ext_loading_end();
  return loaded ? 0 : -1;
}

/* The attribute, or NULL: without an exception if the object has none. */
static PyObject *find_attribute(PyObject *object, PyObject *name) {
  PyObject *value = PyObject_GetAttr(object, name);
  if (!value && PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
  return value;
}

/* --- __dlpack__ */

/* A library can be asked for its current stream only on a device that exists. In a process without
 * devices none is asked. */
static int check_exists(PyObject *object, vc_device device) {
  return vc_cuda_device_count() == 0 ? 0 : ext_device_check(device, Py_TYPE(object)->tp_name);
}

static int read_device(PyObject *object, long *type, long *id) {
  PyObject *device = PyObject_CallMethodNoArgs(object, names.device);
  *type = -1;
  if (device && PyTuple_Check(device) && PyTuple_GET_SIZE(device) == 2) {
    *type = PyLong_AsLong(PyTuple_GET_ITEM(device, 0));
    *id = PyLong_AsLong(PyTuple_GET_ITEM(device, 1));
  }
  bool in_range = *type >= 0 && *type <= INT32_MAX && *id >= INT32_MIN && *id <= INT32_MAX;
  int result = device && in_range && !PyErr_Occurred() ? 0 : -1;
  Py_XDECREF(device);
  if (result == 0) return check_exists(object, (vc_device){(int32_t)*type, (int32_t)*id});
  return ext_raise_from("%.200s has __dlpack__ and no usable __dlpack_device__",
                        Py_TYPE(object)->tp_name);
}

static PyObject *get_capsule(PyObject *method, PyObject *stream, bool may_copy) {
  PyObject *const arguments[] = {names.version, may_copy ? Py_None : Py_False, stream};
  PyObject *capsule =
      PyObject_Vectorcall(method, arguments, 0, stream ? names.with_stream : names.keywords);
  if (capsule || !PyErr_ExceptionMatches(PyExc_TypeError)) return capsule;
  PyErr_Clear(); /* a producer from before DLPack 1.0 */
  return PyObject_Vectorcall(method, &stream, 0, stream ? names.only_stream : NULL);
}

/* JAX's arrays are immutable, which their DLPack does not say. The last class of each answer is
 * remembered: a process has one of JAX's, and rarely arrays of two others. */
static bool is_immutable(PyTypeObject *type) {
  static uintptr_t known[2]; /* strong, by the answer */
  if ((uintptr_t)type == EXT_READ(known[false])) return false;
  if ((uintptr_t)type == EXT_READ(known[true])) return true;
  PyObject *module = PyObject_GetAttrString((PyObject *)type, "__module__");
  const char *name = module && PyUnicode_Check(module) ? PyUnicode_AsUTF8(module) : NULL;
  bool is_jax = name && (strncmp(name, "jaxlib.", 7) == 0 || strncmp(name, "jax.", 4) == 0);
  Py_XDECREF(module);
  PyErr_Clear();
  Py_XDECREF((PyObject *)ext_swap(&known[is_jax], (uintptr_t)Py_NewRef(type)));
  return is_jax;
}

/* A producer that viewcast does not know is given the consumer's stream and synchronises itself. */
static int import_dlpack(PyObject *object, PyObject *method, const ext_options *options,
                         ext_source *out) {
  long device, id = 0;
  if (read_device(object, &device, &id) < 0) return -1;
  bool on_gpu = vc_device_is_gpu((vc_device){(int32_t)device, (int32_t)id});
  vc_stream consumer = on_gpu ? ext_consumer_stream(options, (int32_t)id) : VC_STREAM_NONE;
  PyObject *stream = on_gpu ? PyLong_FromSsize_t(consumer) : NULL;
  out->has_producer = true;
  out->producer = consumer;
  out->producer_synchronises = on_gpu;
  PyObject *capsule = get_capsule(method, stream, ext_may_copy(options));
  Py_XDECREF(stream);
  if (!capsule) {
    return ext_raise_from("%.200s's __dlpack__() does not give its memory",
                          Py_TYPE(object)->tp_name);
  }
  int result = ext_import_capsule(capsule, ext_may_copy(options), out);
  Py_DECREF(capsule);
  if (result == 0 && is_immutable(Py_TYPE(object))) out->view.readonly = 1;
  return result;
}

/* --- all of them, in order */

/* 1: imported; 0: the object does not have this protocol; -1: an exception. */
static int try_dlpack(PyObject *object, const ext_options *options, ext_source *out) {
  const DLPackExchangeAPI *api = ext_exchange_api(Py_TYPE(object));
  if (api) return ext_import_exchange(api, object, out) < 0 ? -1 : 1;
  PyObject *method = find_attribute(object, names.dlpack);
  if (!method) return PyErr_Occurred() ? -1 : 0;
  int result = import_dlpack(object, method, options, out) < 0 ? -1 : 1;
  Py_DECREF(method);
  return result;
}

static int try_cuda_array(PyObject *object, ext_source *out) {
  PyObject *dictionary = find_attribute(object, names.cuda_array);
  if (!dictionary) return PyErr_Occurred() ? -1 : 0;
  int result = ext_import_cuda_array(object, dictionary, out) < 0 ? -1 : 1;
  Py_DECREF(dictionary);
  return result;
}

static int refuse(PyObject *object) {
  const char *advice = ext_no_image_advice(object);
  return ext_refuse(PyExc_TypeError, "%.200s is no image: needs " PROTOCOLS "%s%s",
                    Py_TYPE(object)->tp_name, advice ? "; " : "", advice ? advice : "");
}

static int import_capsule(PyObject *capsule, ext_source *out) {
  int taken = ext_import_bare_capsule(capsule, out);
  if (taken == 0) return refuse(capsule);
  if (taken < 0) return -1;
  int result = check_exists(capsule, out->view.device);
  if (result < 0) ext_release(&out->owner);
  return result;
}

/* A buffer of a type that no view can have may be one that NumPy can convert. */
static int import_buffer(PyObject *object, const ext_options *options, ext_source *out) {
  if (ext_import_buffer(object, out) == 0) return 0;
  if (!ext_may_copy(options) || !ext_is_dtype_error()) return -1;
  PyErr_Clear();
  return ext_import_array_like(object, options, out);
}

static int import_any(PyObject *object, const ext_options *options, ext_source *out) {
  if (!EXT_READ(names.loaded) && load_names() < 0) return -1;
  if (PyType_Check(object) || object == Py_None) return refuse(object);
  int done = try_dlpack(object, options, out);
  if (done == 0) done = try_cuda_array(object, out);
  if (done < 0) return ext_raise_from("%.200s can't be read as an image", Py_TYPE(object)->tp_name);
  if (done > 0) return 0;
  if (PyObject_CheckBuffer(object)) return import_buffer(object, options, out);
  if (PyCapsule_CheckExact(object)) return import_capsule(object, out);
  int is_array = ext_may_copy(options) ? ext_is_array_like(object) : 0;
  if (is_array == 0) return refuse(object);
  if (is_array > 0) return ext_import_array_like(object, options, out);
  return ext_raise_from("%.200s can't be read as an image", Py_TYPE(object)->tp_name);
}

const ext_adapter ext_generic_adapter = {
    .name = "any producer",
    .import = import_any,
};
