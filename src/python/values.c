/* SPDX-License-Identifier: Apache-2.0 */
/* scale=, mean=, std=, normalize= and fill=. */
#include "values.h"

#include <math.h>
#include <string.h>

#include "arguments.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"

/* --- numbers */

typedef struct {
  const char *name;
  bool finite;   /* NaN and infinities are refused */
  bool not_zero; /* and so is 0 */
  bool single;   /* it was one number, not a sequence of one */
  double *values;
  int32_t count;
} numbers;

static int refuse_number(double value, const numbers *out) {
  char text[32];
  PyOS_snprintf(text, sizeof text, "%g", value);
  return ext_refuse(PyExc_ValueError, "%s is or holds %s, needs %s", out->name, text,
                    out->not_zero && value == 0 ? "numbers other than 0" : "finite numbers");
}

static int add_number(PyObject *value, numbers *out) {
  double number = -1;
  if (!ext_is_bool(value)) number = PyFloat_AsDouble(value);
  if (ext_is_bool(value) || (number == -1 && PyErr_Occurred())) {
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OverflowError)) {
      PyErr_Format(PyExc_ValueError, "%s is or holds an int beyond float64, needs finite numbers",
                   out->name);
    } else if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(PyExc_TypeError, "%s is or holds a %.100s, needs numbers", out->name,
                   Py_TYPE(value)->tp_name);
    }
    return -1;
  }
  if ((out->finite && !isfinite(number)) || (out->not_zero && number == 0)) {
    return refuse_number(number, out);
  }
  out->values[out->count++] = number;
  return 0;
}

static int add_numbers(PyObject *list_or_tuple, int depth, numbers *out);

static int add_item(PyObject *item, int depth, numbers *out) {
  if (depth > 0 && (PyList_Check(item) || PyTuple_Check(item))) {
    return add_numbers(item, depth - 1, out);
  }
  if (out->count < VC_TRANSFORM_CHANNELS) return add_number(item, out);
  return ext_refuse(PyExc_ValueError, "%s has more than %d values, needs one or one per channel",
                    out->name, VC_TRANSFORM_CHANNELS);
}

/* Reads nested lists too: statistics often have the shape (3, 1, 1). */
static int add_numbers(PyObject *list_or_tuple, int depth, numbers *out) {
  Py_ssize_t count = PySequence_Fast_GET_SIZE(list_or_tuple);
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = ext_item(list_or_tuple, i);
    if (!item) break;
    int result = add_item(item, depth, out);
    Py_DECREF(item);
    if (result < 0) return -1;
  }
  return 0;
}

static bool is_text(PyObject *value) {
  return PyUnicode_Check(value) || PyBytes_Check(value) || PyByteArray_Check(value);
}

/* Reads arrays and scalars of any library, which have tolist(), and other sequences. */
static int add_array(PyObject *value, numbers *out) {
  PyObject *list = PyObject_CallMethod(value, "tolist", NULL);
  if (!list && PyErr_ExceptionMatches(PyExc_AttributeError)) {
    PyErr_Clear();
    bool sequence = PySequence_Check(value) && !is_text(value);
    list = sequence ? PySequence_List(value) : Py_NewRef(value);
  }
  if (!list) return -1;
  out->single = !PyList_Check(list);
  int result = out->single ? add_number(list, out) : add_numbers(list, VC_MAX_NDIM, out);
  Py_DECREF(list);
  return result;
}

/* A number, a sequence of numbers or an array of any library. */
static int add_any(PyObject *value, numbers *out) {
  out->single = PyFloat_Check(value) || PyLong_Check(value);
  if (out->single) return add_number(value, out);
  if (PyTuple_Check(value) || PyList_Check(value)) return add_numbers(value, VC_MAX_NDIM, out);
  return add_array(value, out);
}

static int read_one(PyObject *value, const char *name, bool finite, double *out) {
  double values[VC_TRANSFORM_CHANNELS];
  numbers read = {.name = name, .finite = finite, .values = values};
  if (!value || value == Py_None) return 0;
  if (PyTuple_Check(value) || PyList_Check(value)) {
    return ext_refuse(PyExc_TypeError, "%s is a %.100s, needs one number", name,
                      Py_TYPE(value)->tp_name);
  }
  if (add_any(value, &read) < 0) return -1;
  if (read.count == 1) {
    *out = values[0];
    return 0;
  }
  return ext_refuse(PyExc_ValueError, "%s has %d values, needs one number", name, (int)read.count);
}

