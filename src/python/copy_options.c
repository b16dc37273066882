/* SPDX-License-Identifier: Apache-2.0 */
#include "copy_options.h"

#include <string.h>

#include "errors.h"

static int parse_device_text(const char *text, vc_device *out) {
  int id = 0, end = 0;
  if (strcmp(text, "cpu") == 0) {
    *out = (vc_device){VC_CPU, 0};
    return 0;
  }
  *out = (vc_device){VC_CUDA, 0};
  if (strcmp(text, "cuda") == 0) return 0;
  if (sscanf(text, "cuda:%d%n", &id, &end) == 1 && text[end] == '\0' && id >= 0) {
    out->id = id;
    return 0;
  }
  PyErr_Format(PyExc_ValueError, "device is \"%.40s\", needs \"cpu\", \"cuda\" or \"cuda:N\"",
               text);
  return -1;
}

/* An ordinal; or what a device object says of itself: str(torch.device) is
 * "cuda:1", and CuPy's has an id. */
static int read_device(PyObject *device, vc_device *out) {
  PyObject *number =
      PyLong_Check(device) ? Py_NewRef(device) : PyObject_GetAttrString(device, "id");
  if (number) {
    long id = PyLong_AsLong(number);
    Py_DECREF(number);
    if (id == -1 && PyErr_Occurred()) return -1;
    *out = (vc_device){VC_CUDA, (int32_t)id};
    return 0;
  }
  PyErr_Clear();
  PyObject *text = PyObject_Str(device);
  const char *utf8 = text ? PyUnicode_AsUTF8(text) : NULL;
  int result = utf8 ? parse_device_text(utf8, out) : -1;
  Py_XDECREF(text);
  return result;
}

static int check_exists(vc_device device) {
  int32_t count = vc_cuda_device_count();
  if (device.type == VC_CPU || (device.id >= 0 && device.id < count)) return 0;
  return vp_fail(VC_ERROR_DEVICE, "there is no CUDA device %d: this process sees %d",
                 (int)device.id, (int)count);
}

int vp_copy_options_read(PyObject *copy, PyObject *device, vp_options *options) {
  options->copy = VP_COPY_NEVER;
  if (copy == Py_None) options->copy = VP_COPY_IF_NEEDED;
  if (copy && copy != Py_None) {
    int truth = PyObject_IsTrue(copy);
    if (truth < 0) return -1;
    if (truth) options->copy = VP_COPY_ALWAYS;
  }
  options->has_device = device && device != Py_None;
  if (!options->has_device) return 0;
  if (read_device(device, &options->device) < 0) return -1;
  return check_exists(options->device);
}
