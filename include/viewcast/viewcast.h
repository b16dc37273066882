/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viewcast: one image in memory, seen as an OpenCV GpuMat, a DLPack tensor or
 * a CUDA Array Interface array, without moving a pixel.
 *
 * Conventions of the whole API
 *   - A function that can fail returns vc_status and, where it is not VC_OK,
 *     fills the vc_error that it was given (which may be NULL).
 *   - NULL: a pointer argument must be valid unless its comment says that it may
 *     be NULL; `error` may be everywhere. A NULL that is not allowed gives
 *     VC_ERROR_ARGUMENT, whose message names the argument, in functions that return
 *     vc_status. Other functions do nothing then, and return false, 0 or NULL.
 *   - Arguments are checked before anything is done, in the order in which they
 *     are used. Enumerators, counts and sizes out of range are VC_ERROR_ARGUMENT.
 *   - Outputs are written only on success, unless said otherwise.
 *   - An owner that is passed to a function by pointer is taken (and zeroed)
 *     on success; on failure it stays with the caller.
 *   - A struct of parameters begins with `size`, its size in bytes, by which the
 *     library knows which fields the caller's header has: those that it lacks
 *     count as 0. A size that was not set is VC_ERROR_ARGUMENT.
 *   - Strides, steps and offsets are in bytes; shapes are in elements.
 *   - No function waits for a GPU, but vc_stream_synchronize. No function needs
 *     CUDA to be installed.
 *   - Functions are safe to call from several threads, unless said otherwise.
 */
#ifndef VIEWCAST_VIEWCAST_H
#define VIEWCAST_VIEWCAST_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VC_VERSION_MAJOR 0
#define VC_VERSION_MINOR 1
#define VC_VERSION_PATCH 0

/* VC_STATIC: for programs that link libviewcast.a, which exports nothing. A plugin that
 * contains it may be unloaded (dlclose) as long as nothing refers to its code: no lend,
 * export or share is alive, nor a GpuMat or default allocator of a pool, and no call is in
 * progress. Its threads end then. libviewcast.so stays loaded until the process ends. */
#if defined(VC_STATIC)
#  define VC_API
#elif defined(__GNUC__)
#  define VC_API __attribute__((visibility("default")))
#else
#  define VC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ errors */

typedef enum vc_status {
  VC_OK = 0,
  VC_ERROR_VALUE,   /* an image or its producer makes no sense, or can't be written to */
  VC_ERROR_LAYOUT,  /* shape, strides or alignment do not fit */
  VC_ERROR_DTYPE,   /* the element type has no counterpart */
  VC_ERROR_DEVICE,  /* the memory is on another kind of device than needed */
  VC_ERROR_ABI,     /* the loaded OpenCV is not laid out as we know it */
  VC_ERROR_CUDA,    /* the CUDA driver reported an error */
  VC_ERROR_MEMORY,  /* an allocation failed */
  VC_ERROR_ARGUMENT /* an argument is wrong in itself: NULL, out of range, without a meaning */
} vc_status;

#define VC_MESSAGE_SIZE 768

/* What went wrong: what was found, what was needed, what to do instead.
 * `message` is UTF-8, terminated, truncated where it would not fit. Only
 * meaningful after a call that did not return VC_OK. */
typedef struct vc_error {
  vc_status status;
  char message[VC_MESSAGE_SIZE];
} vc_error;

/* "MAJOR.MINOR.PATCH" of the library that is running. Never NULL. */
VC_API const char *vc_version(void);

/* ------------------------------------------------------------------ dtypes */

/* Type codes and bit widths are DLPack's (DLDataTypeCode). */
enum { VC_INT = 0, VC_UINT = 1, VC_FLOAT = 2, VC_BFLOAT = 4, VC_COMPLEX = 5, VC_BOOL = 6 };

/* Element type: bool, i8 to i64, u8 to u64, f16, bf16, f32, f64. */
typedef struct vc_dtype {
  uint8_t code; /* VC_INT … VC_BOOL */
  uint8_t bits; /* 8, 16, 32 or 64 */
} vc_dtype;

/* Bytes of one element; 0 for a type that viewcast does not convert. */
VC_API size_t vc_dtype_size(vc_dtype dtype);

/* "uint8", "bfloat16", …; "unknown" for a type that viewcast does not convert. */
VC_API const char *vc_dtype_name(vc_dtype dtype);

/* ----------------------------------------------------------------- devices */

/* Device types are DLPack's (DLDeviceType). */
enum {
  VC_CPU = 1,
  VC_CUDA = 2,
  VC_CUDA_HOST = 3,    /* pinned host memory */
  VC_CUDA_MANAGED = 13 /* cudaMallocManaged */
};

typedef struct vc_device {
  int32_t type; /* VC_CPU … VC_CUDA_MANAGED */
  int32_t id;   /* CUDA ordinal; 0 for host memory */
} vc_device;

/* Memory that a GPU's kernels may use: device or managed memory. */
static inline bool vc_device_is_gpu(vc_device device) {
  return device.type == VC_CUDA || device.type == VC_CUDA_MANAGED;
}

/* Whether a GpuMat of this process holds device memory or, for lack of a GPU,
 * host memory. */
typedef enum vc_mode { VC_MODE_CUDA = 1, VC_MODE_HOST = 2 } vc_mode;

/* Decides, once per process, between CUDA and host mode.
 *
 * Host mode: libcuda is absent, cuInit answers CUDA_ERROR_NO_DEVICE, or there
 * are 0 devices. Any other error of cuInit (a driver too old, a forked child)
 * is VC_ERROR_CUDA and is decided again at the next call. With the environment
 * variable VIEWCAST_HOST_MODE=0 host mode is refused with VC_ERROR_DEVICE. */
VC_API vc_status vc_cuda_mode(vc_mode *out, vc_error *error);

