/* SPDX-License-Identifier: Apache-2.0 */
/* How cv::cuda::GpuMatND lies in memory, found out on objects with known values
 * that OpenCV itself makes. Reads go through vc_memory_read until then. */
#include <dlpack/dlpack.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/gpumatnd.h"
#include "errors.h"

/* std::vector */
typedef struct {
  char *begin, *end, *limit;
} vector;

/* Offsets of the fields behind flags and dims. OpenCV 5 keeps sizes in place
 * (MatShape: dims, layout, C, then the sizes), 4 in a std::vector<int>. */
typedef struct {
  size_t shape, sizes, steps, holder, data, offset, end;
  bool in_place;
} nd_layout;

static const nd_layout layouts[] = {
    {.sizes = 8, .steps = 32, .holder = 56, .data = 72, .offset = 80, .end = 88},
    {.shape = 8, .sizes = 20, .steps = 64, .holder = 88, .data = 104, .offset = 112, .end = 120,
     .in_place = true},
};
#define LARGEST 120

static const nd_layout *layout; /* the one that fits, once verified */

/* std::shared_ptr */
typedef struct {
  void *object, *control;
} shared;

static void *object_of(PyObject *python) {
  void *object;
  memcpy(&object, (char *)python + sizeof(PyObject), sizeof object);
  return object;
}

/* --- reading. Every block is copied by vc_memory_read: a wrong guess is no fault. */

static bool copy(const void *from, void *to, size_t size) {
  return vc_memory_read(from, to, size, NULL) == VC_OK;
}

static bool read_vector(const char *fields, size_t at, int32_t count, size_t item, void *out) {
  vector found;
  memcpy(&found, fields + at, sizeof found);
  return (size_t)(found.end - found.begin) == (size_t)count * item &&
         copy(found.begin, out, (size_t)count * item);
}

static bool read_sizes(const nd_layout *as, const char *fields, int32_t dims, int32_t *out) {
  if (!as->in_place) return read_vector(fields, as->sizes, dims, sizeof *out, out);
  int32_t again;
  memcpy(&again, fields + as->shape, sizeof again);
  memcpy(out, fields + as->sizes, (size_t)dims * sizeof *out);
  return again == dims;
}

/* False: these bytes are no GpuMatND of up to VP_ND_MAX dimensions. */
static bool read_fields(const nd_layout *as, const void *object, vp_nd *out) {
  char fields[LARGEST];
  int32_t sizes[VP_ND_MAX];
  uint64_t steps[VP_ND_MAX], offset;
  shared holder;
  *out = (vp_nd){0};
  if (!copy(object, fields, as->end)) return false;
  memcpy(&out->flags, fields, sizeof out->flags);
  memcpy(&out->dims, fields + sizeof out->flags, sizeof out->dims);
  memcpy(&holder, fields + as->holder, sizeof holder);
  memcpy(&out->data, fields + as->data, sizeof out->data);
  memcpy(&offset, fields + as->offset, sizeof offset);
  if (out->dims < 0 || out->dims > VP_ND_MAX) return false;
  if (!read_sizes(as, fields, out->dims, sizes)) return false;
  if (!read_vector(fields, as->steps, out->dims, sizeof *steps, steps)) return false;
  for (int32_t i = 0; i < out->dims; i++) {
    out->sizes[i] = sizes[i];
    out->steps[i] = (int64_t)steps[i];
  }
  if (out->data) out->data += offset;
  out->owned = holder.object != NULL;
  return true;
}

int vp_nd_read(PyObject *object, vp_nd *out) {
  const void *address = object_of(object);
  int32_t head[2]; /* flags and dims */
  if (!address) {
    return vp_fail(VC_ERROR_VALUE,
                   "this cv2.cuda.GpuMatND is empty: GpuMatND() makes no C++ object; take one "
                   "that as_gpumatnd() or OpenCV made");
  }
  if (read_fields(layout, address, out)) return 0;
  memcpy(head, address, sizeof head);
  return vp_fail(VC_ERROR_LAYOUT,
                 "the GpuMatND has %d dimensions, needs at most %d; make a GpuMat of a plane "
                 "(createGpuMatHeader in C++)",
                 (int)head[1], VP_ND_MAX);
}

