/* SPDX-License-Identifier: Apache-2.0 */
/* VIEWCAST_SLOW: for tests, and for a library that a fast way does not suit. */
#ifndef VIEWCAST_PYTHON_SLOW_H
#define VIEWCAST_PYTHON_SLOW_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* True with VIEWCAST_SLOW=1 in the environment, which is read once: every library
 * is then read and made the public way. */
bool ext_is_slow(void);

#endif
