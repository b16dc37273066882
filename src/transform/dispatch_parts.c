/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/dispatch.h"

#include "core/allocate.h"
#include "core/error.h"

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
