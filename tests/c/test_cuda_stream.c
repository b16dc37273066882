/* SPDX-License-Identifier: Apache-2.0 */
/* Order between streams: events, graph captures, failures, several devices. */
#include "simulated_process.h"

static void test_same(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, false);
  CHECK(vc_stream_same(a, a));
  CHECK(vc_stream_same(0, 1));
  CHECK(vc_stream_same(-1, a) && vc_stream_same(a, -1));
  CHECK(!vc_stream_same(a, b) && !vc_stream_same(1, 2) && !vc_stream_same(0, 2));
  CHECK_OK(vc_stream_order(0, a, a, &error));
  CHECK_OK(vc_stream_order(0, 0, 1, &error));
  CHECK_OK(vc_stream_order(0, 1, 0, &error));
  CHECK_OK(vc_stream_order(0, -1, a, &error));
  CHECK_OK(vc_stream_order(0, a, -1, &error));
  CHECK_OK(vc_stream_order(99, a, a, &error));
  CHECK_INT(sim_log_length(), 0); /* not one call, of any kind */
}

static void order_everything(void) {
  intptr_t a = lettered[0], b = lettered[1];
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_WORK("record A@0, wait B@0");
  CHECK_OK(vc_stream_order(0, 0, b, &error));
  CHECK_WORK("record 1@0, wait B@0");
  CHECK_OK(vc_stream_order(0, a, 1, &error));
  CHECK_WORK("record A@0, wait 1@0");
  CHECK_OK(vc_stream_order(0, 2, 1, NULL));
  CHECK_WORK("record 2@0, wait 1@0");
}

static void order_without_context(void) {
  CHECK_INT(sim_current(), -1);
  order_everything();
  check_undisturbed(-1);
}

static void test_order(void) {
  new_stream(0, false), new_stream(0, true);
  CHECK_OK(vc_stream_order(0, lettered[0], lettered[1], &error));
  CHECK_WORK("create@0, record A@0, wait B@0");
  on_new_thread(order_without_context);
  sim_set_current(0);
  order_everything();
  CHECK_INT(sim_events(), 1); /* the pool's */
  CHECK_FAILS(vc_stream_order(-1, 1, 2, &error), VC_ERROR_DEVICE, "there is no CUDA device -1");
  CHECK_FAILS(vc_stream_order(64, 1, 2, &error), VC_ERROR_DEVICE, "CUDA device 64");
  CHECK_WORK("");
  check_undisturbed(0);
}

static void test_capture_mode_restored(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, false);
  set_mode(SIM_THREAD_LOCAL);
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_INT(sim_mode(), SIM_THREAD_LOCAL);
  CHECK_OK(vc_stream_synchronize(0, a, &error));
  CHECK_INT(sim_mode(), SIM_THREAD_LOCAL);
  CHECK(!vc_stream_is_capturing(0, a));
  CHECK_INT(sim_mode(), SIM_THREAD_LOCAL);
  set_mode(SIM_GLOBAL);
}

/* Many threads: no event is lost or used by two, and none is left over. */
enum { THREADS = 8, ROUNDS = 300 };

static void *order_often(void *unused) {
  vc_error own;
  (void)unused;
  intptr_t a = sim_stream_create(0, 0), b = sim_stream_create(0, 1);
  for (int i = 0; i < ROUNDS; i++) {
    vc_event recorded;
    check_ok(vc_stream_order(0, a, b, &own), &own, "order", __FILE__, __LINE__);
    if (check_ok(vc_event_record(0, a, &recorded, &own), &own, "recorded", __FILE__, __LINE__)) {
      CHECK(vc_event_done(&recorded));
    }
  }
  check_undisturbed(-1);
  return NULL;
}

