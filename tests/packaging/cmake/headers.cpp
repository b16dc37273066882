// SPDX-License-Identifier: Apache-2.0
// The header alone, and the version of the library that is running.
#include <viewcast/viewcast.hpp>

#include <cstdio>

int main() {
  const viewcast::View none;
  if (none.owner()) return 1;
  std::puts(vc_version());
  return 0;
}
