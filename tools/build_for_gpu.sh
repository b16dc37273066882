# SPDX-License-Identifier: Apache-2.0
# For the scripts that run on a GPU, to be sourced from the root of the checkout: builds
# viewcast for $PYTHON into $site, without a network, and finds what it needs to run. The
# kernels are compiled by the oldest NVRTC that tools/find_nvrtc.py finds, torch's included.
#
#   PYTHON                   the interpreter (python3)
#   VIEWCAST_WHEEL           a wheel of viewcast for it, which is installed and nothing built:
#                            as users get it, with kernels of the NVRTC that made it (none)
#   VIEWCAST_CUDA_CV2        folder of OpenCV wheels built with CUDA (none)
#   VIEWCAST_DLPACK_INCLUDE  folder above dlpack/dlpack.h (apache-tvm-ffi's)
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

if [[ -n ${VIEWCAST_WHEEL:-} ]]; then
  echo "==== Installing $VIEWCAST_WHEEL for $("$python" -V)"
  "${pip[@]}" --target "$site" "$VIEWCAST_WHEEL"
else
  echo "==== Building for $("$python" -V)"
  "${pip[@]}" --target "$site" -Cbuild-dir=build/gpu/meson \
    ${VIEWCAST_DLPACK_INCLUDE:+"-Csetup-args=-Ddlpack_include=$VIEWCAST_DLPACK_INCLUDE"} .
fi
"${pip[@]}" --target "$site" ./drop-in

# OpenCV's CUDA wheels need NPP: from the toolkit, unless it comes with them.
toolkit=${CUDA_HOME:-/usr/local/cuda}/lib64
if compgen -G "$toolkit/libnppc.so*" >/dev/null; then
  export LD_LIBRARY_PATH="$toolkit${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi

# The folder of OpenCV of a major version with CUDA; nothing where there is no wheel.
opencv_with_cuda() {
  local wheel
  wheel=$(compgen -G "${VIEWCAST_CUDA_CV2:-/nowhere}/opencv*-$1.*.whl" | tail -n 1 || true)
  [[ -n $wheel ]] || return 0
  "${pip[@]}" --target "$PWD/build/gpu/cuda-$1" "$wheel" >&2
  echo "$PWD/build/gpu/cuda-$1"
}

# For all that runs from here on: viewcast, and that OpenCV (4, or OPENCV_MAJOR).
use_opencv_with_cuda() {
  local folder
  folder=$(opencv_with_cuda "${OPENCV_MAJOR:-4}")
  export PYTHONPATH="${folder:+$folder:}$site${PYTHONPATH:+:$PYTHONPATH}"
}
