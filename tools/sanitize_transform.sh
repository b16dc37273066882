#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# compute-sanitizer over the small GPU tests of transforms: memory, races,
# reads of what was never written. Needs a viewcast that $PYTHON imports.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
# Without torch's and CuPy's pools, so that each image ends where its memory does.
export PYTORCH_NO_CUDA_MEMORY_CACHING=1
for tool in memcheck racecheck initcheck; do
  echo "==== $tool"
  compute-sanitizer --tool "$tool" --error-exitcode 9 --kernel-name kns=vc_ \
    "${PYTHON:-python3}" -m pytest -q -p no:cacheprovider tests/gpu/test_transform.py -k small \
    "$@" || status=1
done
exit "$status"
