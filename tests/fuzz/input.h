/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of one fuzzing input, taken from the front; zeros once they are
 * used up. */
#ifndef VIEWCAST_FUZZ_INPUT_H
#define VIEWCAST_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const uint8_t *data;
  size_t size;
} fuzz_input;

static inline uint64_t take_bytes(fuzz_input *input, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count && input->size > 0; i++) {
    value |= (uint64_t)*input->data << (8 * i);
    input->data++;
    input->size--;
  }
  return value;
}

static inline uint8_t take_byte(fuzz_input *input) { return (uint8_t)take_bytes(input, 1); }
static inline bool take_bool(fuzz_input *input) { return take_byte(input) & 1; }

/* A number of 64 bits that is small, at an edge, or anything. */
static inline int64_t take_number(fuzz_input *input) {
  static const int64_t edges[] = {
      0,
      1,
      -1,
      2,
      3,
      4,
      -4,
      16,
      127,
      128,
      512,
      513,
      4096,
      INT32_MAX,
      INT32_MIN,
      INT64_MAX,
      INT64_MIN,
      UINT32_MAX,
      1 << 20,
      INT64_MAX - 1,
      INT64_MAX / 2,
      INT64_MAX / 4,
      INT64_MAX / 8,
      (int64_t)INT32_MAX + 1,
  };
  uint8_t kind = take_byte(input);
  if (kind < 128) return kind % 24;
  if (kind < 192) return edges[kind % (sizeof edges / sizeof *edges)];
  if (kind < 224) return (int16_t)take_bytes(input, 2);
  return (int64_t)take_bytes(input, 8);
}

#endif
