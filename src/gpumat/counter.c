/* SPDX-License-Identifier: Apache-2.0 */
#include "gpumat/counter.h"

bool vc_counter_take(int32_t *counter) {
  int32_t seen = __atomic_load_n(counter, __ATOMIC_RELAXED);
  while (seen > 0) {
    if (__atomic_compare_exchange_n(counter, &seen, seen + 1, true, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED)) {
      return true;
    }
  }
  return false;
}

bool vc_counter_give_back(int32_t *counter) {
  return __atomic_fetch_sub(counter, 1, __ATOMIC_ACQ_REL) == 1;
}

int32_t vc_counter_read(const int32_t *counter) {
  return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}
