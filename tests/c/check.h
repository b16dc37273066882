/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest test harness that does: checks count, print where they failed,
 * and go on. For C11 and C++17; checks may run on any thread. */
#ifndef VIEWCAST_TESTS_CHECK_H
#define VIEWCAST_TESTS_CHECK_H

#include <stdio.h>
#include <string.h>

#include <viewcast/viewcast.h>

static long checks_passed, checks_failed;

/* For a call whose status does not matter to the test. */
static inline void ignore(vc_status status) { (void)status; }

static inline vc_statistics read_statistics(void) {
  vc_statistics now = {sizeof now, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  ignore(vc_statistics_read(&now, NULL));
  return now;
}

static inline bool check_note(bool right, const char *file, int line) {
  __atomic_fetch_add(right ? &checks_passed : &checks_failed, 1, __ATOMIC_RELAXED);
  if (!right) fprintf(stderr, "%s:%d: ", file, line);
  return right;
}

static inline bool check_true(bool right, const char *text, const char *file, int line) {
  if (!check_note(right, file, line)) fprintf(stderr, "not true: %s\n", text);
  return right;
}

static inline bool check_int(long long found, long long needed, const char *text, const char *file,
                             int line) {
  if (!check_note(found == needed, file, line))
    fprintf(stderr, "%s is %lld, needs %lld\n", text, found, needed);
  return found == needed;
}

static inline bool check_text(const char *found, const char *needed, const char *text,
                              const char *file, int line) {
  bool right = found != NULL && strcmp(found, needed) == 0;
  if (!check_note(right, file, line))
    fprintf(stderr, "%s is \"%s\", needs \"%s\"\n", text, found ? found : "NULL", needed);
  return right;
}

static inline bool check_ok(vc_status status, const vc_error *error, const char *text,
                            const char *file, int line) {
  if (!check_note(status == VC_OK, file, line))
    fprintf(stderr, "%s failed with %d: %s\n", text, (int)status, error->message);
  return status == VC_OK;
}

static inline bool check_fails(vc_status status, const vc_error *error, vc_status needed,
                               const char *part, const char *text, const char *file, int line) {
  bool right = status == needed && error->status == needed && strstr(error->message, part) != NULL;
  if (!check_note(right, file, line))
    fprintf(stderr, "%s gave %d (error %d: \"%s\"), needs %d with \"%s\"\n", text, (int)status,
            (int)error->status, error->message, (int)needed, part);
  return right;
}

static inline int check_report(void) {
  printf("%ld passed, %ld failed\n", checks_passed, checks_failed);
  return checks_failed != 0;
}

#define CHECK(condition) check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(found, needed) \
  check_int((long long)(found), (long long)(needed), #found, __FILE__, __LINE__)
#define CHECK_TEXT(found, needed) check_text((found), (needed), #found, __FILE__, __LINE__)

/* A call that fills the `error` in scope. */
#define CHECK_OK(call) check_ok((call), &error, #call, __FILE__, __LINE__)
#define CHECK_FAILS(call, status, part) \
  check_fails((call), &error, (status), (part), #call, __FILE__, __LINE__)

#endif
