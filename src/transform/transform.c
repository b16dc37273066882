/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/plan.h"

vc_status vc_transform(const vc_view *to, const vc_view *from, size_t count,
                       const vc_transform_params *params, vc_stream stream, vc_error *error) {
  vc_plan plan;
  bool empty;
  vc_status status = vc_plan_make(to, from, count, params, &plan, &empty, error);
  if (status != VC_OK || empty) return status;
  if (!vc_device_is_gpu(to->device)) return vc_plan_run_cpu(&plan, error);
  return vc_plan_run_gpu(&plan, to->device.id, stream, error);
}
