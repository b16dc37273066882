/* SPDX-License-Identifier: Apache-2.0 */
/* cupy.ndarray: read and made in place where its layout could be proved, else read
 * through its class's attributes (which answer without a GPU too) and made by its class;
 * over memory that an object of ours keeps alive. */
#include "adapters/adapter.h"
#include "adapters/axes.h"
#include "adapters/cupy_layout.h"
#include "adapters/numpy_dtype.h"
#include "errors.h"
#include "free_threading.h"
#include "holder.h"
#include "imports.h"
#include "paths.h"
#include "slow.h"

static struct {
  bool loaded;
  ext_cupy_classes classes;
  ext_cupy_layout layout;
  PyObject *shape, *strides, *data, *dtype; /* descriptors of cupy.ndarray */
  PyObject *ptr, *device_id;                /* and of MemoryPointer */
} cupy;

static bool find_descriptor(PyObject *type, const char *name, PyObject **out) {
  *out = PyObject_GetAttrString(type, name);
  if (!*out || Py_TYPE(*out)->tp_descr_get) return *out != NULL;
  PyErr_Format(PyExc_TypeError, "%.100s.%s is no attribute of its objects",
               ((PyTypeObject *)type)->tp_name, name);
  return false;
}

static bool find_descriptors(const ext_cupy_classes *classes) {
  return find_descriptor(classes->ndarray, "shape", &cupy.shape) &&
         find_descriptor(classes->ndarray, "strides", &cupy.strides) &&
         find_descriptor(classes->ndarray, "data", &cupy.data) &&
         find_descriptor(classes->ndarray, "dtype", &cupy.dtype) &&
         find_descriptor(classes->pointer, "ptr", &cupy.ptr) &&
         find_descriptor(classes->pointer, "device_id", &cupy.device_id);
}

static int find_all(PyObject *module) {
  PyObject *cuda = PyObject_GetAttrString(module, "cuda");
  if (cuda) {
    cupy.classes.ndarray = PyObject_GetAttrString(module, "ndarray");
    cupy.classes.memory = PyObject_GetAttrString(cuda, "UnownedMemory");
    cupy.classes.pointer = PyObject_GetAttrString(cuda, "MemoryPointer");
  }
  Py_XDECREF(cuda);
  const ext_cupy_classes *classes = &cupy.classes;
  bool found = classes->ndarray && classes->memory && classes->pointer && find_descriptors(classes);
  if (found && !ext_is_slow()) cupy.layout = ext_cupy_find_layout(classes);
  return found ? 0 : -1;
}

static bool is_loaded(void) {
  return EXT_READ(cupy.loaded) || ext_load("cupy", &cupy.loaded, find_all) == 0;
}

/* --- import */

/* What CuPy's own class says of the object. A subclass may answer an attribute with Python
 * code, which would run between the reads of one description and could change the array. */
static PyObject *read_attribute(PyObject *object, PyObject *descriptor) {
  return Py_TYPE(descriptor)->tp_descr_get(descriptor, object, (PyObject *)Py_TYPE(object));
}

static int read_integer(PyObject *object, PyObject *descriptor, unsigned long long *out) {
  PyObject *value = read_attribute(object, descriptor);
  *out = value ? PyLong_AsUnsignedLongLong(value) : 0;
  Py_XDECREF(value);
  return PyErr_Occurred() ? -1 : 0;
}

static int read_axes(PyObject *array, PyObject *descriptor, int64_t *out, int32_t *ndim) {
  PyObject *axes = read_attribute(array, descriptor);
  int result = axes ? ext_axes_read(axes, out, ndim) : -1;
  Py_XDECREF(axes);
  return result;
}

static int read_memory(PyObject *array, vc_view *view) {
  unsigned long long address, device = 0;
  PyObject *data = read_attribute(array, cupy.data);
  int result = data && read_integer(data, cupy.ptr, &address) == 0 &&
                       read_integer(data, cupy.device_id, &device) == 0
                   ? 0
                   : -1;
  Py_XDECREF(data);
  if (result < 0) return -1;
  view->data = (void *)(uintptr_t)address;
  view->device = (vc_device){VC_CUDA, (int32_t)device};
  return 0;
}

static int read_publicly(PyObject *array, vc_view *view) {
  int32_t strides;
  if (read_axes(array, cupy.shape, view->shape, &view->ndim) < 0) return -1;
  if (read_axes(array, cupy.strides, view->strides, &strides) < 0) return -1;
  PyObject *dtype = read_attribute(array, cupy.dtype);
  int result = dtype ? ext_dtype_from_numpy(dtype, &view->dtype) : -1;
  Py_XDECREF(dtype);
  return result < 0 ? -1 : read_memory(array, view);
}