static int read_several(PyObject *value, const char *name, double *storage, numbers *out) {
  *out = (numbers){
      .name = name, .finite = true, .not_zero = strcmp(name, "std") == 0, .values = storage};
  if (add_any(value, out) < 0) return -1;
  if (out->count > 0) return 0;
  return ext_refuse(PyExc_ValueError, "%s is empty, needs a number or one per channel", name);
}

/* *out is left alone for None, else points to `storage`. */
static int read_each(PyObject *value, const char *name, double *storage, const double **out,
                     int32_t *count) {
  numbers read;
  if (!value || value == Py_None) return 0;
  if (read_several(value, name, storage, &read) < 0) return -1;
  *out = storage;
  *count = read.count;
  return 0;
}

/* --- the arguments */

static int read_scale_mean_std(PyObject *scale, PyObject *mean, PyObject *std, ext_request *out) {
  vc_transform_params *params = &out->params;
  if (read_one(scale, "scale", true, &params->scale) < 0) return -1;
  if (read_each(mean, "mean", out->mean, &params->mean, &params->mean_count) < 0) return -1;
  return read_each(std, "std", out->std, &params->std, &params->std_count);
}

/* A Normalization, or that of a name. New reference. */
static PyObject *normalization_of(PyObject *value) {
  static PyObject *class, *named;
  PyObject *type = ext_import_attribute("viewcast.normalization", "Normalization", &class);
  if (!type) return NULL;
  if (PyObject_TypeCheck(value, (PyTypeObject *)type)) return Py_NewRef(value);
  if (PyUnicode_Check(value)) {
    PyObject *function = ext_import_attribute("viewcast.normalization", "named", &named);
    return function ? PyObject_CallOneArg(function, value) : NULL;
  }
  PyErr_Format(PyExc_TypeError,
               "normalize is a %.100s, needs a viewcast.Normalization (viewcast.IMAGENET, CLIP, "
               "UNIT, SYMMETRIC or one of your own) or the name of one of these",
               Py_TYPE(value)->tp_name);
  return NULL;
}

static int read_source(PyObject *source, ext_request *out) {
  out->has_source = source != Py_None;
  return out->has_source ? ext_argument_dtype(source, "source", &out->source) : 0;
}

static int read_normalization(PyObject *value, ext_request *out) {
  static const char *const names[] = {"scale", "mean", "std", "source"};
  PyObject *set = normalization_of(value), *fields[4] = {NULL};
  int result = set ? 0 : -1;
  out->is_normalised = true;
  for (int i = 0; result == 0 && i < 4; i++) {
    fields[i] = PyObject_GetAttrString(set, names[i]);
    if (!fields[i]) result = -1;
  }
  if (result == 0) result = read_scale_mean_std(fields[0], fields[1], fields[2], out);
  if (result == 0) result = read_source(fields[3], out);
  for (int i = 0; i < 4; i++) Py_XDECREF(fields[i]);
  Py_XDECREF(set);
  return result;
}

int ext_values_read(PyObject *scale, PyObject *mean, PyObject *std, PyObject *normalize,
                    ext_request *out) {
  if (!normalize || normalize == Py_None) return read_scale_mean_std(scale, mean, std, out);
  PyObject *others[] = {scale, mean, std};
  static const char *const names[] = {"scale", "mean", "std"};
  for (int i = 0; i < 3; i++) {
    if (!others[i] || others[i] == Py_None) continue;
    return ext_refuse(
        PyExc_ValueError,
        "normalize= and %s= were both given, needs one of them: a normalization has its "
        "own scale, mean and std; make another with viewcast.Normalization(scale, mean, std)",
        names[i]);
  }
  return read_normalization(normalize, out);
}

/* The library represents "opaque" by NaN. */
int ext_values_read_fill(PyObject *fill, ext_request *out) {
  double value = 0;
  if (!fill || fill == Py_None) return 0;
  if (read_one(fill, "fill", false, &value) < 0) return -1;
  if (isnan(value)) {
    return ext_refuse(PyExc_ValueError, "fill is nan, needs a number; leave fill out for opaque");
  }
  out->params.fill = value;
  return 0;
}

/* --- what they mean for a source */

static bool is_integer(vc_dtype dtype) {
  return dtype.code == VC_INT || dtype.code == VC_UINT || dtype.code == VC_BOOL;
}

/* The largest value of a dtype, as a divisor; "" for those that go to 1. */
static const char *range_of(vc_dtype dtype, char *text, size_t size) {
  unsigned long long all = ~0ull >> (64 - dtype.bits);
  *text = '\0';
  if (dtype.code == VC_UINT) PyOS_snprintf(text, size, "/%llu", all);
  if (dtype.code == VC_INT) PyOS_snprintf(text, size, "/%llu", all >> 1);
  return text;
}

