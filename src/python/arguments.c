/* SPDX-License-Identifier: Apache-2.0 */
/* Reads arguments (arguments.h). */
#include "arguments.h"

#include <string.h>

#include "adapters/adapter.h"
#include "adapters/numpy_dtype.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"

/* --- sorting */

int ext_signature_index(const ext_signature *signature, PyObject *name) {
  for (int i = 0; signature->names[i]; i++) {
    bool taken = *signature->names[i] != '\0';
    if (taken && PyUnicode_CompareWithASCIIString(name, signature->names[i]) == 0) return i;
  }
  return -1;
}

static bool has_from_layout(const ext_signature *signature) {
  int i = 0;
  while (signature->names[i] && strcmp(signature->names[i], "from_layout") != 0) i++;
  return signature->names[i] != NULL;
}

static int refuse_keyword(const ext_signature *signature, const ext_more *more, PyObject *name) {
  if (more && more->signature && ext_signature_index(more->signature, name) >= 0) {
    PyErr_Format(PyExc_TypeError,
                 "%s() got an unexpected keyword argument '%U': it changes no pixel; use %s, which "
                 "takes %U=",
                 signature->function, name, more->function, name);
  } else if (PyUnicode_CompareWithASCIIString(name, "layout") == 0 && has_from_layout(signature)) {
    PyErr_Format(PyExc_TypeError,
                 "%s() got an unexpected keyword argument 'layout': how the source's axes are to "
                 "be read is from_layout=",
                 signature->function);
  } else {
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                 signature->function, name);
  }
  return -1;
}

static int take_keyword(const ext_signature *signature, const ext_more *more, PyObject *name,
                        PyObject *value, PyObject **values) {
  int index = ext_signature_index(signature, name);
  if (index < 0) return refuse_keyword(signature, more, name);
  if (values[index]) {
    return ext_refuse(PyExc_TypeError, "%s() got multiple values for argument '%U'",
                      signature->function, name);
  }
  values[index] = value;
  return 0;
}

int ext_arguments_or_more(const ext_signature *signature, const ext_more *more,
                          PyObject *const *args, Py_ssize_t count, PyObject *kwnames,
                          PyObject **values) {
  if (count > signature->positional) {
    return ext_refuse(PyExc_TypeError, "%s() takes %d positional argument%s but %zd were given",
                      signature->function, signature->positional,
                      signature->positional == 1 ? "" : "s", count);
  }
  for (int i = 0; signature->names[i]; i++) values[i] = i < count ? args[i] : NULL;
  Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; i++) {
    PyObject *name = PyTuple_GET_ITEM(kwnames, i);
    if (take_keyword(signature, more, name, args[count + i], values) < 0) return -1;
  }
  for (int i = 0; i < signature->positional; i++) {
    if (values[i]) continue;
    return ext_refuse(PyExc_TypeError, "%s() missing required argument '%s'", signature->function,
                      signature->names[i]);
  }
  return 0;
}

int ext_arguments(const ext_signature *signature, PyObject *const *args, Py_ssize_t count,
                  PyObject *kwnames, PyObject **values) {
  return ext_arguments_or_more(signature, NULL, args, count, kwnames, values);
}

/* --- truth values and integers */

/* NumPy's bool is named "numpy.bool_" before NumPy 2. */
bool ext_is_bool(PyObject *value) {
  if (PyBool_Check(value)) return true;
  const char *type = Py_TYPE(value)->tp_name;
  return strcmp(type, "numpy.bool") == 0 || strcmp(type, "numpy.bool_") == 0;
}

int ext_refuse_type(PyObject *value, const char *name, const char *needed) {
  return ext_refuse(PyExc_TypeError, "%s is a %.100s, needs %s", name, Py_TYPE(value)->tp_name,
                    needed);
}

int ext_argument_bool(PyObject *value, const char *name, bool *out) {
  if (!value) return 0;
  if (!ext_is_bool(value)) return ext_refuse_type(value, name, "True or False");
  int truth = PyObject_IsTrue(value);
  *out = truth > 0;
  return truth < 0 ? -1 : 0;
}

int ext_argument_copy(PyObject *value, ext_copy *out) {
  if (!value) return 0;
  bool always = false;
  if (value == Py_None) {
    *out = EXT_COPY_IF_NEEDED;
    return 0;
  }
  if (!ext_is_bool(value)) {
    return ext_refuse_type(value, "copy",
                           "False (never), None (where a view is impossible) or True (always)");
  }
  if (ext_argument_bool(value, "copy", &always) < 0) return -1;
  *out = always ? EXT_COPY_ALWAYS : EXT_COPY_NEVER;
  return 0;
}

/* Whether an object with __index__ holds a truth value: torch converts a tensor of one bool to an
 * int. */
