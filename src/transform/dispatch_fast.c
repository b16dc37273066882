/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dtype.h"
#include "transform/dispatch.h"

/* --- the fast kernels: the lists of launch.h, as a table */

enum { FAMILY_deinterleave = 1, FAMILY_interleave, FAMILY_shuffle, FAMILY_copy };
enum {
  TYPE_none,
  TYPE_u8,
  TYPE_f16,
  TYPE_bf16,
  TYPE_f32,
  TYPE_raw1,
  TYPE_raw2,
  TYPE_raw4,
  TYPE_raw8
};
enum {
  SIZE_u8 = 1,
  SIZE_f16 = 2,
  SIZE_bf16 = 2,
  SIZE_f32 = 4,
  SIZE_raw1 = 1,
  SIZE_raw2 = 2,
  SIZE_raw4 = 4,
  SIZE_raw8 = 8
};

#define KEY(family, from, to, channels) \
  ((uint32_t)(family) << 24 | (uint32_t)(from) << 20 | (uint32_t)(to) << 16 | (uint32_t)(channels))

/* Number of elements of a pixel that a thread loads and stores side by side. */
#define IN_deinterleave(channels) (channels)
#define OUT_deinterleave(channels) 1
#define IN_interleave(channels) 1
#define OUT_interleave(channels) (channels)
#define IN_shuffle(code) ((code) / 100)
#define OUT_shuffle(code) ((code) / 10 % 10)
#define IN_copy(channels) 1
#define OUT_copy(channels) 1

typedef struct fast_kernel {
  uint8_t unit;               /* pixels per thread */
  uint8_t from_word, to_word; /* bytes that loads and stores have at once */
  uint8_t from_size, to_size;
  bool shifts; /* also reads words from any byte */
} fast_kernel;

