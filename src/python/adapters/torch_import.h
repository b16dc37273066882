/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the parts of torch, and reads a torch.Tensor: the description of its memory, and the
 * storage that owns it. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_TORCH_IMPORT_H
#define VIEWCAST_PYTHON_ADAPTERS_TORCH_IMPORT_H

#include <dlpack/dlpack.h>

#include "owner.h"

/* Parts of torch that torch.c needs. */
typedef struct ext_torch_parts {
  bool loaded; /* all of this; by EXT_READ */
  /* Of the exchange table (torch 2.10 and later). NULL: torch.utils.dlpack is used instead. */
  DLPackDLTensorFromPyObjectNoSync describe;
  DLPackManagedTensorToPyObjectNoSync make;
  DLPackCurrentWorkStream current_stream;
  PyObject *from_dlpack;
  PyObject *is_inference;      /* a method of the class Tensor */
  PyObject *in_inference_mode; /* a function */
  PyObject *increment_version; /* a function; takes one tensor in every version of torch */
} ext_torch_parts;
extern ext_torch_parts ext_torch __attribute__((visibility("hidden")));

/* Imports torch and finds what is needed of it, at the first call. -1 with an exception. */
int ext_torch_load(void);

/* Takes an answer (NULL with an exception). 1 or 0; -1 with an exception. */
int ext_torch_truth(PyObject *answer);

/* The import of torch's adapter. The owner is not the tensor but its untyped_storage(), which is
 * the memory itself: the tensor may get another storage later (tensor.data = x, set_(),
 * torch.utils.swap_tensors(), module.half()). */
int ext_torch_import(PyObject *tensor, const ext_options *options, ext_source *out);

#endif
