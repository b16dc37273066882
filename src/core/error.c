/* SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* The length of a UTF-8 character by its first byte; 0 for a byte inside of one. */
static size_t character_size(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC0) return 0;
  return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Removes the last character of a text that was cut, if only a part of it is left. */
static void drop_partial_character(char *text, size_t length) {
  size_t start = length;
  while (start > 0 && character_size((unsigned char)text[start - 1]) == 0) start--;
  if (start > 0 && start - 1 + character_size((unsigned char)text[start - 1]) > length)
    text[start - 1] = '\0';
}

#undef vc_fail /* the analyzer's */
vc_status vc_fail(vc_error *error, vc_status status, const char *format, ...) {
  if (error == NULL) return status;

  /* Formatted into another buffer, because the arguments may lie in error->message. */
  char message[VC_MESSAGE_SIZE];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);

  if (length < 0)
    message[0] = '\0';
  else if ((size_t)length >= sizeof message)
    drop_partial_character(message, sizeof message - 1);

  error->status = status;
  memcpy(error->message, message, strlen(message) + 1);
  return status;
}

vc_status vc_fail_null(vc_error *error, const char *function, const char *argument) {
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "%s: argument \"%s\" is NULL, needs an address: only what viewcast.h says may "
                 "be NULL can be left out",
                 function, argument);
}

/* The largest size that a struct may have: a size above it was never set. */
enum { MOST_BYTES = 4096 };

static bool are_zeros(const unsigned char *bytes, size_t from, size_t to) {
  for (; from < to; from++)
    if (bytes[from] != 0) return false;
  return true;
}

static vc_status check_size(size_t size, const char *name, size_t least, size_t known,
                            vc_error *error) {
  if (size >= least && size <= MOST_BYTES) return VC_OK;
  return vc_fail(error, VC_ERROR_ARGUMENT,
                 "%s.size is %zu, needs the size of the struct (%zu bytes in this library); "
                 "start from its initialiser, or set size to sizeof(%s)",
                 name, size, known, name);
}

vc_status vc_read_sized(const void *given, const char *name, size_t least, size_t known, void *out,
                        vc_error *error) {
  size_t size;
  memcpy(&size, given, sizeof size);
  VC_TRY(check_size(size, name, least, known, error));
  if (size > known && !are_zeros(given, known, size))
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "%s.size is %zu and this library (%s) knows %zu bytes of it, needs 0 in those "
                   "after them: load a later viewcast, or do not set what it does not know",
                   name, size, vc_version(), known);
  size_t common = size < known ? size : known;
  memset(out, 0, known);
  memcpy(out, given, common);
  memcpy(out, &known, sizeof known);
  return VC_OK;
}

vc_status vc_write_sized(const void *filled, const char *name, size_t least, size_t known,
                         void *given, vc_error *error) {
  size_t size;
  memcpy(&size, given, sizeof size);
  VC_TRY(check_size(size, name, least, known, error));
  size_t common = size < known ? size : known;
  memcpy(given, filled, common);
  memcpy(given, &size, sizeof size);
  return VC_OK;
}

/* ----------------------------------------------------- texts of the messages */

#define TEXT(name, text) [VC_ADVICE_##name] = text,

typedef const char *const *texts;

static const char *const texts_of_c[VC_ADVICE_COUNT] = {VC_ADVICE_LIST(TEXT)};
static _Atomic(texts) texts_of_binding; /* NULL: C's */

void vc_advice_use(const char *const given[VC_ADVICE_COUNT]) {
  atomic_store_explicit(&texts_of_binding, given, memory_order_release);
}

const char *vc_advice_text(vc_advice which) {
  texts given = atomic_load_explicit(&texts_of_binding, memory_order_acquire);
  return given != NULL && given[which] != NULL ? given[which] : texts_of_c[which];
}

/* ------------------------------------------------------------------ version */

#define AS_TEXT(number) #number
#define DOTTED(major, minor, patch) AS_TEXT(major) "." AS_TEXT(minor) "." AS_TEXT(patch)

const char *vc_version(void) {
  return DOTTED(VC_VERSION_MAJOR, VC_VERSION_MINOR, VC_VERSION_PATCH);
}

int32_t vc_version_number(void) { return VC_VERSION_NUMBER; }
