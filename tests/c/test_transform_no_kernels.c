/* SPDX-License-Identifier: Apache-2.0 */
/* A library that was built without GPU kernels (-Dcuda=disabled): transforms of
 * host memory work, those of GPU memory say what is missing. */
#include <stdlib.h>

#include "check.h"

static vc_error error;

int main(void) {
  enum { SIZE = 4 * 6 * 3 };
  static const int64_t pixels[] = {4, 6, 3}, planes[] = {3, 4, 6};
  unsigned char source[SIZE], target[SIZE];
  vc_device devices[] = {{VC_CPU, 0}, {VC_CUDA, 0}};
  vc_dtype u8 = {VC_UINT, 8};
  vc_transform_params params;
  vc_view from, to;
  vc_transform_params_init(&params);
  params.to = VC_PLANAR;
  for (int i = 0; i < SIZE; i++) source[i] = (unsigned char)i;
  CHECK_TEXT(vc_transform_kernels(), "");
  for (int gpu = 0; gpu < 2; gpu++) {
    memset(target, 255, sizeof target);
    CHECK_OK(vc_view_packed(source, devices[gpu], u8, 3, pixels, &from, &error));
    CHECK_OK(vc_view_packed(target, devices[gpu], u8, 3, planes, &to, &error));
    vc_status status = vc_transform(&to, &from, 1, &params, 0, &error);
    if (gpu) {
      CHECK_FAILS(status, VC_ERROR_CUDA, "built without GPU kernels (-Dcuda=disabled)");
    } else {
      CHECK_OK(status);
    }
    CHECK_INT(target[1], gpu ? 255 : 3);
  }
  return check_report();
}