static void test_threads(void) {
  pthread_t threads[THREADS];
  CHECK_OK(vc_cuda_warmup(0, &error));
  for (int i = 0; i < THREADS; i++) {
    CHECK_INT(pthread_create(&threads[i], NULL, order_often, NULL), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK_INT(sim_calls("cuEventRecord"), 2 * THREADS * ROUNDS);
  CHECK_INT(sim_calls("cuStreamWaitEvent"), THREADS * ROUNDS);
  CHECK_INT(sim_events(), POOLED);
}

static void test_pool_reused(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  CHECK_OK(vc_cuda_warmup(0, &error));
  int created = sim_calls("cuEventCreate");
  for (int i = 0; i < 100; i++) CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_INT(sim_calls("cuEventCreate"), created);
  CHECK_INT(sim_calls("cuEventDestroy_v2"), 0);
}

/* Refused, and neither enqueued nor any capture disturbed. */
static void refuse_order(intptr_t producer, intptr_t consumer, const char *part) {
  CHECK_FAILS(vc_stream_order(0, producer, consumer, &error), VC_ERROR_CUDA, part);
  CHECK_WORK("");
}

static void test_one_side_captures(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true), c = new_stream(0, true);
  sim_begin_capture(b, SIM_GLOBAL);
  refuse_order(a, b, "the consumer's stream is capturing a graph and the producer's stream is not");
  refuse_order(b, a, "the producer's stream is capturing a graph and the consumer's stream is not");
  refuse_order(b, a, "producer and consumer");
  refuse_order(b, 1, "is not part of that capture");
  refuse_order(2, b, "is not part of that capture");
  sim_begin_capture(c, SIM_GLOBAL);
  refuse_order(b, c, "is not part of that capture");
  CHECK_INT(sim_end_capture(c), 0);
  CHECK_INT(sim_end_capture(b), 0);
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_WORK("create@0, record A@0, wait B@0");
}

static void test_both_capture(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  sim_begin_capture(a, SIM_GLOBAL);
  sim_join_capture(b, a);
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_WORK("create@0, record A@0, wait B@0");
  CHECK_OK(vc_stream_order(0, b, a, &error));
  CHECK_WORK("record B@0, wait A@0");
  CHECK_INT(sim_end_capture(a), 0);
  CHECK_OK(vc_stream_order(0, a, b, &error)); /* the event of a capture serves again */
  CHECK_WORK("record A@0, wait B@0");
}

static void test_default_stream_and_capture(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true), c = new_stream(0, true);
  sim_begin_capture(a, SIM_GLOBAL); /* blocking: it would draw the legacy stream in */
  refuse_order(1, c, "the default stream (producer's side) can't take part");
  refuse_order(0, a, "the default stream (producer's side) can't take part");
  refuse_order(a, 0, "the default stream (consumer's side) can't take part");
  CHECK_OK(vc_stream_order(0, b, c, &error)); /* strangers to it */
  CHECK_WORK("create@0, record B@0, wait C@0");
  CHECK_OK(vc_stream_order(0, 2, c, &error));
  CHECK_WORK("record 2@0, wait C@0");
  CHECK_INT(sim_end_capture(a), 0);
  sim_begin_capture(b, SIM_GLOBAL); /* non-blocking: no concern of the legacy stream */
  CHECK_OK(vc_stream_order(0, 1, c, &error));
  CHECK_WORK("record 1@0, wait C@0");
  CHECK_INT(sim_end_capture(b), 0);
}

static void test_is_capturing(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  CHECK(!vc_stream_is_capturing(0, a) && !vc_stream_is_capturing(0, 1));
  CHECK_WORK("");
  sim_begin_capture(a, SIM_THREAD_LOCAL);
  CHECK(vc_stream_is_capturing(0, a));
  CHECK(vc_stream_is_capturing(0, 0) && vc_stream_is_capturing(0, 1));
  CHECK(!vc_stream_is_capturing(0, 2) && !vc_stream_is_capturing(0, b));
  CHECK(!vc_stream_is_capturing(0, -1));
  sim_fail("cuStreamIsCapturing", 0, SIM_UNKNOWN);
  CHECK(!vc_stream_is_capturing(0, a));
  CHECK_INT(sim_end_capture(a), 0);
  CHECK(!vc_stream_is_capturing(0, a) && !vc_stream_is_capturing(0, 1));
}

static void test_synchronize(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  CHECK_OK(vc_stream_synchronize(0, -1, &error));
  CHECK_INT(sim_log_length(), 0);
  CHECK_OK(vc_stream_synchronize(0, a, &error));
  CHECK_WORK("synchronize A@0");
  CHECK_OK(vc_stream_synchronize(0, 0, &error));
  CHECK_WORK("synchronize 1@0");
  sim_set_current(0);
  CHECK_OK(vc_stream_synchronize(-1, 0, &error)); /* pinned memory is no device's */
  CHECK_WORK("synchronize 1@0");
  sim_set_current(-1);
  sim_begin_capture(a, SIM_GLOBAL);
  const char *part = "the host can't wait for a stream that is capturing a graph";
  CHECK_FAILS(vc_stream_synchronize(0, a, &error), VC_ERROR_CUDA, part);
  CHECK_FAILS(vc_stream_synchronize(0, 1, &error), VC_ERROR_CUDA, part);
  CHECK_WORK("");
  CHECK_OK(vc_stream_synchronize(0, b, &error));
  CHECK_WORK("synchronize B@0");
  CHECK_INT(sim_end_capture(a), 0);
  sim_fail("cuStreamSynchronize", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_stream_synchronize(0, a, &error), VC_ERROR_CUDA,
              "cuStreamSynchronize failed with CUDA error 700 (CUDA_ERROR_ILLEGAL_ADDRESS)");
  sim_fail("cuStreamIsCapturing", 0, SIM_UNKNOWN);
  CHECK_INT(vc_stream_synchronize(0, a, NULL), VC_ERROR_CUDA);
}

