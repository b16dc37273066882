/* SPDX-License-Identifier: Apache-2.0 */
/* DLPack (https://dmlc.github.io/dlpack/latest/): tensors of other libraries read as views,
 * and views exported to them. */
#include <viewcast/viewcast.h>

#include <dlpack/dlpack.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/allocate.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/owner.h"
#include "core/view.h"
#include "internal.h"

_Static_assert((int)VC_CPU == (int)kDLCPU && (int)VC_CUDA == (int)kDLCUDA &&
                   (int)VC_CUDA_HOST == (int)kDLCUDAHost &&
                   (int)VC_CUDA_MANAGED == (int)kDLCUDAManaged,
               "device types are DLPack's");
_Static_assert((int)VC_INT == (int)kDLInt && (int)VC_UINT == (int)kDLUInt &&
                   (int)VC_FLOAT == (int)kDLFloat && (int)VC_BFLOAT == (int)kDLBfloat &&
                   (int)VC_COMPLEX == (int)kDLComplex && (int)VC_BOOL == (int)kDLBool,
               "type codes are DLPack's");
_Static_assert(VC_DLPACK_READ_ONLY == DLPACK_FLAG_BITMASK_READ_ONLY &&
                   VC_DLPACK_IS_COPIED == DLPACK_FLAG_BITMASK_IS_COPIED,
               "flags are DLPack's");

/* ------------------------------------------------------------------ import */

/* The name of a device type that is refused, for messages. */
static const char *device_name(int32_t type) {
  switch (type) {
    case kDLOpenCL: return "OpenCL";
    case kDLVulkan: return "Vulkan";
    case kDLMetal: return "Metal";
    case kDLVPI: return "VPI";
    case kDLROCM: return "ROCm";
    case kDLROCMHost: return "ROCm host";
    case kDLExtDev: return "an extension";
    case kDLOneAPI: return "oneAPI";
    case kDLWebGPU: return "WebGPU";
    case kDLHexagon: return "Hexagon";
    case kDLMAIA: return "MAIA";
    case kDLTrn: return "Trainium";
    default: return "unknown";
  }
}

/* The device of a tensor; host memory has no ordinal. */
static vc_status read_device(const DLTensor *tensor, vc_device *out, vc_error *error) {
  int32_t type = (int32_t)tensor->device.device_type;
  switch (type) {
    case VC_CPU:
    case VC_CUDA_HOST: *out = (vc_device){.type = type, .id = 0}; return VC_OK;
    case VC_CUDA:
    case VC_CUDA_MANAGED:
      *out = (vc_device){.type = type, .id = tensor->device.device_id};
      return VC_OK;
    default:
      return vc_fail(error, VC_ERROR_DEVICE,
                     "tensor is on device type %" PRId32
                     " (%s), needs CPU (1), CUDA (2), CUDA "
                     "host (3) or CUDA managed (13); %s",
                     type, device_name(type), vc_advice_text(VC_ADVICE_FROM_OTHER_DEVICE));
  }
}

static vc_status read_dtype(const DLTensor *tensor, vc_dtype *out, vc_error *error) {
  if (tensor->dtype.lanes != 1)
    return vc_fail(error, VC_ERROR_DTYPE,
                   "dtype is a vector of %d lanes of %d bits, needs 1 lane; export the lanes "
                   "as the last axis instead",
                   tensor->dtype.lanes, tensor->dtype.bits);
  *out = (vc_dtype){.code = tensor->dtype.code, .bits = tensor->dtype.bits};
  return vc_dtype_check(*out, error);
}

