/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that contains the library, for test_unload.c. */
#include <stdlib.h>

#include <viewcast/viewcast.h>

enum { SIDE = 512, CHANNELS = 3 }; /* enough for several threads */

/* Converts an image with `threads` threads at most; false if it is wrong afterwards. */
__attribute__((visibility("default"))) bool plugin_transform(int32_t threads);

bool plugin_transform(int32_t threads) {
  const int64_t shape[] = {SIDE, SIDE, CHANNELS};
  const vc_device cpu = {VC_CPU, 0};
  const size_t count = (size_t)SIDE * SIDE * CHANNELS;
  uint8_t *from = malloc(count);
  float *to = malloc(count * sizeof *to);
  vc_view source, target;
  vc_transform_params params;
  bool right = from && to;
  for (size_t i = 0; right && i < count; i++) from[i] = (uint8_t)(i * 7);
  vc_transform_params_init(&params);
  params.threads = threads;
  params.scale = 2;
  right = right &&
          vc_view_packed(from, cpu, (vc_dtype){VC_UINT, 8}, 3, shape, &source, NULL) == VC_OK &&
          vc_view_packed(to, cpu, (vc_dtype){VC_FLOAT, 32}, 3, shape, &target, NULL) == VC_OK &&
          vc_transform(&target, &source, 1, &params, VC_STREAM_NONE, NULL) == VC_OK;
  for (size_t i = 0; right && i < count; i++) right = to[i] == (float)(2 * from[i]);
  free(from);
  free(to);
  return right;
}
