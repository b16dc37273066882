/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for any plan, and the parts that dispatch_fast.c uses too. */
#include "transform/dispatch.h"

#include <stdlib.h>

#include "core/allocate.h"
#include "core/dtype.h"
#include "core/error.h"

/* --- what all kernels need */

/* (2^32 * (2^shift - divisor)) / divisor + 1, with 2^shift >= divisor. */
vc_divider vc_divide_by(int64_t divisor) {
  uint32_t shift = 0;
  while (((int64_t)1 << shift) < divisor) shift++;
  uint64_t excess = ((uint64_t)1 << shift) - (uint64_t)divisor;
  return (vc_divider){(uint32_t)divisor, (uint32_t)((excess << 32) / (uint64_t)divisor + 1), shift};
}

vc_status vc_take_list(vc_launch *out, int64_t count, size_t size, vc_error *error) {
  out->list_bytes = (size_t)count * size;
  out->list = vc_malloc(out->list_bytes);
  if (out->list) return VC_OK;
  return vc_fail(error, VC_ERROR_MEMORY, "no memory for a list of %lld images", (long long)count);
}

/* --- types, axes and coefficients */

#define GENERIC_WORK(name, work) work,
static const vc_work generic_works[] = {VC_GENERIC_KERNELS(GENERIC_WORK)};

vc_element vc_element_of(vc_dtype dtype) {
  int size = dtype.bits == 64 ? 3 : dtype.bits == 32 ? 2 : dtype.bits == 16;
  switch (dtype.code) {
    case VC_BOOL: return VC_ELEMENT_BOOL;
    case VC_INT: return (vc_element)(VC_ELEMENT_I8 + 2 * size);
    case VC_UINT: return (vc_element)(VC_ELEMENT_U8 + 2 * size);
    case VC_BFLOAT: return VC_ELEMENT_BF16;
    default: return size == 1 ? VC_ELEMENT_F16 : size == 2 ? VC_ELEMENT_F32 : VC_ELEMENT_F64;
  }
}

static uint64_t stride_bits(const vc_strides *strides) {
  return (uint64_t)(strides->image | strides->row | strides->col | strides->channel);
}

static bool are_sources_aligned(const vc_plan *plan) {
  uint64_t bits = (uint64_t)(uintptr_t)plan->from_data | stride_bits(&plan->from_strides);
  for (int64_t i = 0; plan->sources && i < plan->images; i++) {
    vc_strides strides = vc_plan_read_images(&plan->sources[i], plan->layout).strides;
    bits |= (uint64_t)(uintptr_t)plan->sources[i].data;
    if (!plan->alike) bits |= stride_bits(&strides);
  }
  return bits % vc_dtype_size(plan->from) == 0;
}

static void set_coefficients(const vc_plan *plan, vc_generic *generic, double *a, double *b) {
  int32_t count = plan->stride ? plan->channels : 1;
  generic->stride = plan->stride;
  if (plan->work != VC_WORK_FLOAT && plan->work != VC_WORK_DOUBLE) count = generic->stride = 0;
  for (int32_t c = 0; c < count; c++) {
    a[c] = plan->a[c * plan->stride];
    b[c] = plan->b[c * plan->stride];
  }
}

static void set_types(const vc_plan *plan, vc_generic *out) {
  out->from_type = vc_element_of(plan->from);
  out->to_type = vc_element_of(plan->to);
  out->from_size = (int32_t)vc_dtype_size(plan->from);
  out->to_size = (int32_t)vc_dtype_size(plan->to);
  out->from_aligned = are_sources_aligned(plan);
  uint64_t bits = (uint64_t)(uintptr_t)plan->to_data | stride_bits(&plan->to_strides);
  out->to_aligned = bits % (uint64_t)out->to_size == 0;
}

