/* SPDX-License-Identifier: Apache-2.0 */
#include "invariants.h"

#include <dlpack/dlpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must_be(bool right, const char *text, const char *file, int line) {
  if (right) return;
  fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
  abort();
}

void must_explain(vc_status status, const vc_error *error) {
  MUST(status > VC_OK && status <= VC_ERROR_ARGUMENT);
  MUST(error->status == status);
  MUST(error->message[0] != '\0' && memchr(error->message, '\0', sizeof error->message));
}

const vc_gpumat_abi *fuzz_abi(unsigned index) {
  static vc_gpumat_abi abis[FUZZ_ABIS];
  static const int standard = 0;
  if (!abis[0].channel_shift) {
    for (int i = 0; i < FUZZ_ABIS; i++) {
      MUST(vc_gpumat_abi_init(i < 3 ? 3 : 5, (vc_refcounting)(1 + i % 3),
                              i % 3 == 0 ? &standard : NULL, &abis[i], NULL) == VC_OK);
    }
  }
  return &abis[index % FUZZ_ABIS];
}

void must_be_alike(const vc_view *one, const vc_view *other) {
  MUST(one->ndim == other->ndim);
  MUST(one->dtype.code == other->dtype.code && one->dtype.bits == other->dtype.bits);
  MUST(vc_view_is_empty(one) || one->data == other->data);
  for (int axis = 0; axis < one->ndim; axis++) {
    MUST(one->shape[axis] == other->shape[axis]);
    MUST(vc_view_is_empty(one) || one->shape[axis] == 1 ||
         one->strides[axis] == other->strides[axis]);
  }
}

/* The bytes that the elements touch, and how many there are, without overflow. */
static void check_extent(const vc_view *view) {
  __int128 low = 0, high = (__int128)vc_dtype_size(view->dtype), count = high;
  for (int axis = 0; axis < view->ndim; axis++) {
    __int128 distance = (__int128)(view->shape[axis] - 1) * view->strides[axis];
    if (distance < 0)
      low += distance;
    else
      high += distance;
    count *= view->shape[axis];
  }
  int64_t told_low, told_high;
  vc_view_span(view, &told_low, &told_high);
  MUST(told_low == low && told_high == high);
  MUST((__int128)(uintptr_t)view->data + low >= 0);
  MUST((__int128)(uintptr_t)view->data + high <= (__int128)UINTPTR_MAX);
  MUST(vc_view_nbytes(view) == (size_t)count && count <= INT64_MAX);
  MUST(view->data != NULL);
}

static void check_image(const vc_view *view) {
  vc_image image;
  vc_view again;
  vc_error error;
  vc_status status = vc_image_from_view(view, &image, &error);
  if (status != VC_OK) {
    must_explain(status, &error);
    return;
  }
  MUST(image.rows >= 0 && image.rows <= INT32_MAX && image.cols >= 0 && image.cols <= INT32_MAX);
  MUST(image.channels >= 1);
  vc_view_from_image(&image, view->device, view->ndim == 3, &again);
  must_be_alike(view, &again);
}

static void check_header(const vc_view *view, const vc_gpumat_abi *abi) {
  vc_gpumat mat = {.allocator = &mat};
  vc_view again;
  vc_error error;
  vc_status status = vc_gpumat_over(abi, view, &mat, &error);
  if (status != VC_OK) {
    must_explain(status, &error);
    MUST(mat.data == NULL && mat.flags == 0 && mat.allocator == &mat);
    return;
  }
  MUST(mat.allocator == &mat && mat.refcount == NULL && mat.datastart == mat.data);
  MUST(mat.rows == view->shape[0] && mat.cols == view->shape[1]);
  MUST(vc_view_is_empty(view) == (mat.data == NULL));
  MUST(mat.data == NULL || (mat.data == view->data && mat.dataend > mat.data));
  MUST(vc_view_from_gpumat(abi, &mat, view->ndim == 3, &again, &error) == VC_OK);
  if (view->dtype.code == VC_BOOL) again.dtype = view->dtype; /* bool is 8U there */
  must_be_alike(view, &again);
}

static void check_tensor(const vc_view *view) {
  DLManagedTensorVersioned *tensor;
  vc_view again;
  vc_owner owner;
  vc_error error;
  vc_status status = vc_dlpack_versioned_from_view(view, NULL, 0, &tensor, &error);
  if (status != VC_OK) {
    must_explain(status, &error);
    return;
  }
  MUST(vc_view_from_dlpack_versioned(tensor, &again, &owner, NULL, &error) == VC_OK);
  must_be_alike(view, &again);
  MUST(again.readonly == view->readonly);
  vc_owner_release(&owner);
}

static void check_array(const vc_view *view) {
  vc_cuda_array array;
  vc_view again;
  vc_error error;
  vc_status status = vc_cuda_array_from_view(view, &array, &error);
  if (status != VC_OK) {
    must_explain(status, &error);
    return;
  }
  MUST(vc_view_from_cuda_array(&array, view->device, &again, &error) == VC_OK);
  must_be_alike(view, &again);
}

void must_be_sound(const vc_view *view) {
  vc_error error;
  MUST(vc_view_check(view, &error) == VC_OK);
  MUST(view->ndim >= 1 && view->ndim <= VC_MAX_NDIM && vc_dtype_size(view->dtype) > 0);
  for (int axis = 0; axis < view->ndim; axis++) MUST(view->shape[axis] >= 0);
  MUST(view->readonly <= 1);
  if (!vc_view_is_empty(view)) check_extent(view);
  vc_view_looks_planar(view);
  check_image(view);
  for (unsigned i = 0; i < FUZZ_ABIS; i++) check_header(view, fuzz_abi(i));
  check_tensor(view);
  check_array(view);
}
