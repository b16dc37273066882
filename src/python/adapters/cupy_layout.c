/* SPDX-License-Identifier: Apache-2.0 */
/* A cupy.ndarray is a C struct: a size, two std::vectors of Py_ssize_t, a few flags,
 * a dtype and a MemoryPointer, which points to a BaseMemory. No offset of these is
 * assumed. Each is looked for in arrays with telling values, and arrays put together
 * here must then equal CuPy's own, word for word, before any is handed out. */
#include "adapters/cupy_layout.h"

#include <dlfcn.h>
#include <string.h>

#include "adapters/attributes.h"
#include "adapters/numpy_dtype.h"
#include "free_threading.h"
#include "imports.h"

enum { WORD = 8, MOST_WORDS = 32 };
enum { HEAD = sizeof(PyObject) / 8 /* counts, and last the type */ };

/* A std::vector<Py_ssize_t>, of libstdc++ and of libc++. */
typedef struct {
  int64_t *begin, *end, *capacity;
} vector;

typedef struct {
  PyTypeObject *type;
  size_t words;
} class;

/* Fields by their distance from the object, in bytes. */
static struct {
  class array, pointer, memory;
  PyTypeObject *base; /* of array: the C struct, whose tp_new it is */
  size_t size, shape, strides, dtype, data;
  size_t c_contiguous, f_contiguous;     /* int32_t */
  size_t address, device, whose;         /* of the pointer */
  size_t start, bytes, on_device, owner; /* of the memory */
  uint32_t constants[MOST_WORDS * 2];    /* of an array's other fields */
  bool is_constant[MOST_WORDS * 2];
  void *(*allocate)(size_t bytes); /* operator new */
} layout;

static char *at(PyObject *object, size_t offset) { return (char *)object + offset; }

static uint64_t word_at(PyObject *object, size_t offset) {
  uint64_t word;
  memcpy(&word, at(object, offset), sizeof word);
  return word;
}

static int32_t int_at(PyObject *object, size_t offset) {
  int32_t value;
  memcpy(&value, at(object, offset), sizeof value);
  return value;
}

/* ------------------------------------------------------------- reading an array */

static bool read_vector(PyObject *array, size_t offset, int64_t *out, int32_t *count) {
  vector found;
  memcpy(&found, at(array, offset), sizeof found);
  ptrdiff_t length = found.end - found.begin;
  if (length < 1 || length > VC_MAX_NDIM) return false;
  for (ptrdiff_t i = 0; i < length; i++) out[i] = found.begin[i];
  *count = (int32_t)length;
  return true;
}

bool ext_cupy_read(PyObject *array, vc_view *view, PyObject **dtype) {
  int32_t strides;
  if (Py_TYPE(array) != layout.array.type) return false;
  PyObject *pointer = (PyObject *)word_at(array, layout.data);
  if (Py_TYPE(pointer) != layout.pointer.type) return false;
  if (!read_vector(array, layout.shape, view->shape, &view->ndim)) return false;
  if (!read_vector(array, layout.strides, view->strides, &strides)) return false;
  view->data = (void *)(uintptr_t)word_at(pointer, layout.address);
  view->device = (vc_device){VC_CUDA, int_at(pointer, layout.device)};
  *dtype = (PyObject *)word_at(array, layout.dtype);
  return strides == view->ndim;
}

/* ------------------------------------------------------------ putting one together */

static void put(PyObject *object, size_t offset, const void *value, size_t size) {
  memcpy(at(object, offset), value, size);
}

/* Replaces the None in a field of a new object. Takes the reference. */
static void put_object(PyObject *object, size_t offset, PyObject *value) {
  PyObject *before = (PyObject *)word_at(object, offset);
  put(object, offset, &value, sizeof value);
  Py_XDECREF(before);
}

static PyObject *new_object(PyTypeObject *maker, PyTypeObject *type) {
  static PyObject *empty; /* a tuple */
  PyObject *nothing = EXT_READ(empty);
  if (!nothing) nothing = ext_keep_first(&empty, PyTuple_New(0));
  return nothing ? maker->tp_new(type, nothing, NULL) : NULL;
}

static PyObject *make_memory(const vc_view *view, int64_t bytes, PyObject *owner) {
  PyTypeObject *type = layout.memory.type;
  PyObject *memory = new_object(type, type);
  if (!memory) return NULL;
  put(memory, layout.start, &view->data, WORD);
  put(memory, layout.bytes, &bytes, WORD);
  put(memory, layout.on_device, &view->device.id, sizeof view->device.id);
  put_object(memory, layout.owner, Py_NewRef(owner));
  return memory;
}

