/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viewcast: one image in memory as an OpenCV GpuMat, a DLPack tensor or a CUDA
 * Array Interface array, without a copy.
 *
 * Conventions of the whole API
 *   - A function that can fail returns vc_status and, where the status is not VC_OK,
 *     fills the vc_error that it was given. The compiler warns where a status is not
 *     looked at.
 *   - NULL: a pointer argument must be valid unless its comment says that it may
 *     be NULL; `error` may be NULL everywhere. A NULL that is not allowed gives
 *     VC_ERROR_ARGUMENT, whose message names the argument, in functions that return
 *     vc_status. Other functions do nothing then, and return false, 0 or NULL.
 *   - Arguments are checked before anything is done, in the order in which they
 *     are used. Enumerators, counts and sizes out of range are VC_ERROR_ARGUMENT.
 *   - Outputs are written only on success, unless said otherwise.
 *   - A function that takes an owner (`vc_owner *`) zeroes the caller's on success and
 *     is responsible for its release from then on. On failure the caller keeps it.
 *   - Strides, steps and offsets are in bytes; shapes are in elements.
 *   - No function waits for a GPU, except vc_stream_synchronize. No function needs
 *     CUDA to be installed.
 *   - Functions may be called from several threads at a time, unless said otherwise.
 *
 * Compatibility
 *   - The shared library exports the functions of this header and nothing else, under
 *     the symbol version VIEWCAST_0.1. Its soname is libviewcast.so.0.
 *   - Under one soname a function is never removed and keeps its signature and meaning,
 *     an enumerator keeps its number, and a struct keeps the size and order of its
 *     fields. Functions, enumerators and sized structs (below) may gain members, in a
 *     minor version (0.2), not in a patch version (0.1.1).
 *   - Before 1.0 a minor version may break these rules; the soname and the symbol
 *     version change with it, so that an old program refuses to start in place of
 *     reading memory wrongly.
 *   - A sized struct begins with `size`, the size of the struct in bytes in the
 *     caller's header. The library reads or writes only the fields that both sides
 *     have: a parameter that the caller lacks counts as 0, and a parameter that the
 *     library lacks must be 0. A size of 0 is VC_ERROR_ARGUMENT. All other structs are
 *     plain values that do not grow.
 *   - Macros and inline functions are compiled into the caller. Enumerations are 32
 *     bits wide, which is checked below: compile without -fshort-enums.
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

/* The version of this header as one number that grows: 102 is 0.1.2. */
#define VC_VERSION_NUMBER (VC_VERSION_MAJOR * 10000 + VC_VERSION_MINOR * 100 + VC_VERSION_PATCH)

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

/* A function whose result must be looked at: a status, or memory that the caller owns. */
#if defined(__GNUC__)
#  define VC_MUST_CHECK __attribute__((warn_unused_result))
#else
#  define VC_MUST_CHECK
#endif

/* The width of an enumeration that is part of the ABI. */
#if defined(__cplusplus)
#  define VC_CHECK_ENUM(type) static_assert(sizeof(type) == 4, #type " is 32 bits wide")
#else
#  define VC_CHECK_ENUM(type) _Static_assert(sizeof(type) == 4, #type " is 32 bits wide")
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- versions */

/* "MAJOR.MINOR.PATCH" of the library that is running. Never NULL. */
VC_API const char *vc_version(void);

/* VC_VERSION_NUMBER of the library that is running. */
VC_API int32_t vc_version_number(void);

/* ------------------------------------------------------------------ errors */

typedef enum vc_status {
  VC_OK = 0,
  VC_ERROR_VALUE = 1,   /* an image or its producer is inconsistent, or can't be written to */
  VC_ERROR_LAYOUT = 2,  /* shape, strides or alignment do not fit */
  VC_ERROR_DTYPE = 3,   /* the element type has no counterpart */
  VC_ERROR_DEVICE = 4,  /* the memory is on another kind of device than needed */
  VC_ERROR_ABI = 5,     /* the loaded OpenCV does not have a layout that is known */
  VC_ERROR_CUDA = 6,    /* the CUDA driver reported an error */
  VC_ERROR_MEMORY = 7,  /* an allocation failed */
  VC_ERROR_ARGUMENT = 8 /* an argument is wrong in itself: NULL, out of range, undefined */
} vc_status;
VC_CHECK_ENUM(vc_status);

#define VC_MESSAGE_SIZE 768

/* The reason for a failure: what was found, what was needed, what to do instead.
 * `message` is UTF-8, terminated, and cut where it would not fit. Only meaningful
 * after a call that did not return VC_OK. */
