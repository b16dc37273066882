/* SPDX-License-Identifier: Apache-2.0 */
/* GpuMat headers: read, shared, and written by lending, as OpenCV's own code and
 * code that scribbles over headers may leave them. A header that carries one of
 * our allocators has a counter of ours: OpenCV never changes the one without
 * the other, and nobody could tell a wrong counter from a right one. */
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "invariants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t pixels[4096];
static int released;
static void count_release(void *context) {
  (void)context;
  released++;
}
static bool is_last(void *object) {
  (void)object;
  return true;
}
static void drop(void *object) { (void)object; }

/* The allocator of a header that OpenCV made: never called here, for the counter
 * never reaches zero. */
static const void *foreign_table[4];
static const void *const foreign = foreign_table;

static void scribble(fuzz_input *input, vc_gpumat *mat) {
  uint8_t bits = take_byte(input);
  if (bits & 1) mat->flags = (int32_t)take_number(input);
  if (bits & 2) mat->flags = 0x42FF0000 | (int32_t)(take_bytes(input, 2));
  if (bits & 4) mat->rows = (int32_t)take_number(input);
  if (bits & 8) mat->cols = (int32_t)take_number(input);
  if (bits & 16) mat->step = (size_t)take_number(input);
  if (bits & 32) mat->data = (uint8_t *)(uintptr_t)take_number(input);
  if (bits & 64) mat->datastart = (uint8_t *)(uintptr_t)take_number(input);
  if (bits & 128) mat->dataend = (uint8_t *)(uintptr_t)take_number(input);
}

static void read_and_share(const vc_gpumat_abi *abi, const vc_gpumat *mat, bool keepdim) {
  vc_view view, untouched;
  vc_owner owner = {0};
  vc_error error;
  vc_gpumat before = *mat;
  memset(&untouched, 0xA5, sizeof untouched);
  view = untouched;
  vc_ownership hold = vc_gpumat_ownership(abi, mat);
  vc_status status = vc_view_from_gpumat(abi, mat, keepdim, &view, &error);
  if (status == VC_OK) {
    must_be_sound(&view);
  } else {
    must_explain(status, &error);
    MUST(memcmp(&view, &untouched, sizeof view) == 0);
  }
  int32_t count = mat->refcount ? *mat->refcount : 0;
  status = vc_gpumat_share(abi, mat, &owner, &error);
  if (status != VC_OK) {
    must_explain(status, &error);
    MUST(!owner.release);
  } else if (hold == VC_OWNERSHIP_STANDARD || hold == VC_OWNERSHIP_LENT) {
    MUST(owner.release && *mat->refcount == count + 1);
  } else {
    MUST(!owner.release);
  }
  vc_owner_release(&owner);
  MUST(!mat->refcount || *mat->refcount == count);
  MUST(memcmp(&before, mat, sizeof before) == 0);
}

/* A header of OpenCV's own, with a count that stays above zero. */
static void check_foreign_header(fuzz_input *input, const vc_gpumat_abi *abi) {
  int32_t counter = 5;
  vc_gpumat mat = {.flags = 0x42FF0000,
                   .rows = 4,
                   .cols = 6,
                   .step = 64,
                   .data = pixels,
                   .datastart = pixels,
                   .dataend = pixels + 198};
  uint8_t kind = take_byte(input);
  scribble(input, &mat);
  if (kind & 1) mat.refcount = &counter;
  if (kind & 2)
    mat.allocator = (void *)(uintptr_t)abi->standard_allocator;
  else if (kind & 4)
    mat.allocator = (void *)(uintptr_t)&foreign;
  read_and_share(abi, &mat, kind & 8);
}

/* One that we lent, scribbled over, and released by OpenCV's rules. */
static void check_lent_header(fuzz_input *input, const vc_gpumat_abi *abi) {
  static const int64_t shape[] = {4, 6, 4};
  vc_view view;
  vc_error error;
  vc_gpumat mat = {0};
  vc_owner owner = {&released, count_release, take_bool(input)};
  vc_holder holder = {sizeof holder, &mat, is_last, drop};
  vc_device host = {VC_CPU, 0};
  int before = released;
  MUST(vc_view_packed(pixels, host, (vc_dtype){VC_UINT, 8}, 3, shape, &view, &error) == VC_OK);
  MUST(vc_gpumat_lend(abi, &view, &owner, &holder, &mat, &error) == VC_OK);
  MUST(!owner.release && released == before);
  scribble(input, &mat);
  if (mat.data) read_and_share(abi, &mat, false);
  vc_collect(false);
  MUST(abi->counting == VC_REFCOUNT_UP_ONLY || released == before);
  if (abi->counting != VC_REFCOUNT_UP_ONLY && --*mat.refcount == 0) {
    /* As OpenCV calls it: slot 3 of the allocator's virtual table. */
    void (*free_mat)(void *, vc_gpumat *);
    const char *const *table = *(const char *const *const *)mat.allocator;
    memcpy(&free_mat, &table[3], sizeof free_mat);
    free_mat(mat.allocator, &mat);
  }
  vc_collect(true);
  MUST(released == before + 1);
}

/* Lending any view that is sound: the header is right, or was not touched. */
static void check_lend(fuzz_input *input, const vc_gpumat_abi *abi) {
  vc_view view = {.data = pixels, .device = {VC_CPU, 0}, .dtype = {VC_UINT, 8}, .ndim = 3};
  vc_gpumat mat = {.allocator = &mat}, before = mat;
  vc_owner owner = {0};
  vc_error error;
  view.readonly = take_bool(input);
  view.ndim = 2 + take_byte(input) % 2;
  for (int i = 0; i < 3; i++) view.shape[i] = take_number(input);
  for (int i = 0; i < 3; i++) view.strides[i] = take_number(input);
  if (vc_view_check(&view, &error) != VC_OK) return;
  vc_status status = vc_gpumat_lend(abi, &view, &owner, NULL, &mat, &error);
  if (status != VC_OK) {
    must_explain(status, &error);
    MUST(memcmp(&mat, &before, sizeof mat) == 0);
    return;
  }
  read_and_share(abi, &mat, view.ndim == 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input input = {data, size};
  const vc_gpumat_abi *abi = fuzz_abi(take_byte(&input));
  vc_statistics before = {.size = sizeof before}, after = before;
  vc_ignore(vc_statistics_read(&before, NULL));
  check_foreign_header(&input, abi);
  check_lent_header(&input, abi);
  check_lend(&input, abi);
  vc_ignore(vc_statistics_read(&after, NULL));
  MUST(after.lends - before.lends == after.lends_released - before.lends_released);
  MUST(after.shares - before.shares == after.shares_released - before.shares_released);
  MUST(after.pending == 0);
  return 0;
}
