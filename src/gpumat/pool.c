/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for GpuMats from a cache: the allocator object that OpenCV calls without a stream,
 * without Python's lock and on any thread.
 *
 * Compiled with -fexceptions, because OpenCV's standard allocator, which is called where a
 * pool can't serve, throws through allocate(). */
#include "gpumat/pool.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/allocate.h"
#include "core/error.h"
#include "cuda/device.h"
#include "gpumat/free_list.h"
#include "gpumat/header.h"
#include "gpumat/lend.h"
#include "internal.h"

/* The pitch of cudaMallocPitch, and the alignment of textures. */
#define PITCH 512

struct vc_pool {
  vc_pool_backend backend;
  _Atomic bool closed;
  vc_block_cache free;
  vc_pool *next; /* in the list of all pools */
};

static _Atomic(vc_pool *) pools; /* only ever grows */

/* The pool that the allocator object serves from. Read and written under vc_block_lock. */
typedef struct {
  vc_pool *pool;
  vc_stream_set *streams;
  void *standard; /* OpenCV's own allocator */
} use;

static use in_use;

static use read_use(void) {
  vc_block_lock();
  use now = in_use;
  vc_stream_set_retain(now.streams);
  vc_block_unlock();
  return now;
}

/* --- sizes */

typedef struct {
  int32_t rows, cols;
  size_t row;   /* bytes of a row's elements */
  size_t step;  /* bytes from row to row */
  size_t bytes; /* all rows */
} extent;

/* Measures rows with a pitch; one row or one column is continuous, as OpenCV needs it. */
static bool measure(int32_t rows, int32_t cols, size_t elem_size, extent *out) {
  if (rows < 1 || cols < 1 || elem_size < 1) return false;
  out->rows = rows;
  out->cols = cols;
  if (__builtin_mul_overflow((size_t)cols, elem_size, &out->row)) return false;
  if (out->row > SIZE_MAX - PITCH) return false;
  out->step = rows > 1 && cols > 1 ? (out->row + PITCH - 1) / PITCH * PITCH : out->row;
  return !__builtin_mul_overflow(out->step, (size_t)rows, &out->bytes);
}

/* --- the backend */

static void *ask_backend(vc_pool *pool, int32_t device, size_t bytes) {
  void *memory = NULL;
  vc_entered entered = vc_cuda_enter(device);
  if (entered.entry < VC_ENTRY_GONE) {
    memory = pool->backend.allocate(pool->backend.context, device, bytes);
  }
  vc_cuda_leave(entered);
  return memory;
}

/* Frees a block through the backend, once the legacy stream waits for all streams of the
 * block. Where that can't be ordered now the block returns to its list. Returns the bytes
 * that were freed. */
static size_t give_to_backend(vc_block *block) {
  vc_pool *pool = block->pool;
  size_t bytes = block->bytes;
  vc_entered entered = vc_cuda_enter(block->device.id);
  bool given = !atomic_load(&pool->closed) && entered.entry < VC_ENTRY_GONE &&
               !vc_stream_is_capturing(block->device.id, VC_STREAM_LEGACY) &&
               vc_stream_set_join(block->streams, block->device.id);
  if (given) pool->backend.free(pool->backend.context, block->device.id, block->memory, bytes);
  vc_cuda_leave(entered);
  if (!given) {
    vc_block_put(&pool->free, block);
    return 0;
  }
  vc_stream_set_drop(block->streams);
  free(block);
  VC_DISCOUNT(pool_blocks, 1);
  VC_DISCOUNT(pool_bytes, bytes);
  return bytes;
}

static size_t trim_device(vc_pool *pool, int32_t device) {
  size_t bytes = 0;
  vc_block *block = vc_block_take_all(&pool->free, device);
  while (block) {
    vc_block *next = block->next;
    bytes += give_to_backend(block);
    block = next;
  }
  return bytes;
}

/* Frees the unused blocks of a device in every pool, for an allocation that had no memory. */
static size_t trim_all_pools(int32_t device) {
  size_t bytes = 0;
  for (vc_pool *pool = atomic_load(&pools); pool; pool = pool->next) {
    bytes += trim_device(pool, device);
  }
  return bytes;
}

/* --- blocks */

