/* SPDX-License-Identifier: Apache-2.0 */
/* viewcast.View: its attributes, its exports, and its adapter. */
#include "view_object.h"

#include "adapters/attributes.h"
#include "adapters/buffer.h"
#include "adapters/cuda_array.h"
#include "adapters/dlpack_python.h"
#include "adapters/list.h"
#include "arguments.h"
#include "docstrings.h"
#include "errors.h"
#include "free_threading.h"
#include "holder.h"

_Static_assert(sizeof(Py_ssize_t) == sizeof(int64_t), "buffers point at a view's axes");

typedef struct {
  ext_holder holder;
  vc_view view;
  vc_stream stream; /* the pixels are ready on this stream; VC_STREAM_NONE: ready for all */
} View;

static ext_spares spares;

static View *allocate(void) {
  PyObject *made = ext_spares_take(&spares);
  return made ? (View *)PyObject_Init(made, &ext_view_type) : PyObject_GC_New(View, &ext_view_type);
}

/* The collector finalises an object once. A View that was finalised is not reused: it would not be
 * finalised again. */
static void deallocate(void *view) {
  enum { MOST_SPARE = 64 };
  if (PyObject_GC_IsFinalized(view) || !ext_spares_add(&spares, view, MOST_SPARE)) {
    PyObject_GC_Del(view);
  }
}

PyObject *ext_view_new(ext_source *source) {
  View *self = allocate();
  if (!self) return NULL;
  self->view = source->view;
  self->holder.owner = source->owner;
  self->stream = source->has_producer ? source->producer : VC_STREAM_NONE;
  source->owner = (vc_owner){0};
  PyObject_GC_Track(self);
  return (PyObject *)self;
}

/* --- attributes */

typedef enum { PTR, SHAPE, STRIDES, NDIM, DTYPE, ITEMSIZE, NBYTES, READONLY } attribute;

static PyObject *get(View *self, void *which) {
  const vc_view *view = &self->view;
  switch ((attribute)(uintptr_t)which) {
    case PTR: return PyLong_FromVoidPtr(view->data);
    case SHAPE: return ext_axes_tuple(view->shape, view->ndim);
    case STRIDES: return ext_axes_tuple(view->strides, view->ndim);
    case NDIM: return PyLong_FromLong(view->ndim);
    case DTYPE: return PyUnicode_FromString(vc_dtype_name(view->dtype));
    case ITEMSIZE: return PyLong_FromSize_t(vc_dtype_size(view->dtype));
    case NBYTES: return PyLong_FromSize_t(vc_view_nbytes(view));
    default: return PyBool_FromLong(view->readonly);
  }
}

static PyObject *get_device(View *self, void *unused) {
  (void)unused;
  vc_device device = self->view.device;
  switch (device.type) {
    case VC_CPU: return PyUnicode_FromString("cpu");
    case VC_CUDA_HOST: return PyUnicode_FromString("cuda_host");
    case VC_CUDA_MANAGED: return PyUnicode_FromFormat("cuda_managed:%d", (int)device.id);
    default: return PyUnicode_FromFormat("cuda:%d", (int)device.id);
  }
}

static PyObject *view_repr(View *self) {
  PyObject *shape = ext_axes_tuple(self->view.shape, self->view.ndim);
  PyObject *device = shape ? get_device(self, NULL) : NULL;
  PyObject *text = NULL;
  if (device) {
    text = PyUnicode_FromFormat("<viewcast.View %R %s at %p on %U%s%s>", shape,
                                vc_dtype_name(self->view.dtype), self->view.data, device,
                                ext_is_host_mode() ? " (host mode)" : "",
                                self->view.readonly ? ", read-only" : "");
  }
  Py_XDECREF(shape);
  Py_XDECREF(device);
  return text;
}

/* --- exports. Each holds the View, which holds the memory. */

static PyObject *get_cuda_array(View *self, void *unused) {
  (void)unused;
  if (!vc_device_is_gpu(self->view.device)) {
    return PyErr_Format(PyExc_AttributeError,
                        "a View of host memory has no __cuda_array_interface__; use its buffer "
                        "(numpy.asarray(view)) or __dlpack__");
  }
  return ext_export_cuda_array(&self->view, self->stream);
}

static PyObject *view_dlpack_device(View *self, PyObject *unused) {
  (void)unused;
  return Py_BuildValue("(ii)", (int)self->view.device.type, (int)self->view.device.id);
}

