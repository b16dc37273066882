/* SPDX-License-Identifier: Apache-2.0 */
/* What a call of to_tensor, to_cupy, to_numpy or to_gpumat asks for. */
#ifndef VP_TRANSFORM_REQUEST_H
#define VP_TRANSFORM_REQUEST_H

#include "source.h"

typedef struct vp_request {
  const char *function;
  vp_options options;
  vc_transform_params params; /* mean and std point to the arrays below */
  bool is_mat;                /* to_gpumat: the result is interleaved, out= too */
  vp_layout to;               /* layout= */
  bool has_dtype;
  vc_dtype dtype;
  int32_t channels;   /* 0: as many as the source has */
  bool is_normalised; /* normalize= was given */
  bool has_source;    /* normalize= is made for sources of one dtype */
  vc_dtype source;
  bool is_line;  /* the source had one axis, and is seen as one row */
  PyObject *out; /* borrowed; NULL: fresh memory */
  double mean[VC_TRANSFORM_CHANNELS], std[VC_TRANSFORM_CHANNELS];
} vp_request;

/* The arguments of to_tensor, to_cupy and to_numpy, and those of to_gpumat. */
extern const struct vp_signature vp_to_array, vp_to_mat;

/* Nothing asked but the target: the pixels as they are. The arrays of numbers
 * are not touched: 8 KiB. */
void vp_request_init(vp_request *out, const struct vp_adapter *target);

/* Reads a call's arguments. With `is_mat`, those of to_gpumat: no layout= and no
 * keepdim=. */
int vp_request_read(const char *function, bool is_mat, PyObject *const *args, Py_ssize_t count,
                    PyObject *kwnames, vp_request *out, PyObject **image);

/* True if values stay as they are but for the dtype. */
bool vp_request_is_plain(const vp_request *request);

#endif
