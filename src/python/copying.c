/* SPDX-License-Identifier: Apache-2.0 */
#include "copying.h"

#include "errors.h"
#include "transform/transform.h"

/* --- whether */

static bool is_elsewhere(vc_device memory, vc_device wanted) {
  if (wanted.type == VC_CPU) return vc_device_is_gpu(memory);
  return !vc_device_is_gpu(memory) || memory.id != wanted.id;
}

/* Read-only memory can't be a view that its library takes for writable. */
static bool must_be_writable(const ext_options *options, const ext_source *source) {
  return source->view.readonly && options->target->writable;
}

static bool fits_as_it_is(const ext_options *options, const vc_view *view) {
  return !options->target->fits || options->target->fits(view);
}

/* A NumPy array lies in host memory, which managed memory is too. */
static bool must_come_to_host(const ext_options *options, const ext_source *source) {
  return options->target->on_host && source->view.device.type == VC_CUDA;
}

int ext_copying_needed(const ext_options *options, const ext_source *source) {
  if (options->copy == EXT_COPY_ALWAYS) return 1;
  if (options->copy == EXT_COPY_IF_NEEDED &&
      (must_be_writable(options, source) || !fits_as_it_is(options, &source->view) ||
       must_come_to_host(options, source))) {
    return 1;
  }
  if (!options->has_device || !is_elsewhere(source->view.device, options->device)) return 0;
  if (options->copy == EXT_COPY_IF_NEEDED) return 1;
  char from[32] = "host memory", to[32] = "the host";
  if (vc_device_is_gpu(source->view.device)) {
    PyOS_snprintf(from, sizeof from, "cuda:%d", (int)source->view.device.id);
  }
  if (vc_device_is_gpu(options->device)) {
    PyOS_snprintf(to, sizeof to, "cuda:%d", (int)options->device.id);
  }
  return ext_fail(VC_ERROR_DEVICE,
                  "the image is in %s and device= asks for %s: a view can't cross devices; allow a "
                  "copy with copy=None",
                  from, to);
}

/* --- how */

/* The device of a copy for which none was named: the image's, or the host for NumPy. */
static vc_device destination(const ext_options *options, const ext_source *source) {
  if (options->target->on_host) return (vc_device){VC_CPU, 0};
  if (options->has_device) return options->device;
  return vc_device_is_gpu(source->view.device) ? (vc_device){VC_CUDA, source->view.device.id}
                                               : (vc_device){VC_CPU, 0};
}

PyObject *ext_copying_make(const ext_adapter *from, const ext_options *options,
                           ext_source *source) {
  return ext_transform_copy(from, options, source, destination(options, source));
}