/* Number of CUDA devices; 0 in host mode or where the driver fails. */
VC_API int32_t vc_cuda_device_count(void);

/* One line about how the mode came to be, for people. Never NULL; static. */
VC_API const char *vc_cuda_reason(void);

/* Device of the memory behind an address (may be NULL), from the driver
 * (cuPointerGetAttributes). Memory that the driver does not know is VC_CPU;
 * so is everything in host mode. */
VC_API vc_status vc_cuda_pointer_device(const void *address, vc_device *out, vc_error *error);

/* "host" or "pinned host", for messages about memory that a producer calls
 * VC_CPU (torch and NumPy do not tell pinned memory apart). `address` may be
 * NULL. Static text. */
VC_API const char *vc_cuda_host_kind(const void *address, vc_device device);

/* ----------------------------------------------------------------- streams */

/* A CUDA stream: a handle of the driver, or one of the three below. 0 is read
 * as VC_STREAM_LEGACY; any other negative number is VC_ERROR_ARGUMENT. A device
 * that this machine does not have is VC_ERROR_DEVICE. In host mode there are no
 * streams, and the functions of this section do nothing. */
typedef intptr_t vc_stream;
#define VC_STREAM_LEGACY ((vc_stream)1)     /* the legacy default ("null") stream */
#define VC_STREAM_PER_THREAD ((vc_stream)2) /* the per-thread default stream */
#define VC_STREAM_NONE ((vc_stream) - 1)    /* no ordering wanted */

/* True if both name the same stream, or one of them is VC_STREAM_NONE: then
 * there is nothing to order. */
VC_API bool vc_stream_same(vc_stream a, vc_stream b);

/* Work enqueued on `consumer` from now on runs after what is on `producer`
 * now: an event is recorded on the one and waited for by the other. Nothing is
 * done if they are the same. The host never waits. `device` is that of the
 * memory; it says what the default streams mean.
 *
 * Graph capture: both streams in one capture are ordered in it. If exactly one
 * is capturing, or a default stream is involved while a blocking stream
 * captures, the answer is VC_ERROR_CUDA and nothing is enqueued. */
VC_API vc_status vc_stream_order(int32_t device, vc_stream producer, vc_stream consumer,
                                 vc_error *error);

/* Waits until what is on the stream now is done: for consumers on the host.
 * `device` may be -1 (pinned memory, which is no device's). The only function
 * here that waits for a GPU. */
VC_API vc_status vc_stream_synchronize(int32_t device, vc_stream stream, vc_error *error);

/* True if the stream is part of a graph capture, or a default stream while a
 * blocking stream captures; false where that can't be asked. */
VC_API bool vc_stream_is_capturing(int32_t device, vc_stream stream);

/* True if all that was enqueued on the stream is done (the legacy stream: and on all
 * blocking ones); false where it is not, where the stream is capturing, or where that
 * can't be asked. Never waits. */
VC_API bool vc_stream_is_idle(int32_t device, vc_stream stream);

/* A point on a stream: what was enqueued before it. */
typedef struct vc_event {
  void *event;
  int32_t device;
  bool pooled; /* the event goes back to the pool of vc_cuda_warmup */
} vc_event;

/* Marks what is on a stream now. A NULL event is a mark that is done. Not on a
 * stream that is capturing: VC_ERROR_CUDA. */
VC_API vc_status vc_event_record(int32_t device, vc_stream stream, vc_event *out, vc_error *error);

/* True once the work before the mark is done; the mark is then given back and
 * must not be used again. Never waits. An error of the driver counts as done:
 * the context is lost, and its memory with it. */
VC_API bool vc_event_done(vc_event *mark);

/* Gives a mark back without asking whether it is done: where the caller knows, as
 * from a later mark on the same stream that is, or wants to know no more. */
VC_API void vc_event_release(vc_event *mark);

struct vc_view;

/* Copies pixels as they are, on a stream of the destination's device (or of the
 * source's, where the destination is host memory), without waiting. Both views
 * are checked as by vc_view_check. Shapes and dtypes are the same
 * (VC_ERROR_LAYOUT); each side is an interleaved image or packed; `to` is
 * writable and shares no element with `from` (VC_ERROR_VALUE). Between two GPUs
 * the copy goes peer to peer where the machine can. Host memory that is not pinned
 * is staged by the driver. From host to host the copy is done when the call
 * returns. */
VC_API vc_status vc_copy(const struct vc_view *to, const struct vc_view *from, vc_stream stream,
                         vc_error *error);

/* Creates the context and the pooled events of a device ahead of time, so that
 * nothing is created inside a graph capture. */
VC_API vc_status vc_cuda_warmup(int32_t device, vc_error *error);

/* ------------------------------------------------------------------- views */

#define VC_MAX_NDIM 4

/* An array in memory: where it is and how it is laid out. A plain value: no
 * ownership, no allocation. Rank 2 is (H, W), rank 3 (H, W, C), rank 4 a batch.
 * `data` is the address of element (0, …, 0); NULL only where a shape is 0. */
typedef struct vc_view {
  void *data;
  vc_device device;
  vc_dtype dtype;
  uint8_t readonly;             /* 1: the producer forbids writing */
  int32_t ndim;                 /* 1 … VC_MAX_NDIM */
  int64_t shape[VC_MAX_NDIM];   /* elements, >= 0 */
  int64_t strides[VC_MAX_NDIM]; /* bytes, may be negative or 0 */
} vc_view;

/* Fills `out` with a packed (C-contiguous) view. Checked as by vc_view_check.
 * `data` may be NULL where a shape is 0. */
VC_API vc_status vc_view_packed(void *data, vc_device device, vc_dtype dtype, int32_t ndim,
                                const int64_t *shape, vc_view *out, vc_error *error);

/* Rank, shape, dtype, device, strides and address make sense: nothing negative
 * in the shape, no byte distance overflows, all of it lies in the address
 * space, data is not NULL unless the view is empty. */
