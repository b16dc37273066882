/* SPDX-License-Identifier: Apache-2.0 */
/* Why a torch.Tensor can't be seen as memory, and what to do instead. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_TORCH_REFUSAL_H
#define VIEWCAST_PYTHON_ADAPTERS_TORCH_REFUSAL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Raises ViewError with the exception that is set, torch's, as its cause. Returns -1. */
int ext_torch_refuse(PyObject *tensor);

#endif
