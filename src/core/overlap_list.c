/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of views: whether any two share memory, without a test of each pair.
 *
 * Views in the order of their addresses fall into groups whose bytes lie between each
 * other's; most lists have groups of one. The images of a larger group are mostly parts
 * of one buffer: tiles of a canvas, single channels, alternate rows. Their addresses are
 * written as digits: so many rows, columns and bytes, the places being the strides that
 * occur in the group. A part is then a box, two share a byte where their boxes do, and
 * boxes are sorted along the axis on which the fewest lie side by side. A view that is no
 * box, for its pitch is another, is compared with each of its group. */
#include <stdlib.h>
#include <string.h>

#include "core/allocate.h"
#include "core/error.h"
#include "core/overlap.h"

/* Groups up to this size are compared pair by pair. */
#define FEW 8
/* Different strides in a group; views with more are no boxes. */
#define MOST_LEVELS 6
/* Boxes that a view may fall into; more, and it is compared like one of another pitch. */
#define MOST_PIECES 12

typedef struct entry {
  uintptr_t low, high; /* bytes, up to */
  vc_overlap_set set;
  size_t index;
  bool is_source;
} entry;

typedef struct box {
  const entry *of;
  int64_t low[MOST_LEVELS + 1], high[MOST_LEVELS + 1]; /* up to; the last are bytes */
} box;

/* An axis of the boxes of a group, in the order of `low`. */
typedef struct slot {
  int64_t low, high;
  const box *box;
} slot;

typedef struct group {
  entry *entries;
  size_t count;
  int32_t levels;
  int64_t strides[MOST_LEVELS]; /* longest first */
  box *boxes;                   /* with space for `space` */
  size_t boxes_used, space;
  slot *slots; /* as many, and twice as many for those that a sweep is in */
} group;

/* --- what was found */

static bool report(const entry *a, const entry *b, vc_overlap *out) {
  if (a->is_source || (!b->is_source && b->index < a->index)) {
    const entry *first = a;
    a = b;
    b = first;
  }
  *out =
      (vc_overlap){b->is_source ? VC_OVERLAPS_SOURCE : VC_OVERLAPS_DESTINATION, a->index, b->index};
  return true;
}

static bool meet(const entry *a, const entry *b, vc_overlap *out) {
  if ((a->is_source && b->is_source) || a->low >= b->high || b->low >= a->high) return false;
  return vc_overlap_sets_meet(&a->set, &b->set) && report(a, b, out);
}

/* --- pair by pair */

static bool compare_all(const entry *entries, size_t count, vc_overlap *out) {
  for (size_t i = 0; i < count; i++) {
    for (size_t j = i + 1; j < count && entries[j].low < entries[i].high; j++) {
      if (meet(&entries[i], &entries[j], out)) return true;
    }
  }
  return false;
}

static bool compare_with_all(const entry *one, const group *all, vc_overlap *out) {
  for (size_t i = 0; i < all->count; i++) {
    if (one != &all->entries[i] && meet(one, &all->entries[i], out)) return true;
  }
  return false;
}

/* --- a group's strides */

static void add_level(group *in, int64_t stride) {
  int32_t at = 0;
  while (at < in->levels && in->strides[at] > stride) at++;
  if (at < in->levels && in->strides[at] == stride) return;
  if (in->levels == MOST_LEVELS) return;
  memmove(in->strides + at + 1, in->strides + at, (size_t)(in->levels - at) * sizeof *in->strides);
  in->strides[at] = stride;
  in->levels++;
}

static void find_levels(group *in) {
  in->levels = 0;
  for (size_t i = 0; i < in->count; i++) {
    const vc_overlap_set *set = &in->entries[i].set;
    for (int32_t axis = 0; axis < set->axes; axis++) add_level(in, set->axis[axis].stride);
  }
}

/* --- views as boxes */

/* Part of a set: from `at` bytes on, counted in what is left of the level above. */
typedef struct part {
  int64_t at, run;
  int32_t axes;
  vc_overlap_axis axis[VC_MAX_NDIM + 1];
} part;

typedef struct pieces {
  const group *in;
  box *boxes;
  int32_t count, most;
  box current; /* the axes above the level that is looked at */
} pieces;

static bool place(pieces *to, int32_t level, const part *of);

