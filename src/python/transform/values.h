/* SPDX-License-Identifier: Apache-2.0 */
/* What a call asks of values: scale=, mean=, std=, normalize= and fill=. */
#ifndef VP_TRANSFORM_VALUES_H
#define VP_TRANSFORM_VALUES_H

#include "transform/request.h"

/* Reads scale=, mean= and std=, or normalize= in their place: a viewcast.Normalization or
 * the name of one. */
int vp_values_read(PyObject *scale, PyObject *mean, PyObject *std, PyObject *normalize,
                   vp_request *out);

/* Reads fill=. */
int vp_values_read_fill(PyObject *fill, vp_request *out);

/* ValueError where fill= was given and a result of `wanted` channels has no alpha channel
 * that an image of `channels` lacks. */
int vp_values_check_fill(const vp_request *request, int64_t channels, int64_t wanted);

/* ValueError where the normalization was made for another dtype than the source's. */
int vp_values_check_source(const vp_request *request, vc_dtype source);

/* ValueError where the result takes the dtype of its source, which is of integers, and the
 * scaling gives fractions. */
int vp_values_check_whole(const vp_request *request, vc_dtype source);

/* Methods of the module, NULL-terminated. */
extern PyMethodDef vp_values_methods[];

#endif
