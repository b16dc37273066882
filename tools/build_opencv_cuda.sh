#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a wheel of OpenCV with CUDA from PyPI's own packages: OpenCV's source
# distribution, CUDA's compiler and NPP. No root, and no CUDA toolkit: a C++
# compiler, make, Python 3.9 or later and 10 GB of disk. See --help.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: tools/build_opencv_cuda.sh [options]

  --opencv VERSION   4.12 or later, as on PyPI          (5.0.0.93)
  --arch LIST        compute capabilities, ";" between  (native: the GPU here)
  --modules LIST     added to core, imgproc, cudev and python3
                     (cudaarithm,cudawarping; 4.x: cudaimgproc too)
  --cuda RELEASE     13.0 (driver 580 or later) is the one that was tried
  --jobs N           compilations at once               (the number of cores)
  --work FOLDER      everything is downloaded and built here; run again after an
                     interruption to go on              (build/opencv-cuda)
  --output FOLDER    where the wheel goes               (the work folder)
  --python PYTHON    the wheel fits this and every later CPython (python3)

The module that holds feature detection is always built too. Video decoding
(cudacodec), cuDNN, cuFFT and cuBLAS are left out: they need more than PyPI has.

The wheel finds NPP at run time beside itself: pip install WHEEL "nvidia-npp<14"
HELP
}

say() { printf '==== %s\n' "$*"; }
die() {
  printf 'build_opencv_cuda.sh: %s\n' "$*" >&2
  exit 2
}

opencv=5.0.0.93 arch=native modules="" cuda=13.0 jobs=$(nproc)
work=$(cd "$(dirname "$0")/.." && pwd)/build/opencv-cuda
output="" python=python3
while (($#)); do
  case $1 in
    -h | --help) usage && exit ;;
    --opencv | --arch | --modules | --cuda | --jobs | --work | --output | --python)
      (($# > 1)) || die "$1 needs a value; see --help"
      declare "${1#--}=$2"
      shift 2 ;;
    *) die "unknown option $1; see --help" ;;
  esac
done

# One release of CUDA: what nvcc asks for by itself is not pinned, and newer
# headers do not fit an older compiler.
case $cuda in
  13.0) toolkit_packages=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88
      nvidia-nvvm==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
      nvidia-cuda-profiler-api==13.0.85 nvidia-npp==13.0.3.3) ;;
  13.*) toolkit_packages=("nvidia-cuda-nvcc==$cuda.*" "nvidia-cuda-crt==$cuda.*"
      "nvidia-nvvm==$cuda.*" "nvidia-cuda-runtime==$cuda.*" "nvidia-cuda-cccl==$cuda.*"
      "nvidia-cuda-profiler-api==$cuda.*" "nvidia-npp<14") ;;
  *) die "--cuda $cuda: PyPI's packages make a whole toolkit from CUDA 13 on" ;;
esac

major=${opencv%%.*}
case $major in
  4) features=features2d defaults=cudaarithm,cudawarping,cudaimgproc ;;
  5) features=features defaults=cudaarithm,cudawarping ;;
  *) die "--opencv $opencv: 4.12 to 5.x are known" ;;
esac
build_list=core,imgproc,$features,cudev,${modules:-$defaults},python3

for tool in "$python" c++ make tar; do
  command -v "$tool" >/dev/null || die "$tool is not installed; a compiler, make and Python are needed"
done
if [[ $arch == native ]]; then
  command -v nvidia-smi >/dev/null || die "no GPU here to build for: say --arch 9.0, for one"
  arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | sort -u | paste -sd';')
fi

mkdir -p "$work"
work=$(cd "$work" && pwd)
output=${output:-$work}
mkdir -p "$output"
output=$(cd "$output" && pwd)
venv=$work/venv toolkit=$work/toolkit/nvidia/cu13
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check)

if [[ ! -e $work/toolkit.done ]]; then
  say "CUDA $cuda's compiler, headers and NPP"
  [[ -x $venv/bin/python ]] || "$python" -m venv "$venv"
  rm -rf "$work/toolkit"
  "${pip[@]}" install --no-deps --target "$work/toolkit" "${toolkit_packages[@]}"
  ln -s lib "$toolkit/lib64"
  for library in "$toolkit"/lib/lib*.so.*; do # names to link by
    name=${library%.so.*}
    ln -sf "${library##*/}" "$name.so"
    # OpenCV is linked into one file and asks for static NPP, which PyPI has not.
    [[ $name == */libnpp* ]] && printf 'INPUT(%s)\n' "$library" >"${name}_static.a"
  done
  touch "$work/toolkit.done"
fi

# A folder for each set of options: a build that was interrupted goes on.
key=$opencv-$(printf '%s' "$arch $build_list $cuda" | cksum | cut -d' ' -f1)
source=$work/$key
if [[ ! -e $source/unpacked ]]; then
  say "OpenCV $opencv, source distribution (150 MB)"
  mkdir -p "$work/download" "$source"
  if ! compgen -G "$work/download/opencv_contrib_python_headless-$opencv.tar.gz" >/dev/null; then
    "$venv/bin/python" - "$opencv" "$work/download" <<'PY'
