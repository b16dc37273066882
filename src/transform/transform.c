/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/error.h"
#include "cuda/device.h"
#include "internal.h"
#include "transform/fp_environment.h"
#include "transform/geometry/geometry.h"
#include "transform/plan_parts.h"

static vc_status check_layout(vc_layout layout, const char *name, vc_error *error) {
  if (layout == VC_INTERLEAVED || layout == VC_PLANAR) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT, "%s is %d, needs VC_INTERLEAVED (0) or VC_PLANAR (1)",
                 name, (int)layout);
}

/* Reads the parameters and checks those of them that can be checked without the images. */
static vc_status read_params(const vc_transform_params *given, vc_transform_params *out,
                             vc_error *error) {
  VC_TRY(vc_read_sized(given, "vc_transform_params", sizeof *out, sizeof *out, out, error));
  VC_TRY(check_layout(out->from, "params->from", error));
  VC_TRY(check_layout(out->to, "params->to", error));
  if (out->threads >= 0) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "params->threads is %" PRId32
                 ", needs 1 or more, or 0 for vc_transform_set_threads to decide",
                 out->threads);
}

/* Checks everything that can be known before the first pixel is written; then, with `writes`,
 * carries the call out. */
static vc_status check_and_run(vc_call *call, vc_stream stream, bool writes, vc_plan *plan,
                               vc_error *error) {
  bool empty;
  VC_TRY(vc_stream_check(stream, error));
  VC_TRY(vc_plan_make(call, plan, &empty, error));
  if (empty) return VC_OK;
  VC_TRY(vc_plan_check_device(call->to, error));
  if (vc_device_is_gpu(call->to->device)) {
    return vc_plan_run_gpu(plan, call->to->device.id, stream, writes, error);
  }
  return writes ? vc_plan_run_cpu(plan, error) : VC_OK;
}

/* The plan is made in the default floating-point mode, because it rounds coefficients and the
 * fill value, whatever the device. */
static vc_status transform(vc_call *call, const vc_transform_params *params, vc_stream stream,
                           bool writes, vc_error *error) {
  vc_plan plan;
  plan.geometry = NULL;
  VC_TRY(read_params(params, &call->params, error));
  vc_fp_environment mode = vc_fp_environment_default();
  vc_status status = check_and_run(call, stream, writes, &plan, error);
  vc_plan_end(&plan);
  vc_fp_environment_restore(mode);
  return status;
}

vc_status vc_transform(const vc_view *to, const vc_view *from, size_t count,
                       const vc_transform_params *params, vc_stream stream, vc_error *error) {
  VC_NEED(to);
  VC_NEED(from);
  VC_NEED(params);
  vc_call call = {.to = to, .from = from, .count = count};
  return transform(&call, params, stream, true, error);
}

vc_status vc_transform_check(const vc_view *to, const vc_view *from, size_t count,
                             const vc_transform_params *params, vc_stream stream, vc_error *error) {
  VC_NEED(to);
  VC_NEED(from);
  VC_NEED(params);
  vc_call call = {.to = to, .from = from, .count = count};
  return transform(&call, params, stream, false, error);
}

vc_status vc_resize_check(const vc_view *from, size_t count, const vc_transform_params *params,
                          vc_error *error) {
  vc_geometry *made;
  vc_call call = {.from = from, .count = count, .params = *params};
  const vc_view *boxes = params->boxes;
  call.read = vc_plan_read_images(from, params->from);
  VC_TRY(vc_resize_read(params->resize, &call.resize, error));
  call.written.count = boxes ? boxes->shape[0] : count > 1 ? (int64_t)count : call.read.count;
  call.written.rows = call.resize.rows;
  call.written.cols = call.resize.cols;
  VC_TRY(vc_plan_check_resize(&call, error));
  vc_fp_environment mode = vc_fp_environment_default();
  vc_status status = vc_geometry_make(&call, &made, error);
  vc_fp_environment_restore(mode);
  if (status == VC_OK) free(made);
  return status;
}
