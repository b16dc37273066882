#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs valgrind where it is missing, and where that is nobody's own machine:
# in CI, as root, with apt-get. Never fails: without valgrind the instruction
# counts are skipped, which the summary of `make test` says.
command -v valgrind >/dev/null && exit 0
if [[ "${CI:-}" == true && $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
  echo 'Installing valgrind ...'
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends valgrind; } >/dev/null ||
    echo 'valgrind could not be installed'
fi
exit 0
