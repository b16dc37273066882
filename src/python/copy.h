/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels as they are, from one device to another: before a transform or after. */
#ifndef VIEWCAST_PYTHON_COPY_H
#define VIEWCAST_PYTHON_COPY_H

#include "images.h"

/* A block with space for the pixels of all views, which are there afterwards, in the order
 * that they have in their memory, without gaps: what can be copied in one piece. A view of
 * rank 0 is left out. */
int ext_copy_reserve(vc_view *views, size_t count, vc_device device, vc_stream stream,
                     ext_source *block);

/* Moves the pixels of all images to one block on a GPU: their views are there
 * afterwards, their owners stay as they are. */
int ext_copy_up(ext_images *images, vc_device device, vc_stream stream, ext_source *block);

/* True if views of one shape can be copied in one piece. */
bool ext_copy_fits(const vc_view *to, const vc_view *from);

/* Copies views of one shape that fit; waits if they go from a GPU to the host. */
int ext_copy_fitting(const vc_view *to, const vc_view *from, vc_stream stream);

/* From a GPU to the host, without gaps there, to wherever here, and waits. */
int ext_copy_down(const vc_view *to, const vc_view *from, vc_stream stream);

#endif
