/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/tile.h"

/* Bytes of one plane of a tile. Planes lie a little further apart: a load from an address that is
 * 4 KiB away from a recent store is slow. */
#define PLANE 4096
#define APART (PLANE + 192)

typedef struct workspace {
  _Alignas(64) char in[VC_CHANNELS_MAPPED][APART];
  _Alignas(64) char out[VC_CHANNELS_MAPPED][APART];
  _Alignas(64) char merged[VC_CHANNELS_MAPPED * PLANE + 192];
  _Alignas(64) char work[PLANE];
} workspace;

/* A tile while it is converted. */
typedef struct tile {
  const char *from;
  vc_strides from_strides;
  char *to;
  size_t n;
  char *planes[VC_CHANNELS_MAPPED]; /* the source's channels, where they were split */
} tile;

/* --- preparing */

static bool is_interleaved(const vc_strides *strides, int32_t channels, size_t size) {
  return channels >= 2 && channels <= VC_CHANNELS_MAPPED && strides->channel == (int64_t)size &&
         strides->col == (int64_t)size * channels;
}

static void prepare_near(vc_shuffle *shuffle) {
  size_t pixel = shuffle->to_bytes;
  shuffle->is_near = shuffle->from_bytes == pixel && VC_NEAR % pixel == 0; /* NOLINT: not 0 */
  for (size_t byte = 0; shuffle->is_near && byte < pixel; byte++) {
    int away = shuffle->source[byte] - (int)byte; /* a fill is far away */
    if (away < -8 || away > 8) shuffle->is_near = false;
    for (size_t at = byte; at < VC_NEAR; at += pixel) shuffle->from_here[at] = (int8_t)away;
  }
}

static void prepare_shuffle(const vc_plan *plan, vc_tiles *out) {
  size_t size = out->to_size;
  out->shuffle = (vc_shuffle){.from_bytes = size * (size_t)plan->from_channels,
                              .to_bytes = size * (size_t)plan->channels};
  for (size_t byte = 0; byte < out->shuffle.to_bytes; byte++) {
    int32_t source = plan->map[byte / size];
    if (source == VC_CHANNEL_FILL) {
      out->shuffle.source[byte] = 0x80;
      out->shuffle.fill[byte] = (uint8_t)(plan->fill >> (8 * (byte % size)));
    } else {
      out->shuffle.source[byte] = (uint8_t)((size_t)source * size + byte % size);
    }
  }
  prepare_near(&out->shuffle);
}

static bool can_shuffle(const vc_plan *plan, const vc_tiles *tiles) {
  int32_t most = plan->channels > plan->from_channels ? plan->channels : plan->from_channels;
  bool one = plan->from_channels == 1 && plan->from_strides.col == (int64_t)tiles->from_size;
  return plan->work == VC_WORK_MOVE && plan->alike && tiles->merges &&
         tiles->to_size * (size_t)most <= sizeof tiles->shuffle.source &&
         (one || is_interleaved(&plan->from_strides, plan->from_channels, tiles->from_size));
}

static int64_t tile_length(const vc_plan *plan, const vc_tiles *tiles) {
  if (tiles->shuffles) { /* these need no scratch */
    size_t in = tiles->shuffle.from_bytes, out = tiles->shuffle.to_bytes;
    return (int64_t)(12 * PLANE / (in > out ? in : out) / 64 * 64);
  }
  size_t widest = plan->work == VC_WORK_MOVE ? 1 : plan->work == VC_WORK_FLOAT ? 4 : 8;
  if (tiles->from_size > widest) widest = tiles->from_size;
  if (tiles->to_size > widest) widest = tiles->to_size;
  int64_t length = (int64_t)(PLANE / widest);
  if (plan->channels <= VC_CHANNELS_MAPPED) return length;
  /* Each channel goes over the whole tile again. */
  int64_t pixels = 4 * PLANE / ((int64_t)widest * plan->channels);
  return pixels < 16 ? 16 : pixels < length ? pixels : length;
}

