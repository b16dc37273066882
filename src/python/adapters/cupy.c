/* SPDX-License-Identifier: Apache-2.0 */
/* cupy.ndarray: read and made in place where its layout could be proved, else read
 * through its class's attributes (which answer without a GPU too) and made by its class;
 * over memory that an object of ours keeps alive. */
#include "adapters/attributes.h"
#include "adapters/cupy_layout.h"
#include "adapters/list.h"
#include "adapters/memory.h"
#include "adapters/numpy_dtype.h"
#include "errors.h"
#include "free_threading.h"
#include "holder.h"
#include "imports.h"

static struct {
  bool loaded;
  ext_cupy_classes classes;
  ext_cupy_layout layout;
  PyObject *shape, *strides, *data, *dtype; /* descriptors of cupy.ndarray */
  PyObject *ptr, *device_id;                /* and of MemoryPointer */
} cupy;

static int find_all(PyObject *module) {
  (void)module;
  ext_cupy_classes *classes = &cupy.classes;
  Py_XSETREF(classes->ndarray, ext_find("cupy", NULL, "ndarray"));
  Py_XSETREF(classes->memory, ext_find("cupy", "cuda", "UnownedMemory"));
  Py_XSETREF(classes->pointer, ext_find("cupy", "cuda", "MemoryPointer"));
  if (!classes->ndarray || !classes->memory || !classes->pointer ||
      ext_find_attribute(classes->ndarray, "shape", &cupy.shape) < 0 ||
      ext_find_attribute(classes->ndarray, "strides", &cupy.strides) < 0 ||
      ext_find_attribute(classes->ndarray, "data", &cupy.data) < 0 ||
      ext_find_attribute(classes->ndarray, "dtype", &cupy.dtype) < 0 ||
      ext_find_attribute(classes->pointer, "ptr", &cupy.ptr) < 0 ||
      ext_find_attribute(classes->pointer, "device_id", &cupy.device_id) < 0) {
    return -1;
  }
  if (!ext_is_slow()) cupy.layout = ext_cupy_find_layout(classes);
  return 0;
}

static bool is_loaded(void) {
  return EXT_READ(cupy.loaded) || ext_load("cupy", &cupy.loaded, find_all) == 0;
}

/* --- import */

/* Reads an attribute by its descriptor in CuPy's own class. A subclass may answer an attribute with
 * Python code, which would run between the reads of one description and could change the
 * array. */
static int read_integer(PyObject *object, PyObject *descriptor, unsigned long long *out) {
  PyObject *value = ext_ask(descriptor, object);
  *out = value ? PyLong_AsUnsignedLongLong(value) : 0;
  Py_XDECREF(value);
  return PyErr_Occurred() ? -1 : 0;
}

static int read_axes(PyObject *array, PyObject *descriptor, int64_t *out, int32_t *ndim) {
  PyObject *axes = ext_ask(descriptor, array);
  int result = axes ? ext_axes_read(axes, out, ndim) : -1;
  Py_XDECREF(axes);
  return result;
}

static int read_memory(PyObject *array, vc_view *view) {
  unsigned long long address, device = 0;
  PyObject *data = ext_ask(cupy.data, array);
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
  PyObject *dtype = ext_ask(cupy.dtype, array);
  int result = dtype ? ext_dtype_from_numpy(dtype, &view->dtype) : -1;
  Py_XDECREF(dtype);
  return result < 0 ? -1 : read_memory(array, view);
}

static int read_array(PyObject *array, vc_view *view) {
  vc_mode mode;
  PyObject *dtype; /* borrowed */
  *view = (vc_view){0};
  int result = cupy.layout.reads && ext_cupy_read(array, view, &dtype)
                   ? ext_dtype_from_numpy(dtype, &view->dtype)
                   : read_publicly(array, view);
  if (result < 0) return -1;
  EXT_TRY(vc_cuda_mode(&mode, &error));
  /* Without a GPU, a CuPy array can only lie over host memory. */
  if (mode == VC_MODE_HOST) view->device = (vc_device){VC_CPU, 0};
  return 0;
}

static int import_array(PyObject *array, const ext_options *options, ext_source *out) {
  (void)options;
  if (!is_loaded()) return -1;
  if (read_array(array, &out->view) < 0) return ext_raise_from("the CuPy array can't be read");
  EXT_TRY(vc_view_check(&out->view, &error));
  out->owner = ext_own(array);
  return 0;
}

