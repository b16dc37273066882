/* SPDX-License-Identifier: Apache-2.0 */
/* valgrind's requests to callgrind, as functions. Outside of valgrind they do
 * nothing. Built by count.py; the header comes with valgrind. */
#include <valgrind/callgrind.h>

int inside_valgrind(void) { return (int)RUNNING_ON_VALGRIND; }

void start(void) { CALLGRIND_START_INSTRUMENTATION; }

void stop(void) { CALLGRIND_STOP_INSTRUMENTATION; }

void dump(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
