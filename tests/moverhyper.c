/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * More stories of two movers, as in moverpair.c: of hypervisors that fail, and of guests so busy
 * that the stop rule has something to do.
 */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "moverrun.h"
#include "moverstage.h"

static struct moverstage *stage;

/* ---- hypervisors that fail ---- */

static void source_fault(const char *fault, bool suspends, enum xf_reason reason)
{
    stage->s.fault = fault;
    moverstage_start_both();
    if (suspends) {
        STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_SWITCH, STAGE_WAIT_MS));
        moverlib_tell(&stage->s, XF_LINK_SWITCH);
        if (!moverlib_expect(&stage->s, XF_LINK_SUSPENDED, STAGE_WAIT_MS) &&
            stage->s.msg.type == XF_LINK_FAILED) {
            STAGE_CHECK(stage->s.msg.reason == reason);
            STAGE_CHECK(moverstage_fails_with(&stage->d, reason));
            moverstage_both_ended_here();
            return;
        }
    }
    STAGE_CHECK(moverstage_fails_with(&stage->s, reason));
    STAGE_CHECK(moverstage_fails_with(&stage->d, reason));
    moverstage_both_ended_here();
}

static void a_page_beyond_the_guest_is_refused(void)
{
    source_fault("bad-pfn", false, XF_REASON_STREAM);
}

static void a_stream_that_is_none_is_refused(void)
{
    source_fault("garbage", false, XF_REASON_STREAM);
}

static void a_stream_without_its_end_is_refused(void)
{
    source_fault("no-end", true, XF_REASON_STREAM);
}

static void bytes_after_the_end_are_refused(void)
{
    source_fault("after-end", true, XF_REASON_STREAM);
}

static void a_failing_save_is_told(void)
{
    source_fault("fail-save", true, XF_REASON_HYPERVISOR);
}

static void a_hanging_save_is_told(void)
{
    source_fault("hang-save", true, XF_REASON_HYPERVISOR);
}

static void a_guest_that_refuses_to_suspend_is_told(void)
{
    source_fault("fail-suspend", true, XF_REASON_NOT_SUSPENDED);
}

static void a_guest_that_does_not_suspend_is_told(void)
{
    source_fault("no-suspend", true, XF_REASON_NOT_SUSPENDED);
}

static void dest_fault(const char *fault)
{
    stage->d.fault = fault;
    moverstage_start_both();
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_RESTORE));
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_RESTORE));
    moverstage_both_ended_here();
}

static void a_failing_restore_is_told(void)
{
    dest_fault("fail-restore");
}

static void the_peers_word_for_the_domains_size_is_not_enough(void)
{
    dest_fault("no-memory");
}

static void a_hanging_restore_is_told(void)
{
    dest_fault("hang-restore");
}

static void a_domain_that_is_never_built_is_told(void)
{
    stage->d.fault = "hang-build";
    moverstage_start_both();
    moverstage_until_want_end();
    moverlib_tell(&stage->s, XF_LINK_GRANT);
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_RESTORE));
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_RESTORE));
    moverstage_both_ended_here();
}

/* Nobody asks for a switch-over, and when the guest was told to suspend is not known. */
static void a_hypervisor_may_go_by_a_rule_of_its_own(void)
{
    stage->s.fault = "own-rule";
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_SUSPENDED, STAGE_WAIT_MS));
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_WANT_END, STAGE_WAIT_MS));
    moverstage_finish();
    STAGE_CHECK(stage->s.msg.totals.suspend_us == 0);
    STAGE_CHECK(stage->s.msg.totals.predicted_pause_us == 0);
}

/* ---- the stop rule at work ---- */

/* All pages dirty in each round, and a wire that takes about 200 ms for them. */
static void busy_guest(uint32_t max_ms)
{
    setenv("XF_FAKE_DIRTY", "3000", 1);
    stage->first.params.options.bandwidth_kibps = 40000;
    stage->first.params.options.downtime_target_ms = 20;
    stage->first.params.options.downtime_max_ms = max_ms;
}

static void a_busy_guest_is_left_alone(void)
{
    busy_guest(60);
    moverstage_start_both();
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_NOT_CONVERGING));
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_NOT_CONVERGING));
    moverstage_both_ended_here();
    STAGE_CHECK(!moverstage_exists(stage->dir_s, "suspended") &&
                !moverstage_exists(stage->dir_s, "cap"));
}

