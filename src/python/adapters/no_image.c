/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that are no images: what NumPy can make an array of, and advice about the others. */
#include "adapters/no_image.h"

#include "adapters/list.h"
#include "errors.h"
#include "imports.h"

/* --- kinds of objects */

static bool is_none(PyObject *object) { return object == Py_None; }
static bool is_class(PyObject *object) { return PyType_Check(object); }
static bool is_module(PyObject *object) { return PyModule_Check(object); }
static bool is_capsule(PyObject *object) { return PyCapsule_CheckExact(object); }
static bool is_list(PyObject *object) { return PyList_Check(object) || PyTuple_Check(object); }
static bool is_dict(PyObject *object) {
  return PyDict_Check(object) ||
         (PyMapping_Check(object) && PyObject_HasAttrString(object, "keys"));
}
static bool is_address(PyObject *object) { return PyLong_Check(object) && !PyBool_Check(object); }
static bool is_iterator(PyObject *object) { return PyIter_Check(object) || PyAnySet_Check(object); }
static bool is_function(PyObject *object) {
  return PyFunction_Check(object) || PyCFunction_Check(object) || PyMethod_Check(object);
}

static bool is_path(PyObject *object) {
  return PyUnicode_Check(object) || PyObject_HasAttrString(object, "__fspath__");
}

/* PyAV's VideoFrame. */
static bool is_video_frame(PyObject *object) {
  return PyObject_HasAttrString(object, "to_ndarray");
}

/* True for a cv2.VideoCapture, and for other objects with its methods. */
static bool is_capture(PyObject *object) {
  return PyObject_HasAttrString(object, "retrieve") && PyObject_HasAttrString(object, "read");
}

static bool is_file(PyObject *object) {
  return PyObject_HasAttrString(object, "read") && PyObject_HasAttrString(object, "seek");
}

static bool is_array_like(PyObject *object) { return ext_is_array_like(object) > 0; }
static bool has_asnumpy(PyObject *object) { return PyObject_HasAttrString(object, "asnumpy"); }
static bool has_numpy(PyObject *object) { return PyObject_HasAttrString(object, "numpy"); }

/* A result that holds its pixels as .data: torchcodec's Frame. */
static bool has_data(PyObject *object) { return PyObject_HasAttrString(object, "data"); }

/* --- advice: that of the first kind that fits */

static const struct {
  bool (*fits)(PyObject *object);
  const char *advice;
} kinds[] = {
    {is_none, "cv2.imread gives None for a file that it cannot read, and a capture at its end"},
    {is_class, "it is a class: pass an instance of it"},
    {is_module, "it is a module: pass an image"},
    {is_path,
     "it is a path: read the file first (cv2.imread(path), or "
     "numpy.array(PIL.Image.open(path)))"},
    {is_list,
     "for many images: as_tensors(list) and as_gpumats(list) give views, to_tensor(list), "
     "to_gpumat(list) and the other to_ functions one batch; for numbers: numpy.array(list)"},
    {is_capsule,
     "only DLPack's capsules (\"dltensor\") are images; for one that holds an address: "
     "from_pointer(capsule, shape, dtype)"},
    {is_array_like,
     "it can become an array: use numpy.asarray(x), or allow a copy (copy=None, or to_tensor(x) "
     "or another to_ function)"},
    {is_dict, "it holds values by key: pass one of them (x[key])"},
    {is_address, "for memory that is known by its address: from_pointer(address, shape, dtype)"},
    {is_video_frame,
     "for to_tensor() and the other to_*, read its planes as they are: vc.yuv(x); or take its "
     "pixels as an array: x.to_ndarray(), with format=\"rgb24\" for colours"},
    {is_capture, "take a frame of it: ok, frame = x.read()"},
    {is_file,
     "it is an open file: read it first (numpy.array(PIL.Image.open(file)), or "
     "cv2.imdecode(numpy.frombuffer(file.read(), numpy.uint8), cv2.IMREAD_COLOR))"},
    {has_asnumpy, "it can become an array: use x.asnumpy()"},
    {is_iterator, "make a list of it (list(x)); to_tensor(list), to_gpumat(list) give one batch"},
    {is_function, "it is a function: pass what it returns"},
    {has_numpy, "it can become an array: use x.numpy()"},
    {has_data, "pass what it holds: x.data"},
};

const char *ext_no_image_advice(PyObject *object) {
  const char *advice = NULL;
  for (size_t i = 0; !advice && i < sizeof kinds / sizeof *kinds; i++) {
    if (kinds[i].fits(object)) advice = kinds[i].advice;
    PyErr_Clear();
  }
  return advice;
}

/* --- what NumPy can make an array of */

int ext_is_array_like(PyObject *object) {
  static const char *const names[] = {"__array_interface__", "__array_struct__", "__array__"};
  for (int i = 0; i < 3; i++) {
    PyObject *found = PyObject_GetAttrString(object, names[i]);
    Py_XDECREF(found);
    if (found) return 1;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
  }
  return 0;
}

int ext_import_array_like(PyObject *object, const ext_options *options, ext_source *out) {
  PyObject *numpy = ext_import("numpy");
  PyObject *array = numpy ? PyObject_CallMethod(numpy, "asarray", "O", object) : NULL;
  Py_XDECREF(numpy);
  if (!array) {
    return ext_raise_from("numpy.asarray() makes no array of this %.200s",
                          Py_TYPE(object)->tp_name);
  }
  int result = ext_numpy_adapter.import(array, options, out);
  Py_DECREF(array);
  return result;
}
