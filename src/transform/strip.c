/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/strip.h"

/* Bytes of one plane of a strip. They lie a little further apart: reading what is
 * 4 KiB away from what was just written is slow. */
#define PLANE 4096
#define APART (PLANE + 192)

typedef struct workspace {
  _Alignas(64) char in[VC_CHANNELS_MAPPED][APART];
  _Alignas(64) char out[VC_CHANNELS_MAPPED][APART];
  _Alignas(64) char merged[VC_CHANNELS_MAPPED * PLANE + 192];
  _Alignas(64) char work[PLANE];
} workspace;

/* One strip on its way. */
typedef struct strip {
  const char *from;
  vc_steps from_steps;
  char *to;
  size_t n;
  char *planes[VC_CHANNELS_MAPPED]; /* the source's channels, where they were split */
} strip;

/* --- preparing */

static int log_of(size_t size) { return size == 8 ? 3 : size == 4 ? 2 : size == 2; }

static bool is_interleaved(const vc_steps *steps, int32_t channels, size_t size) {
  return channels >= 2 && channels <= VC_CHANNELS_MAPPED && steps->channel == (int64_t)size &&
         steps->col == (int64_t)size * channels;
}

static void prepare_near(vc_shuffle *shuffle) {
  size_t pixel = shuffle->to_bytes;
  shuffle->is_near = shuffle->from_bytes == pixel && VC_NEAR % pixel == 0;
  for (size_t byte = 0; shuffle->is_near && byte < pixel; byte++) {
    int away = shuffle->source[byte] - (int)byte; /* a fill is far away */
    if (away < -8 || away > 8) shuffle->is_near = false;
    for (size_t at = byte; at < VC_NEAR; at += pixel) shuffle->from_here[at] = (int8_t)away;
  }
}

