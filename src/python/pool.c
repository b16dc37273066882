/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of OpenCV's GpuMats from a caching pool of torch, CuPy or the CUDA driver. */
#include "pool.h"

#include "arguments.h"
#include "docstrings.h"
#include "errors.h"
#include "free_threading.h"
#include "methods.h"
#include "streams.h"

static vc_pool *driver_pool(void) {
  vc_pool *pool;
  EXT_TRY_OR(vc_pool_driver(&pool, &error), NULL);
  return pool;
}

/* The pools by name, each made at its first use and kept. This table and `current` are read
 * and changed between ext_setting_begin and _end. */
static struct {
  const char *name;
  bool is_library; /* the pool takes its memory from the library of this name */
  vc_pool *(*make)(void);
  vc_pool *pool;
} pools[] = {{"torch", true, ext_torch_pool, NULL},
             {"cupy", true, ext_cupy_pool, NULL},
             {"cuda", false, driver_pool, NULL}};

enum { POOLS = 3, DRIVER = 2, NONE = -1 };

/* The setting of use_pool(), and a copy of the one before it for the end of a `with` block. */
typedef struct setting {
  int index;         /* of the pool */
  PyObject *streams; /* strong: a tuple of the named streams; NULL without a pool */
  PyObject *handles; /* strong: the handles of `streams`, an array of vc_stream in a bytes object */
  void *replaced;    /* OpenCV's default allocator before ours; NULL: ours is not set */
} setting;

static setting current = {.index = NONE};

static vc_pool *pool_at(int index) {
  if (pools[index].pool) return pools[index].pool;
  vc_pool *made = pools[index].make(); /* runs Python code, which may make it too */
  if (!pools[index].pool) pools[index].pool = made;
  return pools[index].pool;
}

/* --- the setting */

static setting setting_copy(const setting *from) {
  Py_XINCREF(from->streams);
  Py_XINCREF(from->handles);
  return *from;
}

/* Ending these objects may run Python code. */
static void setting_clear(setting *which) {
  Py_CLEAR(which->streams);
  Py_CLEAR(which->handles);
}

static void set_pool(int index, PyObject *streams, PyObject *handles) {
  setting before = current;
  setting next = {index, streams, handles, before.replaced};
  current = setting_copy(&next);
  setting_clear(&before);
}

/* Makes the allocator from before ours OpenCV's default again, unless the program set another
 * one meanwhile. */
static int restore_default(void) {
  void *now = NULL;
  if (!current.replaced) return 0;
  const ext_opencv *opencv = ext_opencv_load();
  if (!opencv || ext_default_allocator_read(opencv, &now) < 0) return -1;
  if (now == vc_pool_allocator() && ext_default_allocator_set(opencv, current.replaced) < 0) {
    return -1;
  }
  current.replaced = NULL;
  return 0;
}

static int stop_using(void) {
  if (restore_default() < 0) return -1;
  vc_ignore(vc_pool_use(NULL, NULL, NULL, 0, NULL, NULL)); /* can't fail */
  set_pool(NONE, NULL, NULL);
  return 0;
}

/* Runs at interpreter exit, while OpenCV can still be called, and before waiting for the GIL
 * would end the thread. */
static void close_all(void) {
  if (stop_using() < 0) PyErr_Clear(); /* closed pools leave allocation to OpenCV's allocator */
  for (int i = 0; i < POOLS; i++) {
    if (pools[i].pool && i != DRIVER) vc_pool_close(pools[i].pool);
  }
}

static PyObject *close_pools(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  ext_setting_begin();
  close_all();
  ext_setting_end();
  Py_RETURN_NONE;
}

static int close_at_exit(PyObject *module) {
  static PyMethodDef method = {"close_pools", close_pools, METH_NOARGS, NULL};
  static bool registered;
  if (registered) return 0;
  PyObject *atexit = PyImport_ImportModule("atexit");
  PyObject *function = atexit ? PyCFunction_New(&method, module) : NULL;
  PyObject *done = function ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
  registered = done != NULL;
  Py_XDECREF(done);
  Py_XDECREF(function);
  Py_XDECREF(atexit);
  return registered ? 0 : -1;
}

/* --- use_pool */

static int find_pool(PyObject *name, int *out) {
  *out = NONE;
  if (name == Py_None) return 0;
  for (int i = 0; i < POOLS; i++) {
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, pools[i].name) == 0) {
      *out = i;
      return 0;
    }
  }
  return ext_refuse(PyExc_ValueError, "the pool is %R, needs \"torch\", \"cupy\", \"cuda\" or None",
                    name);
}

