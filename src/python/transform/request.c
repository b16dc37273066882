/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/request.h"

#include <math.h>
#include <string.h>

#include "adapters/adapter.h"
#include "arguments.h"
#include "copy_options.h"
#include "dtype_argument.h"
#include "errors.h"
#include "free_threading.h"

void vp_request_init(vp_request *out, const vp_adapter *target) {
  out->function = "";
  out->options = (vp_options){.target = target};
  vc_transform_params_init(&out->params);
  out->is_mat = false;
  out->to = (vp_layout){0};
  out->has_dtype = false;
  out->channels = 0;
  out->is_normalised = false;
  out->is_line = false;
  out->out = NULL;
}

bool vp_request_is_plain(const vp_request *request) {
  const vc_transform_params *params = &request->params;
  return params->scale == 1 && !params->mean && !params->std && !params->reverse_channels;
}

/* --- numbers */

static int read_number(PyObject *value, const char *name, double *out) {
  *out = PyFloat_CheckExact(value) ? PyFloat_AS_DOUBLE(value) : PyFloat_AsDouble(value);
  if (*out != -1 || !PyErr_Occurred()) return 0;
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
  PyErr_Format(PyExc_TypeError, "%s is or holds a %.100s, needs numbers", name,
               Py_TYPE(value)->tp_name);
  return -1;
}

typedef struct {
  const char *name;
  double *values;
  int32_t count;
} numbers;

static int add_numbers(PyObject *list_or_tuple, int depth, numbers *out);

static int add_item(PyObject *item, int depth, numbers *out) {
  if (depth > 0 && (PyList_Check(item) || PyTuple_Check(item))) {
    return add_numbers(item, depth - 1, out);
  }
  if (out->count == VC_TRANSFORM_CHANNELS) {
    PyErr_Format(PyExc_ValueError, "%s has more than %d values, needs one or one a channel",
                 out->name, VC_TRANSFORM_CHANNELS);
    return -1;
  }
  if (read_number(item, out->name, &out->values[out->count]) < 0) return -1;
  out->count++;
  return 0;
}

/* Lists in lists too: statistics often have the shape (3, 1, 1). */
static int add_numbers(PyObject *list_or_tuple, int depth, numbers *out) {
  Py_ssize_t count = PySequence_Fast_GET_SIZE(list_or_tuple);
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = vp_item(list_or_tuple, i);
    if (!item) break;
    int result = add_item(item, depth, out);
    Py_DECREF(item);
    if (result < 0) return -1;
  }
  return 0;
}

/* What is no list itself may know how to become one: arrays of any library. */
static int add_array(PyObject *value, numbers *out) {
  PyObject *list = PyObject_CallMethod(value, "tolist", NULL);
  if (!list && PyErr_ExceptionMatches(PyExc_AttributeError)) {
    PyErr_Clear();
    list = PySequence_Check(value) ? PySequence_List(value) : Py_NewRef(value);
  }
  if (!list) return -1;
  int result;
  if (PyList_Check(list)) {
    result = add_numbers(list, VC_MAX_NDIM, out);
  } else {
    result = read_number(list, out->name, &out->values[0]);
    out->count = 1;
  }
  Py_DECREF(list);
  return result;
}

/* None, a number, a sequence of numbers or an array of any library. *out is left
 * alone for None, else points to `room`. */
static int read_numbers(PyObject *value, const char *name, double *room, const double **out,
                        int32_t *count) {
  numbers read = {name, room, 0};
  if (!value || value == Py_None) return 0;
  int result;
  if (PyTuple_Check(value) || PyList_Check(value)) {
    result = add_numbers(value, VC_MAX_NDIM, &read);
  } else if (PyFloat_Check(value) || PyLong_Check(value)) {
    read.count = 1;
    result = read_number(value, name, room);
  } else {
    result = add_array(value, &read);
  }
  if (result < 0) return -1;
  if (read.count == 0) {
    PyErr_Format(PyExc_ValueError, "%s is empty, needs a number or one a channel", name);
    return -1;
  }
  *out = room;
  *count = read.count;
  return 0;
}