/* --- making: OpenCV allocates, we fill in */

static uint16_t pixels[256];
static bool deleted;
static void note(DLManagedTensor *unused) { (void)unused, deleted = true; }

typedef struct {
  DLManagedTensor tensor;
  int64_t sizes[VP_ND_MAX], strides[VP_ND_MAX];
} dlpack;

/* GpuMatND.from_dlpack() of a tensor of `dims` sizes. It takes the third size
 * for the channels, whatever dims is, and never calls a deleter (4.13 to 5.0). */
static PyObject *from_dlpack(PyObject *type, int32_t dims, const int64_t *sizes,
                             const int64_t *strides, dlpack *storage) {
  *storage = (dlpack){.tensor = {.dl_tensor = {.data = pixels, .device = {kDLCUDA, 0},
                                               .ndim = dims, .dtype = {kDLUInt, 16, 1},
                                               .shape = storage->sizes,
                                               .strides = storage->strides},
                                 .deleter = note}};
  for (int32_t i = 0; i < VP_ND_MAX; i++) {
    storage->sizes[i] = i < dims ? sizes[i] : 1;
    storage->strides[i] = i < dims ? strides[i] : 1;
  }
  PyObject *capsule = PyCapsule_New(&storage->tensor, "dltensor", NULL);
  PyObject *made = capsule ? PyObject_CallMethod(type, "from_dlpack", "O", capsule) : NULL;
  Py_XDECREF(capsule);
  if (made && Py_TYPE(made) != (PyTypeObject *)type) Py_CLEAR(made);
  return made;
}

/* --- the control block of a shared pointer, as libstdc++ has it */

typedef void slot(void *self);

/* offset-to-top, type info, two destructors, then what the last user and the
 * last observer call. */
typedef struct {
  ptrdiff_t offset_to_top;
  const void *type_info;
  slot *destroy[2], *dispose, *free, *spare[2];
} control_table;

typedef struct {
  const void *table;
  int32_t users, observers;
  struct { /* cv::cuda::GpuData, behind the shared pointer */
    void *data;
    size_t size;
  } gpu_data;
  DLManagedTensorVersioned *tensor; /* gives the owner back, on any thread */
} control;

static void nothing(void *self) { (void)self; }

static void dispose(void *self) {
  DLManagedTensorVersioned *tensor = ((control *)self)->tensor;
  tensor->deleter(tensor);
}

static const control_table lending = {0,       NULL, {nothing, nothing}, dispose,
                                      free, {nothing, nothing}};

static void attach(PyObject *object, control *block) {
  shared holder = {&block->gpu_data, block};
  memcpy((char *)object_of(object) + layout->holder, &holder, sizeof holder);
}

/* --- verifying */

static int mismatch(const char *what) {
  return vp_fail(VC_ERROR_ABI,
                 "cv2.cuda.GpuMatND of this OpenCV %s, so viewcast can't use it; make a GpuMat of "
                 "it (createGpuMatHeader in C++), or a GpuMat for each plane",
                 what);
}

static bool reads_as(PyObject *object, int32_t dims, const int64_t *sizes, const int64_t *strides,
                     int32_t flags) {
  vp_nd found;
  if (!read_fields(layout, object_of(object), &found)) return false;
  bool same = found.dims == dims && found.data == (uint8_t *)pixels && !found.owned &&
              (found.flags & ~(1 << 14)) == flags;
  for (int32_t i = 0; same && i < dims; i++) {
    same = found.sizes[i] == sizes[i] && found.steps[i] == strides[i] * 2;
  }
  return same;
}

static dlpack probes[8]; /* outlive whatever OpenCV may keep of them */

static int check_one(PyObject *type, int32_t dims, const int64_t *sizes, const int64_t *strides) {
  PyObject *made = from_dlpack(type, dims, sizes, strides, &probes[dims]);
  if (!made) {
    PyErr_Clear();
    return mismatch("has no usable from_dlpack() (4.13 and later have)");
  }
  /* CV_16UC1 is 2 in 4.x and 5.x. */
  bool same = object_of(made) && reads_as(made, dims, sizes, strides, 0x42FF0000 | 2);
  Py_DECREF(made);
  return same ? 0 : -1;
}

