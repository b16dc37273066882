/* SPDX-License-Identifier: Apache-2.0 */
/* cv2.cuda.GpuMat: read and written in place, by its verified layout. */
#include "adapters/opencv.h"

#include <string.h>

#include "adapters/list.h"
#include "adapters/memory.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"

/* Classes of cv2 that are recognised by their exact type. */
static struct {
  PyTypeObject *gpumat, *gpumat_nd, *umat; /* strong, once cv2 was seen */
} types;

static ext_opencv opencv;
static bool verified;

static PyTypeObject *class_at(PyObject *module, const char *name) {
  PyObject *type = PyObject_GetAttrString(module, name);
  if (type && PyType_Check(type)) return (PyTypeObject *)type;
  Py_XDECREF(type);
  PyErr_Clear();
  return NULL;
}

/* Looks the classes up; false where cv2 has no cuda.GpuMat. */
static bool find_types(PyObject *cv2) {
  PyObject *cuda = PyObject_GetAttrString(cv2, "cuda");
  if (!cuda) {
    PyErr_Clear();
    return false;
  }
  ext_loading_begin();
  PyTypeObject *gpumat = types.gpumat ? types.gpumat : class_at(cuda, "GpuMat");
  if (gpumat && !types.gpumat) {
    types.gpumat_nd = class_at(cuda, "GpuMatND");
    types.umat = class_at(cv2, "UMat");
    EXT_WRITE(types.gpumat, gpumat); /* last: it says that the others were looked for */
  }
  ext_loading_end();
  Py_DECREF(cuda);
  return gpumat != NULL;
}

static bool find_imported_types(void) {
  PyObject *cv2 = ext_imported("cv2");
  bool found = cv2 && find_types(cv2);
  Py_XDECREF(cv2);
  return found;
}

bool ext_opencv_is_image_type(PyTypeObject *type) {
  if (!EXT_READ(types.gpumat) && !find_imported_types()) return false;
  return type == types.gpumat || type == types.gpumat_nd || type == types.umat;
}

bool ext_is_gpumat(PyObject *object) {
  return ext_opencv_is_image_type(Py_TYPE(object)) && Py_TYPE(object) == types.gpumat;
}

bool ext_is_gpumatnd(PyObject *object) {
  return ext_opencv_is_image_type(Py_TYPE(object)) && Py_TYPE(object) == types.gpumat_nd;
}

/* Refuses an OpenCV that never counts down on a free-threaded Python. The GpuMats that only a lend
 * refers to are found by the reference counts of all of them, and only the GIL keeps other threads
 * from changing these meanwhile. */
static int check_counting(PyObject *cv2) {
#ifdef Py_GIL_DISABLED
  if (opencv.abi.counting == VC_REFCOUNT_UP_ONLY) {
    PyObject *version = PyObject_GetAttrString(cv2, "__version__");
    if (!version) PyErr_Clear();
    ext_fail(VC_ERROR_ABI,
             "OpenCV %S counts the copies of a GpuMat up and never down, and a free-threaded "
             "Python can't tell when the last is gone; use OpenCV 5 or one built with CUDA, or an "
             "ordinary Python",
             version ? version : Py_None);
    Py_XDECREF(version);
    return -1;
  }
#endif
  (void)cv2;
  return 0;
}

static int verify(PyObject *cv2) {
  if (!types.gpumat && !find_types(cv2)) {
    return ext_fail(VC_ERROR_ABI, "this cv2 has no cuda.GpuMat; %s", ext_install("cv2"));
  }
  opencv.gpumat = types.gpumat;
  if (ext_opencv_verify(cv2, types.gpumat, &opencv.abi) < 0 || check_counting(cv2) < 0) return -1;
  opencv.makes_objects = !ext_is_slow() && ext_opencv_verify_objects(&opencv);
  return 0;
}

const ext_opencv *ext_opencv_load(void) {
  bool ready = EXT_READ(verified) || ext_load("cv2", &verified, verify) == 0;
  return ready ? &opencv : NULL;
}

/* A cv2 object: the Python head, then a cv::Ptr whose first word is the C++
 * object. ext_opencv_verify has checked this. */