VC_API vc_status vc_view_check(const vc_view *view, vc_error *error);

/* Any axis of length 0; false for a rank that no view has. */
VC_API bool vc_view_is_empty(const vc_view *view);

/* C-contiguous without gaps; axes of length 1 do not matter. */
VC_API bool vc_view_is_packed(const vc_view *view);

/* Bytes of all elements, gaps not counted; 0 for a view that vc_view_check refuses. */
VC_API size_t vc_view_nbytes(const vc_view *view);

/* Byte range that the elements touch, relative to `data`: [*low, *high).
 * Both 0 for an empty view and for one that vc_view_check refuses. */
VC_API void vc_view_span(const vc_view *view, int64_t *low, int64_t *high);

/* What vc_views_find_overlap found. */
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
 * A long list takes about as much time for each image as a short one. Exact, except
 * that views further apart than 2^60 bytes, and those with strides so unlike each
 * other that too many places would have to be tried, count as shared. Views are
 * checked as by vc_view_check. `to` and `from` may be NULL where their count is 0.
 * VC_ERROR_MEMORY. */
VC_API vc_status vc_views_find_overlap(const vc_view *to, size_t to_count, const vc_view *from,
                                       size_t from_count, vc_overlap *out, vc_error *error);

/* An interleaved image: what OpenCV calls rows, cols, channels and step. */
typedef struct vc_image {
  void *data;
  int64_t rows;
  int64_t cols;
  int64_t step; /* bytes from row to row; cols * channels * itemsize if rows <= 1 */
  int32_t channels;
  vc_dtype dtype;
} vc_image;

/* Reads a view of rank 2 (H, W) or 3 (H, W, C) as an interleaved image.
 *
 * Rules: channels adjacent (stride = itemsize, or C = 1), columns adjacent
 * (stride = C * itemsize, or W = 1), row stride at least W * C * itemsize and a
 * multiple of the itemsize (or H = 1). rows and cols at most INT_MAX, and at
 * least one channel. VC_ERROR_LAYOUT names the axis in the way. */
VC_API vc_status vc_image_from_view(const vc_view *view, vc_image *out, vc_error *error);

/* The view of an interleaved image: (H, W, C), or (H, W) where there is one
 * channel and `keepdim` is false. */
VC_API void vc_view_from_image(const vc_image *image, vc_device device, bool keepdim, vc_view *out);

/* True for a view of rank 3, or a batch of rank 4, the first of whose three image axes is 1,
 * 3 or 4 long and the last more than 4: most likely planar (CHW). Strides don't matter: crops
 * and channels-last memory have the shape of a planar image too. */
VC_API bool vc_view_looks_planar(const vc_view *view);

/* ------------------------------------------------------------------ owners */

/* One strong reference to whatever keeps memory alive. `release` is called
 * exactly once, with `context`. A NULL `release` owns nothing. */
typedef struct vc_owner {
  void *context;
  void (*release)(void *context);
  /* true: `release` may run on any thread at any time, and does not wait.
   * false: the library calls it inside vc_collect only (see there). */
  bool any_thread;
} vc_owner;

/* Releases now, on this thread, and zeroes *owner (may be NULL). */
VC_API void vc_owner_release(vc_owner *owner);

/* Splits *owner (taken) into `parts` equal ones: *out is to be copied that often, and
 * each copy released once, on any thread. The last release ends what was split, as the
 * end of a lend does. `parts` is at least 1. */
VC_API vc_status vc_owner_split(vc_owner *owner, size_t parts, vc_owner *out, vc_error *error);

/* Runs the pending releases, on this thread, and returns how many.
 *
 * OpenCV and DLPack consumers give memory back from any thread, in the middle
 * of their own work, and so does a lend that finds others ended (vc_refcounting).
 * An owner that is not `any_thread` is then put on a lock-free list, and its
 * release runs here. Also sweeps lends whose OpenCV
 * cannot report their end (see vc_refcounting). With `force`, lends that such an
 * OpenCV has copied and forgotten are released too: the caller then promises
 * that no GpuMat looks at them any more. */
VC_API size_t vc_collect(bool force);

/* True if vc_collect has something to do that is on the list. One load. */
VC_API bool vc_collect_pending(void);

/* A function to call, from any thread and without any lock, when the list of
 * pending releases stops being empty; it should arrange for vc_collect to be
 * called soon. May be NULL: none. */
VC_API void vc_collect_notify(void (*notify)(void));

/* Optional hook that tries to release an owner immediately even though `any_thread` is
 * false. It must not block or run other code. Returns true if it released the owner. Called
 * from any thread and without any lock, before the owner is put on the list. May be NULL:
 * none. */
VC_API void vc_collect_here(bool (*try_release)(const vc_owner *owner));

/* Counters since the library was loaded; each is exact when no call is in
 * progress. */
typedef struct vc_statistics {
  uint64_t lends;            /* headers lent to OpenCV */
  uint64_t lends_released;   /* of these, owners released */
  uint64_t shares;           /* references taken from GpuMats */
  uint64_t shares_released;  /* of these, given back */
  uint64_t exports;          /* managed tensors made for DLPack consumers */
  uint64_t exports_released; /* of these, deleted by their consumer */
  uint64_t pending;          /* releases on the list, waiting for vc_collect */
  uint64_t pool_blocks;      /* blocks that pools hold now, in use or not */
  uint64_t pool_bytes;       /* bytes of these blocks */
  uint64_t pool_hits;        /* blocks handed out from a pool's own list */
  uint64_t pool_misses;      /* blocks that a backend was asked for, and gave */
  uint64_t pool_live;        /* blocks that GpuMats or shares use now */
} vc_statistics;

VC_API void vc_statistics_read(vc_statistics *out);

/* ------------------------------------------------------------------ DLPack */

