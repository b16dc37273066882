/* SPDX-License-Identifier: Apache-2.0 */
/* numpy.dtype objects. */
#include "adapters/numpy_dtype.h"

#include <string.h>

#include "errors.h"
#include "free_threading.h"
#include "imports.h"

/* dtype objects of the built-in types are singletons: most look-ups end at the
 * first comparison. Entries are added, and never change. */
#define CACHE_SIZE 32
static struct {
  PyObject *object; /* strong */
  vc_dtype dtype;
} cache[CACHE_SIZE];
static int cached;
static ext_lock adding;

static void remember(PyObject *object, vc_dtype dtype) {
  ext_lock_take(&adding);
  if (cached < CACHE_SIZE) {
    cache[cached].object = Py_NewRef(object);
    cache[cached].dtype = dtype;
    EXT_WRITE(cached, cached + 1);
  }
  ext_lock_give(&adding);
}

/* Types that other packages give NumPy (ml_dtypes.float8_e4m3fn) have the typestr of a void
 * or an 8-bit float type, and a name of their own. */
static int refuse_by_name(PyObject *dtype, const vc_error *error) {
  PyObject *name = PyObject_GetAttrString(dtype, "name");
  PyObject *fields = name ? PyObject_GetAttrString(dtype, "fields") : NULL;
  const char *text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
  bool is_named = text && fields == Py_None && strncmp(text, "void", 4) != 0;
  PyErr_Clear();
  int result = is_named
                   ? ext_fail(VC_ERROR_DTYPE,
                              "dtype is %s, which viewcast does not convert; see its bytes as "
                              "integers first (.view('uint8') where it has 8 bits), or convert "
                              "it (.astype('float32'))",
                              text)
                   : ext_raise(error);
  Py_XDECREF(fields);
  Py_XDECREF(name);
  return result;
}

static int parse_typestr(PyObject *dtype, vc_dtype *out) {
  vc_error error;
  PyObject *typestr = PyObject_GetAttrString(dtype, "str");
  const char *text = typestr ? PyUnicode_AsUTF8(typestr) : NULL;
  int result = -1;
  if (!text) {
    ext_raise_from("the array's dtype has no typestr");
  } else if (vc_dtype_from_typestr(text, out, &error) == VC_OK) {
    result = 0;
  } else if (text[0] && (text[1] == 'V' || strcmp(text + 1, "f1") == 0)) {
    refuse_by_name(dtype, &error);
  } else {
    ext_raise(&error);
  }
  Py_XDECREF(typestr);
  return result;
}

/* ml_dtypes.bfloat16 has the typestr of a void type, and is known by its name. */
static bool is_bfloat16(PyObject *dtype) {
  const char *bfloat16 = vc_dtype_rows[VC_DTYPE_BF16].name;
  PyObject *name = PyObject_GetAttrString(dtype, "name");
  bool same =
      name && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, bfloat16) == 0;
  Py_XDECREF(name);
  PyErr_Clear();
  return same;
}

/* Reads a dtype object that is not in the cache, and adds it. Not inlined, so that a look-up that
 * ends in the cache saves no registers. */
__attribute__((noinline)) static int read_unknown(PyObject *dtype, vc_dtype *out) {
  if (is_bfloat16(dtype)) {
    *out = vc_dtype_rows[VC_DTYPE_BF16].dtype;
  } else if (parse_typestr(dtype, out) < 0) {
    return -1;
  }
  remember(dtype, *out);
  return 0;
}

int ext_dtype_from_numpy(PyObject *dtype, vc_dtype *out) {
  int count = EXT_READ(cached);
  for (int i = 0; i < count; i++) {
    if (cache[i].object == dtype) {
      *out = cache[i].dtype;
      return 0;
    }
  }
  return read_unknown(dtype, out);
}

static PyObject *make_bfloat16(PyObject *numpy) {
  PyObject *type = ext_find("ml_dtypes", NULL, "bfloat16");
  if (!type) {
    PyErr_Clear();
    ext_fail(VC_ERROR_DTYPE,
             "NumPy has no bfloat16 of its own; install one (pip install ml_dtypes), or "
             "reinterpret the image as int16 first (torch: .view(torch.int16))");
    return NULL;
  }
  PyObject *dtype = PyObject_CallMethod(numpy, "dtype", "O", type);
  Py_DECREF(type);
  return dtype;
}

PyObject *ext_dtype_to_numpy(vc_dtype dtype) {
  static PyObject *objects[VC_DTYPE_COUNT];
  PyObject **slot = &objects[vc_dtype_index(dtype)];
  PyObject *known = EXT_READ(*slot);
  if (known) return known;
  PyObject *numpy = ext_import("numpy");
  if (!numpy) return NULL;
  const char *typestr = vc_dtype_typestr(dtype);
  PyObject *made =
      typestr ? PyObject_CallMethod(numpy, "dtype", "s", typestr) : make_bfloat16(numpy);
  Py_DECREF(numpy);
  return ext_keep_first(slot, made);
}