#define KERNEL_KEY(family, from, to, channels) \
  KEY(FAMILY_##family, TYPE_##from, TYPE_##to, channels),
static const uint32_t keys[] = {VC_FAST_KERNELS(KERNEL_KEY)};
enum { KERNELS = sizeof keys / sizeof *keys };

#define UNIT(family, from, to) VC_UNIT_##family(SIZE_##from, SIZE_##to)
#define KERNEL_ENTRY(family, from, to, channels)                            \
  {UNIT(family, from, to),                                                  \
   VC_WIDEST(UNIT(family, from, to) * SIZE_##from * IN_##family(channels)), \
   VC_WIDEST(UNIT(family, from, to) * SIZE_##to * OUT_##family(channels)),  \
   SIZE_##from,                                                             \
   SIZE_##to,                                                               \
   SIZE_##from == 1 && FAMILY_##family != FAMILY_interleave},
static const fast_kernel kernels[] = {VC_FAST_KERNELS(KERNEL_ENTRY)};

static int find_kernel(uint32_t key) {
  for (int i = 0; i < KERNELS; i++) {
    if (keys[i] == key) return i;
  }
  return -1;
}

/* --- the key of the kernel for a plan */

static int moved_type(vc_dtype dtype) {
  switch (dtype.bits) {
    case 8: return TYPE_raw1;
    case 16: return TYPE_raw2;
    case 32: return TYPE_raw4;
    default: return TYPE_raw8;
  }
}

static int computed_type(vc_dtype dtype) {
  if (dtype.code == VC_UINT && dtype.bits == 8) return TYPE_u8;
  if (dtype.code == VC_BFLOAT && dtype.bits == 16) return TYPE_bf16;
  if (dtype.code != VC_FLOAT || dtype.bits == 64) return TYPE_none;
  return dtype.bits == 16 ? TYPE_f16 : TYPE_f32;
}

static bool is_step(int64_t length, int64_t step, int64_t needed) {
  return length == 1 || step == needed;
}

/* Returns true if the channels of a pixel are adjacent, and the pixels of a row too. */
static bool is_interleaved(const vc_strides *strides, int64_t cols, int32_t channels,
                           int64_t size) {
  return channels > 1 && strides->channel == size && is_step(cols, strides->col, size * channels);
}

static bool is_planar(const vc_strides *strides, int64_t cols, int64_t size) {
  return is_step(cols, strides->col, size);
}

static uint32_t key_of(const vc_plan *plan) {
  bool moves = plan->work == VC_WORK_MOVE;
  int from = moves ? moved_type(plan->from) : computed_type(plan->from);
  int to = moves ? moved_type(plan->to) : computed_type(plan->to);
  int64_t from_size = (int64_t)vc_dtype_size(plan->from),
          to_size = (int64_t)vc_dtype_size(plan->to);
  bool in_pixels = is_interleaved(&plan->from_strides, plan->cols, plan->from_channels, from_size);
  bool in_planes = is_planar(&plan->from_strides, plan->cols, from_size);
  bool out_pixels = is_interleaved(&plan->to_strides, plan->cols, plan->channels, to_size);
  bool out_planes = is_planar(&plan->to_strides, plan->cols, to_size);
  bool spread = plan->from_channels == 1 && plan->channels > 1;
  if (out_pixels && (in_pixels || (spread && in_planes && from == TYPE_raw1))) {
    int code = plan->from_channels * 100 + plan->channels * 10 + (plan->map[0] == 2);
    return KEY(FAMILY_shuffle, from, to, code);
  }
  if (out_planes && (in_pixels || (spread && in_planes))) {
    return KEY(FAMILY_deinterleave, from, to, plan->from_channels);
  }
  if (in_planes && out_pixels) return KEY(FAMILY_interleave, from, to, plan->channels);
  if (in_planes && out_planes) return KEY(FAMILY_copy, from, to, 1);
  return 0;
}

/* --- the channels, in the order of the kernel */

/* Returns the kernel's index of destination channel c. Interleaved sources that become planes are
 * counted in the order of the source, all others in that of the destination. */
static int32_t slot_of(const vc_plan *plan, uint32_t family, int32_t c) {
  bool by_source = family == FAMILY_deinterleave && plan->from_channels > 1;
  return by_source && plan->map[c] != VC_CHANNEL_FILL ? plan->map[c] : c;
}

static void set_channels(const vc_plan *plan, uint32_t family, vc_fast *out) {
  out->channels = out->filled = plan->channels;
  for (int32_t c = 0; c < plan->channels; c++) {
    int32_t slot = slot_of(plan, family, c), source = plan->map[c];
    bool is_filled = source == VC_CHANNEL_FILL;
    if (is_filled) out->filled = c; /* the last one */
    int64_t from = is_filled ? 0 : source * plan->from_strides.channel;
    int64_t to = c * plan->to_strides.channel;
    out->plane[slot] = family == FAMILY_interleave ? from : to;
    out->from_plane[slot] = from;
    bool computes = plan->work == VC_WORK_FLOAT;
    out->a[slot] = computes ? (float)plan->a[c * plan->stride] : 1;
    out->b[slot] = computes ? (float)plan->b[c * plan->stride] : 0;
  }
}

/* --- alignment: the bitwise or of all addresses and strides */

static uint64_t plane_bits(const vc_plan *plan, int64_t channel) {
  return plan->channels > 1 ? (uint64_t)channel : 0;
}

static uint64_t source_bits(const vc_plan *plan, uint32_t family) {
  uint64_t bits = (uint64_t)plan->from_strides.row;
  if (family == FAMILY_interleave || family == FAMILY_copy) {
    bits |= plane_bits(plan, plan->from_strides.channel);
  }
  if (!plan->sources) {
    return bits | (uint64_t)(uintptr_t)plan->from_data | (uint64_t)plan->from_strides.image;
  }
  for (int64_t i = 0; i < plan->images; i++) bits |= (uint64_t)(uintptr_t)plan->sources[i].data;
  return bits;
}

static uint64_t destination_bits(const vc_plan *plan, uint32_t family) {
  uint64_t bits = (uint64_t)(uintptr_t)plan->to_data | (uint64_t)plan->to_strides.row |
                  (uint64_t)plan->to_strides.image;
  if (family == FAMILY_deinterleave || family == FAMILY_copy) {
    bits |= plane_bits(plan, plan->to_strides.channel);
  }
  return bits;
}

/* --- the units of a row */

/* Divides a row into units. Returns false if there are more threads, including those of the last
 * block, than 31 bits count. */
static bool set_units(const vc_plan *plan, int64_t unit, vc_fast *out) {
  int64_t units = (plan->cols - 1) / unit + 1;
  if (units > (INT32_MAX - VC_BLOCK) / plan->rows) return false;
  out->cols = plan->cols;
  out->rows = (uint32_t)plan->rows;
  out->unit = (int32_t)unit;
  out->by = vc_divide_by(units);
  return true;
}

static bool set_access(const vc_plan *plan, uint32_t family, const fast_kernel *kernel,
                       vc_fast *out) {
  uint64_t from = source_bits(plan, family), to = destination_bits(plan, family);
  bool from_fits = from % kernel->from_word == 0, to_fits = to % kernel->to_word == 0;
  if (from % kernel->from_size || to % kernel->to_size) return false;
  out->first_whole = out->whole = 0;
  out->shifted = !from_fits;
  if (!to_fits || (!from_fits && !kernel->shifts)) return set_units(plan, 1, out);
  if (!set_units(plan, kernel->unit, out)) return false;
  /* Shifted words reach up to three bytes beyond a unit, before it and after it: not for the first
   * one, nor for one with fewer pixels than three behind it. */
  int64_t spare = out->shifted ? 3 : 0;
  out->first_whole = out->shifted ? 1 : 0;
  out->whole = plan->cols > spare ? (uint32_t)((plan->cols - spare) / kernel->unit) : 0;
  return true;
}

/* --- planar channels beyond the number that kernels count, treated as images */

static bool keeps_order(const vc_plan *plan) {
  if (plan->channels != plan->from_channels || plan->stride != 0) return false;
  if (plan->channels > VC_CHANNELS_MAPPED) return !plan->reversed;
  for (int32_t c = 0; c < plan->channels; c++) {
    if (plan->map[c] != c) return false;
  }
  return true;
}

/* Turns channels into images, for planes at one distance from each other that continues from
 * image to image. Returns true if that is possible; the result is `plan` with the fields that
 * *out holds. */
static bool fold_channels(const vc_plan *plan, vc_plan *out) {
  const vc_strides *from = &plan->from_strides, *to = &plan->to_strides;
  if (plan->channels <= VC_CHANNELS_MAPPED || plan->sources || !keeps_order(plan)) return false;
  if (plan->images > 1 && (from->image != from->channel * plan->channels ||
                           to->image != to->channel * plan->channels)) {
    return false;
  }
  *out = *plan;
  out->images *= plan->channels;
  out->from_strides.image = from->channel;
  out->to_strides.image = to->channel;
  out->from_strides.channel = out->to_strides.channel = 0;
  out->channels = out->from_channels = 1;
  out->map[0] = 0;
  return true;
}

/* --- all of it */

static bool fill_launch(const vc_plan *plan, vc_launch *out) {
  enum { MOST_IMAGES = 65535 }; /* of a grid's second axis */
  if (plan->channels > VC_CHANNELS_MAPPED || plan->from_channels > VC_CHANNELS_MAPPED) return false;
  if (plan->images > MOST_IMAGES || !plan->alike) return false;
  uint32_t key = key_of(plan), family = key >> 24;
  int found = find_kernel(key);
  vc_fast *fast = &out->fast;
  if (found < 0 || !set_access(plan, family, &kernels[found], fast)) return false;
  fast->to = plan->to_data;
  fast->from = plan->from_data;
  fast->images = NULL;
  fast->to_image = plan->to_strides.image;
  fast->from_image = plan->from_strides.image;
  fast->to_row = plan->to_strides.row;
  fast->from_row = plan->from_strides.row;
  fast->fill = plan->fill;
  set_channels(plan, family, fast);
  out->is_generic = false;
  out->kernel = found;
  out->grid[0] = (fast->by.divisor * fast->rows + VC_BLOCK - 1) / VC_BLOCK;
  out->grid[1] = (uint32_t)plan->images;
  out->grid[2] = family == FAMILY_copy ? (uint32_t)plan->channels : 1;
  return true;
}

bool vc_dispatch_fast(const vc_plan *plan, vc_launch *out) {
  vc_plan folded;
  if (plan->work != VC_WORK_MOVE && plan->work != VC_WORK_FLOAT) return false;
  return fill_launch(fold_channels(plan, &folded) ? &folded : plan, out);
}
