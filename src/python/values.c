/* SPDX-License-Identifier: Apache-2.0 */
/* scale=, mean=, std=, normalize= and fill=. */
#include "values.h"

#include <math.h>
#include <string.h>

#include "arguments.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"
#include "methods.h"

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
  if (out->count == VC_TRANSFORM_CHANNELS) {
    return ext_refuse(PyExc_ValueError, "%s has more than %d values, needs one or one per channel",
                      out->name, VC_TRANSFORM_CHANNELS);
  }
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

/* Reads nested lists too: statistics often have the shape (3, 1, 1). */
static int add_numbers(PyObject *list_or_tuple, int depth, numbers *out) {
  Py_ssize_t count = PySequence_Fast_GET_SIZE(list_or_tuple);
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = ext_item(list_or_tuple, i);
    if (!item) break;
    bool nested = depth > 0 && (PyList_Check(item) || PyTuple_Check(item));
    int result = nested ? add_numbers(item, depth - 1, out) : add_number(item, out);
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

/* Reads one number. */
static int read_one(PyObject *value, const char *name, bool finite, double *out) {
  double values[VC_TRANSFORM_CHANNELS];
  numbers read = {.name = name, .finite = finite, .values = values};
  if (PyTuple_Check(value) || PyList_Check(value)) {
    return ext_refuse_type(value, name, "one number");
  }
  if (add_any(value, &read) < 0) return -1;
  if (read.count == 1) {
    *out = values[0];
    return 0;
  }
  return ext_refuse(PyExc_ValueError, "%s has %d values, needs one number", name, (int)read.count);
}

/* Reads mean or std to `values`. */
static int read_several(PyObject *value, const char *name, double *values, numbers *out) {
  bool divides = strcmp(name, "std") == 0;
  *out = (numbers){.name = name, .finite = true, .not_zero = divides, .values = values};
  if (add_any(value, out) < 0) return -1;
  if (out->count > 0) return 0;
  return ext_refuse(PyExc_ValueError, "%s is empty, needs a number or one per channel", name);
}

/* --- the arguments */

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
  ext_refuse_type(value, "normalize",
                  "a viewcast.Normalization (viewcast.IMAGENET, CLIP, UNIT, SYMMETRIC or one of "
                  "your own) or the name of one of these");
  return NULL;
}

/* Copies the numbers of a Normalization, which were checked when it was made. Returns how many
 * there are; 0 for bytes that no Normalization has. */
static int32_t copy_numbers(const char *bytes, Py_ssize_t size, double *out) {
  Py_ssize_t each = sizeof *out, count = size / each;
  if (count > VC_TRANSFORM_CHANNELS || size % each != 0) return 0;
  memcpy(out, bytes, (size_t)size);
  return (int32_t)count;
}

/* Reads the tuple that make_normalization forms. */
static int read_packed(PyObject *packed, ext_request *out) {
  vc_transform_params *params = &out->params;
  const char *mean, *std;
  Py_ssize_t mean_size, std_size;
  int source;
  if (!PyArg_Parse(packed, "(dy#y#i)", &params->scale, &mean, &mean_size, &std, &std_size,
                   &source)) {
    return -1;
  }
  params->mean = out->mean;
  params->std = out->std;
  params->mean_count = copy_numbers(mean, mean_size, out->mean);
  params->std_count = copy_numbers(std, std_size, out->std);
  out->is_normalised = true;
  out->has_source = source >= 0;
  if (params->mean_count == 0 || params->std_count == 0 || source >= VC_DTYPE_COUNT) {
    return ext_refuse(PyExc_TypeError, "normalize was changed after it was made, needs a new one");
  }
  if (out->has_source) out->source = vc_dtype_rows[source].dtype;
  return 0;
}

static int read_normalization(PyObject *value, ext_request *out) {
  PyObject *set = normalization_of(value);
  PyObject *packed = set ? PyObject_GetAttrString(set, "_c") : NULL;
  int result = packed ? read_packed(packed, out) : -1;
  Py_XDECREF(packed);
  Py_XDECREF(set);
  return result;
}

int ext_values_read(PyObject *scale, PyObject *mean, PyObject *std, PyObject *normalize,
                    ext_request *out) {
  vc_transform_params *params = &out->params;
  numbers of_mean = {.count = 0}, of_std = {.count = 0};
  if (ext_is_given(normalize)) {
    const char *other = ext_is_given(scale)  ? "scale"
                        : ext_is_given(mean) ? "mean"
                        : ext_is_given(std)  ? "std"
                                             : NULL;
    if (!other) return read_normalization(normalize, out);
    return ext_refuse(
        PyExc_ValueError,
        "normalize= and %s= were both given, needs one of them: a normalization has its "
        "own scale, mean and std; make another with viewcast.Normalization(scale, mean, std)",
        other);
  }
  if (ext_is_given(scale) && read_one(scale, "scale", true, &params->scale) < 0) return -1;
  if (ext_is_given(mean) && read_several(mean, "mean", out->mean, &of_mean) < 0) return -1;
  if (ext_is_given(std) && read_several(std, "std", out->std, &of_std) < 0) return -1;
  params->mean = of_mean.values;
  params->mean_count = of_mean.count;
  params->std = of_std.values;
  params->std_count = of_std.count;
  return 0;
}