static void test_idle(void) {
  intptr_t a = new_stream(0, false), b = new_stream(0, true);
  CHECK(vc_stream_is_idle(0, -1));
  CHECK_INT(sim_log_length(), 0);
  CHECK(vc_stream_is_idle(0, a) && vc_stream_is_idle(0, b) && vc_stream_is_idle(0, 1));
  CHECK_WORK("");
  sim_busy(a, 0, 1);
  CHECK(!vc_stream_is_idle(0, a) && vc_stream_is_idle(0, b));
  CHECK(!vc_stream_is_idle(0, 0) && !vc_stream_is_idle(0, 1)); /* a is blocking */
  sim_busy(a, 0, 0);
  sim_busy(b, 0, 1);
  CHECK(!vc_stream_is_idle(0, b) && vc_stream_is_idle(0, 1));
  sim_busy(b, 0, 0);
  sim_begin_capture(a, SIM_GLOBAL);
  CHECK(!vc_stream_is_idle(0, a) && !vc_stream_is_idle(0, 1) && vc_stream_is_idle(0, b));
  CHECK_INT(sim_end_capture(a), 0);
  sim_fail("cuStreamQuery", 0, SIM_ILLEGAL_ADDRESS);
  CHECK(!vc_stream_is_idle(0, a) && vc_stream_is_idle(0, a));
  sim_fail("cuStreamIsCapturing", 0, SIM_UNKNOWN);
  CHECK(!vc_stream_is_idle(0, a) && vc_stream_is_idle(0, a));
}

/* A capture in the strictest mode, and all that another thread does beside it. */
static void beside_a_capture(void) {
  intptr_t b = lettered[1], c = lettered[2];
  vc_event recorded;
  CHECK_OK(vc_cuda_warmup(0, &error));
  CHECK_OK(vc_stream_order(0, b, c, &error));
  CHECK_OK(vc_stream_synchronize(0, b, &error));
  if (CHECK_OK(vc_event_record(0, c, &recorded, &error))) CHECK(vc_event_done(&recorded));
  check_undisturbed(-1);
}

static void test_beside_a_capture(void) {
  intptr_t a = new_stream(0, false);
  new_stream(0, true), new_stream(0, true);
  sim_begin_capture(a, SIM_GLOBAL);
  on_new_thread(beside_a_capture);
  beside_a_capture();
  CHECK_INT(sim_end_capture(a), 0);
}

static void fail_order(const char *symbol, const char *part, const char *done) {
  sim_fail(symbol, 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_stream_order(0, lettered[0], lettered[1], &error), VC_ERROR_CUDA, part);
  CHECK(strstr(error.message, "700 (CUDA_ERROR_ILLEGAL_ADDRESS)") != NULL);
  CHECK_WORK(done);
  check_undisturbed(-1);
}

static void test_failures(void) {
  new_stream(0, false), new_stream(0, false);
  fail_order("cuStreamIsCapturing", "cuStreamIsCapturing failed", "");
  fail_order("cuEventCreate", "cuEventCreate failed", "create@0");
  CHECK_INT(sim_events(), 0);
  fail_order("cuEventRecord", "cuEventRecord (producer's stream) failed", "create@0, record A@0");
  fail_order("cuStreamWaitEvent", "cuStreamWaitEvent (consumer's stream) failed",
             "record A@0, wait B@0");
  CHECK_INT(sim_events(), 1);
  CHECK_OK(vc_stream_order(0, lettered[0], lettered[1], &error));
  CHECK_WORK("record A@0, wait B@0");
}

/* Without a context nothing can be ordered, and that is said. */
static void test_no_context(void) {
  intptr_t a = new_stream(0, false);
  sim_fail("cuDevicePrimaryCtxRetain", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_stream_order(0, 1, a, &error), VC_ERROR_CUDA,
              "device 0 current failed with CUDA error 2 ");
  sim_fail("cuCtxPushCurrent_v2", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_stream_order(0, 1, a, &error), VC_ERROR_CUDA,
              "device 0 current failed with CUDA error 2 ");
  sim_fail("cuCtxGetCurrent", 0, SIM_UNKNOWN);
  CHECK_FAILS(vc_stream_order(0, 1, a, &error), VC_ERROR_CUDA,
              "device 0 current failed with CUDA error 999");
  CHECK_WORK("");
  CHECK_INT(sim_mode(), SIM_GLOBAL);
  CHECK_OK(vc_stream_order(0, 1, a, &error));
  CHECK_WORK("create@0, record 1@0, wait A@0");
}