static bool holds_bool(PyObject *value) {
  PyObject *dtype = PyObject_GetAttrString(value, "dtype");
  PyObject *text = dtype ? PyObject_Str(dtype) : NULL;
  const char *utf8 = text ? PyUnicode_AsUTF8(text) : NULL;
  bool found = utf8 && strstr(utf8, "bool");
  PyErr_Clear(); /* most integers have no dtype */
  Py_XDECREF(text);
  Py_XDECREF(dtype);
  return found;
}

PyObject *ext_integer_of(PyObject *value) {
  if (PyLong_CheckExact(value)) return Py_NewRef(value);
  if (ext_is_bool(value) || !PyIndex_Check(value) || holds_bool(value)) return NULL;
  PyObject *number = PyNumber_Index(value);
  if (!number && PyErr_ExceptionMatches(PyExc_TypeError))
    PyErr_Clear(); /* an array of several elements */
  return number;
}

int ext_argument_int(PyObject *value, const char *name, int32_t least, int32_t *out) {
  if (!value) return 0;
  PyObject *integer = ext_integer_of(value);
  if (!integer) return PyErr_Occurred() ? -1 : ext_refuse_type(value, name, "an int");
  int overflow;
  long number = PyLong_AsLongAndOverflow(integer, &overflow);
  if (overflow < 0 || (!overflow && number < least)) {
    PyErr_Format(PyExc_ValueError, "%s is %.40S, needs %d or more", name, integer, (int)least);
  } else if (overflow || number > INT32_MAX) {
    PyErr_Format(PyExc_ValueError, "%s is %.40S, needs at most %d", name, integer, INT32_MAX);
  } else {
    *out = (int32_t)number;
  }
  Py_DECREF(integer);
  return PyErr_Occurred() ? -1 : 0;
}

/* UTF-8 of a text; NULL without an exception where a C string can't hold it. */
const char *ext_text_of(PyObject *text) {
  Py_ssize_t length;
  const char *utf8 = PyUnicode_AsUTF8AndSize(text, &length);
  if (!utf8) PyErr_Clear(); /* a lone surrogate */
  return utf8 && strlen(utf8) == (size_t)length ? utf8 : NULL;
}

/* --- owner= */

static bool is_unowned(PyObject *image) {
  const ext_adapter *library = ext_adapter_of(image);
  PyErr_Clear(); /* the import says what is wrong */
  return library->is_unowned && library->is_unowned(image);
}

static bool takes_owner(PyObject *image) {
  bool takes = false;
  if (PyIter_Check(image)) return true; /* the images of an iterator are not known yet */
  if (!PyList_Check(image) && !PyTuple_Check(image)) return is_unowned(image);
  for (Py_ssize_t i = 0; !takes && i < PySequence_Fast_GET_SIZE(image); i++) {
    PyObject *item = ext_item(image, i);
    if (!item) break; /* the list became shorter */
    takes = is_unowned(item);
    Py_DECREF(item);
  }
  return takes;
}

int ext_argument_owner(PyObject *value, PyObject *image, PyObject **out) {
  if (!ext_is_given(value)) return 0;
  *out = value;
  if (takes_owner(image)) return 0;
  return ext_refuse(
      PyExc_ValueError,
      "owner= names what owns the memory of a GpuMat that does not "
      "(createGpuMatFromCudaMemory()), and this %.100s keeps its memory itself; leave "
      "owner out",
      Py_TYPE(image)->tp_name);
}

/* --- dtype= */

#define DTYPES                                                                            \
  "\"bool\", \"int8\" to \"int64\", \"uint8\" to \"uint64\", \"float16\", \"bfloat16\", " \
  "\"float32\" or \"float64\""

/* Finds the type of a name: its own, or another name that torch has for a float. Each comparison
 * is of constant length, and so inline: names are not cached, and are looked up in every call. */