/* The library represents "opaque" by NaN. */
int ext_values_read_fill(PyObject *fill, ext_request *out) {
  double value = 0;
  if (!ext_is_given(fill)) return 0;
  if (read_one(fill, "fill", false, &value) < 0) return -1;
  if (isnan(value)) {
    return ext_refuse(PyExc_ValueError, "fill is nan, needs a number; leave fill out for opaque");
  }
  out->params.fill = value;
  return 0;
}

/* --- what they mean for a source */

/* The largest value of a dtype, as a divisor; "" for those that go to 1. */
static const char *range_of(vc_dtype dtype, char *text, size_t size) {
  unsigned long long all = ~0ull >> (64 - dtype.bits);
  *text = '\0';
  if (dtype.code == VC_UINT) PyOS_snprintf(text, size, "/%llu", all);
  if (dtype.code == VC_INT) PyOS_snprintf(text, size, "/%llu", all >> 1);
  return text;
}

int ext_values_refuse_source(const ext_request *request, vc_dtype source) {
  char divisor[24];
  const char *made_for = vc_dtype_name(request->source), *name = vc_dtype_name(source);
  range_of(source, divisor, sizeof divisor);
  return ext_refuse(
      PyExc_ValueError,
      "normalize= is made for %s pixels (its source) and the image is %s, needs one made "
      "for the image: dataclasses.replace(it, scale=1%s, source=\"%s\") for values up to "
      "%s, dataclasses.replace(it, source=None) where they have %s's range",
      made_for, name, divisor, name, *divisor ? divisor + 1 : "1", made_for);
}

int ext_values_refuse_fill(const ext_request *request, int64_t channels, int64_t wanted) {
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

int ext_values_dtype(const ext_request *request, vc_dtype source, vc_dtype *out) {
  const vc_transform_params *params = &request->params;
  *out = request->has_dtype ? request->dtype : source;
  if (request->has_dtype || !vc_dtype_is_integer(source)) return 0;
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

/* The values as a field: a float, or a tuple of them. */
static PyObject *field_of(const numbers *read) {
  if (read->single) return PyFloat_FromDouble(read->values[0]);
  PyObject *tuple = PyTuple_New(read->count);
  for (int32_t i = 0; tuple && i < read->count; i++) {
    PyObject *number = PyFloat_FromDouble(read->values[i]);
    if (number) PyTuple_SET_ITEM(tuple, i, number);
    if (!number) Py_CLEAR(tuple);
  }
  return tuple;
}

static PyObject *make_normalization(PyObject *module, PyObject *args) {
  PyObject *scale, *mean, *std, *source;
  double factor = 1.0, mean_values[VC_TRANSFORM_CHANNELS], std_values[VC_TRANSFORM_CHANNELS];
  numbers of_mean, of_std;
  vc_dtype dtype;
  (void)module;
  if (!PyArg_ParseTuple(args, "OOOO:_normalization", &scale, &mean, &std, &source)) return NULL;
  bool any = source == Py_None;
  if (read_one(scale, "scale", true, &factor) < 0 ||
      read_several(mean, "mean", mean_values, &of_mean) < 0 ||
      read_several(std, "std", std_values, &of_std) < 0 ||
      (!any && ext_argument_dtype(source, "source", &dtype) < 0)) {
    return NULL;
  }
  return Py_BuildValue(
      "dNNz(dy#y#i)", factor, field_of(&of_mean), field_of(&of_std),
      any ? NULL : vc_dtype_name(dtype), factor, (char *)mean_values,
      (Py_ssize_t)of_mean.count * (Py_ssize_t)sizeof *mean_values, (char *)std_values,
      (Py_ssize_t)of_std.count * (Py_ssize_t)sizeof *std_values, any ? -1 : vc_dtype_index(dtype));
}

PyMethodDef ext_values_methods[] = {
    {"_normalization", make_normalization, METH_VARARGS,
     "_normalization(scale, mean, std, source, /)\n--\n\n"
     "The fields of a Normalization: scale as a float, mean and std as a float or a tuple of\n"
     "floats, source as a dtype's name or None; and what normalize= reads."},
    {NULL, NULL, 0, NULL},
};
