/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the place of the embedded kernels in a library that was built without them. This is a
 * file of its own so that its object can be replaced: by the kernels.c that
 * tools/embed_kernels.py generates, and by the kernels of tests that run them on the host. */
#include "transform/embedded_kernels.h"

const vc_kernel_image vc_kernel_images[1] = {{0}};
const int32_t vc_kernel_image_count = 0;
const char vc_kernels_names[] = "";
const char vc_kernels_compiler[] = "";
