/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of kernels that read and write YUV images. */

#include "core/error.h"
#include "transform/colour/colour.h"
#include "transform/dispatch.h"
#include "transform/geometry/geometry.h"

/* --- reading */

static int64_t sample_size(const vc_yuv_samples *samples) { return samples->bits > 8 ? 2 : 1; }

/* Their luma is adjacent, their chroma has one stride, bytes of a row are counted with 32 bits, and
 * rows of U at one address are one row of chroma. */
bool vc_dispatch_yuv_reads(const vc_plan *plan, const vc_yuv_samples *samples) {
  enum { MOST_COLS = INT32_MAX / 4 };
  const vc_geometry *geometry = plan->geometry;
  const int64_t size = sample_size(samples), col = geometry->items[0].image.yuv->col[1];
  if (!samples->uses_sums || (size > 1 && !samples->aligned)) return false;
  if (col < size || col > 2 * size) return false;
  for (int64_t i = 0; i < geometry->count; i++) {
    const vc_geometry_item *item = &geometry->items[i];
    const int64_t *cols = item->image.yuv->col;
    const int64_t *rows = item->image.yuv->row;
    if (cols[0] != size || cols[1] != col || cols[2] != col) return false;
    if (rows[1] == 0 && rows[2] != 0) return false;
    if (item->image.left + item->cols > MOST_COLS) return false;
  }
  return true;
}

bool vc_dispatch_yuv_direct(const vc_plan *plan, const vc_yuv_samples *samples) {
  const vc_geometry *geometry = plan->geometry;
  if (geometry->boxes) return false;
  for (int64_t i = 0; i < geometry->count; i++) {
    const vc_geometry_item *item = &geometry->items[i];
    const vc_placement *at = &item->placement;
    if (at->top || at->left || at->rows != item->rows || at->cols != item->cols) return false;
    if (item->rows != plan->rows || item->cols != plan->cols) return false;
    if (item->image.top & samples->row_shift || item->image.left & samples->col_shift) return false;
  }
  return true;
}

/* Returns how kernels can load the chroma of an image whose units begin with column `first`: pairs
 * of U and V, or samples of each, for the columns of a group. */
static vc_unit chroma_unit_of(const vc_resample_image *image, int64_t first, int32_t group) {
  const vc_yuv_source *yuv = image->yuv;
  const int64_t size = yuv->bits > 8 ? 2 : 1, apart = yuv->data[2] - yuv->data[1];
  const bool pairs = yuv->col[1] == 2 * size, adjacent = yuv->col[1] == size;
  uint64_t offset = (uint64_t)((first >> yuv->col_shift) * yuv->col[1]), bits = 0;
  for (int k = 1; k < 3; k++) {
    bool inside = pairs && (k == 1) != (apart > 0); /* the second of a pair */
    bits |= (uint64_t)yuv->row[k];
    if (!inside) bits |= (uint64_t)(uintptr_t)yuv->data[k] + offset;
  }
  const uint64_t cols = (uint64_t)(adjacent ? group >> yuv->col_shift : group);
  if (bits % (cols * (uint64_t)size) != 0) return VC_UNIT_ELEMENTS;
  if (adjacent) return VC_UNIT_PLANES;
  bool paired = yuv->col_shift && pairs && (apart == size || apart == -size);
  return paired && yuv->row[1] == yuv->row[2] ? VC_UNIT_PACKED : VC_UNIT_ELEMENTS;
}

void vc_dispatch_yuv_units(const vc_geometry *geometry, int32_t cols, bool whole,
                           vc_yuv_samples *out) {
  uint64_t luma = 0;
  for (int64_t i = 0; i < geometry->count; i++) {
    const vc_resample_image *image = &geometry->items[i].image;
    const int64_t before = whole ? image->left : 0;
    const vc_unit unit = chroma_unit_of(image, image->left - before, cols);
    luma |= (uint64_t)(uintptr_t)image->data - (uint64_t)(before * sample_size(out));
    luma |= (uint64_t)image->row;
    if (i == 0) out->chroma_unit = unit;
    if (unit != out->chroma_unit) out->chroma_unit = VC_UNIT_ELEMENTS;
  }
  bool words = luma % (uint64_t)(cols * sample_size(out)) == 0;
  out->luma_unit = words ? VC_UNIT_PLANES : VC_UNIT_ELEMENTS;
}

