/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a vc_error, and the rule for NULL arguments. */
#ifndef VIEWCAST_CORE_ERROR_H
#define VIEWCAST_CORE_ERROR_H

#include <viewcast/viewcast.h>

/* Fills *error (which may be NULL) and returns `status`, so that a failure is
 * one statement. The arguments may point into error->message, which lets a
 * caller put words before the message of the call that failed. A message that
 * is too long is cut between two characters. */
vc_status vc_fail(vc_error *error, vc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* which sees one file at a time, and not that it returns `status` */
#  define vc_fail(error, status, ...) (vc_fail(error, status, __VA_ARGS__), (status))
#endif

/* VC_ERROR_ARGUMENT for an argument of a public function that is NULL and must not be. */
vc_status vc_fail_null(vc_error *error, const char *function, const char *argument)
    __attribute__((cold, noinline));

/* The rule for NULL that viewcast.h states, at the top of a public function: the argument
 * `pointer` may not be NULL. VC_NEED is for functions that return vc_status and have an
 * argument `error`; VC_NEED_OR is for others, with the statement that leaves them. */
#define VC_IS_NULL(pointer) __builtin_expect((pointer) == NULL, 0)
#define VC_NEED_OR(pointer, leave)  \
  do {                              \
    if (VC_IS_NULL(pointer)) leave; \
  } while (0)
#define VC_NEED(pointer) VC_NEED_OR(pointer, return vc_fail_null(error, __func__, #pointer))

/* Evaluates `call`, an expression of type vc_status, and returns its value from the calling
 * function unless it is VC_OK. For places where a failure leaves nothing to undo. */
#define VC_TRY(call)                        \
  do {                                      \
    vc_status vc_tried = (call);            \
    if (vc_tried != VC_OK) return vc_tried; \
  } while (0)

/* Reads a parameter struct that begins with its size in bytes: copies the fields that the
 * caller's struct has to `out`, which is `known` bytes large, and sets the others to 0.
 * VC_ERROR_ARGUMENT, which calls the struct `name`, where the size is less than `least` (0
 * above all: a struct that was not initialised), or where bytes that this library does not
 * know are not 0. */
vc_status vc_read_sized(const void *given, const char *name, size_t least, size_t known, void *out,
                        vc_error *error);

/* Writes a result into the caller's struct, which begins with its size in bytes: copies the
 * first bytes of `filled`, which is `known` bytes large, as far as both sides go. The size
 * stays as it is, and is checked as above. */
vc_status vc_write_sized(const void *filled, const char *name, size_t least, size_t known,
                         void *given, vc_error *error);

#endif
