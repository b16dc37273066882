# SPDX-License-Identifier: Apache-2.0
"""Properties of the OpenCV that the tests run with. Imports neither torch nor CuPy, which a
free-threaded Python may not have."""

import cv2
import pytest

# The stand-in for OpenCV, tests/c/standin_cv2.cpp, has no names besides GpuMat's.
STANDIN = cv2.__doc__ == "A stand-in."
not_in_standin = pytest.mark.skipif(STANDIN, reason="not in OpenCV's stand-in")

# How the loaded OpenCV treats reference counts: see vc_refcounting in viewcast.h.
FREES = "counts both ways and frees"
COUNTS = "counts both ways"
COUNTS_UP = "counts up only"