static int read_scale_mean_std(PyObject *scale, PyObject *mean, PyObject *std, vp_request *out) {
  vc_transform_params *params = &out->params;
  if (scale && scale != Py_None && read_number(scale, "scale", &params->scale) < 0) return -1;
  if (read_numbers(mean, "mean", out->mean, &params->mean, &params->mean_count) < 0) return -1;
  return read_numbers(std, "std", out->std, &params->std, &params->std_count);
}

static int read_named_set(PyObject *set, vp_request *out) {
  PyObject *scale = PyObject_GetAttrString(set, "scale");
  PyObject *mean = scale ? PyObject_GetAttrString(set, "mean") : NULL;
  PyObject *std = mean ? PyObject_GetAttrString(set, "std") : NULL;
  int result = std ? read_scale_mean_std(scale, mean, std, out) : -1;
  if (!std && PyErr_ExceptionMatches(PyExc_AttributeError)) {
    PyErr_Format(PyExc_TypeError,
                 "normalize is a %.100s, needs a viewcast.Normalization (viewcast.IMAGENET, CLIP, "
                 "UNIT, SYMMETRIC or one of your own)",
                 Py_TYPE(set)->tp_name);
  }
  Py_XDECREF(scale);
  Py_XDECREF(mean);
  Py_XDECREF(std);
  out->is_normalised = true;
  return result;
}

static int read_values(PyObject *scale, PyObject *mean, PyObject *std, PyObject *normalize,
                       vp_request *out) {
  if (!normalize || normalize == Py_None) return read_scale_mean_std(scale, mean, std, out);
  PyObject *others[] = {scale, mean, std};
  static const char *const names[] = {"scale", "mean", "std"};
  for (int i = 0; i < 3; i++) {
    if (!others[i] || others[i] == Py_None) continue;
    PyErr_Format(PyExc_ValueError,
                 "normalize= and %s= were both given, needs one of them: a normalization has its "
                 "own scale, mean and std; make another with viewcast.Normalization(scale, mean, std)",
                 names[i]);
    return -1;
  }
  return read_named_set(normalize, out);
}

static int read_channels(PyObject *value, int32_t *out) {
  if (!value || value == Py_None) return 0;
  long channels = PyLong_AsLong(value);
  if (channels == -1 && PyErr_Occurred()) return -1;
  if (channels >= 1 && channels <= INT32_MAX) {
    *out = (int32_t)channels;
    return 0;
  }
  PyErr_Format(PyExc_ValueError, "channels is %ld, needs 1 or more", channels);
  return -1;
}

static int read_flag(PyObject *value, bool *out) {
  int truth = vp_argument_bool(value, 0);
  *out = truth > 0;
  return truth < 0 ? -1 : 0;
}

/* --- a call */

/* By position in the signatures below. */
enum {
  IMAGE, FROM_LAYOUT, DTYPE, SCALE, MEAN, STD, NORMALIZE, REVERSE, CHANNELS, FILL, OUT, DEVICE,
  OWNER, STREAM, PRODUCER_STREAM, LAYOUT, KEEPDIM, PARAMETERS
};

static const vp_signature to_array = {
    "to_array", 1,
    {"image", "from_layout", "dtype", "scale", "mean", "std", "normalize", "reverse_channels",
     "channels", "fill", "out", "device", "owner", "stream", "producer_stream", "layout", "keepdim",
     NULL}};
static const vp_signature to_mat = {
    "to_gpumat", 1,
    {"image", "from_layout", "dtype", "scale", "mean", "std", "normalize", "reverse_channels",
     "channels", "fill", "out", "device", "owner", "stream", "producer_stream", NULL}};

/* Where the keywords of a call site go. The tuple of their names is one constant
 * of the caller's code: it is held, so that its address stays its own. */
#define CACHE_SIZE 64
typedef struct {
  PyObject *kwnames;
  bool is_mat;
  uint8_t index[PARAMETERS];
} site;
static site sites[CACHE_SIZE];
static vp_version versions[CACHE_SIZE];