static bool is_same_rule(const vc_yuv_rule *a, const vc_yuv_rule *b) {
  for (int c = 0; c < 3; c++) {
    const vc_yuv_channel *p = &a->channels[c], *q = &b->channels[c];
    if (p->y != q->y || p->u != q->u || p->v != q->v || p->half != q->half ||
        p->divisor != q->divisor) {
      return false;
    }
  }
  return a->black == b->black && a->least == b->least;
}

/* Returns the number of a rule among those of the launch, of which there are *count, and adds it if
 * it is new. */
static int32_t number_of(const vc_yuv_rule *rule, const vc_yuv_rule **rules, int32_t *count) {
  int32_t i = 0;
  while (i < *count && !is_same_rule(rules[i], rule)) i++;
  if (i == *count) rules[(*count)++] = rule;
  return i;
}

static vc_chroma chroma_of(const vc_resample_image *image, int32_t rule) {
  const vc_yuv_source *yuv = image->yuv;
  return (vc_chroma){.data = {yuv->data[1], yuv->data[2]},
                     .row = {yuv->row[1], yuv->row[2]},
                     .col = {yuv->col[1], yuv->col[2]},
                     .top = (int32_t)image->top,
                     .left = (int32_t)image->left,
                     .rule = rule};
}

/* Returns true if the chroma of all images is as far apart as their luma. */
static bool is_regular(const vc_geometry *geometry, int64_t distance) {
  const vc_resample_image *first = &geometry->items[0].image;
  for (int64_t i = 1; i < geometry->count; i++) {
    const vc_resample_image *image = &geometry->items[i].image;
    if (image->top != first->top || image->left != first->left) return false;
    for (int k = 1; k < 3; k++) {
      if (image->yuv->data[k] != first->yuv->data[k] + i * distance ||
          image->yuv->row[k] != first->yuv->row[k] || image->yuv->col[k] != first->yuv->col[k]) {
        return false;
      }
    }
  }
  return true;
}

static bool are_samples_aligned(const vc_geometry *geometry) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < geometry->count; i++) {
    const vc_yuv_source *yuv = geometry->items[i].image.yuv;
    for (int k = 0; k < 3; k++) {
      bits |= (uint64_t)(uintptr_t)yuv->data[k] | (uint64_t)yuv->row[k] | (uint64_t)yuv->col[k];
    }
  }
  return bits % 2 == 0;
}

void vc_dispatch_yuv_samples(const vc_geometry *geometry, vc_yuv_samples *out) {
  const vc_yuv_source *yuv = geometry->items[0].image.yuv;
  *out = (vc_yuv_samples){.exist = yuv != NULL};
  if (!yuv) return;
  out->aligned = are_samples_aligned(geometry);
  out->uses_sums = yuv->rule.shift != 0;
  out->chroma_col = (uint32_t)yuv->col[1];
  out->bits = yuv->bits;
  out->unused = yuv->unused;
  out->col_shift = yuv->col_shift;
  out->row_shift = yuv->row_shift;
}

vc_status vc_dispatch_yuv_images(const vc_geometry *geometry, bool regular, vc_launch *out,
                                 vc_error *error) {
  vc_resizing *resizing = &out->resizing;
  const vc_yuv_rule *rules[VC_YUV_RULES];
  int32_t count = 0;
  bool fits = geometry->count <= VC_TABLE_YUV;
  for (int64_t i = 0; i < geometry->count; i++) {
    number_of(&geometry->items[i].image.yuv->rule, rules, &count);
  }
  regular = regular && count == 1 && is_regular(geometry, resizing->from_image);
  resizing->is_regular = resizing->is_regular && regular;
  resizing->chroma = chroma_of(&geometry->items[0].image, 0);
  for (int32_t i = 0; i < count; i++) {
    if (resizing->yuv.uses_sums) {
      vc_yuv_sums_make(rules[i], &resizing->yuv_table.sums[i]);
    } else {
      resizing->yuv_table.rules[i] = *rules[i];
    }
  }
  if (regular) return VC_OK;
  resizing->generic.source = fits ? VC_SOURCE_TABLE : VC_SOURCE_MEMORY;
  if (!fits) VC_TRY(vc_take_list(out, geometry->count, sizeof(vc_resized_yuv), error));
  vc_resized_yuv *into = fits ? resizing->yuv_table.images : out->list;
  for (int64_t i = 0; i < geometry->count; i++) {
    const vc_resample_image *image = &geometry->items[i].image;
    into[i].image = vc_resized_of(&geometry->items[i]);
    into[i].chroma = chroma_of(image, number_of(&image->yuv->rule, rules, &count));
  }
  return VC_OK;
}

