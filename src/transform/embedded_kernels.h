/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled kernels, which the build embeds in the library (kernels/meson.build,
 * tools/embed_kernels.py); no_kernels.c takes their place in builds without them. */
#ifndef VIEWCAST_TRANSFORM_EMBEDDED_KERNELS_H
#define VIEWCAST_TRANSFORM_EMBEDDED_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An image holds all kernels, compiled for one architecture. */
typedef struct vc_kernel_image {
  const char *name;   /* "sm_90" for machine code, "compute_90" for PTX */
  int32_t capability; /* the compute capability that it is for, as 10 * major + minor */
  bool is_ptx;
  const void *bytes; /* the argument of cuLibraryLoadData */
  size_t size;
} vc_kernel_image;

#define VC_MOST_KERNEL_IMAGES 16

/* The images, machine code first and by ascending capability, then PTX. The count is 0 if the
 * library has no kernels. */
extern const vc_kernel_image vc_kernel_images[];
extern const int32_t vc_kernel_image_count;
/* Names of the images, as "sm_75 sm_80 ... compute_90", or "". */
extern const char vc_kernels_names[];
/* The version of the compiler, as "12.9.86", or "". */
extern const char vc_kernels_compiler[];

#endif
