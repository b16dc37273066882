// SPDX-License-Identifier: Apache-2.0
// A cv2 with the GpuMat of gpumat_standin.hpp, as OpenCV's own Python bindings have it:
// for interpreters that OpenCV's wheels do not load on. STANDIN_CV2=stock5 in the
// environment makes it a 5.x without CUDA, else it is a 4.x with CUDA and without a GPU.
// Built by tools/standin_cv2.py.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "gpumat_standin.hpp"

using standin::GpuMat;

namespace {

PyTypeObject *mat_type, *allocator_type;
PyObject *error_type;

struct Mat {
  PyObject_HEAD std::shared_ptr<GpuMat> mat;
};

struct Allocator {
  PyObject_HEAD std::shared_ptr<GpuMat::Allocator> allocator;
};

GpuMat &of(PyObject *self) { return *reinterpret_cast<Mat *>(self)->mat; }

// What OpenCV throws becomes cv2.error.
template <class Function>
PyObject *guarded(Function function) {
  try {
    return function();
  } catch (const std::exception &error) {
    PyErr_SetString(error_type, error.what());
    return nullptr;
  }
}

PyObject *new_empty(PyTypeObject *type, PyObject *, PyObject *) {
  PyObject *self = type->tp_alloc(type, 0);
  if (self) new (&reinterpret_cast<Mat *>(self)->mat) std::shared_ptr<GpuMat>();
  return self;
}

PyObject *wrap(GpuMat made) {
  PyObject *self = new_empty(mat_type, nullptr, nullptr);
  if (self) reinterpret_cast<Mat *>(self)->mat = std::make_shared<GpuMat>(std::move(made));
  return self;
}

void mat_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  reinterpret_cast<Mat *>(self)->mat.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

int mat_init(PyObject *self, PyObject *args, PyObject *) {
  std::shared_ptr<GpuMat> &mat = reinterpret_cast<Mat *>(self)->mat;
  int a, b, c, d;
  PyObject *other;
  PyObject *done = guarded([&]() -> PyObject * {
    if (PyTuple_GET_SIZE(args) == 0) {
      mat = std::make_shared<GpuMat>();
    } else if (PyArg_ParseTuple(args, "iii", &a, &b, &c)) {
      mat = std::make_shared<GpuMat>(a, b, c);
    } else if (PyErr_Clear(), PyArg_ParseTuple(args, "O!", mat_type, &other)) {
      mat = std::make_shared<GpuMat>(of(other));
    } else if (PyErr_Clear(),
               PyArg_ParseTuple(args, "O!(iiii)", mat_type, &other, &a, &b, &c, &d)) {
      mat = std::make_shared<GpuMat>(of(other), standin::Rect{a, b, c, d});
    } else if (PyErr_Clear(),
               PyArg_ParseTuple(args, "O!(ii)(ii)", mat_type, &other, &a, &b, &c, &d)) {
      mat = std::make_shared<GpuMat>(of(other), standin::Range{a, b}, standin::Range{c, d});
    } else {
      return nullptr;
    }
    return Py_NewRef(Py_None);
  });
  Py_XDECREF(done);
  return done ? 0 : -1;
}

// --- methods

#define GETTER(name, value)                                                        \
  PyObject *name(PyObject *self, PyObject *) {                                     \
    return guarded([&] { return PyLong_FromSize_t(static_cast<size_t>(value)); }); \
  }
GETTER(mat_type_number, of(self).type())
GETTER(mat_depth, of(self).depth())
GETTER(mat_channels, of(self).channels())
GETTER(mat_elem_size, of(self).elemSize())
GETTER(mat_elem_size1, of(self).elemSize1())
GETTER(mat_step1, of(self).step / of(self).elemSize1())
GETTER(mat_cuda_ptr, reinterpret_cast<uintptr_t>(of(self).data))

PyObject *mat_empty(PyObject *self, PyObject *) { return PyBool_FromLong(of(self).empty()); }
PyObject *mat_continuous(PyObject *self, PyObject *) {
  return PyBool_FromLong(of(self).isContinuous());
}
PyObject *mat_size(PyObject *self, PyObject *) {
  return Py_BuildValue("(ii)", of(self).cols, of(self).rows);
}
PyObject *get_step(PyObject *self, void *) { return PyLong_FromSize_t(of(self).step); }

PyObject *mat_release(PyObject *self, PyObject *) {
  of(self).release();
  Py_RETURN_NONE;
}

PyObject *mat_clone(PyObject *self, PyObject *) {
  return guarded([&] { return wrap(of(self).clone()); });
}

bool read_range(PyObject *args, standin::Range *out) {
  if (PyArg_ParseTuple(args, "ii", &out->start, &out->end)) return true;
  PyErr_Clear();
  return PyArg_ParseTuple(args, "(ii)", &out->start, &out->end);
}

PyObject *mat_row_range(PyObject *self, PyObject *args) {
  standin::Range range;
  if (!read_range(args, &range)) return nullptr;
  return guarded([&] { return wrap(of(self).rowRange(range.start, range.end)); });
}

PyObject *mat_col_range(PyObject *self, PyObject *args) {
  standin::Range range;
  if (!read_range(args, &range)) return nullptr;
  return guarded([&] { return wrap(of(self).colRange(range.start, range.end)); });
}

PyObject *mat_row(PyObject *self, PyObject *number) {
  int row = static_cast<int>(PyLong_AsLong(number));
  return guarded([&] { return wrap(of(self).rowRange(row, row + 1)); });
}

PyObject *mat_col(PyObject *self, PyObject *number) {
  int col = static_cast<int>(PyLong_AsLong(number));
  return guarded([&] { return wrap(of(self).colRange(col, col + 1)); });
}

PyObject *mat_create(PyObject *self, PyObject *args) {
  int rows, cols, type;
  if (!PyArg_ParseTuple(args, "iii", &rows, &cols, &type)) {
    PyErr_Clear();
    if (!PyArg_ParseTuple(args, "(ii)i", &cols, &rows, &type)) return nullptr;
  }
  return guarded([&] {
    of(self).create(rows, cols, type);
    return Py_NewRef(Py_None);
  });
}

PyObject *mat_reshape(PyObject *self, PyObject *args) {
  int channels, rows = 0;
  if (!PyArg_ParseTuple(args, "i|i", &channels, &rows)) return nullptr;
  return guarded([&] { return wrap(of(self).reshape(channels, rows)); });
}

PyObject *mat_swap(PyObject *self, PyObject *other) {
  if (!PyObject_TypeCheck(other, mat_type)) {
    PyErr_SetString(PyExc_TypeError, "a GpuMat is needed");
    return nullptr;
  }
  GpuMat copy(of(other)); // as the binding takes its arguments
  of(self).swap(copy);
  Py_RETURN_NONE;
}

PyObject *mat_locate_roi(PyObject *self, PyObject *) {
  standin::Size whole;
  standin::Point offset;
  return guarded([&] {
    of(self).locateROI(whole, offset);
    return Py_BuildValue("((ii)(ii))", whole.width, whole.height, offset.x, offset.y);
  });
}

// OpenCV takes the bare pointer out of the object.
PyObject *set_default_allocator(PyObject *, PyObject *object) {
  if (!PyObject_TypeCheck(object, allocator_type)) {
    PyErr_SetString(PyExc_TypeError, "a GpuMat.Allocator is needed");
    return nullptr;
  }
  GpuMat::setDefaultAllocator(reinterpret_cast<Allocator *>(object)->allocator.get());
  Py_RETURN_NONE;
}

PyMethodDef mat_methods[] = {
    {"size", mat_size, METH_NOARGS, nullptr},
    {"type", mat_type_number, METH_NOARGS, nullptr},
    {"depth", mat_depth, METH_NOARGS, nullptr},
    {"channels", mat_channels, METH_NOARGS, nullptr},
    {"elemSize", mat_elem_size, METH_NOARGS, nullptr},
    {"elemSize1", mat_elem_size1, METH_NOARGS, nullptr},
    {"step1", mat_step1, METH_NOARGS, nullptr},
    {"cudaPtr", mat_cuda_ptr, METH_NOARGS, nullptr},
    {"empty", mat_empty, METH_NOARGS, nullptr},
    {"isContinuous", mat_continuous, METH_NOARGS, nullptr},
    {"release", mat_release, METH_NOARGS, nullptr},
    {"clone", mat_clone, METH_NOARGS, nullptr},
    {"rowRange", mat_row_range, METH_VARARGS, nullptr},
    {"colRange", mat_col_range, METH_VARARGS, nullptr},
    {"row", mat_row, METH_O, nullptr},
    {"col", mat_col, METH_O, nullptr},
    {"create", mat_create, METH_VARARGS, nullptr},
    {"reshape", mat_reshape, METH_VARARGS, nullptr},
    {"swap", mat_swap, METH_O, nullptr},
    {"locateROI", mat_locate_roi, METH_NOARGS, nullptr},
    {"setDefaultAllocator", set_default_allocator, METH_O | METH_STATIC, nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyGetSetDef mat_getset[] = {{"step", get_step, nullptr, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <class Function>
void *slot(Function *function) {
  return reinterpret_cast<void *>(function);
}

PyTypeObject *make_type(const char *name, std::vector<PyType_Slot> slots) {
  slots.push_back({Py_tp_new, slot(new_empty)});
  slots.push_back({Py_tp_dealloc, slot(mat_dealloc)});
  slots.push_back({0, nullptr});
  PyType_Spec spec = {name, sizeof(Mat), 0, Py_TPFLAGS_DEFAULT, slots.data()};
  return reinterpret_cast<PyTypeObject *>(PyType_FromSpec(&spec));
}

// --- the module

PyObject *create_over(PyObject *, PyObject *args) {
  int rows, cols, type;
  unsigned long long data, step = 0;
  if (!PyArg_ParseTuple(args, "iiiK|K", &rows, &cols, &type, &data, &step)) {
    PyErr_Clear();
    if (!PyArg_ParseTuple(args, "(ii)iK|K", &cols, &rows, &type, &data, &step)) return nullptr;
  }
  return guarded([&] {
    void *memory = reinterpret_cast<void *>(static_cast<uintptr_t>(data));
    size_t wanted = static_cast<size_t>(step);
    GpuMat packed(rows, cols, type, memory);
    bool overlaps = wanted && rows > 1 && wanted < packed.step; // which OpenCV lets pass
    GpuMat made = overlaps ? packed : GpuMat(rows, cols, type, memory, wanted);
    if (overlaps) made.step = wanted;
    return wrap(std::move(made));
  });
}

PyObject *device_count(PyObject *, PyObject *) { return PyLong_FromLong(0); }

PyObject *live(PyObject *, PyObject *) {
  return PyLong_FromLong(standin::standard_allocator.live());
}

PyMethodDef cuda_functions[] = {
    {"createGpuMatFromCudaMemory", create_over, METH_VARARGS, nullptr},
    {"getCudaEnabledDeviceCount", device_count, METH_NOARGS, nullptr},
    {"live", live, METH_NOARGS, "Blocks of the standard allocator that were not freed."},
    {nullptr, nullptr, 0, nullptr}};

// CV_8UC(channels): the depth is what the function is bound to.
PyObject *typed(PyObject *depth, PyObject *channels) {
  long type = PyLong_AsLong(channels);
  return PyErr_Occurred() ? nullptr
                          : PyLong_FromLong(standin::make_type(
                                static_cast<int>(PyLong_AsLong(depth)), static_cast<int>(type)));
}
PyMethodDef typed_method = {"CV_C", typed, METH_O, nullptr};

bool add(PyObject *module, const std::string &name, PyObject *value) {
  bool added = value && PyModule_AddObjectRef(module, name.c_str(), value) == 0;
  Py_XDECREF(value);
  return added;
}

bool add_constants(PyObject *cv2) {
  static const char *const names[] = {"8U",  "8S",   "16U",  "16S", "32S", "32F", "64F",
                                      "16F", "16BF", "Bool", "64U", "64S", "32U"};
  int depths = standin::library.channel_shift == 3 ? 8 : 13;
  for (int depth = 0; depth < depths; depth++) {
    std::string name = std::string("CV_") + names[depth];
    PyObject *bound = PyLong_FromLong(depth);
    bool added = bound && add(cv2, name + "C", PyCFunction_New(&typed_method, bound)) &&
                 add(cv2, name, Py_NewRef(bound));
    Py_XDECREF(bound);
    for (int channels = 1; added && channels <= 4; channels++)
      added = add(cv2, name + "C" + std::to_string(channels),
                  PyLong_FromLong(standin::make_type(depth, channels)));
    if (!added) return false;
  }
  return true;
}

bool add_classes(PyObject *cv2, PyObject *cuda) {
  mat_type = make_type(
      "cv2.cuda.GpuMat",
      {{Py_tp_init, slot(mat_init)}, {Py_tp_methods, mat_methods}, {Py_tp_getset, mat_getset}});
  allocator_type = make_type("cv2.cuda.GpuMat.Allocator", {});
  error_type = PyErr_NewException("cv2.error", nullptr, nullptr);
  return mat_type && allocator_type && error_type &&
         PyObject_SetAttrString(reinterpret_cast<PyObject *>(mat_type), "Allocator",
                                reinterpret_cast<PyObject *>(allocator_type)) == 0 &&
         add(cuda, "GpuMat", Py_NewRef(reinterpret_cast<PyObject *>(mat_type))) &&
         add(cuda, "GpuMatND", reinterpret_cast<PyObject *>(make_type("cv2.cuda.GpuMatND", {}))) &&
         add(cv2, "UMat", reinterpret_cast<PyObject *>(make_type("cv2.UMat", {}))) &&
         add(cv2, "error", Py_NewRef(error_type));
}

PyObject *build_information(PyObject *, PyObject *) {
  return PyUnicode_FromString("a stand-in for OpenCV: GpuMat alone, over host memory");
}

PyMethodDef functions[] = {{"getBuildInformation", build_information, METH_NOARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

PyModuleDef cuda_definition = {PyModuleDef_HEAD_INIT,
                               "cv2.cuda",
                               nullptr,
                               -1,
                               cuda_functions,
                               nullptr,
                               nullptr,
                               nullptr,
                               nullptr};
PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "cv2", "A stand-in.", -1, functions, nullptr, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit_cv2() {
  const char *build = std::getenv("STANDIN_CV2");
  if (build && std::strcmp(build, "stock5") == 0) {
    standin::library.build = standin::Build::stock5;
    standin::library.channel_shift = 5;
  }
  const char *version = standin::library.channel_shift == 3 ? "4.99.0" : "5.99.0";
  PyObject *cv2 = PyModule_Create(&definition), *cuda = PyModule_Create(&cuda_definition);
  if (!cv2 || !cuda || PyModule_AddStringConstant(cv2, "__version__", version) < 0 ||
      !add_constants(cv2) || !add_classes(cv2, cuda) || !add(cv2, "cuda", cuda))
    return nullptr;
#ifdef Py_GIL_DISABLED
  PyUnstable_Module_SetGIL(cv2, Py_MOD_GIL_NOT_USED);
#endif
  return cv2;
}