/* Reads streams=: their objects as a tuple, their handles as bytes; new references. */
static int read_streams(PyObject *value, PyObject **objects, PyObject **handles) {
  *handles = NULL;
  *objects = value ? PySequence_Tuple(value) : PyTuple_New(0);
  if (!*objects) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Format(PyExc_TypeError, "streams is a %.100s, needs a sequence of streams",
                   Py_TYPE(value)->tp_name);
    }
    return -1;
  }
  Py_ssize_t count = PyTuple_GET_SIZE(*objects);
  *handles = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(vc_stream));
  int result = *handles ? 0 : -1;
  for (Py_ssize_t i = 0; result == 0 && i < count; i++) {
    ext_stream stream;
    result = ext_stream_read(PyTuple_GET_ITEM(*objects, i), "streams", &stream);
    vc_stream handle = stream.given ? stream.handle : VC_STREAM_LEGACY;
    memcpy(PyBytes_AS_STRING(*handles) + i * (Py_ssize_t)sizeof handle, &handle, sizeof handle);
  }
  if (result < 0) {
    Py_CLEAR(*objects);
    Py_CLEAR(*handles);
  }
  return result;
}

/* The loaded OpenCV, or NULL with an ABIError where it is built without CUDA. */
static const ext_opencv *load_opencv(const char *function) {
  const ext_opencv *opencv = ext_opencv_load();
  if (!opencv || opencv->abi.counting == VC_REFCOUNT_FULL) return opencv;
  ext_fail(VC_ERROR_ABI,
           "%s() needs an OpenCV built with CUDA: this one allocates no GpuMat at all; install "
           "one, or lend memory of torch or CuPy with as_gpumat()",
           function);
  return NULL;
}

/* Makes our allocator object OpenCV's default. After a failure no pool is in use. */
static int set_default(const ext_opencv *opencv) {
  void *before = NULL;
  if (ext_default_allocator_read(opencv, &before) < 0) return -1;
  if (before == vc_pool_allocator()) return 0;
  /* `before` is OpenCV's own or one that the program set: use_pool(None) restores it. */
  int result = ext_default_allocator_set(opencv, vc_pool_allocator());
  if (result == 0) {
    current.replaced = before;
    return 0;
  }
  PyObject *exception = ext_exception_take();
  ext_default_allocator_set(opencv, before);
  vc_ignore(vc_pool_use(NULL, NULL, NULL, 0, NULL, NULL));
  set_pool(NONE, NULL, NULL);
  ext_exception_set(exception);
  return -1;
}

static int use(PyObject *module, int index, PyObject *streams, PyObject *handles) {
  vc_error error;
  /* Verified before a header carries our allocator. */
  const ext_opencv *opencv = load_opencv("use_pool");
  vc_pool *pool = opencv && close_at_exit(module) == 0 ? pool_at(index) : NULL;
  if (!pool) return -1;
  vc_owner owner = ext_own(streams);
  vc_status status =
      vc_pool_use(pool, &opencv->abi, (const vc_stream *)(const void *)PyBytes_AS_STRING(handles),
                  (size_t)PyTuple_GET_SIZE(streams), &owner, &error);
  vc_owner_release(&owner);
  if (status != VC_OK) return ext_raise(&error);
  if (set_default(opencv) < 0) return -1;
  set_pool(index, streams, handles);
  return 0;
}

/* Imports the library that use() needs, outside of the setting. use() reports the errors. */
static void import_for(int index) {
  PyObject *library = NULL;
  if (ext_opencv_load() && index != NONE && pools[index].is_library && !ext_is_host_mode()) {
    library = PyImport_ImportModule(pools[index].name);
  }
  Py_XDECREF(library);
  PyErr_Clear();
}

/* --- the setting before */

#define BEFORE "viewcast.pool_setting" /* name of a capsule of a setting */

/* True if our allocator object is OpenCV's default now; false without an exception where that
 * can't be read. */
static bool is_default_now(void) {
  void *now = NULL;
  const ext_opencv *opencv = ext_opencv_load();
  bool known = opencv && ext_default_allocator_read(opencv, &now) == 0;
  PyErr_Clear();
  return known && now == vc_pool_allocator();
}

static void end_before(PyObject *capsule) {
  setting *before = PyCapsule_GetPointer(capsule, BEFORE);
  setting_clear(before);
  PyMem_Free(before);
}

/* Returns the current setting as a capsule. Its `replaced` is NULL if the program made another
 * allocator OpenCV's default after ours. */
static PyObject *keep_setting(void) {
  setting *kept = PyMem_New(setting, 1);
  if (!kept) return PyErr_NoMemory();
  *kept = setting_copy(&current);
  if (kept->index != NONE && !is_default_now()) kept->replaced = NULL;
  PyObject *capsule = PyCapsule_New(kept, BEFORE, end_before);
  if (capsule) return capsule;
  setting_clear(kept);
  PyMem_Free(kept);
  return NULL;
}