/* The address of the first element, byte offset included. */
static vc_status read_address(const DLTensor *tensor, bool empty, void **out, vc_error *error) {
  uintptr_t address = (uintptr_t)tensor->data;
  if (tensor->data == NULL && (empty || tensor->byte_offset == 0)) {
    *out = NULL; /* which vc_view_check refuses for a tensor with elements */
    return VC_OK;
  }
  if (tensor->data == NULL)
    return vc_fail(error, VC_ERROR_VALUE,
                   "data is NULL with a byte offset of %" PRIu64
                   ", needs an address: the "
                   "producer's description is broken",
                   tensor->byte_offset);
  if (__builtin_add_overflow(address, tensor->byte_offset, &address))
    return vc_fail(error, VC_ERROR_VALUE,
                   "byte offset %" PRIu64
                   " from address %p is outside the address space: the "
                   "producer's description is broken",
                   tensor->byte_offset, tensor->data);
  *out = (void *)address;
  return VC_OK;
}

/* Reads strides as bytes. A stride that overflows is an error only where an axis uses it. */
static vc_status read_strides(const DLTensor *tensor, vc_view *view, vc_error *error) {
  bool empty = vc_view_is_empty(view);
  int64_t size = (int64_t)vc_dtype_bytes(view->dtype);
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    int64_t elements = tensor->strides[axis];
    if (!__builtin_mul_overflow(elements, size, &view->strides[axis])) continue;
    if (!empty && view->shape[axis] > 1)
      return vc_fail(error, VC_ERROR_VALUE,
                     "axis %" PRId32 " has a stride of %" PRId64 " elements of %" PRId64
                     " bytes, which overflows 64 bits: the producer's strides are broken",
                     axis, elements, size);
    view->strides[axis] = 0;
  }
  return VC_OK;
}

/* Reads rank, shape and strides, which vc_view_check then checks. */
static vc_status read_layout(const DLTensor *tensor, vc_view *view, vc_error *error) {
  view->ndim = tensor->ndim;
  if (tensor->ndim < 1 || tensor->ndim > VC_MAX_NDIM) return vc_view_check(view, error);
  if (tensor->shape == NULL)
    return vc_fail(error, VC_ERROR_VALUE,
                   "shape is NULL although the rank is %" PRId32
                   ", needs one length an axis: "
                   "the producer's description is broken",
                   tensor->ndim);
  if (tensor->strides == NULL)
    return vc_view_packed(view->data, view->device, view->dtype, tensor->ndim, tensor->shape, view,
                          error);
  for (int32_t axis = 0; axis < view->ndim; axis++) view->shape[axis] = tensor->shape[axis];
  VC_TRY(read_strides(tensor, view, error));
  return vc_view_check(view, error);
}

static bool has_zero_axis(const DLTensor *tensor) {
  if (tensor->shape == NULL) return false;
  for (int32_t axis = 0; axis < tensor->ndim && axis < VC_MAX_NDIM; axis++)
    if (tensor->shape[axis] == 0) return true;
  return false;
}

/* Reads the usual tensor: no byte offset, strides present, a plain view. False for any other,
 * valid or not, which the functions above read. */
static bool read_plain(const DLTensor *tensor, vc_view *out) {
  int64_t size = (int64_t)(tensor->dtype.bits / 8);
  if (tensor->dtype.lanes != 1 || tensor->ndim < 1 || tensor->ndim > VC_MAX_NDIM ||
      tensor->shape == NULL || tensor->strides == NULL || tensor->byte_offset != 0)
    return false;
  *out = (vc_view){.data = tensor->data,
                   .device = {(int32_t)tensor->device.device_type, tensor->device.device_id},
                   .dtype = {tensor->dtype.code, tensor->dtype.bits},
                   .ndim = tensor->ndim};
  if (out->device.type == VC_CPU) out->device.id = 0;
  for (int32_t axis = 0; axis < out->ndim; axis++) {
    out->shape[axis] = tensor->shape[axis];
    if (__builtin_mul_overflow(tensor->strides[axis], size, &out->strides[axis])) return false;
  }
  return vc_view_is_plain(out);
}

