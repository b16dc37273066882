/* SPDX-License-Identifier: Apache-2.0 */
/* cv2.cuda.GpuMat: read and written in place, by its verified layout. */
#include "adapters/opencv.h"

#include <string.h>

#include "adapters/adapter.h"
#include "errors.h"
#include "free_threading.h"
#include "imports.h"
#include "paths.h"
#include "slow.h"

/* Classes of cv2 that are recognised by their exact type. */
static struct {
  PyTypeObject *gpumat, *gpumat_nd, *umat; /* strong, once cv2 was seen */
} types;

static vp_opencv opencv;
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
  vp_loading_begin();
  PyTypeObject *gpumat = types.gpumat ? types.gpumat : class_at(cuda, "GpuMat");
  if (gpumat && !types.gpumat) {
    types.gpumat_nd = class_at(cuda, "GpuMatND");
    types.umat = class_at(cv2, "UMat");
    VP_WRITE(types.gpumat, gpumat); /* last: it says that the others were looked for */
  }
  vp_loading_end();
  Py_DECREF(cuda);
  return gpumat != NULL;
}

static bool find_imported_types(void) {
  PyObject *cv2 = vp_imported("cv2");
  bool found = cv2 && find_types(cv2);
  Py_XDECREF(cv2);
  return found;
}

bool vp_opencv_is_image_type(PyTypeObject *type) {
  if (!VP_READ(types.gpumat) && !find_imported_types()) return false;
  return type == types.gpumat || type == types.gpumat_nd || type == types.umat;
}

bool vp_is_gpumat(PyObject *object) {
  return vp_opencv_is_image_type(Py_TYPE(object)) && Py_TYPE(object) == types.gpumat;
}

bool vp_is_gpumatnd(PyObject *object) {
  return vp_opencv_is_image_type(Py_TYPE(object)) && Py_TYPE(object) == types.gpumat_nd;
}

/* Which GpuMats only a lend still refers to is seen by their counts, and only the GIL
 * lets one thread see those of all. */
