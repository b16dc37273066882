/* SPDX-License-Identifier: Apache-2.0 */
/* Tests whether views share memory: whether a byte belongs to an element of both. The
 * library has no other test of it. Views must pass vc_view_check.
 *
 * The results are exact, with two exceptions that count as shared: views whose bytes
 * lie further apart than 2^60, and strides that differ so much that more than 2^14
 * places would have to be tried one by one. Images of one buffer with a pitch, rows of
 * pixels and channels are far from both limits. */
#ifndef VIEWCAST_CORE_OVERLAP_H
#define VIEWCAST_CORE_OVERLAP_H

#include "internal.h"

/* An axis of a set of places: `stride` bytes > 0, `count` > 1 places. */
typedef struct vc_overlap_axis {
  int64_t stride, count;
} vc_overlap_axis;

/* The bytes of a view that is not empty: `run` bytes without a gap at each of the
 * places that the axes make, from address `low` on. Strides are positive, the longest
 * first. `broadcast`: an axis of more than one element has stride 0. */
typedef struct vc_overlap_set {
  uintptr_t low;
  int64_t run;
  int32_t axes;
  bool broadcast;
  vc_overlap_axis axis[VC_MAX_NDIM];
} vc_overlap_set;

vc_overlap_set vc_overlap_set_of(const vc_view *view);

/* Bytes from the first of a set to its last, the axes before `from` left out. */
int64_t vc_overlap_extent(const vc_overlap_set *set, int32_t from);

/* Some byte is in both. */
bool vc_overlap_sets_meet(const vc_overlap_set *a, const vc_overlap_set *b);

/* Some byte belongs to an element of both views; false if one is empty. */
bool vc_views_overlap(const vc_view *a, const vc_view *b);

/* Two elements of the view share a byte. */
bool vc_view_overlaps_itself(const vc_view *view);

/* vc_views_find_overlap of views that were checked. */
vc_status vc_overlap_find(const vc_view *to, size_t to_count, const vc_view *from,
                          size_t from_count, vc_overlap *out, vc_error *error);

#endif