static PyObject *make_pointer(const vc_view *view, int64_t bytes, PyObject *owner) {
  PyTypeObject *type = layout.pointer.type;
  PyObject *memory = make_memory(view, bytes, owner);
  PyObject *pointer = memory ? new_object(type, type) : NULL;
  if (!pointer) {
    Py_XDECREF(memory);
    return NULL;
  }
  put(pointer, layout.address, &view->data, WORD);
  put(pointer, layout.device, &view->device.id, sizeof view->device.id);
  put_object(pointer, layout.whose, memory);
  return pointer;
}

static bool put_vector(PyObject *array, size_t offset, const int64_t *values, int32_t count) {
  size_t bytes = (size_t)count * sizeof *values;
  int64_t *begin = layout.allocate(bytes);
  if (!begin) return false;
  memcpy(begin, values, bytes);
  const vector made = {begin, begin + count, begin + count};
  put(array, offset, &made, sizeof made);
  return true;
}

/* Whether the view is Fortran-contiguous: the strides of axes of length 1 do not matter. Requires
 * that no axis is empty. */
static int32_t is_f_contiguous(const vc_view *view) {
  int64_t expected = (int64_t)vc_dtype_size(view->dtype);
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    if (view->shape[axis] == 1) continue;
    if (view->strides[axis] != expected) return 0;
    expected *= view->shape[axis];
  }
  return 1;
}

static void put_flags(PyObject *array, const vc_view *view) {
  int32_t c = vc_view_is_packed(view), f = is_f_contiguous(view);
  for (size_t i = HEAD * 2; i < layout.array.words * 2; i++) {
    if (layout.is_constant[i]) put(array, i * 4, &layout.constants[i], 4);
  }
  put(array, layout.c_contiguous, &c, sizeof c);
  put(array, layout.f_contiguous, &f, sizeof f);
}

/* Arrays of 2³¹ bytes and more are left to CuPy, which keeps a flag for them. */
bool ext_cupy_can_make(const vc_view *view) {
  int64_t end = (int64_t)vc_dtype_size(view->dtype);
  for (int32_t axis = 0; axis < view->ndim; axis++) {
    if (view->shape[axis] < 1 || view->strides[axis] < 0) return false;
    end += (view->shape[axis] - 1) * view->strides[axis]; /* checked at import: no overflow */
  }
  return end < INT32_MAX && vc_view_nbytes(view) < INT32_MAX;
}

PyObject *ext_cupy_make(const vc_view *view, PyObject *dtype, PyObject *owner) {
  /* Not bytes / itemsize: a division would take longer than the whole function. */
  int64_t low, high, size = 1;
  for (int32_t axis = 0; axis < view->ndim; axis++) size *= view->shape[axis];
  vc_view_span(view, &low, &high);
  PyObject *pointer = make_pointer(view, high, owner);
  PyObject *array = pointer ? new_object(layout.base, layout.array.type) : NULL;
  if (!array) {
    Py_XDECREF(pointer);
    return NULL;
  }
  put_object(array, layout.data, pointer);
  put_object(array, layout.dtype, Py_NewRef(dtype));
  put(array, layout.size, &size, sizeof size);
  put_flags(array, view);
  if (put_vector(array, layout.shape, view->shape, view->ndim) &&
      put_vector(array, layout.strides, view->strides, view->ndim)) {
    return array;
  }
  Py_DECREF(array);
  return PyErr_NoMemory();
}

/* ------------------------------------------------------------- arrays made by CuPy */

/* A cupy.cuda.MemoryPointer to the first element; `owner` lives as long. */
static PyObject *call_pointer(const ext_cupy_classes *classes, const vc_view *view,
                              PyObject *owner) {
  int64_t low, high;
  vc_view_span(view, &low, &high);
  PyObject *memory = PyObject_CallFunction(
      classes->memory, "KLOi", (unsigned long long)(uintptr_t)view->data + (unsigned long long)low,
      (long long)(high - low), owner, (int)view->device.id);
  if (!memory) return NULL;
  PyObject *pointer = PyObject_CallFunction(classes->pointer, "OL", memory, (long long)-low);
  Py_DECREF(memory);
  return pointer;
}

