/* SPDX-License-Identifier: Apache-2.0 */
/* Selects the kernel that carries out a plan, and fills its parameters. */
#ifndef VIEWCAST_TRANSFORM_DISPATCH_H
#define VIEWCAST_TRANSFORM_DISPATCH_H

#include "transform/kernels/list.h"

/* One launch. The struct is large: only the fields that the kernel reads are filled. */
typedef struct vc_launch {
  int32_t kernel; /* for vc_kernel_name */
  uint32_t grid[3];
  bool is_generic, is_resizing;
  bool has_more; /* a table, or coefficients, follow as second parameter */
  union {
    vc_fast fast;
    vc_generic generic;
    vc_resizing resizing;
    vc_yuv_writing writing;
  };
  vc_generic_more more; /* its table, or all of it for generic kernels */
  /* A list that is too long for the table: what the kernel reads in device
   * memory. NULL: none. To be freed with free(). */
  void *list;
  size_t list_bytes;
} vc_launch;

/* Every kernel, at most VC_MOST_KERNELS. */
extern const char *const vc_kernel_names[];
extern const int32_t vc_kernel_count;
enum { VC_MOST_KERNELS = 512 };

/* Selects a kernel for the plan. VC_ERROR_MEMORY if there is no host memory for a list,
 * VC_ERROR_LAYOUT if there are more elements than a launch can count. */
vc_status vc_dispatch(const vc_plan *plan, vc_launch *out, vc_error *error);

/* Selects a specialised kernel and fills `out`, except for the image list. Returns false if
 * the plan needs a generic kernel. */
bool vc_dispatch_fast(const vc_plan *plan, vc_launch *out);

/* Selects a generic kernel, which carries out any plan, and fills *out with its image list. */
vc_status vc_dispatch_generic(const vc_plan *plan, vc_launch *out, vc_error *error);

/* The number of blocks that a launch of a linear kernel should have before its threads make more
 * than one row each: enough work for every processor of a large GPU. Tests change it so that small
 * images take every path. Constant otherwise. */
extern int64_t vc_resize_blocks;

/* Selects a kernel for a plan whose sources are resized, and fills *out with its image list. */
vc_status vc_dispatch_resize(const vc_plan *plan, vc_launch *out, vc_error *error);

/* --- what these need: dispatch.c, dispatch_generic.c */

/* Indices of kernels that resize, in vc_kernel_names: of vc_resize_any, vc_resize_pillow,
 * vc_resize_pillow_yuv, vc_resize_area, the first of VC_LINEAR_KERNELS, of VC_YUV_KERNELS and of
 * VC_READ_KERNELS; and of vc_write_yuv. */
typedef struct vc_resize_kernels {
  int32_t any, pillow, pillow_yuv, area, linear, yuv, read, write;
} vc_resize_kernels;
vc_resize_kernels vc_resize_kernels_find(void);

/* What a linear kernel converts to; VC_LINEAR_raw1 are bytes that are moved as they are. */
typedef enum vc_linear_type {
  VC_LINEAR_raw1,
  VC_LINEAR_f16,
  VC_LINEAR_bf16,
  VC_LINEAR_f32,
  VC_LINEAR_none
} vc_linear_type;

vc_element vc_element_of(vc_dtype dtype);

/* Fills the types, coefficients, channels and destination of a plan that has up to
 * VC_CHANNELS_MAPPED channels. */
void vc_generic_fill(const vc_plan *plan, vc_generic *out);

vc_divider vc_divide_by(int64_t divisor);

/* Allocates the list of a launch whose images do not fit into its table. */
vc_status vc_take_list(vc_launch *out, int64_t count, size_t size, vc_error *error);

struct vc_geometry;
struct vc_geometry_item;
struct vc_yuv_source;

/* An image of a resize as the kernels have it. */
vc_resized vc_resized_of(const struct vc_geometry_item *item);

/* --- dispatch_yuv.c */

/* Returns true if VC_YUV_KERNELS and VC_READ_KERNELS can read the YUV images of a plan. */
bool vc_dispatch_yuv_reads(const vc_plan *plan, const vc_yuv_samples *samples);

/* Returns true if those images are not resized, and every crop of them begins at a unit. */
bool vc_dispatch_yuv_direct(const vc_plan *plan, const vc_yuv_samples *samples);

/* Fills the samples' properties, also where sources are no YUV images, except for the units. */
void vc_dispatch_yuv_samples(const struct vc_geometry *geometry, vc_yuv_samples *out);

/* Sets how kernels can load units of `cols` columns of all images. `whole`: units begin with the
 * first columns of the planes, not with those that are shown. */
void vc_dispatch_yuv_units(const struct vc_geometry *geometry, int32_t cols, bool whole,
                           vc_yuv_samples *out);

/* Fills chroma and rules of all images, and their list unless they are regular; `regular`
 * says whether their luma is. After vc_dispatch_yuv_samples. */
vc_status vc_dispatch_yuv_images(const struct vc_geometry *geometry, bool regular, vc_launch *out,
                                 vc_error *error);

/* Fills the launch that writes the planes of `to`. `writing` has the image, its size and the
 * rule; its other fields are set here. */
vc_status vc_dispatch_yuv_write(const struct vc_yuv_source *to, vc_yuv_writing *writing,
                                vc_launch *out, vc_error *error);

/* --- gpu.c */

/* Enqueues a launch on a stream of a device, or makes the same checks only. Frees its list. */
vc_status vc_launch_run(vc_launch *launch, int32_t device, vc_stream stream, bool enqueues,
                        vc_error *error);

#endif