static int64_t extent_of(const part *of, int32_t from) {
  int64_t bytes = of->run;
  for (int32_t i = from; i < of->axes; i++) bytes += of->axis[i].stride * (of->axis[i].count - 1);
  return bytes;
}

/* The part with the axes before `axis` left out, or with the first of those that are
 * left only from `from` up to `end`. */
static part cut_of(const part *of, int32_t axis, int64_t from, int64_t end) {
  part out = {.at = of->at + from * of->axis[axis].stride, .run = of->run};
  for (int32_t i = 0; i < of->axes; i++) {
    out.axis[out.axes] = of->axis[i];
    if (i == axis) out.axis[out.axes].count = end - from;
    if (out.axis[out.axes].count > 1) out.axes++;
  }
  return out;
}

/* `bytes` from a run's byte `from` on. */
static part run_of(const part *of, int64_t from, int64_t bytes) {
  part out = *of;
  out.at += from;
  out.run = bytes;
  return out;
}

/* A run that reaches across places of this level: what is before the first, whole ones,
 * and the rest. */
static bool place_run(pieces *to, int32_t level, const part *of) {
  int64_t stride = to->in->strides[level], past = of->at % stride;
  if (past > 0) {
    part before = run_of(of, 0, stride - past);
    part after = run_of(of, stride - past, of->run - (stride - past));
    return place(to, level, &before) && place(to, level, &after);
  }
  part whole = {.at = 0, .run = stride},
       rest = run_of(of, of->run - of->run % stride, of->run % stride);
  to->current.low[level] = of->at / stride;
  to->current.high[level] = of->at / stride + of->run / stride;
  return place(to, level + 1, &whole) && (rest.run == 0 || place(to, level, &rest));
}

/* An axis that reaches across one boundary of this level: the elements before it, one
 * that lies on it, and those after it. */
static bool place_axis(pieces *to, int32_t level, const part *of, int32_t axis) {
  int64_t left = to->in->strides[level] - of->at % to->in->strides[level];
  int64_t stride = of->axis[axis].stride, count = of->axis[axis].count;
  int64_t inner = extent_of(of, axis + 1);
  int64_t before = left >= inner ? (left - inner) / stride + 1 : 0;
  int64_t after = (left + stride - 1) / stride;
  if (after > count) after = count;
  if (before > count || after - before > 1) return false;
  part parts[3] = {cut_of(of, axis, 0, before), cut_of(of, axis, before, after),
                   cut_of(of, axis, after, count)};
  int64_t ends[4] = {0, before, after, count};
  for (int i = 0; i < 3; i++) {
    if (ends[i] < ends[i + 1] && !place(to, level, &parts[i])) return false;
  }
  return true;
}

static bool add_box(pieces *to, int32_t level, const part *of) {
  if (of->axes > 0 || to->count == to->most) return false;
  box *out = &to->boxes[to->count++];
  *out = to->current;
  out->low[level] = of->at;
  out->high[level] = of->at + of->run;
  return true;
}

/* Puts a part into boxes, from this level on. False if it is none, or too many. */
static bool place(pieces *to, int32_t level, const part *of) {
  if (level == to->in->levels) return add_box(to, level, of);
  int64_t stride = to->in->strides[level];
  bool repeats = of->axes > 0 && of->axis[0].stride == stride;
  int64_t wide = extent_of(of, repeats), past = of->at % stride;
  if (past + wide > stride) {
    if (of->axes > 0 && wide > stride) return false;
    return repeats < of->axes ? place_axis(to, level, of, repeats) : place_run(to, level, of);
  }
  part inner = *of;
  inner.at = past;
  inner.axes -= repeats;
  memmove(inner.axis, inner.axis + repeats, (size_t)inner.axes * sizeof *inner.axis);
  to->current.low[level] = of->at / stride;
  to->current.high[level] = of->at / stride + (repeats ? of->axis[0].count : 1);
  return place(to, level + 1, &inner);
}

/* Adds the boxes of a view to its group's; false if it is none. */
static bool add_boxes(group *in, const entry *view, uintptr_t origin) {
  size_t left = in->space - in->boxes_used;
  pieces to = {.in = in,
               .boxes = in->boxes + in->boxes_used,
               .most = left < MOST_PIECES ? (int32_t)left : MOST_PIECES,
               .current = {.of = view}};
  part all = {.at = (int64_t)(view->low - origin), .run = view->set.run, .axes = view->set.axes};
  memcpy(all.axis, view->set.axis, sizeof view->set.axis);
  if (!place(&to, 0, &all)) return false;
  in->boxes_used += (size_t)to.count;
  return true;
}

