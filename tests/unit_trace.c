/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "trace.h"

#include <errno.h>
#include <string.h>

#include "sample.h"
#include "unit.h"

static void sample_event(struct sample *s, uint8_t type, struct xf_event *ret_event)
{
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = type;
    if (type == XF_EV_MSG) {
        sample_msg(s, &ret_event->msg);
        ret_event->msg.from = sample_node(s);
        return;
    }
    ret_event->copy = (uint8_t)sample_below(s, XF_N_COPIES);
    ret_event->note = (uint8_t)sample_below(s, XF_N_NOTES);
    ret_event->op = (uint8_t)sample_below(s, XF_N_OPS);
    ret_event->mover = (uint8_t)sample_below(s, XF_N_MOVER_EVS);
    ret_event->promise = (uint8_t)sample_below(s, XF_PROMISE_GO + 1);
    ret_event->ok = sample_bool(s);
    ret_event->quorate = sample_bool(s);
    ret_event->reason = (uint16_t)sample_below(s, XF_N_REASONS);
    ret_event->slot.i = (uint8_t)sample_below(s, 256);
    ret_event->members = sample_u32(s);
    ret_event->boot = sample_boot(s);
    if (type == XF_EV_BOOT) {
        sample_record(s, &ret_event->record);
    }
}

static void every_event_comes_back_from_its_line(void **state)
{
    struct sample s = { 51 };
    struct xf_event event, again;
    char line[XF_TRACE_LINE_SIZE];

    (void)state;
    for (int round = 0; round < 500; round++) {
        for (uint8_t type = 0; type < XF_N_EVENTS; type++) {
            size_t len;

            sample_event(&s, type, &event);
            len = xf_trace_event(&event, line, sizeof(line));
            assert_int_equal(len, strlen(line));
            assert_true(len < sizeof(line) - 1);
            assert_null(strchr(line, '\n'));
            assert_int_equal(xf_trace_parse_event(line, &again), 0);
            assert_memory_equal(&again, &event, sizeof(event));
        }
    }
}

static void the_longest_line_fits(void **state)
{
    struct xf_event event, again;
    char line[XF_TRACE_LINE_SIZE];

    (void)state;
    memset(&event, 0, sizeof(event));
    event.type = XF_EV_BOOT;
    event.copy = XF_COPY_SUSPENDED;
    event.note = XF_NOTE_COMPLETE;
    event.op = XF_OP_PREPARE;
    event.mover = XF_MOVER_SUSPENDED;
    event.promise = XF_PROMISE_STAY;
    event.ok = true;
    event.quorate = true;
    event.slot.i = 255;
    event.members = UINT32_MAX;
    event.boot.v = UINT64_MAX;
    memset(&event.record.id, 0xff, sizeof(event.record.id));
    event.record.src.id = UINT32_MAX;
    event.record.dst.id = UINT32_MAX;
    event.record.dst_boot.v = UINT64_MAX;
    event.record.own_boot.v = UINT64_MAX;
    event.record.marks = XF_MARK_NEVER * 2 - 1;
    event.record.promise = XF_PROMISE_STAY;
    event.record.epoch_max = UINT32_MAX;
    for (uint16_t reason = 0; reason < XF_N_REASONS; reason++) {
        event.reason = reason;
        (void)xf_trace_event(&event, line, sizeof(line));
        assert_int_equal(xf_trace_parse_event(line, &again), 0);
        assert_memory_equal(&again, &event, sizeof(event));
    }
}

static void lines_read_as_documented(void **state)
{
    struct xf_event event;
    char line[XF_TRACE_LINE_SIZE];

    (void)state;
    memset(&event, 0, sizeof(event));
    event.type = XF_EV_VIEW;
    event.members = 7;
    (void)xf_trace_event(&event, line, sizeof(line));
    assert_string_equal(line, "view members=7 seen=0 quorate=0");

    memset(&event, 0, sizeof(event));
    event.type = XF_EV_MSG;
    event.msg.type = XF_MSG_READY;
    event.msg.from.id = 2;
    event.msg.id = (struct xf_migid){ 3, { 1 }, { 0xab } };
    (void)xf_trace_event(&event, line, sizeof(line));
    assert_string_equal(line, "msg type=ready from=2 id=3@1.ab");

    memset(&event, 0, sizeof(event));
    event.type = XF_EV_BOOT;
    event.copy = XF_COPY_PAUSED;
    event.record.marks = XF_MARK_BEGUN | XF_MARK_WENT;
    (void)xf_trace_event(&event, line, sizeof(line));
    assert_string_equal(line, "boot copy=paused note=none marks=begun+went");
}

