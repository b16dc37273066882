/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to values: the kind of work, and its factors. */
#include <inttypes.h>
#include <math.h>

#include "core/error.h"
#include "transform/plan_parts.h"

static bool is_integer(vc_dtype dtype) {
  return dtype.code == VC_INT || dtype.code == VC_UINT || dtype.code == VC_BOOL;
}

static bool needs_double(vc_dtype dtype) {
  return dtype.bits == 64 || (dtype.bits == 32 && is_integer(dtype));
}

static vc_status check_count(const char *name, const double *values, int32_t count,
                             int32_t channels, vc_error *error) {
  bool right = count == 1 || (count > 0 && count == channels);
  if (!values && count >= 0) return VC_OK;
  if (right && count <= VC_TRANSFORM_CHANNELS) return VC_OK;
  if (right) {
    return vc_fail(error, VC_ERROR_ARGUMENT, "%s has %" PRId32 " values, needs 1 or up to %d", name,
                   count, VC_TRANSFORM_CHANNELS);
  }
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "%s has %" PRId32 " values, needs 1 or one for each of the destination's %" PRId32
                 " channels",
                 name, count, channels);
}

static double value_of(const double *values, int32_t count, int32_t channel, double none) {
  if (!values) return none;
  return values[count == 1 ? 0 : channel];
}

/* Rounded to the working type. */
static double working(const vc_plan *plan, double value) {
  return plan->work == VC_WORK_FLOAT ? (double)(float)value : value;
}

static vc_status form_one(const vc_transform_params *params, int32_t channel, vc_plan *plan,
                          vc_error *error) {
  double mean = value_of(params->mean, params->mean_count, channel, 0);
  double std = value_of(params->std, params->std_count, channel, 1);
  /* Adding -0 keeps the sign of zeros. */
  double a = working(plan, params->scale / std);
  double b = mean != 0 ? working(plan, -mean / std) : -0.0;
  double *stored = plan->storage;
  stored[channel] = a;
  stored[VC_TRANSFORM_CHANNELS + channel] = b;
  if (a != 1 || b != 0) plan->neutral = false;
  if (isfinite(a) && isfinite(b) && std != 0) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "channel %" PRId32
                 ": scale %g, mean %g and std %g give the factors %g and %g, needs "
                 "finite ones (std not 0) within %s",
                 channel, params->scale, mean, std, a, b,
                 plan->work == VC_WORK_FLOAT ? "float32" : "float64");
}

static vc_status form_coefficients(const vc_transform_params *params, vc_plan *plan,
                                   vc_error *error) {
  bool each = (params->mean && params->mean_count > 1) || (params->std && params->std_count > 1);
  vc_status status = check_count("mean", params->mean, params->mean_count, plan->channels, error);
  if (status == VC_OK) {
    status = check_count("std", params->std, params->std_count, plan->channels, error);
  }
  plan->stride = each ? 1 : 0;
  plan->neutral = true;
  plan->a = plan->storage;
  plan->b = plan->storage + VC_TRANSFORM_CHANNELS;
  for (int32_t c = 0; status == VC_OK && c < (each ? plan->channels : 1); c++) {
    status = form_one(params, c, plan, error);
  }
  return status;
}

vc_status vc_plan_work(const vc_transform_params *params, vc_plan *plan, vc_error *error) {
  plan->work = needs_double(plan->from) || needs_double(plan->to) ? VC_WORK_DOUBLE : VC_WORK_FLOAT;
  vc_status status = form_coefficients(params, plan, error);
  if (status != VC_OK || !plan->neutral) return status;
  plan->stride = 0;
  if (plan->from.code == plan->to.code && plan->from.bits == plan->to.bits) {
    plan->work = VC_WORK_MOVE;
  } else if (is_integer(plan->from) && is_integer(plan->to)) {
    plan->work = VC_WORK_INTEGER;
  }
  return VC_OK;
}