/* --- boxes against boxes */

static bool boxes_meet(const group *in, const box *a, const box *b, vc_overlap *out) {
  if (a->of == b->of) return false;
  for (int32_t level = 0; level <= in->levels; level++) {
    if (a->low[level] >= b->high[level] || b->low[level] >= a->high[level]) return false;
  }
  return report(a->of, b->of, out);
}

/* The axis along which the fewest boxes lie at one place, on average. */
static int32_t best_axis(const group *in) {
  int32_t best = 0;
  double fewest = 0;
  for (int32_t level = 0; level <= in->levels; level++) {
    int64_t low = INT64_MAX, high = INT64_MIN;
    double length = 0;
    for (size_t i = 0; i < in->boxes_used; i++) {
      const box *one = &in->boxes[i];
      if (one->low[level] < low) low = one->low[level]; /* NOLINT: add_boxes has filled them */
      if (one->high[level] > high) high = one->high[level];
      length += (double)(one->high[level] - one->low[level]);
    }
    double at_once = length / (double)(high - low);
    if (level > 0 && at_once >= fewest) continue;
    best = level;
    fewest = at_once;
  }
  return best;
}

static int slot_order(const void *a, const void *b) {
  const slot *x = a, *y = b;
  return (x->low > y->low) - (x->low < y->low);
}

/* Compares a box with those that its place on the axis is in, and leaves those out
 * that ended before it. */
static bool compare_in_reach(const group *in, const slot *one, slot *open, size_t *count,
                             vc_overlap *out) {
  size_t kept = 0;
  for (size_t i = 0; i < *count; i++) {
    if (open[i].high <= one->low) continue;
    open[kept++] = open[i];
    if (boxes_meet(in, one->box, open[i].box, out)) return true;
  }
  *count = kept;
  return false;
}

/* Sources are compared with destinations only, and these with all. */
static bool sweep(group *in, vc_overlap *out) {
  slot *slots = in->slots, *open[2] = {slots + in->space, slots + 2 * in->space};
  size_t counts[2] = {0, 0};
  int32_t axis = best_axis(in);
  for (size_t i = 0; i < in->boxes_used; i++) {
    const box *one = &in->boxes[i];
    slots[i] = (slot){one->low[axis], one->high[axis], one};
  }
  qsort(slots, in->boxes_used, sizeof *slots, slot_order);
  for (size_t i = 0; i < in->boxes_used; i++) {
    bool is_source = slots[i].box->of->is_source;
    if (compare_in_reach(in, &slots[i], open[0], &counts[0], out)) return true;
    if (!is_source && compare_in_reach(in, &slots[i], open[1], &counts[1], out)) return true;
    open[is_source][counts[is_source]++] = slots[i];
  }
  return false;
}

/* --- groups */

static vc_status new_boxes(group *out, size_t views, vc_error *error) {
  out->space = 4 * views;
  size_t boxes = out->space * sizeof *out->boxes, slots = 3 * out->space * sizeof *out->slots;
  out->boxes = vc_malloc(boxes + slots);
  if (!out->boxes) {
    return vc_fail(error, VC_ERROR_MEMORY, "no memory to compare %zu images of a list", views);
  }
  out->slots = (slot *)(void *)(out->boxes + out->space);
  return VC_OK;
}

static vc_status find_in_large(group *in, vc_overlap *out, vc_error *error) {
  VC_TRY(new_boxes(in, in->count, error));
  bool found = false;
  find_levels(in);
  for (size_t i = 0; i < in->count && !found; i++) {
    const entry *view = &in->entries[i];
    if (!add_boxes(in, view, in->entries[0].low)) found = compare_with_all(view, in, out);
  }
  if (!found && in->boxes_used > 1) sweep(in, out);
  free(in->boxes);
  return VC_OK;
}

static vc_status find_in_group(entry *entries, size_t count, vc_overlap *out, vc_error *error) {
  group in = {.entries = entries, .count = count};
  bool written = false;
  for (size_t i = 0; i < count && !written; i++) written = !entries[i].is_source;
  if (count < 2 || !written) return VC_OK;
  if (count > FEW) return find_in_large(&in, out, error);
  compare_all(entries, count, out);
  return VC_OK;
}