struct DLManagedTensor;
struct DLManagedTensorVersioned;

/* Flags of DLManagedTensorVersioned, as DLPack numbers them. */
#define VC_DLPACK_READ_ONLY UINT64_C(1)
#define VC_DLPACK_IS_COPIED UINT64_C(2)

/* Describes a `const DLTensor *` (borrowed: no ownership). Byte offset is
 * added to the address; absent strides mean packed; strides become bytes.
 * Refused: rank 0 or over VC_MAX_NDIM, lanes other than 1, dtypes and devices
 * that viewcast does not know, negative shapes, distances that overflow, NULL
 * data with a non-empty shape. */
VC_API vc_status vc_view_from_dltensor(const void *dltensor, vc_view *out, vc_error *error);

/* Takes a managed tensor over. On success its deleter is called once, when
 * *owner is released; on failure the tensor was not touched. The owner is not
 * any_thread: nobody knows what a deleter waits for. Set it where you do. */
VC_API vc_status vc_view_from_dlpack(struct DLManagedTensor *tensor, vc_view *out, vc_owner *owner,
                                     vc_error *error);

/* The same for a versioned one, whose major version must be 1. The read-only
 * flag sets out->readonly. *flags (may be NULL) receives all flags. */
VC_API vc_status vc_view_from_dlpack_versioned(struct DLManagedTensorVersioned *tensor,
                                               vc_view *out, vc_owner *owner, uint64_t *flags,
                                               vc_error *error);

/* Makes a managed tensor that holds *owner (taken; may be NULL) until its deleter
 * runs, on whatever thread. `flags`: of those above, else VC_ERROR_ARGUMENT.
 * Strides are always present. Strides that are no multiple of the itemsize are
 * VC_ERROR_LAYOUT. The unversioned kind has no read-only flag: a read-only view is
 * VC_ERROR_VALUE there. */
VC_API vc_status vc_dlpack_from_view(const vc_view *view, vc_owner *owner,
                                     struct DLManagedTensor **out, vc_error *error);
VC_API vc_status vc_dlpack_versioned_from_view(const vc_view *view, vc_owner *owner, uint64_t flags,
                                               struct DLManagedTensorVersioned **out,
                                               vc_error *error);

/* ---------------------------------------------------- CUDA Array Interface */

/* The fields of a __cuda_array_interface__ dictionary, versions 2 and 3
 * (https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html). */
typedef struct vc_cuda_array {
  int64_t version;
  uintptr_t data;   /* data[0] */
  bool readonly;    /* data[1] */
  bool has_mask;    /* mask is not None */
  bool has_strides; /* strides is not None */
  int32_t ndim;
  int64_t shape[VC_MAX_NDIM];
  int64_t strides[VC_MAX_NDIM]; /* bytes; only if has_strides */
  char typestr[8];              /* "<f4", "|u1", "u1", …, terminated */
} vc_cuda_array;

/* Describes such an array. The interface names no device: `device` is the
 * caller's (vc_cuda_pointer_device). Refused: versions other than 2 and 3,
 * masks, big-endian and structured types. */
VC_API vc_status vc_view_from_cuda_array(const vc_cuda_array *array, vc_device device, vc_view *out,
                                         vc_error *error);

/* Fills the fields for a view (version 3; strides left out where packed).
 * bfloat16 has no typestr: VC_ERROR_DTYPE. Host memory: VC_ERROR_DEVICE. */
VC_API vc_status vc_cuda_array_from_view(const vc_view *view, vc_cuda_array *out, vc_error *error);

/* NumPy's typestr of a dtype ("<f4"); NULL for bfloat16 and unknown types. */
VC_API const char *vc_dtype_typestr(vc_dtype dtype);

/* The dtype of a typestr, whose byte order may be left out ("u1"), as NumPy allows;
 * VC_ERROR_DTYPE for what viewcast does not convert, big-endian types included. */
VC_API vc_status vc_dtype_from_typestr(const char *typestr, vc_dtype *out, vc_error *error);

/* ------------------------------------------------------------------ GpuMat */

/* cv::cuda::GpuMat in memory, OpenCV 4.x and 5.x (Linux, 64 bit). From C++,
 * reinterpret_cast<vc_gpumat *>(&mat) after vc_gpumat_verify. */
typedef struct vc_gpumat {
  int32_t flags; /* magic | continuous | submatrix | type */
  int32_t rows;
  int32_t cols;
  size_t step; /* bytes */
  uint8_t *data;
  int32_t *refcount;
  uint8_t *datastart;
  const uint8_t *dataend;
  void *allocator; /* cv::cuda::GpuMat::Allocator * */
} vc_gpumat;

/* What a build of OpenCV does with the counter behind GpuMat::refcount. */
typedef enum vc_refcounting {
  /* Counts copies up and down and calls allocator->free at zero: OpenCV built
   * with CUDA. Lends end by themselves. */
  VC_REFCOUNT_FULL = 1,
  /* Counts both ways but has no allocator to call: stock 5.x. A lend holds one
   * count of its own and is swept by vc_collect when that is the last. */
  VC_REFCOUNT_NO_FREE = 2,
  /* Counts up, never down: stock 4.x. A lend holds the GpuMat object itself
   * (vc_holder) and is swept when nobody else does and nothing was copied. */
  VC_REFCOUNT_UP_ONLY = 3
} vc_refcounting;

#define VC_GPUMAT_DEPTHS 16

/* The OpenCV that is loaded. Fill it with vc_gpumat_abi_init. */
typedef struct vc_gpumat_abi {
  int32_t channel_shift;             /* CV_CN_SHIFT: 3 in 4.x, 5 in 5.x */
  int32_t channels_max;              /* CV_CN_MAX: 512 in 4.x, 128 in 5.x */
  vc_dtype depths[VC_GPUMAT_DEPTHS]; /* by depth number; bits = 0: none */
  vc_refcounting counting;
  /* OpenCV's own allocator object, whose memory vc_gpumat_share may hold on
   * to; NULL where there is none. */
  const void *standard_allocator;
} vc_gpumat_abi;

