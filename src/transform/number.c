/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/number.h"

#include "transform/element.h"

static uint64_t opaque(vc_type type) {
  if (type == VC_TYPE_U64) return UINT64_MAX;
  if (type < VC_TYPE_F16) return (uint64_t)vc_highest(type);
  return vc_bits_from_double(type, 1);
}

uint64_t vc_number_bits(vc_dtype dtype, double value) {
  vc_type type = vc_type_of(dtype);
  return value != value ? opaque(type) : vc_bits_from_double(type, value);
}
