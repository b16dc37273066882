/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the module, by the file that defines them. Each table is NULL-terminated. */
#ifndef VIEWCAST_PYTHON_METHODS_H
#define VIEWCAST_PYTHON_METHODS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

extern PyMethodDef ext_function_methods[]; /* the conversions */
extern PyMethodDef ext_pointer_methods[];  /* from_pointer */
extern PyMethodDef ext_pool_methods[];
extern PyMethodDef ext_resize_methods[]; /* _placement, for viewcast.geometry */
extern PyMethodDef ext_savant_methods[]; /* savant.utils.memory_repr, memory_repr_pytorch */
extern PyMethodDef ext_stream_methods[];
extern PyMethodDef ext_to_yuv_methods[]; /* _to_yuv, for viewcast.colour */
extern PyMethodDef ext_values_methods[]; /* _normalization, for viewcast.normalization */

#endif
