/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/dlpack_python.h"

#include <string.h>

#include "errors.h"
#include "free_threading.h"
#include "slow.h"

#define CAPSULE "dltensor"
#define CAPSULE_VERSIONED "dltensor_versioned"

/* --- the C exchange table */

/* The newest table of the chain whose major version we know. */
static const DLPackExchangeAPI *known_version(const DLPackExchangeAPIHeader *header) {
  while (header && header->version.major != DLPACK_MAJOR_VERSION) header = header->prev_api;
  return (const DLPackExchangeAPI *)header;
}

/* Types that have no table: asking them again would make an exception each time.
 * They are kept alive, so that their address can't become another's. */
enum { BARE_TYPES = 16 };
static uintptr_t bare[BARE_TYPES];

static uintptr_t *bare_slot(PyTypeObject *type) {
  return &bare[((uintptr_t)type >> 4) % BARE_TYPES];
}

const DLPackExchangeAPI *vp_exchange_api(PyTypeObject *type) {
  if (vp_is_slow() || VP_READ(*bare_slot(type)) == (uintptr_t)type) return NULL;
  PyObject *capsule = PyObject_GetAttrString((PyObject *)type, "__dlpack_c_exchange_api__");
  const DLPackExchangeAPI *api = NULL;
  if (capsule && PyCapsule_IsValid(capsule, "dlpack_exchange_api")) {
    api = known_version(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
  }
  Py_XDECREF(capsule); /* the table is immortal: DLPack 1.3 */
  PyErr_Clear();
  if (!api) Py_XDECREF((PyObject *)vp_swap(bare_slot(type), (uintptr_t)Py_NewRef(type)));
  return api;
}

static int refuse_copy(uint64_t flags) {
  if (!(flags & VC_DLPACK_IS_COPIED)) return 0;
  return vp_fail(VC_ERROR_VALUE,
                 "the producer's __dlpack__() made a copy, so a view of it would not be a "
                 "view of the image; pass a packed array on a device that it can share");
}

/* Not dltensor_from_py_object_no_sync: a DLTensor does not say that it is read-only, and
 * belongs to an object that may exchange its memory for other memory. */
int vp_import_exchange(const DLPackExchangeAPI *api, PyObject *object, vp_source *out) {
  vc_error error;
  uint64_t flags = 0;
  DLManagedTensorVersioned *tensor = NULL;
  if (api->managed_tensor_from_py_object_no_sync(object, &tensor) != 0 || !tensor) {
    return vp_raise_from("%.200s can't be described through DLPack", Py_TYPE(object)->tp_name);
  }
  if (vc_view_from_dlpack_versioned(tensor, &out->view, &out->owner, &flags, &error) != VC_OK) {
    if (tensor->deleter) tensor->deleter(tensor);
    return vp_raise(&error);
  }
  if (refuse_copy(flags) == 0) return 0;
  vp_release(&out->owner);
  return -1;
}

/* --- capsules */

static int take(PyObject *capsule, vp_source *out) {
  vc_error error;
  uint64_t flags = 0;
  vc_status status;
  if (PyCapsule_IsValid(capsule, CAPSULE_VERSIONED)) {
    DLManagedTensorVersioned *tensor = PyCapsule_GetPointer(capsule, CAPSULE_VERSIONED);
    status = vc_view_from_dlpack_versioned(tensor, &out->view, &out->owner, &flags, &error);
    if (status == VC_OK) PyCapsule_SetName(capsule, "used_" CAPSULE_VERSIONED);
  } else if (PyCapsule_IsValid(capsule, CAPSULE)) {
    DLManagedTensor *tensor = PyCapsule_GetPointer(capsule, CAPSULE);
    status = vc_view_from_dlpack(tensor, &out->view, &out->owner, &error);
    if (status == VC_OK) PyCapsule_SetName(capsule, "used_" CAPSULE);
  } else {
    const char *name = PyCapsule_CheckExact(capsule) ? PyCapsule_GetName(capsule) : NULL;
    PyErr_Clear();
    return vp_fail(VC_ERROR_VALUE,
                   "__dlpack__() gave %s%.100s, needs an unused capsule named \"dltensor\" or "
                   "\"dltensor_versioned\"",
                   name ? "a capsule named " : "an object of type ",
                   name ? name : Py_TYPE(capsule)->tp_name);
  }
  if (status != VC_OK) return vp_raise(&error);
  return refuse_copy(flags);
}

int vp_import_capsule(PyObject *capsule, vp_source *out) {
  int result = take(capsule, out);
  if (result < 0) vp_release(&out->owner);
  return result;
}

static void drop_capsule(PyObject *capsule) {
  if (PyCapsule_IsValid(capsule, CAPSULE)) {
    DLManagedTensor *tensor = PyCapsule_GetPointer(capsule, CAPSULE);
    tensor->deleter(tensor);
  }
}

static void drop_capsule_versioned(PyObject *capsule) {
  if (PyCapsule_IsValid(capsule, CAPSULE_VERSIONED)) {
    DLManagedTensorVersioned *tensor = PyCapsule_GetPointer(capsule, CAPSULE_VERSIONED);
    tensor->deleter(tensor);
  }
}

static PyObject *export_unversioned(vp_source *source) {
  vc_error error;
  DLManagedTensor *tensor;
  if (vc_dlpack_from_view(&source->view, &source->owner, &tensor, &error) != VC_OK) {
    vp_raise(&error);
    return NULL;
  }
  PyObject *capsule = PyCapsule_New(tensor, CAPSULE, drop_capsule);
  if (!capsule) tensor->deleter(tensor);
  return capsule;
}

static PyObject *export_versioned(vp_source *source) {
  vc_error error;
  DLManagedTensorVersioned *tensor;
  if (vc_dlpack_versioned_from_view(&source->view, &source->owner, 0, &tensor, &error) != VC_OK) {
    vp_raise(&error);
    return NULL;
  }
  PyObject *capsule = PyCapsule_New(tensor, CAPSULE_VERSIONED, drop_capsule_versioned);
  if (!capsule) tensor->deleter(tensor);
  return capsule;
}

PyObject *vp_export_capsule(vp_source *source, bool versioned) {
  return versioned ? export_versioned(source) : export_unversioned(source);
}