static void remember(size_t slot, bool is_mat, PyObject *kwnames) {
  const vp_signature *signature = is_mat ? &to_mat : &to_array;
  site made = {.kwnames = Py_NewRef(kwnames), .is_mat = is_mat};
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    PyObject *name = PyTuple_GET_ITEM(kwnames, i);
    uint8_t at = 0;
    while (PyUnicode_CompareWithASCIIString(name, signature->names[at]) != 0) at++;
    made.index[i] = at;
  }
  vp_entry_swap(&versions[slot], &sites[slot], &made, sizeof made);
  Py_XDECREF(made.kwnames);
}

static int sort_arguments(const char *function, bool is_mat, PyObject *const *args,
                          Py_ssize_t count, PyObject *kwnames, PyObject **values) {
  size_t slot = ((uintptr_t)kwnames >> 4) % CACHE_SIZE;
  site room;
  const site *seen = vp_entry_read(&versions[slot], &sites[slot], &room, sizeof room);
  bool known = kwnames && seen && seen->kwnames == kwnames && seen->is_mat == is_mat;
  if (!known || count != 1) {
    vp_signature signature = is_mat ? to_mat : to_array;
    signature.function = function;
    if (vp_arguments(&signature, args, count, kwnames, values) < 0) return -1;
    if (kwnames && count == 1) remember(slot, is_mat, kwnames);
    return 0;
  }
  values[IMAGE] = args[0];
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    values[seen->index[i]] = args[1 + i];
  }
  return 0;
}

static int read_device(PyObject *device, vp_options *options) {
  if (!device || device == Py_None) return 0;
  return vp_copy_options_read(NULL, device, options);
}

static int read_layouts(bool is_mat, PyObject *const *values, vp_request *out) {
  if (vp_layout_read(values[FROM_LAYOUT], "from_layout", NULL, &out->options.from) < 0) return -1;
  if (is_mat) return 0;
  if (vp_layout_read(values[LAYOUT], "layout", NULL, &out->to) < 0) return -1;
  if (read_flag(values[KEEPDIM], &out->options.keepdim) < 0) return -1;
  if (!out->to.flat || !out->options.keepdim) return 0;
  PyErr_Format(PyExc_ValueError,
               "layout is \"%s\", which has no axis of channels, and keepdim=True keeps it; leave one "
               "of them out",
               vp_layout_name(&out->to));
  return -1;
}

static int read_dtype(PyObject *dtype, vp_request *out) {
  out->has_dtype = dtype && dtype != Py_None;
  return out->has_dtype ? vp_dtype_read(dtype, &out->dtype) : 0;
}

static int read_fill(PyObject *fill, vp_request *out) {
  if (!fill || fill == Py_None) return 0;
  return read_number(fill, "fill", &out->params.fill);
}

static PyObject *unless_none(PyObject *value) { return value == Py_None ? NULL : value; }

int vp_request_read(const char *function, bool is_mat, PyObject *const *args, Py_ssize_t count,
                    PyObject *kwnames, vp_request *out, PyObject **image) {
  PyObject *values[VP_MAX_PARAMETERS] = {0};
  if (sort_arguments(function, is_mat, args, count, kwnames, values) < 0) return -1;
  out->function = function;
  out->is_mat = is_mat;
  *image = values[IMAGE];
  out->out = unless_none(values[OUT]);
  out->options.owner = unless_none(values[OWNER]);
  if (read_layouts(is_mat, values, out) < 0 || read_dtype(values[DTYPE], out) < 0) return -1;
  if (read_values(values[SCALE], values[MEAN], values[STD], values[NORMALIZE], out) < 0) return -1;
  if (read_flag(values[REVERSE], &out->params.reverse_channels) < 0) return -1;
  if (read_channels(values[CHANNELS], &out->channels) < 0) return -1;
  if (read_fill(values[FILL], out) < 0 || read_device(values[DEVICE], &out->options) < 0) return -1;
  if (vp_stream_read(values[STREAM], "stream", &out->options.consumer) < 0) return -1;
  return vp_stream_read(values[PRODUCER_STREAM], "producer_stream", &out->options.producer);
}
