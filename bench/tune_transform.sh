#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Times shapes of the fast GPU kernels, with several cache hints for loads and stores:
#
#   bench/tune_transform.sh [ROUNDS [WORKLOADS]]
#
# TUNE_HINTS="0_1" times one combination of hints. Needs nvcc and a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${TUNE_FOLDER:-build/tune}
mkdir -p "$folder"
include=(-Iinclude -Isrc -Isrc/transform)
objects=()
for source in src/core/{advice,dtype,error,overlap,overlap_list,view}.c src/transform/{plan,plan_checks,dispatch_fast,dispatch_generic}.c; do
  object=$folder/$(basename "$source" .c).o
  cc -O2 -std=c11 -D_GNU_SOURCE "${include[@]}" -c "$source" -o "$object"
  objects+=("$object")
done

read -ra hints <<<"${TUNE_HINTS:-0_1 0_0 2_1 2_0}"
for hint in "${hints[@]}"; do
  load=${hint%_*} store=${hint#*_}
  nvcc -O3 -std=c++17 -fmad=false -arch="${TUNE_ARCH:-sm_90}" "${include[@]}" \
    -DVC_LOAD_HINT="$load" -DVC_STORE_HINT="$store" \
    bench/tune_transform.cu "${objects[@]}" -lm -o "$folder/tune_${load}_$store" &
  if [[ -n ${TUNE_ONE_BY_ONE:-} ]]; then wait; fi
done
wait
[[ -n ${TUNE_BUILD_ONLY:-} ]] && exit
for hint in "${hints[@]}"; do
  "$folder/tune_$hint" "$@"
done
