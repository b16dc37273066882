/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated CUDA driver: libcuda.so.1 without a GPU, for tests of what is
 * called, on which stream, in which context. It runs nothing; it keeps the
 * driver's rules, and counts where they are broken. Tests control it through
 * the functions below, which they find with dlsym. */
#ifndef VIEWCAST_TESTS_SIMULATED_CUDA_H
#define VIEWCAST_TESTS_SIMULATED_CUDA_H

#include <stddef.h>
#include <stdint.h>

/* CUresult, as far as it is simulated. */
enum {
  SIM_SUCCESS = 0,
  SIM_INVALID_VALUE = 1,
  SIM_OUT_OF_MEMORY = 2,
  SIM_DEINITIALIZED = 4,
  SIM_NO_DEVICE = 100,
  SIM_INVALID_CONTEXT = 201,
  SIM_NO_BINARY = 209,
  SIM_INVALID_HANDLE = 400,
  SIM_NOT_FOUND = 500,
  SIM_NOT_READY = 600,
  SIM_ILLEGAL_ADDRESS = 700,
  SIM_CAPTURE_UNSUPPORTED = 900,
  SIM_CAPTURE_INVALIDATED = 901,
  SIM_CAPTURE_MERGE = 902,
  SIM_CAPTURE_ISOLATION = 905,
  SIM_CAPTURE_IMPLICIT = 906,
  SIM_CAPTURED_EVENT = 907,
  SIM_UNKNOWN = 999
};

/* CUstreamCaptureMode */
enum { SIM_GLOBAL = 0, SIM_THREAD_LOCAL = 1, SIM_RELAXED = 2 };

/* Kinds of registered memory, as DLPack numbers devices. */
enum { SIM_DEVICE = 2, SIM_PINNED = 3, SIM_MANAGED = 13 };

/* A call of the driver, as it came in. */
typedef struct sim_call {
  const char *name;
  intptr_t stream;  /* as given; 0 where the call has none */
  uintptr_t object; /* event, address or context; 0 where it has none */
  int device;       /* whose context was current; -1: none */
  int mode;         /* the thread's capture mode */
  int result;
} sim_call;

/* A kernel launch: `run` gives a CUresult. Grid, then block. */
typedef int (*sim_runner)(const char *kernel, const unsigned sizes[6], void **parameters);

/* X(type, name, parameters) */
#define SIM_FUNCTIONS(X)                                                                           \
  /* How many devices there are: SIMULATED_CUDA_DEVICES, else 1. */                                \
  X(void, sim_set_devices, (int count))                                                            \
  /* A device's compute capability, 10 * major + minor; 9.0 until it is set. */                    \
  X(void, sim_set_capability, (int device, int capability))                                        \
  /* The top of this thread's context stack, by device; -1: none. */                               \
  X(void, sim_set_current, (int device))                                                           \
  X(int, sim_current, (void))                                                                      \
  /* How much this thread has pushed, and its capture mode. */                                     \
  X(int, sim_depth, (void))                                                                        \
  X(int, sim_mode, (void))                                                                         \
  X(intptr_t, sim_stream_create, (int device, int non_blocking))                                   \
  X(void, sim_stream_destroy, (intptr_t stream))                                                   \
  /* What is and will be on the stream (1: legacy) is not done, until it is not busy. */           \
  X(void, sim_busy, (intptr_t stream, int device, int busy))                                       \
  X(uint64_t, sim_begin_capture, (intptr_t stream, int mode))                                      \
  X(void, sim_join_capture, (intptr_t stream, intptr_t capturing))                                 \
  /* 0, or what went wrong meanwhile. Ends it on all its streams. */                               \
  X(int, sim_end_capture, (intptr_t stream))                                                       \
  X(void, sim_register, (const void *address, size_t bytes, int kind, int device))                 \
  X(void, sim_unregister, (const void *address))                                                   \
  /* The memory was allocated in the context of that device, whatever its own device is. */        \
  X(void, sim_set_context, (const void *address, int device))                                      \
  /* After `after` more calls of the symbol, the next one gives `result`. */                       \
  X(void, sim_fail, (const char *symbol, int after, int result))                                   \
  /* Enqueues work, and says whether all that comes on `later` from now on runs after it. The    \
   * number is the work's on its stream; 1 is the legacy stream of the current device. */ \
  X(int, sim_work, (intptr_t stream))                                                              \
  X(int, sim_is_after, (intptr_t later, intptr_t earlier, int work))                               \
  /* Bytes of a device that were allocated and not freed. */                                       \
  X(size_t, sim_used, (int device))                                                                \
  /* Runs kernels; without, launches are noted only, as they are in a capture. */                  \
  X(void, sim_set_runner, (sim_runner run))                                                        \
  /* The last launch: the kernel's name, and its sizes as a runner is given them. */               \
  X(const char *, sim_last_kernel, (void))                                                         \
  X(const unsigned *, sim_last_sizes, (void))                                                      \
  /* The code that the last launched kernel was loaded from. */                                    \
  X(const void *, sim_last_code, (void))                                                           \
  /* From now on every call says that the driver is shutting down. */                              \
  X(void, sim_shut_down, (int down))                                                               \
  X(int, sim_calls, (const char *symbol))                                                          \
  X(int, sim_log_length, (void))                                                                   \
  X(int, sim_log_read, (int index, sim_call *out))                                                 \
  X(void, sim_log_clear, (void))                                                                   \
  X(int, sim_events, (void))                                                                       \
  /* Rules that were broken, and which was the last. */                                            \
  X(int, sim_errors, (void))                                                                       \
  X(const char *, sim_last_error, (void))

#endif