/* The ABI of an OpenCV whose CV_CN_SHIFT is `channel_shift` (3 or 5, else
 * VC_ERROR_ABI) and whose counter behaves as said. C++ programs pass
 * CV_CN_SHIFT and cv::cuda::GpuMat::defaultAllocator(), and VC_REFCOUNT_FULL
 * for a CUDA build. In a build without CUDA that allocator is NULL, which is
 * VC_ERROR_ARGUMENT with VC_REFCOUNT_FULL: VC_REFCOUNT_UP_ONLY for 4.x, VC_REFCOUNT_NO_FREE
 * for 5.x (examples/cpp_lend.cpp finds out). Only Linux on x86-64 and aarch64;
 * VC_ERROR_ABI elsewhere. */
VC_API vc_status vc_gpumat_abi_init(int32_t channel_shift, vc_refcounting counting,
                                    const void *standard_allocator, vc_gpumat_abi *out,
                                    vc_error *error);

/* OpenCV's type number (CV_MAKETYPE) of a dtype and a channel count. bool is
 * CV_8U. VC_ERROR_DTYPE where this OpenCV has no such depth, VC_ERROR_LAYOUT
 * for a channel count below 1 or above channels_max. */
VC_API vc_status vc_gpumat_type(const vc_gpumat_abi *abi, vc_dtype dtype, int32_t channels,
                                int32_t *out, vc_error *error);

/* Fills *out with a header over the image, as OpenCV's own constructor over
 * user memory does: flags, datastart and dataend exact, no refcount, allocator
 * kept as it stands in *out. An empty image gives rows, cols and type with
 * NULL pointers.
 *
 * Beside the rules of vc_image_from_view: address and row step are multiples
 * of the pixel's CUDA vector size (min(itemsize * C, 16) for 2 and 4 channels,
 * else the itemsize), the view is writable (VC_ERROR_VALUE) and its memory is
 * device or managed memory, or host memory in host mode (VC_ERROR_DEVICE). */
VC_API vc_status vc_gpumat_over(const vc_gpumat_abi *abi, const vc_view *view, vc_gpumat *out,
                                vc_error *error);

/* Keeps a GpuMat object alive, for VC_REFCOUNT_UP_ONLY. is_last is called by vc_collect
 * and, on any thread, by vc_gpumat_lend; it does not wait. `release` is called
 * where the lend's owner is released, before it. */
typedef struct vc_holder {
  size_t size; /* sizeof(vc_holder) */
  void *object;
  bool (*is_last)(void *object); /* nobody but this holder refers to it, or can come to */
  void (*release)(void *object); /* may be NULL */
} vc_holder;

/* Lends memory to a GpuMat: writes a header over `view` into *mat, an empty
 * GpuMat that owns nothing, together with *owner (taken), which is released
 * once after the last copy and ROI of it is gone.
 *
 * `free` as OpenCV calls it never waits: an owner that is not any_thread goes
 * to the list of vc_collect. An empty view lends nothing: the release of its
 * owner is due at once. *owner may be NULL, or its release: that lends memory
 * that is nobody's. `holder` (copied) is needed for VC_REFCOUNT_UP_ONLY only, and may
 * be NULL else: its object is *mat. */
VC_API vc_status vc_gpumat_lend(const vc_gpumat_abi *abi, const vc_view *view, vc_owner *owner,
                                const vc_holder *holder, vc_gpumat *mat, vc_error *error);

/* The control block of a std::shared_ptr (which cv::Ptr is) in libstdc++. */
typedef struct vc_gpumat_control {
  const void *table; /* address point of a virtual table */
  int32_t uses;
  int32_t weak_uses; /* and one for all the uses together */
} vc_gpumat_control;

/* Makes an empty GpuMat in memory of its own, to be put into the two words of a
 * cv::Ptr<cv::cuda::GpuMat> that is nobody's yet: the address *out, then *control.
 * That pointer and its copies then own it. Much cheaper than OpenCV's own. Only
 * after the control block was verified (vc_gpumat_control_probe), and not under
 * VC_REFCOUNT_UP_ONLY, where OpenCV's destructor does nothing: VC_ERROR_ABI. */
VC_API vc_status vc_gpumat_new(const vc_gpumat_abi *abi, vc_gpumat **out,
                               vc_gpumat_control **control, vc_error *error);

/* Frees such a GpuMat that no pointer was made of. */
VC_API void vc_gpumat_drop(vc_gpumat_control *control);

/* What a GpuMat's memory hangs on. */
typedef enum vc_ownership {
  VC_OWNERSHIP_EMPTY = 0,    /* no data */
  VC_OWNERSHIP_UNOWNED = 1,  /* no refcount: lifetime is the caller's */
  VC_OWNERSHIP_LENT = 2,     /* lent by this library */
  VC_OWNERSHIP_STANDARD = 3, /* OpenCV's standard allocator */
  VC_OWNERSHIP_FOREIGN = 4,  /* another allocator, which can't be relied on */
  VC_OWNERSHIP_POOLED = 5    /* a pool of this library (see pools, below) */
} vc_ownership;

VC_API vc_ownership vc_gpumat_ownership(const vc_gpumat_abi *abi, const vc_gpumat *mat);

/* Describes a GpuMat: (H, W, C), or (H, W) for one channel without keepdim.
 * An empty GpuMat keeps its rows and cols if one of them is 0, else has rows
 * 0. The device of lent and pooled memory is known; else that of the pointer,
 * which is not asked for where there is only one GPU and the allocator is
 * standard. */
VC_API vc_status vc_view_from_gpumat(const vc_gpumat_abi *abi, const vc_gpumat *mat, bool keepdim,
                                     vc_view *out, vc_error *error);

