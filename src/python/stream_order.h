/* SPDX-License-Identifier: Apache-2.0 */
/* Orders the consumer's stream after the producer's, and the release of the memory after
 * both. */
#ifndef VIEWCAST_PYTHON_STREAM_ORDER_H
#define VIEWCAST_PYTHON_STREAM_ORDER_H

#include "adapters/adapter.h"

/* The orders given in the course of one call for many images: each is needed once,
 * for all of them were written before the call. */
typedef struct ext_orders {
  size_t count;
  struct ext_order {
    int32_t device;
    vc_stream producer, consumer;
  } given[8];
  bool has_consumer; /* the consumer's stream on `device` was looked up */
  int32_t device;
  vc_stream consumer;
} ext_orders;

/* The stream on which the result of a conversion will be used: stream=, else
 * the target library's current one. */
vc_stream ext_consumer_stream(const ext_options *options, int32_t device);

/* The stream on which the image was written: producer_stream=, what the image
 * itself tells, or its library's current one. */
vc_stream ext_producer_stream(const ext_adapter *from, const ext_options *options,
                              const ext_source *source);

/* The object behind the consumer's stream, which must live until the view's
 * memory has gone back: an event on a destroyed stream crashes the driver. New
 * reference, or NULL without an exception. */
PyObject *ext_consumer_object(const ext_options *options, int32_t device, vc_stream consumer);

/* Orders the consumer's stream after the producer's, and the later release of the memory
 * after the consumer's (deferred_release.h).
 * Called between import and export; sets source->producer to the stream on
 * which the image is ready. */
int ext_order_streams(const ext_adapter *from, const ext_options *options, ext_source *source);

/* For a consumer on the host: waits until the pixels are there, if a GPU may still write them. */
int ext_order_host(const ext_adapter *from, const ext_options *options, ext_source *source);

#endif
