/* SPDX-License-Identifier: Apache-2.0 */
/* Devices in messages and in device=. */
#include "device.h"

#include <string.h>

#include "arguments.h"
#include "errors.h"

vc_device ext_device_of(const vc_view *view) {
  if (!vc_device_is_gpu(view->device)) return (vc_device){VC_CPU, 0};
  return (vc_device){VC_CUDA, view->device.id};
}

bool ext_device_same(vc_device a, vc_device b) { return a.type == b.type && a.id == b.id; }

ext_device_text ext_device_name(vc_device device) {
  ext_device_text out = {"host memory"};
  if (vc_device_is_gpu(device)) PyOS_snprintf(out.text, sizeof out.text, "cuda:%d", device.id);
  return out;
}

bool ext_device_exists(vc_device device) {
  return !vc_device_is_gpu(device) || (device.id >= 0 && device.id < vc_cuda_device_count());
}

int ext_device_check(vc_device device, const char *whose) {
  if (ext_device_exists(device)) return 0;
  return ext_fail(
      VC_ERROR_DEVICE,
      "%.200s says that it is on cuda:%d and this process sees %d CUDA devices; pass memory "
      "of the host or of a device that is there",
      whose, (int)device.id, (int)vc_cuda_device_count());
}

/* --- device= */

#define DEVICES "\"cpu\", \"cuda\" or \"cuda:N\""

static int refuse_ordinal(PyObject *number) {
  return ext_fail(VC_ERROR_DEVICE, "there is no CUDA device %.40S: this process sees %d", number,
                  (int)vc_cuda_device_count());
}

/* Checked before it is narrowed: 2**32 is not device 0. */
static int set_ordinal(PyObject *number, vc_device *out) {
  int overflow;
  long id = PyLong_AsLongAndOverflow(number, &overflow);
  if (overflow || id < 0 || id > INT32_MAX) return refuse_ordinal(number);
  *out = (vc_device){VC_CUDA, (int32_t)id};
  return 0;
}

/* The decimal digits after "cuda:", without a sign or a blank. */
static int set_digits(const char *digits, vc_device *out) {
  PyObject *number = PyLong_FromString(digits, NULL, 10);
  if (!number && PyErr_ExceptionMatches(PyExc_ValueError)) { /* more than Python converts */
    PyErr_Clear();
    number = PyUnicode_FromString(digits);
    if (number) refuse_ordinal(number);
    Py_XDECREF(number);
    return -1;
  }
  int result = number ? set_ordinal(number, out) : -1;
  Py_XDECREF(number);
  return result;
}

/* 1 where the text names a device, 0 where it does not, -1 with an exception. */
static int read_device_text(const char *text, vc_device *out) {
  static const char *const prefixes[] = {"cuda", "cuda_managed"};
  *out = (vc_device){VC_CPU, 0};
  if (strcmp(text, "cpu") == 0 || strcmp(text, "cuda_host") == 0) return 1;
  *out = (vc_device){VC_CUDA, 0};
  if (strcmp(text, "cuda") == 0) return 1;
  for (int i = 0; i < 2; i++) {
    size_t length = strlen(prefixes[i]);
    if (strncmp(text, prefixes[i], length) != 0 || text[length] != ':') continue;
    const char *digits = text + length + 1;
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0') return 0;
    return set_digits(digits, out) < 0 ? -1 : 1;
  }
  return 0;
}

/* Reads a device object: CuPy's by its attribute `id`, others (torch's) by their text. */
static int read_device_object(PyObject *value, vc_device *out) {
  if (strcmp(Py_TYPE(value)->tp_name, "cupy.cuda.device.Device") == 0) {
    PyObject *id = PyObject_GetAttrString(value, "id");
    int result = id && PyLong_Check(id) ? set_ordinal(id, out) : -1;
    Py_XDECREF(id);
    return result;
  }
  PyObject *text = PyObject_Str(value);
  if (!text) return -1;
  const char *utf8 = ext_text_of(text);
  int found = utf8 ? read_device_text(utf8, out) : 0;
  Py_DECREF(text);
  if (found) return found < 0 ? -1 : 0;
  if (PyUnicode_Check(value) || strcmp(Py_TYPE(value)->tp_name, "torch.device") == 0) {
    return ext_refuse(PyExc_ValueError, "device is %.80R, needs " DEVICES, value);
  }
  return ext_refuse_type(value, "device", "an int, " DEVICES ", or a torch or CuPy device");
}

int ext_argument_device(PyObject *value, bool *given, vc_device *out) {
  *given = ext_is_given(value);
  if (!*given) return 0;
  PyObject *integer = ext_integer_of(value);
  if (!integer) return PyErr_Occurred() ? -1 : read_device_object(value, out);
  int result = set_ordinal(integer, out);
  Py_DECREF(integer);
  return result;
}

int ext_argument_options_device(PyObject *value, ext_options *options) {
  vc_device *device = &options->device;
  if (ext_argument_device(value, &options->has_device, device) < 0) return -1;
  if (!options->has_device || device->type == VC_CPU) return 0;
  if (ext_device_exists(*device)) return 0;
  PyObject *number = PyLong_FromLong(device->id);
  if (number) refuse_ordinal(number);
  Py_XDECREF(number);
  return -1;
}
