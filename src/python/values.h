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

/* ValueError if fill= was given and no alpha channel is added to an image of `channels` for a
 * result of `wanted` channels. */
int ext_values_check_fill(const ext_request *request, int64_t channels, int64_t wanted);

/* ValueError where the normalization was made for another dtype than the source's. */
int ext_values_check_source(const ext_request *request, vc_dtype source);

/* ValueError where the result takes the dtype of its source, which is of integers, and the
 * scaling gives fractions. */
int ext_values_check_whole(const ext_request *request, vc_dtype source);

/* Methods of the module, NULL-terminated. */
extern PyMethodDef ext_values_methods[];

#endif
