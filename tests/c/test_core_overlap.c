/* SPDX-License-Identifier: Apache-2.0 */
/* vc_views_find_overlap against a count of all bytes: pairs, views that overlap
 * themselves, and lists; and what long lists of parts of one buffer cost. */
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "internal.h"

static vc_error error;

enum { MEMORY = 6000, MOST = 120 };
static char memory[MEMORY];

static unsigned long state = 20261127;

static int below(int end) {
  state = state * 6364136223846793005ul + 1442695040888963407ul;
  return (int)((state >> 33) % (unsigned long)end);
}

static vc_view view_of(void *data, int bits, int32_t ndim, const int64_t *shape,
                       const int64_t *strides) {
  vc_view view = {.data = data, .device = {VC_CPU, 0}, .ndim = ndim};
  view.dtype = (vc_dtype){VC_UINT, (uint8_t)bits};
  memcpy(view.shape, shape, (size_t)ndim * sizeof *shape);
  memcpy(view.strides, strides, (size_t)ndim * sizeof *strides);
  return view;
}

/* --- the reference */

/* Adds 1 to each byte of the view, once for each element. */
static void count_bytes(const vc_view *view, unsigned char *counts) {
  int64_t at[VC_MAX_NDIM] = {0};
  if (vc_view_is_empty(view)) return;
  for (;;) {
    int64_t place = (char *)view->data - memory;
    for (int32_t axis = 0; axis < view->ndim; axis++) place += at[axis] * view->strides[axis];
    for (size_t i = 0; i < vc_dtype_size(view->dtype); i++) {
      if (counts[place + (int64_t)i] < 2) counts[place + (int64_t)i]++;
    }
    int32_t axis = view->ndim - 1;
    while (axis >= 0 && ++at[axis] == view->shape[axis]) at[axis--] = 0;
    if (axis < 0) return;
  }
}

static bool really_overlaps_itself(const vc_view *view) {
  static unsigned char counts[MEMORY];
  memset(counts, 0, sizeof counts);
  count_bytes(view, counts);
  return memchr(counts, 2, sizeof counts) != NULL;
}

static bool really_overlap(const vc_view *a, const vc_view *b) {
  static unsigned char first[MEMORY], second[MEMORY];
  memset(first, 0, sizeof first);
  memset(second, 0, sizeof second);
  count_bytes(a, first);
  count_bytes(b, second);
  for (int i = 0; i < MEMORY; i++)
    if (first[i] && second[i]) return true;
  return false;
}

/* Whether anything is shared in a list, by a count of all bytes. */
static bool really_shares(const vc_view *to, size_t to_count, const vc_view *from,
                          size_t from_count) {
  static unsigned char written[MEMORY], read[MEMORY];
  memset(written, 0, sizeof written);
  memset(read, 0, sizeof read);
  for (size_t i = 0; i < to_count; i++) count_bytes(&to[i], written);
  for (size_t i = 0; i < from_count; i++) count_bytes(&from[i], read);
  for (int i = 0; i < MEMORY; i++)
    if (written[i] > 1 || (written[i] && read[i])) return true;
  return false;
}

static bool is_right(const vc_overlap *found, const vc_view *to, const vc_view *from) {
  switch (found->kind) {
    case VC_OVERLAPS_NOTHING: return true;
    case VC_OVERLAPS_ITSELF: return really_overlaps_itself(&to[found->to]);
    case VC_OVERLAPS_DESTINATION:
      return found->to < found->other && really_overlap(&to[found->to], &to[found->other]);
    default: return really_overlap(&to[found->to], &from[found->other]);
  }
}

/* Whether anything was found; that it is as the bytes say is checked. */
static bool find(const vc_view *to, size_t to_count, const vc_view *from, size_t from_count) {
  vc_overlap found;
  CHECK_OK(vc_views_find_overlap(to, to_count, from, from_count, &found, &error));
  bool shares = found.kind != VC_OVERLAPS_NOTHING;
  CHECK(shares == really_shares(to, to_count, from, from_count));
  CHECK(is_right(&found, to, from));
  return shares;
}

/* --- any strides */

static vc_view any_view(void) {
  int64_t shape[VC_MAX_NDIM], strides[VC_MAX_NDIM], low, high;
  int32_t ndim = 1 + below(VC_MAX_NDIM);
  static const int limits[] = {4, 12, 60, 250};
  int bits = 8 << below(4), limit = limits[below(4)];
  for (int32_t axis = 0; axis < ndim; axis++) {
    shape[axis] = below(20) ? 1 + below(5) : 0;
    strides[axis] = below(2 * limit + 1) - limit;
  }
  vc_view view = view_of(memory, bits, ndim, shape, strides);
  vc_view_span(&view, &low, &high);
  view.data = memory - low + below(MEMORY - (int)(high - low));
  return view;
}

