/* SPDX-License-Identifier: Apache-2.0 */
/* New memory: blocks of bytes, and arrays of other libraries. */
#include "adapters/memory.h"

#include <stdlib.h>

#include "adapters/attributes.h"
#include "errors.h"
#include "free_threading.h"
#include "holder.h"
#include "imports.h"

/* --- arrays */

/* Imports an array that was just made, by its own adapter. Takes the reference; gives it back,
 * or NULL with an exception. */
static PyObject *import_made(PyObject *made, const ext_adapter *library, ext_source *out) {
  const ext_options plain = {.target = library};
  if (made && library->import(made, &plain, out) < 0) Py_CLEAR(made);
  return made;
}

/* Takes the arguments. */
static PyObject *call_allocation(const char *function, PyObject *arguments) {
  PyObject *callable = arguments ? ext_find("viewcast.allocation", NULL, function) : NULL;
  PyObject *made = callable ? PyObject_Call(callable, arguments, NULL) : NULL;
  Py_XDECREF(callable);
  Py_XDECREF(arguments);
  return made;
}

PyObject *ext_memory_array(const ext_adapter *library, const vc_view *wanted, vc_stream stream,
                           ext_source *out) {
  PyObject *imported = ext_import(library->module); /* says how to install it */
  PyObject *shape = imported ? ext_axes_tuple(wanted->shape, wanted->ndim) : NULL;
  Py_XDECREF(imported);
  if (!shape) return NULL;
  int ordinal = wanted->device.type == VC_CPU ? -1 : (int)wanted->device.id;
  PyObject *made = call_allocation(
      "empty", Py_BuildValue("(sNsiL)", library->name, shape, vc_dtype_name(wanted->dtype), ordinal,
                             (long long)stream));
  return import_made(made, library, out);
}

PyObject *ext_memory_call(PyObject *function, const ext_adapter *library, const vc_view *wanted,
                          PyObject *dtype, PyObject *device, ext_source *out) {
  static PyObject *names[2];
  PyObject **slot = &names[device != NULL], *keywords = EXT_READ(*slot), *made = NULL;
  if (!function || !dtype) return NULL;
  if (!keywords) {
    keywords = ext_keep_first(
        slot, device ? Py_BuildValue("(ss)", "dtype", "device") : Py_BuildValue("(s)", "dtype"));
  }
  PyObject *arguments[] = {ext_axes_tuple(wanted->shape, wanted->ndim), dtype, device};
  if (keywords && arguments[0]) made = PyObject_Vectorcall(function, arguments, 1, keywords);
  Py_XDECREF(arguments[0]);
  return import_made(made, library, out);
}

/* --- blocks */

#define ALIGNMENT 64

static int block_on_host(size_t bytes, ext_source *out) {
  size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  void *memory = rounded >= bytes ? aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT) : NULL;
  if (!memory) return ext_no_memory();
  out->view.data = memory;
  out->owner = (vc_owner){memory, free, true};
  return 0;
}

static int block_on_gpu(size_t bytes, vc_device device, vc_stream stream, ext_source *out) {
  PyObject *made = call_allocation(
      "block", Py_BuildValue("(niL)", (Py_ssize_t)bytes, (int)device.id, (long long)stream));
  made = made ? import_made(made, ext_adapter_of(made), out) : NULL;
  Py_XDECREF(made);
  return made ? 0 : -1;
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

int ext_memory_shared_block(size_t bytes, vc_device device, vc_stream stream, ext_source *out,
                            PyObject **kept) {
  if (ext_memory_block(bytes, device, stream, out) < 0) return -1;
  *kept = ext_keepalive(&out->owner);
  if (*kept) out->owner = ext_own(*kept);
  return *kept ? 0 : -1;
}

/* Textures, which some of OpenCV's kernels read through, need rows at such addresses. */
#define ROW_ALIGNMENT 32

bool ext_memory_lay_out(vc_view *view, int64_t count, int64_t *bytes) {
  int64_t size = (int64_t)vc_dtype_size(view->dtype), row, step, image;
  const int64_t *shape = view->shape + (view->ndim == 4);
  int64_t *strides = view->strides + (view->ndim == 4);
  if (__builtin_mul_overflow(shape[2], size, &strides[1])) return false;
  strides[2] = size;
  if (__builtin_mul_overflow(shape[1], strides[1], &row)) return false;
  step = row;
  if (strides[0] != row && (shape[0] > 1 || count > 1)) {
    if (__builtin_add_overflow(row, ROW_ALIGNMENT - 1, &step)) return false;
    step = step / ROW_ALIGNMENT * ROW_ALIGNMENT;
  }
  strides[0] = step;
  if (__builtin_mul_overflow(shape[0], step, &image)) return false;
  view->strides[0] = view->ndim == 4 ? image : step;
  return !__builtin_mul_overflow(image, count, bytes);
}