#define RETURN_IF_NAMED(id, known, ...)                                             \
  if (length == sizeof(known) - 1 && memcmp(name, known, sizeof(known) - 1) == 0) { \
    *out = vc_dtype_rows[VC_DTYPE_##id].dtype;                                      \
    return true;                                                                    \
  }
static bool find_dtype(const char *name, vc_dtype *out) {
  size_t length = strlen(name);
  VC_DTYPE_LIST(RETURN_IF_NAMED)
  RETURN_IF_NAMED(F16, "half", )
  RETURN_IF_NAMED(F32, "float", )
  RETURN_IF_NAMED(F64, "double", )
  return false;
}
#undef RETURN_IF_NAMED

static int read_dtype_name(PyObject *text, const char *name, vc_dtype *out) {
  const char *utf8 = ext_text_of(text);
  if (!utf8) return ext_fail(VC_ERROR_DTYPE, "%s is %.80R, needs " DTYPES, name, text);
  if (find_dtype(utf8, out)) return 0;
  return ext_fail(VC_ERROR_DTYPE, "%s is \"%.60s\", needs " DTYPES, name, utf8);
}

/* str(torch.float16) is "torch.float16". */
static int read_torch_dtype(PyObject *object, const char *name, vc_dtype *out) {
  PyObject *text = PyObject_Str(object);
  const char *utf8 = text ? ext_text_of(text) : NULL;
  const char *dot = utf8 ? strrchr(utf8, '.') : NULL;
  int result = -1;
  if (dot && find_dtype(dot + 1, out)) {
    result = 0;
  } else if (text) {
    ext_fail(VC_ERROR_DTYPE, "%s is \"%.60s\", needs " DTYPES, name, dot ? dot + 1 : "unknown");
  }
  Py_XDECREF(text);
  return result;
}

/* Reads whatever numpy.dtype() accepts. */
static int read_numpy_dtype(PyObject *object, const char *name, vc_dtype *out) {
  PyObject *numpy = ext_import("numpy");
  PyObject *dtype = numpy ? PyObject_CallMethod(numpy, "dtype", "O", object) : NULL;
  int result = dtype ? ext_dtype_from_numpy(dtype, out) : -1;
  if (numpy && result < 0 && PyErr_ExceptionMatches(PyExc_TypeError)) { /* DTypeError, too */
    PyErr_Clear();
    ext_fail(VC_ERROR_DTYPE, "%s is %.80R, needs " DTYPES ", in the machine's byte order", name,
             object);
  }
  Py_XDECREF(dtype);
  Py_XDECREF(numpy);
  return result;
}

/* The row of the type whose depth in OpenCV 4.x and 5.x alike has this number; NULL for others. */
static const vc_dtype_row *row_of_depth(long number) {
  if (number >= VC_DEPTHS_OF_OPENCV_4) return NULL;
  for (int i = 0; i < VC_DTYPE_COUNT; i++) {
    if (vc_dtype_rows[i].depth_number == number) return &vc_dtype_rows[i];
  }
  return NULL;
}

static int refuse_number(PyObject *number, const char *name) {
  int overflow;
  long depth = PyLong_AsLongAndOverflow(number, &overflow);
  const vc_dtype_row *row = overflow ? NULL : row_of_depth(depth);
  if (row) {
    PyErr_Format(
        PyExc_TypeError,
        "%s is %ld, an int: as one of OpenCV's types it is cv2.CV_%s, needs its name: \"%s\"", name,
        depth, row->depth, row->name);
  } else {
    PyErr_Format(
        PyExc_TypeError,
        "%s is %.40S, an int, as OpenCV's types are, needs the name of an element type: " DTYPES,
        name, number);
  }
  return -1;
}

static int read_dtype(PyObject *object, const char *name, vc_dtype *out) {
  const char *type = Py_TYPE(object)->tp_name;
  if (PyUnicode_Check(object)) return read_dtype_name(object, name, out);
  if (object == (PyObject *)&PyBool_Type) {
    *out = vc_dtype_rows[VC_DTYPE_BOOL].dtype;
    return 0;
  }
  if (strcmp(type, "torch.dtype") == 0) return read_torch_dtype(object, name, out);
  if (PyType_Check(object) || strncmp(type, "numpy.dtype", 11) == 0) {
    return read_numpy_dtype(object, name, out);
  }
  if (PyLong_Check(object) && !PyBool_Check(object)) return refuse_number(object, name);
  return ext_refuse_type(object, name, "a torch, NumPy or CuPy dtype, or a name: " DTYPES);
}

/* Cache from a dtype object to vc_dtype, by address. A cached object is kept alive, so that its
 * address is not reused. Strings are not cached: there is no bound on how many there are. */
#define CACHE_SIZE 32
typedef struct {
  PyObject *object;
  vc_dtype dtype;
} known_dtype;
static known_dtype cache[CACHE_SIZE];
static ext_version versions[CACHE_SIZE];

int ext_argument_dtype(PyObject *value, const char *name, vc_dtype *out) {
  size_t slot = ((uintptr_t)value >> 4) % CACHE_SIZE;
  known_dtype copied;
  const known_dtype *seen = ext_entry_read(&versions[slot], &cache[slot], &copied, sizeof copied);
  if (seen && seen->object == value) {
    *out = seen->dtype;
    return 0;
  }
  if (read_dtype(value, name, out) < 0) return -1;
  if (PyUnicode_Check(value)) return 0;
  known_dtype made = {Py_NewRef(value), *out};
  ext_entry_swap(&versions[slot], &cache[slot], &made, sizeof made);
  Py_XDECREF(made.object);
  return 0;
}