typedef struct vc_error {
  vc_status status;
  char message[VC_MESSAGE_SIZE];
} vc_error;

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

/* True for device and managed memory, which kernels of a GPU may use. */
static inline bool vc_device_is_gpu(vc_device device) {
  return device.type == VC_CUDA || device.type == VC_CUDA_MANAGED;
}

/* Whether a GpuMat of this process holds device memory or, where there is no GPU,
 * host memory. */
typedef enum vc_mode { VC_MODE_CUDA = 1, VC_MODE_HOST = 2 } vc_mode;
VC_CHECK_ENUM(vc_mode);

/* Decides, once per process, between CUDA and host mode.
 *
 * Host mode: libcuda is absent, cuInit returns CUDA_ERROR_NO_DEVICE, or there
 * are 0 devices. Any other error of cuInit (a driver too old, a forked child)
 * is VC_ERROR_CUDA, and the next call decides again. With the environment
 * variable VIEWCAST_HOST_MODE=0, VC_ERROR_DEVICE takes the place of host mode. */
VC_API VC_MUST_CHECK vc_status vc_cuda_mode(vc_mode *out, vc_error *error);

/* Number of CUDA devices; 0 in host mode or where the driver fails. */
VC_API int32_t vc_cuda_device_count(void);

/* One line for people that says why the mode is what it is. Never NULL; static. */
VC_API const char *vc_cuda_reason(void);

/* Device of the memory behind an address (may be NULL), from the driver
 * (cuPointerGetAttributes). Memory that the driver does not know is VC_CPU;
 * so is all memory in host mode. */
VC_API VC_MUST_CHECK vc_status vc_cuda_pointer_device(const void *address, vc_device *out,
                                                      vc_error *error);

/* Creates the context and the pooled events of a device ahead of time, so that
 * nothing is created inside a graph capture. */
VC_API VC_MUST_CHECK vc_status vc_cuda_warmup(int32_t device, vc_error *error);

/* ------------------------------------------------------------------- views */

#define VC_MAX_NDIM 4

/* An array in memory: its address and its layout. A plain value that owns nothing.
 * Rank 2 is (H, W), rank 3 (H, W, C), rank 4 a batch. `data` is the address of
 * element (0, …, 0), and NULL only where a shape is 0. */
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
VC_API VC_MUST_CHECK vc_status vc_view_packed(void *data, vc_device device, vc_dtype dtype,
                                              int32_t ndim, const int64_t *shape, vc_view *out,
                                              vc_error *error);

/* VC_OK if rank, shape, dtype, device, strides and address are consistent: nothing
 * negative in the shape, no byte distance overflows, all elements lie in the address
 * space, and data is not NULL unless the view is empty. */
VC_API VC_MUST_CHECK vc_status vc_view_check(const vc_view *view, vc_error *error);

/* True if any axis has length 0; false for a rank that no view has. */
VC_API bool vc_view_is_empty(const vc_view *view);

/* True for C-contiguous memory without gaps; axes of length 1 do not matter. */
VC_API bool vc_view_is_packed(const vc_view *view);

/* Bytes of all elements, gaps not counted; 0 for a view that vc_view_check refuses. */
VC_API size_t vc_view_nbytes(const vc_view *view);

/* Byte range that the elements touch, relative to `data`: [*low, *high).
 * Both are 0 for an empty view and for one that vc_view_check refuses. */
VC_API void vc_view_span(const vc_view *view, int64_t *low, int64_t *high);

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
 * multiple of the itemsize (or H = 1). rows and cols are at most INT_MAX, and there
 * is at least one channel. The message of VC_ERROR_LAYOUT names the axis that breaks
 * a rule. */
VC_API VC_MUST_CHECK vc_status vc_image_from_view(const vc_view *view, vc_image *out,
                                                  vc_error *error);

/* The view of an interleaved image: (H, W, C), or (H, W) where there is one
 * channel and `keepdim` is false. */
VC_API void vc_view_from_image(const vc_image *image, vc_device device, bool keepdim, vc_view *out);

/* ------------------------------------------------------------------ owners */

/* One strong reference to whatever keeps memory alive. `release` is called
 * exactly once, with `context`. An owner whose `release` is NULL owns nothing. */
typedef struct vc_owner {
  void *context;
  void (*release)(void *context);
  /* true: `release` may run on any thread at any time, and does not wait.
   * false: the library calls it inside vc_collect only (see there). */
  bool any_thread;
} vc_owner;

/* Releases *owner (may be NULL) on the calling thread, and zeroes it. */
VC_API void vc_owner_release(vc_owner *owner);