static void set_axes(const vc_plan *plan, vc_generic *out) {
  const vc_strides *to = &plan->to_strides;
  out->to_strides = *to;
  out->from_strides = plan->from_strides;
  out->images = plan->images;
  out->rows = plan->rows;
  out->cols = plan->cols;
  out->channels = plan->channels;
  out->chunks = (plan->channels - 1) / VC_CHANNELS_MAPPED + 1;
  out->interleaved = plan->cols == 1 || llabs(to->channel) < llabs(to->col);
  out->mapped = plan->channels <= VC_CHANNELS_MAPPED;
  out->reversed = plan->reversed;
  for (int c = 0; out->mapped && c < plan->channels; c++) out->map[c] = plan->map[c];
}

void vc_generic_fill(const vc_plan *plan, vc_generic *out) {
  out->to = plan->to_data;
  out->from = NULL;
  out->listed = NULL;
  out->fill = plan->fill;
  set_types(plan, out);
  set_axes(plan, out);
  set_coefficients(plan, out, out->a, out->b);
}

/* Counts the threads and fills the divisors of the axes. */
static vc_status set_threads(const vc_plan *plan, vc_launch *out, vc_error *error) {
  vc_generic *generic = &out->generic;
  int64_t total = plan->images;
  if (__builtin_mul_overflow(total, plan->rows, &total) ||
      __builtin_mul_overflow(total, plan->cols, &total) ||
      __builtin_mul_overflow(total, generic->chunks, &total) ||
      total > (int64_t)INT32_MAX * VC_BLOCK) {
    return vc_fail(
        error, VC_ERROR_LAYOUT,
        "the destination has more elements than one launch can write; write it in parts");
  }
  generic->total = total;
  if (total <= INT32_MAX) {
    generic->by_cols = vc_divide_by(plan->cols);
    generic->by_rows = vc_divide_by(plan->rows);
    generic->by_chunks = vc_divide_by(generic->chunks);
  }
  out->grid[0] = (uint32_t)((total - 1) / VC_BLOCK + 1);
  out->grid[1] = out->grid[2] = 1;
  return VC_OK;
}

static int32_t generic_kernel(vc_work work) {
  int32_t i = 0;
  while (generic_works[i] != work) i++;
  return 2 * i;
}

static vc_status fill_launch(const vc_plan *plan, vc_launch *out, vc_error *error) {
  vc_generic *generic = &out->generic;
  out->is_generic = true;
  out->has_more = plan->sources || (plan->stride && plan->channels > VC_CHANNELS_MAPPED);
  out->kernel = generic_kernel(plan->work) + out->has_more;
  generic->to = plan->to_data;
  generic->from = plan->from_data;
  generic->listed = NULL;
  generic->source = VC_SOURCE_STRIDES;
  generic->fill = plan->fill;
  set_types(plan, generic);
  set_axes(plan, generic);
  set_coefficients(plan, generic, out->has_more ? out->more.a : generic->a,
                   out->has_more ? out->more.b : generic->b);
  return set_threads(plan, out, error);
}

/* --- a list of images */

static vc_listed listed(const vc_plan *plan, int64_t i) {
  vc_strides strides = plan->from_strides;
  if (!plan->alike) strides = vc_plan_read_images(&plan->sources[i], plan->layout).strides;
  return (vc_listed){plan->sources[i].data, strides.row, strides.col, strides.channel};
}

static vc_status list_strides(const vc_plan *plan, vc_launch *out, vc_error *error) {
  bool fits = plan->images <= VC_TABLE_LISTED;
  out->generic.source = fits ? VC_SOURCE_TABLE : VC_SOURCE_MEMORY;
  if (!fits) {
    vc_status status = vc_take_list(out, plan->images, sizeof(vc_listed), error);
    if (status != VC_OK) return status;
  }
  vc_listed *into = fits ? out->more.table.listed : out->list;
  for (int64_t i = 0; i < plan->images; i++) into[i] = listed(plan, i);
  return VC_OK;
}

vc_status vc_dispatch_generic(const vc_plan *plan, vc_launch *out, vc_error *error) {
  vc_status status = fill_launch(plan, out, error);
  return status == VC_OK && plan->sources ? list_strides(plan, out, error) : status;
}
