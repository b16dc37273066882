/* SPDX-License-Identifier: Apache-2.0 */
/* A cv2 with a GpuMat alone, laid out, counting and calling its allocator as
 * OpenCV's does, except for the one thing that SIMULATED_CV2 names. Built by
 * tests/python/layout/test_wrong_cv2.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>

enum { FLAGS, ROWS, COLS, STEP, DATA, REFCOUNT, DATASTART, DATAEND, ALLOCATOR, FIELDS };
enum { HEADER = 96, MOST = 4096, CONTINUOUS = 1 << 14 };

static int at[FIELDS] = {0, 4, 8, 16, 24, 32, 40, 48, 56};
static const char *wrong;
static int shift = 3;
static bool is(const char *name) { return strcmp(wrong, name) == 0; }

typedef struct {
  PyObject_HEAD char *header; /* cv::Ptr: the GpuMat and its control block */
  void *control;
} Mat;

/* Every header that was made, and what it looked like then. */
static char *made[MOST], was[MOST][HEADER];
static int made_count, written;

static int32_t *number(char *header, int field) { return (int32_t *)(void *)(header + at[field]); }
static size_t *word(char *header, int field) { return (size_t *)(void *)(header + at[field]); }

/* --- an allocator: destructors, allocate, free */

typedef bool slot_function(void *self, char *header, int rows, int cols, size_t size);
static bool no_function(void *self, char *header, int rows, int cols, size_t size) {
  (void)self, (void)header, (void)rows, (void)cols, (void)size;
  return false;
}
static struct {
  ptrdiff_t offset;
  const void *type;
  slot_function *slots[4];
} table = {0, NULL, {no_function, no_function, no_function, no_function}};
static struct {
  const void *table;
} standard = {table.slots}, others[64];

static bool has_cuda(void) { return strncmp(wrong, "cuda", 4) == 0; }

static size_t new_allocator(void) {
  static int count;
  if (is("an allocator each")) return (size_t)&others[count++ % 64];
  return has_cuda() ? (size_t)&standard : 0;
}

static void call(char *header, int slot, int rows, int cols, size_t size) {
  size_t object = *word(header, ALLOCATOR);
  slot_function *const *functions = *(slot_function *const **)object;
  functions[slot]((void *)object, header, rows, cols, size);
}

/* --- headers */

static int channels_of(char *header) { return ((*number(header, FLAGS) & 0xFFF) >> shift) + 1; }

static void fill(char *header, int rows, int cols, int type, size_t data, size_t step) {
  size_t row = (size_t)cols * (size_t)((type >> shift) + 1);
  if (rows == 1) step = row;
  *number(header, FLAGS) = 0x42FF0000 | type | (step == row ? CONTINUOUS : 0);
  *number(header, ROWS) = rows;
  *number(header, COLS) = cols;
  *word(header, STEP) = step;
  *word(header, DATA) = *word(header, DATASTART) = data;
  *word(header, DATAEND) = data + step * (size_t)(rows - 1) + row;
  if (is("magic")) *number(header, FLAGS) ^= 1 << 16;
  if (is("no continuous bit")) *number(header, FLAGS) &= ~CONTINUOUS;
  if (is("step in pixels")) *word(header, STEP) /= 2;
  if (is("data elsewhere")) *word(header, DATA) += 1;
  if (is("a counter already")) *word(header, REFCOUNT) = (size_t)&standard;
  if (is("dataend of the last row")) *word(header, DATAEND) += 5;
}

static PyTypeObject *type;

static Mat *new_mat(void) {
  static char nowhere[1];
  Mat *self = PyObject_New(Mat, type);
  if (!self) return NULL;
  self->header = calloc(1, HEADER);
  self->control = nowhere;
  *word(self->header, ALLOCATOR) = new_allocator();
  if (is("an empty mat with rows")) *number(self->header, ROWS) = 1;
  return self;
}