int ext_values_check_source(const ext_request *request, vc_dtype source) {
  char divisor[24];
  vc_dtype made_for = request->source;
  if (!request->has_source) return 0;
  if (vc_dtype_same(made_for, source)) return 0;
  range_of(source, divisor, sizeof divisor);
  return ext_refuse(
      PyExc_ValueError,
      "normalize= is made for %s pixels (its source) and the image is %s, needs one made "
      "for the image: dataclasses.replace(it, scale=1%s, source=\"%s\") for values up to "
      "%s, dataclasses.replace(it, source=None) where they have %s's range",
      vc_dtype_name(made_for), vc_dtype_name(source), divisor, vc_dtype_name(source),
      *divisor ? divisor + 1 : "1", vc_dtype_name(made_for));
}

int ext_values_check_fill(const ext_request *request, int64_t channels, int64_t wanted) {
  if (isnan(request->params.fill) || vc_transform_adds_alpha(channels, wanted)) return 0;
  char text[32];
  PyOS_snprintf(text, sizeof text, "%g", request->params.fill);
  return ext_refuse(
      PyExc_ValueError,
      "fill is %s and no alpha channel is added (channels: %lld, of the result %lld): leave "
      "fill out, or ask for an alpha channel (channels=4, or 2) of an image that has none",
      text, (long long)channels, (long long)wanted);
}

static double value_at(const double *values, int32_t count, int32_t channel, double none) {
  if (!values) return none;
  return values[channel < count ? channel : count - 1]; /* one value is for all channels */
}

int ext_values_check_whole(const ext_request *request, vc_dtype source) {
  const vc_transform_params *params = &request->params;
  if (request->has_dtype || !is_integer(source)) return 0;
  int32_t means = params->mean ? params->mean_count : 1, stds = params->std ? params->std_count : 1;
  for (int32_t c = 0; c < (means > stds ? means : stds); c++) {
    double std = value_at(params->std, stds, c, 1);
    double a = params->scale / std, b = 0 - value_at(params->mean, means, c, 0) / std;
    if (a == floor(a) && b == floor(b)) continue;
    char factors[64];
    PyOS_snprintf(factors, sizeof factors, "%g and %g", a, b);
    return ext_refuse(
        PyExc_ValueError,
        "the scaling gives fractions (scale / std and -mean / std are %s in channel %d), "
        "and the result would be %s as the source is; say which type it is to be: "
        "dtype=\"float32\", or dtype=\"%s\" to round",
        factors, (int)c, vc_dtype_name(source), vc_dtype_name(source));
  }
  return 0;
}

/* --- for Normalization, whose fields follow the same rules */

static PyObject *read_field(PyObject *module, PyObject *args) {
  (void)module;
  const char *name;
  PyObject *value;
  numbers read;
  double storage[VC_TRANSFORM_CHANNELS];
  if (!PyArg_ParseTuple(args, "sO:_numbers", &name, &value)) return NULL;
  if (strcmp(name, "scale") == 0 && value != Py_None) {
    if (read_one(value, name, true, storage) < 0) return NULL;
    return PyFloat_FromDouble(storage[0]); /* NOLINT: read_one has filled it */
  }
  if (read_several(value, name, storage, &read) < 0) return NULL;
  if (read.single) return PyFloat_FromDouble(storage[0]);
  PyObject *tuple = PyTuple_New(read.count);
  for (int32_t i = 0; tuple && i < read.count; i++) {
    PyObject *number = PyFloat_FromDouble(storage[i]); /* NOLINT: read_several has filled it */
    if (!number) {
      Py_CLEAR(tuple);
    } else {
      PyTuple_SET_ITEM(tuple, i, number);
    }
  }
  return tuple;
}

static PyObject *read_source_name(PyObject *module, PyObject *value) {
  (void)module;
  vc_dtype dtype;
  if (ext_argument_dtype(value, "source", &dtype) < 0) return NULL;
  return PyUnicode_FromString(vc_dtype_name(dtype));
}

PyMethodDef ext_values_methods[] = {
    {"_numbers", read_field, METH_VARARGS,
     "_numbers(name, value, /)\n--\n\n"
     "scale, mean or std as a float, or as a tuple of floats where it holds several."},
    {"_source_name", read_source_name, METH_O,
     "_source_name(dtype, /)\n--\n\nThe name of any library's dtype."},
    {NULL, NULL, 0, NULL},
};
