/* SPDX-License-Identifier: Apache-2.0 */
/* What vc_plan_make is made of. */
#ifndef VIEWCAST_TRANSFORM_PLAN_PARTS_H
#define VIEWCAST_TRANSFORM_PLAN_PARTS_H

#include "transform/plan.h"

/* A view, read as images of a layout. */
typedef struct vc_images {
  int64_t count, rows, cols, channels;
  vc_strides steps;
} vc_images;

/* --- plan_checks.c */

/* The destination and the first source make sense and are in one place; count is not 0. The
 * other sources are not looked at: `count` is not known to be right yet. */
vc_status vc_plan_check_ends(const vc_view *to, const vc_view *from, size_t count, vc_error *error);

/* The other sources are like the first. */
vc_status vc_plan_check_alike(const vc_view *from, size_t count, vc_error *error);

/* A view in GPU memory is of a device of this machine. */
vc_status vc_plan_check_device(const vc_view *view, vc_error *error);

/* As many images on both sides, of one size. */
vc_status vc_plan_check_sizes(const vc_view *to, const vc_images *out, const vc_view *from,
                              const vc_images *in, size_t count, const vc_transform_params *params,
                              vc_error *error);

/* The destination may be written, each element once, and is not read from. */
vc_status vc_plan_check_memory(const vc_view *to, const vc_view *from, size_t count,
                               vc_error *error);

/* --- channels.c */

vc_status vc_plan_channels(int64_t from, int64_t to, bool reverse, vc_plan *plan, vc_error *error);

/* Every channel stays what it is. */
bool vc_plan_keeps_channels(const vc_plan *plan);

/* --- coefficients.c */

/* The kind of work, and its factors. After the channels. */
vc_status vc_plan_work(const vc_transform_params *params, vc_plan *plan, vc_error *error);

#endif
