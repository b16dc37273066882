/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that are no images, but from which an image can be made. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_NO_IMAGE_H
#define VIEWCAST_PYTHON_ADAPTERS_NO_IMAGE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What to do with an object that has no protocol ("read the file first: …"), as a text of
 * static storage; NULL where nothing is known. Asks the object for attributes, and leaves
 * no exception. */
const char *ext_no_image_advice(PyObject *object);

#endif