static vc_device memory_device(int32_t device) {
  return vc_cuda_device_count() > 0 ? (vc_device){VC_CUDA, device} : (vc_device){VC_CPU, 0};
}

static vc_block *new_block(vc_pool *pool, int32_t device, int32_t size_class) {
  size_t bytes = vc_block_class_bytes(size_class);
  vc_block *block = vc_malloc(sizeof *block);
  void *memory = NULL;
  if (block && vc_block_reserve(&pool->free, device)) {
    memory = ask_backend(pool, device, bytes);
    if (!memory && trim_all_pools(device) > 0) memory = ask_backend(pool, device, bytes);
  }
  if (!memory) {
    free(block);
    return NULL;
  }
  *block = (vc_block){.device = memory_device(device),
                      .size_class = size_class,
                      .pool = pool,
                      .memory = memory,
                      .bytes = bytes};
  VC_COUNT(pool_misses, 1);
  VC_COUNT(pool_blocks, 1);
  VC_COUNT(pool_bytes, bytes);
  return block;
}

/* Orders all earlier uses of the block before all later ones. False, and the block must not be
 * used, where that is not possible now. */
static bool make_ready(vc_block *block, vc_stream_set *streams) {
  if (!vc_stream_set_join(block->streams, block->device.id)) return false;
  vc_stream_set_drop(block->streams);
  block->streams = NULL;
  return vc_stream_set_follow(streams, block->device.id);
}

static vc_block *cached_block(vc_pool *pool, int32_t device, int32_t size_class,
                              vc_stream_set *streams) {
  vc_block *block = vc_block_take(&pool->free, device, size_class);
  if (!block) return NULL;
  if (!make_ready(block, streams)) {
    vc_block_put(&pool->free, block);
    return NULL;
  }
  VC_COUNT(pool_hits, 1);
  return block;
}

/* A block with one reference, for memory that is used on `streams` (held). */
static vc_block *obtain(vc_pool *pool, int32_t device, size_t bytes, vc_stream_set *streams) {
  int32_t size_class = vc_block_class(bytes);
  if (size_class < 0 || atomic_load(&pool->closed)) return NULL;
  vc_block *block = cached_block(pool, device, size_class, streams);
  if (!block) {
    block = new_block(pool, device, size_class);
    if (!block) return NULL;
    make_ready(block, streams); /* fails in a capture; a new block has no earlier uses */
  }
  block->streams = vc_stream_set_retain(streams);
  block->count = 1;
  VC_COUNT(pool_live, 1);
  return block;
}

/* Returns a block to its pool, after its last reference. */
static void put_back(vc_block *block) {
  VC_DISCOUNT(pool_live, 1);
  if (vc_stream_set_join(block->streams, block->device.id)) {
    vc_stream_set_drop(block->streams);
    block->streams = NULL;
  } /* else a stream captures, and the next use of the block waits for its streams */
  vc_block_put(&block->pool->free, block);
}

void *vc_pool_block_of(const vc_gpumat *mat) { return mat->refcount; }

vc_device vc_pool_device(const vc_gpumat *mat) {
  return ((const vc_block *)(const void *)mat->refcount)->device;
}

void vc_pool_give_back(void *context) {
  vc_block *block = context;
  if (vc_counter_give_back(&block->count)) put_back(block);
  VC_COUNT(shares_released, 1);
}

/* --- the allocator object */

static void destroy(void *self) { (void)self; }

/* Calls OpenCV's own allocator through its virtual table; it may throw. */
static bool allocate_standard(void *standard, vc_gpumat *mat, int rows, int cols,
                              size_t elem_size) {
  if (!standard) return false;
  mat->allocator = standard;
  return vc_allocator_table_of(standard)->allocate(standard, mat, rows, cols, elem_size);
}

static bool allocate(void *self, vc_gpumat *mat, int rows, int cols, size_t elem_size) {
  (void)self;
  extent wanted;
  int32_t device;
  vc_block *block = NULL;
  use now = read_use();
  if (!now.pool) return false;
  if (measure(rows, cols, elem_size, &wanted) && vc_current_device(&device)) {
    block = obtain(now.pool, device, wanted.bytes, now.streams);
  }
  vc_stream_set_drop(now.streams);
  if (!block) return allocate_standard(now.standard, mat, rows, cols, elem_size);
  mat->data = block->memory;
  mat->step = wanted.step;
  mat->refcount = &block->count;
  return true;
}