static int read_array(PyObject *array, vc_view *view) {
  vc_error error;
  vc_mode mode;
  PyObject *dtype; /* borrowed */
  *view = (vc_view){0};
  int result = cupy.layout.reads && ext_cupy_read(array, view, &dtype)
                   ? ext_dtype_from_numpy(dtype, &view->dtype)
                   : read_publicly(array, view);
  if (result < 0) return -1;
  if (vc_cuda_mode(&mode, &error) != VC_OK) return ext_raise(&error);
  /* Without a GPU, a CuPy array can only lie over host memory. */
  if (mode == VC_MODE_HOST) view->device = (vc_device){VC_CPU, 0};
  return 0;
}

static int import_array(PyObject *array, const ext_options *options, ext_source *out) {
  (void)options;
  vc_error error;
  if (!is_loaded()) return -1;
  if (read_array(array, &out->view) < 0) return ext_raise_from("the CuPy array can't be read");
  if (vc_view_check(&out->view, &error) != VC_OK) return ext_raise(&error);
  out->owner = ext_own(array);
  return 0;
}

/* --- export */

static int check_export(const vc_view *view) {
  vc_error error;
  vc_mode mode;
  if (view->readonly) {
    return ext_fail(VC_ERROR_VALUE,
                    "the image is read-only and a CuPy array is writable; allow a copy with "
                    "copy=None, or copy it first (cupy.array(x))");
  }
  if (vc_device_is_gpu(view->device)) return 0;
  if (vc_cuda_mode(&mode, &error) != VC_OK) return ext_raise(&error);
  if (mode == VC_MODE_HOST) return 0;
  return ext_fail(VC_ERROR_DEVICE,
                  "the image is in %s memory and a CuPy array needs device memory; move it first "
                  "(cupy.asarray(x), torch: .cuda())",
                  vc_cuda_host_kind(view->data, view->device));
}

/* A cupy.cuda.MemoryPointer to the first element; `owner` lives as long. */
static PyObject *make_pointer(const vc_view *view, PyObject *owner) {
  int64_t low, high;
  vc_view_span(view, &low, &high);
  PyObject *memory =
      PyObject_CallFunction(cupy.classes.memory, "KLOi",
                            (unsigned long long)(uintptr_t)view->data + (unsigned long long)low,
                            (long long)(high - low), owner, (int)view->device.id);
  if (!memory) return NULL;
  PyObject *pointer = PyObject_CallFunction(cupy.classes.pointer, "OL", memory, (long long)-low);
  Py_DECREF(memory);
  return pointer;
}

static PyObject *make_array(const vc_view *view, PyObject *owner) {
  PyObject *dtype = ext_dtype_to_numpy(view->dtype); /* borrowed */
  if (dtype && cupy.layout.makes && ext_cupy_can_make(view)) {
    return ext_cupy_make(view, dtype, owner);
  }
  PyObject *pointer = dtype ? make_pointer(view, owner) : NULL;
  PyObject *shape = pointer ? ext_axes_tuple(view->shape, view->ndim) : NULL;
  PyObject *strides = shape ? ext_axes_tuple(view->strides, view->ndim) : NULL;
  PyObject *array = NULL;
  if (strides) {
    array =
        PyObject_CallFunctionObjArgs(cupy.classes.ndarray, shape, dtype, pointer, strides, NULL);
  }
  Py_XDECREF(strides);
  Py_XDECREF(shape);
  Py_XDECREF(pointer);
  return array;
}

static PyObject *export_array(ext_source *source, const ext_options *options) {
  (void)options;
  if (!is_loaded()) return NULL;
  if (check_export(&source->view) < 0) return NULL;
  PyObject *owner = ext_keepalive(&source->owner);
  if (!owner) return NULL;
  PyObject *array = make_array(&source->view, owner);
  Py_DECREF(owner);
  if (!array) ext_raise_from("CuPy does not take this image");
  return array;
}

const char *ext_cupy_read_path(void) {
  return !EXT_READ(cupy.loaded) ? NULL : cupy.layout.reads ? "in place" : "by its attributes";
}

const char *ext_cupy_make_path(void) {
  return !EXT_READ(cupy.loaded) ? NULL : cupy.layout.makes ? "in place" : "by its class";
}

const ext_adapter ext_cupy_adapter = {
    .name = "cupy.ndarray",
    .import = import_array,
    .export = export_array,
    .current = ext_cupy_stream,
};