/* Takes a reference to the memory of a GpuMat (lent, standard or pooled), by an
 * atomic increment-if-not-zero. *owner gives it back by OpenCV's own rules, on any
 * thread. Empty and unowned GpuMats give an owner that owns nothing. A
 * foreign allocator is VC_ERROR_LAYOUT; a counter that is already zero, for
 * another thread releases the GpuMat, is VC_ERROR_VALUE.
 *
 * Under VC_REFCOUNT_UP_ONLY no reference can be given back: VC_ERROR_ABI. Hold the
 * GpuMat object instead. */
VC_API vc_status vc_gpumat_share(const vc_gpumat_abi *abi, const vc_gpumat *mat, vc_owner *owner,
                                 vc_error *error);

/* ------------------------------------------------------------------- pools */

/* Memory for OpenCV's GpuMats out of a caching pool, in place of a cudaMalloc
 * and a cudaFree for each.
 *
 * A pool keeps blocks of rounded sizes (an eighth wasted at most) that it gets
 * from a backend, and hands them out through an allocator object that OpenCV
 * takes as its default. Rows lie on a pitch of 512 bytes, as cudaMallocPitch
 * lays them; a single row or column is continuous. A block is of the device
 * that is current, or host memory in host mode.
 *
 * Streams: OpenCV's allocator interface names none, so blocks come and go in
 * the order of the legacy default stream: work enqueued from now on, on it or
 * on any blocking stream, runs after all work enqueued there before. Streams
 * made with CU_STREAM_NON_BLOCKING take part only if they are named.
 *
 * Graph capture: while a stream that takes part is capturing, blocks come fresh
 * from the backend and go back without a call of the driver, to be ordered
 * later. A GpuMat that a graph uses must live as long as the graph. */
typedef struct vc_pool vc_pool;

/* Where blocks come from. Both functions are needed, and called on any thread, several at
 * a time, with the device's primary context current and without a lock of
 * ours; allocate on a miss, free in vc_pool_trim or when memory runs out. They
 * must not throw. `device` is a CUDA ordinal; 0 in host mode. */
typedef struct vc_pool_backend {
  size_t size;   /* sizeof(vc_pool_backend) */
  void *context; /* may be NULL */
  /* `bytes` of memory, free for work on the legacy stream; NULL if there is
   * none. Size and address are multiples of 512 (textures are bound at that). */
  void *(*allocate)(void *context, int32_t device, size_t bytes);
  /* Takes such memory back, in the legacy stream's order. */
  void (*free)(void *context, int32_t device, void *memory, size_t bytes);
} vc_pool_backend;

/* Makes a pool over a backend (copied). It lives as long as the process, for
 * its GpuMats may come back at any time; so must backend->context. */
VC_API vc_status vc_pool_new(const vc_pool_backend *backend, vc_pool **out, vc_error *error);

/* The pool over the CUDA driver: cuMemAllocAsync on the legacy stream, or
 * cuMemAlloc where the device has no pools; aligned_alloc in host mode. The
 * same one at each call. */
VC_API vc_status vc_pool_driver(vc_pool **out, vc_error *error);

/* The allocator object of pooled GpuMats, for GpuMat::setDefaultAllocator
 * (reinterpret_cast<cv::cuda::GpuMat::Allocator *>). Immortal. It serves from
 * the pool of vc_pool_use, and answers false as long as there is none. */
VC_API void *vc_pool_allocator(void);

/* Makes the allocator object serve from `pool` from now on, or from none
 * (`pool` may be NULL: only once OpenCV's default is another allocator again). GpuMats that
 * are alive go back to the pool that they came from.
 *
 * When the pool can't serve (backend, size, no device), the allocator hands the
 * GpuMat to abi->standard_allocator, whose exceptions pass through. Needs
 * VC_REFCOUNT_FULL: VC_ERROR_ABI. `abi` may be NULL with a NULL pool.
 *
 * `streams` are the non-blocking streams (of any device) on which such GpuMats
 * are used (may be NULL with a `count` of 0); default and blocking ones need not
 * be named. *owner (may be NULL)
 * keeps them alive; it is released once another call has replaced them and the
 * GpuMats made meanwhile are gone. */
VC_API vc_status vc_pool_use(vc_pool *pool, const vc_gpumat_abi *abi, const vc_stream *streams,
                             size_t count, vc_owner *owner, vc_error *error);

/* Makes one GpuMat out of `pool` in *mat, an empty GpuMat, without changing any
 * default. `type` is OpenCV's type number. Its memory is ordered, as it is
 * taken and when it goes back, for `stream` too, which *owner (may be NULL)
 * keeps alive: on that stream's device, else on the current one.
 *
 * rows or cols of 0 give an empty GpuMat. VC_ERROR_ARGUMENT for negative sizes and
 * unknown types, VC_ERROR_MEMORY where the pool can't serve, VC_ERROR_ABI
 * unless VC_REFCOUNT_FULL. */
VC_API vc_status vc_pool_gpumat(vc_pool *pool, const vc_gpumat_abi *abi, int32_t rows, int32_t cols,
                                int32_t type, vc_stream stream, vc_owner *owner, vc_gpumat *mat,
                                vc_error *error);

/* Gives blocks that no GpuMat uses back to the backend, of all devices and of
 * `pool` (may be NULL: of all pools). Returns how many bytes. Blocks that can't be
 * ordered now (graph capture) stay. */
VC_API size_t vc_pool_trim(vc_pool *pool);

/* The backend is not called any more (an interpreter is going away): the pool
 * serves nothing from now on, and memory that comes back is kept. */
VC_API void vc_pool_close(vc_pool *pool);

/* -------------------------------------------------------------- transforms */

/* Where the channels of an image are: (H, W, C) and (N, H, W, C), or (C, H, W)
 * and (N, C, H, W). A view of rank 2 is (H, W), of one channel, in both. */