static PyObject *publish(Mat *self) {
  if (made_count < MOST) {
    made[made_count] = self->header;
    memcpy(was[made_count++], self->header, HEADER);
  }
  if (is("no pointer")) self->header = NULL;
  if (is("a pointer to nowhere")) self->header = (char *)64;
  if (is("a crooked pointer")) self->header += 1;
  return (PyObject *)self;
}

static void release(Mat *self) {
  char *header = self->header;
  if (strncmp(wrong, "up", 2) == 0) return; /* as 4.x without CUDA */
  int32_t *counter = (int32_t *)*word(header, REFCOUNT);
  if (counter && --*counter == 0 && has_cuda()) {
    if (!is("cuda: never frees")) call(header, is("cuda: free in slot 2") ? 2 : 3, 0, 0, 0);
  }
  *number(header, ROWS) = *number(header, COLS) = 0;
  *word(header, STEP) = *word(header, DATA) = *word(header, DATASTART) = 0;
  *word(header, DATAEND) = *word(header, REFCOUNT) = 0;
  if (is("cuda: forgets its allocator")) *word(header, ALLOCATOR) = 0;
}

/* Headers are never freed: the test looks at them at the end. */
static void mat_dealloc(Mat *self) {
  if ((size_t)self->header % 8 == 0 && (size_t)self->header > 4096) {
    for (int i = 0; i < made_count; i++) {
      if (made[i] != self->header) continue;
      written += memcmp(was[i], self->header, HEADER) != 0;
      made[i] = NULL;
    }
    release(self);
  }
  PyObject_Free(self);
}

static PyObject *mat_new(PyTypeObject *unused, PyObject *args, PyObject *kwargs) {
  (void)unused, (void)args, (void)kwargs;
  if (is("a constructor that raises")) {
    PyErr_SetString(PyExc_RuntimeError, "no");
    return NULL;
  }
  Mat *self = new_mat();
  return self ? publish(self) : NULL;
}

static PyObject *create_over(PyObject *module, PyObject *args) {
  (void)module;
  int rows, cols, kind;
  unsigned long long data, step = 0;
  if (is("no headers over memory") ||
      !PyArg_ParseTuple(args, "iiiK|K", &rows, &cols, &kind, &data, &step)) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "no");
    return NULL;
  }
  Mat *self = new_mat();
  if (!self) return NULL;
  fill(self->header, rows, cols, kind, (size_t)data, (size_t)step);
  return publish(self);
}

static PyObject *row_range(Mat *self, PyObject *args) {
  int from, to;
  if (!PyArg_ParseTuple(args, "ii", &from, &to)) return NULL;
  Mat *roi = new_mat();
  if (!roi) return NULL;
  memcpy(roi->header, self->header, HEADER);
  *number(roi->header, ROWS) = to - from;
  int32_t *counter = (int32_t *)*word(roi->header, REFCOUNT);
  if (counter && !is("copies do not count")) *counter += is("counts down") ? -1 : 1;
  if (is("copies do not count") || is("counts down")) *word(roi->header, REFCOUNT) = 0;
  return publish(roi);
}

static PyObject *mat_release(Mat *self, PyObject *unused) {
  (void)unused;
  release(self);
  Py_RETURN_NONE;
}

static PyObject *mat_create(Mat *self, PyObject *args) {
  int rows, cols, kind;
  if (!PyArg_ParseTuple(args, "iii", &rows, &cols, &kind)) return NULL;
  char *header = self->header;
  *number(header, FLAGS) = 0x42FF0000 | kind;
  *number(header, ROWS) = rows;
  *number(header, COLS) = cols;
  if (!is("cuda: never allocates")) {
    call(header, is("cuda: allocate in slot 1") ? 1 : 2, rows, cols, (size_t)channels_of(header));
  }
  int32_t *counter = (int32_t *)*word(header, REFCOUNT);
  if (counter) *counter = is("cuda: starts at 2") ? 2 : 1;
  Py_RETURN_NONE;
}

/* --- what OpenCV says of a header; of another one in one case */

