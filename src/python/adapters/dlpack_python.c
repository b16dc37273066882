/* SPDX-License-Identifier: Apache-2.0 */
/* DLPack's capsules and its C exchange table. */
#include "adapters/dlpack_python.h"

#include <string.h>

#include "errors.h"
#include "free_threading.h"
#include "imports.h"

#define CAPSULE "dltensor"
#define CAPSULE_VERSIONED "dltensor_versioned"

/* --- the C exchange table */

/* The newest table of the chain whose major version we know. */
static const DLPackExchangeAPI *known_version(const DLPackExchangeAPIHeader *header) {
  while (header && header->version.major != DLPACK_MAJOR_VERSION) header = header->prev_api;
  return (const DLPackExchangeAPI *)header;
}

/* Cache of types without a table: asking them again would raise an exception each time. They are
 * kept alive, so that their addresses are not reused. */
enum { BARE_TYPES = 16 };
static uintptr_t bare[BARE_TYPES];

static uintptr_t *bare_slot(PyTypeObject *type) {
  return &bare[((uintptr_t)type >> 4) % BARE_TYPES];
}

const DLPackExchangeAPI *ext_exchange_api(PyTypeObject *type) {
  if (ext_is_slow() || EXT_READ(*bare_slot(type)) == (uintptr_t)type) return NULL;
  PyObject *capsule = PyObject_GetAttrString((PyObject *)type, "__dlpack_c_exchange_api__");
  const DLPackExchangeAPI *api = NULL;
  if (capsule && PyCapsule_IsValid(capsule, "dlpack_exchange_api")) {
    api = known_version(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
  }
  Py_XDECREF(capsule); /* the table is immortal: DLPack 1.3 */
  PyErr_Clear();
  if (!api) Py_XDECREF((PyObject *)ext_swap(bare_slot(type), (uintptr_t)Py_NewRef(type)));
  return api;
}

static int refuse_copy(uint64_t flags) {
  if (!(flags & VC_DLPACK_IS_COPIED)) return 0;
  return ext_fail(VC_ERROR_VALUE,
                  "the producer's __dlpack__() made a copy, so a view of it would not be a "
                  "view of the image; pass a packed array on a device that it can share");
}

/* Not dltensor_from_py_object_no_sync: a DLTensor does not say that it is read-only, and
 * belongs to an object that may exchange its memory for other memory. */
int ext_import_exchange(const DLPackExchangeAPI *api, PyObject *object, ext_source *out) {
  vc_error error;
  uint64_t flags = 0;
  DLManagedTensorVersioned *tensor = NULL;
  if (api->managed_tensor_from_py_object_no_sync(object, &tensor) != 0 || !tensor) {
    return ext_raise_from("%.200s can't be described through DLPack", Py_TYPE(object)->tp_name);
  }
  if (vc_view_from_dlpack_versioned(tensor, &out->view, &out->owner, &flags, &error) != VC_OK) {
    if (tensor->deleter) tensor->deleter(tensor);
    return ext_raise(&error);
  }
  if (refuse_copy(flags) == 0) return 0;
  ext_release(&out->owner);
  return -1;
}

/* --- capsules */

/* Reads the tensor of an unused capsule and renames that. False if it is none. */
static bool take_tensor(PyObject *capsule, ext_source *out, uint64_t *flags, vc_status *status,
                        vc_error *error) {
  if (PyCapsule_IsValid(capsule, CAPSULE_VERSIONED)) {
    DLManagedTensorVersioned *tensor = PyCapsule_GetPointer(capsule, CAPSULE_VERSIONED);
    *status = vc_view_from_dlpack_versioned(tensor, &out->view, &out->owner, flags, error);
    if (*status == VC_OK) PyCapsule_SetName(capsule, "used_" CAPSULE_VERSIONED);
  } else if (PyCapsule_IsValid(capsule, CAPSULE)) {
    DLManagedTensor *tensor = PyCapsule_GetPointer(capsule, CAPSULE);
    *status = vc_view_from_dlpack(tensor, &out->view, &out->owner, error);
    if (*status == VC_OK) PyCapsule_SetName(capsule, "used_" CAPSULE);
  } else {
    return false;
  }
  return true;
}

/* Takes the tensor out of a capsule, one thread at a time, so that a capsule that two threads
 * share is used once. */
static int take(PyObject *capsule, ext_source *out, uint64_t *flags) {
  static ext_lock taking;
  vc_error error;
  vc_status status;
  ext_lock_take(&taking);
  bool unused = take_tensor(capsule, out, flags, &status, &error);
  ext_lock_give(&taking);
  if (unused) return status == VC_OK ? 0 : ext_raise(&error);
  const char *name = PyCapsule_CheckExact(capsule) ? PyCapsule_GetName(capsule) : NULL;
  PyErr_Clear();
  return ext_fail(VC_ERROR_VALUE,
                  "__dlpack__() gave %s%.100s, needs an unused capsule named \"dltensor\" or "
                  "\"dltensor_versioned\"",
                  name ? "a capsule named " : "an object of type ",
                  name ? name : Py_TYPE(capsule)->tp_name);
}

int ext_import_capsule(PyObject *capsule, bool may_copy, ext_source *out) {
  uint64_t flags = 0;
  if (take(capsule, out, &flags) < 0) return -1;
  if (may_copy || refuse_copy(flags) == 0) return 0;
  ext_release(&out->owner);
  return -1;
}

/* Whether a name is that of DLPack's capsules, used ones too. */
static bool is_dlpack_name(const char *name) {
  const char *plain = strncmp(name, "used_", 5) == 0 ? name + 5 : name;
  return strcmp(plain, CAPSULE) == 0 || strcmp(plain, CAPSULE_VERSIONED) == 0;
}

int ext_import_bare_capsule(PyObject *capsule, ext_source *out) {
  const char *name = PyCapsule_GetName(capsule);
  if (!name || !is_dlpack_name(name)) return 0;
  if (*name == 'u') {
    return ext_fail(VC_ERROR_VALUE,
                    "the DLPack capsule was used already (it is named \"%s\"), and can be taken "
                    "once; make another (x.__dlpack__()), or pass x itself",
                    name);
  }
  if (ext_import_capsule(capsule, true, out) < 0) return -1;
  bool on_gpu = vc_device_is_gpu(out->view.device);
  out->has_producer = on_gpu;
  out->producer = VC_STREAM_LEGACY;
  out->producer_synchronises = on_gpu; /* on which stream its memory is used next is not known */
  if (!on_gpu) return 1;
  vc_error error;
  if (vc_stream_join_context(out->view.device.id, out->view.data, &error) == VC_OK) return 1;
  ext_release(&out->owner);
  return ext_raise(&error);
}

static void delete_tensor(void *tensor, bool versioned) {
  if (versioned) {
    ((DLManagedTensorVersioned *)tensor)->deleter(tensor);
  } else {
    ((DLManagedTensor *)tensor)->deleter(tensor);
  }
}

/* The destructor of a capsule, whose tensor nobody took if the capsule has its first name. */
static void drop_capsule(PyObject *capsule) {
  bool versioned = PyCapsule_IsValid(capsule, CAPSULE_VERSIONED);
  const char *name = versioned ? CAPSULE_VERSIONED : CAPSULE;
  if (!PyCapsule_IsValid(capsule, name)) return;
  delete_tensor(PyCapsule_GetPointer(capsule, name), versioned);
}

PyObject *ext_export_capsule(ext_source *source, bool versioned) {
  const vc_view *view = &source->view;
  DLManagedTensor *plain = NULL;
  DLManagedTensorVersioned *tensor = NULL;
  if (versioned) {
    EXT_TRY_OR(vc_dlpack_versioned_from_view(view, &source->owner, 0, &tensor, &error), NULL);
  } else {
    EXT_TRY_OR(vc_dlpack_from_view(view, &source->owner, &plain, &error), NULL);
  }
  void *made = versioned ? (void *)tensor : plain;
  PyObject *capsule = PyCapsule_New(made, versioned ? CAPSULE_VERSIONED : CAPSULE, drop_capsule);
  if (!capsule) delete_tensor(made, versioned);
  return capsule;
}
