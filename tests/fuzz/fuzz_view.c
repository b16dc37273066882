/* SPDX-License-Identifier: Apache-2.0 */
/* Views as a caller fills them: what vc_view_check lets through is sound. */
#include <string.h>

#include "input.h"
#include "invariants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vc_view take_view(fuzz_input *input) {
  static const vc_dtype known[] = {{VC_UINT, 8}, {VC_FLOAT, 32}, {VC_BFLOAT, 16}, {VC_INT, 64}};
  vc_view view = {0};
  uint8_t bits = take_byte(input);
  view.ndim = bits & 1 ? 2 + (bits >> 7) : (int32_t)take_number(input);
  view.dtype =
      bits & 2 ? known[take_byte(input) % 4] : (vc_dtype){take_byte(input), take_byte(input)};
  view.device = (vc_device){bits & 4 ? VC_CPU : (int32_t)take_number(input),
                            bits & 8 ? 0 : (int32_t)take_number(input)};
  view.readonly = (bits & 16) != 0;
  for (int i = 0; i < VC_MAX_NDIM; i++) view.shape[i] = take_number(input);
  for (int i = 0; i < VC_MAX_NDIM; i++) view.strides[i] = take_number(input);
  view.data = (void *)(uintptr_t)take_number(input);
  return view;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  vc_error error;
  vc_view view = take_view(&input), packed, untouched;
  vc_status status = vc_view_check(&view, &error);
  if (status == VC_OK)
    must_be_sound(&view);
  else
    must_explain(status, &error);

  memset(&untouched, 0xA5, sizeof untouched);
  packed = untouched;
  status =
      vc_view_packed(view.data, view.device, view.dtype, view.ndim, view.shape, &packed, &error);
  if (status == VC_OK) {
    must_be_sound(&packed);
    MUST(vc_view_is_packed(&packed));
  } else {
    must_explain(status, &error);
    MUST(memcmp(&packed, &untouched, sizeof packed) == 0);
  }
  return 0;
}
