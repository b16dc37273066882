/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a torch.Tensor: the description of its memory, and the storage that owns it. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_TORCH_IMPORT_H
#define VIEWCAST_PYTHON_ADAPTERS_TORCH_IMPORT_H

#include <dlpack/dlpack.h>

#include "owner.h"

/* Finds the functions of the module that reading needs. `api` is torch's exchange table, or NULL
 * where torch.utils.dlpack is used instead. */
int ext_torch_import_load(PyObject *module, const DLPackExchangeAPI *api);

/* Imports torch and finds what is needed of it, at the first call. -1 with an exception. */
int ext_torch_load(void);

/* The import of torch's adapter. The owner is the tensor's untyped_storage(): the memory itself,
 * which the tensor may exchange for another (tensor.data = x, set_(), torch.utils.swap_tensors(),
 * module.half()), and goes on being able to. */
int ext_torch_import(PyObject *tensor, const ext_options *options, ext_source *out);

#endif
