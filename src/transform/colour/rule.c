/* SPDX-License-Identifier: Apache-2.0 */
/* Forms the integers of YUV to RGB and back.
 *
 * H.273's coefficients are fractions, of which a channel's have one denominator. For samples of 8
 * and 10 bits and RGB of 8 they become multiples of 2^-36 and 2^-41: no sum of any samples then
 * lies on the wrong side of a half (tests/c/test_yuv.c tries them all). `bias` lifts sums that are
 * exactly a half, which rounded coefficients may have lowered; values of 10 bits leave space for
 * one that depends on the range. For other depths the sum over the denominator is divided
 * exactly. */
#include <stdlib.h>

#include "transform/colour/colour.h"

enum { SHIFT_8 = 36, SHIFT_10 = 41, SHIFT_TO_16 = 34 };

typedef struct {
  int64_t above, below;
} fraction;

static int64_t common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return llabs(a);
}

static fraction reduced(int64_t above, int64_t below) {
  int64_t by = common_divisor(above, below);
  return (fraction){above / by, below / by};
}

/* Returns the product of two positive or negative fractions, in lowest terms. */
static fraction product(fraction a, fraction b) {
  fraction x = reduced(a.above, b.below), y = reduced(b.above, a.below);
  return (fraction){x.above * y.above, x.below * y.below};
}

/* Returns the fraction in units of 2^-shift, rounded to nearest. */
static int64_t scaled(fraction of, int32_t shift) {
  int64_t rest = llabs(of.above), out = rest / of.below;
  rest %= of.below;
  for (int32_t i = 0; i <= shift; i++) { /* one bit more than needed, to round */
    rest *= 2;
    out = 2 * out + rest / of.below;
    rest %= of.below;
  }
  out = (out + 1) / 2;
  return of.above < 0 ? -out : out;
}

static void form_by_shift(const fraction parts[3], int32_t shift, int64_t bias,
                          vc_yuv_channel *out) {
  out->y = scaled(parts[0], shift);
  out->u = scaled(parts[1], shift);
  out->v = scaled(parts[2], shift);
  out->divisor = (int64_t)1 << shift;
  out->half = out->divisor / 2 + bias;
}

static int64_t common_denominator(const fraction parts[3]) {
  int64_t below = 1;
  for (int32_t i = 0; i < 3; i++) {
    below = below / common_divisor(below, parts[i].below) * parts[i].below;
  }
  return below;
}

/* Twice the sum over the common denominator, so that a half is whole. */
static void form_by_division(const fraction parts[3], vc_yuv_channel *out) {
  int64_t below = common_denominator(parts);
  out->y = 2 * parts[0].above * (below / parts[0].below);
  out->u = 2 * parts[1].above * (below / parts[1].below);
  out->v = 2 * parts[2].above * (below / parts[2].below);
  out->half = below;
  out->divisor = 2 * below;
}

/* Weights of R and B in Y, in units of 1/10000. */
static void weights_of(int32_t matrix, int64_t *red, int64_t *blue) {
  *red = matrix == VC_BT601 ? 2990 : matrix == VC_BT709 ? 2126 : 2627;
  *blue = matrix == VC_BT601 ? 1140 : matrix == VC_BT709 ? 722 : 593;
}

/* Fills the coefficients of Y, U and V for R, G and B: U is (B - Y) / (2 (1 - blue)), V likewise
 * with red, and Y is the weighted sum of all three. */
static void fractions_of(int32_t matrix, fraction luma, fraction chroma, fraction out[3][3]) {
  const fraction none = {0, 1};
  int64_t red, blue, whole = 10000;
  weights_of(matrix, &red, &blue);
  int64_t green = whole - red - blue;
  fraction from_v = product(reduced(2 * (whole - red), whole), chroma);
  fraction from_u = product(reduced(2 * (whole - blue), whole), chroma);
  out[0][0] = out[1][0] = out[2][0] = luma;
  out[0][1] = out[2][2] = none;
  out[0][2] = from_v;
  out[1][1] = product(from_u, reduced(-blue, green));
  out[1][2] = product(from_v, reduced(-red, green));
  out[2][1] = from_u;
}

/* The integers of cv2.cvtColor's YUV to RGB, BT.601 of limited range. Its Y has no values below
 * black. */
static void form_opencv(vc_yuv_rule *out) {
  enum { SHIFT = 20 };
  static const int64_t numbers[3][2] = {{0, 1673527}, {-409993, -852492}, {2116026, 0}};
  out->shift = SHIFT;
  out->least = out->black;
  for (int32_t c = 0; c < 3; c++) {
    vc_yuv_channel *channel = &out->channels[c];
    channel->y = 1220542;
    channel->u = numbers[c][0];
    channel->v = numbers[c][1];
    channel->divisor = (int64_t)1 << SHIFT;
    channel->half = channel->divisor / 2;
  }
}

static void form_h273(int32_t matrix, bool full, int32_t bits, vc_yuv_rule *out) {
  fraction parts[3][3];
  int64_t whole = ((int64_t)1 << bits) - 1, unit = (int64_t)1 << (bits - 8);
  fraction luma = reduced(out->top, full ? whole : 219 * unit);
  fraction chroma = reduced(out->top, full ? whole : 224 * unit);
  fractions_of(matrix, luma, chroma, parts);
  bool shifts = out->top == 255 && bits <= 10;
  out->shift = !shifts ? 0 : bits == 8 ? SHIFT_8 : SHIFT_10;
  for (int32_t c = 0; c < 3; c++) {
    if (shifts) {
      form_by_shift(parts[c], out->shift, (whole + 1) >> !full, &out->channels[c]);
    } else {
      form_by_division(parts[c], &out->channels[c]);
    }
  }
}

