/* SPDX-License-Identifier: Apache-2.0 */
/* __cuda_array_interface__ dictionaries. */
#include "adapters/cuda_array.h"

#include <string.h>

#include "adapters/attributes.h"
#include "arguments.h"
#include "errors.h"
#include "free_threading.h"
#include "streams.h"

static int missing(const char *key, const char *needed) {
  return ext_raise_from("__cuda_array_interface__ needs \"%s\" as %s", key, needed);
}

/* Borrowed from the dictionary, which no other code can reach; NULL if it has no such key. */
static int find(PyObject *dictionary, const char *key, PyObject **out) {
  *out = ext_dict_value(dictionary, key);
  if (!*out) return PyErr_Occurred() ? -1 : 0;
  Py_DECREF(*out);
  return 0;
}

/* The interface asks for tuples; PyNvVideoCodec's planes have lists. */
static int read_axes(PyObject *axes, const char *key, int64_t *out, int32_t *ndim) {
  bool is_list = axes && PyList_Check(axes);
  PyObject *tuple = is_list ? PyList_AsTuple(axes) : Py_XNewRef(axes);
  int result = tuple ? ext_axes_read(tuple, out, ndim) : -1;
  Py_XDECREF(tuple);
  if (result == 0) return 0;
  return missing(key, "a tuple of integers"); /* a LayoutError passes unchanged */
}

static int read_shape(PyObject *dictionary, vc_cuda_array *out) {
  PyObject *shape, *strides;
  int32_t count;
  if (find(dictionary, "shape", &shape) < 0 || find(dictionary, "strides", &strides) < 0) return -1;
  if (read_axes(shape, "shape", out->shape, &out->ndim) < 0) return -1;
  out->has_strides = ext_is_given(strides);
  if (!out->has_strides) return 0;
  if (read_axes(strides, "strides", out->strides, &count) < 0) return -1;
  return count == out->ndim ? 0 : missing("strides", "one integer an axis of its shape");
}

static int read_data(PyObject *dictionary, vc_cuda_array *out) {
  PyObject *data;
  if (find(dictionary, "data", &data) < 0) return -1;
  if (!data || !PyTuple_Check(data) || PyTuple_GET_SIZE(data) != 2) {
    return missing("data", "a tuple of an address and a read-only flag");
  }
  PyObject *address = PyTuple_GET_ITEM(data, 0);
  out->data = address == Py_None ? 0 : (uintptr_t)PyLong_AsUnsignedLongLong(address);
  int readonly = PyErr_Occurred() ? -1 : PyObject_IsTrue(PyTuple_GET_ITEM(data, 1));
  out->readonly = readonly > 0;
  return readonly < 0 ? missing("data", "a tuple of an address and a read-only flag") : 0;
}

static int read_rest(PyObject *dictionary, vc_cuda_array *out) {
  PyObject *version, *typestr, *mask;
  if (find(dictionary, "version", &version) < 0 || find(dictionary, "typestr", &typestr) < 0 ||
      find(dictionary, "mask", &mask) < 0) {
    return -1;
  }
  out->version = version ? PyLong_AsLongLong(version) : -1;
  if (!version || PyErr_Occurred()) return missing("version", "an integer");
  const char *text = typestr && PyUnicode_Check(typestr) ? PyUnicode_AsUTF8(typestr) : NULL;
  if (!text) return missing("typestr", "a string such as \"|u1\"");
  if (strlen(text) >= sizeof out->typestr) {
    return ext_fail(VC_ERROR_DTYPE,
                    "typestr \"%.40s\" is no single bool, integer or float type; pass each field "
                    "as an array of its own",
                    text);
  }
  strcpy(out->typestr, text);
  out->has_mask = ext_is_given(mask);
  return 0;
}

/* The interface names no device: the driver knows where the memory is. */
static int find_device(const vc_cuda_array *array, vc_device *out) {
  if (!array->data) {
    *out = (vc_device){vc_cuda_device_count() > 0 ? VC_CUDA : VC_CPU, 0};
    return 0;
  }
  EXT_TRY(vc_cuda_pointer_device((const void *)array->data, out, &error));
  if (out->type == VC_CPU && vc_cuda_device_count() > 0) {
    return ext_fail(VC_ERROR_DEVICE,
                    "__cuda_array_interface__ gives address %p, which is no CUDA memory; pass "
                    "host memory by DLPack or as a buffer",
                    (void *)array->data);
  }
  return 0;
}

/* Reads the stream to wait for, of version 3; None or absent: nothing to wait for. The interface
 * forbids 0, which may be the legacy or the per-thread default stream. PyNvVideoCodec gives it all
 * the same, and it is read as the legacy stream, which waits for the per-thread ones too. */
static int read_stream(PyObject *dictionary, ext_source *out) {
  PyObject *stream;
  if (find(dictionary, "stream", &stream) < 0) return -1;
  out->has_producer = true;
  out->producer = VC_STREAM_NONE;
  if (!ext_is_given(stream)) return 0;
  long long handle = PyLong_AsLongLong(stream);
  if (PyErr_Occurred() || handle < 0) return missing("stream", "None, 1, 2 or a stream handle");
  out->producer = ext_stream_normalised(handle);
  return 0;
}

static int read_dictionary(PyObject *object, PyObject *dictionary, ext_source *out) {
  vc_cuda_array array = {0};
  vc_device device;
  if (read_shape(dictionary, &array) < 0 || read_data(dictionary, &array) < 0 ||
      read_rest(dictionary, &array) < 0 || find_device(&array, &device) < 0) {
    return -1;
  }
  EXT_TRY(vc_view_from_cuda_array(&array, device, &out->view, &error));
  if (read_stream(dictionary, out) < 0) return -1;
  out->owner = ext_own(object);
  return 0;
}

int ext_import_cuda_array(PyObject *object, PyObject *dictionary, ext_source *out) {
  if (!PyDict_Check(dictionary)) {
    return ext_fail(VC_ERROR_VALUE, "__cuda_array_interface__ is a %.100s, needs a dict",
                    Py_TYPE(dictionary)->tp_name);
  }
  /* Reading the numbers may run Python code (__index__) that changes the dictionary, so a copy is
   * read that no other code can reach. */
  PyObject *copy = PyDict_Copy(dictionary);
  int result = copy ? read_dictionary(object, copy, out) : -1;
  Py_XDECREF(copy);
  return result;
}

PyObject *ext_export_cuda_array(const vc_view *view, vc_stream stream) {
  vc_cuda_array array;
  EXT_TRY_OR(vc_cuda_array_from_view(view, &array, &error), NULL);
  PyObject *shape = ext_axes_tuple(array.shape, array.ndim);
  PyObject *strides =
      array.has_strides ? ext_axes_tuple(array.strides, array.ndim) : Py_NewRef(Py_None);
  PyObject *result = NULL;
  PyObject *ready = stream == VC_STREAM_NONE ? Py_NewRef(Py_None) : PyLong_FromSsize_t(stream);
  if (shape && strides && ready) {
    result =
        Py_BuildValue("{s:i,s:O,s:s,s:(K,O),s:O,s:O}", "version", 3, "shape", shape, "typestr",
                      array.typestr, "data", (unsigned long long)array.data,
                      array.readonly ? Py_True : Py_False, "strides", strides, "stream", ready);
  }
  Py_XDECREF(shape);
  Py_XDECREF(strides);
  Py_XDECREF(ready);
  return result;
}
