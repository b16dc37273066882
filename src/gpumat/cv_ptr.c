/* SPDX-License-Identifier: Apache-2.0 */
/* GpuMat objects in memory of this library that a cv::Ptr owns like any other. A
 * std::shared_ptr has a control block, whose virtual table says how the object is destroyed;
 * for these objects it is a table of this file. */
#include "core/allocate.h"
#include "core/error.h"
#include "gpumat/header.h"
#include "gpumat/lend.h"

/* Slots of std::_Sp_counted_base's virtual table (Itanium C++ ABI). */
typedef struct {
  ptrdiff_t offset_to_top;
  const void *type_info;
  void (*complete_destructor)(void *self); /* the address point */
  void (*deleting_destructor)(void *self);
  void (*dispose)(void *self); /* the last shared_ptr is gone */
  void (*destroy)(void *self); /* and the last weak_ptr */
  void *(*get_deleter)(void *self, const void *type_info);
} control_table;

typedef struct {
  vc_gpumat_control control; /* first: what the pointer's second word points to */
  vc_gpumat mat;
} object;

/* As OpenCV's destructor does. */
static void dispose(void *self) {
  vc_gpumat *mat = &((object *)self)->mat;
  if (!mat->refcount || !vc_counter_give_back(mat->refcount)) return;
  if (mat->allocator) vc_allocator_table_of(mat->allocator)->free(mat->allocator, mat);
}

static void destroy(void *self) { free(self); }
static void leave(void *self) { (void)self; }

static void *no_deleter(void *self, const void *type_info) {
  (void)self, (void)type_info;
  return NULL;
}

static const control_table object_table = {
    .complete_destructor = leave,
    .deleting_destructor = destroy,
    .dispose = dispose,
    .destroy = destroy,
    .get_deleter = no_deleter,
};

vc_status vc_gpumat_new(const vc_gpumat_abi *abi, vc_gpumat **out, vc_gpumat_control **control,
                        vc_error *error) {
  VC_NEED(abi);
  VC_NEED(out);
  VC_NEED(control);
  if (abi->counting == VC_REFCOUNT_UP_ONLY) {
    return vc_fail(error, VC_ERROR_ABI,
                   "this OpenCV (4.x without CUDA) never ends a GpuMat: one in viewcast's memory "
                   "would not release what it refers to; let OpenCV make it (cv::makePtr)");
  }
  object *made = vc_malloc(sizeof *made);
  if (!made) return vc_fail(error, VC_ERROR_MEMORY, "no memory for a GpuMat");
  made->control = (vc_gpumat_control){&object_table.complete_destructor, 1, 1};
  /* The lender sends a later create() to the allocator that is the default then. */
  made->mat = (vc_gpumat){.flags = 0, .allocator = abi->standard_allocator ? vc_lender() : NULL};
  *out = &made->mat;
  *control = &made->control;
  return VC_OK;
}

void vc_gpumat_drop(vc_gpumat_control *control) {
  VC_NEED_OR(control, return);
  dispose(control);
  destroy(control);
}

/* --- a control block that records the calls of its table */

static void note(void *self, int slot) {
  vc_gpumat_control_probe *probe = self;
  probe->calls[slot]++;
  probe->last = slot;
}

static void note_0(void *self) { note(self, 0); }
static void note_1(void *self) { note(self, 1); }
static void note_2(void *self) { note(self, 2); }
static void note_3(void *self) { note(self, 3); }

static void *note_4(void *self, const void *type_info) {
  (void)type_info;
  note(self, 4);
  return NULL;
}

static const control_table probe_table = {
    .complete_destructor = note_0,
    .deleting_destructor = note_1,
    .dispose = note_2,
    .destroy = note_3,
    .get_deleter = note_4,
};

void vc_gpumat_control_probe_begin(vc_gpumat_control_probe *probe) {
  VC_NEED_OR(probe, return);
  *probe = (vc_gpumat_control_probe){
      .control = {&probe_table.complete_destructor, 1, 1},
      .last = -1,
  };
}

bool vc_gpumat_control_probe_ended(const vc_gpumat_control_probe *probe) {
  VC_NEED_OR(probe, return false);
  return probe->calls[0] == 0 && probe->calls[1] == 0 && probe->calls[2] == 1 &&
         probe->calls[3] == 1 && probe->calls[4] == 0 && probe->last == 3;
}
