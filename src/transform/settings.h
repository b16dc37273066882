/* SPDX-License-Identifier: Apache-2.0 */
/* What the environment and the program ask of transforms on the CPU. */
#ifndef VIEWCAST_TRANSFORM_SETTINGS_H
#define VIEWCAST_TRANSFORM_SETTINGS_H

#include <stdint.h>

/* Threads to use at most for a transform with params.threads `asked`. */
int32_t vc_settings_threads(int32_t asked);

#ifdef VC_TEST_INTERNALS
struct vc_loops;
/* Other loops from now on; NULL: the best. */
void vc_settings_use_loops(const struct vc_loops *loops);
#endif

#endif
