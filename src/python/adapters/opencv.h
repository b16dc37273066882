/* SPDX-License-Identifier: Apache-2.0 */
/* The cv2 of this process: its GpuMat type, and the verified layout of its objects. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_OPENCV_H
#define VIEWCAST_PYTHON_ADAPTERS_OPENCV_H

#include "owner.h"

typedef struct ext_opencv {
  PyTypeObject *gpumat; /* cv2.cuda.GpuMat, strong */
  vc_gpumat_abi abi;
  bool makes_objects; /* a Python GpuMat can be made around a vc_gpumat_new */
} ext_opencv;

/* True for cv2's image classes; false without asking where cv2 is not loaded. */
bool ext_opencv_is_image_type(PyTypeObject *type);

/* cv2, imported and verified at the first call. NULL with ImportError or
 * ABIError (the same again at later calls). */
const ext_opencv *ext_opencv_load(void);

/* True if the object is a cv2.cuda.GpuMat, whatever its state. */
bool ext_is_gpumat(PyObject *object);

/* True if the object is a cv2.cuda.GpuMatND, OpenCV's array of any rank, which no
 * conversion takes: nothing in cv2 computes on one. */
bool ext_is_gpumatnd(PyObject *object);

/* The advice in errors about a GpuMatND. */
#define EXT_INSTEAD_OF_GPUMATND                                                           \
  "a cv2.cuda.GpuMat: make one of each plane by createGpuMatHeader() in C++, or convert " \
  "the array that the GpuMatND was made of"

/* The C++ object inside a GpuMat, or NULL with an exception for one that was
 * made by __new__ alone. */
vc_gpumat *ext_gpumat_header(PyObject *mat);

/* A dict about the loaded OpenCV, for people. New reference. */
PyObject *ext_opencv_describe(void);

/* ABIError: "OpenCV 5.0.0: <what>; <advice>, and report this version". Always returns -1. */
int ext_opencv_mismatch(const char *what, const char *advice);

/* --- opencv_layout.c: what is known before anything is trusted */

/* Fills `out` from the module, by probing headers with known values. ABIError
 * names the OpenCV version. Nothing foreign is written before it was read and
 * compared. */
int ext_opencv_verify(PyObject *cv2, PyTypeObject *gpumat, vc_gpumat_abi *out);

/* Whether a Python GpuMat may be put together without calling its class, by
 * ext_gpumat_around. Leaves no exception. */
bool ext_opencv_verify_objects(const ext_opencv *opencv);

/* A Python GpuMat around an object and its control block, which it then owns: the Python head,
 * then a cv::Ptr. */
PyObject *ext_gpumat_around(PyTypeObject *type, vc_gpumat *mat, vc_gpumat_control *control);

#endif
