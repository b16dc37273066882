/* SPDX-License-Identifier: Apache-2.0 */
#include <viewcast/viewcast.h>

#define TEXT(number) #number
#define DOTTED(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *vc_version(void) {
  return DOTTED(VC_VERSION_MAJOR, VC_VERSION_MINOR, VC_VERSION_PATCH);
}