static void order_on_two(intptr_t producer, intptr_t consumer, const char *on_0, const char *on_1) {
  CHECK_OK(vc_stream_order(0, producer, consumer, &error));
  CHECK_WORK(on_0);
  CHECK_OK(vc_stream_order(1, producer, consumer, &error));
  CHECK_WORK(on_1);
}

static void order_across(void) {
  intptr_t a = lettered[0], b = lettered[1], c = lettered[2];
  int before = sim_current();
  order_on_two(a, b, "create@0, record A@0, wait B@1, destroy@0",
               "create@0, record A@0, wait B@1, destroy@1");
  order_on_two(b, a, "create@1, record B@1, wait A@0, destroy@0",
               "create@1, record B@1, wait A@0, destroy@1");
  order_on_two(1, b, "create@0, record 1@0, wait B@1, destroy@0", "record 1@1, wait B@1");
  order_on_two(a, 1, "record A@0, wait 1@0", "create@0, record A@0, wait 1@1, destroy@1");
  order_on_two(b, c, "create@1, record B@1, wait C@1, destroy@0", "record B@1, wait C@1");
  order_on_two(2, 1, "record 2@0, wait 1@0", "record 2@1, wait 1@1");
  check_undisturbed(before);
}

static void test_two_devices(void) {
  new_stream(0, false), new_stream(1, false), new_stream(1, true);
  CHECK_OK(vc_cuda_warmup(0, &error));
  CHECK_OK(vc_cuda_warmup(1, &error));
  CHECK_FAILS(vc_cuda_warmup(2, &error), VC_ERROR_DEVICE, "no CUDA device 2: this machine has 2");
  sim_log_clear();
  on_new_thread(order_across);
  sim_set_current(1);
  order_across();
  sim_set_current(0);
  order_across();
  CHECK_INT(sim_events(), 2 * POOLED);
}

static void fail_across(const char *symbol, const char *part) {
  sim_fail(symbol, 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_stream_order(0, lettered[0], lettered[1], &error), VC_ERROR_CUDA, part);
  CHECK_INT(sim_events(), 0);
  check_undisturbed(-1);
}

static void test_two_devices_failures(void) {
  intptr_t a = new_stream(0, false), b = new_stream(1, false);
  fail_across("cuStreamIsCapturing", "cuStreamIsCapturing failed");
  fail_across("cuEventCreate", "cuEventCreate failed");
  fail_across("cuEventRecord", "cuEventRecord (producer's stream) failed");
  fail_across("cuStreamWaitEvent", "cuStreamWaitEvent (consumer's stream) failed");
  sim_begin_capture(b, SIM_GLOBAL);
  sim_log_clear();
  refuse_order(a, b, "is not part of that capture");
  refuse_order(b, 1, "is not part of that capture");
  CHECK_INT(sim_end_capture(b), 0);
}

static void test_two_devices_capture(void) {
  intptr_t a = new_stream(0, false), b = new_stream(1, false);
  sim_begin_capture(a, SIM_GLOBAL);
  sim_join_capture(b, a);
  CHECK_OK(vc_stream_order(0, a, b, &error));
  CHECK_WORK("create@0, record A@0, wait B@1, destroy@0");
  CHECK_INT(sim_end_capture(a), 0);
}

static const simulated_case cases[] = {
    {"same", test_same, 0},
    {"order", test_order, 0},
    {"capture_mode_restored", test_capture_mode_restored, 0},
    {"threads", test_threads, 0},
    {"pool_reused", test_pool_reused, 0},
    {"one_side_captures", test_one_side_captures, 0},
    {"both_capture", test_both_capture, 0},
    {"default_stream_and_capture", test_default_stream_and_capture, 0},
    {"is_capturing", test_is_capturing, 0},
    {"synchronize", test_synchronize, 0},
    {"idle", test_idle, 0},
    {"beside_a_capture", test_beside_a_capture, 0},
    {"failures", test_failures, 0},
    {"no_context", test_no_context, 0},
    {"two_devices", test_two_devices, TWO_DEVICES},
    {"two_devices_failures", test_two_devices_failures, TWO_DEVICES},
    {"two_devices_capture", test_two_devices_capture, TWO_DEVICES},
};

int main(int count, char **arguments) {
  return run_cases(count, arguments, cases, sizeof cases / sizeof *cases, NULL);
}
