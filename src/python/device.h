/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: of memory, as messages name them, and as device= names them. */
#ifndef VIEWCAST_PYTHON_DEVICE_H
#define VIEWCAST_PYTHON_DEVICE_H

#include "owner.h"

/* The device that works on a view: {VC_CUDA, id}, or {VC_CPU, 0} for memory of the host. */
vc_device ext_device_of(const vc_view *view);
bool ext_device_same(vc_device a, vc_device b);

/* "cuda:1" or "host memory". */
typedef struct ext_device_text {
  char text[24];
} ext_device_text;
ext_device_text ext_device_name(vc_device device);

/* Whether this process sees the device. */
bool ext_device_exists(vc_device device);

/* DeviceError where a description names a GPU that this process does not see. `whose` stands for
 * the object in the message: "the image". */
int ext_device_check(vc_device device, const char *whose);

/* --- device= */

/* device=: None, an ordinal, "cpu", "cuda" (device 0), "cuda:1", what View.device returns,
 * or a torch or CuPy device. Pinned host memory is read as the host, managed memory as its
 * device. Sets *given to false for None. DeviceError for an ordinal that no device can
 * have; whether the device exists is not looked at. */
int ext_argument_device(PyObject *value, bool *given, vc_device *out);

/* device= of a conversion: DeviceError where this process does not see the device. */
int ext_argument_options_device(PyObject *value, ext_options *options);

#endif
