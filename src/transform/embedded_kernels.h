/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled kernels, which the build embeds in the library (meson.build,
 * tools/embed_kernels.py); no_kernels.c takes their place in builds without them. */
#ifndef VIEWCAST_TRANSFORM_EMBEDDED_KERNELS_H
#define VIEWCAST_TRANSFORM_EMBEDDED_KERNELS_H

/* The image for cuLibraryLoadData; NULL if the library has no kernels. */
extern const void *const vc_kernels_binary;
/* Names of the architectures, as "sm_75 sm_80 ... compute_90", or "". */
extern const char vc_kernels_names[];

#endif