typedef enum vc_layout { VC_INTERLEAVED = 0, VC_PLANAR = 1 } vc_layout;

/* How the pixels of a resized image are computed. For 8-bit images each gives the bytes of the
 * function that it names: cv2.resize of OpenCV's x86-64 wheels (4.8 to 5.0 agree), or
 * PIL.Image.resize with the horizontal pass first (Pillow before 12.2, and later versions
 * except for tall shapes), which filters every channel by itself. */
typedef enum vc_interpolation {
  VC_LINEAR = 0,          /* cv2.INTER_LINEAR */
  VC_NEAREST = 1,         /* cv2.INTER_NEAREST */
  VC_AREA = 2,            /* cv2.INTER_AREA */
  VC_PILLOW_BOX = 3,      /* PIL.Image.Resampling.BOX */
  VC_PILLOW_BILINEAR = 4, /* BILINEAR */
  VC_PILLOW_BICUBIC = 5,  /* BICUBIC */
  VC_PILLOW_LANCZOS = 6   /* LANCZOS */
} vc_interpolation;

/* How an image is fitted into a result of another size. */
typedef enum vc_fit {
  VC_STRETCH = 0, /* resized to exactly the result's size */
  /* Resized to the largest size of its aspect that fits, and centred; pad surrounds it. The
   * size is that of Ultralytics' LetterBox(auto=False): sides max(1, round(side * r)) with
   * r = min(rows / its rows, cols / its cols); top and left are half of the rest, rounded
   * down. */
  VC_LETTERBOX = 1,
  /* Resized to a size of its aspect that covers the result, of which the middle is taken, as
   * torchvision's Resize(shorter) and CenterCrop do on PIL images: the longer edge becomes
   * floor(shorter * long / short); half of what is cut off, rounded to even, is at the top and
   * at the left. */
  VC_CENTER_CROP = 2
} vc_fit;

/* Resizing as a part of a transform: vc_transform_params.resize. Start from vc_resize_init. */
typedef struct vc_resize {
  size_t size;           /* sizeof(vc_resize) */
  int32_t interpolation; /* vc_interpolation */
  int32_t fit;           /* vc_fit */
  int64_t rows, cols;    /* of the result, 1 to INT_MAX */
  /* VC_CENTER_CROP: the length of the shorter edge before the crop; 0: the smallest size that
   * covers the result. 0 for all other fits. */
  int64_t shorter;
  /* The values around a letterbox, and of boxes in GPU memory that hold no pixel: pad_count
   * values, 1 or one for each channel of the source, in the source's units and channel order.
   * NULL: 0. They are converted as pixels of the source are. */
  const double *pad;
  int32_t pad_count;
} vc_resize;

/* A resize of every image to exactly rows x cols. */
static inline void vc_resize_init(vc_resize *out, int64_t rows, int64_t cols,
                                  vc_interpolation interpolation) {
  if (out == NULL) return;
  memset(out, 0, sizeof *out);
  out->size = sizeof *out;
  out->interpolation = (int32_t)interpolation;
  out->rows = rows;
  out->cols = cols;
}

/* The size to which an image is resized, and the row and column of the result where its first
 * pixel lies: negative where it is cut off. A point x of the image is at
 * x * cols / (its cols) + left of the result. */
typedef struct vc_placement {
  int64_t rows, cols, top, left;
} vc_placement;

/* Writes the placement of an image of rows x cols, both 1 to INT_MAX. VC_ERROR_LAYOUT if a
 * centre crop is larger than the resized image. */
VC_API vc_status vc_resize_placement(const vc_resize *resize, int64_t rows, int64_t cols,
                                     vc_placement *out, vc_error *error);

/* The most channels of a transform whose mean or std differ by channel. */
#define VC_TRANSFORM_CHANNELS 512

/* What happens to pixels on their way. Start from vc_transform_params_init. */
typedef struct vc_transform_params {
  size_t size;    /* sizeof(vc_transform_params) */
  vc_layout from; /* how the sources' axes are read */
  vc_layout to;   /* how the destination's are */
  /* y = (x * scale - mean[c]) / std[c], c being the destination's channel. */
  double scale;
  const double *mean; /* mean_count values; NULL: 0 */
  const double *std;  /* std_count values, not 0; NULL: 1 */
  int32_t mean_count; /* 1, or the destination's channel count */
  int32_t std_count;
  /* BGR <-> RGB: of 3 or 4 channels the first three change ends, of 1 or 2
   * none, of more all. */
  bool reverse_channels;
  /* What an added alpha channel holds, in the destination's units. NaN: opaque,
   * the largest value of an integer type, 1 of the others. Not looked at where no
   * alpha channel is added. */
  double fill;
  /* CPU only: threads to use at most; 0: vc_transform_set_threads decides. */
  int32_t threads;
  /* Resizes each image into its image of `to`, which has resize->rows and resize->cols. NULL:
   * images keep their size. */
  const vc_resize *resize;
  /* With `resize`: the parts of the sources that are resized, one for each image of `to`. A view
   * (N, 4) of boxes x0, y0, x1, y1 of the only image, or (N, 5) with the image's index before
   * them, of any dtype except bool. In host memory, or in memory of the sources' GPU, where the
   * kernel reads them. NULL: whole images. */
  const vc_view *boxes;
} vc_transform_params;

/* No change of values: scale 1, opaque fill, both sides interleaved. */
static inline void vc_transform_params_init(vc_transform_params *out) {
  if (out == NULL) return;
  memset(out, 0, sizeof *out);
  out->size = sizeof *out;
  out->scale = 1;
  out->fill = (double)NAN;
}

/* True where a transform of `from` channels to `to` adds an alpha channel, which `fill`
 * is for: the last of 2 or 4, of a source that has none. */
VC_API bool vc_transform_adds_alpha(int64_t from, int64_t to);