vc_status vc_view_from_dltensor(const void *dltensor, vc_view *out, vc_error *error) {
  VC_NEED(dltensor);
  VC_NEED(out);
  const DLTensor *tensor = dltensor;
  vc_view plain;
  if (read_plain(tensor, &plain)) {
    *out = plain;
    return VC_OK;
  }

  vc_view view = {0};
  VC_TRY(read_dtype(tensor, &view.dtype, error));
  VC_TRY(read_device(tensor, &view.device, error));
  VC_TRY(read_address(tensor, has_zero_axis(tensor), &view.data, error));
  VC_TRY(read_layout(tensor, &view, error));
  *out = view;
  return VC_OK;
}

static void delete_tensor(void *context) {
  DLManagedTensor *tensor = context;
  tensor->deleter(tensor);
}

static void delete_versioned(void *context) {
  DLManagedTensorVersioned *tensor = context;
  tensor->deleter(tensor);
}

/* The owner of a managed tensor. It is not any_thread, because a deleter may wait for a lock
 * (many take Python's). */
static vc_owner owner_of(void *tensor, bool has_deleter, void (*release)(void *context)) {
  if (!has_deleter) return (vc_owner){0};
  return (vc_owner){.context = tensor, .release = release, .any_thread = false};
}

vc_status vc_view_from_dlpack(DLManagedTensor *tensor, vc_view *out, vc_owner *owner,
                              vc_error *error) {
  VC_NEED(tensor);
  VC_NEED(out);
  VC_NEED(owner);
  VC_TRY(vc_view_from_dltensor(&tensor->dl_tensor, out, error));
  *owner = owner_of(tensor, tensor->deleter != NULL, delete_tensor);
  return VC_OK;
}

vc_status vc_view_from_dlpack_versioned(DLManagedTensorVersioned *tensor, vc_view *out,
                                        vc_owner *owner, uint64_t *flags, vc_error *error) {
  VC_NEED(tensor);
  VC_NEED(out);
  VC_NEED(owner);
  if (tensor->version.major != DLPACK_MAJOR_VERSION)
    return vc_fail(error, VC_ERROR_VALUE,
                   "managed tensor has DLPack version %" PRIu32 ".%" PRIu32 ", needs %d.x; %s",
                   tensor->version.major, tensor->version.minor, DLPACK_MAJOR_VERSION,
                   vc_advice_text(VC_ADVICE_NEW_VERSION));

  VC_TRY(vc_view_from_dltensor(&tensor->dl_tensor, out, error));
  out->readonly = (tensor->flags & VC_DLPACK_READ_ONLY) != 0;
  *owner = owner_of(tensor, tensor->deleter != NULL, delete_versioned);
  if (flags != NULL) *flags = tensor->flags;
  return VC_OK;
}

/* ------------------------------------------------------------------ export */

/* A managed tensor and all that it points at, in one allocation. */
typedef struct export {
  union {
    DLManagedTensor plain;
    DLManagedTensorVersioned versioned;
  } tensor; /* first: a tensor's address is its export's */
  vc_record record;
  int64_t shape[VC_MAX_NDIM];
  int64_t strides[VC_MAX_NDIM];
  bool empty;
}
export;

static void free_export(vc_record *record) { free((char *)record - offsetof(export, record)); }

static void end_export(export *self) {
  VC_COUNT(exports_released, 1);
  vc_retire(&self->record);
}

static void delete_plain_export(DLManagedTensor *tensor) {
  if (tensor != NULL) end_export((export *)tensor);
}

static void delete_versioned_export(DLManagedTensorVersioned *tensor) {
  if (tensor != NULL) end_export((export *)tensor);
}

/* Writes strides in elements. The remainder of a stride that no axis uses is dropped. */
static vc_status write_strides(const vc_view *view, bool empty, int64_t *strides, vc_error *error) {
  int64_t size = (int64_t)vc_dtype_bytes(view->dtype);
  int shift = __builtin_ctzll((uint64_t)size); /* a power of two: divisions are slow */
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    strides[axis] = view->strides[axis] >> shift;
    if (strides[axis] * size != view->strides[axis] && view->shape[axis] > 1 && !empty)
      return vc_fail(error, VC_ERROR_LAYOUT,
                     "axis %" PRId32 " has stride %" PRId64
                     " bytes, needs a multiple of the "
                     "itemsize %" PRId64 ": DLPack counts strides in elements; %s",
                     axis, view->strides[axis], size, vc_advice_text(VC_ADVICE_PACK_ELEMENTS));
  }
  return VC_OK;
}

