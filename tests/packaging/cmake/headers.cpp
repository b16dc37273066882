// SPDX-License-Identifier: Apache-2.0
// The headers alone, and the version of the library that is running.
#include <viewcast/viewcast.h>

#include <cstdio>

int main() {
  std::puts(vc_version());
  return 0;
}
