/* SPDX-License-Identifier: Apache-2.0 */
/* The module's conversions: as_NAME, to_NAME, view, as_gpumats and as_tensors. Reads the
 * arguments of each; call.h does the work. */
#include "adapters/list.h"
#include "arguments.h"
#include "call.h"
#include "device.h"
#include "docstrings.h"
#include "errors.h"
#include "free_threading.h"
#include "methods.h"
#include "plan.h"
#include "resize.h"
#include "values.h"

/* --- signatures */

/* The parameters by their position in every signature. EXT_ABSENT stands for one that a function
 * does not take. */
enum {
  IMAGE,
  FROM_LAYOUT,
  KEEPDIM,
  OWNER,
  DEVICE,
  STREAM,
  PRODUCER_STREAM,
  COPY,          /* of as_NAME */
  LAYOUT = COPY, /* of to_NAME, as are all that follow */
  DTYPE,
  SCALE,
  MEAN,
  STD,
  NORMALIZE,
  REVERSE,
  CHANNELS,
  FILL,
  OUT,
  RESIZE,
  BOXES,
  PARAMETERS
};
#define PLACE "owner", "device", "stream", "producer_stream"
#define VALUES                                                                                 \
  "dtype", "scale", "mean", "std", "normalize", "reverse_channels", "channels", "fill", "out", \
      "resize", "boxes", NULL

typedef struct {
  ext_signature signature;
  ext_more more; /* takes the keywords that this function refuses; its signature may be NULL */
  const ext_adapter *target;
  bool several; /* takes a batch or a list */
} conversion;

/* --- arguments */

/* Cache from a call site's kwnames tuple to argument positions. The tuple is a constant of
 * the calling code object, so its address identifies the call site; a reference is held so
 * that the address is not reused. */
#define CACHE_SIZE 64
typedef struct {
  PyObject *kwnames;
  const conversion *made_for;
  uint8_t index[PARAMETERS];
} site;
static site sites[CACHE_SIZE];
static ext_version versions[CACHE_SIZE];

static void remember(size_t slot, const conversion *which, PyObject *kwnames) {
  site made = {.kwnames = Py_NewRef(kwnames), .made_for = which};
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    made.index[i] = (uint8_t)ext_signature_index(&which->signature, PyTuple_GET_ITEM(kwnames, i));
  }
  ext_entry_swap(&versions[slot], &sites[slot], &made, sizeof made);
  Py_XDECREF(made.kwnames);
}

/* ext_arguments_or_more, with the cache. All of values[] is NULL before. */
static int sort_arguments(const conversion *which, PyObject *const *args, Py_ssize_t count,
                          PyObject *kwnames, PyObject **values) {
  size_t slot = ((uintptr_t)kwnames >> 4) % CACHE_SIZE;
  site copied;
  const site *seen = ext_entry_read(&versions[slot], &sites[slot], &copied, sizeof copied);
  bool known = kwnames && seen && seen->kwnames == kwnames && seen->made_for == which;
  if (!known || count != 1) {
    const ext_signature *signature = &which->signature;
    if (ext_arguments_or_more(signature, &which->more, args, count, kwnames, values) < 0) {
      return -1;
    }
    if (kwnames && count == 1) remember(slot, which, kwnames);
    return 0;
  }
  values[IMAGE] = args[0];
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
    values[seen->index[i]] = args[1 + i];
  }
  return 0;
}

/* Reads what every conversion has. `one_image` is the function that takes no batch, or NULL. */
static int read_options(PyObject *const *values, const char *one_image, ext_options *out) {
  if (ext_layout_read(values[FROM_LAYOUT], "from_layout", one_image, &out->from) < 0) return -1;
  if (ext_argument_bool(values[KEEPDIM], "keepdim", &out->keepdim) < 0) return -1;
  if (ext_argument_owner(values[OWNER], values[IMAGE], &out->owner) < 0) return -1;
  if (ext_argument_options_device(values[DEVICE], out) < 0) return -1;
  if (ext_stream_read(values[STREAM], "stream", &out->consumer) < 0) return -1;
  return ext_stream_read(values[PRODUCER_STREAM], "producer_stream", &out->producer);
}

static PyObject *as_any(const conversion *which, PyObject *const *args, Py_ssize_t count,
                        PyObject *kwnames) {
  PyObject *values[EXT_MAX_PARAMETERS] = {0};
  ext_options options = {.target = which->target};
  const char *one_image = which->several ? NULL : which->signature.function;
  if (sort_arguments(which, args, count, kwnames, values) < 0) return NULL;
  if (read_options(values, one_image, &options) < 0) return NULL;
  if (ext_argument_copy(values[COPY], &options.copy) < 0) return NULL;
  if (ext_plan_check_device(&options) < 0) return NULL;
  return which->several ? ext_convert_all(values[IMAGE], &options)
                        : ext_convert(values[IMAGE], &options);
}

static int read_layout(PyObject *layout, ext_request *out) {
  if (ext_layout_read(layout, "layout", NULL, &out->to) < 0) return -1;
  if (!out->to.flat || !out->options.keepdim) return 0;
  return ext_refuse(
      PyExc_ValueError,
      "layout is \"%s\", which has no axis of channels, and keepdim=True keeps it; leave one "
      "of them out",
      ext_layout_name(&out->to));
}

