/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/memory.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/axes.h"
#include "adapters/numpy_dtype.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"

/* --- by viewcast.allocation, which knows every case */

static PyObject *call_allocation(const char *function, PyObject *arguments) {
  PyObject *module = arguments ? PyImport_ImportModule("viewcast.allocation") : NULL;
  PyObject *callable = module ? PyObject_GetAttrString(module, function) : NULL;
  PyObject *made = callable ? PyObject_Call(callable, arguments, NULL) : NULL;
  Py_XDECREF(callable);
  Py_XDECREF(module);
  Py_XDECREF(arguments);
  return made;
}

static int ordinal(vc_device device) { return device.type == VC_CPU ? -1 : (int)device.id; }

/* "torch" of "torch.Tensor": what is not installed is told before it is asked for. */
static int require(const ext_adapter *library) {
  char module[16];
  PyOS_snprintf(module, sizeof module, "%.*s", (int)strcspn(library->name, "."), library->name);
  PyObject *imported = ext_import(module);
  Py_XDECREF(imported);
  return imported ? 0 : -1;
}

static PyObject *allocate_slowly(const ext_adapter *library, PyObject *shape, vc_dtype dtype,
                                 vc_device device, vc_stream stream) {
  if (require(library) < 0) return NULL;
  return call_allocation(
      "empty", Py_BuildValue("(sOsiL)", library->name, shape, vc_dtype_name(dtype), ordinal(device),
                             (long long)stream));
}

/* --- by the library's own function, where that is all there is to it */

/* shape, dtype[, device]: numpy.empty and torch.empty. */
static PyObject *call_empty(PyObject *function, PyObject *shape, PyObject *dtype,
                            PyObject *device) {
  static PyObject *names[2];
  PyObject *arguments[] = {shape, dtype, device};
  PyObject **slot = &names[device != NULL], *keywords = EXT_READ(*slot);
  if (!keywords) {
    keywords = ext_keep_first(
        slot, device ? Py_BuildValue("(ss)", "dtype", "device") : Py_BuildValue("(s)", "dtype"));
  }
  return keywords ? PyObject_Vectorcall(function, arguments, 1, keywords) : NULL;
}

/* Borrowed: kept for ever. */
static PyObject *attribute_of(const char *module, const char *name, PyObject **cache) {
  PyObject *known = EXT_READ(*cache);
  if (known) return known;
  PyObject *imported = ext_import(module);
  PyObject *found = imported ? PyObject_GetAttrString(imported, name) : NULL;
  Py_XDECREF(imported);
  return ext_keep_first(cache, found);
}

#define DTYPE_SLOTS 32

static PyObject *torch_dtype(vc_dtype dtype) {
  static PyObject *dtypes[DTYPE_SLOTS];
  int width = dtype.bits == 64 ? 3 : dtype.bits / 16; /* 8, 16, 32, 64: 0, 1, 2, 3 */
  return attribute_of("torch", vc_dtype_name(dtype), &dtypes[(dtype.code & 7) * 4 + width]);
}

#define DEVICE_SLOTS 17

static PyObject *torch_device(vc_device device) {
  static PyObject *devices[DEVICE_SLOTS], *class;
  int slot = 1 + ordinal(device);
  if (slot >= DEVICE_SLOTS) return NULL;
  PyObject *known = EXT_READ(devices[slot]);
  if (known) return known;
  PyObject *type = attribute_of("torch", "device", &class);
  if (!type) return NULL;
  return ext_keep_first(&devices[slot],
                        slot ? PyObject_CallFunction(type, "si", "cuda", (int)device.id)
                             : PyObject_CallFunction(type, "s", "cpu"));
}

static PyObject *allocate_torch(PyObject *shape, vc_dtype dtype, vc_device device) {
  static PyObject *function;
  PyObject *place = torch_device(device);
  PyObject *type = place ? torch_dtype(dtype) : NULL;
  PyObject *empty = type ? attribute_of("torch", "empty", &function) : NULL;
  return empty ? call_empty(empty, shape, type, place) : NULL;
}

static PyObject *allocate_numpy(PyObject *shape, vc_dtype dtype) {
  static PyObject *function;
  PyObject *type = ext_dtype_to_numpy(dtype); /* borrowed */
  PyObject *empty = type ? attribute_of("numpy", "empty", &function) : NULL;
  return empty ? call_empty(empty, shape, type, NULL) : NULL;
}

/* CuPy allocates on the current device. */
static PyObject *allocate_cupy(PyObject *shape, vc_dtype dtype) {
  static PyObject *class;
  PyObject *type = ext_dtype_to_numpy(dtype); /* borrowed */
  PyObject *array = type ? attribute_of("cupy", "ndarray", &class) : NULL;
  PyObject *arguments[] = {shape, type};
  return array ? PyObject_Vectorcall(array, arguments, 2, NULL) : NULL;
}

static PyObject *allocate(const ext_adapter *library, PyObject *shape, vc_dtype dtype,
                          vc_device device, vc_stream stream) {
  bool gpu = vc_device_is_gpu(device);
  bool current = !gpu || (library->current && library->current(device.id) == stream);
  if (library == &ext_numpy_adapter && !gpu) return allocate_numpy(shape, dtype);
  if (library == &ext_torch_adapter && current && device.id < DEVICE_SLOTS - 1) {
    return allocate_torch(shape, dtype, device);
  }
  if (library == &ext_cupy_adapter && current && gpu && vc_cuda_device_count() == 1) {
    return allocate_cupy(shape, dtype);
  }
  return allocate_slowly(library, shape, dtype, device, stream);
}

PyObject *ext_memory_array(const ext_adapter *library, const vc_view *wanted, vc_device device,
                           vc_stream stream, ext_source *out) {
  const ext_options plain = {.target = library};
  PyObject *shape = ext_axes_tuple(wanted->shape, wanted->ndim);
  PyObject *made = shape ? allocate(library, shape, wanted->dtype, device, stream) : NULL;
  Py_XDECREF(shape);
  if (made && library->import(made, &plain, out) < 0) Py_CLEAR(made);
  return made;
}

/* --- blocks */

#define ALIGNMENT 64

static int block_on_host(size_t bytes, ext_source *out) {
  size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  void *memory = rounded >= bytes ? aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT) : NULL;
  if (!memory) {
    PyErr_NoMemory();
    return -1;
  }
  out->view.data = memory;
  out->owner = (vc_owner){memory, free, true};
  return 0;
}

static int block_on_gpu(size_t bytes, vc_device device, vc_stream stream, ext_source *out) {
  PyObject *made = call_allocation(
      "block", Py_BuildValue("(niL)", (Py_ssize_t)bytes, (int)device.id, (long long)stream));
  if (!made) return -1;
  const ext_adapter *library = ext_adapter_of(made);
  const ext_options plain = {.target = library};
  int result = library->import(made, &plain, out);
  Py_DECREF(made);
  return result;
}

int ext_memory_block(size_t bytes, vc_device device, vc_stream stream, ext_source *out) {
  *out = (ext_source){0};
  int result = vc_device_is_gpu(device) ? block_on_gpu(bytes, device, stream, out)
                                        : block_on_host(bytes, out);
  if (result < 0) return -1;
  out->view = (vc_view){.data = out->view.data,
                        .device = device,
                        .dtype = {VC_UINT, 8},
                        .ndim = 1,
                        .shape = {(int64_t)bytes},
                        .strides = {1}};
  return 0;
}
