/* SPDX-License-Identifier: Apache-2.0 */
/* PIL.Image.Image, whose pixels can only be copied. */
#include "adapters/list.h"
#include "adapters/no_image.h"
#include "errors.h"

static int refuse_view(PyObject *image) {
  return ext_refuse(
      PyExc_TypeError,
      "%.200s is no image that can be viewed: PIL gives its pixels as a copy; use "
      "numpy.array(img), or allow the copy (copy=None, or to_tensor(img), to_numpy(img), "
      "to_gpumat(img))",
      Py_TYPE(image)->tp_name);
}

/* Pixels of a palette are indices, which look like a grey image. */
static int check_mode(PyObject *image) {
  PyObject *mode = PyObject_GetAttrString(image, "mode");
  if (!mode) return ext_raise_from("the PIL image has no mode");
  bool is_palette = PyUnicode_Check(mode) && (PyUnicode_CompareWithASCIIString(mode, "P") == 0 ||
                                              PyUnicode_CompareWithASCIIString(mode, "PA") == 0);
  if (is_palette) {
    ext_fail(
        VC_ERROR_VALUE,
        "the PIL image has mode \"%S\", whose pixels are indices into a palette, needs values; "
        "use img.convert(\"RGB\") for its colours, or numpy.array(img) for the indices",
        mode);
  }
  Py_DECREF(mode);
  return is_palette ? -1 : 0;
}

static int import_image(PyObject *image, const ext_options *options, ext_source *out) {
  if (!ext_may_copy(options)) return refuse_view(image);
  if (check_mode(image) < 0) return -1;
  return ext_import_array_like(image, options, out);
}

const ext_adapter ext_pil_adapter = {
    .name = "PIL.Image.Image",
    .module = "PIL.Image",
    .class_name = "Image",
    .interleaved = true,
    .import = import_image,
};
