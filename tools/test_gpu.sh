#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make test-gpu`: the tests of tests/gpu on a GPU, and those of tests/python in
# host mode (the GPU hidden), once per OpenCV, with the torch, CuPy and OpenCV
# that $PYTHON already has. Needs no network. Arguments go to pytest.
#
#   PYTHON                   the interpreter (python3)
#   VIEWCAST_CUDA_CV2        folder of OpenCV wheels built with CUDA (none)
#   VIEWCAST_DLPACK_INCLUDE  folder above dlpack/dlpack.h (apache-tvm-ffi's)
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
site=$PWD/build/gpu/site
pip=("$python" -m pip install --quiet --disable-pip-version-check
  --no-build-isolation --no-deps --no-index --upgrade)
PATH="$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$PATH"
export PATH

if ! reason=$("$python" - <<'PY'
import ctypes, sys
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    sys.exit(print(error) or 1)
count = ctypes.c_int()
code = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
print(f"CUDA error {code}, {count.value} devices")
sys.exit(code != 0 or count.value == 0)
PY
); then
  echo "skipped: no GPU to test on ($reason)"
  exit 0
fi

echo "==== Building for $("$python" -V)"
"${pip[@]}" --target "$site" -Cbuild-dir=build/gpu/meson \
  ${VIEWCAST_DLPACK_INCLUDE:+"-Csetup-args=-Ddlpack_include=$VIEWCAST_DLPACK_INCLUDE"} .
"${pip[@]}" --target "$site" ./drop-in

# OpenCV's CUDA wheels need NPP: from the toolkit, unless it comes with them.
toolkit=${CUDA_HOME:-/usr/local/cuda}/lib64
if compgen -G "$toolkit/libnppc.so*" >/dev/null; then
  export LD_LIBRARY_PATH="$toolkit${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi

status=0
summary=()
run_suite() { # name, folder that goes before all others (may be empty)
  local paths="${2:+$2:}$site${PYTHONPATH:+:$PYTHONPATH}"
  printf '\n==== %s: GPU tests\n' "$1"
  run_pytest "$1, GPU" tests/gpu "${@:3}"
  printf '\n==== %s: host-mode tests, the GPU hidden\n' "$1"
  CUDA_VISIBLE_DEVICES="" run_pytest "$1, host mode" tests/python "${@:3}"
}
run_pytest() { # name, what to run
  local result=passed
  PYTHONPATH=$paths "$python" -m pytest -q "${@:2}" || {
    result="FAILED (exit code $?)"
    status=1
  }
  summary+=("$1: $result")
}

if "$python" -c 'import cv2' 2>/dev/null; then
  run_suite "OpenCV of the environment" "" "$@"
else
  summary+=("OpenCV of the environment: skipped, there is none")
fi
for major in 4 5; do
  name="OpenCV $major with CUDA"
  wheel=$(compgen -G "${VIEWCAST_CUDA_CV2:-/nowhere}/opencv*-$major.*.whl" | tail -n 1 || true)
  if [[ -z $wheel ]]; then
    summary+=("$name: skipped, no wheel in VIEWCAST_CUDA_CV2")
    continue
  fi
  "${pip[@]}" --target "$PWD/build/gpu/cuda-$major" "$wheel"
  run_suite "$name" "$PWD/build/gpu/cuda-$major" "$@"
done

printf '\n==== Summary\n'
printf '%s\n' "${summary[@]}"
exit "$status"
