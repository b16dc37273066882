/* SPDX-License-Identifier: Apache-2.0 */
/* What a language binding that is linked statically needs of the library beyond the
 * promised interface. It changes with any version. */
#ifndef VIEWCAST_INTERNAL_H
#define VIEWCAST_INTERNAL_H

#include <viewcast/viewcast.h>

/* What messages advise in the words of the caller's language, and C's words for it. A
 * message contains the text as it stands here: texts that begin with a blank follow a word. */
#define VC_ADVICE_LIST(X)                                                        \
  /* an image that no GpuMat can view; the second: whose channels are apart */   \
  X(PACK, "copy it into an interleaved image first (vc_transform)")              \
  X(INTERLEAVE,                                                                  \
    "copy it into an interleaved image first (vc_transform, with params->from "  \
    "VC_PLANAR for planar memory)")                                              \
  X(ADD_AXES, "reshape it to (1, W) or (H, W) first")                            \
  X(MAKE_WRITABLE, "copy it into writable memory first (vc_copy)")               \
  X(TO_GPU, "copy it to the GPU first (vc_copy, or GpuMat::upload)")             \
  X(TO_HOST, "vc_copy")                                                          \
  X(TO_DEVICE, "vc_copy")                                                        \
  X(OTHER_MEMORY, "write into other memory")                                     \
  X(RESIZE, "params->resize")                                                    \
  /* names of arguments */                                                       \
  X(STREAM, "stream")                                                            \
  X(BOTH_STREAMS, "producer and consumer")                                       \
  /* what the producer of an array can do */                                     \
  X(NEW_VERSION, "ask the producer for it")                                      \
  X(VERSIONED, "make a versioned tensor (vc_dlpack_versioned_from_view)")        \
  X(PACK_ELEMENTS, "copy it into packed memory first (vc_copy)")                 \
  X(FROM_OTHER_DEVICE, "copy it to host memory first")                           \
  X(HAS_NO_MEMORY, "pass the address of its first element")                      \
  X(AS_REAL, "see it as pairs of real numbers first")                            \
  X(AS_BYTES, "see its bytes as uint8 first")                                    \
  X(AS_DTYPE, "")                                                                \
  X(AS_INT16, "see it as int16 first")                                           \
  X(AS_INT64, "see dates and times as int64 first")                              \
  X(SWAP_BYTES, "swap the bytes first")                                          \
  /* the process */                                                              \
  X(FREE_CACHES, "release images, or what other libraries keep in their caches") \
  X(SPAWN, "")

#define VC_ADVICE_NAME(name, text) VC_ADVICE_##name,
typedef enum vc_advice { VC_ADVICE_LIST(VC_ADVICE_NAME) VC_ADVICE_COUNT } vc_advice;

/* Messages say `texts` from now on, which must stay where they are; a NULL among them, or
 * for all of them, is what C says. */
void vc_advice_use(const char *const texts[VC_ADVICE_COUNT]);

/* The text of now. */
const char *vc_advice_text(vc_advice which);

/* Threads that a transform of host memory uses at most where its parameters name no number:
 * what vc_transform_set_threads set, else one for each core. */
int32_t vc_transform_threads(void);

/* The version of the NVRTC that compiled the GPU kernels, "12.9.86"; "" where the library was
 * built without. Static text. */
const char *vc_transform_compiler(void);

/* The image of the kernels that a CUDA device runs: "sm_90" for machine code, "compute_90" for
 * PTX, which the driver compiles. "" where it runs none, and in host mode. Static text. */
const char *vc_transform_image(int32_t device);

#endif
