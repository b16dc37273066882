#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds viewcast for $PYTHON, and runs the soak on a GPU with the torch, CuPy and OpenCV
# that it has (OpenCV 4 with CUDA, where VIEWCAST_CUDA_CV2 names a folder with its wheel):
# for the rest of 570 seconds after the build. Arguments go to soak.py:
#
#   tools/soak_gpu.sh --json report.json
#   tools/soak_gpu.sh --seconds 60       # of the soak alone
set -euo pipefail
cd "$(dirname "$0")/.."
SECONDS=0
# shellcheck source=tools/build_for_gpu.sh
source tools/build_for_gpu.sh

use_opencv_with_cuda
exec "$python" tests/soak/soak.py --gpu --seconds $((570 - SECONDS)) "$@"