static int check_fields(PyObject *type) {
  static const int64_t plane[] = {5, 7}, plane_strides[] = {9, 1};
  static const int64_t three[] = {4, 5, 1}, three_strides[] = {40, 8, 1};
  static const int64_t four[] = {2, 3, 1, 6}, four_strides[] = {60, 20, 10, 1};
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    layout = &layouts[i];
    if (check_one(type, 2, plane, plane_strides) == 0 &&
        check_one(type, 3, three, three_strides) == 0 &&
        check_one(type, 4, four, four_strides) == 0) {
      return 0;
    }
    layout = NULL;
    if (PyErr_Occurred()) return -1;
  }
  return mismatch("is laid out in an unknown way");
}

static int calls[8], called; /* which slots were called, in order */
#define RECORD(number) \
  static void record_##number(void *self) { (void)self; calls[called++ & 7] = number; }
RECORD(0)
RECORD(1)
RECORD(2)
RECORD(3)
RECORD(4)
RECORD(5)

/* The end of an object calls dispose, then free, once each. */
static int check_holder(PyObject *type) {
  static const control_table recording = {
      0, NULL, {record_0, record_1}, record_2, record_3, {record_4, record_5}};
  static const int64_t sizes[] = {5, 7}, strides[] = {7, 1};
  static control probe;
  PyObject *made = from_dlpack(type, 2, sizes, strides, &probes[1]);
  if (!made) return -1;
  probe = (control){.table = recording.destroy, .users = 1, .observers = 1};
  called = 0;
  attach(made, &probe);
  Py_DECREF(made);
  return called == 2 && calls[0] == 2 && calls[1] == 3
             ? 0
             : mismatch("does not count its memory as libstdc++ does");
}

int vp_nd_verify(PyObject *type) {
  if (layout) return 0;
  if (check_fields(type) < 0) return -1;
  int result = check_holder(type);
  if (result == 0 && deleted) result = mismatch("keeps the tensors that it is made of");
  if (result < 0) layout = NULL;
  return result;
}

/* --- lending */

/* Everything that OpenCV did not put there: type, steps, address, holder. */
static void fill(PyObject *made, const vp_nd *nd, control *block) {
  char *object = object_of(made);
  vector steps;
  uint64_t offset = 0;
  memcpy(object, &nd->flags, sizeof nd->flags);
  memcpy(&steps, object + layout->steps, sizeof steps);
  memcpy(steps.begin, nd->steps, (size_t)nd->dims * sizeof *nd->steps);
  memcpy(object + layout->data, &nd->data, sizeof nd->data);
  memcpy(object + layout->offset, &offset, sizeof offset);
  attach(made, block);
}

static control *new_block(const vc_view *view, vc_owner *owner) {
  vc_error error;
  control *block = calloc(1, sizeof *block);
  if (!block) {
    PyErr_NoMemory();
    return NULL;
  }
  if (vc_dlpack_versioned_from_view(view, owner, 0, &block->tensor, &error) != VC_OK) {
    vp_raise(&error);
    free(block);
    return NULL;
  }
  block->table = lending.destroy;
  block->users = block->observers = 1;
  block->gpu_data.data = view->data;
  block->gpu_data.size = vc_view_nbytes(view);
  return block;
}

PyObject *vp_nd_make(PyObject *type, const vp_nd *nd, const vc_view *view, vc_owner *owner) {
  static const int64_t strides[VP_ND_MAX] = {1, 1, 1, 1}; /* filled in later */
  dlpack storage;
  PyObject *made = from_dlpack(type, nd->dims, nd->sizes, strides, &storage);
  if (!made) {
    vp_raise_from("OpenCV makes no GpuMatND of this size");
    return NULL;
  }
  control *block = new_block(view, owner);
  if (!block) {
    Py_DECREF(made);
    return NULL;
  }
  fill(made, nd, block);
  return made;
}
