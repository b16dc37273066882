/* SPDX-License-Identifier: Apache-2.0 */
/* Events that a caller records and asks for: vc_event_record and vc_event_done. */
#include "simulated_process.h"

static void test_events(void) {
  intptr_t a = new_stream(0, false);
  vc_event recorded;
  sim_busy(a, 0, 1);
  CHECK_OK(vc_event_record(0, a, &recorded, &error));
  CHECK_WORK("create@0, record A@0");
  CHECK(!vc_event_done(&recorded) && !vc_event_done(&recorded));
  CHECK_WORK("query@0, query@0");
  sim_busy(a, 0, 0);
  CHECK(vc_event_done(&recorded));
  CHECK_WORK("query@0");
  CHECK(!recorded.event);
  CHECK_OK(vc_event_record(0, -1, &recorded, &error));
  CHECK(!recorded.event);
  CHECK(vc_event_done(&recorded));
  CHECK_OK(vc_event_record(0, 0, &recorded, &error));
  CHECK_WORK("record 1@0");                         /* the event is the pool's */
  sim_fail("cuEventQuery", 0, SIM_ILLEGAL_ADDRESS); /* lost, and so done */
  CHECK(vc_event_done(&recorded));
  CHECK_INT(sim_events(), 1);
  CHECK_FAILS(vc_event_record(64, a, &recorded, &error), VC_ERROR_DEVICE, "CUDA device 64");
}

static void test_events_released(void) {
  intptr_t a = new_stream(0, false);
  vc_event recorded;
  sim_busy(a, 0, 1);
  CHECK_OK(vc_event_record(0, a, &recorded, &error));
  vc_event_release(&recorded);
  CHECK(!recorded.event);
  vc_event_release(&recorded); /* nothing more to give back */
  CHECK_WORK("create@0, record A@0");
  CHECK_OK(vc_event_record(0, a, &recorded, &error));
  CHECK_WORK("record A@0"); /* the same event, which is not asked for */
  vc_event_release(&recorded);
  CHECK_INT(sim_events(), 1);
}

/* More events than the pool holds: the others are destroyed. */
static void test_many_events(void) {
  enum { MARKS = POOLED + 5 };
  intptr_t a = new_stream(0, false);
  vc_event events[MARKS];
  for (int i = 0; i < MARKS; i++) CHECK_OK(vc_event_record(0, a, &events[i], &error));
  CHECK_INT(sim_events(), MARKS);
  for (int i = 0; i < MARKS; i++) CHECK(vc_event_done(&events[i]));
  CHECK_INT(sim_events(), POOLED);
}

static void test_events_refused(void) {
  intptr_t a = new_stream(0, false);
  vc_event recorded = {.event = &recorded, .device = 7};
  sim_begin_capture(a, SIM_GLOBAL);
  CHECK_FAILS(vc_event_record(0, a, &recorded, &error), VC_ERROR_CUDA, "no event can be recorded");
  CHECK_FAILS(vc_event_record(0, 1, &recorded, &error), VC_ERROR_CUDA, "no event can be recorded");
  CHECK_WORK("");
  CHECK_INT(sim_end_capture(a), 0);
  sim_fail("cuEventCreate", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_event_record(0, a, &recorded, &error), VC_ERROR_CUDA, "cuEventCreate failed");
  CHECK_WORK("create@0");
  sim_fail("cuEventRecord", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_event_record(0, a, &recorded, &error), VC_ERROR_CUDA, "cuEventRecord failed");
  CHECK_WORK("create@0, record A@0");
  CHECK_INT(sim_events(), 1); /* the pool's */
  CHECK(recorded.event == &recorded);
  CHECK_INT(recorded.device, 7);
}

static void test_two_devices_events(void) {
  intptr_t a = new_stream(1, false), b = new_stream(0, false), c = new_stream(0, false);
  vc_event recorded;
  CHECK_OK(vc_stream_order(0, b, c, &error)); /* an event for the first one's pool */
  CHECK_WORK("create@0, record B@0, wait C@0");
  sim_busy(a, 1, 1);
  CHECK_OK(vc_event_record(0, a, &recorded, &error)); /* memory of the first, work on the second */
  CHECK_WORK("create@1, record A@1");
  CHECK(!vc_event_done(&recorded));
  sim_busy(a, 1, 0);
  CHECK(vc_event_done(&recorded));
  CHECK_WORK("query@0, query@0, destroy@0");
  CHECK_OK(vc_stream_order(0, b, c, &error));
  CHECK_WORK("record B@0, wait C@0");
  CHECK_OK(vc_stream_synchronize(0, a, &error));
  CHECK_WORK("synchronize A@1");
  CHECK_OK(vc_stream_synchronize(1, 1, &error));
  CHECK_WORK("synchronize 1@1");
  CHECK_INT(sim_events(), 1);
}

static const simulated_case cases[] = {
    {"events", test_events, 0},
    {"events_released", test_events_released, 0},
    {"many_events", test_many_events, 0},
    {"events_refused", test_events_refused, 0},
    {"two_devices_events", test_two_devices_events, TWO_DEVICES},
};

int main(int count, char **arguments) {
  return run_cases(count, arguments, cases, sizeof cases / sizeof *cases, NULL);
}