/* Whether the consumer understands DLPack 1: max_version is (1, …) or later. */
static int wants_versioned(PyObject *version) {
  if (!ext_is_given(version)) return 0;
  if (!PyTuple_Check(version) || PyTuple_GET_SIZE(version) != 2) {
    return ext_refuse(PyExc_TypeError, "max_version needs a tuple (major, minor)");
  }
  long major = PyLong_AsLong(PyTuple_GET_ITEM(version, 0));
  return major == -1 && PyErr_Occurred() ? -1 : major >= DLPACK_MAJOR_VERSION;
}

static bool is_on_gpu(const View *self) { return vc_device_is_gpu(self->view.device); }

/* Reads DLPack's stream argument: None is the legacy default stream, and 0 is an error. */
static int read_stream(const View *self, PyObject *stream, vc_stream *out) {
  *out = VC_STREAM_LEGACY;
  if (!ext_is_given(stream)) return 0;
  PyObject *number = ext_integer_of(stream);
  long long handle = number ? PyLong_AsLongLong(number) : -1;
  Py_XDECREF(number);
  if (handle == -1 && PyErr_Occurred()) return -1;
  if (!number) {
    return ext_refuse(PyExc_TypeError, "stream is a %.100s, needs an int in DLPack: a handle",
                      Py_TYPE(stream)->tp_name);
  }
  if (!is_on_gpu(self) && handle != -1) {
    return ext_refuse(PyExc_BufferError, "host memory has no stream; give stream=None");
  }
  if (handle == 0 || handle < -1) {
    return ext_refuse(PyExc_ValueError,
                      "stream %lld is no stream in DLPack; give 1 (legacy default), 2 (per-thread "
                      "default), -1 (no ordering) or a handle",
                      handle);
  }
  *out = (vc_stream)handle;
  return 0;
}

/* Orders the consumer's stream after the stream on which the pixels are ready, and the release of
 * the export after the consumer. */
static int order_consumer(View *self, vc_stream consumer, ext_source *source) {
  int32_t device = self->view.device.id;
  if (!is_on_gpu(self) || vc_cuda_device_count() == 0) return 0;
  EXT_TRY(vc_stream_order(device, self->stream, consumer, &error));
  if (consumer == VC_STREAM_NONE) return 0;
  if (self->stream != VC_STREAM_NONE && vc_stream_same(self->stream, consumer)) return 0;
  return ext_release_after(source, consumer, NULL);
}

static int check_placement(const View *self, PyObject *device, PyObject *copy) {
  if (ext_is_given(copy) && PyObject_IsTrue(copy)) {
    return ext_refuse(PyExc_BufferError, "a View does not copy; copy the array made of it");
  }
  if (!ext_is_given(device)) return 0;
  int type, id;
  if (!PyTuple_Check(device) || !PyArg_ParseTuple(device, "ii", &type, &id)) {
    PyErr_Clear();
    return ext_refuse(PyExc_TypeError, "dl_device needs a tuple (device type, device id)");
  }
  if (type == self->view.device.type && id == self->view.device.id) return 0;
  return ext_refuse(PyExc_BufferError, "the memory is on DLPack device (%d, %d), not (%d, %d)",
                    (int)self->view.device.type, (int)self->view.device.id, type, id);
}