/* Near each other, so that about half of them meet. */
static void test_any_pairs(void) {
  int shared = 0, apart = 0;
  for (int i = 0; i < 60000; i++) {
    vc_view views[2] = {any_view(), any_view()};
    int64_t low[2], high[2];
    for (int k = 0; k < 2; k++) vc_view_span(&views[k], &low[k], &high[k]);
    int64_t place = (char *)views[0].data - memory + low[0] - low[1] + below(60) - 20;
    if (place + low[1] >= 0 && place + high[1] <= MEMORY) views[1].data = memory + place;
    bool found = find(&views[0], 1, &views[1], 1);
    *(found ? &shared : &apart) += 1;
  }
  CHECK(shared > 10000 && apart > 10000);
}

static void test_themselves(void) {
  int shared = 0, apart = 0;
  for (int i = 0; i < 30000; i++) {
    vc_view view = any_view();
    bool found = find(&view, 1, NULL, 0);
    CHECK(found == really_overlaps_itself(&view));
    *(found ? &shared : &apart) += 1;
  }
  CHECK(shared > 2000 && apart > 2000);
}

static void test_any_lists(void) {
  for (int i = 0; i < 3000; i++) {
    vc_view to[MOST], from[MOST];
    size_t to_count = (size_t)below(4), from_count = (size_t)below(20);
    for (size_t k = 0; k < to_count; k++) to[k] = any_view();
    for (size_t k = 0; k < from_count; k++) from[k] = any_view();
    find(to, to_count, from, from_count);
  }
}

/* --- parts of a canvas */

/* A canvas of planes, rows, pixels and channels, pitched at will. */
typedef struct {
  int64_t shape[4], strides[4];
  int bits;
  char *data;
} canvas;

static canvas any_canvas(void) {
  canvas out = {.bits = 8 << below(3)};
  int64_t stride = out.bits / 8;
  const int most[4] = {3, 9, 9, 4};
  for (int axis = 4; axis-- > 0;) {
    out.shape[axis] = 1 + below(most[axis]);
    out.strides[axis] = stride;
    stride *= out.shape[axis];
    if (!below(3)) stride += below(5) * (out.bits / 8);
  }
  int64_t extent = stride;
  if (extent > MEMORY) return any_canvas();
  out.data = memory + below((int)(MEMORY - extent + 1));
  return out;
}

/* A box of it, every `step`th element along an axis, some axes backwards; as it is, or
 * without an axis of length 1. */
static vc_view part_of(const canvas *of, const int64_t *low, const int64_t *count,
                       const int64_t *step) {
  int64_t shape[4], strides[4];
  int32_t ndim = 0;
  char *data = of->data;
  for (int axis = 0; axis < 4; axis++) {
    data += of->strides[axis] * low[axis];
    if (count[axis] == 1 && (ndim > 0 || axis < 3) && below(2)) continue;
    shape[ndim] = count[axis];
    strides[ndim++] = of->strides[axis] * step[axis];
  }
  if (ndim == 0) shape[0] = 1, strides[0] = 1, ndim = 1;
  for (int32_t axis = 0; axis < ndim; axis++) {
    if (shape[axis] == 0 || below(4)) continue;
    data += strides[axis] * (shape[axis] - 1);
    strides[axis] = -strides[axis];
  }
  return view_of(data, of->bits, ndim, shape, strides);
}

typedef struct {
  int64_t low[4], count[4], step[4];
} tile;

/* Cuts tiles in two, or into every second element, until there are so many. */
static size_t cut(const canvas *of, size_t wanted, tile *tiles) {
  size_t count = 1;
  for (int axis = 0; axis < 4; axis++) {
    tiles[0].low[axis] = 0;
    tiles[0].count[axis] = of->shape[axis];
    tiles[0].step[axis] = 1;
  }
  for (int tries = 0; tries < 400 && count < wanted; tries++) {
    tile *one = &tiles[below((int)count)], other = *one;
    int axis = below(4);
    if (one->count[axis] < 2) continue;
    if (below(3)) {
      int64_t left = 1 + below((int)one->count[axis] - 1);
      other.low[axis] += left * one->step[axis];
      other.count[axis] -= left;
      one->count[axis] = left;
    } else {
      other.low[axis] += one->step[axis];
      other.count[axis] /= 2;
      one->count[axis] -= other.count[axis];
      one->step[axis] *= 2;
      other.step[axis] *= 2;
    }
    tiles[count++] = other;
  }
  return count;
}

/* Tiles without an overlap, some of which are sources, and now and then something else
 * that may lie across them. */
