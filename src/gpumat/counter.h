/* SPDX-License-Identifier: Apache-2.0 */
/* OpenCV's operations on GpuMat::refcount, atomic as its CV_XADD is. */
#ifndef VIEWCAST_GPUMAT_COUNTER_H
#define VIEWCAST_GPUMAT_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

bool vc_counter_take(int32_t *counter);      /* +1 unless it is 0; false if 0 */
bool vc_counter_give_back(int32_t *counter); /* -1; true if that made it 0 */
int32_t vc_counter_read(const int32_t *counter);

#endif