/* Runs the pending releases on the calling thread, and returns how many.
 *
 * OpenCV and DLPack consumers end their use of memory on any thread, in the middle
 * of their own work; vc_gpumat_lend, too, may find lends that have ended (see
 * vc_refcounting). An owner that is not `any_thread` then goes onto a lock-free list,
 * and its release runs in vc_collect. vc_collect also looks for lends whose end
 * OpenCV cannot report. With `force` it releases those of them, too, that OpenCV has
 * copied and not counted down: the caller then promises that no GpuMat refers to
 * their memory any more. */
VC_API size_t vc_collect(bool force);

/* Sets the function that is called, from any thread and without any lock, when the
 * list of pending releases stops being empty; it should arrange for vc_collect to be
 * called soon. NULL: none. */
VC_API void vc_collect_notify(void (*function)(void));

/* Counters since the library was loaded; each is exact when no call is in
 * progress. */
typedef struct vc_statistics {
  size_t size;               /* sizeof(vc_statistics), set by the caller */
  uint64_t lends;            /* headers lent to OpenCV */
  uint64_t lends_released;   /* of these, owners released */
  uint64_t shares;           /* references taken from GpuMats */
  uint64_t shares_released;  /* of these, given back */
  uint64_t exports;          /* managed tensors made for DLPack consumers */
  uint64_t exports_released; /* of these, deleted by their consumer */
  uint64_t pending;          /* releases on the list, waiting for vc_collect */
  uint64_t pool_blocks;      /* blocks that pools hold now, in use or not */
  uint64_t pool_bytes;       /* bytes of these blocks */
  uint64_t pool_hits;        /* blocks served from a pool's own list */
  uint64_t pool_misses;      /* blocks that a backend was asked for, and gave */
  uint64_t pool_live;        /* blocks that GpuMats or shares use now */
} vc_statistics;

/* Fills the fields of *out that its `size` covers; later ones stay as they are. */
VC_API VC_MUST_CHECK vc_status vc_statistics_read(vc_statistics *out, vc_error *error);

/* ----------------------------------------------------------------- streams */

/* A CUDA stream: a handle of the driver, or one of the three below. 0 is read
 * as VC_STREAM_LEGACY; any other negative number is VC_ERROR_ARGUMENT. A device
 * that this machine does not have is VC_ERROR_DEVICE. In host mode there are no
 * streams, and the functions of this section do nothing. */
typedef intptr_t vc_stream;
#define VC_STREAM_LEGACY ((vc_stream)1)     /* the legacy default ("null") stream */
#define VC_STREAM_PER_THREAD ((vc_stream)2) /* the per-thread default stream */
#define VC_STREAM_NONE ((vc_stream) - 1)    /* no ordering wanted */

/* Orders work that is enqueued on `consumer` from now on after what is on `producer`
 * now: an event is recorded on the one and waited for by the other. Nothing is
 * done if they are the same, or one of them is VC_STREAM_NONE. The host never waits.
 * `device` is that of the memory; it says what the default streams mean.
 *
 * Graph capture: two streams of one capture are ordered in it. If exactly one
 * is capturing, or a default stream is involved while a blocking stream
 * captures, the result is VC_ERROR_CUDA and nothing is enqueued. */
VC_API VC_MUST_CHECK vc_status vc_stream_order(int32_t device, vc_stream producer,
                                               vc_stream consumer, vc_error *error);

/* Waits until what is on the stream now is done: for consumers on the host.
 * `device` may be -1 (pinned memory, which is no device's). The only function of
 * this header that waits for a GPU. */
VC_API VC_MUST_CHECK vc_status vc_stream_synchronize(int32_t device, vc_stream stream,
                                                     vc_error *error);

/* True if the stream is part of a graph capture, or a default stream while a
 * blocking stream captures; false where the driver can't be asked. */
VC_API bool vc_stream_is_capturing(int32_t device, vc_stream stream);

/* True if all work that was enqueued on the stream is done (the legacy stream: and on
 * all blocking ones); false where it is not, where the stream is capturing, or where
 * the driver can't be asked. Never waits. */
VC_API bool vc_stream_is_idle(int32_t device, vc_stream stream);

/* An event on a stream: the work that was enqueued before it. */
typedef struct vc_event {
  void *event; /* NULL: that work is done */
  int32_t device;
  bool pooled; /* the event goes back to the pool of vc_cuda_warmup */
} vc_event;

/* Records an event on a stream. A stream that is capturing is VC_ERROR_CUDA. */
VC_API VC_MUST_CHECK vc_status vc_event_record(int32_t device, vc_stream stream, vc_event *out,
                                               vc_error *error);

/* True once the work before the event is done; the event is then released and must
 * not be used again. Never waits. An error of the driver counts as done: the context
 * is lost, and its memory with it. */
