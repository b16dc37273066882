/* SPDX-License-Identifier: Apache-2.0 */
/* One number, from and to the bits of any dtype: the rules of vc_transform for
 * rounding and saturation, one element at a time. */
#ifndef VIEWCAST_TRANSFORM_NUMBER_H
#define VIEWCAST_TRANSFORM_NUMBER_H

#include <viewcast/viewcast.h>

/* The bits of one element that holds `value`, rounded once and saturated as
 * vc_transform does. NaN gives the opaque value: the largest of an integer
 * type, 1 of the others. */
uint64_t vc_number_bits(vc_dtype dtype, double value);

#endif