static void prepare_shuffle(const vc_plan *plan, vc_strips *out) {
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

static bool can_shuffle(const vc_plan *plan, const vc_strips *strips) {
  int32_t most = plan->channels > plan->from_channels ? plan->channels : plan->from_channels;
  bool one = plan->from_channels == 1 && plan->from_steps.col == (int64_t)strips->from_size;
  return plan->work == VC_WORK_MOVE && plan->alike && strips->merges &&
         strips->to_size * (size_t)most <= sizeof strips->shuffle.source &&
         (one || is_interleaved(&plan->from_steps, plan->from_channels, strips->from_size));
}

static int64_t strip_length(const vc_plan *plan, const vc_strips *strips) {
  if (strips->shuffles) { /* these need no room */
    size_t in = strips->shuffle.from_bytes, out = strips->shuffle.to_bytes;
    return (int64_t)(12 * PLANE / (in > out ? in : out) / 64 * 64);
  }
  size_t widest = plan->work == VC_WORK_MOVE ? 1 : plan->work == VC_WORK_FLOAT ? 4 : 8;
  if (strips->from_size > widest) widest = strips->from_size;
  if (strips->to_size > widest) widest = strips->to_size;
  int64_t length = (int64_t)(PLANE / widest);
  if (plan->channels <= VC_CHANNELS_MAPPED) return length;
  /* Each channel goes over the whole strip again. */
  int64_t pixels = 4 * PLANE / ((int64_t)widest * plan->channels);
  return pixels < 16 ? 16 : pixels < length ? pixels : length;
}

void vc_strips_prepare(const vc_plan *plan, const vc_loops *loops, bool streams, vc_strips *out) {
  *out = (vc_strips){.plan = plan, .loops = loops};
  out->from = vc_type_of(plan->from);
  out->to = vc_type_of(plan->to);
  out->from_size = vc_dtype_size(plan->from);
  out->to_size = vc_dtype_size(plan->to);
  out->from_log = log_of(out->from_size);
  out->to_log = log_of(out->to_size);
  out->merges = is_interleaved(&plan->to_steps, plan->channels, out->to_size);
  bool planes = plan->to_steps.col == (int64_t)out->to_size;
  out->streams = streams && loops->stream && (planes || out->merges);
  out->shuffles = can_shuffle(plan, out);
  if (out->shuffles) prepare_shuffle(plan, out);
  out->length = strip_length(plan, out);
  out->at_once = plan->work == VC_WORK_FLOAT && plan->channels == 3 && plan->map[0] >= 0;
  for (int32_t c = 0; out->at_once && c < 3; c++) {
    out->a[c] = (float)plan->a[c * plan->stride];
    out->b[c] = (float)plan->b[c * plan->stride];
  }
}

/* --- values */

/* A row of one channel, both sides packed. */
static void convert(const vc_strips *strips, int32_t channel, const void *from, void *to, size_t n,
                    void *work) {
  const vc_loops *loops = strips->loops;
  const vc_plan *plan = strips->plan;
  vc_type in = strips->from, out = strips->to;
  int64_t which = (int64_t)channel * plan->stride;
  switch (plan->work) {
    case VC_WORK_MOVE: memcpy(to, from, n * strips->to_size); return;
    case VC_WORK_INTEGER:
      if (loops->int_from[in] && loops->from_int[out]) {
        loops->int_from[in](from, work, n);
        loops->from_int[out](work, to, n);
      } else {
        loops->long_from[in](from, work, n);
        loops->from_long[out](work, to, n);
      }
      return;
    case VC_WORK_FLOAT:
      loops->float_from[in](from, out == VC_TYPE_F32 ? to : work, n, (float)plan->a[which],
                            (float)plan->b[which]);
      if (out != VC_TYPE_F32) loops->from_float[out](work, to, n);
      return;
    case VC_WORK_DOUBLE:
      loops->double_from[in](from, out == VC_TYPE_F64 ? to : work, n, plan->a[which],
                             plan->b[which]);
      if (out != VC_TYPE_F64) loops->from_double[out](work, to, n);
      return;
  }
}

static void fill(const vc_strips *strips, void *to, size_t n) {
  uint64_t bits = strips->plan->fill;
  size_t size = strips->to_size;
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

static bool is_strided(const vc_strips *strips, const strip *at) {
  return at->n > 1 && at->from_steps.col != (int64_t)strips->from_size;
}

/* Splits u8 pixels of three channels and is done with them: past the caches, or
 * with conversion to floating planes. False if there is no loop for it. */
static bool split_at_once(const vc_strips *strips, const strip *at) {
  const vc_plan *plan = strips->plan;
  if (plan->channels != 3 || plan->from_channels != 3 || strips->from_size != 1) return false;
  void *planes[3];
  float a[3], b[3];
  for (int32_t c = 0; c < 3; c++) {
    planes[plan->map[c]] = at->to + c * plan->to_steps.channel;
    a[plan->map[c]] = strips->a[c];
    b[plan->map[c]] = strips->b[c];
  }
  if (plan->work == VC_WORK_MOVE) {
    return strips->streams && strips->loops->split_stream(at->from, planes, at->n);
  }
  if (!strips->at_once || strips->from != VC_TYPE_U8 || !strips->loops->split_to[strips->to]) {
    return false;
  }
  strips->loops->split_to[strips->to](at->from, planes, at->n, a, b, strips->streams);
  return true;
}

/* Splits interleaved pixels into planes: where nothing else happens to them, in
 * the destination itself. True if there is nothing left to do. */
static bool split(const vc_strips *strips, strip *at, workspace *space) {
  const vc_plan *plan = strips->plan;
  at->planes[0] = NULL;
  if (!is_interleaved(&at->from_steps, plan->from_channels, strips->from_size)) return false;
  bool planes = plan->to_steps.col == (int64_t)strips->to_size;
  bool last = planes && plan->work == VC_WORK_MOVE;
  if (planes && split_at_once(strips, at)) return true;
  for (int32_t c = 0; c < plan->from_channels; c++) at->planes[c] = space->in[c];
  for (int32_t c = 0; last && !strips->streams && c < plan->channels; c++) {
    if (plan->map[c] != VC_CHANNEL_FILL) {
      at->planes[plan->map[c]] = at->to + c * plan->to_steps.channel;
    }
  }
  strips->loops->split[strips->from_log][plan->from_channels - 2](at->from, (void **)at->planes,
                                                                  at->n);
  return false;
}

/* The packed row of one channel of the source. */
static const char *take(const vc_strips *strips, const strip *at, int32_t source, char *room) {
  if (at->planes[0]) return at->planes[source];
  const char *from = at->from + source * at->from_steps.channel;
  if (!is_strided(strips, at)) return from;
  strips->loops->gather[strips->from_log](from, at->from_steps.col, room, at->n);
  return room;
}

/* Writes a packed row where a channel of the destination is. */
static void put(const vc_strips *strips, const strip *at, const char *row, char *to) {
  size_t bytes = at->n * strips->to_size;
  int64_t step = strips->plan->to_steps.col;
  if (step != (int64_t)strips->to_size && at->n > 1) {
    strips->loops->scatter[strips->to_log](row, to, step, at->n);
  } else if (strips->streams) {
    strips->loops->stream(row, to, bytes);
  } else if (row != to) {
    memcpy(to, row, bytes);
  }
}

/* The packed row of one channel of the destination, in `room` or wherever it is
 * already. */
static const char *make(const vc_strips *strips, const strip *at, int32_t channel, char *in,
                        char *room, workspace *space) {
  int32_t source = source_of(strips->plan, channel);
  if (source == VC_CHANNEL_FILL) {
    fill(strips, room, at->n);
    return room;
  }
  bool moves = strips->plan->work == VC_WORK_MOVE;
  const char *row = take(strips, at, source, moves ? room : in);
  if (moves) return row;
  convert(strips, channel, row, room, at->n, space->work);
  return room;
}

static void write_planes(const vc_strips *strips, const strip *at, workspace *space) {
  const vc_plan *plan = strips->plan;
  bool direct = !strips->streams && plan->to_steps.col == (int64_t)strips->to_size;
  for (int32_t c = 0; c < plan->channels; c++) {
    char *to = at->to + c * plan->to_steps.channel;
    char *room = direct ? to : space->out[0];
    put(strips, at, make(strips, at, c, space->in[0], room, space), to);
  }
}

/* Converts floating planes to u8 pixels of three channels. False if there is no
 * loop for it. */
static bool merge_at_once(const vc_strips *strips, const strip *at, workspace *space) {
  if (!strips->at_once || strips->to != VC_TYPE_U8 || !strips->loops->merge_from[strips->from]) {
    return false;
  }
  const void *rows[3];
  for (int32_t c = 0; c < 3; c++) rows[c] = take(strips, at, strips->plan->map[c], space->in[c]);
  strips->loops->merge_from[strips->from](rows, at->to, at->n, strips->a, strips->b,
                                          strips->streams);
  return true;
}

static void write_interleaved(const vc_strips *strips, const strip *at, workspace *space) {
  const vc_plan *plan = strips->plan;
  const void *rows[VC_CHANNELS_MAPPED];
  if (merge_at_once(strips, at, space)) return;
  for (int32_t c = 0; c < plan->channels; c++) {
    rows[c] = make(strips, at, c, space->in[0], space->out[c], space);
  }
  if (strips->streams && strips->to_size == 1 && plan->channels == 3) {
    strips->loops->merge_stream(rows, at->to, at->n);
    return;
  }
  char *to = strips->streams ? space->merged : at->to;
  strips->loops->merge[strips->to_log][plan->channels - 2](rows, to, at->n);
  if (strips->streams) {
    strips->loops->stream(to, at->to, at->n * (size_t)plan->to_steps.col);
  }
}

static void shuffle(const vc_strips *strips, strip *at, workspace *space) {
  const vc_loops *loops = strips->loops;
  const vc_shuffle *how = &strips->shuffle;
  if (!strips->streams) {
    loops->shuffle(how, at->from, at->to, at->n);
    return;
  }
  if (loops->shuffle_stream(how, at->from, at->to, at->n)) return;
  for (size_t done = 0, now; done < at->n; done += now) {
    now = at->n - done < PLANE / strips->to_size ? at->n - done : PLANE / strips->to_size;
    loops->shuffle(how, at->from + done * how->from_bytes, space->merged, now);
    loops->stream(space->merged, at->to + done * how->to_bytes, now * how->to_bytes);
  }
}

static void write_strip(const vc_strips *strips, strip *at, workspace *space) {
  if (strips->shuffles) {
    shuffle(strips, at, space);
    return;
  }
  if (split(strips, at, space)) return;
  if (strips->merges) {
    write_interleaved(strips, at, space);
  } else {
    write_planes(strips, at, space);
  }
}

/* --- rows */

static char *start_of(const vc_plan *plan, int64_t image, int64_t row) {
  return plan->to_data + image * plan->to_steps.image + row * plan->to_steps.row;
}

/* Pixels that lie between a line of the caches and `to`; 0 if none starts there. */
static int64_t past_line(const vc_strips *strips, const char *to) {
  int64_t step = strips->plan->to_steps.col;
  for (int64_t past = 0; past <= VC_MOST_PAST && past < strips->length; past++) {
    if ((((uintptr_t)to - (uint64_t)(past * step)) & 63) == 0) return past;
  }
  return 0;
}

int64_t vc_strips_past_line(const vc_strips *strips, int64_t image, int64_t row) {
  return past_line(strips, start_of(strips->plan, image, row));
}

void vc_strips_write(const vc_strips *strips, int64_t image, int64_t row, int64_t col, int64_t n) {
  const vc_plan *plan = strips->plan;
  workspace space;
  strip at = {.from_steps = plan->from_steps};
  at.from = plan->from_data + image * plan->from_steps.image;
  if (plan->sources) {
    at.from = plan->sources[image].data;
    if (!plan->alike) at.from_steps = vc_plan_steps(&plan->sources[image], plan->layout);
  }
  at.from += row * at.from_steps.row + col * at.from_steps.col;
  at.to = start_of(plan, image, row) + col * plan->to_steps.col;
  /* The first strip ends where a line of the caches does. */
  int64_t length = strips->length - past_line(strips, at.to);
  for (; n > 0; length = strips->length) {
    int64_t now = n < length ? n : length;
    at.n = (size_t)now;
    write_strip(strips, &at, &space);
    at.from += now * at.from_steps.col;
    at.to += now * plan->to_steps.col;
    n -= now;
  }
}