void vc_tiles_prepare(const vc_plan *plan, const vc_row_kernels *kernels, bool streams,
                      vc_tiles *out) {
  *out = (vc_tiles){.plan = plan, .row_kernels = kernels};
  out->from = vc_type_of(plan->from);
  out->to = vc_type_of(plan->to);
  out->from_size = vc_dtype_size(plan->from);
  out->to_size = vc_dtype_size(plan->to);
  out->from_log = vc_size_index(out->from_size);
  out->to_log = vc_size_index(out->to_size);
  out->merges = is_interleaved(&plan->to_strides, plan->channels, out->to_size);
  bool planes = plan->to_strides.col == (int64_t)out->to_size;
  out->streams = streams && kernels->stream && (planes || out->merges);
  out->shuffles = can_shuffle(plan, out);
  if (out->shuffles) prepare_shuffle(plan, out);
  out->length = tile_length(plan, out);
  out->at_once = plan->work == VC_WORK_FLOAT && plan->channels == 3 && plan->map[0] >= 0;
  for (int32_t c = 0; out->at_once && c < 3; c++) {
    out->a[c] = (float)plan->a[c * plan->stride];
    out->b[c] = (float)plan->b[c * plan->stride];
  }
}

/* --- values */

/* Converts a row of one channel, which is packed on both sides. */
static void convert(const vc_tiles *tiles, int32_t channel, const void *from, void *to, size_t n,
                    void *work) {
  const vc_row_kernels *kernels = tiles->row_kernels;
  const vc_plan *plan = tiles->plan;
  vc_type in = tiles->from, out = tiles->to;
  int64_t which = (int64_t)channel * plan->stride;
  switch (plan->work) {
    case VC_WORK_MOVE: memcpy(to, from, n * tiles->to_size); return;
    case VC_WORK_INTEGER:
      if (kernels->int_from[in] && kernels->from_int[out]) {
        kernels->int_from[in](from, work, n);
        kernels->from_int[out](work, to, n);
      } else {
        kernels->long_from[in](from, work, n);
        kernels->from_long[out](work, to, n);
      }
      return;
    case VC_WORK_FLOAT:
      kernels->float_from[in](from, out == VC_TYPE_F32 ? to : work, n, (float)plan->a[which],
                              (float)plan->b[which]);
      if (out != VC_TYPE_F32) kernels->from_float[out](work, to, n);
      return;
    case VC_WORK_DOUBLE:
      kernels->double_from[in](from, out == VC_TYPE_F64 ? to : work, n, plan->a[which],
                               plan->b[which]);
      if (out != VC_TYPE_F64) kernels->from_double[out](work, to, n);
      return;
  }
}

static void fill(const vc_tiles *tiles, void *to, size_t n) {
  uint64_t bits = tiles->plan->fill;
  size_t size = tiles->to_size;
  if (size == 1) {
    memset(to, (int)bits, n);
    return;
  }
  for (size_t i = 0; i < n; i++) vc_store_bits((char *)to + i * size, size, bits);
}

/* --- channels */

static int32_t source_of(const vc_plan *plan, int32_t channel) {
  if (plan->channels <= VC_CHANNELS_MAPPED) return plan->map[channel];
  return plan->reversed ? plan->channels - 1 - channel : channel;
}

static bool is_strided(const vc_tiles *tiles, const tile *at) {
  return at->n > 1 && at->from_strides.col != (int64_t)tiles->from_size;
}

/* Splits u8 pixels of three channels and writes the planes in the same loop: with non-temporal
 * stores, or with conversion to floating planes. Returns false if there is no row kernel for
 * that. */
static bool split_at_once(const vc_tiles *tiles, const tile *at) {
  const vc_plan *plan = tiles->plan;
  if (plan->channels != 3 || plan->from_channels != 3 || tiles->from_size != 1) return false;
  void *planes[3];
  float a[3], b[3];
  for (int32_t c = 0; c < 3; c++) {
    planes[plan->map[c]] = at->to + c * plan->to_strides.channel;
    a[plan->map[c]] = tiles->a[c];
    b[plan->map[c]] = tiles->b[c];
  }
  if (plan->work == VC_WORK_MOVE) {
    return tiles->streams && tiles->row_kernels->split_stream(at->from, planes, at->n);
  }
  if (!tiles->at_once || tiles->from != VC_TYPE_U8 || !tiles->row_kernels->split_to[tiles->to]) {
    return false;
  }
  tiles->row_kernels->split_to[tiles->to](at->from, planes, at->n, a, b, tiles->streams);
  return true;
}

