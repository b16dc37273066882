#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks Debian's Python for aarch64, and the libraries that wheels need, into a folder. apt-get
# works with lists and a state of its own there: nothing of this system changes.
#
#   tools/get_aarch64_python.sh FOLDER
set -euo pipefail
folder=$(realpath -m "$1")
apt=$folder/apt
mkdir -p "$apt"/{lists/partial,archives/partial} "$apt/state"
touch "$apt/status"
cat >"$apt/conf" <<END
APT::Architectures {"arm64";};
APT::Architecture "arm64";
APT::Sandbox::User "$(id -un)";
Dir::State "$apt/state";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
END
export APT_CONFIG=$apt/conf
apt-get -qq update
cd "$apt"
apt-get -qq download python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 \
  libgcc-s1 libstdc++6 libexpat1 zlib1g libffi8 libssl3 libbz2-1.0 liblzma5 libuuid1
for package in *.deb; do dpkg-deb -x "$package" "$folder"; done
rm -r "$apt"
