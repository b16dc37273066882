/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled kernels, which the build puts into the library (meson.build,
 * tools/embed_kernels.py), or the lack of them (no_kernels.c). */
#ifndef VIEWCAST_TRANSFORM_EMBEDDED_KERNELS_H
#define VIEWCAST_TRANSFORM_EMBEDDED_KERNELS_H

/* For cuLibraryLoadData; NULL if there are none. */
extern const void *const vc_kernels_binary;
/* "sm_75 sm_80 ... compute_90", or "". */
extern const char vc_kernels_names[];

#endif
