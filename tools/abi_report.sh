#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make abi-report BASE=v0.1.0`: what has changed in the interface of libviewcast.so since a
# commit: functions and, as the headers have them, types. abidiff (Debian: abigail-tools)
# compares debugging information. Fails where a program built with the older library would not
# run with this one: the soversion in src/meson.build has to change then.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:?names no commit, as a tag: make abi-report BASE=v0.1.0}
command -v abidiff >/dev/null || { echo "SKIPPED no abidiff: apt-get install abigail-tools"; exit; }
folder=$PWD/build/abi
rm -rf "$folder" && mkdir -p "$folder/source"
git archive "$base" | tar -x -C "$folder/source"
build() { # SOURCE NAME
  python -m mesonbuild.mesonmain setup "$folder/$2" "$1" --buildtype=debug -Dpython=disabled \
    -Dtests=false -Dcuda=disabled --prefix="$folder/$2/prefix" --libdir=lib >/dev/null
  python -m mesonbuild.mesonmain install --quiet -C "$folder/$2" >/dev/null
}
build "$folder/source" before
build . after
status=0
abidiff --headers-dir1 "$folder/before/prefix/include" --headers-dir2 "$folder/after/prefix/include" \
  --drop-private-types "$folder"/{before,after}/prefix/lib/libviewcast.so || status=$?
# Its exit code is a sum: 1 and 2 are errors of its own, 4 a change, 8 one that breaks programs.
if ((status & 3)); then exit "$status"; fi
soname() { readelf -d "$folder/$1/prefix/lib/libviewcast.so" | grep -o 'libviewcast.so[.0-9]*\]'; }
if ((status & 8)) && [[ $(soname before) == "$(soname after)" ]]; then
  echo "FAILED: programs that were linked with $base do not run with this, and the soname is the same"
  exit 1
fi
if ((status)); then echo "changed since $base, and no function is gone; read how, above"; fi