PyObject *ext_cupy_call(const ext_cupy_classes *classes, const vc_view *view, PyObject *dtype,
                        PyObject *owner) {
  PyObject *pointer = call_pointer(classes, view, owner);
  PyObject *shape = pointer ? ext_axes_tuple(view->shape, view->ndim) : NULL;
  PyObject *strides = shape ? ext_axes_tuple(view->strides, view->ndim) : NULL;
  PyObject *array = NULL;
  if (strides) {
    array = PyObject_CallFunctionObjArgs(classes->ndarray, shape, dtype, pointer, strides, NULL);
  }
  Py_XDECREF(strides);
  Py_XDECREF(shape);
  Py_XDECREF(pointer);
  return array;
}

/* ------------------------------------------------------------- finding the fields */

/* The memory of known arrays. Only its addresses are used. */
static char somewhere[4096];
enum { KNOWN_DEVICE = 0x5a17 };

/* The only field of that many bytes with this value; 0 if there is none, or two. */
static size_t find_value(PyObject *object, class of, uint64_t value, size_t size) {
  size_t found = 0;
  for (size_t offset = HEAD * WORD; offset < of.words * WORD; offset += size) {
    uint64_t here = 0;
    memcpy(&here, at(object, offset), size);
    if (here != value) continue;
    if (found) return 0;
    found = offset;
  }
  return found;
}

static size_t find_pointer(PyObject *object, class of, const void *value) {
  return find_value(object, of, (uint64_t)(uintptr_t)value, WORD);
}

/* The offset of the only vector with these values; 0 if there is none, or two. Any words may look
 * like a vector, so the memory that they point at is read by vc_memory_read. */
static size_t find_vector(PyObject *object, class of, const int64_t *values, int32_t count) {
  size_t found = 0, bytes = (size_t)count * sizeof *values;
  for (size_t offset = HEAD * WORD; offset + sizeof(vector) <= of.words * WORD; offset += WORD) {
    vector here;
    int64_t items[VC_MAX_NDIM];
    memcpy(&here, at(object, offset), sizeof here);
    if ((uintptr_t)here.end - (uintptr_t)here.begin != bytes || here.capacity < here.end) continue;
    if (vc_memory_read(here.begin, items, bytes, NULL) != VC_OK) continue;
    if (memcmp(items, values, bytes) != 0) continue;
    if (found) return 0;
    found = offset;
  }
  return found;
}

static bool find_class(PyObject *type, class *out) {
  if (!PyType_Check(type)) return false;
  *out = (class){(PyTypeObject *)type, (size_t)((PyTypeObject *)type)->tp_basicsize / WORD};
  return out->words > HEAD && out->words <= MOST_WORDS;
}

/* The value of an attribute, borrowed; NULL if the object holds no reference to it. */
static PyObject *held(PyObject *object, const char *name) {
  PyObject *value = PyObject_GetAttrString(object, name);
  bool alone = value && Py_REFCNT(value) < 2;
  Py_XDECREF(value);
  return alone ? NULL : value;
}

static bool find_in_memory(PyObject *memory, const vc_view *view, int64_t bytes, PyObject *owner) {
  class of = layout.memory;
  layout.start = find_pointer(memory, of, view->data);
  layout.bytes = find_value(memory, of, (uint64_t)bytes, WORD);
  layout.on_device = find_value(memory, of, KNOWN_DEVICE, sizeof(int32_t));
  layout.owner = find_pointer(memory, of, owner);
  return layout.start && layout.bytes && layout.on_device && layout.owner;
}

static bool find_in_pointer(PyObject *pointer, const vc_view *view, PyObject *memory) {
  class of = layout.pointer;
  layout.address = find_pointer(pointer, of, view->data);
  layout.device = find_value(pointer, of, KNOWN_DEVICE, sizeof(int32_t));
  layout.whose = find_pointer(pointer, of, memory);
  return layout.address && layout.device && layout.whose;
}

static bool find_in_array(PyObject *array, const vc_view *view, PyObject *pointer) {
  class of = layout.array;
  uint64_t size = vc_view_nbytes(view) / vc_dtype_size(view->dtype);
  layout.size = find_value(array, of, size, WORD);
  layout.shape = find_vector(array, of, view->shape, view->ndim);
  layout.strides = find_vector(array, of, view->strides, view->ndim);
  layout.dtype = find_pointer(array, of, ext_dtype_to_numpy(view->dtype));
  layout.data = find_pointer(array, of, pointer);
  return layout.size && layout.shape && layout.strides && layout.dtype && layout.data;
}

/* --- known arrays */

#define KNOWN(code, bits, ndim, ...) \
  {somewhere + 256, {VC_CUDA, KNOWN_DEVICE}, {code, bits}, 0, ndim, __VA_ARGS__}

