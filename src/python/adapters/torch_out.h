/* SPDX-License-Identifier: Apache-2.0 */
/* A torch.Tensor that is written into (out=): what autograd has to do with it. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_TORCH_OUT_H
#define VIEWCAST_PYTHON_ADAPTERS_TORCH_OUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* ViewError for a tensor that tensor.copy_() would not write, as far as its import does not
 * tell (which refuses what requires grad): an inference tensor outside of
 * torch.inference_mode(). */
int ext_torch_check_out(PyObject *tensor);

/* Counts a write in the tensor's version counter, as tensor.copy_() does: autograd then
 * refuses a backward pass that needs what was there before. */
int ext_torch_wrote(PyObject *tensor);

#endif
