/* SPDX-License-Identifier: Apache-2.0 */
/* Selects the kernel that resizes the sources of a plan, and fills its parameters. */
#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "transform/dispatch.h"
#include "transform/geometry/geometry.h"

/* --- the images */

vc_resized vc_resized_of(const vc_geometry_item *item) {
  const vc_placement *at = &item->placement;
  return (vc_resized){.data = item->image.data,
                      .row = item->image.row,
                      .col = item->image.col,
                      .channel = item->image.channel,
                      .rows = (int32_t)item->rows,
                      .cols = (int32_t)item->cols,
                      .placed_rows = (int32_t)at->rows,
                      .placed_cols = (int32_t)at->cols,
                      .top = (int32_t)at->top,
                      .left = (int32_t)at->left,
                      .readable = (int32_t)item->cols};
}

/* Returns true if all images have one size, one set of strides and one distance from each other,
 * as the images of a batch have. */
static bool is_regular(const vc_geometry *geometry, int64_t *distance) {
  const vc_geometry_item *items = geometry->items;
  *distance = geometry->count > 1 ? items[1].image.data - items[0].image.data : 0;
  for (int64_t i = 1; i < geometry->count; i++) {
    if (items[i].image.data - items[i - 1].image.data != *distance) return false;
    if (items[i].image.row != items[0].image.row || items[i].image.col != items[0].image.col ||
        items[i].image.channel != items[0].image.channel) {
      return false;
    }
  }
  return geometry->alike;
}

static vc_status set_images(const vc_geometry *geometry, vc_launch *out, vc_error *error) {
  vc_resizing *resizing = &out->resizing;
  resizing->sources = geometry->count;
  resizing->generic.source = VC_SOURCE_STRIDES;
  resizing->image = vc_resized_of(&geometry->items[0]);
  bool regular = is_regular(geometry, &resizing->from_image);
  resizing->is_regular = regular && !geometry->boxes;
  if (resizing->is_regular) {
    const vc_placement *placed = &geometry->items[0].placement;
    resizing->row_scale = vc_axis_scale(geometry->items[0].rows, placed->rows);
    resizing->col_scale = vc_axis_scale(geometry->items[0].cols, placed->cols);
  }
  if (resizing->yuv.exist) return vc_dispatch_yuv_images(geometry, regular, out, error);
  if (regular) return VC_OK;
  bool fits = geometry->count <= VC_TABLE_RESIZED;
  resizing->generic.source = fits ? VC_SOURCE_TABLE : VC_SOURCE_MEMORY;
  if (!fits) VC_TRY(vc_take_list(out, geometry->count, sizeof(vc_resized), error));
  vc_resized *into = fits ? resizing->table : out->list;
  for (int64_t i = 0; i < geometry->count; i++) into[i] = vc_resized_of(&geometry->items[i]);
  return VC_OK;
}

static void set_boxes(const vc_view *boxes, vc_resizing *out) {
  int64_t size = (int64_t)vc_dtype_size(boxes->dtype);
  out->boxes = boxes->data;
  out->box_row = boxes->strides[0];
  out->box_col = boxes->strides[1];
  out->box_type = vc_element_of(boxes->dtype);
  out->box_size = (int32_t)size;
  out->box_names = boxes->shape[1] == 5;
  uint64_t bits =
      (uint64_t)(uintptr_t)boxes->data | (uint64_t)out->box_row | (uint64_t)out->box_col;
  out->boxes_aligned = bits % (uint64_t)size == 0;
}

static bool are_sources_aligned(const vc_geometry *geometry, int64_t size) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < geometry->count; i++) {
    const vc_resample_image *image = &geometry->items[i].image;
    bits |= (uint64_t)(uintptr_t)image->data | (uint64_t)(image->row | image->col | image->channel);
  }
  return bits % (uint64_t)size == 0;
}

/* --- the kernel */

#define LINEAR_KEY(to, in, out) {VC_LINEAR_##to, in, out},
static const struct {
  vc_linear_type to;
  int in, out;
} linear_kernels[] = {VC_LINEAR_KERNELS(LINEAR_KEY)};
enum { LINEAR_COUNT = sizeof linear_kernels / sizeof *linear_kernels };

static vc_linear_type linear_type(const vc_plan *plan) {
  if (plan->work == VC_WORK_MOVE) return VC_LINEAR_raw1;
  if (plan->work != VC_WORK_FLOAT) return VC_LINEAR_none;
  if (plan->to.code == VC_BFLOAT) return VC_LINEAR_bf16;
  if (plan->to.code != VC_FLOAT) return VC_LINEAR_none;
  return plan->to.bits == 16 ? VC_LINEAR_f16 : plan->to.bits == 32 ? VC_LINEAR_f32 : VC_LINEAR_none;
}

