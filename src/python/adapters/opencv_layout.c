/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies, once per process, that cv2's GpuMat is what we take it for: the
 * Python object, the C++ header, the counter and the virtual table. Reads go
 * through vc_memory_read, so that a wrong guess is an error and not a fault,
 * and nothing is written before the header that is written to was verified. */
#include <stdio.h>

#include "adapters/opencv.h"
#include "errors.h"
#include "imports.h"

/* What the steps below share. */
typedef struct {
  PyObject *cuda; /* cv2.cuda */
  PyTypeObject *gpumat;
  int32_t shift; /* CV_CN_SHIFT */
  vc_refcounting counting;
  void *allocator; /* of an ordinary header; NULL in stock builds */
} probe_state;

static uint8_t pixels[256]; /* what probed headers point at */

int ext_opencv_mismatch(const char *what, const char *advice) {
  PyErr_Clear();
  PyObject *cv2 = ext_imported("cv2");
  PyObject *version = cv2 ? PyObject_GetAttrString(cv2, "__version__") : NULL;
  if (!version) PyErr_Clear();
  if (!version) version = PyUnicode_FromString("of unknown version");
  if (version) {
    ext_fail(VC_ERROR_ABI, "OpenCV %S: %s; %s, and report this version", version, what, advice);
  }
  Py_XDECREF(version);
  Py_XDECREF(cv2);
  return -1;
}

#define ADVICE "use a build of OpenCV 4.8 to 5.x"
#define SO ", so viewcast can't write its GpuMat"
#define MISMATCH(what) ext_opencv_mismatch(what SO, ADVICE)

/* Takes a new GpuMat (NULL: `failure` says what failed) and finds its C++ header without trusting
 * the object. Gives the GpuMat back; NULL with ABIError. */
static PyObject *with_header(PyObject *mat, const char *failure, vc_gpumat **header) {
  *header = NULL;
  if (!mat) {
    ext_opencv_mismatch(failure, ADVICE);
  } else if (vc_memory_read((char *)mat + sizeof(PyObject), header, sizeof *header, NULL) !=
                 VC_OK ||
             !*header || (uintptr_t)*header % sizeof(void *)) {
    MISMATCH("the Python object does not hold a pointer to a GpuMat where expected");
    Py_CLEAR(mat);
  }
  return mat;
}

static PyObject *make(const probe_state *state, int rows, int cols, int type, size_t step,
                      vc_gpumat **header) {
  return with_header(
      PyObject_CallMethod(state->cuda, "createGpuMatFromCudaMemory", "iiiKK", rows, cols, type,
                          (unsigned long long)(uintptr_t)pixels, (unsigned long long)step),
      "createGpuMatFromCudaMemory() refuses a plain header" SO, header);
}

static PyObject *make_empty(const probe_state *state, vc_gpumat **header) {
  return with_header(PyObject_CallNoArgs((PyObject *)state->gpumat), "GpuMat() fails" SO, header);
}

/* --- steps; each returns 0 or -1 with ABIError */

