/* SPDX-License-Identifier: Apache-2.0 */
#include "advice.h"

#include "internal.h"

/* x itself would be read otherwise without the from_layout= that was given. */
#define ONE_COPY "copy=None, or vc.to_gpumat() with the same arguments, makes one fused copy"

static const char *const texts[VC_ADVICE_COUNT] = {
    [VC_ADVICE_PACK] = ONE_COPY,
    [VC_ADVICE_INTERLEAVE] = ONE_COPY,
    [VC_ADVICE_ADD_AXES] =
        "reshape it to (1, W) or (H, W) first; the bytes of an image file are "
        "decoded by cv2.imdecode()",
    [VC_ADVICE_MAKE_WRITABLE] = "allow a copy with copy=None, or copy it first (NumPy: .copy())",
    [VC_ADVICE_TO_GPU] =
        "move it first (torch: .cuda(), CuPy: cupy.asarray(), OpenCV: "
        "GpuMat().upload())",
    [VC_ADVICE_TO_HOST] = "device=\"cpu\"",
    [VC_ADVICE_TO_DEVICE] = "device=",
    [VC_ADVICE_OTHER_MEMORY] = "write into other memory (no out=)",
    [VC_ADVICE_STREAM] = "stream=",
    [VC_ADVICE_BOTH_STREAMS] = "stream=, producer_stream=",
    [VC_ADVICE_NEW_VERSION] = "ask the producer for it (__dlpack__(max_version=(1, 0)))",
    [VC_ADVICE_VERSIONED] =
        "ask for a versioned tensor (__dlpack__(max_version=(1, 0))) or make "
        "a copy first",
    [VC_ADVICE_PACK_ELEMENTS] =
        "make a packed copy first (torch: .contiguous(), CuPy: "
        "cupy.ascontiguousarray(), NumPy: numpy.ascontiguousarray())",
    [VC_ADVICE_FROM_OTHER_DEVICE] = "copy it to the CPU first (torch: .cpu())",
    [VC_ADVICE_HAS_NO_MEMORY] =
        "fake, meta and wrapper tensors have no memory of their own; pass "
        "the tensor that holds it",
    [VC_ADVICE_AS_REAL] =
        "see it as pairs of real numbers first (torch: torch.view_as_real(), "
        "NumPy and CuPy: .view() with the float type of half the size)",
    [VC_ADVICE_AS_BYTES] =
        "see its bytes as uint8 first (torch: .view(torch.uint8), NumPy and "
        "CuPy: .view('uint8'))",
    [VC_ADVICE_AS_DTYPE] = " (.view(dtype))",
    [VC_ADVICE_AS_INT16] = "see it as int16 first (torch: .view(torch.int16))",
    [VC_ADVICE_AS_INT64] = "see dates and times as int64 first (NumPy and CuPy: .view('int64'))",
    [VC_ADVICE_SWAP_BYTES] = "swap the bytes first (NumPy and CuPy: .astype() with that typestr)",
    [VC_ADVICE_FREE_CACHES] =
        "release images, or what other libraries keep "
        "(torch.cuda.empty_cache(), CuPy's free_all_blocks())",
    [VC_ADVICE_SPAWN] = " (multiprocessing: the \"spawn\" or \"forkserver\" method)",
};

void ext_advice_init(void) { vc_advice_use(texts); }
