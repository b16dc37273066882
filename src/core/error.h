/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a vc_error. */
#ifndef VIEWCAST_CORE_ERROR_H
#define VIEWCAST_CORE_ERROR_H

#include <viewcast/viewcast.h>

/* Fills *error (which may be NULL) and returns `status`, so that a failure is
 * one statement. The arguments may point into error->message, which lets a
 * caller put words before the message of the call that failed. A message that
 * is too long is cut between two characters. */
vc_status vc_fail(vc_error *error, vc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