import hashlib, json, os, pathlib, sys, urllib.request

version, folder = sys.argv[1], pathlib.Path(sys.argv[2])
# The simple index (PEP 691): what every mirror of PyPI serves.
index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
asked = urllib.request.Request(
    f"{index}/opencv-contrib-python-headless/",
    headers={"Accept": "application/vnd.pypi.simple.v1+json"},
)
name = f"opencv_contrib_python_headless-{version}.tar.gz"
files = json.load(urllib.request.urlopen(asked))["files"]
# Older ones are spelt with hyphens.
sdist = next((file for file in files if file["filename"].replace("-", "_") == name.replace("-", "_")), None)
if sdist is None:
    sys.exit(f"OpenCV {version} has no source distribution on {index}")
data = urllib.request.urlopen(sdist["url"]).read()
if hashlib.sha256(data).hexdigest() != sdist["hashes"]["sha256"]:
    sys.exit("the source distribution arrived damaged; run again")
(folder / name).write_bytes(data)
PY
  fi
  tar -xzf "$work/download/opencv_contrib_python_headless-$opencv.tar.gz" \
    -C "$source" --strip-components=1
  # OpenCV's packaging demands its typing stubs, whose writer stops at the first function
  # that it has a remark on and that no module here has (calibrateCamera, imread).
  "$venv/bin/python" - "$source/opencv/modules/python/src2/typing_stubs_generation" <<'PY'
import pathlib, sys

path = pathlib.Path(sys.argv[1], "api_refinement.py")
text = path.read_text()
edits = {
    "        refine_symbol(root, symbol_name)\n": """        try:
            refine_symbol(root, symbol_name)
        except SymbolNotFoundError:
            pass
""",
    "from .ast_utils import (": "from .ast_utils import (SymbolNotFoundError, ",
}
for old, new in edits.items():
    if text.count(old) != 1:
        sys.exit(f"{path} is not as it was in OpenCV 4.12 to 5.0: {old!r}")
    text = text.replace(old, new)
path.write_text(text)
PY
  "${pip[@]}" install "numpy>=2,<3" packaging "scikit-build>=0.18" "setuptools<70" wheel cmake ninja
  touch "$source/unpacked"
fi

say "OpenCV $opencv for compute capability $arch: $build_list"
export PATH="$toolkit/bin:$toolkit/nvvm/bin:$venv/bin:$PATH"
export CUDA_HOME=$toolkit CUDACXX=$toolkit/bin/nvcc CMAKE_BUILD_PARALLEL_LEVEL=$jobs
off() { printf -- '-DWITH_%s=OFF ' "$@"; }
CMAKE_ARGS="-DWITH_CUDA=ON -DENABLE_CUDA_FIRST_CLASS_LANGUAGE=ON
  -DCUDAToolkit_ROOT=$toolkit -DCMAKE_CUDA_COMPILER=$toolkit/bin/nvcc
  -DCMAKE_CUDA_ARCHITECTURES=${arch//./} -DCUDA_ARCH_BIN=$arch -DCUDA_ARCH_PTX=
  -DBUILD_LIST=$build_list -DPYTHON3_LIMITED_API=ON
  -DCMAKE_INSTALL_RPATH=\$ORIGIN/../nvidia/cu13/lib
  $(off CUFFT CUBLAS CUDNN NVCUVID NVCUVENC FFMPEG GSTREAMER OPENCL IPP PROTOBUF LAPACK)"
CMAKE_ARGS=$(printf '%s' "$CMAKE_ARGS" | tr -s ' \n' ' ')
export CMAKE_ARGS
begin=$SECONDS
rm -rf "$source/wheel"
(cd "$source" && "$venv/bin/python" -m pip --disable-pip-version-check wheel --no-deps \
  --no-build-isolation --wheel-dir "$source/wheel" --verbose .) >"$source/build.log" 2>&1 ||
  die "the build failed: $(grep -m1 -E 'CMake Error|[a-z]+ error:|: error|^ *(\w|\.)*(Error|Exception): ' \
    "$source/build.log"); all of it: $source/build.log"

# Built with the limited API, but named for one Python: named anew.
unzipped=$("$venv/bin/python" -m zipfile -l "$source"/wheel/*.whl)
[[ $unzipped == *cv2/cv2.abi3.so* ]] || die "the wheel holds no cv2.abi3.so: $source/wheel"
"$venv/bin/python" -m wheel tags --remove --python-tag cp37 --abi-tag abi3 "$source"/wheel/*.whl >/dev/null
wheel=$output/$(basename "$source"/wheel/*.whl)
cp "$source"/wheel/*.whl "$wheel"
say "$wheel: $(du -h "$wheel" | cut -f1), $(((SECONDS - begin) / 60)) minutes, $jobs at once"
echo "pip install $wheel \"nvidia-npp<14\""