static void test_parts(void) {
  int shared = 0, apart = 0, large = 0;
  for (int i = 0; i < 20000; i++) {
    tile tiles[MOST];
    vc_view to[MOST + 2], from[MOST + 2];
    size_t to_count = 0, from_count = 0;
    canvas of = any_canvas();
    size_t count = cut(&of, (size_t)(2 + below(i % 2 ? 100 : 12)), tiles);
    for (size_t k = 0; k < count; k++) {
      vc_view view = part_of(&of, tiles[k].low, tiles[k].count, tiles[k].step);
      if (below(4)) {
        to[to_count++] = view;
      } else {
        from[from_count++] = view;
        if (!below(3)) from[from_count - 1] = from[below((int)from_count)];
      }
    }
    for (size_t k = to_count; k > 1; k--) { /* in any order */
      size_t other = (size_t)below((int)k);
      vc_view kept = to[k - 1];
      to[k - 1] = to[other];
      to[other] = kept;
    }
    if (!below(3)) {
      vc_view other = any_view();
      if (below(2))
        to[to_count++] = other;
      else
        from[from_count++] = other;
    }
    bool found = find(to, to_count, from, from_count);
    large += count > 20 && !found;
    *(found ? &shared : &apart) += 1;
  }
  CHECK(shared > 1000 && apart > 8000 && large > 1000);
}

/* --- strides that no image has */

static void test_unlike_strides(void) {
  vc_overlap found;
  /* Two pitches: rows that pass each other at 1 byte, or do not. */
  int64_t shape[] = {1000, 900}, first[] = {1201, 1}, second[] = {1409, 1};
  static char large[3000000];
  vc_view a = view_of(large, 8, 2, shape, first);
  vc_view b = view_of(large + 905, 8, 2, shape, second);
  CHECK_OK(vc_views_find_overlap(&a, 1, &b, 1, &found, &error));
  CHECK_INT(found.kind, VC_OVERLAPS_SOURCE);
  /* Every 6th and every 10th byte, an odd number of bytes apart. */
  int64_t one[] = {100000}, six[] = {6}, ten[] = {10};
  a = view_of(large, 8, 1, one, six);
  b = view_of(large + 301, 8, 1, one, ten);
  CHECK_OK(vc_views_find_overlap(&a, 1, &b, 1, &found, &error));
  CHECK_INT(found.kind, VC_OVERLAPS_NOTHING);
  b.data = large + 302;
  CHECK_OK(vc_views_find_overlap(&a, 1, &b, 1, &found, &error));
  CHECK_INT(found.kind, VC_OVERLAPS_SOURCE);
  /* Further apart than is counted: shared. */
  int64_t two[] = {2}, far[] = {(int64_t)1 << 61};
  a = view_of(large, 8, 1, two, far);
  b = view_of(large + 1, 8, 1, two, six);
  CHECK_OK(vc_views_find_overlap(&a, 1, &b, 1, &found, &error));
  CHECK_INT(found.kind, VC_OVERLAPS_SOURCE);
  far[0] = -1;
  shape[0] = -1;
  a = view_of(large, 8, 2, shape, first);
  CHECK_FAILS(vc_views_find_overlap(&a, 1, &b, 1, &found, &error), VC_ERROR_VALUE, "is -1 long");
  CHECK_FAILS(vc_views_find_overlap(&b, 1, &a, 1, &found, &error), VC_ERROR_VALUE, "is -1 long");
}

/* Strides next to each other: the only solution is far away. */
static void test_a_far_solution(void) {
  vc_overlap found;
  int64_t many[] = {(int64_t)1 << 26}, step = (int64_t)1 << 24;
  for (int64_t last = step - 4; last <= step - 3; last++) {
    int64_t count[] = {last + 1}, first[] = {step - 1}, second[] = {step};
    vc_view a = view_of(memory, 8, 1, count, first), b = view_of(memory + 3, 8, 1, many, second);
    CHECK_OK(vc_views_find_overlap(&a, 1, &b, 1, &found, &error));
    CHECK_INT(found.kind, last < step - 3 ? VC_OVERLAPS_NOTHING : VC_OVERLAPS_SOURCE);
  }
}

/* Sources that begin alike, and are not the same. */
static void test_sources_that_begin_alike(void) {
  int64_t shape[] = {3, 4}, strides[] = {40, 1}, one[] = {1, 4}, wide[] = {1, 600};
  vc_view from[] = {view_of(memory, 8, 2, one, strides), view_of(memory, 8, 2, shape, strides)};
  vc_view to[] = {view_of(memory + 40, 8, 2, one, strides),
                  view_of(memory + 500, 8, 2, one, strides)};
  CHECK(find(to, 2, from, 2));
  CHECK(!find(to, 2, from, 1));
  from[1] = view_of(memory, 8, 2, wide, strides);
  CHECK(find(to, 2, from, 2));
}