/* Called when the count has reached zero. OpenCV clears the header after this returns. */
static void free_mat(void *self, vc_gpumat *mat) {
  (void)self;
  put_back(vc_pool_block_of(mat));
}

static const vc_allocator_table allocator_table = {
    .complete_destructor = destroy,
    .deleting_destructor = destroy,
    .allocate = allocate,
    .free = free_mat,
};
vc_allocator_object vc_pool_allocator_object = {&allocator_table.complete_destructor};

void *vc_pool_allocator(void) { return &vc_pool_allocator_object; }

/* --- the calls */

static vc_status read_backend(const vc_pool_backend *given, vc_pool_backend *out, vc_error *error) {
  VC_TRY(vc_read_sized(given, "vc_pool_backend", sizeof *out, sizeof *out, out, error));
  if (out->allocate && out->free) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "backend->%s is NULL, needs a function: a pool both asks for memory and gives it "
                 "back",
                 out->allocate ? "free" : "allocate");
}

vc_status vc_pool_new(const vc_pool_backend *backend, vc_pool **out, vc_error *error) {
  VC_NEED(backend);
  VC_NEED(out);
  vc_pool_backend read;
  VC_TRY(read_backend(backend, &read, error));
  vc_pool *pool = vc_calloc(sizeof *pool);
  if (!pool) return vc_fail(error, VC_ERROR_MEMORY, "no memory for a pool");
  pool->backend = read;
  pool->next = atomic_load(&pools);
  while (!atomic_compare_exchange_weak(&pools, &pool->next, pool)) {
  }
  *out = pool;
  return VC_OK;
}

static vc_status check_opencv(const vc_gpumat_abi *abi, vc_error *error) {
  if (abi->counting == VC_REFCOUNT_FULL) return VC_OK;
  return vc_fail(error, VC_ERROR_ABI,
                 "the loaded OpenCV is built without CUDA: its GpuMat allocates and frees nothing, "
                 "so it can't use a pool; install an OpenCV built with CUDA");
}

static vc_status check_use(const vc_pool *pool, const vc_gpumat_abi *abi, vc_error *error) {
  if (abi->standard_allocator == &vc_pool_allocator_object) {
    return vc_fail(error, VC_ERROR_VALUE,
                   "the ABI names viewcast's pool allocator as OpenCV's own; call "
                   "vc_gpumat_abi_init before the default allocator is changed");
  }
  if (atomic_load(&pool->closed)) {
    return vc_fail(error, VC_ERROR_VALUE, "the pool was closed; make another");
  }
  return check_opencv(abi, error);
}

vc_status vc_pool_use(vc_pool *pool, const vc_gpumat_abi *abi, const vc_stream *streams,
                      size_t number, vc_owner *owner, vc_error *error) {
  use next = {.pool = pool};
  vc_record *prepared;
  if (pool) {
    VC_NEED(abi);
    if (number > 0) VC_NEED(streams);
    VC_TRY(check_use(pool, abi, error));
    next.standard = (void *)(uintptr_t)abi->standard_allocator;
  }
  VC_TRY(vc_retire_prepare(owner, &prepared, error));
  vc_status status = VC_OK;
  if (pool) status = vc_stream_set_new(streams, number, NULL, &next.streams, error);
  if (status != VC_OK) {
    free(prepared);
    return status;
  }
  vc_stream_set_keep(next.streams, NULL, owner, prepared);
  vc_block_lock();
  use before = in_use;
  in_use = next;
  vc_block_unlock();
  vc_stream_set_drop(before.streams);
  return VC_OK;
}

/* The header as OpenCV's create() leaves it. */
static void write_header(vc_block *block, const extent *size, int32_t type, vc_gpumat *mat) {
  mat->flags = VC_GPUMAT_MAGIC | type | (size->step == size->row ? VC_GPUMAT_CONTINUOUS : 0);
  mat->rows = size->rows;
  mat->cols = size->cols;
  mat->step = size->step;
  mat->data = block->memory;
  mat->refcount = &block->count;
  mat->datastart = mat->data;
  mat->dataend = mat->data + size->step * (size_t)(size->rows - 1) + size->row;
  mat->allocator = &vc_pool_allocator_object;
}

