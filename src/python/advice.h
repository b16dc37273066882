/* SPDX-License-Identifier: Apache-2.0 */
/* What the library's messages advise, for callers in Python. */
#ifndef VIEWCAST_PYTHON_ADVICE_H
#define VIEWCAST_PYTHON_ADVICE_H

void ext_advice_init(void);

#endif
