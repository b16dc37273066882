#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs a missing command, or a file that is named by its path, in CI, as root, with apt-get.
# Never fails: programs that need it look for it, and report what they skip without it.
#
#   tools/get_with_apt.sh COMMAND [PACKAGE ...]    (the package is named as the command)
#   tools/get_with_apt.sh /PATH/OF/FILE PACKAGE ...
{ [[ -f "$1" ]] || command -v "$1" >/dev/null; } && exit 0
command=$1
shift
if [[ "${CI:-}" == true && $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "Installing $command ..."
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends "${@:-$command}"; } \
    >/dev/null 2>&1 || echo "$command could not be installed"
fi
exit 0