static PyObject *view_dlpack(View *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *kwnames) {
  static const ext_signature signature = {
      "__dlpack__", 0, {"stream", "max_version", "dl_device", "copy", NULL}};
  PyObject *values[EXT_MAX_PARAMETERS];
  if (ext_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  ext_drain(); /* a program that only exports would otherwise accumulate releases */
  int versioned = wants_versioned(values[1]);
  vc_stream consumer;
  if (versioned < 0 || read_stream(self, values[0], &consumer) < 0) return NULL;
  if (check_placement(self, values[2], values[3]) < 0) return NULL;
  if (!versioned && self->view.readonly) {
    return PyErr_Format(PyExc_BufferError,
                        "the memory is read-only, which only DLPack 1 can say; give "
                        "max_version=(1, 0)");
  }
  ext_source source = {.view = self->view, .owner = ext_own((PyObject *)self)};
  PyObject *capsule = NULL;
  if (order_consumer(self, consumer, &source) == 0)
    capsule = ext_export_capsule(&source, versioned);
  vc_owner_release(&source.owner);
  return capsule;
}

/* --- the buffer protocol, for host memory */

static const char *buffer_refusal(const View *self, int flags) {
  bool packed = vc_view_is_packed(&self->view);
  if ((flags & PyBUF_ND) != PyBUF_ND) {
    return "the request is for bytes without a shape, and would lose the image's (as "
           "torch.asarray() does); use viewcast.as_tensor(), or memoryview(view) for bytes";
  }
  if (self->view.device.type != VC_CPU && self->view.device.type != VC_CUDA_HOST) {
    return "the memory is not on the host; move it first (torch: .cpu(), CuPy: .get())";
  }
  if (!ext_buffer_format(self->view.dtype)) {
    return "bfloat16 has no buffer format; use DLPack, or reinterpret it as int16";
  }
  if ((flags & PyBUF_WRITABLE) && self->view.readonly) return "the memory is read-only";
  if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && self->view.ndim > 1) {
    return "the memory is not in Fortran order";
  }
  bool needs_packed = (flags & PyBUF_STRIDES) != PyBUF_STRIDES ||
                      (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS ||
                      (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS;
  return needs_packed && !packed ? "the rows are not packed; ask for a strided buffer" : NULL;
}

static int view_getbuffer(View *self, Py_buffer *buffer, int flags) {
  static char nowhere; /* the address of an empty image: consumers need one that is not NULL */
  const char *refusal = buffer_refusal(self, flags);
  buffer->obj = NULL;
  if (refusal) return ext_refuse(PyExc_BufferError, refusal);
  bool with_strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  buffer->buf = self->view.data ? self->view.data : &nowhere;
  buffer->obj = Py_NewRef((PyObject *)self);
  buffer->len = (Py_ssize_t)vc_view_nbytes(&self->view);
  buffer->itemsize = (Py_ssize_t)vc_dtype_size(self->view.dtype);
  buffer->readonly = self->view.readonly;
  buffer->ndim = self->view.ndim;
  buffer->format =
      (flags & PyBUF_FORMAT) ? (char *)(uintptr_t)ext_buffer_format(self->view.dtype) : NULL;
  buffer->shape = (Py_ssize_t *)(void *)self->view.shape;
  buffer->strides = with_strides ? (Py_ssize_t *)(void *)self->view.strides : NULL;
  buffer->suboffsets = NULL;
  buffer->internal = NULL;
  return 0;
}

/* --- the type */

#define ATTRIBUTE(name, which) \
  {#name, (getter)get, NULL, DOC_View_##name, (void *)(uintptr_t)(which)}
static PyGetSetDef view_getset[] = {
    ATTRIBUTE(ptr, PTR),
    ATTRIBUTE(shape, SHAPE),
    ATTRIBUTE(strides, STRIDES),
    ATTRIBUTE(ndim, NDIM),
    ATTRIBUTE(dtype, DTYPE),
    ATTRIBUTE(itemsize, ITEMSIZE),
    ATTRIBUTE(nbytes, NBYTES),
    ATTRIBUTE(readonly, READONLY),
    {"device", (getter)get_device, NULL, DOC_View_device, NULL},
    {"__cuda_array_interface__", (getter)get_cuda_array, NULL, DOC_View___cuda_array_interface__,
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef view_methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))view_dlpack, METH_FASTCALL | METH_KEYWORDS,
     DOC_View___dlpack__},
    {"__dlpack_device__", (PyCFunction)view_dlpack_device, METH_NOARGS, DOC_View___dlpack_device__},
    {NULL, NULL, 0, NULL},
};

static PyBufferProcs view_buffer = {(getbufferproc)view_getbuffer, NULL};

/* A static type: an object of a heap type holds a reference to its type, and all threads would
 * contend for that counter. */
PyTypeObject ext_view_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "viewcast.View",
    .tp_basicsize = sizeof(View),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                Py_TPFLAGS_IMMUTABLETYPE,
    .tp_doc = DOC_View,
    .tp_dealloc = ext_holder_dealloc,
    .tp_traverse = ext_holder_traverse,
    .tp_finalize = ext_holder_finalize,
    .tp_free = deallocate,
    .tp_repr = (reprfunc)view_repr,
    .tp_getset = view_getset,
    .tp_methods = view_methods,
    .tp_as_buffer = &view_buffer,
};

int ext_view_init(PyObject *module) {
  if (PyType_Ready(&ext_view_type) < 0) return -1;
  return PyModule_AddObjectRef(module, "View", (PyObject *)&ext_view_type);
}

/* --- the adapter */

static int import_view(PyObject *image, const ext_options *options, ext_source *out) {
  (void)options;
  out->view = ((View *)image)->view;
  out->owner = ext_own(image);
  out->has_producer = true;
  out->producer = ((View *)image)->stream;
  return 0;
}

static PyObject *export_view(ext_source *source, const ext_options *options) {
  (void)options;
  return ext_view_new(source);
}

static bool is_view_type(PyTypeObject *type) { return type == &ext_view_type; }

const ext_adapter ext_view_adapter = {
    .name = "viewcast.View",
    .is_type = is_view_type,
    .import = import_view,
    .export = export_view,
};
