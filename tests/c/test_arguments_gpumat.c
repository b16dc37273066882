/* SPDX-License-Identifier: Apache-2.0 */
/* Every function for GpuMats and pools, and for verifying OpenCV's layout, with every kind of
 * wrong argument. In host mode, and with a simulated CUDA device. */
#include "arguments.h"

static vc_device place; /* where a GpuMat's memory may be */
static int standard;    /* its address stands for OpenCV's own allocator */
static vc_gpumat_abi abi;

/* The ABI that vc_gpumat_abi_init filled in, with another way of counting references. */
static vc_gpumat_abi abi_counting(vc_refcounting counting) {
  vc_gpumat_abi changed = abi;
  changed.counting = counting;
  return changed;
}

static const vc_gpumat_abi zeroed;
static const int32_t wrong_counts[] = {0, -1, 4, 99, INT32_MAX, INT32_MIN};
enum { WRONG_COUNTS = sizeof wrong_counts / sizeof *wrong_counts };

static void arguments_of_vc_gpumat_abi_init(void) {
  vc_gpumat_abi out;
  static const int32_t shifts[] = {0, -1, 4, 12, 77, INT32_MAX, INT32_MIN};
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL",
          vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard, NULL, into));
  for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++)
    REFUSES_INTO(&out, VC_ERROR_ABI, "3 (4.x) and 5 (5.x)",
                 vc_gpumat_abi_init(shifts[i], VC_REFCOUNT_FULL, &standard, &out, into));
  for (int i = 0; i < WRONG_COUNTS; i++)
    REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "counting is",
                 vc_gpumat_abi_init(3, (vc_refcounting)wrong_counts[i], &standard, &out, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT,
               "pass VC_REFCOUNT_UP_ONLY (4.x) or VC_REFCOUNT_NO_FREE (5.x)",
               vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, NULL, &out, into));
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_UP_ONLY, NULL, &out, &error));
  CHECK_OK(vc_gpumat_abi_init(5, VC_REFCOUNT_NO_FREE, NULL, &out, &error));
}