VC_API bool vc_event_done(vc_event *event);

/* Releases an event without asking whether it is done: for a caller that knows, as
 * from a later event on the same stream, or that no longer needs to know. */
VC_API void vc_event_release(vc_event *event);

/* Copies pixels as they are, on a stream of the destination's device (or of the
 * source's, where the destination is host memory), without waiting. Both views
 * are checked as by vc_view_check. Shapes and dtypes are the same
 * (VC_ERROR_LAYOUT); each side is an interleaved image or packed; `to` is
 * writable and shares no element with `from` (VC_ERROR_VALUE). Between two GPUs
 * the copy goes peer to peer where the machine can. Host memory that is not pinned
 * is staged by the driver. From host to host the copy is done when the call
 * returns. */
VC_API VC_MUST_CHECK vc_status vc_copy(const vc_view *to, const vc_view *from, vc_stream stream,
                                       vc_error *error);

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
VC_API VC_MUST_CHECK vc_status vc_view_from_dltensor(const void *dltensor, vc_view *out,
                                                     vc_error *error);

/* Takes ownership of a managed tensor. On success its deleter is called once, when
 * *owner is released; on failure the tensor was not touched. The owner is not
 * any_thread, because a deleter may wait for a lock; set the field where it does not. */
VC_API VC_MUST_CHECK vc_status vc_view_from_dlpack(struct DLManagedTensor *tensor, vc_view *out,
                                                   vc_owner *owner, vc_error *error);

/* The same for a versioned one, whose major version must be 1. The read-only
 * flag sets out->readonly. *flags (may be NULL) receives all flags. */
VC_API VC_MUST_CHECK vc_status
vc_view_from_dlpack_versioned(struct DLManagedTensorVersioned *tensor, vc_view *out,
                              vc_owner *owner, uint64_t *flags, vc_error *error);

/* Makes a managed tensor that holds *owner (taken; may be NULL) until its deleter
 * runs, on any thread. `flags` are some of those above, else VC_ERROR_ARGUMENT.
 * Strides are always present. Strides that are no multiple of the itemsize are
 * VC_ERROR_LAYOUT. The unversioned kind has no read-only flag: a read-only view is
 * VC_ERROR_VALUE there. */
VC_API VC_MUST_CHECK vc_status vc_dlpack_from_view(const vc_view *view, vc_owner *owner,
                                                   struct DLManagedTensor **out, vc_error *error);
