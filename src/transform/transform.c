/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/float_mode.h"
#include "transform/plan.h"

static vc_status transform(const vc_view *to, const vc_view *from, size_t count,
                           const vc_transform_params *params, vc_stream stream, vc_error *error) {
  vc_plan plan;
  bool empty;
  vc_status status = vc_plan_make(to, from, count, params, &plan, &empty, error);
  if (status != VC_OK || empty) return status;
  if (!vc_device_is_gpu(to->device)) return vc_plan_run_cpu(&plan, error);
  return vc_plan_run_gpu(&plan, to->device.id, stream, error);
}

static vc_status check(const vc_view *to, const vc_view *from, size_t count,
                       const vc_transform_params *params, vc_stream stream, vc_error *error) {
  vc_plan plan;
  bool empty;
  vc_status status = vc_plan_make(to, from, count, params, &plan, &empty, error);
  if (status != VC_OK || empty || !vc_device_is_gpu(to->device)) return status;
  return vc_plan_check_gpu(&plan, to->device.id, stream, error);
}

/* Coefficients and fill are rounded here, whatever the device. */
vc_status vc_transform(const vc_view *to, const vc_view *from, size_t count,
                       const vc_transform_params *params, vc_stream stream, vc_error *error) {
  vc_float_mode mode = vc_float_mode_default();
  vc_status status = transform(to, from, count, params, stream, error);
  vc_float_mode_restore(mode);
  return status;
}

vc_status vc_transform_check(const vc_view *to, const vc_view *from, size_t count,
                             const vc_transform_params *params, vc_stream stream,
                             vc_error *error) {
  vc_float_mode mode = vc_float_mode_default();
  vc_status status = check(to, from, count, params, stream, error);
  vc_float_mode_restore(mode);
  return status;
}