static void arguments_of_vc_gpumat_type(void) {
  int32_t out;
  static const int32_t channels[] = {0, -1, 513, INT32_MAX, INT32_MIN};
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"abi\" is NULL", vc_gpumat_type(NULL, u8, 3, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_gpumat_type(&abi, u8, 3, NULL, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "vc_gpumat_abi_init",
               vc_gpumat_type(&zeroed, u8, 3, &out, into));
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
    REFUSES_INTO(&out, VC_ERROR_LAYOUT, "needs 1 to 512",
                 vc_gpumat_type(&abi, u8, channels[i], &out, into));
  REFUSES_INTO(&out, VC_ERROR_DTYPE, "no depth",
               vc_gpumat_type(&abi, (vc_dtype){99, 8}, 3, &out, into));
  REFUSES_INTO(&out, VC_ERROR_DTYPE, "no depth",
               vc_gpumat_type(&abi, (vc_dtype){VC_INT, 64}, 3, &out, into));
}

static void arguments_of_vc_gpumat_over(void) {
  vc_gpumat out;
  vc_view view = image_in(pixels, place, f32), part;
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"abi\" is NULL", vc_gpumat_over(NULL, &view, &out, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"view\" is NULL", vc_gpumat_over(&abi, NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_gpumat_over(&abi, &view, NULL, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "vc_gpumat_abi_init",
               vc_gpumat_over(&zeroed, &view, &out, into));
  REFUSES_BROKEN_VIEWS(&out, view, vc_gpumat_over(&abi, broken, &out, into));
  part = view, part.readonly = 1;
  REFUSES_INTO(&out, VC_ERROR_VALUE, "vc_copy", vc_gpumat_over(&abi, &part, &out, into));
  part = view, part.data = pixels + 2;
  REFUSES_INTO(&out, VC_ERROR_LAYOUT, "vc_transform", vc_gpumat_over(&abi, &part, &out, into));
  part = image_in(pixels, place, (vc_dtype){VC_UINT, 64});
  REFUSES_INTO(&out, VC_ERROR_DTYPE, "no depth", vc_gpumat_over(&abi, &part, &out, into));
}

/* --- lending */

static bool never_last(void *object) { return object == NULL; }
static vc_holder good_holder(void) {
  return (vc_holder){sizeof(vc_holder), &standard, never_last, NULL};
}

/* An empty GpuMat that owns nothing; a call that fails leaves it alone. */
#define REFUSES_LEND(status, part, abi, view, holder)                                       \
  do {                                                                                      \
    vc_gpumat lent = {.allocator = &standard}, same = lent;                                 \
    vc_owner kept = owner_of(false);                                                        \
    REFUSES((status), (part), vc_gpumat_lend((abi), (view), &kept, (holder), &lent, into)); \
    IS_MINE(kept);                                                                          \
    CHECK(memcmp(&lent, &same, sizeof lent) == 0);                                          \
  } while (0)

static void refuses_holders(const vc_view *view) {
  vc_gpumat_abi up = abi_counting(VC_REFCOUNT_UP_ONLY);
  vc_holder holder = good_holder();
  REFUSES_LEND(VC_ERROR_ARGUMENT, "holder is NULL", &up, view, NULL);
  holder.size = 0;
  REFUSES_LEND(VC_ERROR_ARGUMENT, "vc_holder.size is 0", &up, view, &holder);
  holder.size = sizeof holder - 1;
  REFUSES_LEND(VC_ERROR_ARGUMENT, "vc_holder.size", &up, view, &holder);
  holder.size = SIZE_MAX;
  REFUSES_LEND(VC_ERROR_ARGUMENT, "vc_holder.size", &up, view, &holder);
  holder = good_holder(), holder.is_last = NULL;
  REFUSES_LEND(VC_ERROR_ARGUMENT, "is_last is NULL", &up, view, &holder);
}

static void arguments_of_vc_gpumat_lend(void) {
  vc_view view = image_in(pixels, place, f32), part;
  vc_owner owner = owner_of(true);
  vc_gpumat mat = {0};
  int out;
  REFUSES_LEND(VC_ERROR_ARGUMENT, "\"abi\" is NULL", NULL, &view, NULL);
  REFUSES_LEND(VC_ERROR_ARGUMENT, "\"view\" is NULL", &abi, NULL, NULL);
  REFUSES_LEND(VC_ERROR_ARGUMENT, "vc_gpumat_abi_init", &zeroed, &view, NULL);
  REFUSES(VC_ERROR_ARGUMENT, "\"mat\" is NULL",
          vc_gpumat_lend(&abi, &view, &owner, NULL, NULL, into));
  for (int i = 0; i < WRONG_COUNTS; i++) {
    vc_gpumat_abi changed = abi_counting((vc_refcounting)wrong_counts[i]);
    vc_holder holder = good_holder();
    REFUSES_LEND(VC_ERROR_ARGUMENT, "abi has counting", &changed, &view, &holder);
  }
  REFUSES_BROKEN_VIEWS(&out, view, vc_gpumat_lend(&abi, broken, &owner, NULL, &mat, into));
  part = view, part.readonly = 1;
  REFUSES_LEND(VC_ERROR_VALUE, "read-only", &abi, &part, NULL);
  part = view, part.data = pixels + 1;
  REFUSES_LEND(VC_ERROR_LAYOUT, "past a multiple", &abi, &part, NULL);
  mat.data = pixels;
  REFUSES(VC_ERROR_VALUE, "release() it first",
          vc_gpumat_lend(&abi, &view, &owner, NULL, &mat, into));
  refuses_holders(&view);
  IS_MINE(owner);
  mat.data = NULL;
  CHECK_OK(vc_gpumat_lend(&abi, &view, NULL, NULL, &mat, &error)); /* nobody's */
  CHECK(mat.data == pixels && mat.refcount == NULL);
}

static void arguments_of_vc_gpumat_new(void) {
  struct {
    vc_gpumat *mat;
    vc_gpumat_control *control;
  } out;
  vc_gpumat_abi up = abi_counting(VC_REFCOUNT_UP_ONLY);
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"abi\" is NULL",
               vc_gpumat_new(NULL, &out.mat, &out.control, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"out\" is NULL",
               vc_gpumat_new(&abi, NULL, &out.control, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"control\" is NULL",
               vc_gpumat_new(&abi, &out.mat, NULL, into));
  REFUSES_INTO(&out, VC_ERROR_ABI, "never ends", vc_gpumat_new(&up, &out.mat, &out.control, into));
}

static void arguments_of_vc_gpumat_drop(void) { vc_gpumat_drop(NULL); }

static void arguments_of_vc_gpumat_ownership(void) {
  vc_gpumat mat = {.data = pixels};
  CHECK_INT(vc_gpumat_ownership(NULL, &mat), VC_OWNERSHIP_EMPTY);
  CHECK_INT(vc_gpumat_ownership(&abi, NULL), VC_OWNERSHIP_EMPTY);
  CHECK_INT(vc_gpumat_ownership(&zeroed, &mat), VC_OWNERSHIP_UNOWNED);
}

static vc_gpumat good_mat(void) {
  vc_view view = image_in(pixels, place, u8);
  vc_gpumat mat = {0};
  CHECK_OK(vc_gpumat_over(&abi, &view, &mat, &error));
  return mat;
}

static void arguments_of_vc_view_from_gpumat(void) {
  vc_view out;
  vc_gpumat mat = good_mat();
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"abi\" is NULL",
               vc_view_from_gpumat(NULL, &mat, false, &out, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"mat\" is NULL",
               vc_view_from_gpumat(&abi, NULL, false, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_view_from_gpumat(&abi, &mat, false, NULL, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "vc_gpumat_abi_init",
               vc_view_from_gpumat(&zeroed, &mat, false, &out, into));
#define BREAK(status, part, ...)                                                               \
  do {                                                                                         \
    vc_gpumat made = good_mat();                                                               \
    __VA_ARGS__;                                                                               \
    REFUSES_INTO(&out, (status), (part), vc_view_from_gpumat(&abi, &made, false, &out, into)); \
  } while (0)
  BREAK(VC_ERROR_VALUE, "damaged", made.flags &= 0xFFFF);
  BREAK(VC_ERROR_VALUE, "damaged", made.rows = -1);
  BREAK(VC_ERROR_VALUE, "damaged", made.cols = INT32_MIN);
  BREAK(VC_ERROR_VALUE, "step", made.step = 5);
  BREAK(VC_ERROR_VALUE, "step", made.step = SIZE_MAX);
#undef BREAK
}

static void arguments_of_vc_gpumat_share(void) {
  vc_owner out;
  vc_gpumat mat = good_mat();
  int32_t count = 1;
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"abi\" is NULL", vc_gpumat_share(NULL, &mat, &out, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"mat\" is NULL", vc_gpumat_share(&abi, NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"owner\" is NULL", vc_gpumat_share(&abi, &mat, NULL, into));
  mat.refcount = &count;
  REFUSES_INTO(&out, VC_ERROR_LAYOUT, "clone()", vc_gpumat_share(&abi, &mat, &out, into));
  mat.allocator = &standard;
  count = 0;
  REFUSES_INTO(&out, VC_ERROR_VALUE, "being released", vc_gpumat_share(&abi, &mat, &out, into));
  CHECK_INT(count, 0);
}

/* --- pools */

static void *give_nothing(void *context, int32_t device, size_t bytes) {
  (void)context, (void)device, (void)bytes;
  return NULL;
}
static void take_nothing(void *context, int32_t device, void *memory, size_t bytes) {
  (void)context, (void)device, (void)memory, (void)bytes;
}
static vc_pool_backend good_backend(void) {
  return (vc_pool_backend){sizeof(vc_pool_backend), NULL, give_nothing, take_nothing};
}
static vc_pool *pool; /* over that backend */

static void arguments_of_vc_pool_new(void) {
  vc_pool *out;
  vc_pool_backend good = good_backend();
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"backend\" is NULL", vc_pool_new(NULL, &out, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_pool_new(&good, NULL, into));
#define BREAK(part, ...)                                                              \
  do {                                                                                \
    vc_pool_backend backend = good_backend();                                         \
    __VA_ARGS__;                                                                      \
    REFUSES_INTO(&out, VC_ERROR_ARGUMENT, (part), vc_pool_new(&backend, &out, into)); \
  } while (0)
  BREAK("size is 0", backend.size = 0);
  BREAK("size is", backend.size -= 8);
  BREAK("size is", backend.size = SIZE_MAX);
  BREAK("allocate is NULL", backend.allocate = NULL);
  BREAK("free is NULL", backend.free = NULL);
#undef BREAK
}

static void arguments_of_vc_pool_driver(void) {
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_pool_driver(NULL, into));
}

static void arguments_of_vc_pool_allocator(void) { CHECK(vc_pool_allocator() != NULL); }

static void arguments_of_vc_pool_use(void) {
  vc_owner owner = owner_of(false);
  static const vc_stream streams[] = {1, -5};
  vc_gpumat_abi stock = abi_counting(VC_REFCOUNT_NO_FREE), ours = abi;
  ours.standard_allocator = vc_pool_allocator();
  REFUSES(VC_ERROR_ARGUMENT, "\"abi\" is NULL", vc_pool_use(pool, NULL, streams, 1, &owner, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"streams\" is NULL", vc_pool_use(pool, &abi, NULL, 1, &owner, into));
  REFUSES(VC_ERROR_ARGUMENT, "stream is -5", vc_pool_use(pool, &abi, streams, 2, &owner, into));
  REFUSES(VC_ERROR_VALUE, "too many", vc_pool_use(pool, &abi, streams, SIZE_MAX, &owner, into));
  REFUSES(VC_ERROR_ABI, "without CUDA", vc_pool_use(pool, &stock, streams, 1, &owner, into));
  REFUSES(VC_ERROR_ABI, "without CUDA", vc_pool_use(pool, &zeroed, streams, 1, &owner, into));
  REFUSES(VC_ERROR_VALUE, "before the default allocator",
          vc_pool_use(pool, &ours, streams, 1, &owner, into));
  IS_MINE(owner);
  CHECK_OK(vc_pool_use(pool, &abi, NULL, 0, NULL, &error));
  CHECK_OK(vc_pool_use(NULL, NULL, NULL, 0, NULL, &error));
}

static void arguments_of_vc_pool_gpumat(void) {
  vc_owner owner = owner_of(false);
  vc_gpumat_abi stock = abi_counting(VC_REFCOUNT_UP_ONLY);
  vc_gpumat mat = {.allocator = &standard}, same = mat, used = good_mat();
  const int32_t u8c3 = 2 << 3;
  REFUSES(VC_ERROR_ARGUMENT, "\"pool\" is NULL",
          vc_pool_gpumat(NULL, &abi, 4, 6, u8c3, 1, &owner, &mat, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"abi\" is NULL",
          vc_pool_gpumat(pool, NULL, 4, 6, u8c3, 1, &owner, &mat, into));
  REFUSES(VC_ERROR_ARGUMENT, "\"mat\" is NULL",
          vc_pool_gpumat(pool, &abi, 4, 6, u8c3, 1, &owner, NULL, into));
  REFUSES(VC_ERROR_ABI, "without CUDA",
          vc_pool_gpumat(pool, &stock, 4, 6, u8c3, 1, &owner, &mat, into));
  REFUSES(VC_ERROR_ABI, "without CUDA",
          vc_pool_gpumat(pool, &zeroed, 4, 6, u8c3, 1, &owner, &mat, into));
  static const int32_t types[] = {-1, 4096, INT32_MAX, INT32_MIN};
  for (int i = 0; i < 4; i++)
    REFUSES(VC_ERROR_ARGUMENT, "type is",
            vc_pool_gpumat(pool, &abi, 4, 6, types[i], 1, &owner, &mat, into));
  REFUSES(VC_ERROR_ARGUMENT, "-1 rows",
          vc_pool_gpumat(pool, &abi, -1, 6, 0, 1, &owner, &mat, into));
  REFUSES(VC_ERROR_ARGUMENT, "needs 0 or more",
          vc_pool_gpumat(pool, &abi, 4, INT32_MIN, 0, 1, &owner, &mat, into));
  REFUSES(VC_ERROR_ARGUMENT, "stream is -7",
          vc_pool_gpumat(pool, &abi, 4, 6, 0, -7, &owner, &mat, into));
  REFUSES(VC_ERROR_VALUE, "release() it first",
          vc_pool_gpumat(pool, &abi, 4, 6, 0, 1, &owner, &used, into));
  REFUSES(VC_ERROR_MEMORY, "gives none",
          vc_pool_gpumat(pool, &abi, INT32_MAX, INT32_MAX, 0, 1, &owner, &mat, into));
  REFUSES(VC_ERROR_MEMORY, "gives none",
          vc_pool_gpumat(pool, &abi, 4, 6, 0, 1, &owner, &mat, into));
  IS_MINE(owner);
  CHECK(memcmp(&mat, &same, sizeof mat) == 0);
  CHECK_OK(vc_pool_gpumat(pool, &abi, 0, 6, 0, 1, NULL, &mat, &error));
}

static void arguments_of_vc_pool_trim(void) { CHECK_INT(vc_pool_trim(NULL), 0); }

static void arguments_of_vc_pool_close(void) {
  vc_gpumat mat = {0};
  vc_pool_close(NULL);
  vc_pool_close(pool);
  REFUSES(VC_ERROR_VALUE, "was closed", vc_pool_use(pool, &abi, NULL, 0, NULL, into));
  REFUSES(VC_ERROR_MEMORY, "gives none", vc_pool_gpumat(pool, &abi, 4, 6, 0, 1, NULL, &mat, into));
}

/* --- verifying OpenCV's layout */

static void arguments_of_vc_memory_read(void) {
  char out[16];
  REFUSES(VC_ERROR_ARGUMENT, "\"out\" is NULL", vc_memory_read(pixels, NULL, 8, into));
  REFUSES_INTO(&out, VC_ERROR_ABI, "can't be read", vc_memory_read(NULL, out, 8, into));
  REFUSES_INTO(&out, VC_ERROR_ABI, "can't be read",
               vc_memory_read((void *)(UINTPTR_MAX - 3), out, 8, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "size is", vc_memory_read(pixels, out, SIZE_MAX, into));
}

static void arguments_of_vc_gpumat_verify(void) {
  vc_gpumat out, mat = good_mat(), other = mat;
  other.cols++;
  REFUSES_INTO(&out, VC_ERROR_ABI, "can't be read", vc_gpumat_verify(NULL, &mat, &out, into));
  REFUSES_INTO(&out, VC_ERROR_ARGUMENT, "\"expected\" is NULL",
               vc_gpumat_verify(&mat, NULL, &out, into));
  REFUSES_INTO(&out, VC_ERROR_ABI, "cols", vc_gpumat_verify(&mat, &other, &out, into));
  CHECK_OK(vc_gpumat_verify(&mat, &mat, NULL, &error));
}

static void arguments_of_vc_gpumat_probe_begin(void) {
  vc_gpumat_probe probe;
  vc_gpumat mat = good_mat(), same = mat;
  memset(&probe, FILL, sizeof probe);
  vc_gpumat_probe_begin(NULL, 1, &mat);
  vc_gpumat_probe_begin(&probe, 1, NULL);
  CHECK(memcmp(&mat, &same, sizeof mat) == 0 && is_filled(&probe, sizeof probe));
}

static void arguments_of_vc_gpumat_probe_end(void) { vc_gpumat_probe_end(NULL, &standard); }
static void arguments_of_vc_gpumat_control_probe_begin(void) {
  vc_gpumat_control_probe_begin(NULL);
}
static void arguments_of_vc_gpumat_control_probe_ended(void) {
  CHECK(!vc_gpumat_control_probe_ended(NULL));
}

static const tested_function functions[] = {
    TESTED(vc_gpumat_abi_init),
    TESTED(vc_gpumat_type),
    TESTED(vc_gpumat_over),
    TESTED(vc_gpumat_lend),
    TESTED(vc_gpumat_new),
    TESTED(vc_gpumat_drop),
    TESTED(vc_gpumat_ownership),
    TESTED(vc_view_from_gpumat),
    TESTED(vc_gpumat_share),
    TESTED(vc_pool_new),
    TESTED(vc_pool_driver),
    TESTED(vc_pool_allocator),
    TESTED(vc_pool_use),
    TESTED(vc_pool_gpumat),
    TESTED(vc_pool_trim),
    TESTED(vc_pool_close),
    TESTED(vc_memory_read),
    TESTED(vc_gpumat_verify),
    TESTED(vc_gpumat_probe_begin),
    TESTED(vc_gpumat_probe_end),
    TESTED(vc_gpumat_control_probe_begin),
    TESTED(vc_gpumat_control_probe_ended),
};

int main(void) {
  vc_pool_backend backend = good_backend();
  place = getenv("SIMULATED_CUDA_DEVICES") ? gpu : cpu;
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard, &abi, &error));
  CHECK_OK(vc_pool_new(&backend, &pool, &error));
  return test_functions(functions, sizeof functions / sizeof *functions);
}
