/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "internal.h"

#define TEXT(name, text) [VC_ADVICE_##name] = text,

typedef const char *const *texts;

static const char *const of_c[VC_ADVICE_COUNT] = {VC_ADVICE_LIST(TEXT)};
static _Atomic(texts) of_binding;

void vc_advice_use(const char *const given[VC_ADVICE_COUNT]) {
  atomic_store_explicit(&of_binding, given, memory_order_release);
}

const char *vc_advice_text(vc_advice which) {
  texts given = atomic_load_explicit(&of_binding, memory_order_acquire);
  return given != NULL && given[which] != NULL ? given[which] : of_c[which];
}
