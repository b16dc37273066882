/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of unchanged pixels from one device to another, before or after a transform. */
#ifndef VIEWCAST_PYTHON_COPY_H
#define VIEWCAST_PYTHON_COPY_H

#include "images.h"

/* Allocates a block for the pixels of all views and changes the views to packed ones over it. Each
 * keeps the order of its axes in memory, so that it can be copied in one piece. A view of rank 0
 * is left out. */
int ext_copy_reserve(vc_view *views, size_t count, vc_device device, vc_stream stream,
                     ext_source *block);

/* Copies the pixels of all images to one block on a GPU, and changes their views to views of that.
 * Their owners stay as they are. */
int ext_copy_up(ext_images *images, vc_device device, vc_stream stream, ext_source *block);

/* True if views of one shape can be copied in one piece. */
bool ext_copy_fits(const vc_view *to, const vc_view *from);

/* Copies views of one shape that fit; waits if they go from a GPU to the host. */
int ext_copy_fitting(const vc_view *to, const vc_view *from, vc_stream stream);

/* Copies a packed view on a GPU to any view in host memory, and waits. */
int ext_copy_down(const vc_view *to, const vc_view *from, vc_stream stream);

#endif
