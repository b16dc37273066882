/* SPDX-License-Identifier: Apache-2.0 */
#include "dtype_argument.h"

#include <string.h>

#include "adapters/numpy_dtype.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"

#define NAMES                                                                          \
  "\"bool\", \"int8\" to \"int64\", \"uint8\" to \"uint64\", \"float16\", \"bfloat16\", " \
  "\"float32\" or \"float64\""

static const vc_dtype dtypes[] = {
    {VC_UINT, 8},  {VC_FLOAT, 32}, {VC_FLOAT, 16}, {VC_BFLOAT, 16}, {VC_FLOAT, 64},
    {VC_INT, 8},   {VC_INT, 16},   {VC_INT, 32},   {VC_INT, 64},    {VC_UINT, 16},
    {VC_UINT, 32}, {VC_UINT, 64},  {VC_BOOL, 8},
};

static int find_name(const char *name, vc_dtype *out) {
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    if (strcmp(name, vc_dtype_name(dtypes[i])) != 0) continue;
    *out = dtypes[i];
    return 0;
  }
  return vp_fail(VC_ERROR_DTYPE, "dtype is \"%.60s\", needs " NAMES, name);
}

/* str(torch.float16) is "torch.float16". */
static int read_torch(PyObject *object, vc_dtype *out) {
  PyObject *text = PyObject_Str(object);
  const char *name = text ? PyUnicode_AsUTF8(text) : NULL;
  const char *dot = name ? strrchr(name, '.') : NULL;
  int result = name ? find_name(dot ? dot + 1 : name, out) : -1;
  Py_XDECREF(text);
  return result;
}

/* What numpy.dtype() makes of it. */
static int read_numpy(PyObject *object, vc_dtype *out) {
  PyObject *numpy = vp_import("numpy", "pip install numpy");
  PyObject *dtype = numpy ? PyObject_CallMethod(numpy, "dtype", "O", object) : NULL;
  int result = dtype ? vp_dtype_from_numpy(dtype, out) : -1;
  Py_XDECREF(dtype);
  Py_XDECREF(numpy);
  return result;
}

static int read_any(PyObject *object, vc_dtype *out) {
  const char *type = Py_TYPE(object)->tp_name;
  if (PyUnicode_Check(object)) {
    const char *name = PyUnicode_AsUTF8(object);
    return name ? find_name(name, out) : -1;
  }
  if (object == (PyObject *)&PyBool_Type) {
    *out = (vc_dtype){VC_BOOL, 8};
    return 0;
  }
  if (strcmp(type, "torch.dtype") == 0) return read_torch(object, out);
  if (PyType_Check(object) || strncmp(type, "numpy.dtype", 11) == 0) {
    return read_numpy(object, out);
  }
  PyErr_Format(PyExc_TypeError,
               "dtype is a %.100s, needs a torch, NumPy or CuPy dtype, or a name: " NAMES, type);
  return -1;
}

/* Object to dtype, by address. A cached object is kept alive. Strings are not
 * cached: they may be anyone's. */
#define CACHE_SIZE 32
typedef struct {
  PyObject *object;
  vc_dtype dtype;
} known_dtype;
static known_dtype cache[CACHE_SIZE];
static vp_version versions[CACHE_SIZE];

int vp_dtype_read(PyObject *object, vc_dtype *out) {
  size_t slot = ((uintptr_t)object >> 4) % CACHE_SIZE;
  known_dtype room;
  const known_dtype *seen = vp_entry_read(&versions[slot], &cache[slot], &room, sizeof room);
  if (seen && seen->object == object) {
    *out = seen->dtype;
    return 0;
  }
  if (read_any(object, out) < 0) return -1;
  if (PyUnicode_Check(object)) return 0;
  known_dtype made = {Py_NewRef(object), *out};
  vp_entry_swap(&versions[slot], &cache[slot], &made, sizeof made);
  Py_XDECREF(made.object);
  return 0;
}