static int read_request(PyObject *const *values, ext_request *out) {
  bool *reverse = &out->params.reverse_channels;
  PyObject *dtype = values[DTYPE], *channels = values[CHANNELS];
  out->options.copy = EXT_COPY_IF_NEEDED; /* an import may copy: no view is asked for */
  out->out = ext_is_given(values[OUT]) ? values[OUT] : NULL;
  out->has_dtype = ext_is_given(dtype);
  if (!ext_is_given(channels)) channels = NULL;
  if (read_options(values, NULL, &out->options) < 0 || read_layout(values[LAYOUT], out) < 0 ||
      (out->has_dtype && ext_argument_dtype(dtype, "dtype", &out->dtype) < 0) ||
      ext_values_read(values[SCALE], values[MEAN], values[STD], values[NORMALIZE], out) < 0 ||
      ext_values_read_fill(values[FILL], out) < 0 ||
      ext_argument_bool(values[REVERSE], "reverse_channels", reverse) < 0 ||
      ext_argument_int(channels, "channels", 1, &out->channels) < 0) {
    return -1;
  }
  return ext_resize_read(values[RESIZE], values[BOXES], out);
}

static PyObject *to_any(const conversion *which, PyObject *const *args, Py_ssize_t count,
                        PyObject *kwnames) {
  ext_request request;
  PyObject *values[EXT_MAX_PARAMETERS] = {0};
  ext_request_init(&request, which->target);
  request.function = which->signature.function;
  if (sort_arguments(which, args, count, kwnames, values) < 0) return NULL;
  return read_request(values, &request) < 0 ? NULL : ext_transform(values[IMAGE], &request);
}

/* --- the functions */

#define VECTORCALL(name)                                                           \
  static PyObject *name(PyObject *module, PyObject *const *args, Py_ssize_t count, \
                        PyObject *kwnames)

/* `from_layout`, `keepdim` and `layout` are EXT_ABSENT where the functions don't take them. The
 * usual call of as_NAME has one argument and nothing to read. */
#define FUNCTIONS(adapter, name, from_layout, keepdim, layout)                                 \
  static const conversion transforms_to_##name = {                                             \
      .signature = {"to_" #name, 1, {"image", "from_layout", keepdim, PLACE, layout, VALUES}}, \
      .target = &ext_##adapter##_adapter};                                                     \
  static const conversion views_as_##name = {                                                  \
      .signature = {"as_" #name, 1, {"image", from_layout, keepdim, PLACE, "copy", NULL}},     \
      .more = {"to_" #name "()", &transforms_to_##name.signature},                             \
      .target = &ext_##adapter##_adapter};                                                     \
  VECTORCALL(as_##name) {                                                                      \
    (void)module;                                                                              \
    const ext_options options = {.target = &ext_##adapter##_adapter};                          \
    if (count == 1 && !kwnames) return ext_convert(args[0], &options);                         \
    return as_any(&views_as_##name, args, count, kwnames);                                     \
  }                                                                                            \
  VECTORCALL(to_##name) {                                                                      \
    (void)module;                                                                              \
    return to_any(&transforms_to_##name, args, count, kwnames);                                \
  }
#define OF_ARRAYS(adapter, name) FUNCTIONS(adapter, name, EXT_ABSENT, "keepdim", "layout")
#define OF_IMAGES(adapter, name) FUNCTIONS(adapter, name, "from_layout", EXT_ABSENT, EXT_ABSENT)
EXT_ARRAY_ADAPTERS(OF_ARRAYS)
EXT_IMAGE_ADAPTERS(OF_IMAGES)

VECTORCALL(view) {
  static const conversion views = {
      .signature = {"view",
                    1,
                    {"image", EXT_ABSENT, "keepdim", "owner", EXT_ABSENT, "stream",
                     "producer_stream", NULL}},
      .more = {"to_tensor(), to_cupy() or to_numpy()", &transforms_to_tensor.signature},
      .target = &ext_view_adapter};
  (void)module;
  const ext_options options = {.target = views.target};
  if (count == 1 && !kwnames) return ext_convert(args[0], &options);
  return as_any(&views, args, count, kwnames);
}

VECTORCALL(as_gpumats) {
  static const conversion views = {
      .signature = {"as_gpumats", 1, {"images", "from_layout", EXT_ABSENT, PLACE, "copy", NULL}},
      .more = {"to_gpumat()", &transforms_to_gpumat.signature},
      .target = &ext_opencv_adapter,
      .several = true};
  (void)module;
  return as_any(&views, args, count, kwnames);
}

VECTORCALL(as_tensors) {
  static const conversion views = {
      .signature = {"as_tensors", 1, {"images", EXT_ABSENT, "keepdim", PLACE, "copy", NULL}},
      .more = {"to_tensor()", &transforms_to_tensor.signature},
      .target = &ext_torch_adapter,
      .several = true};
  (void)module;
  return as_any(&views, args, count, kwnames);
}

#define METHODS(adapter, name) EXT_PUBLIC_METHOD(as_##name), EXT_PUBLIC_METHOD(to_##name),

PyMethodDef ext_function_methods[] = {
    EXT_ARRAY_ADAPTERS(METHODS) EXT_IMAGE_ADAPTERS(METHODS) EXT_PUBLIC_METHOD(view),
    EXT_PUBLIC_METHOD(as_gpumats),
    EXT_PUBLIC_METHOD(as_tensors),
    {NULL, NULL, 0, NULL},
};
