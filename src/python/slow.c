/* SPDX-License-Identifier: Apache-2.0 */
#include "slow.h"

#include <stdlib.h>
#include <string.h>

#include "free_threading.h"

bool ext_is_slow(void) {
  static int known = -1;
  int slow = EXT_READ(known);
  if (slow < 0) {
    const char *value = getenv("VIEWCAST_SLOW");
    slow = value && strcmp(value, "1") == 0;
    EXT_WRITE(known, slow);
  }
  return slow;
}
