/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a __cuda_array_interface__, and typestrs. */
#include <string.h>

#include "input.h"
#include "invariants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_typestr(fuzz_input *input, char *out, size_t size) {
  static const char *const known[] = {"|u1", "<f4",  "<f2", ">f4", "|b1",  "<i8",
                                      "<u2", "|V2",  "<c8", "=i4", "<f16", "<M8[s]",
                                      "",    "|u1 ", "u1",  "f4",  "b1"};
  uint8_t kind = take_byte(input);
  memset(out, 0, size);
  if (kind < 200) {
    strncpy(out, known[kind % (sizeof known / sizeof *known)], size - 1);
    return;
  }
  for (size_t i = 0; i < size; i++) out[i] = (char)take_byte(input);
}

static vc_cuda_array take_array(fuzz_input *input) {
  vc_cuda_array array = {0};
  uint8_t bits = take_byte(input);
  array.version = bits & 1 ? 3 : take_number(input);
  array.readonly = bits & 2;
  array.has_mask = bits & 4 && bits & 8;
  array.has_strides = bits & 16;
  array.ndim = bits & 32 ? (int32_t)take_number(input) : take_byte(input) % 5;
  for (int i = 0; i < VC_MAX_NDIM; i++) array.shape[i] = take_number(input);
  for (int i = 0; i < VC_MAX_NDIM; i++) array.strides[i] = take_number(input);
  array.data = (uintptr_t)take_number(input);
  take_typestr(input, array.typestr, sizeof array.typestr);
  return array;
}

static void check_typestr(fuzz_input *input) {
  char text[24];
  vc_dtype dtype;
  vc_error error;
  take_typestr(input, text, sizeof text);
  text[sizeof text - 1] = '\0';
  vc_status status = vc_dtype_from_typestr(text, &dtype, &error);
  if (status != VC_OK) {
    must_explain(status, &error);
    return;
  }
  MUST(vc_dtype_size(dtype) > 0 && vc_dtype_typestr(dtype) != NULL);
  MUST(strcmp(vc_dtype_typestr(dtype) + 1, text + (strchr("<|=>", text[0]) ? 1 : 0)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  vc_error error;
  vc_view view, untouched;
  memset(&untouched, 0xA5, sizeof untouched);
  view = untouched;
  vc_cuda_array array = take_array(&input);
  vc_device device = {take_bool(&input) ? VC_CUDA : (int32_t)take_number(&input),
                      (int32_t)take_number(&input)};
  vc_status status = vc_view_from_cuda_array(&array, device, &view, &error);
  if (status == VC_OK) {
    MUST(array.version == 2 || array.version == 3);
    MUST(!array.has_mask && view.readonly == array.readonly);
    must_be_sound(&view);
  } else {
    must_explain(status, &error);
    MUST(memcmp(&view, &untouched, sizeof view) == 0);
  }
  check_typestr(&input);
  return 0;
}