/* Splits interleaved pixels into planes, which are those of the destination if nothing else
 * happens to the pixels. Returns true if the tile is finished. */
static bool split(const vc_tiles *tiles, tile *at, workspace *space) {
  const vc_plan *plan = tiles->plan;
  at->planes[0] = NULL;
  if (!is_interleaved(&at->from_strides, plan->from_channels, tiles->from_size)) return false;
  bool planes = plan->to_strides.col == (int64_t)tiles->to_size;
  bool last = planes && plan->work == VC_WORK_MOVE;
  if (planes && split_at_once(tiles, at)) return true;
  for (int32_t c = 0; c < plan->from_channels; c++) at->planes[c] = space->in[c];
  for (int32_t c = 0; last && !tiles->streams && c < plan->channels; c++) {
    if (plan->map[c] != VC_CHANNEL_FILL) {
      at->planes[plan->map[c]] = at->to + c * plan->to_strides.channel;
    }
  }
  tiles->row_kernels->split[tiles->from_log][plan->from_channels - 2](at->from, (void **)at->planes,
                                                                      at->n);
  return false;
}

/* Returns the packed row of one channel of the source, in `scratch` if it had to be gathered. */
static const char *take(const vc_tiles *tiles, const tile *at, int32_t source, char *scratch) {
  if (at->planes[0]) return at->planes[source];
  const char *from = at->from + source * at->from_strides.channel;
  if (!is_strided(tiles, at)) return from;
  tiles->row_kernels->gather[tiles->from_log](from, at->from_strides.col, scratch, at->n);
  return scratch;
}

/* Writes a packed row to a channel of the destination. */
static void put(const vc_tiles *tiles, const tile *at, const char *row, char *to) {
  size_t bytes = at->n * tiles->to_size;
  int64_t step = tiles->plan->to_strides.col;
  if (step != (int64_t)tiles->to_size && at->n > 1) {
    tiles->row_kernels->scatter[tiles->to_log](row, to, step, at->n);
  } else if (tiles->streams) {
    tiles->row_kernels->stream(row, to, bytes);
  } else if (row != to) {
    memcpy(to, row, bytes);
  }
}

/* Returns the packed row of one channel of the destination, in `scratch` or wherever it already
 * is. */
static const char *make(const vc_tiles *tiles, const tile *at, int32_t channel, char *in,
                        char *scratch, workspace *space) {
  int32_t source = source_of(tiles->plan, channel);
  if (source == VC_CHANNEL_FILL) {
    fill(tiles, scratch, at->n);
    return scratch;
  }
  bool moves = tiles->plan->work == VC_WORK_MOVE;
  const char *row = take(tiles, at, source, moves ? scratch : in);
  if (moves) return row;
  convert(tiles, channel, row, scratch, at->n, space->work);
  return scratch;
}

static void write_planes(const vc_tiles *tiles, const tile *at, workspace *space) {
  const vc_plan *plan = tiles->plan;
  bool direct = !tiles->streams && plan->to_strides.col == (int64_t)tiles->to_size;
  for (int32_t c = 0; c < plan->channels; c++) {
    char *to = at->to + c * plan->to_strides.channel;
    char *scratch = direct ? to : space->out[0];
    put(tiles, at, make(tiles, at, c, space->in[0], scratch, space), to);
  }
}

/* Converts floating planes to u8 pixels of three channels in one loop. Returns false if there is
 * no row kernel for that. */
static bool merge_at_once(const vc_tiles *tiles, const tile *at, workspace *space) {
  if (!tiles->at_once || tiles->to != VC_TYPE_U8 || !tiles->row_kernels->merge_from[tiles->from]) {
    return false;
  }
  const void *rows[3];
  for (int32_t c = 0; c < 3; c++) rows[c] = take(tiles, at, tiles->plan->map[c], space->in[c]);
  tiles->row_kernels->merge_from[tiles->from](rows, at->to, at->n, tiles->a, tiles->b,
                                              tiles->streams);
  return true;
}

