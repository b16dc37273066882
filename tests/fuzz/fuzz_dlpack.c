/* SPDX-License-Identifier: Apache-2.0 */
/* DLTensor, DLManagedTensor and DLManagedTensorVersioned of a producer. */
#include <dlpack/dlpack.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "invariants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int deleted;
static void delete_plain(DLManagedTensor *tensor) {
  (void)tensor;
  deleted++;
}
static void delete_versioned(DLManagedTensorVersioned *tensor) {
  (void)tensor;
  deleted++;
}

/* As many numbers as the tensor says, and not one more: a read beyond is found. */
static int64_t *take_axes(fuzz_input *input, int32_t ndim, bool null) {
  size_t count = ndim > 0 ? (size_t)ndim % 16 : 0;
  int64_t *axes = null ? NULL : malloc(count * sizeof *axes);
  for (size_t i = 0; axes && i < count; i++) axes[i] = take_number(input);
  return axes;
}

static int32_t take_rank(fuzz_input *input) {
  uint8_t kind = take_byte(input);
  if (kind < 200) return kind % 6;
  return kind < 250 ? kind % 16 : -(int32_t)kind;
}

static DLDataType take_dtype(fuzz_input *input) {
  static const DLDataType known[] = {{kDLUInt, 8, 1},   {kDLFloat, 32, 1},  {kDLInt, 16, 1},
                                     {kDLBool, 8, 1},   {kDLBfloat, 16, 1}, {kDLFloat, 64, 1},
                                     {kDLFloat, 16, 1}, {kDLUInt, 64, 1}};
  uint8_t kind = take_byte(input);
  if (kind < 200) return known[kind % (sizeof known / sizeof *known)];
  return (DLDataType){take_byte(input), take_byte(input), (uint16_t)take_bytes(input, 2)};
}

static DLTensor take_tensor(fuzz_input *input) {
  DLTensor tensor = {0};
  uint8_t nulls = take_byte(input);
  tensor.ndim = take_rank(input);
  tensor.dtype = take_dtype(input);
  /* More ranks than numbers are only told of where they are refused unread. */
  tensor.shape = take_axes(input, tensor.ndim, nulls & 1);
  tensor.strides = take_axes(input, tensor.ndim, nulls & 2);
  tensor.data = nulls & 4 ? NULL : (void *)(uintptr_t)take_number(input);
  if (nulls & 8) tensor.byte_offset = (uint64_t)take_number(input);
  int32_t type = take_byte(input) % 20;
  tensor.device = (DLDevice){nulls & 16 ? (DLDeviceType)type : kDLCPU, (int32_t)take_byte(input)};
  if (nulls & 32) tensor.device.device_id = -tensor.device.device_id;
  return tensor;
}

static void check_borrowed(const DLTensor *tensor, const vc_view *untouched) {
  vc_view view = *untouched;
  vc_error error;
  vc_status status = vc_view_from_dltensor(tensor, &view, &error);
  if (status == VC_OK) {
    must_be_sound(&view);
  } else {
    must_explain(status, &error);
    MUST(memcmp(&view, untouched, sizeof view) == 0);
  }
}

static void check_plain(const DLTensor *tensor, bool has_deleter) {
  DLManagedTensor managed = {*tensor, NULL, has_deleter ? delete_plain : NULL};
  vc_view view;
  vc_owner owner = {0};
  vc_error error;
  deleted = 0;
  vc_status status = vc_view_from_dlpack(&managed, &view, &owner, &error);
  MUST(deleted == 0);
  if (status != VC_OK) {
    MUST(!owner.release);
    return;
  }
  vc_owner_release(&owner);
  MUST(deleted == has_deleter && !owner.release);
}

static void check_versioned(const DLTensor *tensor, fuzz_input *input, bool has_deleter) {
  DLManagedTensorVersioned managed = {
      .version = {take_bool(input) ? 1 : take_byte(input), take_byte(input)},
      .flags = take_byte(input),
      .deleter = has_deleter ? delete_versioned : NULL,
      .dl_tensor = *tensor,
  };
  vc_view view;
  vc_owner owner = {0};
  uint64_t flags;
  vc_error error;
  deleted = 0;
  vc_status status = vc_view_from_dlpack_versioned(&managed, &view, &owner, &flags, &error);
  MUST(deleted == 0);
  if (status != VC_OK) {
    must_explain(status, &error);
    MUST(!owner.release);
    return;
  }
  MUST(managed.version.major == 1 && flags == managed.flags);
  must_be_sound(&view);
  vc_owner_release(&owner);
  MUST(deleted == has_deleter && !owner.release);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  vc_view untouched;
  memset(&untouched, 0xA5, sizeof untouched);
  bool has_deleter = take_bool(&input);
  DLTensor tensor = take_tensor(&input);
  check_borrowed(&tensor, &untouched);
  check_plain(&tensor, has_deleter);
  check_versioned(&tensor, &input, has_deleter);
  free(tensor.shape);
  free(tensor.strides);
  return 0;
}
