/* SPDX-License-Identifier: Apache-2.0 */
/* What the library's messages advise, for callers in Python. */
#ifndef VP_ADVICE_H
#define VP_ADVICE_H

void vp_advice_init(void);

#endif