VC_API VC_MUST_CHECK vc_status vc_dlpack_versioned_from_view(const vc_view *view, vc_owner *owner,
                                                             uint64_t flags,
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
VC_API VC_MUST_CHECK vc_status vc_view_from_cuda_array(const vc_cuda_array *array, vc_device device,
                                                       vc_view *out, vc_error *error);

/* Fills the fields for a view (version 3; strides left out where packed).
 * bfloat16 has no typestr: VC_ERROR_DTYPE. Host memory: VC_ERROR_DEVICE. */
VC_API VC_MUST_CHECK vc_status vc_cuda_array_from_view(const vc_view *view, vc_cuda_array *out,
                                                       vc_error *error);

/* ------------------------------------------------------------------ GpuMat */

/* The fields of a cv::cuda::GpuMat of OpenCV 4.x and 5.x (Linux, 64 bit). From C++,
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

/* Reads what should be a GpuMat at `address` (may be NULL), without faulting, and compares
 * every field except `allocator` with `expected`. The message of VC_ERROR_ABI names the
 * first field that differs. The header read goes to *found (may be NULL). */
VC_API VC_MUST_CHECK vc_status vc_gpumat_verify(const void *address, const vc_gpumat *expected,
                                                vc_gpumat *found, vc_error *error);

/* What a build of OpenCV does with the counter behind GpuMat::refcount. */
typedef enum vc_refcounting {
  /* Counts copies up and down and calls allocator->free at zero: OpenCV built
   * with CUDA. It reports the end of a lend by that call. */
  VC_REFCOUNT_FULL = 1,
  /* Counts both ways but has no allocator to call: stock 5.x. A lend holds one
   * reference of its own, and vc_collect ends it once that is the last. */
  VC_REFCOUNT_NO_FREE = 2,
  /* Counts up, never down: stock 4.x. A lend holds the GpuMat object itself
   * (vc_holder), and vc_collect ends it once nobody else holds the object and its
   * header was not copied. */
  VC_REFCOUNT_UP_ONLY = 3
} vc_refcounting;
VC_CHECK_ENUM(vc_refcounting);

#define VC_GPUMAT_DEPTHS 16

/* The OpenCV that is loaded. Fill it with vc_gpumat_abi_init. */
typedef struct vc_gpumat_abi {
  int32_t channel_shift;             /* CV_CN_SHIFT: 3 in 4.x, 5 in 5.x */
  int32_t channels_max;              /* CV_CN_MAX: 512 in 4.x, 128 in 5.x */
  vc_dtype depths[VC_GPUMAT_DEPTHS]; /* by depth number; bits = 0: none */
  vc_refcounting counting;
  /* OpenCV's own allocator object, whose memory vc_gpumat_share takes references
   * to; NULL where there is none. */
  const void *standard_allocator;
} vc_gpumat_abi;

/* The ABI of an OpenCV whose CV_CN_SHIFT is `channel_shift` (3 or 5, else
 * VC_ERROR_ABI) and whose counter behaves as said. C++ programs pass
 * CV_CN_SHIFT and cv::cuda::GpuMat::defaultAllocator(), and VC_REFCOUNT_FULL
 * for a CUDA build. In a build without CUDA that allocator is NULL, which is
 * VC_ERROR_ARGUMENT with VC_REFCOUNT_FULL: pass VC_REFCOUNT_UP_ONLY for 4.x,
 * VC_REFCOUNT_NO_FREE for 5.x (examples/cpp_lend.cpp tries a counter out). Only Linux on
 * x86-64 and aarch64; VC_ERROR_ABI elsewhere. */
VC_API VC_MUST_CHECK vc_status vc_gpumat_abi_init(int32_t channel_shift, vc_refcounting counting,
                                                  const void *standard_allocator,
                                                  vc_gpumat_abi *out, vc_error *error);

/* OpenCV's type number (CV_MAKETYPE) of a dtype and a channel count. bool is
 * CV_8U. VC_ERROR_DTYPE where this OpenCV has no such depth, VC_ERROR_LAYOUT
 * for a channel count below 1 or above channels_max. */
VC_API VC_MUST_CHECK vc_status vc_gpumat_type(const vc_gpumat_abi *abi, vc_dtype dtype,
                                              int32_t channels, int32_t *out, vc_error *error);

/* Fills *out with a header over the image, as OpenCV's own constructor over
 * user memory does: flags, datastart and dataend exact, no refcount, allocator
 * kept as it stands in *out. An empty image gives rows, cols and type with
 * NULL pointers.
 *
 * Beside the rules of vc_image_from_view: address and row step are multiples
 * of the pixel's CUDA vector size (min(itemsize * C, 16) for 2 and 4 channels,
 * else the itemsize), the view is writable (VC_ERROR_VALUE) and its memory is
 * device or managed memory, or host memory in host mode (VC_ERROR_DEVICE). */
VC_API VC_MUST_CHECK vc_status vc_gpumat_over(const vc_gpumat_abi *abi, const vc_view *view,
                                              vc_gpumat *out, vc_error *error);

/* A reference to a GpuMat object, for VC_REFCOUNT_UP_ONLY. is_last is called by vc_collect
 * and, on any thread, by vc_gpumat_lend; it must not wait. `release` is called
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
 * OpenCV's call of allocator->free never waits: an owner that is not any_thread goes
 * onto the list of vc_collect. An empty view lends nothing, and the release of its
 * owner is due at once. *owner may be NULL, and so may its `release`: the header then
 * has no reference count. `holder` (copied) is needed for VC_REFCOUNT_UP_ONLY, where its
 * object is *mat, and may be NULL otherwise. */
VC_API VC_MUST_CHECK vc_status vc_gpumat_lend(const vc_gpumat_abi *abi, const vc_view *view,
                                              vc_owner *owner, const vc_holder *holder,
                                              vc_gpumat *mat, vc_error *error);

/* What keeps a GpuMat's memory alive. */
typedef enum vc_ownership {
  VC_OWNERSHIP_EMPTY = 0,    /* no data */
  VC_OWNERSHIP_UNOWNED = 1,  /* no refcount: lifetime is the caller's */
  VC_OWNERSHIP_LENT = 2,     /* lent by this library */
  VC_OWNERSHIP_STANDARD = 3, /* OpenCV's standard allocator */
  VC_OWNERSHIP_FOREIGN = 4,  /* another allocator, which may take the memory back */
  VC_OWNERSHIP_POOLED = 5    /* a pool of this library (see pools, below) */
} vc_ownership;
VC_CHECK_ENUM(vc_ownership);

VC_API vc_ownership vc_gpumat_ownership(const vc_gpumat_abi *abi, const vc_gpumat *mat);

/* Describes a GpuMat: (H, W, C), or (H, W) for one channel without keepdim.
 * An empty GpuMat keeps its rows and cols if one of them is 0, else has rows
 * 0. The device of lent and pooled memory is known; else that of the pointer,
 * which is not asked for where there is only one GPU and the allocator is
 * standard. */
VC_API VC_MUST_CHECK vc_status vc_view_from_gpumat(const vc_gpumat_abi *abi, const vc_gpumat *mat,
                                                   bool keepdim, vc_view *out, vc_error *error);

/* Takes a reference to the memory of a GpuMat (lent, standard or pooled), by an
 * atomic increment-if-not-zero. *owner gives it back by OpenCV's own rules, on any
 * thread. Empty and unowned GpuMats give an owner that owns nothing. A
 * foreign allocator is VC_ERROR_LAYOUT; a counter that is already zero, because
 * another thread is releasing the GpuMat, is VC_ERROR_VALUE.
 *
 * Under VC_REFCOUNT_UP_ONLY no reference can be given back: VC_ERROR_ABI. Keep the
 * GpuMat object alive instead. */
VC_API VC_MUST_CHECK vc_status vc_gpumat_share(const vc_gpumat_abi *abi, const vc_gpumat *mat,
                                               vc_owner *owner, vc_error *error);

/* ------------------------------------------------------------------- pools */

/* A caching pool of memory for OpenCV's GpuMats, in place of a cudaMalloc and a
 * cudaFree for each.
 *
 * A pool gets blocks of rounded sizes (an eighth wasted at most) from a backend and
 * caches them. An allocator object, which OpenCV takes as its default, serves GpuMats
 * from the pool. Rows have a pitch of 512 bytes, as with cudaMallocPitch; a single row
 * or column is continuous. A block is memory of the device that is current, or host
 * memory in host mode.
 *
 * Streams: OpenCV's allocator interface names none, so blocks are taken and returned in
 * the order of the legacy default stream: work enqueued from now on, on it or
 * on any blocking stream, runs after all work enqueued there before. Streams
 * made with CU_STREAM_NON_BLOCKING are included only if they are named.
 *
 * Graph capture: while an included stream is capturing, the backend is asked for each
 * block, and a block is returned without a call of the driver and ordered later. A
 * GpuMat that a graph uses must live as long as the graph. */
typedef struct vc_pool vc_pool;

/* The source of a pool's blocks. Both functions are needed, and called on any thread,
 * several at a time, with the device's primary context current and without a lock of
 * the library; allocate on a miss, free in vc_pool_trim or when memory runs out. They
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

/* Makes a pool over a backend (copied). Because a GpuMat may return its block at any
 * time, the pool lives as long as the process; so must backend->context. */
VC_API VC_MUST_CHECK vc_status vc_pool_new(const vc_pool_backend *backend, vc_pool **out,
                                           vc_error *error);

/* The pool over the CUDA driver: cuMemAllocAsync on the legacy stream, or
 * cuMemAlloc where the device has no pools; aligned_alloc in host mode. The
 * same one at each call. */
VC_API VC_MUST_CHECK vc_status vc_pool_driver(vc_pool **out, vc_error *error);

/* The allocator object of pooled GpuMats, for GpuMat::setDefaultAllocator
 * (reinterpret_cast<cv::cuda::GpuMat::Allocator *>). Immortal. It serves from
 * the pool of vc_pool_use, and answers false as long as there is none. */
VC_API void *vc_pool_allocator(void);

/* Makes the allocator object serve from `pool` from now on, or from none
 * (`pool` may be NULL: only once OpenCV's default is another allocator again). GpuMats that
 * are alive return their blocks to the pool that these came from.
 *
 * When the pool can't serve (backend, size, no device), the allocator calls
 * abi->standard_allocator, whose exceptions pass through. An ABI other than
 * VC_REFCOUNT_FULL is VC_ERROR_ABI. `abi` may be NULL with a NULL pool.
 *
 * `streams` are the non-blocking streams (of any device) on which such GpuMats
 * are used (may be NULL with a `count` of 0); default and blocking ones need not
 * be named. *owner (taken; may be NULL) keeps them alive; it is released once another
 * call has replaced them and the GpuMats made meanwhile are gone. */
VC_API VC_MUST_CHECK vc_status vc_pool_use(vc_pool *pool, const vc_gpumat_abi *abi,
                                           const vc_stream *streams, size_t count, vc_owner *owner,
                                           vc_error *error);

/* Allocates *mat, an empty GpuMat, from `pool`, without changing any default. `type` is
 * OpenCV's type number. The memory is of the stream's device (of the current one for a
 * default stream), and is ordered for `stream`, too, when it is taken and returned.
 * *owner (taken; may be NULL) keeps the stream alive until then.
 *
 * rows or cols of 0 give an empty GpuMat. VC_ERROR_ARGUMENT for negative sizes and
 * unknown types, VC_ERROR_MEMORY where the pool can't serve, VC_ERROR_ABI
 * unless VC_REFCOUNT_FULL. */
VC_API VC_MUST_CHECK vc_status vc_pool_gpumat(vc_pool *pool, const vc_gpumat_abi *abi, int32_t rows,
                                              int32_t cols, int32_t type, vc_stream stream,
                                              vc_owner *owner, vc_gpumat *mat, vc_error *error);

/* Frees blocks that no GpuMat uses through the backend, of all devices and of
 * `pool` (may be NULL: of all pools). Returns how many bytes. Blocks that can't be
 * ordered now (graph capture) stay. */
VC_API size_t vc_pool_trim(vc_pool *pool);

/* Stops all calls of the backend, because what it needs is going away: the pool serves
 * nothing from now on, and keeps the memory that GpuMats return. */
VC_API void vc_pool_close(vc_pool *pool);

/* -------------------------------------------------------------- transforms */

/* Where the channels of an image are: (H, W, C) and (N, H, W, C), or (C, H, W)
 * and (N, C, H, W). A view of rank 2 is (H, W), of one channel, in both. */
typedef enum vc_layout { VC_INTERLEAVED = 0, VC_PLANAR = 1 } vc_layout;
VC_CHECK_ENUM(vc_layout);

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
VC_API VC_MUST_CHECK vc_status vc_resize_placement(const vc_resize *resize, int64_t rows,
                                                   int64_t cols, vc_placement *out,
                                                   vc_error *error);

/* The most channels of a transform whose mean or std differ by channel. */
#define VC_TRANSFORM_CHANNELS 512

/* ---- YUV, as decoders write it */

/* How the samples of an image are stored. Chroma is U and V, of which the formats with "420" (and
 * those of two planes) have one sample for 2 x 2 pixels, "422" one for 2 x 1, "444" one for each;
 * sides are halved and rounded up. 10-bit samples lie in 16 bits: the upper ones (P010, MSB), or
 * the lower ones. */
typedef enum vc_yuv_format {
  VC_NV12 = 1, /* Y; U and V alternating */
  VC_NV21,     /* Y; V and U alternating */
  VC_I420,     /* Y, U, V: FFmpeg's yuv420p */
  VC_YV12,     /* Y, V, U */
  VC_YUV422P,  /* Y, U, V */
  VC_YUV444P,
  VC_P010, /* as VC_NV12, 10 bits */
  VC_P016, /* 16 bits */
  VC_YUV420P10,
  VC_YUV422P10,
  VC_YUV444P10,
  VC_YUV444P10MSB, /* in the upper bits */
  VC_YUV444P16
} vc_yuv_format;

/* The matrix between RGB and YUV, by the codes of H.273: 5 and 6, 1, and 9 (non-constant
 * luminance). */
typedef enum vc_matrix { VC_BT601 = 1, VC_BT709, VC_BT2020 } vc_matrix;

/* Whether Y is 16 to 235 of 8 bits (chroma 16 to 240), or all values are used. */
typedef enum vc_range { VC_LIMITED_RANGE = 1, VC_FULL_RANGE } vc_range;

/* A YUV image. Start from vc_yuv_init; planes may be filled by vc_yuv_split. It owns nothing: the
 * planes' memory is the caller's, and must live until the call that is given the image has
 * returned, or, for work on a stream, until that stream has done it. examples/c_yuv.c reads an
 * image and writes one. */
typedef struct vc_yuv {
  size_t size;    /* sizeof(vc_yuv) */
  int32_t format; /* vc_yuv_format */
  int32_t matrix; /* vc_matrix */
  int32_t range;  /* vc_range */
  int32_t depth;  /* of RGB: 8 or 16 bits */
  /* In the order of the format: luma (H, W), and chroma of its size; two alternating kinds as
   * (rows, cols, 2) or (rows, 2 * cols). uint8, or uint16 for samples of more than 8 bits; any
   * strides. A format of two planes does not look at the third. */
  vc_view planes[3];
} vc_yuv;

/* Sets all fields except for the planes, with RGB of 8 bits. Nothing is assumed about matrix and
 * range, which are those of the video. */
static inline void vc_yuv_init(vc_yuv *out, vc_yuv_format format, vc_matrix matrix,
                               vc_range range) {
  if (out == NULL) return;
  memset(out, 0, sizeof *out);
  out->size = sizeof *out;
  out->format = (int32_t)format;
  out->matrix = (int32_t)matrix;
  out->range = (int32_t)range;
  out->depth = 8;
}

/* Sets out->format, and out->planes to the parts of an array (rows of all planes, W), as
 * cv2.cvtColor and PyAV's to_ndarray have them: H * 3 / 2 rows for 420, 2 * H for 422, 3 * H
 * for 444. The rows may have gaps between them for formats of two planes only. The planes are views
 * of the array's memory, as writable as it is; the other fields of *out stay.
 * VC_ERROR_LAYOUT for an array that holds no such image: odd sides are possible as planes only.
 * VC_ERROR_ARGUMENT for a format that does not exist. */
VC_API VC_MUST_CHECK vc_status vc_yuv_split(const vc_view *array, int32_t format, vc_yuv *out,
                                            vc_error *error);

/* Checks an image, and makes the view (H, W, 3) of u8 or u16 that stands for it as a source of
 * vc_transform: params->yuv[i] is then the image itself, and says where pixels are. The view's
 * memory is luma, which holds no such pixels: it is for vc_transform alone.
 * VC_ERROR_ARGUMENT for a format, matrix, range or depth that does not exist, VC_ERROR_DTYPE and
 * VC_ERROR_LAYOUT for a plane that the format does not have, VC_ERROR_DEVICE for planes of several
 * devices. */
VC_API VC_MUST_CHECK vc_status vc_yuv_image(const vc_yuv *yuv, vc_view *out, vc_error *error);

/* How vc_transform changes pixels. Start from vc_transform_params_init. */
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
  /* Sources that are YUV: one description for each of them, all of one format, and each
   * source is what vc_yuv_image makes of it. The pixels of a source are RGB, which each pixel is
   * converted to before anything else happens to it. NULL: the sources are images by
   * themselves. */
  const vc_yuv *yuv;
} vc_transform_params;

