/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "transform/embedded_kernels.h"

const void *const vc_kernels_binary = NULL;
const char vc_kernels_names[] = "";
