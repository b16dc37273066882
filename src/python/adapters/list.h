/* SPDX-License-Identifier: Apache-2.0 */
/* The list of adapters. A new library is one file that defines ext_NAME_adapter, and one line
 * here (or the build option `adapters`, which adds lines from outside of the tree). */
#ifndef VIEWCAST_PYTHON_ADAPTERS_LIST_H
#define VIEWCAST_PYTHON_ADAPTERS_LIST_H

#include "adapters/adapter.h"
#include "more_adapters.h" /* EXT_MORE_ADAPTERS, of the build option `adapters` */

/* Libraries whose arrays can be made: X(adapter, NAME). The module has a function as_NAME and a
 * function to_NAME for each; their docstrings stand in viewcast/__init__.pyi. */
#define EXT_ARRAY_ADAPTERS(X) X(torch, tensor) X(cupy, cupy) X(numpy, numpy) EXT_MORE_ADAPTERS(X)

/* Libraries whose images are always interleaved, likewise. The functions take from_layout= in
 * place of layout= and keepdim=. */
#define EXT_IMAGE_ADAPTERS(X) X(opencv, gpumat)

/* Further adapters whose objects can be images: X(adapter, class). The last one takes whatever no
 * other does. */
#define EXT_OTHER_ADAPTERS(X) \
  X(view, "viewcast.View")    \
  X(pil, "PIL.Image.Image") X(yuv, "viewcast.YUV") X(generic, "any producer")

#define EXT_DECLARE_ADAPTER(adapter, ...) extern const ext_adapter ext_##adapter##_adapter;
EXT_ARRAY_ADAPTERS(EXT_DECLARE_ADAPTER)
EXT_IMAGE_ADAPTERS(EXT_DECLARE_ADAPTER)
EXT_OTHER_ADAPTERS(EXT_DECLARE_ADAPTER)

#endif