/* --- export */

static int check_export(const vc_view *view) {
  vc_mode mode;
  if (view->readonly) {
    return ext_fail(VC_ERROR_VALUE,
                    "the image is read-only and a CuPy array is writable; allow a copy with "
                    "copy=None, or copy it first (cupy.array(x))");
  }
  if (vc_device_is_gpu(view->device)) return 0;
  EXT_TRY(vc_cuda_mode(&mode, &error));
  if (mode == VC_MODE_HOST) return 0;
  return ext_fail(VC_ERROR_DEVICE,
                  "the image is in %s memory and a CuPy array needs device memory; move it first "
                  "(cupy.asarray(x), torch: .cuda())",
                  vc_cuda_host_kind(view->data, view->device));
}

static PyObject *make_array(const vc_view *view, PyObject *owner) {
  PyObject *dtype = ext_dtype_to_numpy(view->dtype); /* borrowed */
  if (dtype && cupy.layout.makes && ext_cupy_can_make(view)) {
    return ext_cupy_make(view, dtype, owner);
  }
  return dtype ? ext_cupy_call(&cupy.classes, view, dtype, owner) : NULL;
}

static PyObject *export_array(ext_source *source, const ext_options *options) {
  (void)options;
  if (!is_loaded()) return NULL;
  if (check_export(&source->view) < 0) return NULL;
  PyObject *owner = ext_keepalive(&source->owner);
  if (!owner) return NULL;
  PyObject *array = make_array(&source->view, owner);
  Py_DECREF(owner);
  if (!array) ext_raise_no_object("CuPy", "to_cupy", &source->view);
  return array;
}

/* --- arrays with memory of their own */

/* Without a GPU a CuPy array can only lie over host memory: a block that it keeps alive. */
static PyObject *empty_on_host(const vc_view *wanted, ext_source *out) {
  vc_view packed = *wanted;
  /* Any address will do: only the strides are needed. */
  EXT_TRY_OR(vc_view_packed(&packed, wanted->device, wanted->dtype, wanted->ndim, wanted->shape,
                            &packed, &error),
             NULL);
  PyObject *memory;
  if (ext_memory_shared_block(vc_view_nbytes(&packed), packed.device, VC_STREAM_NONE, out,
                              &memory) < 0) {
    return NULL;
  }
  packed.data = out->view.data;
  out->view = packed;
  ext_source array = {.view = packed, .owner = ext_own(memory)};
  Py_DECREF(memory);
  PyObject *made = export_array(&array, NULL);
  ext_release(&array.owner);
  return made;
}

/* cupy.ndarray() allocates on the current device, for its current stream. */
static PyObject *empty_array(const vc_view *wanted, vc_stream stream, ext_source *out) {
  static PyObject *class;
  vc_device device = wanted->device;
  if (ext_is_host_mode()) return empty_on_host(wanted, out);
  bool is_current = vc_device_is_gpu(device) && vc_cuda_device_count() == 1 &&
                    ext_cupy_stream(device.id) == stream;
  if (!is_current) return ext_memory_array(&ext_cupy_adapter, wanted, stream, out);
  PyObject *dtype = ext_dtype_to_numpy(wanted->dtype); /* borrowed */
  PyObject *array = dtype ? ext_import_attribute("cupy", "ndarray", &class) : NULL;
  return ext_memory_call(array, &ext_cupy_adapter, wanted, dtype, NULL, out);
}

static int add_paths(PyObject *paths) {
  bool loaded = EXT_READ(cupy.loaded);
  const char *read = cupy.layout.reads ? "in place" : "by its attributes";
  const char *made = cupy.layout.makes ? "in place" : "by its class";
  return ext_path_add(paths, "CuPy read", loaded ? read : NULL) < 0
             ? -1
             : ext_path_add(paths, "CuPy made", loaded ? made : NULL);
}

const ext_adapter ext_cupy_adapter = {
    .name = "cupy.ndarray",
    .module = "cupy",
    .class_name = "ndarray",
    .writable = true,
    .on_gpu = true,
    .import = import_array,
    .current_stream = ext_cupy_stream,
    .stream_object = ext_cupy_stream_object,
    .export = export_array,
    .empty = empty_array,
    .add_paths = add_paths,
};