vc_gpumat *ext_gpumat_header(PyObject *mat) {
  vc_gpumat *header;
  memcpy(&header, (char *)mat + sizeof(PyObject), sizeof header);
  if (!header) {
    ext_fail(VC_ERROR_VALUE,
             "this cv2.cuda.GpuMat was made by __new__ alone and has no C++ object; call "
             "cv2.cuda.GpuMat()");
  }
  return header;
}

/* The classes of cv2 that hold images and that no conversion takes. */
static int refuse_others(PyObject *image) {
  if (Py_TYPE(image) == types.gpumat) return 0;
  if (Py_TYPE(image) == types.gpumat_nd) {
    return ext_fail(VC_ERROR_VALUE, "%.200s is no image: needs " EXT_INSTEAD_OF_GPUMATND,
                    Py_TYPE(image)->tp_name);
  }
  return ext_fail(VC_ERROR_VALUE,
                  "cv2.UMat holds OpenCL memory, which no other library here can see; take "
                  "umat.get() and convert the array");
}

/* Memory whose release OpenCV does not report is held through the GpuMat itself. */
static int own(PyObject *image, vc_gpumat *mat, const ext_options *options, ext_source *out) {
  vc_ownership hold = vc_gpumat_ownership(&opencv.abi, mat);
  if (hold == VC_OWNERSHIP_UNOWNED) {
    out->owner = ext_own(options->owner ? options->owner : image);
    return 0;
  }
  if (hold == VC_OWNERSHIP_LENT && opencv.abi.counting == VC_REFCOUNT_UP_ONLY) {
    out->owner = ext_own(image);
    return 0;
  }
  EXT_TRY(vc_gpumat_share(&opencv.abi, mat, &out->owner, &error));
  out->freed_by_cuda_free = hold == VC_OWNERSHIP_STANDARD;
  return 0;
}

static int import_gpumat(PyObject *image, const ext_options *options, ext_source *out) {
  if (refuse_others(image) < 0 || !ext_opencv_load()) return -1;
  vc_gpumat *mat = ext_gpumat_header(image);
  if (!mat) return -1;
  EXT_TRY(vc_view_from_gpumat(&opencv.abi, mat, options->keepdim, &out->view, &error));
  return own(image, mat, options, out);
}

static bool is_unowned(PyObject *image) {
  if (!ext_is_gpumat(image)) return false;
  const vc_gpumat *mat = ext_opencv_load() ? ext_gpumat_header(image) : NULL;
  PyErr_Clear(); /* the import says what is wrong */
  return !mat || vc_gpumat_ownership(&opencv.abi, mat) == VC_OWNERSHIP_UNOWNED;
}

static bool holder_is_last(void *object) { return Py_REFCNT((PyObject *)object) == 1; }

/* True also where a copy would not help or OpenCV can't be loaded: the export raises the error. */
static bool fits(const vc_view *view) {
  vc_error error;
  vc_gpumat header = {0};
  if (view->ndim != 2 && view->ndim != 3) return true;
  if (!ext_opencv_load()) {
    PyErr_Clear();
    return true;
  }
  return vc_gpumat_over(&opencv.abi, view, &header, &error) != VC_ERROR_LAYOUT;
}

/* Gives an empty GpuMat the memory; takes source->owner. */
static int lend(PyObject *mat, ext_source *source) {
  vc_error error;
  vc_gpumat *header = ext_gpumat_header(mat);
  if (!header) return -1;
  vc_holder holder = {sizeof holder, mat, holder_is_last, ext_release_object};
  if (opencv.abi.counting == VC_REFCOUNT_UP_ONLY) Py_INCREF(mat); /* the holder's reference */
  vc_status status =
      vc_gpumat_lend(&opencv.abi, &source->view, &source->owner, &holder, header, &error);
  bool holds = status == VC_OK && header->refcount;
  if (opencv.abi.counting == VC_REFCOUNT_UP_ONLY && !holds) Py_DECREF(mat);
  if (status == VC_OK && !holds) ext_drain(); /* the owner of an empty image is released at once */
  return status == VC_OK ? 0 : ext_raise(&error);
}

/* --- empty GpuMats of out=, which are created as OpenCV creates a dst */

static bool is_unfilled(PyObject *mat) {
  if (!ext_is_gpumat(mat)) return false;
  const vc_gpumat *header = ext_gpumat_header(mat);
  if (!header) PyErr_Clear(); /* the import has said it */
  return header && !header->data && !header->refcount;
}

