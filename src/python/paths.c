/* SPDX-License-Identifier: Apache-2.0 */
#include "paths.h"

#include "slow.h"

PyObject *ext_paths(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return Py_BuildValue("{s:O,s:z,s:z,s:z,s:z}", "slow", ext_is_slow() ? Py_True : Py_False,
                       "GpuMat made", ext_opencv_path(), "torch", ext_torch_path(), "CuPy read",
                       ext_cupy_read_path(), "CuPy made", ext_cupy_make_path());
}
