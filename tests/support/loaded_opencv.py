# SPDX-License-Identifier: Apache-2.0
"""What the OpenCV is that the tests run with. Needs nothing else: a free-threaded Python may
lack torch and CuPy."""

import cv2
import pytest

# tests/c/standin_cv2.cpp in OpenCV's place has GpuMat alone.
STANDIN = cv2.__doc__ == "A stand-in."
standin_lacks = pytest.mark.skipif(STANDIN, reason="not in OpenCV's stand-in")

# What the loaded OpenCV does with its counter: see viewcast.h, vc_refcounting.
FREES = "counts both ways and frees"
COUNTS = "counts both ways"
COUNTS_UP = "counts up only"