static void write_interleaved(const vc_tiles *tiles, const tile *at, workspace *space) {
  const vc_plan *plan = tiles->plan;
  const void *rows[VC_CHANNELS_MAPPED];
  if (merge_at_once(tiles, at, space)) return;
  for (int32_t c = 0; c < plan->channels; c++) {
    rows[c] = make(tiles, at, c, space->in[0], space->out[c], space);
  }
  if (tiles->streams && tiles->to_size == 1 && plan->channels == 3) {
    tiles->row_kernels->merge_stream(rows, at->to, at->n);
    return;
  }
  char *to = tiles->streams ? space->merged : at->to;
  tiles->row_kernels->merge[tiles->to_log][plan->channels - 2](rows, to, at->n);
  if (tiles->streams) {
    tiles->row_kernels->stream(to, at->to, at->n * (size_t)plan->to_strides.col);
  }
}

static void shuffle(const vc_tiles *tiles, tile *at, workspace *space) {
  const vc_row_kernels *kernels = tiles->row_kernels;
  const vc_shuffle *how = &tiles->shuffle;
  if (!tiles->streams) {
    kernels->shuffle(how, at->from, at->to, at->n);
    return;
  }
  if (kernels->shuffle_stream(how, at->from, at->to, at->n)) return;
  for (size_t done = 0, now; done < at->n; done += now) {
    now = at->n - done < PLANE / tiles->to_size ? at->n - done : PLANE / tiles->to_size;
    kernels->shuffle(how, at->from + done * how->from_bytes, space->merged, now);
    kernels->stream(space->merged, at->to + done * how->to_bytes, now * how->to_bytes);
  }
}

static void write_tile(const vc_tiles *tiles, tile *at, workspace *space) {
  if (tiles->shuffles) {
    shuffle(tiles, at, space);
    return;
  }
  if (split(tiles, at, space)) return;
  if (tiles->merges) {
    write_interleaved(tiles, at, space);
  } else {
    write_planes(tiles, at, space);
  }
}

/* --- rows */

static char *start_of(const vc_plan *plan, int64_t image, int64_t row) {
  return plan->to_data + image * plan->to_strides.image + row * plan->to_strides.row;
}

/* Returns the number of pixels between the preceding cache line and `to`, or 0 if no pixel starts
 * at a line. */
static int64_t past_line(const vc_tiles *tiles, const char *to) {
  int64_t step = tiles->plan->to_strides.col;
  for (int64_t past = 0; past <= VC_MOST_PAST && past < tiles->length; past++) {
    if ((((uintptr_t)to - (uint64_t)(past * step)) & 63) == 0) return past;
  }
  return 0;
}

int64_t vc_tiles_past_line(const vc_tiles *tiles, int64_t image, int64_t row) {
  return past_line(tiles, start_of(tiles->plan, image, row));
}

/* Writes `n` pixels of a row. The first tile ends at a cache line. */
static void write_pixels(const vc_tiles *tiles, tile *at, int64_t n) {
  workspace space;
  int64_t length = tiles->length - past_line(tiles, at->to);
  for (; n > 0; length = tiles->length) {
    int64_t now = n < length ? n : length;
    at->n = (size_t)now;
    write_tile(tiles, at, &space);
    at->from += now * at->from_strides.col;
    at->to += now * tiles->plan->to_strides.col;
    n -= now;
  }
}

void vc_tiles_write(const vc_tiles *tiles, int64_t image, int64_t row, int64_t col, int64_t n) {
  const vc_plan *plan = tiles->plan;
  tile at = {.from_strides = plan->from_strides};
  at.from = plan->from_data + image * plan->from_strides.image;
  if (plan->sources) {
    at.from = plan->sources[image].data;
    if (!plan->alike) {
      at.from_strides = vc_plan_read_images(&plan->sources[image], plan->layout).strides;
    }
  }
  at.from += row * at.from_strides.row + col * at.from_strides.col;
  at.to = start_of(plan, image, row) + col * plan->to_strides.col;
  write_pixels(tiles, &at, n);
}

void vc_tiles_write_row(const vc_tiles *tiles, const char *from, int64_t image, int64_t row) {
  const vc_plan *plan = tiles->plan;
  tile at = {.from = from, .from_strides = plan->from_strides, .to = start_of(plan, image, row)};
  write_pixels(tiles, &at, plan->cols);
}
