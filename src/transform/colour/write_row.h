/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of 8 bits from rows of R, G and B, several at a time. */
#ifndef VIEWCAST_TRANSFORM_COLOUR_WRITE_ROW_H
#define VIEWCAST_TRANSFORM_COLOUR_WRITE_ROW_H

#include "transform/colour/colour.h"

/* Rows are read and written up to so many elements beyond their end. */
#define VC_RGB_SPARE 32

/* Writes Y, U or V (`which`) of `count` pixels, whose R, G and B are rows of bytes. The rule has a
 * shift. */
void vc_rgb_bytes_avx2(const vc_rgb_rule *rule, int32_t which, const uint8_t *const rows[3],
                       int64_t count, uint8_t *out);

/* The same of sums of 1 << log pixels, log being 0 to 2. */
void vc_rgb_sums_avx2(const vc_rgb_rule *rule, int32_t which, const int16_t *const rows[3],
                      int32_t log, int64_t count, uint8_t *out);

/* Writes the sums of 2 adjacent bytes of a row, and of the row below unless it is NULL. */
void vc_rgb_add_avx2(const uint8_t *row, const uint8_t *below, int64_t count, int16_t *out);

#endif