/* More places than are tried: the answer is "shared", and comes soon. */
static void test_too_many_places(void) {
  vc_overlap found;
  int64_t shape[] = {9000, 9001, 9007, 9011};
  int64_t first[] = {9000011 * 2, 8000009 * 2, 7000003 * 2, 6000011 * 2};
  int64_t second[] = {9100001 * 2, 8100013 * 2, 7100003 * 2, 6100019 * 2};
  vc_view a = view_of(memory, 8, 4, shape, first), b = view_of(memory + 1, 8, 4, shape, second);
  clock_t start = clock();
  CHECK_OK(vc_views_find_overlap(&b, 0, &a, 1, &found, &error));
  CHECK_INT(found.kind, VC_OVERLAPS_NOTHING);
  CHECK_OK(vc_views_find_overlap(&a, 1, &b, 1, &found, &error));
  CHECK(found.kind != VC_OVERLAPS_NOTHING);
  CHECK(clock() - start < CLOCKS_PER_SEC);
}

/* --- what long lists cost */

enum { LONG = 4096 };
typedef vc_view maker(int64_t index, int64_t count);

static char *buffer;

static vc_view apart(int64_t i, int64_t count) {
  int64_t place = i * 2654435761 % count * 4096; /* in no order */
  return view_of(buffer + place, 8, 3, (int64_t[]){16, 16, 3}, (int64_t[]){64, 3, 1});
}

static vc_view tiled(int64_t i, int64_t count) { /* 64 tiles side by side */
  (void)count;
  int64_t step = 64 * 8 * 3;
  return view_of(buffer + i / 64 * 8 * step + i % 64 * 24, 8, 3, (int64_t[]){8, 8, 3},
                 (int64_t[]){step, 3, 1});
}

static vc_view side_by_side(int64_t i, int64_t count) {
  return view_of(buffer + i * 8, 32, 3, (int64_t[]){3, 4, 2},
                 (int64_t[]){count * 32, count * 8, 4});
}

static vc_view column(int64_t i, int64_t count) {
  return view_of(buffer + i * 2, 16, 2, (int64_t[]){8, 8}, (int64_t[]){count * 16, count * 2});
}

static vc_view row(int64_t i, int64_t count) {
  return view_of(buffer + i * 20, 8, 2, (int64_t[]){8, 19}, (int64_t[]){count * 20, 1});
}

static vc_view channel(int64_t i, int64_t count) { /* of tiles of 4 channels */
  (void)count;
  int64_t step = 64 * 8 * 4, at = i / 4;
  return view_of(buffer + at / 64 * 8 * step + at % 64 * 32 + i % 4, 8, 2, (int64_t[]){8, 8},
                 (int64_t[]){step, 4});
}

static double time_of(maker *make, int64_t count) {
  static vc_view to[LONG], from[LONG];
  double best = 1e9;
  vc_overlap found;
  for (int64_t i = 0; i < count; i++) {
    to[i] = make(i, count);
    from[i] = view_of(memory, 8, 3, (int64_t[]){8, 8, 3}, (int64_t[]){24, 3, 1});
  }
  for (int run = 0; run < 9; run++) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    CHECK_OK(vc_views_find_overlap(to, (size_t)count, from, (size_t)count, &found, &error));
    clock_gettime(CLOCK_MONOTONIC, &end);
    CHECK_INT(found.kind, VC_OVERLAPS_NOTHING);
    double taken =
        (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    if (taken < best) best = taken;
  }
  to[count / 3] = to[count - 1];
  CHECK_OK(vc_views_find_overlap(to, (size_t)count, from, (size_t)count, &found, &error));
  CHECK_INT(found.kind, VC_OVERLAPS_DESTINATION);
  CHECK(found.to == (size_t)(count / 3) && found.other == (size_t)count - 1);
  return best;
}

/* Near-linear: 8 times as many images are to take less than 24 times as long, where
 * pairs would take 64 times. */
static void test_long_lists(void) {
  static maker *const makers[] = {apart, tiled, side_by_side, column, row, channel};
  static const char *const names[] = {"apart",   "tiles", "side by side",
                                      "columns", "rows",  "channels"};
  buffer = calloc((size_t)LONG, 4096);
  if (!buffer) abort();
  for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
    double few = time_of(makers[i], LONG / 8), many = time_of(makers[i], LONG);
    printf("%-12s %4d: %.2f us each, %4d: %.2f\n", names[i], LONG / 8, few / LONG * 8e6, LONG,
           many / LONG * 1e6);
    CHECK(many < 24 * few);
  }
  free(buffer);
}

int main(void) {
  test_any_pairs();
  test_themselves();
  test_any_lists();
  test_parts();
  test_unlike_strides();
  test_a_far_solution();
  test_sources_that_begin_alike();
  test_too_many_places();
  test_long_lists();
  return check_report();
}