static vc_status find_in_groups(entry *entries, size_t count, vc_overlap *out, vc_error *error) {
  for (size_t i = 0; i < count;) {
    uintptr_t end = entries[i].high;
    size_t next = i + 1;
    for (; next < count && entries[next].low < end; next++) {
      if (entries[next].high > end) end = entries[next].high;
    }
    VC_TRY(find_in_group(&entries[i], next - i, out, error));
    if (out->kind != VC_OVERLAPS_NOTHING) return VC_OK;
    i = next;
  }
  return VC_OK;
}

/* --- all of them */

/* The same source many times is one source. */
static bool is_the_same(const entry *a, const entry *b) {
  return a->is_source && b->is_source && a->low == b->low && a->set.run == b->set.run &&
         a->set.axes == b->set.axes &&
         memcmp(a->set.axis, b->set.axis, (size_t)a->set.axes * sizeof *a->set.axis) == 0;
}

static size_t add_entries(const vc_view *views, size_t count, bool is_source, entry *to) {
  size_t added = 0;
  for (size_t i = 0; i < count; i++) {
    if (vc_view_is_empty(&views[i])) continue;
    entry *one = &to[added];
    *one = (entry){.set = vc_overlap_set_of(&views[i]), .index = i, .is_source = is_source};
    one->low = one->set.low;
    one->high = one->low + (uintptr_t)vc_overlap_extent(&one->set, 0);
    if (added == 0 || !is_the_same(one - 1, one)) added++;
  }
  return added;
}

static int entry_order(const void *a, const void *b) {
  const entry *x = a, *y = b;
  return (x->low > y->low) - (x->low < y->low);
}

static void sort_entries(entry *entries, size_t count) {
  bool sorted = true;
  for (size_t i = 1; i < count && sorted; i++) sorted = entries[i - 1].low <= entries[i].low;
  if (!sorted) qsort(entries, count, sizeof *entries, entry_order);
}

static vc_status find_in_list(const vc_view *to, size_t to_count, const vc_view *from,
                              size_t from_count, vc_overlap *out, vc_error *error) {
  size_t most = to_count + from_count;
  entry *entries = most <= SIZE_MAX / 16 / sizeof(box) ? vc_malloc(most * sizeof *entries) : NULL;
  if (!entries) {
    return vc_fail(error, VC_ERROR_MEMORY, "no memory to compare %zu images of a list", most);
  }
  size_t count = add_entries(to, to_count, false, entries);
  count += add_entries(from, from_count, true, entries + count);
  sort_entries(entries, count);
  vc_status status = find_in_groups(entries, count, out, error);
  free(entries);
  return status;
}

/* One destination: each source in turn. */
static void find_source(const vc_view *to, const vc_view *from, size_t count, vc_overlap *out) {
  for (size_t i = 0; i < count; i++) {
    if (!vc_views_overlap(to, &from[i])) continue;
    *out = (vc_overlap){VC_OVERLAPS_SOURCE, 0, i};
    return;
  }
}

vc_status vc_overlap_find(const vc_view *to, size_t to_count, const vc_view *from,
                          size_t from_count, vc_overlap *out, vc_error *error) {
  *out = (vc_overlap){VC_OVERLAPS_NOTHING, 0, 0};
  for (size_t i = 0; i < to_count; i++) {
    if (!vc_view_overlaps_itself(&to[i])) continue;
    *out = (vc_overlap){VC_OVERLAPS_ITSELF, i, i};
    return VC_OK;
  }
  if (to_count > 1) return find_in_list(to, to_count, from, from_count, out, error);
  if (to_count == 1) find_source(to, from, from_count, out);
  return VC_OK;
}

static vc_status check_views(const vc_view *views, size_t count, vc_error *error) {
  for (size_t i = 0; i < count; i++) VC_TRY(vc_view_check(&views[i], error));
  return VC_OK;
}

vc_status vc_views_find_overlap(const vc_view *to, size_t to_count, const vc_view *from,
                                size_t from_count, vc_overlap *out, vc_error *error) {
  if (to_count > 0) VC_NEED(to);
  if (from_count > 0) VC_NEED(from);
  VC_NEED(out);
  VC_TRY(check_views(to, to_count, error));
  VC_TRY(check_views(from, from_count, error));
  return vc_overlap_find(to, to_count, from, from_count, out, error);
}
