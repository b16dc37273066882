/* SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a UTF-8 character by its first byte; 0 for a byte inside of one. */
static size_t character_size(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC0) return 0;
  return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Takes the last character off where its end was cut away. */
static void drop_partial_character(char *text, size_t length) {
  size_t start = length;
  while (start > 0 && character_size((unsigned char)text[start - 1]) == 0) start--;
  if (start > 0 && start - 1 + character_size((unsigned char)text[start - 1]) > length)
    text[start - 1] = '\0';
}

vc_status vc_fail(vc_error *error, vc_status status, const char *format, ...) {
  if (error == NULL) return status;

  /* Formatted aside: the arguments may lie in the message itself. */
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

/* What no parameter struct will reach: a size above it was never set. */
enum { MOST_BYTES = 4096 };

static bool are_zeros(const unsigned char *bytes, size_t from, size_t to) {
  for (; from < to; from++)
    if (bytes[from] != 0) return false;
  return true;
}

vc_status vc_read_sized(const void *given, const char *name, size_t least, size_t known, void *out,
                        vc_error *error) {
  size_t size;
  memcpy(&size, given, sizeof size);
  if (size < least || size > MOST_BYTES)
    return vc_fail(error, VC_ERROR_ARGUMENT,
                   "%s.size is %zu, needs the size of the struct (%zu bytes in this library); "
                   "start from its initialiser, or set size to sizeof(%s)",
                   name, size, known, name);
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
