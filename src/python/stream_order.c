/* SPDX-License-Identifier: Apache-2.0 */
/* The order of streams, and memory that must live until a stream is done. */
#include "stream_order.h"

#include "errors.h"

vc_stream ext_consumer_stream(const ext_options *options, int32_t device) {
  ext_orders *orders = options->orders;
  if (options->consumer.given) return options->consumer.handle;
  if (!options->target->current_stream) return VC_STREAM_LEGACY;
  if (orders && orders->has_consumer && orders->device == device) return orders->consumer;
  vc_stream stream = options->target->current_stream(device);
  if (orders) {
    orders->has_consumer = true;
    orders->device = device;
    orders->consumer = stream;
  }
  return stream;
}

static bool was_given(const ext_orders *orders, const struct ext_order *order) {
  for (size_t i = 0; i < orders->count; i++) {
    const struct ext_order *each = &orders->given[i];
    if (each->device == order->device && each->producer == order->producer &&
        each->consumer == order->consumer) {
      return true;
    }
  }
  return false;
}

static int give_order(ext_orders *orders, struct ext_order order) {
  if (orders && was_given(orders, &order)) return 0;
  EXT_TRY(vc_stream_order(order.device, order.producer, order.consumer, &error));
  bool fits = orders && orders->count < sizeof orders->given / sizeof *orders->given;
  if (fits) orders->given[orders->count++] = order;
  return 0;
}

vc_stream ext_producer_stream(const ext_adapter *from, const ext_options *options,
                              const ext_source *source, int32_t device) {
  if (options->producer.given) return options->producer.handle;
  if (source->has_producer) return source->producer;
  return from->current_stream ? from->current_stream(device) : VC_STREAM_LEGACY;
}

/* Finds out whether a GPU may still be writing an image that the host can read. *out is the kind of
 * its memory by the driver, because torch and NumPy describe pinned memory as host memory. It is
 * VC_CPU for memory that no GPU writes, and where no stream is known on which one could write. */
static int find_writer(const ext_adapter *from, const ext_options *options,
                       const ext_source *source, vc_device *out) {
  bool known = options->producer.given || source->has_producer || from->current_stream;
  *out = source->view.device;
  if (!known) *out = (vc_device){VC_CPU, 0};
  if (!known || out->type != VC_CPU) return 0;
  EXT_TRY(vc_cuda_pointer_device(source->view.data, out, &error));
  return 0;
}

/* Waits until no GPU writes the memory any more. The host may read the array as soon as the call
 * returns. */
static int wait_on_host(const ext_adapter *from, const ext_options *options,
                        const ext_source *source) {
  vc_device device;
  if (find_writer(from, options, source, &device) < 0) return -1;
  if (device.type == VC_CPU) return 0;
  /* Pinned memory belongs to no device: the stream is the one that is current in its library. */
  int32_t id = device.type == VC_CUDA_HOST ? -1 : source->view.device.id;
  vc_stream producer = ext_producer_stream(from, options, source, id);
  EXT_TRY(vc_stream_synchronize(id, producer, &error));
  return 0;
}

/* The object behind the consumer's stream, which must live until the view's memory was released:
 * an event on a destroyed stream crashes the driver. New reference, or NULL without an
 * exception. torch's own streams are never destroyed. The caller keeps a stream that is given as an
 * int, or to torch as a foreign handle (ExternalStream). */
static PyObject *consumer_object(const ext_options *options, int32_t device, vc_stream consumer) {
  const ext_stream *in_use = ext_stream_in_use();
  if (options->consumer.given) return Py_XNewRef(options->consumer.object);
  if (in_use && in_use->handle == consumer) return Py_XNewRef(in_use->object);
  PyObject *(*object)(int32_t, vc_stream) = options->target->stream_object;
  return object ? object(device, consumer) : NULL;
}

/* Orders the release of the memory after the consumer. */
static int order_release(const ext_options *options, vc_stream producer, vc_stream consumer,
                         ext_source *source) {
  /* The memory of a producer that synchronises itself is released in order all the same. */
  bool itself = producer == VC_STREAM_NONE || source->producer_synchronises;
  bool same = !itself && vc_stream_same(producer, consumer);
  if (same || consumer == VC_STREAM_NONE || source->freed_by_cuda_free) return 0;
  PyObject *kept = consumer_object(options, source->view.device.id, consumer);
  int result = ext_release_after(source, consumer, kept);
  Py_XDECREF(kept);
  return result;
}

/* Raises CUDAError for memory of a GPU that can't be used because the driver can't, as in a child
 * of fork(). Without devices there is nothing to order. */
static int check_mode(const ext_source *source) {
  vc_mode mode;
  if (vc_device_is_gpu(source->view.device)) EXT_TRY(vc_cuda_mode(&mode, &error));
  return 0;
}

static int order_on_host(const ext_adapter *from, const ext_options *options, ext_source *source) {
  if (vc_view_is_empty(&source->view)) return 0;
  return vc_cuda_device_count() == 0 ? check_mode(source) : wait_on_host(from, options, source);
}

