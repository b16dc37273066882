/* SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a UTF-8 character by its first byte; 0 for a byte inside of one. */
static size_t character_size(unsigned char first) {
  if (first < 0x80)
    return 1;
  if (first < 0xC0)
    return 0;
  return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Takes the last character off where its end was cut away. */
static void drop_partial_character(char *text, size_t length) {
  size_t start = length;
  while (start > 0 && character_size((unsigned char)text[start - 1]) == 0)
    start--;
  if (start > 0 && start - 1 + character_size((unsigned char)text[start - 1]) > length)
    text[start - 1] = '\0';
}

vc_status vc_fail(vc_error *error, vc_status status, const char *format, ...) {
  if (error == NULL)
    return status;

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
