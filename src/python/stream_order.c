/* SPDX-License-Identifier: Apache-2.0 */
#include "stream_order.h"

#include "deferred_release.h"
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
  vc_error error;
  if (orders && was_given(orders, &order)) return 0;
  if (vc_stream_order(order.device, order.producer, order.consumer, &error) != VC_OK) {
    return ext_raise(&error);
  }
  bool fits = orders && orders->count < sizeof orders->given / sizeof *orders->given;
  if (fits) orders->given[orders->count++] = order;
  return 0;
}

vc_stream ext_producer_stream(const ext_adapter *from, const ext_options *options,
                              const ext_source *source) {
  if (options->producer.given) return options->producer.handle;
  if (source->has_producer) return source->producer;
  return from->current_stream ? from->current_stream(source->view.device.id) : VC_STREAM_LEGACY;
}

/* The host reads as soon as it has the array: it waits, if the GPU may still be
 * writing. torch and NumPy call pinned memory host memory: the driver knows. */
static int wait_on_host(const ext_adapter *from, const ext_options *options, ext_source *source) {
  vc_error error;
  vc_device device = source->view.device;
  if (device.type == VC_CPU &&
      vc_cuda_pointer_device(source->view.data, &device, &error) != VC_OK) {
    return ext_raise(&error);
  }
  bool known = options->producer.given || source->has_producer || from->current_stream;
  if (device.type == VC_CPU || !known) return 0;
  /* Pinned memory is no device's: its library's current stream counts. */
  if (device.type == VC_CUDA_HOST) source->view.device.id = -1;
  vc_stream producer = ext_producer_stream(from, options, source);
  vc_status status = vc_stream_synchronize(source->view.device.id, producer, &error);
  source->view.device = device;
  return status == VC_OK ? 0 : ext_raise(&error);
}

/* torch's own streams live for ever; an int, and a foreign handle that torch was
 * given (ExternalStream), are their owner's to keep. */
PyObject *ext_consumer_object(const ext_options *options, int32_t device, vc_stream consumer) {
  const ext_stream *in_use = ext_stream_in_use();
  if (options->consumer.given) return Py_XNewRef(options->consumer.object);
  if (in_use && in_use->handle == consumer) return Py_XNewRef(in_use->object);
  PyObject *(*object)(int32_t, vc_stream) = options->target->stream_object;
  return object ? object(device, consumer) : NULL;
}

static int see_to_way_back(const ext_options *options, vc_stream producer, vc_stream consumer,
                           ext_source *source) {
  /* A producer that orders itself still gets its memory back. */
  bool itself = producer == VC_STREAM_NONE || source->producer_synchronises;
  bool same = !itself && vc_stream_same(producer, consumer);
  if (same || consumer == VC_STREAM_NONE || source->freed_by_cuda_free) return 0;
  PyObject *kept = ext_consumer_object(options, source->view.device.id, consumer);
  int result = ext_release_after(source, consumer, kept);
  Py_XDECREF(kept);
  return result;
}

/* Without a device there is nothing to order; but the memory of one can't be used
 * where the driver can't, as in a child of fork(). */
static int check_mode(const ext_source *source) {
  vc_error error;
  vc_mode mode;
  if (!vc_device_is_gpu(source->view.device)) return 0;
  return vc_cuda_mode(&mode, &error) == VC_OK ? 0 : ext_raise(&error);
}

int ext_order_host(const ext_adapter *from, const ext_options *options, ext_source *source) {
  if (vc_view_is_empty(&source->view)) return 0;
  return vc_cuda_device_count() == 0 ? check_mode(source) : wait_on_host(from, options, source);
}

int ext_order_streams(const ext_adapter *from, const ext_options *options, ext_source *source) {
  if (options->target->on_host) return ext_order_host(from, options, source);
  if (vc_view_is_empty(&source->view)) return 0;
  if (vc_cuda_device_count() == 0) return check_mode(source);
  if (!vc_device_is_gpu(source->view.device)) return 0;
  vc_stream producer = ext_producer_stream(from, options, source);
  vc_stream consumer = producer;
  if (options->consumer.given || options->target->current_stream) {
    consumer = ext_consumer_stream(options, source->view.device.id);
  }
  struct ext_order order = {source->view.device.id, producer, consumer};
  if (give_order(options->orders, order) < 0) return -1;
  if (see_to_way_back(options, producer, consumer, source) < 0) return -1;
  source->has_producer = true;
  source->producer = consumer == VC_STREAM_NONE ? producer : consumer;
  return 0;
}
