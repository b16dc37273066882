/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the library that the Python extension calls and that viewcast.h does not
 * promise: the words of messages, element types, releases, streams, the layout of OpenCV's
 * objects, and checks of several transforms at once. The shared library does not export them: a
 * caller links the static one. They change with any version. Conventions are those of
 * viewcast.h. */
#ifndef VIEWCAST_INTERNAL_H
#define VIEWCAST_INTERNAL_H

#include <viewcast/viewcast.h>

#include "core/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- messages */

/* The advice that messages give, each with its text for callers in C. A message contains
 * the text as it stands here: texts that begin with a blank follow a word. */
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

/* Makes messages contain `given` from now on, in the words of another language. The array
 * must stay where it is. A NULL among them, or in place of the array, means C's text. */
void vc_advice_use(const char *const given[VC_ADVICE_COUNT]);

/* The text that messages contain now. */
const char *vc_advice_text(vc_advice which);

/* For a call whose failure the caller need not notice. */
static inline void vc_ignore(vc_status status) { (void)status; }

/* "host" or "pinned host", for messages about memory that a producer calls VC_CPU (torch
 * and NumPy do not tell pinned memory apart). `address` may be NULL. Static text. */
const char *vc_cuda_host_kind(const void *address, vc_device device);

/* ------------------------------------------------------------------- views */

/* True for a view of rank 3, or a batch of rank 4, the first of whose three image axes is 1,
 * 3 or 4 long and the last more than 4: most likely planar (CHW). Strides don't matter: crops
 * and channels-last memory have the shape of a planar image too. */
bool vc_view_looks_planar(const vc_view *view);

/* The kinds of memory that two views can share. */
typedef enum vc_overlap_kind {
  VC_OVERLAPS_NOTHING = 0,
  VC_OVERLAPS_ITSELF = 1,      /* two elements of destination `to` */
  VC_OVERLAPS_DESTINATION = 2, /* destinations `to` and `other` */
  VC_OVERLAPS_SOURCE = 3       /* destination `to` and source `other` */
} vc_overlap_kind;

typedef struct vc_overlap {
  vc_overlap_kind kind;
  size_t to;    /* index of a destination */
  size_t other; /* index of the other destination, or of the source */
} vc_overlap;

/* Looks for a byte of a destination that belongs to another of its elements, to
 * another destination or to a source, and fills *out with the first that it finds.
 * Sources may share memory with each other. Elements count, not the bytes between
 * them: tiles of a canvas, single channels, alternate rows and columns share nothing.
 * The time for each image does not grow with the length of the list. Exact, except
 * that views further apart than 2^60 bytes, and those whose strides differ so much
 * that too many places would have to be tried, count as shared. Views are checked as
 * by vc_view_check. `to` and `from` may be NULL where their count is 0.
 * VC_ERROR_MEMORY. */
VC_MUST_CHECK vc_status vc_views_find_overlap(const vc_view *to, size_t to_count,
                                              const vc_view *from, size_t from_count,
                                              vc_overlap *out, vc_error *error);

/* ---------------------------------------------------------------- releases */

/* Splits *owner (taken) into `parts` equal ones: *out is to be copied that often, and each
 * copy released once, on any thread. The last release releases *owner, as the end of a lend
 * does. `parts` is at least 1. */
VC_MUST_CHECK vc_status vc_owner_split(vc_owner *owner, size_t parts, vc_owner *out,
                                       vc_error *error);

/* True if a release is pending on the list of vc_collect. Costs one load. */
bool vc_collect_pending(void);

/* The counters of vc_statistics. */
/* clang-format off */
#define VC_STATISTICS(X)                                                                 \
  X(lends) X(lends_released) X(shares) X(shares_released) X(exports) X(exports_released) \
  X(pending) X(pool_blocks) X(pool_bytes) X(pool_hits) X(pool_misses) X(pool_live)
/* clang-format on */

/* Optional hook that tries to release an owner immediately even though `any_thread` is
 * false. It must not block or run other code. Returns true if it released the owner. Called
 * from any thread and without any lock, before the owner is put on the list. May be NULL:
 * none. */
void vc_collect_here(bool (*function)(const vc_owner *owner));

/* ----------------------------------------------------------------- streams */

/* True if both name the same stream, or one of them is VC_STREAM_NONE: then there is nothing to
 * order. */
bool vc_stream_same(vc_stream a, vc_stream b);

/* Makes the legacy default stream of a device wait for what was enqueued on that of the context in
 * which the memory was allocated, where that is not the device's primary context: each context has
 * a legacy default stream of its own. */
VC_MUST_CHECK vc_status vc_stream_join_context(int32_t device, const void *address,
                                               vc_error *error);

/* ------------------------------------------------- reading OpenCV's objects */

/* cv::cuda::GpuMat::flags: bits 0 to 11 are the type (depth and channels). */
#define VC_GPUMAT_MAGIC 0x42FF0000
#define VC_GPUMAT_MAGIC_MASK ((int32_t)0xFFFF0000)
#define VC_GPUMAT_CONTINUOUS (1 << 14)
#define VC_GPUMAT_SUBMATRIX (1 << 15)
#define VC_GPUMAT_TYPE_MASK 0xFFF

