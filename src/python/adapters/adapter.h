/* SPDX-License-Identifier: Apache-2.0 */
/* An adapter: what viewcast knows of one library. It imports (object to view and owner) and
 * exports (view and owner to object), and carries the facts by which the rest of the extension
 * decides: no code outside of this folder asks which library it has before it. adapters/list.h
 * lists the adapters. */
#ifndef VIEWCAST_PYTHON_ADAPTERS_ADAPTER_H
#define VIEWCAST_PYTHON_ADAPTERS_ADAPTER_H

#include "owner.h"

struct ext_image;

typedef struct ext_adapter {
  const char *name; /* of its class, in messages: "torch.Tensor" */

  /* Which objects it takes: those of a class and its subclasses, once the module is imported
   * (module, class_name), or of certain types (is_type). */
  const char *module, *class_name;
  bool (*is_type)(PyTypeObject *type);

  /* Facts about each of its objects. */
  bool interleaved; /* one image (H, W) or (H, W, C) whose channels are adjacent: as a source
                     * never planar, and what it is made of must not look planar */
  bool writable;    /* can always be written, so it is never made of read-only memory */
  bool on_host;     /* lies in host memory */
  bool on_gpu;      /* lies in the memory of a GPU (in host mode: of the host) */

  /* Reads an object. Fills *out, whose owner the caller releases. -1 with an exception. */
  int (*import)(PyObject *image, const ext_options *options, ext_source *out);
  /* Reads a YUV image, which `import` refuses: the objects that hold its samples, of which there
   * are up to EXT_YUV_PLANES, zeroed before; and what the library needs of it. The caller releases
   * the owners, after a failure too. NULL: its objects are none. */
  int (*import_yuv)(PyObject *image, const ext_options *options, struct ext_image *planes,
                    vc_yuv *yuv);
  /* The images of an object that is a batch, as a list; of any other object itself. New reference,
   * or NULL with an exception. NULL: its objects are no batches. */
  PyObject *(*images)(PyObject *image);
  /* Whether an object of its type is an image. NULL: each is. May set an exception. */
  bool (*is_image)(PyObject *image);
  /* Whether an object does not own its memory, so that owner= may name the owner. NULL: each
   * object owns it. Leaves no exception. */
  bool (*is_unowned)(PyObject *image);
  /* The library's current stream on a device. NULL: it has none. */
  vc_stream (*current_stream)(int32_t device);
  /* The object of the current stream, whose handle is `stream`, if it must be kept alive (new
   * reference); else NULL without an exception. Without this function streams are never freed. */
  PyObject *(*stream_object)(int32_t device, vc_stream stream);

  /* Makes an object over the memory of the source, and takes source->owner if it needs it. New
   * reference; NULL with an exception. Without this function the adapter only imports. */
  PyObject *(*export)(ext_source *source, const ext_options *options);
  /* False for a view that its objects can't be over, although a packed copy would do. NULL: any
   * strides will do. Leaves no exception. */
  bool (*fits)(const vc_view *view);
  /* Makes an object with uninitialised memory of its own, of this shape and dtype, on
   * wanted->device, for work on `stream`; with packed rows where wanted->strides say so. *out
   * describes the memory and owns it. New reference: a list where `wanted` is a batch and an object
   * is one image. Without this function all objects are views. */
  PyObject *(*empty)(const vc_view *wanted, vc_stream stream, ext_source *out);

  /* For an object of out=. All may be NULL. */
  /* Whether the library lets it be written, beyond what its description says. Comes before
   * the import. -1 with an exception. */
  int (*check_out)(PyObject *image);
  /* Whether the object has no memory yet, and is to be created by `fill`. */
  bool (*is_unfilled)(PyObject *image);
  /* Whether such an object can be over this memory. -1 with an exception. */
  int (*check_fill)(const vc_view *view);
  /* Gives it memory; takes source->owner. -1 with an exception. */
  int (*fill)(PyObject *image, ext_source *source);
  /* Tells the library that its memory was written. -1 with an exception. */
  int (*wrote)(PyObject *image);

  /* Adds how the library is read and made, fast or by its public functions, to a dict for people
   * and tests. NULL where there is one way. -1 with an exception. */
  int (*add_paths)(PyObject *paths);
} ext_adapter;

#define EXT_YUV_PLANES 3

/* An imported image. */
typedef struct ext_image {
  const ext_adapter *from; /* NULL: a plane that its YUV image has no object for */
  ext_source source;
  bool is_unfilled; /* of out=: an object without memory, which the call creates */
} ext_image;

/* The adapter of an object, by its type. Never NULL: the generic adapter takes the types that no
 * other adapter takes. */
const ext_adapter *ext_adapter_of(PyObject *image);

/* The adapter of new arrays in host memory, where the image's own library makes none. */
const ext_adapter *ext_adapter_of_host(void);

/* Calls add_paths of each adapter. -1 with an exception. */
int ext_adapters_add_paths(PyObject *paths);

/* Sets paths[name] to a word, or to None for NULL. -1 with an exception. */
int ext_path_add(PyObject *paths, const char *name, const char *word);

#endif