/* Writes every element of `to`, once, from `count` sources: in one kernel launch
 * on GPU memory, in one pass on host memory.
 *
 * Sources are images of one size, dtype and device, with any strides; `to` is
 * one image, or a batch with one image for each source. A batch may be the
 * only source of a batch.
 *
 * With params->resize the result is, bit for bit for 8-bit sources, that of the same transform
 * of images that the function which its interpolation names has resized (and cropped to boxes)
 * before. Images have 1 to 4 channels, and those of a list may have different sizes. Sources of
 * other dtypes than u8 are resized by one formula, the same on CPU and GPU: coordinates in
 * double, weights and sums in float (in double for 64-bit types and 32-bit integers), rounded to
 * the source's dtype. Coordinates of boxes are truncated toward zero and clipped to the image.
 * A box in host memory that then holds no pixel, or names no image, is VC_ERROR_ARGUMENT; in GPU
 * memory its image of the result is pad.
 *
 * Channels: as many on both sides; or alpha (the last of 2 or 4) is dropped,
 * added (`fill`), or kept, and one colour is spread to three. Other changes are
 * VC_ERROR_LAYOUT.
 *
 * Arithmetic: a = scale / std and b = -mean / std are formed in double and
 * rounded once to the working type, which is double if either dtype has 64 bits
 * or is a 32-bit integer, else float; y = fma(x, a, b), rounded once to the
 * destination's dtype. To integers: to nearest even, saturated, NaN is 0 (as
 * OpenCV's saturate_cast, except for values outside of the type). To bool: y is
 * not 0. A NaN that is computed is the positive quiet one. Without scale, mean
 * and std the same dtype is moved bit by bit, and integers are saturated
 * without a detour through floating point. A coefficient that is not finite in
 * the working type, and a count of mean or std that does not fit, is
 * VC_ERROR_ARGUMENT.
 *
 * Sources must not overlap with `to`, which must be writable (VC_ERROR_VALUE),
 * and no two elements of `to` may share memory (VC_ERROR_LAYOUT). Everything is
 * checked before the first element is written. On a GPU the work is enqueued on
 * `stream` of the memory's device, and memory must live until it is done. Host
 * memory is written when the call returns; `stream` is not used. */
VC_API vc_status vc_transform(const vc_view *to, const vc_view *from, size_t count,
                              const vc_transform_params *params, vc_stream stream, vc_error *error);

/* Whether vc_transform would take these arguments: VC_OK, or what it would answer,
 * without writing anything. For several transforms of which all or none are to be
 * done. What only the driver knows, as that there is memory for a long list, is not
 * asked. */
VC_API vc_status vc_transform_check(const vc_view *to, const vc_view *from, size_t count,
                                    const vc_transform_params *params, vc_stream stream,
                                    vc_error *error);

/* Threads that a transform of host memory uses at most; 0: one for each core
 * that the process may run on. At first VIEWCAST_THREADS, else 0. Small images
 * use fewer. Returns what was set before; -1 for a negative number, which changes
 * nothing. */
VC_API int32_t vc_transform_set_threads(int32_t threads);

/* Which code the transform of host memory runs: "avx2", "neon" or "scalar".
 * VIEWCAST_SIMD=scalar asks for the last. Static text. */
VC_API const char *vc_transform_simd(void);

/* Architectures of the GPU kernels in this library ("sm_75 ... compute_120"), or
 * "" where it was built without. Static text. */
VC_API const char *vc_transform_kernels(void);

/* ----------------------------------------------- verifying OpenCV's layout */

/* Copies `size` bytes of this process from `address` (may be NULL), VC_ERROR_ABI
 * instead of a fault where they cannot be read (process_vm_readv). */
VC_API vc_status vc_memory_read(const void *address, void *out, size_t size, vc_error *error);

/* Reads what should be a GpuMat at `address` (may be NULL), without faulting, and compares
 * every field but `allocator` with `expected`. VC_ERROR_ABI names the first
 * field that differs. The header read goes to *found (may be NULL). */
VC_API vc_status vc_gpumat_verify(const void *address, const vc_gpumat *expected, vc_gpumat *found,
                                  vc_error *error);

/* Watches what OpenCV does with a counter and an allocator. Set up with
 * vc_gpumat_probe_begin; must outlive every header it is attached to. */
typedef struct vc_gpumat_probe {
  const void *table; /* address point of a virtual table of recorders */
  int32_t count;     /* what refcount points at */
  int32_t slot;      /* last slot that was called; -1 for none */
  int32_t calls;
  const void *header;   /* second argument of that call */
  const void *attached; /* the header of vc_gpumat_probe_begin */
} vc_gpumat_probe;

/* Attaches the probe to a GpuMat that owns nothing: refcount to
 * probe->count (set to `count`), allocator to the probe. A recorded allocation
 * of up to 64 bytes for that header succeeds, in static memory. */
VC_API void vc_gpumat_probe_begin(vc_gpumat_probe *probe, int32_t count, vc_gpumat *mat);

/* Watches the end of a shared_ptr: put probe->control behind one, as in
 * vc_gpumat_new. Must outlive it. */
typedef struct vc_gpumat_control_probe {
  vc_gpumat_control control;
  int32_t calls[5]; /* of the table's slots */
  int32_t last;
} vc_gpumat_control_probe;

VC_API void vc_gpumat_control_probe_begin(vc_gpumat_control_probe *probe);

/* True if the last owner has ended the object (slot 2) and then the control block
 * (slot 3), once each, and called nothing else. */
VC_API bool vc_gpumat_control_probe_ended(const vc_gpumat_control_probe *probe);

/* Takes the probe off a GpuMat again: refcount and data NULL, allocator as
 * given (may be NULL). */
VC_API void vc_gpumat_probe_end(vc_gpumat *mat, void *allocator);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VIEWCAST_VIEWCAST_H */