/* Copies `size` bytes of this process from `address` (may be NULL), VC_ERROR_ABI
 * instead of a fault where they cannot be read (process_vm_readv). */
VC_MUST_CHECK vc_status vc_memory_read(const void *address, void *out, size_t size,
                                       vc_error *error);

/* A counter and an allocator that record what OpenCV does with them. Set up by
 * vc_gpumat_probe_begin; must outlive every header that it is attached to. */
typedef struct vc_gpumat_probe {
  const void *table; /* address point of a virtual table of recorders */
  int32_t count;     /* what refcount points at */
  int32_t slot;      /* last slot that was called; -1 for none */
  int32_t calls;
  const void *header;   /* second argument of that call */
  const void *attached; /* the header of vc_gpumat_probe_begin */
} vc_gpumat_probe;

/* Attaches the probe to a GpuMat that owns nothing: refcount to probe->count (set to
 * `count`), allocator to the probe. A recorded allocation of up to 64 bytes for that
 * header succeeds, in static memory. */
void vc_gpumat_probe_begin(vc_gpumat_probe *probe, int32_t count, vc_gpumat *mat);

/* Takes the probe off a GpuMat again: refcount and data NULL, allocator as given (may be
 * NULL). */
void vc_gpumat_probe_end(vc_gpumat *mat, void *allocator);

/* ------------------------------------------------- making OpenCV's objects */

/* The control block of a std::shared_ptr (which cv::Ptr is) in libstdc++. */
typedef struct vc_gpumat_control {
  const void *table; /* address point of a virtual table */
  int32_t uses;
  int32_t weak_uses; /* and one for all the uses together */
} vc_gpumat_control;

/* Makes an empty GpuMat in memory of its own, to be put into the two words of a new
 * cv::Ptr<cv::cuda::GpuMat>: the address *out, then *control. That pointer and its copies
 * then own it. Much cheaper than OpenCV's own. Only after the control block was verified
 * (vc_gpumat_control_probe), and not under VC_REFCOUNT_UP_ONLY, where OpenCV's destructor
 * does nothing: VC_ERROR_ABI. */
VC_MUST_CHECK vc_status vc_gpumat_new(const vc_gpumat_abi *abi, vc_gpumat **out,
                                      vc_gpumat_control **control, vc_error *error);

/* Frees a GpuMat of vc_gpumat_new that no pointer was made of. */
void vc_gpumat_drop(vc_gpumat_control *control);

/* A control block that records the end of a shared_ptr: put probe->control behind one, as
 * in vc_gpumat_new. Must outlive it. */
typedef struct vc_gpumat_control_probe {
  vc_gpumat_control control;
  int32_t calls[5]; /* of the table's slots */
  int32_t last;
} vc_gpumat_control_probe;

void vc_gpumat_control_probe_begin(vc_gpumat_control_probe *probe);

/* True if the last owner has ended the object (slot 2) and then the control block
 * (slot 3), once each, and called nothing else. */
bool vc_gpumat_control_probe_ended(const vc_gpumat_control_probe *probe);

/* -------------------------------------------------------------- transforms */

/* Threads that a transform of host memory uses at most where its parameters name no number:
 * what vc_transform_set_threads set, else one for each core. */
int32_t vc_transform_threads(void);

/* The planes of a vc_yuv_format: 2 or 3 of them, the bits of a sample, and how many columns and
 * rows (1 or 2) a sample of chroma is for. */
typedef struct vc_yuv_shape {
  int32_t planes, bits, cols, rows;
} vc_yuv_shape;

/* Fills *out and returns true for a format that exists. */
bool vc_yuv_shape_of(int32_t format, vc_yuv_shape *out);

/* The version of the NVRTC that compiled the GPU kernels, "12.9.86"; "" where the library was
 * built without. Static text. */
const char *vc_transform_compiler(void);

/* The image of the kernels that a CUDA device runs: "sm_90" for machine code, "compute_90" for
 * PTX, which the driver compiles. "" where it runs none, and in host mode. Static text. */
const char *vc_transform_image(int32_t device);

/* True where a transform of `from` channels to `to` adds an alpha channel, which `fill`
 * is for: the last of 2 or 4, of a source that has none. */
bool vc_transform_adds_alpha(int64_t from, int64_t to);

/* Returns what vc_transform would, VC_OK or an error, without writing anything. For several
 * transforms of which all or none are to be done. Failures that only the driver can report,
 * such as too little memory for a long list, are not found. */
VC_MUST_CHECK vc_status vc_transform_check(const vc_view *to, const vc_view *from, size_t count,
                                           const vc_transform_params *params, vc_stream stream,
                                           vc_error *error);

/* Checks the images of params->resize, or its boxes in host memory, all together. For transforms
 * that are done one by one, whose own checks would name the only image or box of each. The sources
 * may differ in dtype and channels. */
VC_MUST_CHECK vc_status vc_resize_check(const vc_view *from, size_t count,
                                        const vc_transform_params *params, vc_error *error);

/* Returns the index of the image that a box in host memory names, 0 for boxes of four values. For
 * boxes that vc_resize_check has accepted. */
int64_t vc_box_image(const vc_view *boxes, int64_t index);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif
