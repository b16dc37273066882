/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments that change values: scale=, mean=, std=, normalize= and fill=. */
#ifndef VIEWCAST_PYTHON_VALUES_H
#define VIEWCAST_PYTHON_VALUES_H

#include "request.h"

/* Reads scale=, mean= and std=, or normalize= in their place: a viewcast.Normalization or
 * the name of one. */
int ext_values_read(PyObject *scale, PyObject *mean, PyObject *std, PyObject *normalize,
                    ext_request *out);

/* Reads fill=. */
int ext_values_read_fill(PyObject *fill, ext_request *out);

/* The dtype of the result of a source: dtype=, else the source's. ValueError where that is of
 * integers and the scaling gives fractions. */
int ext_values_dtype(const ext_request *request, vc_dtype source, vc_dtype *out);

/* ValueError: fill= was given and no alpha channel is added to an image of `channels` for a
 * result of `wanted` channels. Returns -1. */
int ext_values_refuse_fill(const ext_request *request, int64_t channels, int64_t wanted);

/* ValueError: the normalization was made for another dtype than the source's. Returns -1. */
int ext_values_refuse_source(const ext_request *request, vc_dtype source);

#endif
