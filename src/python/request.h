/* SPDX-License-Identifier: Apache-2.0 */
/* What a call that moves pixels asks for. */
#ifndef VIEWCAST_PYTHON_REQUEST_H
#define VIEWCAST_PYTHON_REQUEST_H

#include "owner.h"

typedef struct ext_request {
  const char *function;
  ext_options options;
  vc_transform_params params; /* mean and std point to the arrays below */
  bool is_mat;                /* of to_gpumat: the result is interleaved, out= too */
  ext_layout to;              /* layout= */
  bool has_dtype;
  vc_dtype dtype;
  int32_t channels;   /* 0: as many as the source has */
  bool is_normalised; /* normalize= was given */
  bool has_source;    /* normalize= is made for sources of one dtype */
  vc_dtype source;
  vc_resize resize;    /* params.resize points to it where resize= was given */
  double pad[4];       /* of it */
  bool pad_is_default; /* a Letterbox without a pad: 114 for uint8 */
  PyObject *boxes;     /* borrowed; NULL: none */
  bool is_line;        /* the source had one axis, and is read as one row */
  PyObject *out;       /* borrowed; NULL: fresh memory */
  double mean[VC_TRANSFORM_CHANNELS], std[VC_TRANSFORM_CHANNELS];
} ext_request;

/* Makes a request that changes nothing: the pixels as they are, as an object of the target. The
 * arrays of numbers, 8 KiB, are left uninitialised. */
void ext_request_init(ext_request *out, const struct ext_adapter *target);

/* True if the values stay as they are, apart from the dtype. */
bool ext_request_is_plain(const ext_request *request);

#endif
