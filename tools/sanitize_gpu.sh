#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds viewcast for $PYTHON, and runs the tests of tests/gpu under compute-sanitizer
# with the torch, CuPy and OpenCV that it has (OpenCV 4 with CUDA, where VIEWCAST_CUDA_CV2
# names a folder with its wheel). Arguments go to compute_sanitizer.py:
#
#   tools/sanitize_gpu.sh                       # memcheck over all, then the transforms'
#                                               # kernels under racecheck and initcheck
#   tools/sanitize_gpu.sh --tools racecheck --seconds 300 tests/gpu/test_transform.py
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/build_for_gpu.sh
source tools/build_for_gpu.sh

PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin"
use_opencv_with_cuda
exec "$python" tools/compute_sanitizer.py "$@"