int ext_order_streams(const ext_adapter *from, const ext_options *options, ext_source *source) {
  if (options->target->on_host) return order_on_host(from, options, source);
  if (!vc_device_is_gpu(source->view.device) || vc_view_is_empty(&source->view)) return 0;
  if (vc_cuda_device_count() == 0) return check_mode(source);
  vc_stream producer = ext_producer_stream(from, options, source, source->view.device.id);
  vc_stream consumer = producer;
  if (options->consumer.given || options->target->current_stream) {
    consumer = ext_consumer_stream(options, source->view.device.id);
  }
  struct ext_order order = {source->view.device.id, producer, consumer};
  if (give_order(options->orders, order) < 0) return -1;
  if (order_release(options, producer, consumer, source) < 0) return -1;
  source->has_producer = true;
  source->producer = consumer == VC_STREAM_NONE ? producer : consumer;
  return 0;
}

/* --- copies and transforms */

int ext_order_host(ext_images *images, const ext_options *options) {
  size_t count;
  ext_image *memory = ext_images_memory(images, &count);
  for (size_t i = 0; i < count; i++) {
    if (!memory[i].from) continue;
    if (order_on_host(memory[i].from, options, &memory[i].source) < 0) return -1;
  }
  return 0;
}

static int order_image(ext_image *image, const ext_options *options, struct ext_order order,
                       ext_orders *orders) {
  vc_device writer = image->source.view.device;
  if (!vc_device_is_gpu(writer) && find_writer(image->from, options, &image->source, &writer) < 0) {
    return -1;
  }
  if (writer.type == VC_CPU) return 0;
  order.producer = ext_producer_stream(image->from, options, &image->source, order.device);
  image->source.has_producer = true; /* the library is asked once */
  image->source.producer = order.producer;
  return give_order(orders, order);
}

int ext_order_images(ext_images *images, const ext_options *options, int32_t device,
                     vc_stream stream) {
  ext_orders orders = {0};
  size_t count;
  ext_image *memory = ext_images_memory(images, &count);
  for (size_t i = 0; i < count; i++) {
    ext_image *image = &memory[i];
    struct ext_order order = {device, VC_STREAM_NONE, stream};
    if (!image->from || image->is_unfilled) continue;
    if (order_image(image, options, order, &orders) < 0) return -1;
  }
  return 0;
}

/* --- memory that must live until a stream is done */

int ext_keep_add(ext_keep **keep, vc_owner *owner) {
  ext_keep *kept = *keep;
  if (!owner->release) return 0;
  if (!kept || kept->count == kept->capacity) {
    size_t count = kept ? kept->count : 0, capacity = kept ? 2 * kept->capacity : 4;
    kept = PyMem_RawRealloc(kept, sizeof *kept + capacity * sizeof *kept->owners);
    if (!kept) return ext_no_memory();
    kept->count = count;
    kept->capacity = capacity;
    *keep = kept;
  }
  kept->owners[kept->count++] = *owner;
  *owner = (vc_owner){0};
  return 0;
}

/* A release may run Python code that enters this function again, so each owner is removed before
 * it is released. */
void ext_keep_release(void *keep) {
  ext_keep *kept = keep;
  while (kept && kept->count) {
    vc_owner owner = kept->owners[--kept->count];
    ext_release(&owner);
  }
  PyMem_RawFree(kept);
}

/* Whether the library's own order keeps the memory until `stream` is done. */
static bool is_ordered(const ext_source *source, vc_stream producer, vc_stream stream) {
  if (source->freed_by_cuda_free) return true; /* cudaFree waits */
  return !source->producer_synchronises && producer == stream;
}

int ext_keep_images(ext_keep **keep, ext_images *images, const ext_options *options, int32_t device,
                    vc_stream stream) {
  size_t count;
  ext_image *memory = ext_images_memory(images, &count);
  for (size_t i = 0; i < count; i++) {
    ext_image *image = &memory[i];
    if (!image->from || image->is_unfilled) continue;
    vc_stream producer = ext_producer_stream(image->from, options, &image->source, device);
    if (is_ordered(&image->source, producer, stream)) continue;
    if (ext_keep_add(keep, &image->source.owner) < 0) return -1;
  }
  return 0;
}

int ext_keep_until(ext_keep **keep, const ext_options *options, int32_t device, vc_stream stream) {
  ext_source kept = {.view.device = {VC_CUDA, device}};
  if (!*keep) return 0;
  kept.owner = (vc_owner){*keep, ext_keep_release, false};
  *keep = NULL;
  PyObject *object = consumer_object(options, device, stream);
  int result = ext_release_after(&kept, stream, object);
  Py_XDECREF(object);
  if (result < 0) vc_ignore(vc_stream_synchronize(device, stream, NULL));
  ext_release(&kept.owner);
  return result;
}
