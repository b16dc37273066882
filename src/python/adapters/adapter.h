/* SPDX-License-Identifier: Apache-2.0 */
/* One adapter a library: import (object to view and owner) and export (view
 * and owner to object). A conversion is an import followed by an export. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_ADAPTER_H
#define VIEWCAST_PYTHON_ADAPTERS_ADAPTER_H

#include "owner.h"

typedef struct ext_adapter {
  const char *name;
  /* Fills *out, whose owner the caller releases. -1 with an exception. */
  int (*import)(PyObject *image, const ext_options *options, ext_source *out);
  /* New reference; takes source->owner if it needs it. NULL with an exception.
   * A NULL function: this adapter only imports. */
  PyObject *(*export)(ext_source *source, const ext_options *options);
  /* The library's current stream on a device; NULL if it has none. */
  vc_stream (*current)(int32_t device);
  /* Each object is one image (H, W) or (H, W, C) whose channels are adjacent: as a source it
   * is never planar, and what it is made of must not look so. */
  bool interleaved;
  /* Of an object of out=. All may be NULL. */
  /* Whether the library lets it be written, beyond what its description says. Comes before
   * the import. -1 with an exception. */
  int (*check_out)(PyObject *image);
  /* It has no memory yet: a call creates it, by `fill`. */
  bool (*is_unfilled)(PyObject *image);
  /* Whether such an object can be over this memory. -1 with an exception. */
  int (*check_fill)(const vc_view *view);
  /* Gives it memory; takes source->owner. -1 with an exception. */
  int (*fill)(PyObject *image, ext_source *source);
  /* Tells the library that its memory was written. -1 with an exception. */
  int (*wrote)(PyObject *image);
} ext_adapter;

extern const ext_adapter ext_opencv_adapter;  /* cv2.cuda.GpuMat */
extern const ext_adapter ext_torch_adapter;   /* torch.Tensor */
extern const ext_adapter ext_cupy_adapter;    /* cupy.ndarray */
extern const ext_adapter ext_numpy_adapter;   /* numpy.ndarray, cv2.Mat */
extern const ext_adapter ext_pil_adapter;     /* PIL.Image.Image */
extern const ext_adapter ext_view_adapter;    /* viewcast.View */
extern const ext_adapter ext_generic_adapter; /* anything with a protocol */

/* The adapter of an object, by its type. Never NULL: the generic adapter is
 * tried for types that no other knows. */
const ext_adapter *ext_adapter_of(PyObject *image);

#endif