static bool is_u8(vc_dtype dtype) { return dtype.code == VC_UINT && dtype.bits == 8; }

/* Returns true if all sources have interleaved 8-bit pixels that are adjacent. */
static bool has_packed_pixels(const vc_plan *plan) {
  enum { MOST_COLS = INT32_MAX / (VC_CHANNELS_MAPPED + 1) }; /* kernels count bytes of a row */
  int32_t channels = plan->from_channels;
  if (!is_u8(plan->from) || plan->geometry->yuv) return false;
  for (int64_t i = 0; i < plan->geometry->count; i++) {
    const vc_geometry_item *item = &plan->geometry->items[i];
    if (channels > 1 && item->image.channel != 1) return false;
    if (item->cols > 1 && item->image.col != channels) return false;
    if (item->cols > MOST_COLS) return false;
  }
  return true;
}

/* Returns the number of channels of interleaved pixels of the destination, 0 for planes, -1 for
 * neither. */
static int destination_pixels(const vc_plan *plan) {
  int64_t size = (int64_t)vc_dtype_size(plan->to);
  const vc_strides *strides = &plan->to_strides;
  if (plan->cols == 1 || strides->col == size) return 0;
  bool packed = strides->channel == size && strides->col == size * plan->channels;
  return packed ? plan->channels : -1;
}

/* Returns true if each channel of the result comes from one of the first channels of the source,
 * as many as there are, or all come from the only one. */
static bool has_plain_channels(const vc_plan *plan) {
  uint32_t used = 0;
  for (int32_t c = 0; c < plan->channels; c++) {
    if (plan->map[c] == VC_CHANNEL_FILL) return false;
    used |= 1u << plan->map[c];
  }
  return plan->from_channels == 1 || used == (1u << plan->channels) - 1;
}

/* Returns true if linear kernels can work with a quarter of each coefficient: that is exact, except
 * for some of less than 2^-124. */
static bool has_plain_coefficients(const vc_plan *plan) {
  for (int32_t c = 0; plan->work == VC_WORK_FLOAT && c < plan->channels; c++) {
    volatile float a = (float)plan->a[c * plan->stride], quarter = a / 4;
    if (quarter * 4 != a) return false;
  }
  return true;
}

/* Returns the number of groups in which vc_read_yuv writes a plan's elements. */
static int32_t read_groups(const vc_plan *plan) { return vc_dtype_size(plan->to) < 4 ? 1 : 2; }

/* A kernel that writes in words: its number among all, and what it needs. */
typedef struct {
  int32_t kernel; /* -1: none is found */
  int out;        /* channels of interleaved pixels, 0 for planes */
  bool resizes;   /* a linear kernel; or one of VC_READ_KERNELS */
} word_kernel;

/* Returns a linear kernel of VC_LINEAR_KERNELS, or -1. */
static int find_packed(const vc_plan *plan, vc_linear_type to, int out) {
  for (int i = 0; i < LINEAR_COUNT; i++) {
    if (linear_kernels[i].to == to && linear_kernels[i].in == plan->from_channels &&
        linear_kernels[i].out == out) {
      return i;
    }
  }
  return -1;
}

static bool is_linear(const vc_plan *plan) {
  const int32_t interpolation = plan->geometry->interpolation;
  return interpolation == VC_LINEAR || interpolation == VC_NEAREST;
}

/* Sets the kernel that reads YUV images, if there is one. */
static void find_yuv(const vc_plan *plan, const vc_yuv_samples *samples, word_kernel *out) {
  const vc_resize_kernels kernels = vc_resize_kernels_find();
  bool writes = plan->channels == 3 && (out->out == 0 || out->out == 3);
  if (!writes || !vc_dispatch_yuv_reads(plan, samples)) return;
  if (vc_dispatch_yuv_direct(plan, samples)) {
    out->kernel = kernels.read + read_groups(plan) - 1;
    out->resizes = false;
  } else if (is_linear(plan)) {
    out->kernel = kernels.yuv + (samples->bits > 8);
  }
}

/* Returns the kernel for a plan. */
static word_kernel find_kernel(const vc_plan *plan, const vc_resizing *resizing) {
  const vc_linear_type to = linear_type(plan);
  word_kernel found = {-1, destination_pixels(plan), true};
  if (to == VC_LINEAR_none || !resizing->generic.to_aligned || !has_plain_channels(plan)) {
    return found;
  }
  if (plan->geometry->yuv) {
    find_yuv(plan, &resizing->yuv, &found);
  } else if (resizing->is_packed && is_linear(plan) && has_plain_coefficients(plan)) {
    int i = find_packed(plan, to, found.out);
    if (i >= 0) found.kernel = vc_resize_kernels_find().linear + i;
  }
  return found;
}