static void a_slowed_guest_gets_its_speed_back(void)
{
    busy_guest(60);
    stage->first.params.options.slow_allowed = true;
    stage->first.params.options.bandwidth_kibps = 60000;
    moverstage_start_both();
    STAGE_CHECK(moverlib_expect(&stage->s, XF_LINK_ROUND, STAGE_WAIT_MS));
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_NOT_CONVERGING));
    STAGE_CHECK(stage->s.last.cap_percent < 100);
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_NOT_CONVERGING));
    moverstage_both_ended_here();
    STAGE_CHECK(moverstage_cap(stage->dir_s) == 100);
}

static void a_guest_slowed_while_all_is_cancelled_gets_its_speed_back(void)
{
    uint64_t end_ms = moverlib_now_ms() + STAGE_WAIT_MS;

    busy_guest(60);
    stage->s.fault = "slow-cap";
    stage->first.params.options.slow_allowed = true;
    stage->first.params.options.bandwidth_kibps = 60000;
    moverstage_start_both();
    while (!moverstage_exists(stage->dir_s, "capping") && moverlib_now_ms() < end_ms) {
        usleep(1000);
    }
    STAGE_CHECK(moverstage_cap(stage->dir_s) == 0); /* the hypervisor is still at it */
    moverlib_tell(&stage->s, XF_LINK_CANCEL);
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_CANCELLED));
    /* From here on the agent may kill it. */
    STAGE_CHECK(moverstage_cap(stage->dir_s) == 100);
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_CANCELLED));
    moverstage_both_ended_here();
    STAGE_CHECK(moverstage_cap(stage->dir_s) == 100);
}

static void a_busy_guest_moves_by_force(void)
{
    busy_guest(60);
    stage->first.params.options.force = true;
    moverstage_start_both();
    moverstage_until_want_end();
    moverstage_finish();
    STAGE_CHECK(stage->s.msg.totals.predicted_pause_us > 60000);
}

static void the_time_limit_ends_a_move(void)
{
    busy_guest(60);
    stage->first.params.options.bandwidth_kibps = 4000;
    stage->first.params.options.max_time_s = 1;
    moverstage_start_both();
    STAGE_CHECK(moverstage_fails_with(&stage->s, XF_REASON_MAX_TIME));
    STAGE_CHECK(moverstage_fails_with(&stage->d, XF_REASON_MAX_TIME));
    moverstage_both_ended_here();
}

static void the_bandwidth_limit_is_kept(void)
{
    uint64_t start = moverlib_now_ms();
    uint64_t took;

    stage->first.params.options.bandwidth_kibps = 10000;
    moverstage_start_both();
    moverstage_until_want_end();
    took = moverlib_now_ms() - start;
    moverstage_finish();
    STAGE_CHECK(stage->s.msg.totals.bytes_wire / 10240 < took + 50);
    STAGE_CHECK(stage->s.msg.totals.bytes_wire / 10240 > took / 2);
}

static const struct moverstory stories[] = {
#define STORY(name)                                                                                \
    {                                                                                              \
#name, name                                                                                \
    }
    STORY(a_page_beyond_the_guest_is_refused),
    STORY(a_stream_that_is_none_is_refused),
    STORY(a_stream_without_its_end_is_refused),
    STORY(bytes_after_the_end_are_refused),
    STORY(a_failing_save_is_told),
    STORY(a_hanging_save_is_told),
    STORY(a_guest_that_refuses_to_suspend_is_told),
    STORY(a_guest_that_does_not_suspend_is_told),
    STORY(a_failing_restore_is_told),
    STORY(the_peers_word_for_the_domains_size_is_not_enough),
    STORY(a_hanging_restore_is_told),
    STORY(a_domain_that_is_never_built_is_told),
    STORY(a_hypervisor_may_go_by_a_rule_of_its_own),
    STORY(a_busy_guest_is_left_alone),
    STORY(a_slowed_guest_gets_its_speed_back),
    STORY(a_guest_slowed_while_all_is_cancelled_gets_its_speed_back),
    STORY(a_busy_guest_moves_by_force),
    STORY(the_time_limit_ends_a_move),
    STORY(the_bandwidth_limit_is_kept),
#undef STORY
};

int main(int argc, char **argv)
{
    stage = moverstage();
    return moverrun(argc, argv, stories, sizeof(stories) / sizeof(stories[0]));
}