/* No change of values: scale 1, opaque fill, both sides interleaved. */
static inline void vc_transform_params_init(vc_transform_params *out) {
  if (out == NULL) return;
  memset(out, 0, sizeof *out);
  out->size = sizeof *out;
  out->scale = 1;
  out->fill = (double)NAN;
}

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
 * With params->yuv a pixel's R, G and B are the real values of H.273's formula, rounded to
 * nearest, halves up, and saturated; for 8-bit samples of BT.601 and limited range they are the
 * bytes of cv2.cvtColor. A sample of chroma counts for each of its pixels, as cv2.cvtColor has
 * it.
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
VC_API VC_MUST_CHECK vc_status vc_transform(const vc_view *to, const vc_view *from, size_t count,
                                            const vc_transform_params *params, vc_stream stream,
                                            vc_error *error);

/* Writes an image of u8, (H, W, 3) or (3, H, W) as `layout` says, to the planes of `to`, all on one
 * device: R, G and B are its channels, or B, G and R with reverse_channels. to->depth is 8.
 *
 * Samples are the real values of H.273's formula, rounded to nearest, halves up, and saturated;
 * chroma is that of the mean of its pixels, rounded once (sited at their centre). 8-bit samples
 * of BT.601, limited range, in formats with one sample of chroma for 2 x 2 pixels are the bytes of
 * cv2.cvtColor(COLOR_RGB2YUV_I420), whose chroma is that of the upper left pixel.
 *
 * All planes must be writable, and neither share memory with each other nor with the image
 * (VC_ERROR_VALUE). VC_ERROR_DTYPE for an image that is not u8, VC_ERROR_LAYOUT for one of another
 * size than luma or without three channels, and what vc_yuv_image answers. Everything is checked
 * before the first sample is written. On a GPU one kernel is enqueued on `stream` of its device,
 * and memory must live until it is done; host memory is written when the call returns, and
 * `stream` is not used. */
VC_API VC_MUST_CHECK vc_status vc_yuv_write(const vc_yuv *to, const vc_view *from, vc_layout layout,
                                            bool reverse_channels, vc_stream stream,
                                            vc_error *error);

/* Threads that a transform of host memory uses at most; 0: one for each core
 * that the process may run on. At first VIEWCAST_THREADS, else 0. Small images
 * use fewer. Returns what was set before; -1 for a negative number, which changes
 * nothing. */
VC_API int32_t vc_transform_set_threads(int32_t wanted);

/* Which code the transform of host memory runs: "avx2", "neon" or "scalar".
 * VIEWCAST_SIMD=scalar asks for the last. Static text. */
VC_API const char *vc_transform_simd(void);

/* Architectures of the GPU kernels in this library ("sm_75 ... compute_120"), or
 * "" where it was built without. Static text. */
VC_API const char *vc_transform_kernels(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* VIEWCAST_VIEWCAST_H */
