/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel carries out a plan, and what it is given. */
#ifndef VIEWCAST_TRANSFORM_DISPATCH_H
#define VIEWCAST_TRANSFORM_DISPATCH_H

#include "transform/launch.h"

/* One launch. Large: fill what the kernel needs and no more. */
typedef struct vc_launch {
  int32_t kernel; /* for vc_kernel_name */
  uint32_t grid[3];
  bool is_generic;
  bool has_more; /* a table, or coefficients, follow as second parameter */
  union {
    vc_fast fast;
    vc_generic generic;
  };
  vc_generic_more more; /* its table, or all of it for generic kernels */
  /* A list that is too long for the table: what the kernel reads in device
   * memory. NULL: none. To be freed with free(). */
  void *list;
  size_t list_bytes;
} vc_launch;

extern const char *const vc_kernel_names[];
extern const int32_t vc_kernel_count;

/* VC_ERROR_MEMORY for lack of host memory, VC_ERROR_LAYOUT beyond what a launch
 * can count. */
vc_status vc_dispatch(const vc_plan *plan, vc_launch *out, vc_error *error);

/* Selects a specialised kernel and fills `out`, except for the image list. Returns false if
 * the plan needs a generic kernel. */
bool vc_dispatch_fast(const vc_plan *plan, vc_launch *out);

/* A kernel for any plan, and its list. */
vc_status vc_dispatch_generic(const vc_plan *plan, vc_launch *out, vc_error *error);

/* --- what both need: dispatch_parts.c */

vc_divider vc_divide_by(int64_t divisor);

/* Memory for a list that is too long for the table. */
vc_status vc_take_list(vc_launch *out, int64_t count, size_t size, vc_error *error);

#endif
