/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "transform/element.h"
#include "transform/plan.h"

static atomic_int wanted_threads;

int32_t vc_transform_set_threads(int32_t threads) {
  return atomic_exchange(&wanted_threads, threads);
}

const char *vc_transform_simd(void) { return "scalar"; }

static uint64_t raw_bits(const char *at, size_t size) {
  uint64_t bits = 0;
  for (size_t i = 0; i < size; i++) bits |= (uint64_t)(uint8_t)at[i] << (8 * i);
  return bits;
}

static uint64_t convert(const vc_plan *plan, int32_t channel, const char *at) {
  vc_type from = vc_type_of(plan->from), to = vc_type_of(plan->to);
  if (plan->work == VC_WORK_MOVE) return raw_bits(at, vc_dtype_size(plan->from));
  if (plan->work == VC_WORK_INTEGER) return vc_bits_from_integer(to, vc_load_integer(from, at));
  int64_t which = (int64_t)channel * plan->stride;
  double x = vc_load_double(from, at), a = plan->a[which], b = plan->b[which];
  if (plan->work == VC_WORK_DOUBLE) return vc_bits_from_double(to, fma(x, a, b));
  return vc_bits_from_double(to, fmaf((float)x, (float)a, (float)b));
}

static int32_t source_of(const vc_plan *plan, int32_t channel) {
  if (plan->channels <= VC_CHANNELS_MAPPED) return plan->map[channel];
  return plan->reversed ? plan->channels - 1 - channel : channel;
}

static void write_channel(const vc_plan *plan, int32_t channel, const char *from, int64_t from_step,
                          char *to) {
  size_t size = vc_dtype_size(plan->to);
  for (int64_t col = 0; col < plan->cols; col++) {
    uint64_t bits = from ? convert(plan, channel, from + col * from_step) : plan->fill;
    vc_store_bits(to + col * plan->to_steps.col, size, bits);
  }
}

static void write_image(const vc_plan *plan, int64_t image) {
  vc_steps steps = plan->from_steps;
  const char *from = plan->from_data + image * steps.image;
  if (plan->sources) {
    from = plan->sources[image].data;
    steps = vc_plan_steps(&plan->sources[image], plan->layout);
  }
  char *to = plan->to_data + image * plan->to_steps.image;
  for (int64_t row = 0; row < plan->rows; row++) {
    for (int32_t c = 0; c < plan->channels; c++) {
      int32_t source = source_of(plan, c);
      const char *first = from + row * steps.row + source * steps.channel;
      write_channel(plan, c, source == VC_CHANNEL_FILL ? NULL : first, steps.col,
                    to + row * plan->to_steps.row + c * plan->to_steps.channel);
    }
  }
}

vc_status vc_plan_run_cpu(const vc_plan *plan, vc_error *error) {
  (void)error;
  for (int64_t image = 0; image < plan->images; image++) write_image(plan, image);
  return VC_OK;
}