/* Returns true if all pixels of a thread begin where its words may be stored. */
static bool stores_words(const vc_plan *plan, int pixels, int out) {
  const vc_strides *strides = &plan->to_strides;
  int64_t bytes = (int64_t)vc_dtype_size(plan->to) * pixels * (out ? out : 1);
  uint64_t bits =
      (uint64_t)(uintptr_t)plan->to_data | (uint64_t)strides->image | (uint64_t)strides->row;
  if (!out && plan->channels > 1) bits |= (uint64_t)strides->channel;
  return plan->cols > 1 && bits % (uint64_t)VC_WIDEST(bytes) == 0;
}

/* --- the grid */

/* Divides the result into tiles of rows x cols. */
static vc_status set_tiles(const vc_plan *plan, int64_t tile_rows, int64_t tile_cols,
                           vc_launch *out, vc_error *error) {
  vc_resizing *resizing = &out->resizing;
  int64_t cols = (plan->cols - 1) / tile_cols + 1, rows = (plan->rows - 1) / tile_rows + 1, tiles;
  if (__builtin_mul_overflow(cols, rows, &tiles) ||
      __builtin_mul_overflow(tiles, plan->images, &tiles) || tiles > INT32_MAX) {
    return vc_fail(
        error, VC_ERROR_LAYOUT,
        "the destination has more elements than one launch can write; write it in parts");
  }
  resizing->by_col_tiles = vc_divide_by(cols);
  resizing->by_row_tiles = vc_divide_by(rows);
  out->grid[0] = (uint32_t)tiles;
  out->grid[1] = out->grid[2] = 1;
  return VC_OK;
}

int64_t vc_resize_blocks = 2048;

/* Returns true if consecutive rows of some image of the result may be made of a common row of the
 * source: the image is not reduced to a half or less. */
static bool shares_rows(const vc_geometry *geometry) {
  if (geometry->boxes) return true; /* not known here */
  for (int64_t i = 0; i < geometry->count; i++) {
    if (geometry->items[i].rows < 2 * geometry->items[i].placement.rows) return true;
  }
  return false;
}

/* Returns the number of rows that a thread makes: `most`, or fewer if that leaves processors of a
 * large GPU without work. */
static int32_t count_thread_rows(const vc_plan *plan, int64_t tile_cols, int32_t most) {
  double tiles = (double)plan->images * (double)((plan->cols - 1) / tile_cols + 1);
  double blocks = tiles * (double)plan->rows / VC_TILE_ROWS;
  int32_t rows = most;
  while (rows > 1 && blocks / rows < (double)vc_resize_blocks) rows /= 2;
  return rows;
}

static void set_source(const vc_plan *plan, vc_resizing *out) {
  const vc_geometry *geometry = plan->geometry;
  size_t size = vc_dtype_size(plan->from);
  out->work = plan->work;
  out->fit = geometry->fit;
  out->interpolation = geometry->interpolation;
  out->from_channels = plan->from_channels;
  out->is_u8 = is_u8(plan->from);
  out->wide = vc_rule_is_wide(plan->from);
  out->is_packed = has_packed_pixels(plan);
  out->swaps = plan->map[0] == 2;
  out->generic.from_aligned = are_sources_aligned(geometry, (int64_t)size);
  for (int32_t c = 0; c < plan->from_channels; c++) {
    out->pad[c] = 0;
    memcpy(&out->pad[c], geometry->pad + (size_t)c * size, size); /* little endian */
  }
  out->boxes = NULL;
  out->list = NULL;
  vc_dispatch_yuv_samples(geometry, &out->yuv);
  if (geometry->boxes) set_boxes(geometry->boxes, out);
}

/* Fills what the kernel needs to write elements. */
static void set_elements(const vc_plan *plan, const word_kernel *found, vc_resizing *out) {
  const vc_generic *generic = &out->generic;
  for (int32_t c = 0; c < plan->channels; c++) {
    bool by_source = found->out == 0 && plan->from_channels > 1;
    int32_t slot = by_source ? plan->map[c] : c;
    bool computes = plan->work == VC_WORK_FLOAT;
    float a = computes ? (float)generic->a[c * generic->stride] : 1;
    out->a[slot] = plan->geometry->yuv ? a : a / 4;
    out->b[slot] = computes ? (float)generic->b[c * generic->stride] : 0;
    out->plane[slot] = c * plan->to_strides.channel;
  }
}