static int check_fill(const vc_view *view) {
  vc_gpumat header = {0};
  if (!ext_opencv_load()) return -1;
  EXT_TRY(vc_gpumat_over(&opencv.abi, view, &header, &error));
  return 0;
}

PyObject *ext_gpumat_around(PyTypeObject *type, vc_gpumat *mat, vc_gpumat_control *control) {
  PyObject *made = type->tp_alloc(type, 0);
  if (!made) return NULL;
  void *const words[] = {mat, control};
  memcpy((char *)made + sizeof(PyObject), words, sizeof words);
  return made;
}

static PyObject *make_object(void) {
  vc_gpumat *mat;
  vc_gpumat_control *control;
  EXT_TRY_OR(vc_gpumat_new(&opencv.abi, &mat, &control, &error), NULL);
  PyObject *object = ext_gpumat_around(opencv.gpumat, mat, control);
  if (!object) vc_gpumat_drop(control);
  return object;
}

static PyObject *export_gpumat(ext_source *source, const ext_options *options) {
  (void)options;
  if (!ext_opencv_load()) return NULL;
  PyObject *mat =
      opencv.makes_objects ? make_object() : PyObject_CallNoArgs((PyObject *)opencv.gpumat);
  if (mat && lend(mat, source) < 0) Py_CLEAR(mat);
  return mat;
}

/* --- GpuMats with memory of their own: one block, and a header for each image */

static PyObject *make_mat(const vc_view *all, int64_t index, PyObject *memory) {
  vc_view view = all->ndim == 4 ? ext_batch_image(all, index) : *all;
  ext_source image = {.view = view, .owner = ext_own(memory)};
  PyObject *mat = export_gpumat(&image, NULL);
  ext_release(&image.owner);
  return mat;
}

static PyObject *make_mats(const vc_view *all, PyObject *memory) {
  if (all->ndim == 3) return make_mat(all, 0, memory);
  PyObject *list = PyList_New((Py_ssize_t)all->shape[0]);
  for (int64_t i = 0; list && i < all->shape[0]; i++) {
    PyObject *mat = make_mat(all, i, memory);
    if (!mat) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, i, mat);
    }
  }
  return list;
}

static PyObject *empty_gpumats(const vc_view *wanted, vc_stream stream, ext_source *out) {
  PyObject *memory;
  vc_view all = *wanted;
  int64_t bytes = 0, count = all.ndim == 4 ? all.shape[0] : 1;
  if (!ext_memory_lay_out(&all, count, &bytes)) return PyErr_NoMemory();
  if (ext_memory_shared_block((size_t)bytes, all.device, stream, out, &memory) < 0) return NULL;
  all.data = out->view.data;
  out->view = all;
  PyObject *made = make_mats(&all, memory);
  Py_DECREF(memory);
  return made;
}

static bool is_image(PyObject *image) { return ext_is_gpumat(image) && ext_gpumat_header(image); }

static int add_paths(PyObject *paths) {
  const char *made = opencv.makes_objects ? "in place" : "by its class";
  return ext_path_add(paths, "GpuMat made", EXT_READ(verified) ? made : NULL);
}

const ext_adapter ext_opencv_adapter = {
    .name = "cv2.cuda.GpuMat",
    .is_type = ext_opencv_is_image_type,
    .interleaved = true,
    .writable = true,
    .on_gpu = true,
    .import = import_gpumat,
    .is_image = is_image,
    .is_unowned = is_unowned,
    .current_stream = ext_opencv_stream,
    .export = export_gpumat,
    .fits = fits,
    .empty = empty_gpumats,
    .is_unfilled = is_unfilled,
    .check_fill = check_fill,
    .fill = lend,
    .add_paths = add_paths,
};

static const char *counting_name(vc_refcounting counting) {
  switch (counting) {
    case VC_REFCOUNT_FULL: return "counts both ways and frees";
    case VC_REFCOUNT_NO_FREE: return "counts both ways";
    default: return "counts up only";
  }
}

PyObject *ext_opencv_describe(void) {
  if (!ext_opencv_load()) return NULL;
  return Py_BuildValue("{s:i, s:i, s:s, s:O}", "channel_shift", (int)opencv.abi.channel_shift,
                       "channels_max", (int)opencv.abi.channels_max, "counting",
                       counting_name(opencv.abi.counting), "has_allocator",
                       opencv.abi.standard_allocator ? Py_True : Py_False);
}