static int read_constant(PyObject *cv2, const char *name, long *out) {
  PyObject *value = PyObject_GetAttrString(cv2, name);
  *out = value ? PyLong_AsLong(value) : -1;
  Py_XDECREF(value);
  return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static int read_packing(PyObject *cv2, probe_state *state) {
  long one, two;
  if (read_constant(cv2, "CV_8UC1", &one) < 0 || read_constant(cv2, "CV_8UC2", &two) < 0) {
    PyErr_Clear();
    return MISMATCH("cv2 has no CV_8UC1 and CV_8UC2");
  }
  state->shift = two - one == 8 ? 3 : two - one == 32 ? 5 : -1;
  return state->shift < 0 ? MISMATCH("channels are packed in an unknown way") : 0;
}

/* Compares the depth numbers of this cv2 with those of the ABI table. Depths that this cv2 does
 * not name are passed over. */
static int check_depths(PyObject *cv2, const vc_gpumat_abi *abi) {
  for (int i = 0; i < VC_DTYPE_COUNT; i++) {
    char name[16];
    long number;
    snprintf(name, sizeof name, "CV_%s", vc_dtype_rows[i].depth);
    if (read_constant(cv2, name, &number) < 0) {
      PyErr_Clear();
      continue;
    }
    bool in_table = number >= 0 && number < VC_GPUMAT_DEPTHS;
    vc_dtype known = in_table ? abi->depths[number] : (vc_dtype){0, 0};
    if (!vc_dtype_same(known, vc_dtype_rows[i].dtype)) {
      return MISMATCH("a depth constant has an unknown number");
    }
  }
  return 0;
}

/* One header with known values, field by field. */
static int check_made(const probe_state *state, int rows, int cols, int channels, size_t step) {
  int type = (channels - 1) << state->shift;
  size_t row = (size_t)cols * (size_t)channels;
  bool continuous = step == row || rows == 1;
  vc_gpumat expected = {
      .flags = VC_GPUMAT_MAGIC | type | (continuous ? VC_GPUMAT_CONTINUOUS : 0),
      .rows = rows,
      .cols = cols,
      .step = rows == 1 ? row : step,
      .data = pixels,
      .datastart = pixels,
      .dataend = pixels + (rows == 1 ? 0 : step * (size_t)(rows - 1)) + row,
  };
  vc_error error;
  vc_gpumat found, *header;
  PyObject *mat = make(state, rows, cols, type, step, &header);
  if (!mat) return -1;
  int result = 0;
  if (vc_gpumat_verify(header, &expected, &found, &error) != VC_OK) {
    result = ext_opencv_mismatch(error.message, ADVICE);
  } else if (found.allocator != state->allocator) {
    result = MISMATCH("headers do not share one default allocator");
  }
  Py_DECREF(mat);
  return result;
}

/* An empty header, and the allocator that ordinary headers carry. */
static int read_empty(probe_state *state) {
  vc_error error;
  vc_gpumat expected = {0}, found = {0}, *header;
  PyObject *mat = make_empty(state, &header);
  if (!mat) return -1;
  bool is_empty = vc_gpumat_verify(header, &expected, &found, &error) == VC_OK;
  state->allocator = found.allocator;
  Py_DECREF(mat);
  return is_empty ? 0 : ext_opencv_mismatch(error.message, ADVICE);
}

static int check_headers(probe_state *state) {
  if (state->gpumat->tp_basicsize != (Py_ssize_t)(sizeof(PyObject) + 2 * sizeof(void *))) {
    return MISMATCH("the Python object has another size than expected");
  }
  if (read_empty(state) < 0) return -1;
  if (check_made(state, 5, 7, 3, 32) < 0) return -1;
  if (check_made(state, 4, 6, 1, 6) < 0) return -1;
  return check_made(state, 1, 9, 4, 64);
}

/* True if a method of the mat returns this number. Clears exceptions. */
static bool answers(PyObject *mat, const char *method, unsigned long long needed) {
  PyObject *value = PyObject_CallMethod(mat, method, NULL);
  bool same = value && PyLong_Check(value) && PyLong_AsUnsignedLongLong(value) == needed;
  Py_XDECREF(value);
  PyErr_Clear();
  return same;
}

/* A header of 5 x 7 pixels of 8 bits, whose rows lie 32 bytes apart. */
static vc_gpumat known_header(int type, int channels, void *allocator) {
  return (vc_gpumat){.flags = VC_GPUMAT_MAGIC | type,
                     .rows = 5,
                     .cols = 7,
                     .step = 32,
                     .data = pixels + 1,
                     .datastart = pixels,
                     .dataend = pixels + 1 + 4 * 32 + 7 * channels,
                     .allocator = allocator};
}

/* Checks that OpenCV reads what is written in place. */
static int check_written(const probe_state *state) {
  vc_gpumat *header;
  PyObject *mat = make_empty(state, &header);
  if (!mat) return -1;
  int type = 2 << state->shift;
  void *allocator = header->allocator;
  *header = known_header(type, 3, allocator);
  bool same = answers(mat, "cudaPtr", (unsigned long long)(uintptr_t)(pixels + 1)) &&
              answers(mat, "type", (unsigned long long)type) && answers(mat, "channels", 3) &&
              answers(mat, "step1", 32) && answers(mat, "elemSize", 3);
  *header = (vc_gpumat){.allocator = allocator};
  Py_DECREF(mat);
  return same ? 0 : MISMATCH("a header written in place is not what OpenCV reads");
}

/* Counts a copy up and, or not, down again. A count far from zero: nothing is
 * freed. */
static int check_counting(probe_state *state) {
  enum { START = 1000 };
  static vc_gpumat_probe probe; /* static: a failed probe may leave pointers to it */
  vc_gpumat *header;
  PyObject *mat = make(state, 5, 7, 0, 7, &header);
  if (!mat) return -1;
  vc_gpumat_probe_begin(&probe, START, header);
  PyObject *roi = PyObject_CallMethod(mat, "rowRange", "ii", 1, 3);
  int32_t with_copy = probe.count;
  Py_XDECREF(roi);
  int32_t without = probe.count;
  vc_gpumat_probe_end(header, state->allocator);
  Py_DECREF(mat);
  if (!roi || with_copy <= START || probe.calls) {
    PyErr_Clear();
    return MISMATCH("a copy of a header does not count up as expected");
  }
  if (without == START) {
    state->counting = state->allocator ? VC_REFCOUNT_FULL : VC_REFCOUNT_NO_FREE;
  } else {
    state->counting = VC_REFCOUNT_UP_ONLY;
  }
  return 0;
}

/* The virtual table: release() must call slot 3, create() slot 2. Only where
 * OpenCV has an allocator at all: stock builds call a null one and die. */
static int check_table(const probe_state *state) {
  static vc_gpumat_probe probe;
  vc_gpumat *header;
  PyObject *mat = make(state, 2, 3, 0, 3, &header);
  if (!mat) return -1;
  vc_gpumat_probe_begin(&probe, 1, header);
  PyObject *done = PyObject_CallMethod(mat, "release", NULL);
  bool frees = done && probe.slot == 3 && probe.calls == 1 && probe.header == header &&
               probe.count == 0 && !header->data && !header->refcount &&
               header->allocator == &probe;
  Py_XDECREF(done);
  bool allocates = false;
  if (frees) {
    probe = (vc_gpumat_probe){.table = probe.table, .slot = -1, .attached = header};
    done = PyObject_CallMethod(mat, "create", "iii", 4, 5, 0);
    allocates = done && probe.slot == 2 && probe.calls == 1 && probe.count == 1 &&
                header->refcount == &probe.count && header->rows == 4 && header->cols == 5;
    Py_XDECREF(done);
  }
  PyErr_Clear();
  vc_gpumat_probe_end(header, state->allocator);
  Py_DECREF(mat);
  if (!frees) return MISMATCH("release() does not call the allocator's free as expected");
  return allocates ? 0 : MISMATCH("create() does not call the allocator as expected");
}

static int run_steps(PyObject *cv2, probe_state *state, vc_gpumat_abi *out) {
  if (read_packing(cv2, state) < 0 || check_headers(state) < 0) return -1;
  if (check_written(state) < 0 || check_counting(state) < 0) return -1;
  if (state->counting == VC_REFCOUNT_FULL && check_table(state) < 0) return -1;
  EXT_TRY(vc_gpumat_abi_init(state->shift, state->counting, state->allocator, out, &error));
  return check_depths(cv2, out);
}

int ext_opencv_verify(PyObject *cv2, PyTypeObject *gpumat, vc_gpumat_abi *out) {
  probe_state state = {.cuda = PyObject_GetAttrString(cv2, "cuda"), .gpumat = gpumat};
  int result = state.cuda ? run_steps(cv2, &state, out) : -1;
  Py_XDECREF(state.cuda);
  return result;
}

/* --- objects put together by us */

/* The control block of an ordinary GpuMat, as libstdc++ lays it out. */
static bool has_known_control(PyObject *mat) {
  const vc_gpumat_control *control = NULL;
  vc_gpumat_control found;
  const void *slots[5];
  const char *words = (char *)mat + sizeof(PyObject);
  return vc_memory_read(words + sizeof(void *), &control, sizeof control, NULL) == VC_OK &&
         vc_memory_read(control, &found, sizeof found, NULL) == VC_OK &&
         vc_memory_read(found.table, slots, sizeof slots, NULL) == VC_OK && found.uses == 1 &&
         found.weak_uses == 1;
}

/* Checks an object made in place: OpenCV's methods work on it and leave its count unchanged, and
 * its destruction calls the two known slots of the control block. */
static bool ends_as_known(const ext_opencv *opencv) {
  static vc_gpumat_control_probe probe; /* static: a failed probe may leave pointers to it */
  static vc_gpumat header;
  vc_gpumat_control_probe_begin(&probe);
  header = known_header(0, 1, (void *)(uintptr_t)opencv->abi.standard_allocator);
  PyObject *mat = ext_gpumat_around(opencv->gpumat, &header, &probe.control);
  if (!mat) return false;
  bool same = answers(mat, "cudaPtr", (unsigned long long)(uintptr_t)(pixels + 1)) &&
              answers(mat, "step1", 32) && probe.control.uses == 1 && probe.last == -1;
  Py_DECREF(mat);
  return same && vc_gpumat_control_probe_ended(&probe);
}

bool ext_opencv_verify_objects(const ext_opencv *opencv) {
  if (opencv->abi.counting == VC_REFCOUNT_UP_ONLY) return false;
  PyObject *mat = PyObject_CallNoArgs((PyObject *)opencv->gpumat);
  bool known = mat && has_known_control(mat) && ends_as_known(opencv);
  Py_XDECREF(mat);
  PyErr_Clear();
  return known;
}