/* --- writing */

static vc_unit reads_of(const vc_yuv_writing *writing) {
  const char *const *from = writing->from;
  uint64_t bits = (uint64_t)writing->from_row | (uint64_t)(uintptr_t)from[0];
  int64_t apart = from[1] - from[0];
  if (writing->from_col == 1) {
    for (int i = 1; i < 3; i++) bits |= (uint64_t)(uintptr_t)from[i];
    return bits % 4 == 0 ? VC_UNIT_PLANES : VC_UNIT_ELEMENTS;
  }
  bool packed = writing->from_col == 3 && (apart == 1 || apart == -1) && from[2] - from[1] == apart;
  if (apart < 0) bits = (uint64_t)writing->from_row | (uint64_t)(uintptr_t)from[2];
  return packed && bits % 4 == 0 ? VC_UNIT_PACKED : VC_UNIT_ELEMENTS;
}

static bool is_aligned(const vc_yuv_writing *writing, int which, uint64_t size) {
  uint64_t bits = (uint64_t)(uintptr_t)writing->to[which] | (uint64_t)writing->to_row[which];
  return bits % size == 0;
}

static void set_stores(vc_yuv_writing *out) {
  const int64_t *col = out->to_col;
  int64_t apart = out->to[2] - out->to[1];
  uint64_t bytes = out->col_shift ? 2 : 4;
  out->writes_luma = out->writes_chroma = VC_UNIT_ELEMENTS;
  if (out->to_size != 1) return;
  if (col[0] == 1 && is_aligned(out, 0, 4)) out->writes_luma = VC_UNIT_PLANES;
  if (col[1] == 1 && col[2] == 1) {
    bool aligned = is_aligned(out, 1, bytes) && is_aligned(out, 2, bytes);
    if (aligned) out->writes_chroma = VC_UNIT_PLANES;
  } else if (out->col_shift && col[1] == 2 && col[2] == 2 && (apart == 1 || apart == -1) &&
             out->to_row[1] == out->to_row[2] && is_aligned(out, apart > 0 ? 1 : 2, 4)) {
    out->writes_chroma = VC_UNIT_PACKED;
  }
}

vc_status vc_dispatch_yuv_write(const vc_yuv_source *to, vc_yuv_writing *writing, vc_launch *out,
                                vc_error *error) {
  uint64_t bits = 0;
  int64_t blocks = (writing->rows + (1 << to->row_shift) - 1) >> to->row_shift;
  for (int i = 0; i < 3; i++) {
    writing->to[i] = (char *)(uintptr_t)to->data[i];
    writing->to_row[i] = to->row[i];
    writing->to_col[i] = to->col[i];
    bits |= (uint64_t)(uintptr_t)to->data[i] | (uint64_t)to->row[i] | (uint64_t)to->col[i];
  }
  writing->col_shift = to->col_shift;
  writing->row_shift = to->row_shift;
  writing->unused = to->unused;
  writing->to_size = to->bits > 8 ? 2 : 1;
  writing->to_aligned = bits % (uint64_t)writing->to_size == 0;
  writing->reads = reads_of(writing);
  set_stores(writing);
  writing->units = (writing->cols - 1) / VC_WRITTEN_COLS + 1;
  writing->total = writing->units * blocks; /* both are less than 2^31 */
  if (writing->total > INT32_MAX) {
    return vc_fail(error, VC_ERROR_LAYOUT,
                   "the image has more pixels than one launch can write; write it in parts");
  }
  writing->by_units = vc_divide_by(writing->units);
  *out = (vc_launch){.kernel = vc_resize_kernels_find().write, .writing = *writing};
  out->grid[0] = (uint32_t)((writing->total - 1) / VC_BLOCK + 1);
  out->grid[1] = out->grid[2] = 1;
  return VC_OK;
}
