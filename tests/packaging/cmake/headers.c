/* SPDX-License-Identifier: Apache-2.0 */
/* The header alone, and the version of the library that is running. */
#include <viewcast/viewcast.h>

#include <stdio.h>

int main(void) {
  puts(vc_version());
  return 0;
}
