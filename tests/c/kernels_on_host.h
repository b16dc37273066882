/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIEWCAST_TESTS_KERNELS_ON_HOST_H
#define VIEWCAST_TESTS_KERNELS_ON_HOST_H

#ifdef __cplusplus
extern "C" {
#endif

/* A sim_runner that runs the kernels. */
int run_kernel(const char *name, const unsigned sizes[6], void **parameters);

#ifdef __cplusplus
}
#endif

#endif
