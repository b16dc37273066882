/* SPDX-License-Identifier: Apache-2.0 */
/* The order of streams: the consumer's after the producer's, and the release of memory after
 * both. */
#ifndef VIEWCAST_PYTHON_STREAM_ORDER_H
#define VIEWCAST_PYTHON_STREAM_ORDER_H

#include "images.h"

/* The orders that were given in one call for many images. Each is needed once: all images were
 * written before the call. */
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
 * itself tells, or its library's current one on the device. */
vc_stream ext_producer_stream(const ext_adapter *from, const ext_options *options,
                              const ext_source *source, int32_t device);

/* --- views */

/* Orders the consumer's stream after the producer's, and the later release of the memory
 * after the consumer's (ext_release_after). Called between import and export; sets
 * source->producer to the stream on which the image is ready. */
int ext_order_streams(const ext_adapter *from, const ext_options *options, ext_source *source);

/* --- copies and transforms */

/* For a consumer on the host: waits until the pixels of all images are there, where a GPU may
 * still write them. */
int ext_order_host(ext_images *images, const ext_options *options);

/* Orders `stream` of a device after the work on all images. Those in host memory count where a
 * GPU may be at work on it: pinned or managed memory. Sets the producer of each source. */
int ext_order_images(ext_images *images, const ext_options *options, int32_t device,
                     vc_stream stream);

/* --- memory that must live until a stream is done */

/* Owners that are kept until a stream has done the work that is on it: any number of them, with
 * one event on the stream. NULL: none. */
typedef struct ext_keep {
  size_t count, capacity;
  vc_owner owners[];
} ext_keep;

/* Takes an owner. On MemoryError it stays with the caller. */
int ext_keep_add(ext_keep **keep, vc_owner *owner);

/* Adds the owners of images, except those whose library orders the release of its memory after
 * `stream` anyway. */
int ext_keep_images(ext_keep **keep, ext_images *images, const ext_options *options, int32_t device,
                    vc_stream stream);

/* Releases all of them once what is on the stream now is done. Takes *keep. */
int ext_keep_until(ext_keep **keep, const ext_options *options, int32_t device, vc_stream stream);

/* Releases all of them now. `keep` is an ext_keep, or NULL. */
void ext_keep_release(void *keep);

#endif