void vc_yuv_rule_make(int32_t matrix, int32_t range, int32_t bits, int32_t depth,
                      vc_yuv_rule *out) {
  bool full = range == VC_FULL_RANGE;
  out->top = (1 << depth) - 1;
  out->grey = 1 << (bits - 1);
  out->black = full ? 0 : 16 << (bits - 8);
  out->least = 0;
  if (matrix == VC_BT601 && !full && bits == 8 && depth == 8) {
    form_opencv(out);
  } else {
    form_h273(matrix, full, bits, out);
  }
  for (int32_t c = 0; c < 3; c++) {
    out->channels[c].inverse = 1 / (double)out->channels[c].divisor;
  }
}

/* Returns a coefficient in units of 2^-to instead of 2^-from, rounded to nearest. */
static int64_t in_units(int64_t coefficient, int32_t from, int32_t to) {
  int32_t less = from - to;
  if (less <= 0) return coefficient * ((int64_t)1 << -less);
  return (coefficient + ((int64_t)1 << (less - 1))) >> less;
}

void vc_yuv_sums_make(const vc_yuv_rule *rule, vc_yuv_sums *out) {
  const bool wide = rule->shift == SHIFT_10;
  const int32_t scale = VC_YUV_SCALE_BITS(wide), bits = VC_YUV_SUM_BITS(wide) - scale;
  const int32_t top = 2 * rule->grey - 1;
  out->least = (uint32_t)rule->least << scale;
  out->top = (uint32_t)top << scale;
  for (int32_t c = 0; c < 3; c++) {
    const vc_yuv_channel *channel = &rule->channels[c];
    int64_t y = in_units(channel->y, rule->shift, bits);
    int64_t u = in_units(channel->u, rule->shift, bits);
    int64_t v = in_units(channel->v, rule->shift, bits);
    /* For 8 bits, 22 to 49 units more than a half are right for every rule. */
    int64_t offset = wide ? channel->half : ((int64_t)1 << (bits - 1)) + 32;
    offset -= y * rule->black + (u + v) * rule->grey;
    if (c == 1) offset += (u + v) * top;
    out->offset[c] = (uint64_t)(offset * (1 << scale));
    out->y[c] = (uint64_t)y;
    out->u[c] = (uint64_t)llabs(u);
    out->v[c] = (uint64_t)llabs(v);
  }
}

/* --- RGB of 8 bits to YUV, by a shift: 36 bits for samples of 8 and 10 bits, 34 for 16, whose
 * sums of 4 pixels fit the 53 bits of a double then. A real value, also of the mean of 4 pixels, is
 * at least 2^-24 away from a half that it is not, 2^-23 for 16 bits. The rounding of coefficients
 * and the bias come to less: 895 units. */

/* The parts of R, G and B in Y; those of U and V are (B - Y) / (2 (1 - blue)), and likewise. */
static void fractions_to(int32_t matrix, fraction luma, fraction chroma, fraction out[3][3]) {
  int64_t red, blue, whole = 10000;
  weights_of(matrix, &red, &blue);
  int64_t parts[3] = {red, whole - red - blue, blue};
  fraction half = product(reduced(1, 2), chroma);
  for (int32_t i = 0; i < 3; i++) {
    out[0][i] = product(reduced(parts[i], whole), luma);
    out[1][i] = i == 2 ? half : product(reduced(-parts[i], whole - blue), half);
    out[2][i] = i == 0 ? half : product(reduced(-parts[i], whole - red), half);
  }
}

/* The integers of cv2.cvtColor's RGB to I420, whose chroma is that of one pixel of four. */
static void form_opencv_to(vc_rgb_rule *out) {
  static const int64_t numbers[3][3] = {
      {269484, 528482, 102760}, {-155188, -305135, 460324}, {460324, -385875, -74448}};
  for (int32_t c = 0; c < 3; c++) {
    int64_t offset = c == 0 ? 16 : 128, unit = 1 << 20;
    out->channels[c] = (vc_rgb_channel){numbers[c][0], numbers[c][1], numbers[c][2],
                                        unit / 2 + offset * unit, unit};
  }
  out->shift = 20;
  out->first_only = true;
}

static void form_h273_to(int32_t matrix, bool full, int32_t bits, vc_rgb_rule *out) {
  fraction parts[3][3];
  int64_t unit = (int64_t)1 << (bits - 8);
  fraction luma = reduced(full ? out->top : 219 * unit, 255);
  fraction chroma = reduced(full ? out->top : 224 * unit, 255);
  fractions_to(matrix, luma, chroma, parts);
  out->shift = bits == 16 ? SHIFT_TO_16 : SHIFT_8;
  for (int32_t c = 0; c < 3; c++) {
    const fraction *of = parts[c];
    int64_t offset = c > 0 ? 128 * unit : full ? 0 : 16 * unit, one = (int64_t)1 << out->shift;
    out->channels[c] =
        (vc_rgb_channel){scaled(of[0], out->shift), scaled(of[1], out->shift),
                         scaled(of[2], out->shift), one / 2 + 512 + offset * one, one};
  }
}

void vc_rgb_rule_make(const vc_yuv_layout *layout, int32_t matrix, int32_t range,
                      vc_rgb_rule *out) {
  bool full = range == VC_FULL_RANGE;
  out->top = (1 << layout->bits) - 1;
  out->first_only = false;
  if (matrix == VC_BT601 && !full && layout->bits == 8 && layout->row_shift) {
    form_opencv_to(out);
  } else {
    form_h273_to(matrix, full, layout->bits, out);
  }
}