/* The first four differ in their flags: neither, C-contiguous, both, F-contiguous. */
static const vc_view known_views[] = {
    KNOWN(VC_INT, 16, 3, {3, 5, 7}, {140, 28, 4}),
    KNOWN(VC_INT, 16, 3, {3, 5, 7}, {70, 14, 2}),
    KNOWN(VC_INT, 16, 1, {11}, {2}),
    KNOWN(VC_INT, 16, 3, {3, 5, 7}, {2, 6, 30}),
    KNOWN(VC_UINT, 8, 3, {4, 1, 3}, {3, 99, 1}),
    KNOWN(VC_UINT, 8, 2, {1, 1}, {77, 55}),
    KNOWN(VC_FLOAT, 32, 2, {6, 4}, {64, 4}),
    KNOWN(VC_FLOAT, 64, 4, {2, 3, 4, 5}, {480, 160, 40, 8}),
    KNOWN(VC_UINT, 8, 2, {4, 5}, {0, 1}),
    KNOWN(VC_FLOAT, 16, 3, {1, 9, 1}, {18, 2, 6}),
    KNOWN(VC_BOOL, 8, 3, {6, 1, 2}, {2, 2, 1}),
    KNOWN(VC_INT, 64, 2, {5, 1}, {8, 8}),
};
enum { VIEWS = sizeof known_views / sizeof *known_views, TELLING = 4 };

/* Finds the two flags among the ints that are no known field. Every other int must be the same in
 * all arrays. */
static bool find_flags(PyObject *const *arrays) {
  bool taken[MOST_WORDS] = {false};
  const size_t fields[] = {layout.size, layout.dtype, layout.data};
  for (size_t i = 0; i < 3; i++) taken[fields[i] / WORD] = true;
  for (size_t i = 0; i < 3; i++) {
    taken[layout.shape / WORD + i] = taken[layout.strides / WORD + i] = true;
  }
  for (size_t i = HEAD * 2; i < layout.array.words * 2; i++) {
    if (taken[i / 2]) continue;
    uint32_t values[TELLING];
    bool flag = true;
    for (size_t j = 0; j < TELLING; j++) {
      values[j] = (uint32_t)int_at(arrays[j], i * 4);
      flag = flag && values[j] <= 1;
    }
    uint32_t pattern = flag ? values[0] << 3 | values[1] << 2 | values[2] << 1 | values[3] : 0;
    bool same = memcmp(values, values + 1, sizeof values - sizeof *values) == 0;
    if (same && !flag) continue; /* set by tp_new, and compared in the proof */
    if (pattern == 6 && !layout.c_contiguous) {
      layout.c_contiguous = i * 4;
    } else if (pattern == 3 && !layout.f_contiguous) {
      layout.f_contiguous = i * 4;
    } else if (same) {
      layout.constants[i] = values[0];
      layout.is_constant[i] = values[0] == 1;
    } else {
      return false;
    }
  }
  return layout.c_contiguous && layout.f_contiguous;
}

/* --- the proof */

static bool same_vectors(PyObject *one, PyObject *other, size_t offset) {
  int64_t values[2][VC_MAX_NDIM];
  int32_t counts[2];
  return read_vector(one, offset, values[0], &counts[0]) &&
         read_vector(other, offset, values[1], &counts[1]) && counts[0] == counts[1] &&
         memcmp(values[0], values[1], (size_t)counts[0] * sizeof(int64_t)) == 0;
}

/* All words from the type on are the same, except those at `except`. */
static bool same_words(PyObject *one, PyObject *other, class of, const size_t *except,
                       size_t count) {
  for (size_t offset = (HEAD - 1) * WORD; offset < of.words * WORD; offset += WORD) {
    bool excepted = false;
    for (size_t i = 0; i < count; i++) excepted = excepted || except[i] == offset;
    if (!excepted && word_at(one, offset) != word_at(other, offset)) return false;
  }
  return true;
}

static bool same_arrays(PyObject *one, PyObject *other) {
  const size_t s = layout.shape, t = layout.strides;
  const size_t apart[] = {s, s + WORD, s + 2 * WORD, t, t + WORD, t + 2 * WORD, layout.data};
  PyObject *pointers[] = {(PyObject *)word_at(one, layout.data),
                          (PyObject *)word_at(other, layout.data)};
  PyObject *memories[] = {(PyObject *)word_at(pointers[0], layout.whose),
                          (PyObject *)word_at(pointers[1], layout.whose)};
  return same_words(one, other, layout.array, apart, sizeof apart / sizeof *apart) &&
         same_vectors(one, other, s) && same_vectors(one, other, t) &&
         same_words(pointers[0], pointers[1], layout.pointer, &layout.whose, 1) &&
         same_words(memories[0], memories[1], layout.memory, NULL, 0);
}

