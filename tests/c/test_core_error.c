/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, their texts in another language, sizes of structs, the version. */
#include <stdlib.h>

#include "check.h"
#include "core/error.h"
#include "internal.h"

static vc_error error;

static void test_version(void) {
  char needed[32];
  snprintf(needed, sizeof needed, "%d.%d.%d", VC_VERSION_MAJOR, VC_VERSION_MINOR, VC_VERSION_PATCH);
  CHECK_TEXT(vc_version(), needed);
}

static void test_messages(void) {
  vc_error filled;
  CHECK_INT(vc_fail(NULL, VC_ERROR_ABI, "nowhere to go: %d", 1), VC_ERROR_ABI);
  CHECK_INT(vc_fail(&filled, VC_ERROR_LAYOUT, "axis %d", 2), VC_ERROR_LAYOUT);
  CHECK_INT(filled.status, VC_ERROR_LAYOUT);
  CHECK_TEXT(filled.message, "axis 2");
  vc_fail(&filled, VC_ERROR_LAYOUT, "image: %s", filled.message);
  CHECK_TEXT(filled.message, "image: axis 2");
}

/* A message that does not fit ends before a character, never inside of one. */
static void test_long_messages(void) {
  const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x80\xA6", "\xF0\x9F\x98\x80"};
  for (size_t size = 1; size <= 4; size++)
    for (size_t shift = 0; shift < 4; shift++) {
      char text[2 * VC_MESSAGE_SIZE] = "";
      for (size_t i = 0; i < shift; i++) strcat(text, "-");
      while (strlen(text) < VC_MESSAGE_SIZE) strcat(text, characters[size - 1]);
      vc_error filled;
      vc_fail(&filled, VC_ERROR_VALUE, "%s", text);
      size_t left = VC_MESSAGE_SIZE - 1 - shift;
      CHECK_INT(strlen(filled.message), shift + left / size * size);
      CHECK(strncmp(filled.message, text, strlen(filled.message)) == 0);
    }
}

/* Of a struct that has grown since: callers of before, of now, and of later. */
static void test_sizes(void) {
  typedef struct {
    size_t size;
    int64_t first, later;
  } grown;
  const size_t least = offsetof(grown, later);
  struct {
    grown known;
    int64_t unknown;
  } given = {{least, 1, 2}, 0};
  grown read;
  CHECK_OK(vc_read_sized(&given, "grown", least, sizeof read, &read, &error));
  CHECK(read.size == sizeof read && read.first == 1 && read.later == 0);
  given.known.size = sizeof given.known;
  CHECK_OK(vc_read_sized(&given, "grown", least, sizeof read, &read, &error));
  CHECK(read.first == 1 && read.later == 2);
  given.known.size = sizeof given;
  CHECK_OK(vc_read_sized(&given, "grown", least, sizeof read, &read, &error));
  given.unknown = 1;
  CHECK_FAILS(vc_read_sized(&given, "grown", least, sizeof read, &read, &error), VC_ERROR_ARGUMENT,
              "grown.size is 32 and this library");
  given.known.size = least - 1;
  CHECK_FAILS(vc_read_sized(&given, "grown", least, sizeof read, &read, &error), VC_ERROR_ARGUMENT,
              "grown.size is 15");
}

/* In C messages speak of C; a binding puts its own words in their place. */
static void test_advice(void) {
  static const char *const pythons[] = {
      "copy=", "out=", "device=", "stream=", "layout=", "vc.", "torch", "NumPy", "CuPy"};
  static const char *const texts[VC_ADVICE_COUNT] = {[VC_ADVICE_PACK] = "pack it"};
  for (int i = 0; i < VC_ADVICE_COUNT; i++)
    for (size_t n = 0; n < sizeof pythons / sizeof *pythons; n++)
      CHECK(strstr(vc_advice_text((vc_advice)i), pythons[n]) == NULL);
  vc_advice_use(texts);
  CHECK_TEXT(vc_advice_text(VC_ADVICE_PACK), "pack it");
  CHECK_TEXT(vc_advice_text(VC_ADVICE_STREAM), "stream");
  vc_advice_use(NULL);
  CHECK(strstr(vc_advice_text(VC_ADVICE_PACK), "vc_transform") != NULL);
}

int main(void) {
  test_version();
  test_messages();
  test_long_messages();
  test_sizes();
  test_advice();
  return check_report();
}
