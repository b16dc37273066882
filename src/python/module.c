/* SPDX-License-Identifier: Apache-2.0 */
/* viewcast._viewcast: the extension module. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "adapters/adapter.h"
#include "adapters/opencv.h"
#include "arguments.h"
#include "docstrings.h"
#include "errors.h"
#include "free_threading.h"
#include "holder.h"
#include "imports.h"
#include "internal.h"
#include "methods.h"
#include "owner.h"
#include "view_object.h"

static PyObject *collect(PyObject *module, PyObject *const *args, Py_ssize_t count,
                         PyObject *kwnames) {
  (void)module;
  static const ext_signature signature = {"collect", 0, {"force", NULL}};
  PyObject *values[EXT_MAX_PARAMETERS];
  if (ext_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  bool force = false;
  if (ext_argument_bool(values[0], "force", &force) < 0) return NULL;
  size_t released = vc_collect(force);
  released += ext_releases_retry(SIZE_MAX);
  return PyLong_FromSize_t(released);
}

static PyObject *host_mode(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  vc_mode mode;
  EXT_TRY_OR(vc_cuda_mode(&mode, &error), NULL);
  return PyBool_FromLong(mode == VC_MODE_HOST);
}

static PyObject *mode_reason(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return PyUnicode_FromString(vc_cuda_reason());
}

static PyObject *statistics(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  vc_statistics now = {.size = sizeof now};
  vc_ignore(vc_statistics_read(&now, NULL)); /* can't fail */
#define COUNTER(name) {#name, now.name},
  const struct {
    const char *name;
    uint64_t value;
  } counters[] = {VC_STATISTICS(COUNTER)};
  PyObject *dict = PyDict_New();
  for (size_t i = 0; dict && i < sizeof counters / sizeof *counters; i++) {
    PyObject *value = PyLong_FromUnsignedLongLong(counters[i].value);
    if (!value || PyDict_SetItemString(dict, counters[i].name, value) < 0) Py_CLEAR(dict);
    Py_XDECREF(value);
  }
  return dict;
}

/* What the library was built with, for config(). */
static PyObject *build(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return Py_BuildValue("{s:s, s:s, s:s}", "kernels", vc_transform_kernels(), "compiler",
                       vc_transform_compiler(), "simd", vc_transform_simd());
}

static PyObject *kernel_image(PyObject *module, PyObject *device) {
  (void)module;
  long ordinal = PyLong_AsLong(device);
  if (ordinal == -1 && PyErr_Occurred()) return NULL;
  bool fits = ordinal >= 0 && ordinal <= INT32_MAX;
  return PyUnicode_FromString(fits ? vc_transform_image((int32_t)ordinal) : "");
}

static PyObject *paths(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  PyObject *dict = Py_BuildValue("{s:O}", "slow", ext_is_slow() ? Py_True : Py_False);
  if (dict && ext_adapters_add_paths(dict) < 0) Py_CLEAR(dict);
  return dict;
}

static PyObject *opencv_layout(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return ext_opencv_describe();
}

static PyObject *set_num_threads(PyObject *module, PyObject *const *args, Py_ssize_t count,
                                 PyObject *kwnames) {
  (void)module;
  static const ext_signature signature = {"set_num_threads", 1, {"n", NULL}};
  PyObject *value;
  int32_t threads = 0;
  if (ext_arguments(&signature, args, count, kwnames, &value) < 0) return NULL;
  if (ext_is_given(value) && ext_argument_int(value, "n", 1, &threads) < 0) return NULL;
  vc_transform_set_threads(threads);
  Py_RETURN_NONE;
}

static PyObject *get_num_threads(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return PyLong_FromLong(vc_transform_threads());
}

static PyMethodDef methods[] = {
    EXT_PUBLIC_METHOD(collect),
    {"host_mode", host_mode, METH_NOARGS, DOC_host_mode},
    EXT_PUBLIC_METHOD(set_num_threads),
    {"get_num_threads", get_num_threads, METH_NOARGS, DOC_get_num_threads},
    {"statistics", statistics, METH_NOARGS, DOC_statistics},
    {"_kernel_image", kernel_image, METH_O,
     "_kernel_image($module, device, /)\n--\n\n"
     "The image of the kernels that a CUDA device runs, by the device's ordinal: \"sm_90\" for\n"
     "machine code, \"compute_90\" for PTX, which the driver compiles; \"\" where it runs none, "
     "and\n"
     "in host mode."},
    {"_build", build, METH_NOARGS, "How the library was built: kernels and SIMD code."},
    {"_paths", paths, METH_NOARGS,
     "How each library is read and made: None for one that was not used yet."},
    {"_mode_reason", mode_reason, METH_NOARGS, "Why host_mode() answers as it does."},
    {"_opencv_layout", opencv_layout, METH_NOARGS,
     "What was verified of the loaded OpenCV; ABIError where it does not fit."},
    {NULL, NULL, 0, NULL},
};

/* viewcast's state belongs to the process: other libraries' allocators hold addresses in it. */
static int check_interpreter(void) {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return 0;
  return ext_refuse(PyExc_ImportError, "viewcast works in the main interpreter only");
}

static int execute(PyObject *module) {
  if (check_interpreter() < 0 || ext_errors_init(module) < 0) return -1;
  ext_free_threading_init();
  ext_owner_init();
  if (ext_holder_init() < 0 || ext_view_init(module) < 0) return -1;
  PyMethodDef *const tables[] = {ext_function_methods, ext_pool_methods,   ext_pointer_methods,
                                 ext_resize_methods,   ext_savant_methods, ext_stream_methods,
                                 ext_to_yuv_methods,   ext_values_methods};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (PyModule_AddFunctions(module, tables[i]) < 0) return -1;
  }
  return PyModule_AddStringConstant(module, "__version__", vc_version());
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, EXT_SLOT(execute)},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* free_threading.h says how */
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "viewcast._viewcast",
    .m_doc = "The C side of viewcast.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__viewcast(void) { return PyModuleDef_Init(&definition); }