static vc_status check_shape(const vc_gpumat_abi *abi, int32_t rows, int32_t cols, int32_t type,
                             size_t *elem_size, vc_error *error) {
  vc_dtype dtype;
  int32_t channels;
  if (rows < 0 || cols < 0) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "a GpuMat of %d rows and %d cols is impossible: needs 0 or more of each",
                   (int)rows, (int)cols);
  }
  if ((type & VC_GPUMAT_TYPE_MASK) != type) {
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "type is %d, needs a type number of OpenCV's (CV_8UC3, …)", (int)type);
  }
  VC_TRY(vc_gpumat_unpack(abi, type, &dtype, &channels, error));
  *elem_size = vc_dtype_size(dtype) * (size_t)channels;
  return VC_OK;
}

static vc_status fail_to_serve(int32_t rows, int32_t cols, size_t bytes, int32_t device,
                               vc_error *error) {
  return vc_fail(error, VC_ERROR_MEMORY,
                 "the pool has no %zu bytes for a GpuMat of %d x %d on device %d, and its backend "
                 "gives none; %s",
                 bytes, (int)rows, (int)cols, (int)device, vc_advice_text(VC_ADVICE_FREE_CACHES));
}

/* A block for one GpuMat, on its own stream and those named for its pool. */
static vc_status obtain_for(vc_pool *pool, int32_t device, size_t bytes, vc_stream stream,
                            vc_owner *owner, vc_block **out, vc_error *error) {
  vc_stream_set *streams;
  vc_record *prepared;
  VC_TRY(vc_retire_prepare(owner, &prepared, error));
  use now = read_use();
  vc_stream_set *base = now.pool == pool ? now.streams : NULL;
  vc_status status = vc_stream_set_new(&stream, 1, base, &streams, error);
  if (status == VC_OK) {
    *out = obtain(pool, device, bytes, streams);
    if (*out) {
      vc_stream_set_keep(streams, base, owner, prepared);
      prepared = NULL;
    }
    vc_stream_set_drop(streams);
  }
  vc_stream_set_drop(now.streams);
  free(prepared);
  return status;
}

static vc_status make_empty(int32_t rows, int32_t cols, int32_t type, vc_owner *owner,
                            vc_gpumat *mat, vc_error *error) {
  vc_record *prepared;
  VC_TRY(vc_retire_prepare(owner, &prepared, error));
  *mat = (vc_gpumat){
      .flags = VC_GPUMAT_MAGIC | type, .rows = rows, .cols = cols, .allocator = mat->allocator};
  vc_retire_owner(owner, prepared);
  return VC_OK;
}

vc_status vc_pool_gpumat(vc_pool *pool, const vc_gpumat_abi *abi, int32_t rows, int32_t cols,
                         int32_t type, vc_stream stream, vc_owner *owner, vc_gpumat *mat,
                         vc_error *error) {
  VC_NEED(pool);
  VC_NEED(abi);
  VC_NEED(mat);
  size_t elem_size = 0;
  extent size = {0};
  int32_t device = 0; /* what CUDA takes where no device is current */
  vc_block *block = NULL;
  VC_TRY(check_opencv(abi, error));
  VC_TRY(check_shape(abi, rows, cols, type, &elem_size, error));
  VC_TRY(vc_stream_check(stream, error));
  if (mat->data || mat->refcount) return vc_gpumat_fail_owned(mat, error);
  if (rows == 0 || cols == 0) return make_empty(rows, cols, type, owner, mat, error);
  vc_current_device(&device);
  device = vc_stream_device(stream, device);
  if (measure(rows, cols, elem_size, &size))
    VC_TRY(obtain_for(pool, device, size.bytes, stream, owner, &block, error));
  if (!block) return fail_to_serve(rows, cols, size.bytes, device, error);
  write_header(block, &size, type, mat);
  return VC_OK;
}

size_t vc_pool_trim(vc_pool *pool) {
  size_t bytes = 0;
  for (int32_t device = 0; device < VC_MAX_DEVICES; device++) {
    bytes += pool ? trim_device(pool, device) : trim_all_pools(device);
  }
  return bytes;
}

void vc_pool_close(vc_pool *pool) {
  VC_NEED_OR(pool, return);
  atomic_store(&pool->closed, true);
}
