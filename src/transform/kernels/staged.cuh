/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of packed 8-bit pixels in shared memory. A block copies them from the source in words that
 * follow each other, so that a warp reads few cache lines at a time; each thread then reads the
 * pixels that it needs, four at a time. */
#ifndef VIEWCAST_KERNELS_STAGED_CUH
#define VIEWCAST_KERNELS_STAGED_CUH

#include "kernels/resize.cuh"

/* The results `first` to `last` of a tile show the image; none, if `last` is less. */
struct shown_part {
  int32_t first, last;
};

/* `start` is the place of the tile's first result in an axis of `placed` results. */
VC_DEVICE shown_part shown_of(int64_t start, int32_t results, int32_t placed) {
  shown_part out = {(int32_t)min(max(-start, (int64_t)0), (int64_t)results),
                    (int32_t)min(max(placed - start, (int64_t)0), (int64_t)results) - 1};
  return out;
}

/* Pixels first … end - 1 of some consecutive rows of the source. A row begins with the aligned word
 * that holds its first byte. */
struct staged_rows {
  int32_t first, end;
  int32_t words;  /* of a row */
  int32_t pitch;  /* words from a row to the next */
  int32_t rows;   /* at a time; 0 if none fits */
  int32_t offset; /* words from the start of shared memory to the first row */
};

/* The place of a word of a row. A gap after every 32 words keeps threads that read at a stride of
 * nearly as many bytes as all banks have, or a simple fraction, from waiting for one bank. */
VC_DEVICE int32_t place_of_word(int32_t word) { return word + (word >> 5); }

/* Finds how many rows of `channels` channels fit into `words` words, at most `most`. Threads may
 * read up to `beyond` pixels behind the last row. */
VC_DEVICE void fit_rows(staged_rows &of, int32_t channels, int32_t words, int32_t most,
                        int32_t beyond) {
  int64_t needed = ((int64_t)(of.end - of.first) * channels + 6) / 4;
  int32_t left = words - of.offset - place_of_word(beyond * channels / 4 + 2) - 1;
  of.words = (int32_t)min(needed, (int64_t)words);
  of.pitch = place_of_word(of.words) + 1;
  of.rows = left < of.pitch ? 0 : min(left / of.pitch, most);
  if (of.rows > VC_TILE_ROWS) of.rows -= of.rows % VC_TILE_ROWS; /* as much for each warp */
}

/* Returns the address of the first staged pixel of a row. */
VC_DEVICE const char *staged_start(const vc_resized &image, const staged_rows &of, int32_t channels,
                                   int32_t row) {
  return image.data + row * image.row + (int64_t)of.first * channels;
}

/* Loads an aligned word, of which only the bytes before `end` belong to the image. */
VC_DEVICE uint32_t load_edge(const char *at, const char *end) {
  uint32_t out = 0;
  if (at + 4 <= end || ((uintptr_t)end & 3) == 0) return load_word((const uint32_t *)at);
#pragma unroll 1
  for (int32_t i = 0; at + i < end; i++) {
    out |= (uint32_t)load_word((const uint8_t *)at + i) << (8 * i);
  }
  return out;
}

/* Copies rows start … end - 1 to shared memory. A warp takes every VC_TILE_ROWS-th of them. */
VC_DEVICE void stage_rows(const vc_resized &image, const staged_rows &of, int32_t channels,
                          int32_t start, int32_t end, uint32_t *memory) {
  const int BATCH = 8; /* words of a thread that are loaded together */
  int32_t thread = (int32_t)(threadIdx.x % VC_TILE_COLS);
#pragma unroll 1
  for (int32_t row = start + (int32_t)(threadIdx.x / VC_TILE_COLS); row < end;
       row += VC_TILE_ROWS) {
    const char *from = staged_start(image, of, channels, row);
    const char *last = from + (int64_t)(image.readable - of.first) * channels;
    uint32_t *to = memory + of.offset + (row - start) * of.pitch;
    from -= (uintptr_t)from & 3;
#pragma unroll 1
    for (int32_t word = thread; word < of.words; word += BATCH * VC_TILE_COLS) {
      uint32_t held[BATCH];
#pragma unroll
      for (int i = 0; i < BATCH; i++) {
        const char *at = from + (int64_t)(word + i * VC_TILE_COLS) * 4;
        held[i] = word + i * VC_TILE_COLS < of.words && at < last ? load_edge(at, last) : 0;
      }
#pragma unroll
      for (int i = 0; i < BATCH; i++) {
        int32_t index = word + i * VC_TILE_COLS;
        if (index < of.words) to[place_of_word(index)] = held[i];
      }
    }
  }
}

/* Consecutive pixels of a staged row. */
template <int In>
struct staged_pixels {
  const uint32_t *row;
  int32_t next; /* word of the row */
  uint32_t word, shift;
};

/* Begins with pixel `first` of row `row`, the `index`-th of those that are staged. */
template <int In>
VC_DEVICE staged_pixels<In> staged_at(const vc_resized &image, const staged_rows &of,
                                      const uint32_t *memory, int32_t row, int32_t index,
                                      int32_t first) {
  uint32_t shift = (uint32_t)((uintptr_t)staged_start(image, of, In, row) & 3);
  uint32_t bytes = shift + (uint32_t)(first - of.first) * In;
  staged_pixels<In> out;
  out.row = memory + of.offset + index * of.pitch;
  out.next = (int32_t)(bytes / 4);
  out.word = out.row[place_of_word(out.next++)];
  out.shift = bytes % 4 * 8;
  return out;
}

/* Takes the next four pixels. */
template <int In>
VC_DEVICE void take_four(staged_pixels<In> &from, uint32_t (&out)[In]) {
#pragma unroll
  for (int i = 0; i < In; i++) {
    uint32_t next = from.row[place_of_word(from.next + i)];
    out[i] = __funnelshift_r(from.word, next, from.shift);
    from.word = next;
  }
  from.next += In;
}

/* Separate the channels of four interleaved pixels, a word each. */
VC_DEVICE void split_channels(const uint32_t (&in)[1], uint32_t (&out)[1]) { out[0] = in[0]; }

VC_DEVICE void split_channels(const uint32_t (&in)[2], uint32_t (&out)[2]) {
  out[0] = __byte_perm(in[0], in[1], 0x6420);
  out[1] = __byte_perm(in[0], in[1], 0x7531);
}

VC_DEVICE void split_channels(const uint32_t (&in)[3], uint32_t (&out)[3]) {
  out[0] = __byte_perm(__byte_perm(in[0], in[1], 0x0630), in[2], 0x5210);
  out[1] = __byte_perm(__byte_perm(in[0], in[1], 0x0741), in[2], 0x6210);
  out[2] = __byte_perm(__byte_perm(in[0], in[1], 0x0052), in[2], 0x7410);
}

VC_DEVICE void split_channels(const uint32_t (&in)[4], uint32_t (&out)[4]) {
  uint32_t a = __byte_perm(in[0], in[1], 0x5140), b = __byte_perm(in[2], in[3], 0x5140);
  uint32_t c = __byte_perm(in[0], in[1], 0x7362), d = __byte_perm(in[2], in[3], 0x7362);
  out[0] = __byte_perm(a, b, 0x5410);
  out[1] = __byte_perm(a, b, 0x7632);
  out[2] = __byte_perm(c, d, 0x5410);
  out[3] = __byte_perm(c, d, 0x7632);
}

#endif
