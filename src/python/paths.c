/* SPDX-License-Identifier: Apache-2.0 */
#include "paths.h"

#include <stdlib.h>
#include <string.h>

#include "free_threading.h"

bool vp_is_slow(void) {
  static int known = -1;
  int slow = VP_READ(known);
  if (slow < 0) {
    const char *value = getenv("VIEWCAST_SLOW");
    slow = value && strcmp(value, "1") == 0;
    VP_WRITE(known, slow);
  }
  return slow;
}

PyObject *vp_paths(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  return Py_BuildValue("{s:O,s:z,s:z,s:z,s:z}", "slow", vp_is_slow() ? Py_True : Py_False,
                       "GpuMat made", vp_opencv_path(), "torch", vp_torch_path(), "CuPy read",
                       vp_cupy_read_path(), "CuPy made", vp_cupy_make_path());
}
