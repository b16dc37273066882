#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make test-gpu`: the tests of tests/gpu on a GPU (those with the marker slow_paths once
# more under VIEWCAST_SLOW=1), and those of tests/python in host mode (the GPU hidden),
# once per OpenCV, with the torch, CuPy and OpenCV that $PYTHON already has. Needs no
# network. Arguments go to pytest; see build_for_gpu.sh for what the environment may name.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=tools/build_for_gpu.sh
source tools/build_for_gpu.sh

status=0
summary=()
run_suite() { # name, folder that goes before all others (may be empty)
  local paths="${2:+$2:}$site${PYTHONPATH:+:$PYTHONPATH}"
  printf '\n==== %s: GPU tests\n' "$1"
  run_pytest "$1, GPU" tests/gpu "${@:3}"
  VIEWCAST_SLOW=1 run_pytest "$1, GPU, VIEWCAST_SLOW=1" tests/gpu -m slow_paths "${@:3}"
  printf '\n==== %s: host-mode tests, the GPU hidden\n' "$1"
  CUDA_VISIBLE_DEVICES="" run_pytest "$1, host mode" tests/python "${@:3}"
}
run_pytest() { # name, what to run
  local result=passed code=0
  PYTHONPATH=$paths "$python" -m pytest -q "${@:2}" || code=$?
  if [[ $code == 5 ]]; then # pytest's code for no tests: arguments may name others
    result="no tests"
  elif [[ $code != 0 ]]; then
    result="FAILED (exit code $code)"
    status=1
  fi
  summary+=("$1: $result")
}

if "$python" -c 'import cv2' 2>/dev/null; then
  run_suite "OpenCV of the environment" "" "$@"
else
  summary+=("OpenCV of the environment: skipped, there is none")
fi
for major in 4 5; do
  name="OpenCV $major with CUDA"
  folder=$(opencv_with_cuda "$major")
  if [[ -z $folder ]]; then
    summary+=("$name: skipped, no wheel in VIEWCAST_CUDA_CV2")
    continue
  fi
  run_suite "$name" "$folder" "$@"
done

printf '\n==== Summary\n'
printf '%s\n' "${summary[@]}"
exit "$status"
