/* SPDX-License-Identifier: Apache-2.0 */
/* Events that a caller records and asks for: vc_event_record and vc_event_done. */
#include "simulated_process.h"

static void test_marks(void) {
  intptr_t a = new_stream(0, false);
  vc_event mark;
  sim_busy(a, 0, 1);
  CHECK_OK(vc_event_record(0, a, &mark, &error));
  CHECK_WORK("create@0, record A@0");
  CHECK(!vc_event_done(&mark) && !vc_event_done(&mark));
  CHECK_WORK("query@0, query@0");
  sim_busy(a, 0, 0);
  CHECK(vc_event_done(&mark));
  CHECK_WORK("query@0");
  CHECK(!mark.event);
  CHECK_OK(vc_event_record(0, -1, &mark, &error));
  CHECK(!mark.event);
  CHECK(vc_event_done(&mark));
  CHECK_OK(vc_event_record(0, 0, &mark, &error));
  CHECK_WORK("record 1@0");                         /* the event is the pool's */
  sim_fail("cuEventQuery", 0, SIM_ILLEGAL_ADDRESS); /* lost, and so done */
  CHECK(vc_event_done(&mark));
  CHECK_INT(sim_events(), 1);
  CHECK_FAILS(vc_event_record(64, a, &mark, &error), VC_ERROR_DEVICE, "CUDA device 64");
}

static void test_marks_dropped(void) {
  intptr_t a = new_stream(0, false);
  vc_event mark;
  sim_busy(a, 0, 1);
  CHECK_OK(vc_event_record(0, a, &mark, &error));
  vc_event_release(&mark);
  CHECK(!mark.event);
  vc_event_release(&mark); /* nothing more to give back */
  CHECK_WORK("create@0, record A@0");
  CHECK_OK(vc_event_record(0, a, &mark, &error));
  CHECK_WORK("record A@0"); /* the same event, which is not asked for */
  vc_event_release(&mark);
  CHECK_INT(sim_events(), 1);
}

/* More marks than the pool holds: the rest of their events is destroyed. */
static void test_many_marks(void) {
  enum { MARKS = POOLED + 5 };
  intptr_t a = new_stream(0, false);
  vc_event marks[MARKS];
  for (int i = 0; i < MARKS; i++) CHECK_OK(vc_event_record(0, a, &marks[i], &error));
  CHECK_INT(sim_events(), MARKS);
  for (int i = 0; i < MARKS; i++) CHECK(vc_event_done(&marks[i]));
  CHECK_INT(sim_events(), POOLED);
}

static void test_marks_refused(void) {
  intptr_t a = new_stream(0, false);
  vc_event mark = {.event = &mark, .device = 7};
  sim_begin_capture(a, SIM_GLOBAL);
  CHECK_FAILS(vc_event_record(0, a, &mark, &error), VC_ERROR_CUDA, "no event can be recorded");
  CHECK_FAILS(vc_event_record(0, 1, &mark, &error), VC_ERROR_CUDA, "no event can be recorded");
  CHECK_WORK("");
  CHECK_INT(sim_end_capture(a), 0);
  sim_fail("cuEventCreate", 0, SIM_OUT_OF_MEMORY);
  CHECK_FAILS(vc_event_record(0, a, &mark, &error), VC_ERROR_CUDA, "cuEventCreate failed");
  CHECK_WORK("create@0");
  sim_fail("cuEventRecord", 0, SIM_ILLEGAL_ADDRESS);
  CHECK_FAILS(vc_event_record(0, a, &mark, &error), VC_ERROR_CUDA, "cuEventRecord failed");
  CHECK_WORK("create@0, record A@0");
  CHECK_INT(sim_events(), 1); /* the pool's */
  CHECK(mark.event == &mark);
  CHECK_INT(mark.device, 7);
}

static void test_two_devices_marks(void) {
  intptr_t a = new_stream(1, false), b = new_stream(0, false), c = new_stream(0, false);
  vc_event mark;
  CHECK_OK(vc_stream_order(0, b, c, &error)); /* an event for the first one's pool */
  CHECK_WORK("create@0, record B@0, wait C@0");
  sim_busy(a, 1, 1);
  CHECK_OK(vc_event_record(0, a, &mark, &error)); /* memory of the first, work on the second */
  CHECK_WORK("create@1, record A@1");
  CHECK(!vc_event_done(&mark));
  sim_busy(a, 1, 0);
  CHECK(vc_event_done(&mark));
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
    {"marks", test_marks, 0},
    {"marks_dropped", test_marks_dropped, 0},
    {"many_marks", test_many_marks, 0},
    {"marks_refused", test_marks_refused, 0},
    {"two_devices_marks", test_two_devices_marks, TWO_DEVICES},
};

int main(int count, char **arguments) {
  return run_cases(count, arguments, cases, sizeof cases / sizeof *cases, NULL);
}