static bool reads_right(PyObject *array, const vc_view *view) {
  vc_view found = {0};
  PyObject *dtype;
  return ext_cupy_read(array, &found, &dtype) && found.data == view->data &&
         found.ndim == view->ndim && found.device.id == view->device.id &&
         memcmp(found.shape, view->shape, sizeof found.shape) == 0 &&
         memcmp(found.strides, view->strides, sizeof found.strides) == 0 &&
         dtype == ext_dtype_to_numpy(view->dtype);
}

static bool makes_right(PyObject *array, const vc_view *view, PyObject *owner) {
  if (!ext_cupy_can_make(view)) return false;
  PyObject *made = ext_cupy_make(view, ext_dtype_to_numpy(view->dtype), owner);
  bool same = made && same_arrays(made, array);
  Py_XDECREF(made);
  return same;
}

/* operator new as CuPy's own code finds it, and its delete beside it. */
static bool find_allocation(void) {
  void *found[2];
  static const char *const names[] = {"_Znwm", "_ZdlPv"};
  Dl_info where[2];
  PyObject *file = ext_find("cupy._core.core", NULL, "__file__");
  const char *path = file ? PyUnicode_AsUTF8(file) : NULL;
  void *library = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
  for (int i = 0; i < 2; i++) {
    found[i] = dlsym(RTLD_DEFAULT, names[i]);
    if (!found[i] && library) found[i] = dlsym(library, names[i]);
  }
  bool both = found[0] && found[1] && dladdr(found[0], &where[0]) && dladdr(found[1], &where[1]) &&
              where[0].dli_fbase == where[1].dli_fbase;
  if (library) dlclose(library);
  Py_XDECREF(file);
  memcpy(&layout.allocate, &found[0], sizeof layout.allocate);
  return both;
}

static bool find_fields(PyObject *array, const vc_view *view, PyObject *owner) {
  int64_t low, high;
  vc_view_span(view, &low, &high);
  PyObject *pointer = held(array, "data");
  PyObject *memory = pointer ? held(pointer, "mem") : NULL;
  return memory && Py_TYPE(pointer) == layout.pointer.type &&
         Py_TYPE(memory) == layout.memory.type && find_in_memory(memory, view, high, owner) &&
         find_in_pointer(pointer, view, memory) && find_in_array(array, view, pointer);
}

static ext_cupy_layout prove(PyObject *const *arrays, PyObject *owner) {
  ext_cupy_layout proved = {find_fields(arrays[0], &known_views[0], owner), false};
  for (size_t i = 0; proved.reads && i < VIEWS; i++) {
    proved.reads = reads_right(arrays[i], &known_views[i]);
  }
  layout.base = layout.array.type->tp_base;
  proved.makes = proved.reads && layout.base && layout.base->tp_new &&
                 layout.base->tp_basicsize == layout.array.type->tp_basicsize &&
                 find_flags(arrays) && find_allocation();
  for (size_t i = 0; proved.makes && i < VIEWS; i++) {
    proved.makes = makes_right(arrays[i], &known_views[i], owner);
  }
  return proved;
}

ext_cupy_layout ext_cupy_find_layout(const ext_cupy_classes *classes) {
  ext_cupy_layout proved = {false, false};
  PyObject *arrays[VIEWS] = {NULL};
  PyObject *owner = PyBytes_FromString("whoever owns the memory of known arrays");
  bool known = owner && sizeof(void *) == WORD && find_class(classes->ndarray, &layout.array) &&
               find_class(classes->pointer, &layout.pointer) &&
               find_class(classes->memory, &layout.memory);
  for (size_t i = 0; known && i < VIEWS; i++) {
    PyObject *dtype = ext_dtype_to_numpy(known_views[i].dtype); /* borrowed */
    arrays[i] = dtype ? ext_cupy_call(classes, &known_views[i], dtype, owner) : NULL;
    known = arrays[i] && Py_TYPE(arrays[i]) == layout.array.type;
  }
  if (known) proved = prove(arrays, owner);
  for (size_t i = 0; i < VIEWS; i++) Py_XDECREF(arrays[i]);
  Py_XDECREF(owner);
  PyErr_Clear();
  return proved;
}