#define ANSWER(name, value)                                          \
  static PyObject *name(Mat *self, PyObject *unused) {               \
    (void)unused;                                                    \
    char *header = self->header, other[HEADER] = {0};                \
    if (is("reads elsewhere")) header = other;                       \
    return PyLong_FromUnsignedLongLong((unsigned long long)(value)); \
  }
ANSWER(cuda_ptr, *word(header, DATA))
ANSWER(mat_type, *number(header, FLAGS) & 0xFFF)
ANSWER(mat_channels, channels_of(header))
ANSWER(mat_step1, *word(header, STEP))
ANSWER(mat_elem_size, channels_of(header))

static PyMethodDef methods[] = {
    {"rowRange", (PyCFunction)row_range, METH_VARARGS, NULL},
    {"release", (PyCFunction)mat_release, METH_NOARGS, NULL},
    {"create", (PyCFunction)mat_create, METH_VARARGS, NULL},
    {"cudaPtr", (PyCFunction)cuda_ptr, METH_NOARGS, NULL},
    {"type", (PyCFunction)mat_type, METH_NOARGS, NULL},
    {"channels", (PyCFunction)mat_channels, METH_NOARGS, NULL},
    {"step1", (PyCFunction)mat_step1, METH_NOARGS, NULL},
    {"elemSize", (PyCFunction)mat_elem_size, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot slots[] = {{Py_tp_new, (void *)mat_new},
                              {Py_tp_dealloc, (void *)mat_dealloc},
                              {Py_tp_methods, methods},
                              {0, NULL}};
static PyType_Spec spec = {.name = "cv2.cuda.GpuMat",
                           .basicsize = sizeof(Mat),
                           .flags = Py_TPFLAGS_DEFAULT,
                           .slots = slots};

/* How many headers were written to by another hand than this module's. */
static PyObject *written_headers(PyObject *module, PyObject *unused) {
  (void)module, (void)unused;
  int count = written;
  for (int i = 0; i < made_count; i++) {
    if (made[i]) count += memcmp(was[i], made[i], HEADER) != 0;
  }
  return PyLong_FromLong(count);
}

static PyMethodDef functions[] = {
    {"createGpuMatFromCudaMemory", create_over, METH_VARARGS, NULL},
    {"written", written_headers, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef cuda_definition = {PyModuleDef_HEAD_INIT, .m_name = "cv2.cuda",
                                             .m_methods = functions};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "cv2"};

static void swap(int one, int other) {
  int kept = at[one];
  at[one] = at[other];
  at[other] = kept;
}

static void lay_out(void) {
  if (is("rows and cols")) swap(ROWS, COLS);
  if (is("step and data")) swap(STEP, DATA);
  if (is("data and refcount")) swap(DATA, REFCOUNT);
  if (is("datastart and dataend")) swap(DATASTART, DATAEND);
  for (int i = 0; is("a field more") && i < FIELDS; i++) at[i] += 8;
  if (is("packing")) shift = 4;
  if (is("another size")) spec.basicsize += 8;
}

PyMODINIT_FUNC PyInit_cv2(void);
PyMODINIT_FUNC PyInit_cv2(void) {
  wrong = getenv("SIMULATED_CV2");
  lay_out();
  type = (PyTypeObject *)PyType_FromSpec(&spec);
  PyObject *cv2 = PyModule_Create(&definition), *cuda = PyModule_Create(&cuda_definition);
  if (!type || !cv2 || !cuda) return NULL;
  PyModule_AddStringConstant(cv2, "__version__", "4.99.0");
  if (!is("no constants")) PyModule_AddIntConstant(cv2, "CV_8UC1", 0);
  PyModule_AddIntConstant(cv2, "CV_8UC2", 1 << shift);
  PyModule_AddIntConstant(cv2, "CV_16F", is("another depth") ? 9 : 7);
  if (!is("no GpuMat")) PyModule_AddObject(cuda, "GpuMat", Py_NewRef((PyObject *)type));
  if (!is("no cuda")) PyModule_AddObject(cv2, "cuda", cuda);
  return cv2;
}
