/* SPDX-License-Identifier: Apache-2.0 */
/* From the producer's stream to the consumer's, and the way back. */
#ifndef VP_HAND_OVER_H
#define VP_HAND_OVER_H

#include "adapters/adapter.h"

/* The orders given in the course of one call for many images: each is needed once,
 * for all of them were written before the call. */
typedef struct vp_orders {
  size_t count;
  struct vp_order {
    int32_t device;
    vc_stream producer, consumer;
  } given[8];
  bool has_consumer; /* the consumer's stream on `device` was looked up */
  int32_t device;
  vc_stream consumer;
} vp_orders;

/* The stream on which the result of a conversion will be used: stream=, else
 * the target library's current one. */
vc_stream vp_consumer_stream(const vp_options *options, int32_t device);

/* The stream on which the image was written: producer_stream=, what the image
 * itself tells, or its library's current one. */
vc_stream vp_producer_stream(const vp_adapter *from, const vp_options *options,
                             const vp_source *source);

/* The object behind the consumer's stream, which must live until the view's
 * memory has gone back: an event on a destroyed stream crashes the driver. New
 * reference, or NULL without an exception. */
PyObject *vp_consumer_object(const vp_options *options, int32_t device, vc_stream consumer);

/* Orders the consumer's stream after the producer's and sees to the way back.
 * Called between import and export; sets source->producer to the stream on
 * which the image is ready. */
int vp_hand_over(const vp_adapter *from, const vp_options *options, vp_source *source);

#endif