/* Restores the pool, and OpenCV's default allocator: ours, or the program's. */
static int put_back(PyObject *module, const setting *before) {
  if (before->index == NONE) return stop_using();
  if (use(module, before->index, before->streams, before->handles) < 0) return -1;
  return before->replaced ? 0 : restore_default();
}

/* _use_pool(name, streams) returns the setting before, for _restore_pool(). */
static PyObject *use_pool(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  PyObject *streams, *handles, *before;
  int index, result = -1;
  if (count != 2) return PyErr_Format(PyExc_TypeError, "_use_pool() takes 2 arguments");
  if (find_pool(args[0], &index) < 0) return NULL;
  if (read_streams(args[1], &streams, &handles) < 0) return NULL;
  import_for(index);
  ext_setting_begin();
  before = keep_setting();
  if (before) result = index == NONE ? stop_using() : use(module, index, streams, handles);
  ext_setting_end();
  Py_DECREF(streams);
  Py_DECREF(handles);
  ext_drain(); /* releases streams that are no longer named */
  if (result < 0) Py_CLEAR(before);
  return before;
}

static PyObject *restore_pool(PyObject *module, PyObject *capsule) {
  const setting *before = PyCapsule_GetPointer(capsule, BEFORE);
  int result;
  if (!before) return NULL;
  ext_setting_begin();
  result = put_back(module, before);
  ext_setting_end();
  ext_drain();
  if (result < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *get_pool(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  int index;
  ext_setting_begin();
  index = current.index;
  ext_setting_end();
  if (index == NONE) Py_RETURN_NONE;
  return PyUnicode_FromString(pools[index].name);
}

/* --- empty_gpumat */

static vc_pool *pool_in_use(void) {
  vc_pool *found;
  ext_setting_begin();
  found = pool_at(current.index == NONE ? DRIVER : current.index);
  ext_setting_end();
  return found;
}

typedef struct {
  int32_t rows, cols, type;
  ext_stream stream;
} wanted;

static int read_wanted(PyObject *const *values, wanted *out) {
  if (ext_argument_int(values[0], "rows", 0, &out->rows) < 0) return -1;
  if (ext_argument_int(values[1], "cols", 0, &out->cols) < 0) return -1;
  if (ext_argument_int(values[2], "type", 0, &out->type) < 0) return -1;
  return ext_stream_read(values[3], "stream", &out->stream);
}

static int fill_empty(const ext_opencv *opencv, const wanted *mat, vc_gpumat *header) {
  vc_error error;
  ext_stream stream = mat->stream;
  vc_pool *from = pool_in_use();
  if (!from) return -1;
  if (!stream.given && ext_stream_in_use()) stream = *ext_stream_in_use();
  vc_stream handle = stream.given ? stream.handle : VC_STREAM_LEGACY;
  vc_owner owner = {0};
  if (stream.object) owner = ext_own(stream.object);
  vc_status status = vc_pool_gpumat(from, &opencv->abi, mat->rows, mat->cols, mat->type, handle,
                                    &owner, header, &error);
  vc_owner_release(&owner);
  return status == VC_OK ? 0 : ext_raise(&error);
}

static PyObject *empty_gpumat(PyObject *module, PyObject *const *args, Py_ssize_t count,
                              PyObject *kwnames) {
  (void)module;
  static const ext_signature signature = {
      "empty_gpumat", 3, {"rows", "cols", "type", "stream", NULL}};
  PyObject *values[EXT_MAX_PARAMETERS];
  wanted read;
  if (ext_arguments(&signature, args, count, kwnames, values) < 0) return NULL;
  if (read_wanted(values, &read) < 0) return NULL;
  ext_drain();
  const ext_opencv *opencv = load_opencv("empty_gpumat");
  PyObject *mat = opencv ? PyObject_CallNoArgs((PyObject *)opencv->gpumat) : NULL;
  vc_gpumat *header = mat ? ext_gpumat_header(mat) : NULL;
  if (!header || fill_empty(opencv, &read, header) < 0) Py_CLEAR(mat);
  return mat;
}

static PyObject *trim_pool(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  size_t bytes;
  Py_BEGIN_ALLOW_THREADS bytes = vc_pool_trim(NULL);
  Py_END_ALLOW_THREADS ext_drain();
  return PyLong_FromSize_t(bytes);
}

PyMethodDef ext_pool_methods[] = {
    {"_use_pool", (PyCFunction)(void (*)(void))use_pool, METH_FASTCALL,
     "Sets the pool and returns the setting before."},
    {"_restore_pool", restore_pool, METH_O, "Restores a setting that _use_pool() returned."},
    {"get_pool", get_pool, METH_NOARGS, DOC_get_pool},
    EXT_PUBLIC_METHOD(empty_gpumat),
    {"trim_pool", trim_pool, METH_NOARGS, DOC_trim_pool},
    {NULL, NULL, 0, NULL},
};