/* Fills what a linear kernel needs. */
static vc_status set_linear(const vc_plan *plan, const word_kernel *found, vc_launch *out,
                            vc_error *error) {
  vc_resizing *resizing = &out->resizing;
  int size = (int)vc_dtype_size(plan->to), pixels = VC_LINEAR_PIXELS(size);
  int64_t tile_cols = (int64_t)VC_TILE_COLS * pixels * VC_LINEAR_GROUPS(size);
  resizing->words = stores_words(plan, pixels, found->out);
  /* Many rows save work where they share rows of the source; otherwise short threads end more
   * evenly. */
  int32_t most = shares_rows(plan->geometry) ? VC_LINEAR_ROWS : VC_LINEAR_ROWS / 2;
  resizing->thread_rows = count_thread_rows(plan, tile_cols, most);
  set_elements(plan, found, resizing);
  return set_tiles(plan, (int64_t)VC_TILE_ROWS * resizing->thread_rows, tile_cols, out, error);
}

/* Fills what vc_read_yuv needs. */
static vc_status set_read(const vc_plan *plan, const word_kernel *found, vc_launch *out,
                          vc_error *error) {
  int64_t rows = (int64_t)VC_TILE_ROWS << out->resizing.yuv.row_shift;
  const int32_t cols = VC_READ_COLS / read_groups(plan);
  out->resizing.words = stores_words(plan, cols, found->out);
  vc_dispatch_yuv_units(plan->geometry, cols, false, &out->resizing.yuv);
  set_elements(plan, found, &out->resizing);
  return set_tiles(plan, rows, (int64_t)VC_TILE_COLS * VC_READ_COLS, out, error);
}

/* Fills what kernels that make bytes need to write floats. */
static void set_floats(const vc_plan *plan, vc_resizing *out) {
  bool floats = plan->to.code == VC_FLOAT || plan->to.code == VC_BFLOAT;
  out->to_floats =
      plan->work == VC_WORK_FLOAT && floats && plan->to.bits <= 32 && out->generic.to_aligned;
  for (int32_t c = 0; out->to_floats && c < plan->channels; c++) {
    if (plan->map[c] == VC_CHANNEL_FILL) out->to_floats = false;
    out->a[c] = (float)out->generic.a[c * out->generic.stride];
    out->b[c] = (float)out->generic.b[c * out->generic.stride];
  }
}

/* Fills what the kernel for VC_AREA needs. */
static vc_status set_area(const vc_plan *plan, vc_launch *out, vc_error *error) {
  int32_t rows = count_thread_rows(plan, VC_TILE_COLS, VC_AREA_ROWS / VC_TILE_ROWS);
  out->resizing.thread_rows = rows;
  return set_tiles(plan, (int64_t)VC_TILE_ROWS * rows, VC_TILE_COLS, out, error);
}

/* Fills what the kernels for Pillow's filters need. */
static vc_status set_pillow(const vc_plan *plan, vc_launch *out, vc_error *error) {
  const vc_resize_kernels kernels = vc_resize_kernels_find();
  vc_yuv_samples *yuv = &out->resizing.yuv;
  out->kernel = kernels.pillow;
  if (yuv->exist && vc_dispatch_yuv_reads(plan, yuv)) {
    out->kernel = kernels.pillow_yuv;
    vc_dispatch_yuv_units(plan->geometry, VC_READ_COLS, true, yuv);
  }
  return set_tiles(plan, VC_PILLOW_ROWS, VC_TILE_COLS, out, error);
}

static vc_status set_kernel(const vc_plan *plan, vc_launch *out, vc_error *error) {
  vc_resize_kernels kernels = vc_resize_kernels_find();
  word_kernel found = find_kernel(plan, &out->resizing);
  if (found.kernel >= 0) {
    out->kernel = found.kernel;
    return found.resizes ? set_linear(plan, &found, out, error)
                         : set_read(plan, &found, out, error);
  }
  set_floats(plan, &out->resizing);
  if (plan->geometry->interpolation == VC_AREA && out->resizing.is_packed) {
    out->kernel = kernels.area;
    return set_area(plan, out, error);
  }
  if (out->resizing.is_u8 && vc_is_pillow(plan->geometry->interpolation)) {
    return set_pillow(plan, out, error);
  }
  out->kernel = kernels.any;
  return set_tiles(plan, VC_TILE_ROWS, VC_TILE_COLS, out, error);
}

vc_status vc_dispatch_resize(const vc_plan *plan, vc_launch *out, vc_error *error) {
  out->is_resizing = true;
  vc_generic_fill(plan, &out->resizing.generic);
  set_source(plan, &out->resizing);
  VC_TRY(set_kernel(plan, out, error));
  return set_images(plan->geometry, out, error);
}
