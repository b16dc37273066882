/* SPDX-License-Identifier: Apache-2.0 */
#include "paths.h"

#include "slow.h"

PyObject *vp_paths(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return Py_BuildValue("{s:O,s:z,s:z,s:z,s:z}", "slow", vp_is_slow() ? Py_True : Py_False,
                       "GpuMat made", vp_opencv_path(), "torch", vp_torch_path(), "CuPy read",
                       vp_cupy_read_path(), "CuPy made", vp_cupy_make_path());
}
