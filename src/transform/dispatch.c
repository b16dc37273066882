/* SPDX-License-Identifier: Apache-2.0 */
/* The names of all kernels, and the decision between the fast and the generic ones. */
#include "transform/dispatch.h"

/* Each kernel, and right after it the one for lists (or for more). */
#define FAST_NAMES(family, from, to, channels)   \
  "vc_" #family "_" #from "_" #to "_" #channels, \
      "vc_" #family "_" #from "_" #to "_" #channels "_list",
#define GENERIC_NAMES(name, work) "vc_generic_" #name, "vc_generic_" #name "_more",

#define LINEAR_NAME(to, in, out) "vc_resize_linear_" #to "_" #in "_" #out,
#define YUV_NAME(sample) "vc_resize_yuv_" #sample,
#define READ_NAME(groups) "vc_read_yuv_" #groups,

const char *const vc_kernel_names[] = {VC_GENERIC_KERNELS(GENERIC_NAMES)
                                           VC_FAST_KERNELS(FAST_NAMES) "vc_resize_any",
                                       "vc_resize_pillow", "vc_resize_pillow_yuv", "vc_resize_area",
                                       VC_LINEAR_KERNELS(LINEAR_NAME) VC_YUV_KERNELS(YUV_NAME)
                                           VC_READ_KERNELS(READ_NAME) "vc_write_yuv"};
const int32_t vc_kernel_count = sizeof vc_kernel_names / sizeof *vc_kernel_names;
_Static_assert(sizeof vc_kernel_names / sizeof *vc_kernel_names <= VC_MOST_KERNELS,
               "VC_MOST_KERNELS is too small");

#define ONE_MORE(name, work) +1
enum { GENERIC = 0 VC_GENERIC_KERNELS(ONE_MORE) };
#define ONE_MORE_FAST(family, from, to, channels) +1
enum { FAST = 0 VC_FAST_KERNELS(ONE_MORE_FAST) };
#define ONE_MORE_LINEAR(to, in, out) +1
enum { LINEAR = 0 VC_LINEAR_KERNELS(ONE_MORE_LINEAR) };
#define ONE_MORE_YUV(sample) +1
enum { YUV = 0 VC_YUV_KERNELS(ONE_MORE_YUV) };
enum { READ = 0 VC_READ_KERNELS(ONE_MORE_YUV) };

vc_resize_kernels vc_resize_kernels_find(void) {
  const int32_t first = 2 * (GENERIC + FAST), linear = first + 4, yuv = linear + LINEAR;
  const int32_t read = yuv + YUV, write = read + READ;
  return (vc_resize_kernels){first, first + 1, first + 2, first + 3, linear, yuv, read, write};
}

/* Puts the addresses of the sources into the launch's table, or into a list if they are too
 * many for it. */
static vc_status list_images(const vc_plan *plan, vc_launch *out, vc_error *error) {
  out->has_more = true;
  out->kernel += 1;
  bool fits = plan->images <= VC_TABLE_IMAGES;
  if (!fits) {
    vc_status status = vc_take_list(out, plan->images, sizeof(char *), error);
    if (status != VC_OK) return status;
  }
  const char **into = fits ? out->more.table.images : out->list;
  for (int64_t i = 0; i < plan->images; i++) into[i] = plan->sources[i].data;
  return VC_OK;
}

vc_status vc_dispatch(const vc_plan *plan, vc_launch *out, vc_error *error) {
  out->list = NULL;
  out->has_more = out->is_resizing = false;
  if (plan->geometry) return vc_dispatch_resize(plan, out, error);
  if (!vc_dispatch_fast(plan, out)) return vc_dispatch_generic(plan, out, error);
  out->kernel = 2 * (GENERIC + out->kernel);
  return plan->sources ? list_images(plan, out, error) : VC_OK;
}
