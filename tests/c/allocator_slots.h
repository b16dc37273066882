/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of refusals and of values at the edge, in host mode or against the simulated
 * driver where LD_LIBRARY_PATH names it: calls of an allocator's virtual functions, and
 * pictures on both kinds of memory. */
#ifndef VIEWCAST_TESTS_ALLOCATOR_SLOTS_H
#define VIEWCAST_TESTS_ALLOCATOR_SLOTS_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

#include "check.h"
#include "internal.h"
#include "simulated_cuda.h"

#define DEFINE(type, name, parameters) static type(*name) parameters;
SIM_FUNCTIONS(DEFINE)

static vc_error error;
static vc_gpumat_abi cuda, counts_up;
static int standard_calls;

enum { CV_8UC1 = 0, ROWS = 4, COLS = 5 };
static const vc_device host = {VC_CPU, 0}, gpu = {VC_CUDA, 0};
static const vc_dtype u8 = {VC_UINT, 8};

/* A virtual function by its slot; C knows no such call. */
typedef bool slot_function(void *self, void *mat, int rows, int cols, size_t elem_size);
static inline bool call_slot(void *object, int slot, void *mat, int rows, int cols,
                             size_t elem_size) {
  slot_function *function;
  const char *const *table = *(const char *const *const *)object;
  memcpy(&function, &table[slot], sizeof function);
  return function(object, mat, rows, cols, elem_size);
}

/* OpenCV's own allocator, which has nothing to give. */
static inline bool standard_allocate(void *self, void *mat, int rows, int cols, size_t elem_size) {
  (void)self, (void)mat, (void)rows, (void)cols, (void)elem_size;
  standard_calls++;
  return false;
}
static struct {
  ptrdiff_t offset;
  const void *type;
  slot_function *slots[4];
} table = {.slots = {NULL, NULL, standard_allocate, NULL}};
static struct {
  const void *table;
} standard = {&table.slots};

static inline vc_view view_of(void *data, vc_device device, int64_t rows, int64_t row_step) {
  vc_view view = {.data = data, .device = device, .dtype = u8, .ndim = 2};
  view.shape[0] = rows;
  view.shape[1] = COLS;
  view.strides[0] = row_step;
  view.strides[1] = 1;
  return view;
}

static inline bool load_simulation(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  void *symbol = library ? dlsym(library, "sim_depth") : NULL;
  if (!symbol) return false;
#define FIND(type, name, parameters) \
  symbol = dlsym(library, #name);    \
  memcpy(&name, &symbol, sizeof name);
  SIM_FUNCTIONS(FIND)
  return true;
}

/* Sets up the two ABIs and the driver. `before` (may be NULL) runs before the mode is decided,
 * with a simulated driver only. Returns false where there is a real GPU. */
static inline bool set_up(bool *simulated, void (*before)(void)) {
  *simulated = load_simulation();
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_FULL, &standard, &cuda, &error));
  CHECK_OK(vc_gpumat_abi_init(3, VC_REFCOUNT_UP_ONLY, NULL, &counts_up, &error));
  if (*simulated && before) before();
  vc_mode mode;
  CHECK_OK(vc_cuda_mode(&mode, &error));
  if (!*simulated && mode == VC_MODE_CUDA) {
    printf("skipped: there is a real GPU\n");
    return false;
  }
  if (*simulated) sim_set_current(0);
  return true;
}

#endif