/* The DLTensor of a view, over shape and strides that live beside it. DLPack
 * wants NULL data of an empty tensor. */
static DLTensor describe(const vc_view *view, export *self) {
  return (DLTensor){
      .data = self->empty ? NULL : view->data,
      .device = {.device_type = (DLDeviceType)view->device.type, .device_id = view->device.id},
      .ndim = view->ndim,
      .dtype = {.code = view->dtype.code, .bits = view->dtype.bits, .lanes = 1},
      .shape = self->shape,
      .strides = self->strides,
      .byte_offset = 0,
  };
}

/* A checked view and its owner in a new export, whose tensor is still to be
 * filled in. */
static vc_status make_export(const vc_view *view, vc_owner *owner, export **out, vc_error *error) {
  int64_t strides[VC_MAX_NDIM] = {0};
  bool plain = vc_view_is_plain(view);
  if (!plain) VC_TRY(vc_view_check(view, error));
  bool empty = !plain && vc_view_is_empty(view);
  VC_TRY(write_strides(view, empty, strides, error));

  export *self = vc_malloc(sizeof *self);
  if (self == NULL)
    return vc_fail(error, VC_ERROR_MEMORY, "no memory for a managed tensor of %zu bytes",
                   sizeof *self);
  memcpy(self->shape, view->shape, sizeof self->shape);
  memcpy(self->strides, strides, sizeof self->strides);
  self->record = (vc_record){.finish = free_export};
  self->empty = empty;
  if (owner != NULL) {
    self->record.owner = *owner;
    *owner = (vc_owner){0};
  }
  VC_COUNT(exports, 1);
  *out = self;
  return VC_OK;
}

vc_status vc_dlpack_from_view(const vc_view *view, vc_owner *owner, DLManagedTensor **out,
                              vc_error *error) {
  VC_NEED(view);
  VC_NEED(out);
  if (view->readonly)
    return vc_fail(error, VC_ERROR_VALUE,
                   "array is read-only, needs to be writable: unversioned DLPack cannot say "
                   "read-only; %s",
                   vc_advice_text(VC_ADVICE_VERSIONED));
  export *self;
  VC_TRY(make_export(view, owner, &self, error));
  self->tensor.plain = (DLManagedTensor){
      .dl_tensor = describe(view, self),
      .manager_ctx = self,
      .deleter = delete_plain_export,
  };
  *out = &self->tensor.plain;
  return VC_OK;
}

vc_status vc_dlpack_versioned_from_view(const vc_view *view, vc_owner *owner, uint64_t flags,
                                        DLManagedTensorVersioned **out, vc_error *error) {
  VC_NEED(view);
  VC_NEED(out);
  if ((flags & ~(VC_DLPACK_READ_ONLY | VC_DLPACK_IS_COPIED)) != 0)
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "flags are %#" PRIx64
                   ", needs VC_DLPACK_READ_ONLY, VC_DLPACK_IS_COPIED, both or "
                   "none of them",
                   flags);
  export *self;
  VC_TRY(make_export(view, owner, &self, error));
  self->tensor.versioned = (DLManagedTensorVersioned){
      .version = {.major = DLPACK_MAJOR_VERSION, .minor = DLPACK_MINOR_VERSION},
      .manager_ctx = self,
      .deleter = delete_versioned_export,
      .flags = flags | (view->readonly ? VC_DLPACK_READ_ONLY : 0),
      .dl_tensor = describe(view, self),
  };
  *out = &self->tensor.versioned;
  return VC_OK;
}
