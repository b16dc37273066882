/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation from the caching pools of torch and CuPy, for a miss of our own pool. OpenCV asks
 * for memory on any thread and without the GIL. All blocks belong to the legacy default
 * stream. */
#include "pool.h"

#include <stdlib.h>

#include "errors.h"
#include "free_threading.h"
#include "imports.h"

#define HOST_ALIGNMENT 512

/* A library's functions, called with the GIL. They may leave an exception. */
typedef struct {
  void *(*allocate)(int32_t device, size_t bytes);
  void (*free)(void *memory);
} library;

/* --- torch */

static struct {
  PyObject *allocate, *free; /* torch.cuda.caching_allocator_alloc, …_delete */
} torch;

static void *torch_allocate(int32_t device, size_t bytes) {
  PyObject *address =
      PyObject_CallFunction(torch.allocate, "nii", (Py_ssize_t)bytes, (int)device, 0);
  void *memory = address ? PyLong_AsVoidPtr(address) : NULL;
  Py_XDECREF(address);
  return memory;
}

static void torch_free(void *memory) {
  PyObject *done = PyObject_CallFunction(torch.free, "K", (unsigned long long)(uintptr_t)memory);
  Py_XDECREF(done);
}

/* --- CuPy */

static struct {
  PyObject *allocate;      /* cupy.cuda.alloc */
  PyObject *device;        /* cupy.cuda.Device */
  PyObject *legacy_stream; /* cupy.cuda.Stream.null */
  PyObject *blocks;        /* the object that owns each block, by address */
} cupy;

static PyObject *enter(PyObject *manager) {
  return manager ? PyObject_CallMethod(manager, "__enter__", NULL) : NULL;
}

/* Leaves a context that was entered, and keeps an exception that is set. */
static void leave(PyObject *manager) {
  PyObject *exception = ext_exception_take();
  PyObject *done = PyObject_CallMethod(manager, "__exit__", "OOO", Py_None, Py_None, Py_None);
  Py_XDECREF(done);
  ext_exception_set(exception);
}

/* with Device(device), Stream.null: alloc(bytes) */
static PyObject *allocate_in_order(int32_t device, size_t bytes) {
  PyObject *where = PyObject_CallFunction(cupy.device, "i", (int)device);
  PyObject *there = enter(where);
  PyObject *ordered = there ? enter(cupy.legacy_stream) : NULL;
  PyObject *block = ordered ? PyObject_CallFunction(cupy.allocate, "n", (Py_ssize_t)bytes) : NULL;
  if (ordered) leave(cupy.legacy_stream);
  if (there) leave(where);
  Py_XDECREF(ordered);
  Py_XDECREF(there);
  Py_XDECREF(where);
  return block;
}

static void *cupy_allocate(int32_t device, size_t bytes) {
  PyObject *block = allocate_in_order(device, bytes);
  PyObject *address = block ? PyObject_GetAttrString(block, "ptr") : NULL;
  void *memory = address ? PyLong_AsVoidPtr(address) : NULL;
  if (memory && PyDict_SetItem(cupy.blocks, address, block) < 0) memory = NULL;
  Py_XDECREF(address);
  Py_XDECREF(block);
  return memory;
}

/* CuPy returns the block to the stream on which it was allocated. */
static void cupy_free(void *memory) {
  PyObject *address = PyLong_FromVoidPtr(memory);
  if (address) PyDict_DelItem(cupy.blocks, address);
  Py_XDECREF(address);
}

/* --- the backend's functions */

static void *allocate(void *context, int32_t device, size_t bytes) {
  const library *from = context;
  if (bytes > PY_SSIZE_T_MAX) return NULL;
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *exception = ext_exception_take();
  void *memory =
      ext_is_host_mode() ? aligned_alloc(HOST_ALIGNMENT, bytes) : from->allocate(device, bytes);
  ext_exception_set(exception); /* without memory OpenCV uses its own allocator */
  PyGILState_Release(state);
  return memory;
}

static void give_back(void *context, int32_t device, void *memory, size_t bytes) {
  (void)device, (void)bytes;
  const library *from = context;
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *exception = ext_exception_take();
  if (ext_is_host_mode()) {
    free(memory);
  } else {
    from->free(memory);
  }
  ext_exception_set(exception);
  PyGILState_Release(state);
}

static vc_pool *make_pool(const library *from) {
  vc_pool *pool;
  const vc_pool_backend backend = {sizeof backend, (void *)(uintptr_t)from, allocate, give_back};
  EXT_TRY_OR(vc_pool_new(&backend, &pool, &error), NULL);
  return pool;
}

/* --- loading */

/* Refuses a library without CUDA, whose pool would silently serve nothing. */
static int check_cuda(PyObject *answer, const char *name, const char *install) {
  int available = answer ? PyObject_IsTrue(answer) : -1;
  Py_XDECREF(answer);
  if (available > 0) return 0;
  if (available < 0) return -1;
  return ext_fail(VC_ERROR_DEVICE,
                  "%s sees no CUDA device, so OpenCV can't have memory of its pool; %s, or use "
                  "use_pool(\"cuda\")",
                  name, install);
}

static bool keep(PyObject **slot, PyObject *found) { return ext_keep_first(slot, found) != NULL; }

static int load_torch(void) {
  PyObject *module = ext_import("torch");
  PyObject *cuda = module ? PyObject_GetAttrString(module, "cuda") : NULL;
  int result = -1;
  if (cuda && check_cuda(PyObject_CallMethod(cuda, "is_available", NULL), "torch",
                         "install a build of torch with CUDA") == 0) {
    bool all = keep(&torch.allocate, PyObject_GetAttrString(cuda, "caching_allocator_alloc")) &&
               keep(&torch.free, PyObject_GetAttrString(cuda, "caching_allocator_delete"));
    result = all ? 0 : -1;
  }
  Py_XDECREF(cuda);
  Py_XDECREF(module);
  return result;
}

static int load_cupy(void) {
  PyObject *module = ext_import("cupy");
  PyObject *cuda = module ? PyObject_GetAttrString(module, "cuda") : NULL;
  PyObject *stream = cuda ? PyObject_GetAttrString(cuda, "Stream") : NULL;
  int result = -1;
  if (stream && check_cuda(PyObject_CallMethod(module, "is_available", NULL), "CuPy",
                           "install the package of CuPy for your CUDA") == 0) {
    bool all = keep(&cupy.allocate, PyObject_GetAttrString(cuda, "alloc")) &&
               keep(&cupy.device, PyObject_GetAttrString(cuda, "Device")) &&
               keep(&cupy.legacy_stream, PyObject_GetAttrString(stream, "null")) &&
               keep(&cupy.blocks, PyDict_New());
    result = all ? 0 : -1;
  }
  Py_XDECREF(stream);
  Py_XDECREF(cuda);
  Py_XDECREF(module);
  return result;
}

vc_pool *ext_torch_pool(void) {
  static const library functions = {torch_allocate, torch_free};
  if (!ext_is_host_mode() && load_torch() < 0) return NULL;
  return make_pool(&functions);
}

vc_pool *ext_cupy_pool(void) {
  static const library functions = {cupy_allocate, cupy_free};
  if (!ext_is_host_mode() && load_cupy() < 0) return NULL;
  return make_pool(&functions);
}