static int check_counting(PyObject *cv2) {
#ifdef Py_GIL_DISABLED
  if (opencv.abi.counting == VC_COUNTS_UP) {
    PyObject *version = PyObject_GetAttrString(cv2, "__version__");
    if (!version) PyErr_Clear();
    vp_fail(VC_ERROR_ABI,
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
    return vp_fail(VC_ERROR_ABI, "this cv2 has no cuda.GpuMat; %s", vp_install("cv2"));
  }
  opencv.gpumat = types.gpumat;
  if (vp_opencv_verify(cv2, types.gpumat, &opencv.abi) < 0 || check_counting(cv2) < 0) return -1;
  opencv.makes_objects = !vp_is_slow() && vp_opencv_verify_objects(&opencv);
  return 0;
}

const vp_opencv *vp_opencv_load(void) {
  bool ready = VP_READ(verified) || vp_load("cv2", &verified, verify) == 0;
  return ready ? &opencv : NULL;
}

/* A cv2 object: the Python head, then a cv::Ptr whose first word is the C++
 * object. vp_opencv_verify has checked this. */
vc_gpumat *vp_gpumat_header(PyObject *mat) {
  vc_gpumat *header;
  memcpy(&header, (char *)mat + sizeof(PyObject), sizeof header);
  if (!header) {
    vp_fail(VC_ERROR_VALUE,
            "this cv2.cuda.GpuMat was made by __new__ alone and has no C++ object; call "
            "cv2.cuda.GpuMat()");
  }
  return header;
}

/* The classes of cv2 that hold images and that no conversion takes. */
static int refuse_others(PyObject *image) {
  if (Py_TYPE(image) == types.gpumat) return 0;
  if (Py_TYPE(image) == types.gpumat_nd) {
    return vp_fail(VC_ERROR_VALUE, "%.200s is no image: needs " VP_INSTEAD_OF_GPUMATND,
                   Py_TYPE(image)->tp_name);
  }
  return vp_fail(VC_ERROR_VALUE,
                 "cv2.UMat holds OpenCL memory, which no other library here can see; take "
                 "umat.get() and convert the array");
}

/* Memory whose end OpenCV does not report is held through the GpuMat itself. */
static int own(PyObject *image, vc_gpumat *mat, const vp_options *options, vp_source *out) {
  vc_error error;
  vc_hold hold = vc_gpumat_hold(&opencv.abi, mat);
  if (hold == VC_HOLD_UNOWNED) {
    out->owner = vp_own(options->owner ? options->owner : image);
    return 0;
  }
  if (hold == VC_HOLD_LENT && opencv.abi.counting == VC_COUNTS_UP) {
    out->owner = vp_own(image);
    return 0;
  }
  if (vc_gpumat_share(&opencv.abi, mat, &out->owner, &error) != VC_OK) return vp_raise(&error);
  out->freed_in_order = hold == VC_HOLD_STANDARD;
  return 0;
}

static int import_gpumat(PyObject *image, const vp_options *options, vp_source *out) {
  vc_error error;
  if (refuse_others(image) < 0 || !vp_opencv_load()) return -1;
  vc_gpumat *mat = vp_gpumat_header(image);
  if (!mat) return -1;
  if (vc_view_from_gpumat(&opencv.abi, mat, options->keepdim, &out->view, &error) != VC_OK) {
    return vp_raise(&error);
  }
  return own(image, mat, options, out);
}

bool vp_opencv_takes_owner(PyObject *image) {
  if (!vp_is_gpumat(image)) return false;
  const vc_gpumat *mat = vp_opencv_load() ? vp_gpumat_header(image) : NULL;
  PyErr_Clear(); /* the import says what is wrong */
  return !mat || vc_gpumat_hold(&opencv.abi, mat) == VC_HOLD_UNOWNED;
}

static bool holder_is_last(void *object) { return Py_REFCNT((PyObject *)object) == 1; }
static void holder_release(void *object) { Py_DECREF((PyObject *)object); }

bool vp_opencv_refuses_layout(const vc_view *view) {
  vc_error error;
  vc_gpumat header = {0};
  if (view->ndim != 2 && view->ndim != 3) return false; /* no copy will help */
  if (!vp_opencv_load()) {
    PyErr_Clear();
    return false;
  }
  return vc_gpumat_over(&opencv.abi, view, &header, &error) == VC_ERROR_LAYOUT;
}

static int lend(vp_source *source, PyObject *mat) {
  vc_error error;
  vc_gpumat *header = vp_gpumat_header(mat);
  if (!header) return -1;
  vc_holder holder = {sizeof holder, mat, holder_is_last, holder_release};
  if (opencv.abi.counting == VC_COUNTS_UP) Py_INCREF(mat); /* the holder's reference */
  vc_status status =
      vc_gpumat_lend(&opencv.abi, &source->view, &source->owner, &holder, header, &error);
  bool holds = status == VC_OK && header->refcount;
  if (opencv.abi.counting == VC_COUNTS_UP && !holds) Py_DECREF(mat);
  if (status == VC_OK && !holds) vp_drain(); /* the owner of an empty image goes at once */
  return status == VC_OK ? 0 : vp_raise(&error);
}

/* An empty GpuMat of out=, which OpenCV would create as it does a dst. */

static bool is_unfilled(PyObject *mat) {
  if (!vp_is_gpumat(mat)) return false;
  const vc_gpumat *header = vp_gpumat_header(mat);
  if (!header) PyErr_Clear(); /* the import has said it */
  return header && !header->data && !header->refcount;
}

static int check_fill(const vc_view *view) {
  vc_error error;
  vc_gpumat header = {0};
  if (!vp_opencv_load()) return -1;
  return vc_gpumat_over(&opencv.abi, view, &header, &error) == VC_OK ? 0 : vp_raise(&error);
}

static int fill(PyObject *mat, vp_source *source) { return lend(source, mat); }

static PyObject *make_object(void) {
  vc_error error;
  vc_gpumat *mat;
  vc_gpumat_control *control;
  if (vc_gpumat_new(&opencv.abi, &mat, &control, &error) != VC_OK) {
    vp_raise(&error);
    return NULL;
  }
  PyObject *object = vp_gpumat_around(opencv.gpumat, mat, control);
  if (!object) vc_gpumat_drop(control);
  return object;
}

static PyObject *export_gpumat(vp_source *source, const vp_options *options) {
  (void)options;
  if (!vp_opencv_load()) return NULL;
  PyObject *mat =
      opencv.makes_objects ? make_object() : PyObject_CallNoArgs((PyObject *)opencv.gpumat);
  if (mat && lend(source, mat) < 0) Py_CLEAR(mat);
  return mat;
}

const vp_adapter vp_opencv_adapter = {
    .name = "cv2.cuda.GpuMat",
    .import = import_gpumat,
    .export = export_gpumat,
    .current = vp_opencv_stream,
    .interleaved = true,
    .is_unfilled = is_unfilled,
    .check_fill = check_fill,
    .fill = fill,
};

const char *vp_opencv_path(void) {
  return !VP_READ(verified) ? NULL : opencv.makes_objects ? "in place" : "by its class";
}

static const char *counting_name(vc_counting counting) {
  switch (counting) {
    case VC_COUNTS_AND_FREES: return "counts both ways and frees";
    case VC_COUNTS_ONLY: return "counts both ways";
    default: return "counts up only";
  }
}

PyObject *vp_opencv_describe(void) {
  if (!vp_opencv_load()) return NULL;
  return Py_BuildValue("{s:i, s:i, s:s, s:O}", "channel_shift", (int)opencv.abi.channel_shift,
                       "channels_max", (int)opencv.abi.channels_max, "counting",
                       counting_name(opencv.abi.counting), "has_allocator",
                       opencv.abi.standard_allocator ? Py_True : Py_False);
}
