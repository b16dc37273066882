/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every view that the library accepted. A breach aborts, which
 * is how a fuzzer learns of it. */
#ifndef VIEWCAST_FUZZ_INVARIANTS_H
#define VIEWCAST_FUZZ_INVARIANTS_H

#include <stdbool.h>

#include "internal.h"

void must_be(bool right, const char *text, const char *file, int line);
#define MUST(condition) must_be((condition), #condition, __FILE__, __LINE__)

/* A refusal says why. */
void must_explain(vc_status status, const vc_error *error);

/* The view is sound by an own count in 128 bits, and so is all that the library
 * makes of it: images, GpuMat headers, DLPack tensors, CUDA arrays. */
void must_be_sound(const vc_view *view);

/* Both describe the same elements; strides count where an axis is walked. */
void must_be_alike(const vc_view *one, const vc_view *other);

/* OpenCV 4 and 5, by how each counts. */
enum { FUZZ_ABIS = 6 };
const vc_gpumat_abi *fuzz_abi(unsigned index);

#endif
