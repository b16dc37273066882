/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/request.h"

#include "adapters/adapter.h"
#include "arguments.h"
#include "free_threading.h"
#include "transform/values.h"

void ext_request_init(ext_request *out, const ext_adapter *target) {
  out->function = "";
  out->options = (ext_options){.target = target};
  vc_transform_params_init(&out->params);
  out->is_mat = false;
  out->to = (ext_layout){0};
  out->has_dtype = false;
  out->channels = 0;
  out->is_normalised = out->has_source = false;
  out->is_line = false;
  out->out = NULL;
}

bool ext_request_is_plain(const ext_request *request) {
  const vc_transform_params *params = &request->params;
  return params->scale == 1 && !params->mean && !params->std && !params->reverse_channels;
}

/* --- a call */

/* By position in the signatures below. */
enum {
  IMAGE,
  FROM_LAYOUT,
  DTYPE,
  SCALE,
  MEAN,
  STD,
  NORMALIZE,
  REVERSE,
  CHANNELS,
  FILL,
  OUT,
  DEVICE,
  OWNER,
  STREAM,
  PRODUCER_STREAM,
  LAYOUT,
  KEEPDIM,
  PARAMETERS
};

const ext_signature ext_to_array = {
    "to_array",
    1,
    {"image", "from_layout", "dtype", "scale", "mean", "std", "normalize", "reverse_channels",
     "channels", "fill", "out", "device", "owner", "stream", "producer_stream", "layout", "keepdim",
     NULL}};
const ext_signature ext_to_mat = {
    "to_gpumat",
    1,
    {"image", "from_layout", "dtype", "scale", "mean", "std", "normalize", "reverse_channels",
     "channels", "fill", "out", "device", "owner", "stream", "producer_stream", NULL}};

/* Cache from a call site's kwnames tuple to argument positions. The tuple is a constant of
 * the calling code object, so its address identifies the call site; a reference is held so
 * that the address is not reused. */
#define CACHE_SIZE 64
typedef struct {
  PyObject *kwnames;
  bool is_mat;
  uint8_t index[PARAMETERS];
} site;
static site sites[CACHE_SIZE];
static ext_version versions[CACHE_SIZE];

static void remember(size_t slot, bool is_mat, PyObject *kwnames) {
  const ext_signature *signature = is_mat ? &ext_to_mat : &ext_to_array;
  site made = {.kwnames = Py_NewRef(kwnames), .is_mat = is_mat};
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    PyObject *name = PyTuple_GET_ITEM(kwnames, i);
    uint8_t at = 0;
    while (PyUnicode_CompareWithASCIIString(name, signature->names[at]) != 0) at++;
    made.index[i] = at;
  }
  ext_entry_swap(&versions[slot], &sites[slot], &made, sizeof made);
  Py_XDECREF(made.kwnames);
}

static int sort_arguments(const char *function, bool is_mat, PyObject *const *args,
                          Py_ssize_t count, PyObject *kwnames, PyObject **values) {
  size_t slot = ((uintptr_t)kwnames >> 4) % CACHE_SIZE;
  site room;
  const site *seen = ext_entry_read(&versions[slot], &sites[slot], &room, sizeof room);
  bool known = kwnames && seen && seen->kwnames == kwnames && seen->is_mat == is_mat;
  if (!known || count != 1) {
    ext_signature signature = is_mat ? ext_to_mat : ext_to_array;
    signature.function = function;
    if (ext_arguments(&signature, args, count, kwnames, values) < 0) return -1;
    if (kwnames && count == 1) remember(slot, is_mat, kwnames);
    return 0;
  }
  values[IMAGE] = args[0];
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    values[seen->index[i]] = args[1 + i];
  }
  return 0;
}

static int read_layouts(bool is_mat, PyObject *const *values, ext_request *out) {
  if (ext_layout_read(values[FROM_LAYOUT], "from_layout", NULL, &out->options.from) < 0) return -1;
  if (is_mat) return 0;
  if (ext_layout_read(values[LAYOUT], "layout", NULL, &out->to) < 0) return -1;
  if (ext_argument_bool(values[KEEPDIM], "keepdim", &out->options.keepdim) < 0) return -1;
  if (!out->to.flat || !out->options.keepdim) return 0;
  PyErr_Format(
      PyExc_ValueError,
      "layout is \"%s\", which has no axis of channels, and keepdim=True keeps it; leave one "
      "of them out",
      ext_layout_name(&out->to));
  return -1;
}

static int read_dtype(PyObject *dtype, ext_request *out) {
  out->has_dtype = dtype && dtype != Py_None;
  return out->has_dtype ? ext_argument_dtype(dtype, "dtype", &out->dtype) : 0;
}

/* None: as many as the source has. */
static int read_channels(PyObject *channels, ext_request *out) {
  if (channels == Py_None) return 0;
  return ext_argument_int(channels, "channels", 1, &out->channels);
}

static PyObject *unless_none(PyObject *value) { return value == Py_None ? NULL : value; }

int ext_request_read(const char *function, bool is_mat, PyObject *const *args, Py_ssize_t count,
                     PyObject *kwnames, ext_request *out, PyObject **image) {
  PyObject *values[EXT_MAX_PARAMETERS] = {0};
  if (sort_arguments(function, is_mat, args, count, kwnames, values) < 0) return -1;
  out->function = function;
  out->is_mat = is_mat;
  out->options.copy = EXT_COPY_IF_NEEDED; /* no view is asked for */
  *image = values[IMAGE];
  out->out = unless_none(values[OUT]);
  if (ext_argument_owner(values[OWNER], values[IMAGE], &out->options.owner) < 0) return -1;
  if (read_layouts(is_mat, values, out) < 0 || read_dtype(values[DTYPE], out) < 0) return -1;
  if (ext_values_read(values[SCALE], values[MEAN], values[STD], values[NORMALIZE], out) < 0 ||
      ext_values_read_fill(values[FILL], out) < 0) {
    return -1;
  }
  bool *reverse = &out->params.reverse_channels;
  if (ext_argument_bool(values[REVERSE], "reverse_channels", reverse) < 0) return -1;
  if (read_channels(values[CHANNELS], out) < 0) return -1;
  if (ext_argument_options_device(values[DEVICE], &out->options) < 0) return -1;
  if (ext_stream_read(values[STREAM], "stream", &out->options.consumer) < 0) return -1;
  return ext_stream_read(values[PRODUCER_STREAM], "producer_stream", &out->options.producer);
}