static void actions_say_what_they_do(void **state)
{
    struct xf_act act;
    char line[XF_TRACE_LINE_SIZE];

    (void)state;
    memset(&act, 0, sizeof(act));
    act.kind = XF_ACT_NOTE;
    act.note = XF_NOTE_COMMIT;
    (void)xf_trace_act(&act, line, sizeof(line));
    assert_string_equal(line, "note commit");
    act.kind = XF_ACT_SEND;
    act.msg.type = XF_MSG_COMMIT;
    act.msg.dst.id = 2;
    (void)xf_trace_act(&act, line, sizeof(line));
    assert_string_equal(line, "send type=commit dst=2");
    act.kind = XF_ACT_PERSIST;
    act.reply = true;
    act.record.marks = XF_MARK_ENDED;
    (void)xf_trace_act(&act, line, sizeof(line));
    assert_string_equal(line, "persist reply marks=ended");
    act.kind = XF_ACT_OP;
    act.op = XF_OP_UNPAUSE;
    (void)xf_trace_act(&act, line, sizeof(line));
    assert_string_equal(line, "op unpause");
    act.kind = XF_ACT_TIMER;
    act.timer = XF_TIMER_ANSWER;
    (void)xf_trace_act(&act, line, sizeof(line));
    assert_string_equal(line, "timer answer");
    act.kind = XF_ACT_REPORT;
    act.reason = XF_REASON_CANCELLED;
    (void)xf_trace_act(&act, line, sizeof(line));
    assert_string_equal(line, "report cancelled");
    act.kind = XF_ACT_GRANT;
    (void)xf_trace_act(&act, line, sizeof(line));
    assert_string_equal(line, "grant");
}

static void a_record_shows_its_state_and_votes(void **state)
{
    struct xf_core core;
    char line[XF_TRACE_LINE_SIZE];
    size_t len;

    (void)state;
    memset(&core, 0, sizeof(core));
    core.state = XF_ST_HOME;
    core.outcome = XF_OUT_KEPT;
    core.id = (struct xf_migid){ 3, { 2 }, { 9 } };
    core.promised = 5;
    core.refused = 2;
    (void)xf_trace_core(&core, line, sizeof(line));
    assert_string_equal(line, "state home outcome kept id 3@2 note none votes 2/1");
    core.marks = XF_MARK_BEGUN;
    core.quorate = true;
    len = xf_trace_core(&core, line, sizeof(line));
    assert_string_equal(line,
                        "state home outcome kept id 3@2 note none votes 2/1 marks begun quorate 1");
    memset(&core, 0xff, sizeof(core));
    assert_true(xf_trace_core(&core, line, sizeof(line)) < sizeof(line));
    assert_int_equal(xf_trace_core(&core, line, 20), 19);
    assert_int_equal(strlen(line), 19);
    assert_true(len > 20);
}

static void malformed_lines_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "view ",
        "view  members=7",
        "views",
        "View",
        "view members",
        "view members=",
        "view members=g",
        "view members=100000000",
        "view quorate=2",
        "view members=1 members=1",
        "view type=ready",
        "timer id=1@2.3",
        "msg type=nothing",
        "msg type=ready members=1",
        "boot copy=#7",
        "boot marks=",
        "boot marks=begun+",
        "boot marks=gone",
        "boot id=1",
        "boot id=1@2",
        "boot id=1@.3",
        "boot id=4294967296@1.1",
        "boot id=1@1.12345678901234567",
        "move slot=256",
        "cancel reason=whatever",
        "op ok=yes",
        "msg from=-1",
        "view members=1\n",
    };
    char longest[XF_TRACE_LINE_SIZE + 1];
    struct xf_event event;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(xf_trace_parse_event(bad[i], &event), -EBADMSG);
    }
    memset(longest, 'v', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(xf_trace_parse_event(longest, &event), -EBADMSG);
}

static void a_value_out_of_range_shows_as_a_number_that_does_not_parse(void **state)
{
    struct xf_event event;
    char line[XF_TRACE_LINE_SIZE];

    (void)state;
    memset(&event, 0, sizeof(event));
    event.type = XF_EV_BOOT;
    event.copy = 200;
    (void)xf_trace_event(&event, line, sizeof(line));
    assert_string_equal(line, "boot copy=#200 note=none");
    assert_int_equal(xf_trace_parse_event(line, &event), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_comes_back_from_its_line),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(lines_read_as_documented),
        cmocka_unit_test(actions_say_what_they_do),
        cmocka_unit_test(a_record_shows_its_state_and_votes),
        cmocka_unit_test(malformed_lines_are_refused),
        cmocka_unit_test(a_value_out_of_range_shows_as_a_number_that_does_not_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
