/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of vc_plan_make, and what they share with it. */
#ifndef VIEWCAST_TRANSFORM_PLAN_PARTS_H
#define VIEWCAST_TRANSFORM_PLAN_PARTS_H

#include "transform/plan.h"

/* --- plan_checks.c */

/* Checks the destination and the first source, that they are on one device, and that count is not
 * 0. Does not look at the other sources, because `count` has not been checked against the
 * destination yet. */
vc_status vc_plan_check_ends(const vc_call *call, vc_error *error);

/* Checks that the other sources have the shape, dtype and device of the first; sources that
 * are resized may have other sizes. */
vc_status vc_plan_check_alike(const vc_call *call, vc_error *error);

/* Checks that both are in memory of the host or of one GPU. */
vc_status vc_plan_check_place(const vc_view *to, const vc_view *from, vc_error *error);

/* Checks that a view in GPU memory is on a device of this machine. */
vc_status vc_plan_check_device(const vc_view *view, vc_error *error);

/* Checks that both sides have the same number of images, of one size. */
vc_status vc_plan_check_sizes(const vc_call *call, vc_error *error);

/* Checks that the destination has the size of the resize and an image for each source or box,
 * and that the boxes, if there are any, can be read. */
vc_status vc_plan_check_resize(const vc_call *call, vc_error *error);

/* Checks that the destination may be written, that none of its elements share memory, and that it
 * shares none with a source. */
vc_status vc_plan_check_memory(const vc_view *to, const vc_view *from, size_t count,
                               vc_error *error);

/* Checks that the destination shares no memory with the boxes. */
vc_status vc_plan_check_boxes_memory(const vc_view *to, const vc_view *boxes, vc_error *error);

/* Checks that each source is the view of its YUV image, and that all have one format. */
vc_status vc_plan_check_yuv(const vc_call *call, vc_error *error);

/* Checks the destination as vc_plan_check_memory does, against the planes of YUV images. */
vc_status vc_plan_check_yuv_memory(const vc_call *call, vc_error *error);

/* --- plan.c */

/* Returns the bits of one element of `dtype` that holds `value`, rounded once and saturated
 * as vc_transform does. NaN gives the opaque value: the largest of an integer type, 1 of the
 * others. */
uint64_t vc_number_bits(vc_dtype dtype, double value);

#endif
