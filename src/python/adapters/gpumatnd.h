/* SPDX-License-Identifier: Apache-2.0 */
/* cv2.cuda.GpuMatND: its layout, verified at first use as GpuMat's is, and the
 * shared pointer through which it holds memory. */
#ifndef VP_GPUMATND_H
#define VP_GPUMATND_H

#include "adapters/opencv.h"

#define VP_ND_MAX 4

/* cv::cuda::GpuMatND as one value. */
typedef struct vp_nd {
  int32_t flags; /* magic | continuous | submatrix | type */
  int32_t dims;
  int64_t sizes[VP_ND_MAX];
  int64_t steps[VP_ND_MAX]; /* bytes; the last is the element's */
  uint8_t *data;            /* of the first element */
  bool owned;               /* holds memory, of its own or lent */
} vp_nd;

/* Type numbers and depths are GpuMat's: cv2, verified. NULL with ABIError where
 * GpuMatND is not laid out as known, or can't be made to look at. */
const vp_opencv *vp_nd_load(void);

/* What vp_nd_load verifies, given a class. */
int vp_nd_verify(PyObject *type);

/* Reads an object of the class; ViewError for one without a C++ object, and
 * LayoutError for more than VP_ND_MAX dimensions. */
int vp_nd_read(PyObject *object, vp_nd *out);

/* A new object of the class (new reference) over memory that *owner (taken)
 * keeps alive until the last C++ copy of it is gone, on whatever thread. */
PyObject *vp_nd_make(PyObject *type, const vp_nd *nd, const vc_view *view, vc_owner *owner);

/* Methods of the module, NULL-terminated. */
extern PyMethodDef vp_gpumatnd_methods[];

#endif
