/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of how the loaded OpenCV lays out its GpuMat: memory is read without faulting and
 * compared with known values, and calls of counter and allocator are recorded. */
#include <errno.h>
#include <unistd.h>
#if defined(__linux__)
#  include <sys/uio.h>
#endif

#include "core/error.h"
#include "gpumat/lend.h"
#include "internal.h"

/* Reads through a pipe, whose write() fails with EFAULT for an unreadable buffer. For systems
 * that filter process_vm_readv. */
static bool read_through_pipe(const void *address, void *out, size_t size) {
  int ends[2];
  if (size > 4096 || pipe(ends) != 0) return false;
  bool ok =
      write(ends[1], address, size) == (ssize_t)size && read(ends[0], out, size) == (ssize_t)size;
  close(ends[0]);
  close(ends[1]);
  return ok;
}

static bool read_safely(const void *address, void *out, size_t size) {
#if defined(__linux__)
  struct iovec local = {out, size};
  struct iovec remote = {(void *)(uintptr_t)address, size};
  if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size) return true;
  if (errno != ENOSYS && errno != EPERM) return false;
#endif
  return read_through_pipe(address, out, size);
}

vc_status vc_memory_read(const void *address, void *out, size_t size, vc_error *error) {
  VC_NEED(out);
  if (size > PTRDIFF_MAX) {
    return vc_fail(error, VC_ERROR_ARGUMENT, "size is %zu bytes, needs %td at most", size,
                   (ptrdiff_t)PTRDIFF_MAX);
  }
  if (read_safely(address, out, size)) return VC_OK;
  return vc_fail(error, VC_ERROR_ABI, "%zu bytes at address %p can't be read", size, address);
}

static vc_status differs(vc_error *error, const char *field, long long found, long long needed) {
  return vc_fail(error, VC_ERROR_ABI,
                 "GpuMat's field %s reads %lld (0x%llx), needs %lld (0x%llx): this OpenCV lays "
                 "GpuMat out differently",
                 field, found, (unsigned long long)found, needed, (unsigned long long)needed);
}

vc_status vc_gpumat_verify(const void *address, const vc_gpumat *expected, vc_gpumat *found,
                           vc_error *error) {
  VC_NEED(expected);
  vc_gpumat read;
  VC_TRY(vc_memory_read(address, &read, sizeof read, error));
  const struct {
    const char *name;
    long long found, needed;
  } fields[] = {
      {"flags", read.flags, expected->flags},
      {"rows", read.rows, expected->rows},
      {"cols", read.cols, expected->cols},
      {"step", (long long)read.step, (long long)expected->step},
      {"data", (long long)(uintptr_t)read.data, (long long)(uintptr_t)expected->data},
      {"refcount", (long long)(uintptr_t)read.refcount, (long long)(uintptr_t)expected->refcount},
      {"datastart", (long long)(uintptr_t)read.datastart,
       (long long)(uintptr_t)expected->datastart},
      {"dataend", (long long)(uintptr_t)read.dataend, (long long)(uintptr_t)expected->dataend},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (fields[i].found != fields[i].needed) {
      return differs(error, fields[i].name, fields[i].found, fields[i].needed);
    }
  }
  if (found) *found = read;
  return VC_OK;
}

/* --- recorders: an allocator each of whose slots records its calls */

static uint8_t recorded_memory[64]; /* the memory of a recorded allocation */

static bool record_call(void *self, int32_t slot, const void *header) {
  vc_gpumat_probe *probe = self;
  probe->slot = slot;
  probe->calls++;
  probe->header = header;
  return true;
}

/* Allocates static memory, so that a create() needs no GPU. Writes nothing to a header that
 * the probe is not attached to. */
static bool record_allocate(void *self, vc_gpumat *mat, int rows, int cols, size_t elem_size) {
  vc_gpumat_probe *probe = self;
  bool attached = mat == probe->attached;
  record_call(self, 2, mat);
  if (!attached || rows < 1 || (size_t)cols * elem_size * (size_t)rows > sizeof recorded_memory) {
    return false;
  }
  mat->data = recorded_memory;
  mat->step = (size_t)cols * elem_size;
  mat->refcount = &probe->count;
  return true;
}

#define RECORDER(slot)                                          \
  static bool record_##slot(void *self, const void *argument) { \
    return record_call(self, slot, argument);                   \
  }
RECORDER(0)
RECORDER(1)
RECORDER(3)
RECORDER(4)
RECORDER(5)

typedef bool recorder(void *self, const void *argument);

/* offset-to-top, type info, then the slots, 2 more than OpenCV's class has. */
static const struct {
  ptrdiff_t offset_to_top;
  const void *type_info;
  recorder *slot_0, *slot_1;
  bool (*slot_2)(void *self, vc_gpumat *mat, int rows, int cols, size_t elem_size);
  recorder *slot_3, *slot_4, *slot_5;
} recorders = {0, NULL, record_0, record_1, record_allocate, record_3, record_4, record_5};

void vc_gpumat_probe_begin(vc_gpumat_probe *probe, int32_t count, vc_gpumat *mat) {
  VC_NEED_OR(probe, return);
  VC_NEED_OR(mat, return);
  *probe =
      (vc_gpumat_probe){.table = &recorders.slot_0, .count = count, .slot = -1, .attached = mat};
  mat->refcount = &probe->count;
  mat->allocator = probe;
}

void vc_gpumat_probe_end(vc_gpumat *mat, void *allocator) {
  VC_NEED_OR(mat, return);
  mat->data = NULL;
  mat->datastart = NULL;
  mat->dataend = NULL;
  mat->refcount = NULL;
  mat->allocator = allocator;
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

static const vc_control_table probe_table = {
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
