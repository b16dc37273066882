/* SPDX-License-Identifier: Apache-2.0 */
/* Element types: the check that every import goes through. */
#ifndef VIEWCAST_CORE_DTYPE_H
#define VIEWCAST_CORE_DTYPE_H

#include <viewcast/viewcast.h>

/* VC_ERROR_DTYPE with what was found and the nearest way out, unless viewcast
 * converts the type. Codes are DLPack's, those that viewcast does not know
 * included. */
vc_status vc_dtype_check(vc_dtype dtype, vc_error *error);

#endif
